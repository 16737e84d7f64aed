//! What `cargo xtask` shares with the lab: the workspace, commands, and a standard output whose reader may go away.

pub mod cargo;
pub mod pipe;
