//! Records of the conductor and the rules between them.
