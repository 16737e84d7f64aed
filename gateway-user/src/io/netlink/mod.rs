//! rtnetlink: what interfaces and addresses there are, and routes and neighbours for the kernel's own stack.

mod aggregate;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod route;
mod route6;
mod socket;
mod tables6;
mod writer;

pub(crate) use link::{Change, Link, Monitor};
pub(crate) use route::{KernelRoute, Routes};
pub(crate) use route6::KernelRoute6;
pub(crate) use tables6::Tables6;
pub(crate) use writer::RouteWriter;
