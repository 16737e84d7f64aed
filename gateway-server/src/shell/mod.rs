//! All I/O of a server that keeps its own leases: sockets, clocks, the store, and the loop in the middle.

mod carry;
pub mod clock;
pub(crate) mod datagrams;
pub(crate) mod log;
pub mod lookup;
mod pace;
pub(crate) mod ping;
mod reading;
pub(crate) mod service;
pub(crate) mod service6;
mod serving;
pub(crate) mod sockets;
pub(crate) mod streams;
mod throttle;

pub use service::{LEASES, Service};
pub use serving::{Serving, serve};
