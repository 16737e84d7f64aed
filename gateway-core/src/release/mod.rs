//! Logging out everything behind a restarting FPC (BR-19 to BR-31).

mod command;
mod config;
mod context;
mod logins;

pub use command::{Command, Event, Fallback};
pub use config::{ReleaseConfig, ServerConfig, Verify};
pub use context::{Context, RestartPlan};
pub use logins::{CohortSummary, Cursor, Individual, Logins};
