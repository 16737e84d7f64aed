//! The gateway.
mod dataplane;
mod io;
mod store;
fn main() {}
