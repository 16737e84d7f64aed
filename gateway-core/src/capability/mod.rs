//! Which servers can do the single logout, which answer leasequery, and how old that knowledge is.

mod leasequery;
mod record;
mod state;
mod table;

pub use leasequery::{LEASEQUERY_PREFIX, Leasequery, TRIAL};
pub(crate) use leasequery::{Support, TRIAL_INSISTING, Unanswered};
pub use record::RECORD_PREFIX;
pub use state::{Observation, Server, State};
pub use table::{Capabilities, CapabilityConfig, Command};

#[cfg(test)]
mod tests;
