//! Sessions: the record of every login (BR-4), in memory and on disk.

mod bind;
mod clients;
pub(crate) mod cohort;
mod command;
pub(crate) mod counts;
mod end;
pub(crate) mod groups;
pub(crate) mod lockout;
mod logins;
pub(crate) mod numbering;
mod record;
mod replica;
mod restore;
pub(crate) mod share;
pub(crate) mod slab;
pub(crate) mod sweep;
mod table;
mod takeover;
pub(crate) mod wheel;
mod words;

pub use command::{Command, Route};
pub use numbering::Numbering;
pub use record::{COHORT_PREFIX, SESSION_PREFIX};
pub use restore::Restoring;
pub use share::ShareConfig;
pub use table::{Session, SessionConfig, Sessions};
pub use words::{Bound, Cohort, CohortId, EndReason, Lockout, Refusal, StaticSubscriber};

#[cfg(test)]
mod tests;
