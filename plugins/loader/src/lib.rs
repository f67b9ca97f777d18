//! From a directory of shared libraries to loaded plugins.
