//! Line cards: when one restarts, and what that means for its logins (BR-19 to BR-22).

mod config;

pub use config::{Cause, FpcConfig, LinkEvent, Policy, PortConfig, Schedule, Trigger};
