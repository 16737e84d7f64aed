//! Getting back what a store has lost: servers are asked what they leased through this relay (RFC 5460, RFC 6926), over
//! TCP, and every lease whose line can be read becomes a session again. Also to show the differences.
//!
//! ```text
//!  Waiting ──▶ Connecting ──▶ Asking, question by question ──▶ Over
//!     ▲            │ failed        │ broken, silent
//!     └────────────┴───────────────┘ a few times
//! ```
//!
//! A [`Dialogue`] talks with one server. It asks by relay-id first; a server that has no such question, or knows nothing by
//! it, is asked by the link-addresses of DHCPv6, one by one, or for all its DHCPv4 leases. What comes is bounded in size,
//! number and time, and every message is read as strictly as any other. What a lease found means for the tables is
//! the node's to decide.

mod dialogue;
mod found;
mod language;
#[cfg(test)]
mod tests;

pub use dialogue::{Command, Dialogue, Failure, Outcome};
pub use found::{Found, Found4, Found6, Leased};
pub use language::Language;
