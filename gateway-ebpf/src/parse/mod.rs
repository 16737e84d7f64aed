//! From octets to header fields. Nothing here looks at a map; all of it is tested on the host.
//!
//! A parser returns `None` for what can't be: a frame that ends inside a header, or a header that lies about its
//! length.

pub(crate) mod arp;
pub(crate) mod dhcp;
pub(crate) mod ethernet;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod nd;
pub(crate) mod sctp;
pub(crate) mod transport;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests6;
