//! Whether subscribers are still there.
//!
//! ```text
//!              every `period`                 silent for `silent_after`         no answer, `probes` times
//!   Sweep ──▶ shell reads last-seen ──▶ handle_seen ──▶ suspect ──▶ Probe (ARP, NS) ──▶ Look ──▶ handle_seen ──▶ Gone
//!                                           │ heard of since                │ handle_answer        │ heard of since
//!                                           ▼                               ▼                      ▼
//!                                         alive                           alive                  alive
//! ```
//!
//! The data plane's own counters come first: it writes down when each access route was used last. Only who is silent there
//! is asked, at a bounded rate, and is told as gone only after the counters were read once more. It is off unless the
//! operator switches it on for an FPC: where the loss of a link looks like the loss of a client, nobody should be released
//! for it (RR-8).

mod config;
mod watch;

pub use config::{LivenessConfig, Watch};
pub use watch::{Command, Counters, Liveness, Subscriber};

#[cfg(test)]
mod tests;
