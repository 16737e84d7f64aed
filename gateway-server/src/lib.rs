//! The embedded DHCP server; [`v6`] is its half for DHCPv6, of the same shape.
//!
//! [`Server`] decides and touches nothing: a message goes in with the time, commands come out.
//! [`gateway_store::Store`] puts the durable records on disk, [`Service`] is the loop around both. The order of the commands is the
//! promise: no message but an OFFER or ADVERTISE, which promise nothing, leaves before every record polled ahead of it is on
//! disk, so an acknowledged lease survives `kill -9`, and a single logout is answered only after its one record is durable.
//!
//! | where | what |
//! |---|---|
//! | [`config`] | what an operator says: subnets, classes, reservations, where leases are kept |
//! | [`server`] | what is decided about DHCPv4; `leases` is its table |
//! | [`v6`] | the same for DHCPv6: configuration, decisions, table |
//! | `record`, [`event`] | what goes to the disk, and what an operator hears |
//! | [`subnets`] | the shell of delegation: subnets from and to other servers |
//! | `load` | how full its pools are, how long its answers take |
//! | `shell` | sockets, clocks, the store, and the loop of a server that keeps its own leases |
//! | [`shared`] | servers that share their leases, and PostgreSQL for them |
//! | [`exchange`] | leases from and to other servers' files |

pub mod config;
pub mod event;
pub mod exchange;
mod leases;
mod load;
mod record;
pub mod server;
pub mod shared;
mod shell;
pub mod subnets;
pub mod v6;

pub use config::class::{Class, Pattern, Terms};
pub use config::delegated::{AssignError, Delegated, Loan, Occupancy, Overlap, Tenure};
pub use config::place::{Place, Postgres, UrlError};
pub use config::reservation::Reservation;
pub use config::{
    Admits, BulkReleasePolicy, Config, ConfigError, LeasequeryPolicy, Permitted, PingCheck, Ports, Subnet,
};
pub use event::{Counters, Event, Evidence, Status};
pub use load::{Fill, Latency};
pub use server::{Command, RenewError, Server, StartError};
pub use shared::Shared;
pub use shell::{LEASES, Service, Serving, clock, lookup, serve};
