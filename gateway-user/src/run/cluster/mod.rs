//! The gateway as a member of a cluster: what its packet loop does for that. The cluster itself is [`crate::cluster`], in a thread
//! of its own.

mod digest;
mod inputs;
pub(super) mod leave;
pub(super) mod membership;
mod moves;
mod operator;
mod paths;
mod segments;
pub(super) mod sharing;
mod strangers;
pub(super) mod views;
pub(super) mod words;
