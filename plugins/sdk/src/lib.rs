//! All a hardware vendor needs to write a Farrier driver plugin.
