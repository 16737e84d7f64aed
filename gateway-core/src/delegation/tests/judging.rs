//! How use is judged.

use super::lab::subnet;
use crate::delegation::{Decision, Ours, Policy, Renewal, Usage};
use crate::wire::subnet_allocation::Statistics;

fn renewal(in_use: u64, high_water: u64) -> Renewal {
    let usage = Some(Usage { in_use, high_water, unusable: 0 });
    Renewal { size: 128, usage, others_percent: 90, asked_back: 0, ours: Ours::Kept }
}

/// SN-72: it is the most that was in use at once by which a subnet is kept, 74 of 128, though 51 are in use now; but not if hardly any
/// are now.
#[test]
fn the_maximum_counts() {
    let policy = Policy::default();
    let decide = |in_use, high_water| policy.renewal(&renewal(in_use, high_water), true);
    assert_eq!(
        [decide(51, 74), decide(51, 64), decide(51, 51)],
        [Decision::Renew, Decision::AskBack, Decision::AskBack]
    );
    assert_eq!(decide(10, 74), Decision::AskBack);
}

/// SN-47, SN-51, H-SN-6: patience is no longer where the provider has to give the subnet back itself.
#[test]
fn patience_with_what_is_wanted_from_us() {
    let policy = Policy::default();
    let decide =
        |asked_back| policy.renewal(&Renewal { ours: Ours::AskedBack, asked_back, ..renewal(128, 128) }, false);
    assert_eq!([0, 2, 3].map(decide), [Decision::AskBack, Decision::AskBack, Decision::Refuse]);
}

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
