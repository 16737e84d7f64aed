//! The embedded DHCP server; [`v6`] is its half for DHCPv6, of the same shape.
//!
//! [`Server`] decides and touches nothing: a message goes in with the time, commands come out.
//! [`gateway_store::Store`] puts the durable records on disk, [`service::Service`] is the loop around both. The order of the commands is the
//! promise: no message leaves before every record polled ahead of it is on disk, so an acknowledged lease survives
//! `kill -9`, and a single logout is answered only after its one record is durable.

mod area;
mod class;
pub mod clock;
pub mod config;
mod connections;
mod datagrams;
mod delegated;
pub mod event;
pub mod exchange;
mod leases;
pub mod lookup;
mod ping;
mod place;
pub mod postgres;
mod reading;
mod record;
mod reservation;
pub mod server;
pub mod service;
mod service6;
mod serving;
pub mod shared;
mod streams;
pub mod subnets;
mod transactions;
pub mod v6;

pub use class::{Class, Pattern, Terms};
pub use config::{
    Admits, BulkReleasePolicy, Config, ConfigError, LeasequeryPolicy, Permitted, PingCheck, Ports, Subnet,
};
pub use delegated::{Delegated, Occupancy, Overlap, Tenure};
pub use event::{Counters, Event, Evidence, Status};
pub use place::{Place, Postgres, UrlError};
pub use reservation::Reservation;
pub use server::{Command, RenewError, Server, StartError};
pub use service::Service;
pub use serving::{Serving, serve};
pub use shared::Shared;
