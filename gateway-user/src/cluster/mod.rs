//! Several gateways with one address: what the cluster's cores need of the host.

pub mod authority;
pub mod names;
pub mod tls;
