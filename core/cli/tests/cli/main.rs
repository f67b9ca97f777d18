//! The program against a fake server: what it asks, what it writes, with which code it ends.

mod errors;
mod facts;
mod fake;
mod list;
mod node;
mod plugin;
mod power;
mod provision;
mod run;
