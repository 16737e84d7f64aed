//! Who said something, and when among all that was said.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crate::member::MemberId;

/// Bits of a sequence number below the millisecond.
const BELOW_MILLIS: u32 = 12;

/// The identity of a change: its origin and its number there. Of two changes about the same thing the one with the
/// greater stamp is the newer one, on every member.
///
/// Numbers are a hybrid logical clock (Kulkarni et al. 2014): Unix milliseconds in the upper bits, a counter in the lower
/// twelve, and always greater than every number that its origin had seen. So a change that was made in the knowledge of
/// another is greater than that one, however wrong the clocks are; a restart does not begin again at one; and a store
/// that was lost does no harm as long as the clock runs on.
///
/// In memory and on disk one integer: number << 8 | origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(u64);

impl Stamp {
    /// Of what nobody said: older than everything.
    pub const NONE: Self = Self(0);

    /// `seq` has 56 bits.
    pub const fn new(origin: MemberId, seq: u64) -> Self {
        Self(seq << 8 | origin.get() as u64)
    }

    /// From its integer.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Its integer.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number at its origin.
    pub const fn seq(self) -> u64 {
        self.0 >> 8
    }

    /// Who said it; `None` for [`Stamp::NONE`], and for what is no stamp.
    pub const fn origin(self) -> Option<MemberId> {
        MemberId::new(self.0 as u8)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.seq(), self.0 as u8)
    }
}

/// Gives out a member's stamps. A copy is the same clock: both tables of a node go by one, so that whatever a member says
/// has one order.
#[derive(Clone, Debug)]
pub struct StampClock {
    me: MemberId,
    last: Arc<AtomicU64>,
}

impl StampClock {
    /// Has seen nothing yet.
    pub fn new(me: MemberId) -> Self {
        Self { me, last: Arc::default() }
    }

    /// Whose stamps.
    pub const fn me(&self) -> MemberId {
        self.me
    }

    /// The greatest number seen.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// A stamp of another member, or of an earlier life, was seen: whatever is said from now on is newer.
    pub fn observe(&mut self, stamp: Stamp) {
        self.last.fetch_max(stamp.seq(), Ordering::Relaxed);
    }

    /// Time has passed.
    pub fn reach(&mut self, unix_millis: u64) {
        let least = unix_millis.min(u64::MAX >> (8 + BELOW_MILLIS)) << BELOW_MILLIS;
        self.last.fetch_max(least, Ordering::Relaxed);
    }

    /// The next one.
    pub fn next_stamp(&mut self) -> Stamp {
        Stamp::new(self.me, self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8) -> MemberId {
        MemberId::new(number).expect("a number")
    }

    /// H-CL-23: numbers of an origin only grow, over restarts and wrong clocks too, and follow all that was seen.
    #[test]
    fn what_is_said_in_the_knowledge_of_something_is_newer() {
        let (mut a, mut b) = (StampClock::new(member(1)), StampClock::new(member(2)));
        a.reach(1_700_000_000_000);
        b.reach(1_600_000_000_000); // a clock three years late
        let login = a.next_stamp();
        b.observe(login);
        let logout = b.next_stamp();
        assert!(logout > login);
        a.reach(1_600_000_000_000); // set back
        a.observe(logout);
        assert!(a.next_stamp() > logout);
        assert_eq!((login.origin(), login.seq()), (Some(member(1)), (1_700_000_000_000 << 12) + 1));
        assert_eq!(Stamp::from_raw(login.get()), login);
        assert_eq!(Stamp::NONE.origin(), None);
        let mut other = b.clone();
        let said = b.next_stamp();
        assert!(other.next_stamp() > said, "a copy is the same clock");
    }
}
