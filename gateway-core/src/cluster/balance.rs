//! Which units move for balance (CL-32 to CL-35, H-CL-22).

use crate::member::MemberId;

/// A member that may own units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Share {
    pub(super) member: MemberId,
    /// Units it has, or will have when what is on its way has arrived.
    pub(super) units: u32,
    /// What it last said of its load.
    pub(super) load: u32,
}

/// Who gets the next unit: the one with the fewest, among those the one with the least load.
pub(super) fn least(shares: &[Share]) -> Option<MemberId> {
    shares.iter().min_by_key(|share| (share.units, share.load, share.member)).map(|share| share.member)
}

/// Moves, each from one member to another, that leave the counts of units within one of each other.
///
/// K is the most, J the least: one unit moves while K−1 ≥ J+1 (CL-33). With loads, the most loaded of those with the most
/// units gives to the least loaded of those with the fewest; and where counts are as equal as they can be, one that
/// has a unit more although its load is greater by the hysteresis gives that unit to one that has less of both.
pub(super) fn plan(
    mut shares: Vec<Share>,
    weigh: bool,
    hysteresis_percent: u32,
    limit: usize,
) -> Vec<(MemberId, MemberId)> {
    let mut moves = Vec::new();
    let load = |share: &Share| if weigh { share.load } else { 0 };
    while moves.len() < limit {
        // Members in the order of their numbers break ties alike at every master.
        let most = (0..shares.len()).max_by_key(|at| (shares[*at].units, load(&shares[*at])));
        let fewest = (0..shares.len()).min_by_key(|at| (shares[*at].units, load(&shares[*at])));
        let (Some(most), Some(fewest)) = (most, fewest) else { break };
        if shares[most].units < shares[fewest].units + 2 {
            break;
        }
        shares[most].units -= 1;
        shares[fewest].units += 1;
        moves.push((shares[most].member, shares[fewest].member));
    }
    if moves.is_empty() && weigh {
        moves.extend(lighten(&shares, hysteresis_percent));
    }
    moves
}

/// The one move that makes loads more equal and leaves counts within one of each other.
fn lighten(shares: &[Share], hysteresis_percent: u32) -> Option<(MemberId, MemberId)> {
    let heavy = shares.iter().max_by_key(|share| (share.units, share.load))?;
    let light = shares.iter().filter(|share| share.units < heavy.units).min_by_key(|share| share.load)?;
    let mean = shares.iter().map(|share| u64::from(share.load)).sum::<u64>() / shares.len() as u64;
    let enough = (mean * u64::from(hysteresis_percent) / 100).max(2);
    // What moves is a unit's worth of load; less than twice that apart, the two would only change places.
    let worth = 2 * u64::from(heavy.load) / u64::from(heavy.units.max(1));
    let difference = u64::from(heavy.load).checked_sub(u64::from(light.load))?;
    (difference >= enough.max(worth)).then_some((heavy.member, light.member))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(member: u8, units: u32, load: u32) -> Share {
        Share { member: MemberId::new(member).unwrap(), units, load }
    }

    fn pairs(moves: Vec<(MemberId, MemberId)>) -> Vec<(u8, u8)> {
        moves.into_iter().map(|(from, to)| (from.get(), to.get())).collect()
    }

    /// CL-33, CL-35: one unit at a time while K−1 ≥ J+1, and no shuffling after that.
    #[test]
    fn moves_until_within_one() {
        let uneven = vec![share(1, 5, 0), share(2, 1, 0), share(3, 2, 0)];
        assert_eq!(pairs(plan(uneven, false, 0, usize::MAX)), [(1, 2), (1, 2)]);
        assert_eq!(plan(vec![share(1, 3, 0), share(2, 2, 0)], false, 0, usize::MAX), []);
        assert_eq!(plan(vec![share(1, 9, 0)], false, 0, usize::MAX), []);
        assert_eq!(plan(vec![], true, 5, 32), []);
    }

    /// H-CL-22: 32 moves at most; loads count where counts are even, beyond the hysteresis, and do not oscillate.
    #[test]
    fn load_is_weighed_with_hysteresis() {
        assert_eq!(plan(vec![share(1, 1024, 9), share(2, 0, 0)], true, 5, 32).len(), 32);
        let even = |a, b| vec![share(1, 342, a), share(2, 341, b), share(3, 341, b)];
        assert_eq!(pairs(plan(even(1000, 700), true, 5, 32)), [(1, 2)]);
        assert_eq!(plan(even(1000, 960), true, 5, 32), [], "within 5 %");
        assert_eq!(plan(even(700, 1000), true, 5, 32), [], "it has less load for more units");
        assert_eq!(plan(vec![share(1, 341, 997), share(2, 342, 703)], true, 5, 32), [], "not back again");
    }

    proptest! {
        /// CL-33: whatever the start, counts end within one of each other, and each move helps.
        #[test]
        fn ends_within_one(counts in prop::collection::vec((0u32..200, 0u32..5000), 1..16), weigh: bool) {
            let mut shares: Vec<_> =
                counts.iter().enumerate().map(|(n, (units, load))| share(n as u8 + 1, *units, *load)).collect();
            for (from, to) in plan(shares.clone(), weigh, 5, usize::MAX) {
                shares.iter_mut().find(|share| share.member == from).unwrap().units -= 1;
                shares.iter_mut().find(|share| share.member == to).unwrap().units += 1;
            }
            let units = shares.iter().map(|share| share.units);
            prop_assert!(units.clone().max().unwrap() - units.min().unwrap() <= 1);
        }
    }
}
