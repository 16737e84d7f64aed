//! When the data plane last saw a subscriber.

use core::fmt::Debug;

use crate::time::Instant;

/// A slot, and the time of the last exchange with its server, which is a sign of life, too.
pub(crate) type Held = (u32, Instant);

/// Reads what this gateway's programs note about each route; what other members of a cluster saw, they tell
/// ([`crate::sightings`]). It is asked where the answer is needed: there are a million cells, and
/// telling of them ahead of time would cost more than all that is decided by them.
pub trait Seen: Debug + Send {
    /// The last packet from whoever has this cell of `SUBSCRIBERS`; [`Instant::ZERO`] when there was none yet. `None` when
    /// nobody can tell.
    fn last_seen(&self, slot: u32) -> Option<Instant>;

    /// The same for a cell of `SUBSCRIBERS6`.
    fn last_seen6(&self, slot: u32) -> Option<Instant>;
}

/// Nobody can tell.
#[derive(Clone, Copy, Debug)]
pub struct Unseen;

impl Seen for Unseen {
    fn last_seen(&self, _slot: u32) -> Option<Instant> {
        None
    }

    fn last_seen6(&self, _slot: u32) -> Option<Instant> {
        None
    }
}
