//! Logging out everything behind a restarting FPC (BR-19 to BR-31).
//!
//! [`Releases`] is told that an FPC restarts and what the cut-off is, looks at the FPC's cohorts, and for each server
//! takes the cheaper of two ways:
//!
//! ```text
//!  handle_restart ─▶ journal (synced) ─┬─ server capable ─▶ bulk release ─▶ reply ─▶ EndCohort        one message
//!                                      │                     │  1, 2, 4, 8 s    └─ status, failed>0 ─┐
//!                                      │                     └─ no reply ────────────────────────────┤
//!                                      └─ not capable, untagged ─────────────────────────────────────┤
//!                                                                                                    ▼
//!        Orphan, retried until the lease ends ◀─ still active ─ leasequery ◀─ paced individual RELEASEs
//!                                                                  └─ gone ─▶ EndSession
//! ```
//! Nothing ends before its server confirmed it (or, where there is no way to ask, before its RELEASE was sent), and
//! nothing of an epoch over the cut-off ends at all (H-BR-6); a client that was given another address has left its old one
//! by itself, and only its lease is still released ([`Releases::handle_superseded`]). The bulk way never looks at a single login; the individual
//! way holds at most a few hundred of them at a time.
//!
//! An unfinished release is in the journal, so that it survives the gateway (H-BR-20). The journal holds the transactions;
//! for the individual way the session table itself is the list of what is left: what was done with is no longer in it.

mod answer;
mod command;
mod config;
mod context;
mod desk;
mod engine;
mod individually;
mod item;
mod journal;
mod lane;
mod logins;
mod message;
mod one;
mod pace;
mod progress;
mod reply;
mod transaction;
mod work;

pub(crate) use desk::{Decision, patience, retry_after};
pub(crate) use pace::Pace;
pub(crate) use work::Pager;

pub use command::{Command, Ending, Event, Fallback};
pub use config::{ReleaseConfig, ServerConfig, Verify};
pub use context::{Context, RestartPlan};
pub use engine::Releases;
pub use journal::JOURNAL_PREFIX;
pub use logins::{CohortSummary, Cursor, Individual, Logins};
pub use progress::{Counters, Phase, Progress, ReleaseView};

#[cfg(test)]
mod tests;
