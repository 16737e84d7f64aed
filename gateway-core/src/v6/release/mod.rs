//! Releasing clients that are gone, on their behalf (draft-gandhewar-dhc-v6-relay-initiated-release-01, wire format 3b).
//!
//! ```text
//!  FPC restarts ─────▶ journal (synced) ─▶ pages of the table ─┐
//!  operator, moved,                                            ▼                              status per client and IA
//!  replaced, silent ─▶ journal (synced) ──────────────────▶ waiting ──RELEASE-REQUEST──▶ open ──────────▶ EndLease
//!                                                              ▲   (batches to the MTU)  │ │                Orphan
//!                         client speaks: it leaves, the others │                         │ │
//!                         go into a new message ───────────────┴─────────────────────────┘ │ 1, 2, 4, 8 s: nothing
//!                                                              ▲                           ▼
//!                                                              └── one RELEASE each ◀── server never answered one
//! ```
//!
//! A server that has stored our scope with its leases gets one message for all of them first ([`logout`]), and the batches only
//! where it does not do what that says.
//!
//! A *client* here is a DUID on a line with what one server leased to it. Nothing ends before its server said so: Success
//! and NoBinding end a lease, any other status keeps it until its time is over (RR-57, RR-58), and so does silence unless
//! the operator wants otherwise (H-RR-14). Nothing of an epoch over the cut-off, and nothing that was heard of since the
//! decision, is released at all (H-RR-6).
//!
//! What was begun survives the gateway: a restart by its record and by what is left in the table, a single client by one
//! record for each lease ([`journal`]).

mod answer;
mod batch;
mod command;
mod config;
mod context;
mod engine;
mod gather;
mod item;
mod journal;
mod lane;
mod logout;
mod message;
mod one;
mod progress;
mod single;
mod tell;

pub use command::{Command, Ending, Event, Takes, WhyIndividually};
pub use config::{Cause, Causes, Fallback, Identity, OnTimeout, ReleaseConfig, Wrap};
pub use context::{Client, CohortSummary, Context, Held, Logins};
pub use engine::Releases;
pub use journal::JOURNAL_PREFIX;
pub(crate) use journal::{lease_key, restart_key};
pub(crate) use logout::scope;
pub use progress::{Counters, Progress, ReleaseView};

#[cfg(test)]
mod tests;
