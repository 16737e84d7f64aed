//! Associations of the kernel's SCTP that move. The build hosts' kernel has none: `cargo xtask vm test` runs these under one
//! that has, and `cargo test` lists them as left to it.

mod association;
mod follow;
mod host;
mod hostile;
mod members;
mod messages;
mod numbered;
mod somebody;
mod start;
mod subscriber;

use gateway_tests::sctp as pair;
