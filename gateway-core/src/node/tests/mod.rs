//! The node as transcripts: a world of clients, servers, a store and a data plane around it, all of it deterministic.

mod cluster;
mod crash;
mod forged;
mod life;
mod logins;
mod reconcile;
mod recover;
mod recover6;
mod release6;
mod replaced;
mod restarts;
mod server;
mod signed;
mod silence;
mod six;
mod six_cluster;
mod takeover;
mod world;

use core::net::Ipv4Addr;

use server::Server;
use world::World;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
