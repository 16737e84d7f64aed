//! Tests of the address manager. Addresses of this host are 192.0.2.N on card 1 and 198.51.100.N on card 2; the peer's
//! 203.0.113.N.

mod echoes;
mod evidence;
mod handed;
mod lab;
mod limits;
mod moving;
mod paths;
mod policy;
mod results;
mod sim;
mod triggers;
