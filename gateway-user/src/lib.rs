//! The gateway's shell: a library, so that tests can use its types; the binary `gateway` is one call of it.

mod check;
mod cli;
pub mod cluster;
pub mod config;
pub mod control;
pub mod dataplane;
mod io;
pub mod metrics;
pub mod run;
#[cfg(test)]
#[path = "../tests/sample/mod.rs"]
mod sample;
pub mod sctp;
mod server;
mod store;
mod top;

pub use cli::main;
#[cfg(test)]
use control::protocol;
