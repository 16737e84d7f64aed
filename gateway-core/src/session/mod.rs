//! Sessions: the record of every login (BR-4), in memory and on disk.

mod bind;
mod cohort;
mod command;
mod end;
mod lockout;
mod logins;
mod numbering;
mod record;
mod replica;
mod restore;
mod share;
mod slab;
mod sweep;
mod table;
mod wheel;
mod words;

pub use cohort::Cohort;
pub use command::{Command, Route};
pub use numbering::Numbering;
pub use record::{COHORT_PREFIX, SESSION_PREFIX};
pub use restore::Restoring;
pub use share::ShareConfig;
pub use table::{Session, SessionConfig, Sessions};
pub use words::{Bound, CohortId, EndReason, Lockout, Refusal, StaticSubscriber};

#[cfg(test)]
mod tests;
