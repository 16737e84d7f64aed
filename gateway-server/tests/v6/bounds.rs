//! What a client, a line and a pool may have the server remember. All of it is for anybody to invent.

use gateway_core::time::Duration;
use gateway_core::wire::dhcp6::{Binding, IaKind, kind, status};
use gateway_server::v6::{Config, Event};

use crate::lab::*;

const NA: IaKind = IaKind::Na;

/// Both subnets with 65,536 addresses each, of which some are not leased.
fn wide() -> Config {
    let mut config = config();
    for subnet in &mut config.subnets {
        subnet.addresses[0].1 = (subnet.addresses[0].0.to_bits() | 0xffff).into();
    }
    config
}

/// However many leases a client had, one after the other, it is remembered with the last few: what its messages cost is
/// bounded. Those are what it gets again when it asks for the same IAs.
#[test]
fn a_client_is_remembered_with_few() {
    let mut lab = Lab::new(wide());
    let mut had: Vec<Binding> = Vec::new();
    for iaid in 0..200 {
        let got = lab.ask(&cpe(1), kind::REQUEST, &[(NA, iaid, &[])]).unwrap().lease(NA, iaid).unwrap();
        lab.ask(&cpe(1), kind::RELEASE, &[(NA, iaid, &[got])]).unwrap();
        had.push(got);
    }
    for crash in [false, true] {
        if crash {
            lab.crash();
        }
        let mut offered = |iaid: u32| {
            let got = lab.ask(&cpe(1), kind::SOLICIT, &[(NA, iaid, &[])]).unwrap().lease(NA, iaid);
            lab.rest(Duration::from_secs(600));
            got
        };
        assert_eq!(offered(199), Some(had[199]));
        assert_eq!(offered(190), Some(had[190]));
        assert_ne!(offered(0), Some(had[0]), "forgotten");
    }
}

/// What a client has stays its own, whatever it had besides.
#[test]
fn what_is_in_force_is_not_forgotten() {
    let mut lab = Lab::new(wide());
    lab.config.max_leases_per_client = 3;
    lab.crash();
    let kept: Vec<_> = (0..2).map(|iaid| lab.login(&cpe(1), &[(NA, iaid)])[0].unwrap()).collect();
    for iaid in 2..100 {
        let got = lab.login(&cpe(1), &[(NA, iaid)])[0].unwrap();
        lab.ask(&cpe(1), kind::RELEASE, &[(NA, iaid, &[got])]).unwrap();
    }
    for iaid in [0, 1] {
        assert_eq!(lab.login(&cpe(1), &[(NA, iaid)])[0], Some(kept[iaid as usize]));
    }
    let more = lab.ask(&cpe(1), kind::SOLICIT, &[(NA, 200, &[]), (NA, 201, &[])]).unwrap();
    assert_eq!((more.lease(NA, 200).is_some(), more.ia(NA, 201).1), (true, status::NO_ADDRS_AVAIL));
}

/// A message with more IAs than any client has use for is not looked into.
#[test]
fn ias_of_a_message() {
    let mut lab = Lab::new(wide());
    let many = |count: u32| (0..count).map(|iaid| (NA, iaid, &[][..])).collect::<Vec<_>>();
    assert!(lab.ask(&cpe(1), kind::SOLICIT, &many(32)).is_some());
    for kind in [kind::SOLICIT, kind::REQUEST, kind::RENEW, kind::REBIND, kind::RELEASE, kind::DECLINE] {
        assert!(lab.ask(&cpe(1), kind, &many(33)).is_none(), "type {kind}");
    }
    assert_eq!(lab.server.status().counters.unexpected, 6);
}

/// The table is bounded, and clients of one link who come and go, or ask and never take, don't fill it for those of another:
/// the longest free leases are forgotten, on disk too.
#[test]
fn a_full_table_serves_every_pool() {
    let mut lab = Lab::new(wide());
    lab.config.max_leases = 40;
    lab.crash();
    for number in 0..100 {
        let got = lab.login(&cpe(number), &[(NA, 1)])[0].expect("the other pool's are free");
        if number % 2 == 0 {
            lab.ask(&cpe(number), kind::RELEASE, &[(NA, 1, &[got])]).unwrap();
        } else {
            lab.rest(Duration::from_secs(7201));
        }
    }
    for number in 100..130 {
        lab.ask(&cpe(number), kind::SOLICIT, &[(NA, 1, &[])]).unwrap();
    }
    lab.rest(Duration::from_secs(600));
    for number in 200..230 {
        let there = Cpe { link: OTHER_LINK, ..cpe(number) };
        assert!(lab.login(&there, &[(NA, 1)])[0].is_some(), "client {number}");
    }
    assert_eq!((lab.server.status().known, lab.active()), (40, 30));
    assert!(lab.disk.len() <= 40, "{} records", lab.disk.len());
    lab.crash();
    assert_eq!(lab.active(), 30);
}

/// What was given back is leased again, even by a pool that has come to its end.
#[test]
fn what_was_given_back_comes_again() {
    let mut lab = Lab::new(config());
    lab.config.max_leases = 10;
    lab.crash();
    for round in 0..5 {
        for link in [LINK, OTHER_LINK] {
            let mut had: Vec<(Cpe, Binding)> = Vec::new();
            for number in 0..8 {
                let client = Cpe { link, ..cpe(100 * round + number) };
                let got = lab.login(&client, &[(NA, 1)])[0];
                had.push((client, got.unwrap_or_else(|| panic!("all eight, in round {round}: {number}"))));
            }
            for (client, got) in had {
                lab.ask(&client, kind::RELEASE, &[(NA, 1, &[got])]).unwrap();
            }
        }
    }
    assert_eq!(lab.server.status().known, 10);
}

/// When everything in the table is in use, nobody gets more, and nobody loses anything.
#[test]
fn a_table_in_use() {
    let mut lab = Lab::new(wide());
    lab.config.max_leases = 4;
    lab.crash();
    (0..4).for_each(|number| assert!(lab.login(&cpe(number), &[(NA, 1)])[0].is_some()));
    let there = Cpe { link: OTHER_LINK, ..cpe(9) };
    let reply = lab.ask(&there, kind::SOLICIT, &[(NA, 1, &[])]).unwrap();
    assert_eq!(reply.ia(NA, 1).1, status::NO_ADDRS_AVAIL);
    assert_eq!(lab.active(), 4);
}

/// A line may decline a few addresses within the time that they rest; what it declines beyond that is free again, since the
/// fault is the line's. As DHCPv4 has it.
#[test]
fn declines_of_a_line() {
    let mut lab = Lab::new(wide());
    let decline = |lab: &mut Lab, client: &Cpe| {
        let ias: Vec<(IaKind, u32)> = (0..8).map(|iaid| (NA, iaid)).collect();
        let got: Vec<[Binding; 1]> = lab.login(client, &ias).into_iter().map(|got| [got.unwrap()]).collect();
        let ias: Vec<(IaKind, u32, &[Binding])> = (0..).zip(&got).map(|(iaid, got)| (NA, iaid, &got[..])).collect();
        let reply = lab.ask(client, kind::DECLINE, &ias).unwrap();
        assert_eq!(reply.message().ias().unwrap().len(), 0, "all were the client's");
    };
    for number in 0..10 {
        decline(&mut lab, &cpe(number)); // DUIDs are the line's to invent
    }
    assert_eq!((lab.server.status().counters.conflict, lab.active()), (8, 0));
    let told = lab.events.iter().filter(|event| matches!(event, Event::Conflict { .. })).count();
    assert_eq!(told, 8);
    lab.rest(Duration::from_secs(3601));
    decline(&mut lab, &cpe(1));
    assert_eq!(lab.server.status().counters.conflict, 16, "an hour later");
    decline(&mut lab, &Cpe { relay: OTHER_RELAY, ..cpe(1) });
    assert_eq!(lab.server.status().counters.conflict, 24, "another line");
}

/// All lines together may decline a quarter of a pool.
#[test]
fn declines_of_a_pool() {
    let mut lab = Lab::new(config());
    for number in 0..6 {
        let client = Cpe { relay: (RELAY.to_bits() + u128::from(number)).into(), ..cpe(number) };
        let got = lab.login(&client, &[(NA, 1)])[0].unwrap();
        lab.ask(&client, kind::DECLINE, &[(NA, 1, &[got])]).unwrap();
        lab.crash();
    }
    for number in 10..16 {
        assert!(lab.login(&cpe(number), &[(NA, 1)])[0].is_some());
    }
    assert_eq!(lab.login(&cpe(20), &[(NA, 1)])[0], None);
}
