//! Line cards: when one restarts, and what that means for its logins (BR-19 to BR-22).

mod card;
mod command;
mod config;
mod machine;
mod member;
mod record;
mod schedule;

pub use card::State;
pub use command::Command;
pub use config::{Cause, FpcConfig, LinkEvent, Policy, PortConfig, Schedule, Trigger};
pub use machine::{Fpcs, Restart};
pub use record::FPC_PREFIX;

#[cfg(test)]
mod tests;
