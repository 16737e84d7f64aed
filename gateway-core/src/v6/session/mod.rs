//! Sessions of DHCPv6 clients and their leases, in memory and on disk.

mod bind;
mod clients;
mod command;
mod end;
mod index;
mod lease;
mod limits;
mod logins;
mod record;
mod replica;
mod restore;
mod share;
mod sweep;
mod table;
mod takeover;

pub use command::{Command, Route};
pub use lease::{Cohort, Lease, Session};
pub use limits::Limits;
pub(crate) use logins::LEFT_BEHIND;
pub use record::PREFIX;
pub use restore::Restoring;
pub use table::Sessions;

#[cfg(test)]
mod tests;
