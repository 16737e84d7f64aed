//! How use is judged.

use super::lab::subnet;
use crate::delegation::{Decision, Ours, Policy, Renewal, Usage};
use crate::wire::subnet_allocation::Statistics;

/// H-SN-15: a subnet with more addresses than can be said is not taken for little used when all of them are: the most that can be
/// said is taken for all, what is less for what it is.
#[test]
fn more_than_can_be_said() {
    let policy = Policy::default();
    for prefix in [12u8, 14, 15, 16] {
        let large = subnet(&format!("10.0.0.0/{prefix}"));
        let size = u64::from(large.size());
        let judge = |in_use| {
            let said = Usage { in_use, high_water: in_use, unusable: 0 }.statistics();
            let usage = Usage::reported(&said, &large).unwrap();
            let renewal = Renewal { size, usage: Some(usage), others_percent: 90, asked_back: 0, ours: Ours::Kept };
            (policy.renewal(&renewal, true), policy.collect(usage.in_use, size))
        };
        assert_eq!(judge(size - 2), (Decision::Renew, false), "/{prefix} full");
        let few = size.min(65_536) / 64;
        assert_eq!(judge(few), (Decision::AskBack, true), "/{prefix} with {few}");
    }
    let small = subnet("10.0.0.0/26");
    assert_eq!(Usage::reported(&Statistics::saturating(0, 65_534, 0), &small).map(|usage| usage.in_use), Some(64));
}
