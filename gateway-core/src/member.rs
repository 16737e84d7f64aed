//! Words of the cluster: who is a member, whose mastership, which assignment.

use core::fmt;
use core::num::NonZeroU8;

/// A member, by its number in the configuration: 1 to 254. The owner of a work unit in messages and in the unit table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemberId(NonZeroU8);

impl MemberId {
    /// `None` for 0, which is nobody, and 255, which is nothing.
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(number) if number.get() < 255 => Some(Self(number)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A generation of mastership: whoever becomes master takes one that is greater than all it has heard of (H-CL-6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Term(pub u32);

/// How often a unit has been assigned. A statement about a unit with a lesser version is out of date (H-CL-19).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct UnitVersion(pub u32);

/// A life of a member's process: random at each start, so that what an earlier life said is not taken for this one's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Boot(pub u64);

/// A member's key for its datagrams, which only those may read who are told it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_no_member() {
        assert_eq!(MemberId::new(0), None);
        assert_eq!(MemberId::new(255), None);
        assert_eq!(MemberId::new(254).map(MemberId::get), Some(254));
    }

    #[test]
    fn nobody_reads_a_secret() {
        assert_eq!(format!("{:?}", Secret([77; 32])), "Secret(..)");
    }
}
