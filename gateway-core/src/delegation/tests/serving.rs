//! What a provider decides, and what follows for the servers below it.

use super::lab::{DAY, Lab, at, config, subnet};
use crate::delegation::{Decision, DelegationConfig, Holdings, Ours, Policy, Renewal, Supply, Usage};
use crate::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn usage(in_use: u64) -> Usage {
    Usage { in_use, high_water: in_use, unusable: 1 }
}

/// 1 above 2 above 3, and a subnet that has come all the way down.
fn chain() -> Lab {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.start(2, config(2, &[1]));
    lab.start(3, config(3, &[2]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    lab.pass(MINUTE);
    lab.act(3, |core, now| core.handle_need(62, now));
    lab.pass(MINUTE * 2);
    assert_eq!(lab.holders(3), ["10.0.0.0/26 own"]);
    assert_eq!(lab.holders(2), ["10.0.0.0/26 leased to server-3"]);
    lab.transcript.clear();
    lab
}

/// SN-1, SN-60, SN-68, SN-69, H-SN-6: what a server has not it asks for above; how much is used is told upward through every level; and no
/// lease is longer than the one it is a part of, less the margin.
#[test]
fn through_every_level() {
    let mut lab = chain();
    let until = |lab: &Lab, number: u8| match lab.servers[&number].core.view(lab.now).roots[0].source {
        crate::delegation::SourceView::Provider { expires, .. } => expires,
        other => panic!("{other:?}"),
    };
    assert!(until(&lab, 3) + DAY * 7 / 20 <= until(&lab, 2));
    let hosts = lab.server(3).assigned[&subnet("10.0.0.0/26")].unwrap();
    assert!(hosts + Duration::from_secs(86400 * 6 / 20) < until(&lab, 3));
    lab.act(3, |core, now| core.handle_usage(&subnet("10.0.0.0/26"), usage(40), now));
    lab.act(3, |core, now| core.handle_usage(&subnet("10.0.0.0/26"), usage(30), now));
    lab.pass(DAY * 8);
    for number in [1, 2] {
        let root = &lab.servers[&number].core.view(lab.now).roots[0];
        let told = Usage { in_use: 30, high_water: 30, unusable: 1 };
        assert_eq!(root.blocks[0].usage.map(|usage| Usage { high_water: 30, ..usage }), Some(told), "at {number}");
        assert_eq!(root.high_water.lease, 40, "at {number}");
    }
    assert_eq!(lab.server(3).assigned.len(), 1, "renewed all the way");
}

/// SN-44, SN-47, H-SN-6, H-SN-11: what is asked back from a server it asks back from those below it, at once; and when they have
/// returned it, it does.
#[test]
fn asked_back_through_every_level() {
    let mut lab = chain();
    lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/24"), now));
    lab.pass(MINUTE * 2);
    let force = |text: &&String| text.contains("FORCERENEW");
    assert_eq!(
        lab.transcript.iter().filter(force).cloned().collect::<Vec<_>>(),
        ["1 > 2 FORCERENEW 10.0.0.0/26", "2 > 3 FORCERENEW 10.0.0.0/26"]
    );
    assert!(lab.server(3).assigned.values().all(Option::is_none));
    assert_eq!(lab.holders(3), [""; 0]);
    lab.pass(MINUTE * 12); // it rests at 2, and then at 1
    for number in [1, 2] {
        assert_eq!(lab.holders(number), [""; 0], "at {number}");
    }
}

/// SN-57, SN-60, H-SN-25: who lacks addresses asks holders that use little, each once in a minute, and nobody else.
#[test]
fn early_collection() {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    for (number, in_use) in [(2, 100), (3, 10)] {
        lab.start(number, config(number, &[1]));
        lab.pass(MINUTE);
        lab.act(number, |core, now| core.handle_need(126, now));
        lab.deliver();
        let held = *lab.server(number).assigned.keys().next().unwrap();
        lab.act(number, |core, now| core.handle_usage(&held, usage(in_use), now));
    }
    lab.act(1, |core, now| core.handle_need(10, now));
    lab.pass(MINUTE / 2);
    let forced =
        |lab: &Lab| lab.transcript.iter().filter(|text| text.contains("FORCERENEW")).cloned().collect::<Vec<_>>();
    assert_eq!(forced(&lab), [""; 0], "who has said nothing uses all of it");
    lab.act(1, |core, now| core.handle_need(0, now));
    lab.pass(DAY * 4); // by now they have
    lab.transcript.clear();
    lab.server(3).drains = false;
    (0..10).for_each(|_| lab.act(1, |core, now| core.handle_need(10, now)));
    lab.pass(Duration::from_secs(59));
    assert!(forced(&lab).len() <= 1, "{:?}", lab.transcript);
    lab.pass(MINUTE * 10);
    assert_eq!(forced(&lab), ["1 > 3 FORCERENEW 10.0.0.128/25"], "and not again, once it was asked for");
    assert_eq!(lab.server(3).assigned[&subnet("10.0.0.128/25")], None, "asked for, by now");
    let held = subnet("10.0.0.128/25");
    lab.act(3, |core, now| core.handle_drained(&held, now));
    lab.pass(MINUTE * 10);
    assert!(lab.holders(1).iter().any(|text| text.ends_with("/28 own")), "{:?}", lab.holders(1));
}

/// SN-23: of the size that was asked for, or out of a larger one; smaller where the operator says so.
#[test]
fn smaller_where_it_is_allowed() {
    let ask = |allow_smaller: bool| {
        let mut lab = Lab::new();
        let policy = Policy { allow_smaller, push_above_percent: 101, ..Policy::default() };
        lab.start(1, DelegationConfig { policy, ..config(1, &[]) });
        lab.start(2, config(2, &[1]));
        lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/26"), None, now)).unwrap();
        lab.pass(MINUTE);
        lab.act(2, |core, now| core.handle_need(126, now));
        lab.deliver();
        lab.holders(2)
    };
    assert_eq!(ask(false), [""; 0]);
    assert_eq!(ask(true), ["10.0.0.0/26 own"]);
}

/// SN-10: whom a server asks is configured: servers by their addresses, or everybody by broadcast.
#[test]
fn unicast_and_broadcast() {
    let mut lab = Lab::new();
    lab.start(1, DelegationConfig { providers: vec![at(8), at(9)], ..config(1, &[]) });
    lab.start(2, DelegationConfig { providers: vec![std::net::Ipv4Addr::BROADCAST], ..config(2, &[]) });
    let to: Vec<_> = lab.wire.iter().map(|datagram| datagram.to).collect();
    assert_eq!(to, [at(8), at(9), std::net::Ipv4Addr::BROADCAST]);
}

/// SN-3, SN-5, SN-17, SN-51, SN-61, SN-72, SN-75, H-SN-24: the rules, one by one.
#[test]
fn the_policy() {
    let policy = Policy::default();
    let renewal = |in_use, others_percent, asked_back| Renewal {
        size: 128,
        usage: Some(Usage { in_use, high_water: in_use, unusable: 0 }),
        others_percent,
        asked_back,
        ours: Ours::Kept,
    };
    let decide = |renewal: Renewal, scarce| policy.renewal(&renewal, scarce);
    assert_eq!(decide(renewal(0, 90, 0), false), Decision::Renew, "there is enough");
    assert_eq!(decide(renewal(74, 90, 0), true), Decision::Renew, "74 of 128");
    assert_eq!(decide(renewal(58, 90, 0), true), Decision::AskBack, "45 % beside 90 %: half of it does");
    assert_eq!(decide(renewal(58, 60, 0), true), Decision::Renew, "45 % beside 60 %");
    assert_eq!(decide(renewal(20, 20, 0), true), Decision::AskBack, "hardly used");
    assert_eq!(decide(renewal(100, 0, 1), false), Decision::AskBack, "it was asked for");
    assert_eq!(decide(renewal(100, 0, 3), false), Decision::Refuse);
    assert_eq!(decide(Renewal { ours: Ours::Gone, ..renewal(128, 0, 0) }, false), Decision::Refuse);
    assert_eq!(decide(Renewal { ours: Ours::AskedBack, ..renewal(128, 0, 0) }, false), Decision::AskBack);
    assert_eq!(decide(Renewal { usage: None, ..renewal(0, 0, 0) }, true), Decision::Renew, "taken for used");
    let supply = |free, scarce| Supply { total: 1000, free, largest: Some(23), scarce };
    let holds = |held, in_use| Holdings { held, in_use };
    let size = |asked, held| policy.size(asked, &supply(9, false), &holds(held, 0));
    assert_eq!([size(25, 0), size(0, 1000), size(0, 128), size(0, 32)], [Some(25), Some(24), Some(24), Some(26)]);
    assert_eq!(size(0, 0), Some(28), "who has nothing is not pushed half of everything");
    let bounded = Policy { quota: Some(160), ..Policy::default() };
    let within = |held| bounded.size(0, &supply(9, false), &holds(held, 0));
    assert_eq!([within(128), within(158)], [Some(27), None], "what is left of the quota");
    assert!(!bounded.more(&supply(600, false), &holds(158, 158)), "then there is no more");
    assert!(policy.more(&supply(600, false), &holds(100, 0)) && !policy.more(&supply(400, false), &holds(100, 0)));
    assert!(!policy.more(&supply(600, false), &holds(700, 0)) && policy.more(&supply(600, false), &holds(700, 600)));
    assert!(!policy.more(&supply(600, true), &holds(100, 0)), "others lack it");
    assert_eq!([1, 14, 15, 62, 63, 9999].map(|lacking| policy.wish(lacking)), [28, 28, 27, 26, 25, 24]);
    let own = |text: &str, in_use| (subnet(text), Usage { in_use, high_water: in_use, unusable: 0 });
    let dispensable = |a, b| policy.dispensable(&[own("10.0.0.0/26", a), own("10.0.0.64/26", b)]);
    assert_eq!(dispensable(10, 20), Some(subnet("10.0.0.0/26")));
    assert_eq!(dispensable(20, 40), None, "there would not be enough headroom");
    assert_eq!(policy.dispensable(&[own("10.0.0.0/26", 0)]), None);
}

/// SN-49, SN-55, H-SN-23: what the address server does not need it is relieved of; nothing is released while an address of it is in use.
#[test]
fn what_is_not_needed() {
    let mut lab = chain();
    lab.server(3).drains = false;
    let held = subnet("10.0.0.0/26");
    lab.act(3, |core, now| core.handle_usage(&held, usage(0), now));
    lab.pass(MINUTE * 14);
    assert!(lab.server(3).assigned[&held].is_some());
    lab.pass(MINUTE * 2);
    assert_eq!(lab.server(3).assigned[&held], None, "stop");
    lab.pass(DAY);
    assert!(!lab.transcript.iter().any(|text| text.contains("RELEASE")), "somebody is in it still");
    // It lacks addresses again: the same subnet is used on.
    lab.act(3, |core, now| core.handle_need(5, now));
    assert!(lab.server(3).assigned[&held].is_some());
    lab.act(3, |core, now| core.handle_drained(&held, now));
    assert_eq!(lab.holders(3), ["10.0.0.0/26 own"], "that was about the time before");
    lab.pass(MINUTE * 16);
    lab.act(3, |core, now| core.handle_drained(&held, now));
    lab.pass(MINUTE * 61);
    assert!(lab.transcript.last().unwrap().starts_with("3 > 2 RELEASE 10.0.0.0/26"), "{:?}", lab.transcript.last());
}
