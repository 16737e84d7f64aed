//! The DHCPv6 server: messages as octets in, octets out, on a virtual clock and a disk in memory.

mod bounds;
mod bulk;
#[path = "../journal/mod.rs"]
mod journal;
mod lab;
mod leasing;
mod oracle;
mod power_cut;
mod properties;
mod query;
mod release;
mod renewing;
mod single_logout;
