//! Whether subscribers are still there.
//!
//! ```text
//!        every `period`        silent for `silent_after`    seen since, or an answer
//!   Sweep ──▶ handle_seen ──────────────▶ asked ─────────────────────────────────────▶ alive
//!                                         │   ▲
//!                          `probes` times │   │ not ended by then
//!                                 no more ▼   │
//!                                         gone ──▶ Gone
//! ```
//!
//! The data plane's own counters come first: it writes down when each access route was used last. Only who is silent there
//! is asked, at a bounded rate; before each question, and before a subscriber is told as gone, the counters are looked at
//! once more. It is off unless the operator switches it on for an FPC: where the loss of a link looks like the loss of a
//! client, nobody should be released for it (RR-8).

mod config;
mod watch;

pub use config::{LivenessConfig, Watch};
pub use watch::{Command, Counters, Liveness, Subscriber};

#[cfg(test)]
mod tests;
