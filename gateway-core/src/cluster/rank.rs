//! Which of two masters, or of two offers, is the better one (CL-24 to CL-26, H-CL-7, H-CL-8).

use core::cmp::Reverse;
use core::net::Ipv4Addr;

use crate::member::Term;

/// What is compared: all of it is carried in the messages, so both sides decide alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rank {
    pub(super) term: Term,
    pub(super) members: u8,
    pub(super) ip: Ipv4Addr,
}

impl Rank {
    /// More members win, then the lower address; in front of that the later term, where terms count.
    pub(super) fn beats(&self, other: &Self, term_first: bool) -> bool {
        let key = |rank: &Self| (if term_first { rank.term } else { Term(0) }, rank.members, Reverse(rank.ip));
        key(self) > key(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(term: u32, members: u8, host: u8) -> Rank {
        Rank { term: Term(term), members, ip: Ipv4Addr::new(10, 0, 0, host) }
    }

    /// CL-24, CL-25, CL-26: as in the document: members, then the lower address, whatever the terms.
    #[test]
    fn members_then_address() {
        assert!(rank(1, 3, 9).beats(&rank(2, 2, 1), false));
        assert!(!rank(2, 2, 1).beats(&rank(1, 3, 9), false));
        assert!(rank(1, 2, 1).beats(&rank(2, 2, 2), false));
        assert!(!rank(1, 2, 1).beats(&rank(1, 2, 1), false), "itself");
    }

    /// H-CL-7: the later term has the newer state.
    #[test]
    fn the_term_first() {
        assert!(rank(2, 2, 9).beats(&rank(1, 3, 1), true));
        assert!(rank(2, 3, 9).beats(&rank(2, 2, 1), true));
        assert!(rank(2, 3, 1).beats(&rank(2, 3, 2), true));
    }
}
