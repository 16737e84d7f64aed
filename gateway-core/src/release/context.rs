//! What the node lends to a release for the length of one call.

use core::net::Ipv4Addr;

use super::logins::Logins;
use crate::capability::Capabilities;
use crate::line::FpcId;
use crate::scope::Epoch;
use crate::time::{Duration, Instant};

/// The rest of the node, as far as a release needs it.
pub struct Context<'a> {
    /// The session table. The commands of earlier calls have been carried out on it.
    pub logins: &'a dyn Logins,
    /// What the servers can do.
    pub capabilities: &'a Capabilities,
    /// The next replay counter for messages to this server; the relay draws from the same source (H-BR-16).
    pub replay: &'a mut dyn FnMut(Ipv4Addr) -> u64,
    /// 64 random bits.
    pub random: &'a mut dyn FnMut() -> u64,
    /// Unix time of [`Instant::ZERO`], for what goes to disk.
    pub unix_offset: Duration,
}

/// The decision that an FPC restarts (BR-19 to BR-21), made by [`crate::fpc`] after its new epoch was made durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestartPlan {
    /// The line card.
    pub fpc: FpcId,
    /// The last epoch that is released: the one that was current when the card was frozen (H-BR-9).
    pub cutoff: Epoch,
    /// When it was decided.
    pub decided_at: Instant,
}
