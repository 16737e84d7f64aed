//! Which servers can do the single logout, and how old that knowledge is (wire.md 2b, "Relay capability state").

mod record;
mod state;
mod table;

pub use record::RECORD_PREFIX;
pub use state::{Observation, Server, State};
pub use table::{Capabilities, CapabilityConfig, Command};

#[cfg(test)]
mod tests;
