//! Sessions: the record of every login (BR-4), in memory and on disk.

mod words;

pub use words::{CohortId, EndReason, Lockout, Refusal, StaticSubscriber};
