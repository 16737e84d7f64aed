//! The lab: network namespaces and veth pairs with real DHCP servers, clients and relays in them, and the gateway.
//!
//! Everything is named `gwlab-<pid>-<n>-…` and disappears when its object is dropped; what a killed run left behind
//! is removed before the next lab starts. Nothing outside these namespaces is touched: each has its own mounts too
//! (`/run`, `/sys`, a bpffs, `/etc/resolv.conf`). Waiting is always for a condition, with a bound.
//!
//! ```text
//!  sub0 ─veth─ fpc0 ┐                  ┌ br-core ┐
//!  sub1 ─veth─ fpc1 ┴ gw ─ core0 ─veth─┘         └─veth─ srv0 (DHCP server, "internet" 203.0.113.1)
//! ```

pub mod bench;
pub mod capture;
pub mod client;
pub mod client6;
pub mod daemon;
pub mod dhcp;
pub mod dhcp6;
pub mod disk;
pub mod etcd;
pub mod fleet;
pub mod lab;
pub mod link;
pub mod members;
pub mod namespace;
pub mod packets;
pub mod pass;
pub mod perfdhcp;
pub mod plan;
pub mod plan6;
pub mod postgres;
pub mod process;
pub mod relay;
pub mod sctp;
pub mod server;
pub mod stage;
mod stale;
pub mod standstill;
pub mod subnets;
pub mod tap;
pub mod traffic;
pub mod wait;
