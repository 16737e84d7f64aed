//! Several gateways with one address: what the cluster's cores need of the host.

mod accept;
pub(crate) mod acting;
pub mod authority;
mod dial;
pub(crate) mod door;
pub(crate) mod etcd;
mod link;
pub(crate) mod mesh;
pub mod names;
pub(crate) mod over;
mod serve;
pub(crate) mod thread;
pub mod tls;
mod valid;
