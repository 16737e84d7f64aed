//! The shell's contact with the kernel beside the data plane: clock, packets, links, addresses, routes, sysctls.

pub(crate) mod announce;
pub(crate) mod end;
mod family;
pub(crate) mod netlink;
pub(crate) mod random;
pub(crate) mod raw;
mod segments;
mod send;
pub(crate) mod sysctl;
pub(crate) mod udp;
pub(crate) mod watch;

pub(crate) use gateway_server::clock;
