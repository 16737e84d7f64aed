//! The gateway's shell: a library, so that tests can use its types; the binary `gateway` is one call of it.

pub mod config;
pub mod control;
mod dataplane;
mod io;
pub mod run;
mod store;
