//! What a lessee that starts is told by a provider that does not know everything itself.

use super::lab::{DAY, Lab, at, config, subnet};
use crate::delegation::{Entered, Entry, Event, Usage, Why};
use crate::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn entry(text: &str, fresh: bool) -> Entry {
    Entry { subnet: subnet(text), maximum: None, fresh }
}

fn enter(lab: &mut Lab, server: u8, text: &str, fresh: bool) -> Entered {
    lab.act(server, |core, now| core.handle_enter(entry(text, fresh), now)).unwrap()
}

fn usage(in_use: u64) -> Usage {
    Usage { in_use, high_water: in_use, unusable: 0 }
}

/// Its address server says how many of its hosts have leases in force.
fn in_use(lab: &mut Lab, server: u8, text: &str, count: u64) {
    lab.act(server, |core, now| core.handle_usage(&subnet(text), usage(count), now));
}

/// 1 is new and has 10.0.0.0/24, which is known to be nobody's; 2 has a /26 of it that its hosts use.
fn leased() -> Lab {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.restart(1, false);
    assert_eq!(enter(&mut lab, 1, "10.0.0.0/24", true), Entered::Ready);
    lab.start(2, config(2, &[1]));
    lab.pass(MINUTE * 2);
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.deliver();
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"]);
    lab.pass(DAY);
    lab.transcript.clear();
    lab
}

/// H-SN-3: while a subnet rests, who starts is told what else is its own, and serves its hosts at once; that is not all, so what is not
/// listed is not taken for lost.
#[test]
fn a_subnet_rests_beside_it() {
    let held = subnet("10.0.0.0/26");
    let mut lab = leased();
    assert_eq!(enter(&mut lab, 1, "10.7.0.0/24", false), Entered::Uncertain);
    lab.restart(2, true);
    lab.deliver();
    let said = ["2 > 1 DISCOVER earlier", "1 > 2 OFFER lease 518400 10.0.0.0/26 more"];
    assert_eq!(lab.transcript[..2], said);
    assert!(lab.server(2).assigned[&held].is_some());
    // It lacks addresses and is given some as before.
    lab.act(2, |core, now| core.handle_need(100, now));
    lab.pass(MINUTE);
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own", "10.0.0.128/25 own"]);
    // And its question comes to an end.
    lab.pass(MINUTE * 5);
    assert!(!lab.servers[&2].core.view(lab.now).recovering);
    assert!(lab.transcript.len() < 40, "{:?}", lab.transcript);
}

/// H-SN-3: what the provider has forgotten waits while a subnet rests that it may be a part of, and is lost when the provider knows
/// all: it is asked from the first page on then, however many there are.
#[test]
fn what_is_not_listed() {
    let mut lab = leased();
    for _ in 0..12 {
        lab.act(2, |core, now| core.handle_need(14, now));
        lab.pass(Duration::from_secs(1));
    }
    assert_eq!(lab.holders(2).len(), 13);
    assert_eq!(enter(&mut lab, 1, "10.7.0.0/24", false), Entered::Uncertain);
    let forgotten = |key: &Vec<u8>| key[1] == b'b' && key.ends_with(&[10, 0, 0, 0, 26]);
    lab.server(1).disk.retain(|key, _| !forgotten(key));
    lab.restart(1, true);
    lab.restart(2, true);
    lab.pass(DAY / 2);
    assert_eq!(lab.server(2).assigned.len(), 12, "{:?}", lab.server(2).assigned);
    assert_eq!(lab.holders(2).len(), 13, "it may be a part of what rests");
    assert_eq!(enter(&mut lab, 1, "10.7.0.0/24", true), Entered::Ready);
    lab.pass(MINUTE * 3);
    assert!(lab.server(2).events.contains(&Event::Lost { subnet: subnet("10.0.0.0/26"), why: Why::Unknown }));
    assert_eq!((lab.server(2).assigned.len(), lab.holders(2).len()), (12, 12));
    let asked = lab.transcript.iter().filter(|text| text.starts_with("2 > 1 DISCOVER")).count();
    assert!(asked < 12 * 60 * 20, "{asked} questions in twelve hours");
}

/// H-SN-3: a provider that waits for its own provider tells what does not depend on it.
#[test]
fn a_provider_that_waits_itself() {
    let mut lab = leased();
    assert_eq!(enter(&mut lab, 2, "10.8.0.0/28", true), Entered::Ready);
    lab.start(3, config(3, &[2]));
    lab.pass(MINUTE * 2);
    in_use(&mut lab, 2, "10.0.0.0/26", 0);
    lab.pass(MINUTE * 20);
    for _ in 0..2 {
        lab.act(3, |core, now| core.handle_need(14, now));
        lab.pass(MINUTE);
    }
    assert_eq!(lab.holders(3), ["10.0.0.0/28 own", "10.8.0.0/28 own"]);
    let top = lab.servers.remove(&1).unwrap();
    lab.restart(2, true);
    lab.restart(3, true);
    lab.pass(MINUTE * 5);
    assert_eq!(lab.server(3).assigned.keys().copied().collect::<Vec<_>>(), [subnet("10.8.0.0/28")]);
    assert_eq!(lab.holders(3).len(), 2);
    lab.servers.insert(1, top);
    lab.pass(MINUTE * 5);
    assert_eq!(lab.server(3).assigned.len(), 2);
}

/// H-SN-3: a server at the top lost its disk, and its lessee started anew at the same time. The lessee's hosts have leases in force, so
/// its own has not ended: it renews it, is taken in, and serves them. Where nobody has a lease it may have ended, and been given
/// to another since: then it waits.
#[test]
fn a_lost_disk_and_a_lessee_that_starts() {
    let held = subnet("10.0.0.0/26");
    for hosts in [0, 5] {
        let mut lab = leased();
        lab.restart(1, false);
        assert_eq!(enter(&mut lab, 1, "10.0.0.0/24", false), Entered::Uncertain);
        lab.restart(2, true);
        in_use(&mut lab, 2, "10.0.0.0/26", hosts);
        lab.pass(MINUTE * 2);
        if hosts == 0 {
            assert!(lab.server(2).assigned.is_empty());
            assert_eq!(lab.holders(1), ["10.0.0.0/24 pool"]);
            continue;
        }
        assert!(lab.transcript.iter().any(|text| text.starts_with("2 > 1 RENEW 10.0.0.0/26 used 5")));
        assert_eq!(lab.holders(1)[0], "10.0.0.0/26 leased to server-2");
        assert!(lab.server(2).assigned[&held].is_some());
        assert!(lab.server(2).events.contains(&Event::Confirmed { by: at(1), subnet: held }));
        // From now on it is as before, also over another start.
        lab.restart(2, true);
        lab.deliver();
        assert!(lab.server(2).assigned[&held].is_some());
        lab.pass(DAY * 20);
        assert_eq!(lab.holders(1)[0], "10.0.0.0/26 leased to server-2");
    }
}

/// H-SN-3, H-SN-6: the same where a lessee's lessee has the hosts: that it renews its part shows that the whole is in force.
#[test]
fn a_lost_disk_and_two_that_start() {
    let mut lab = leased();
    lab.start(3, config(3, &[2]));
    in_use(&mut lab, 2, "10.0.0.0/26", 0);
    lab.pass(MINUTE * 20);
    lab.act(3, |core, now| core.handle_need(14, now));
    lab.pass(MINUTE);
    assert_eq!(lab.holders(3), ["10.0.0.0/28 own"]);
    lab.restart(1, false);
    assert_eq!(enter(&mut lab, 1, "10.0.0.0/24", false), Entered::Uncertain);
    lab.restart(2, true);
    lab.restart(3, true);
    in_use(&mut lab, 3, "10.0.0.0/28", 1);
    lab.pass(MINUTE * 5);
    assert!(lab.server(3).assigned[&subnet("10.0.0.0/28")].is_some());
    assert_eq!(lab.holders(1)[0], "10.0.0.0/26 leased to server-2");
}

/// SN-43: a lease that was renewed to find out about it may be refused: it has become another's.
#[test]
fn another_has_it() {
    let held = subnet("10.0.0.0/26");
    let mut lab = leased();
    lab.restart(1, false);
    assert_eq!(enter(&mut lab, 1, "10.0.0.0/24", false), Entered::Uncertain);
    lab.start(3, config(3, &[1]));
    lab.server(3).disk = lab.servers[&2].disk.clone();
    lab.restart(3, true);
    in_use(&mut lab, 3, "10.0.0.0/26", 1);
    lab.pass(MINUTE * 3);
    assert_eq!(lab.holders(1)[0], "10.0.0.0/26 leased to server-3");
    lab.restart(2, true);
    in_use(&mut lab, 2, "10.0.0.0/26", 1);
    lab.pass(MINUTE * 3);
    assert!(lab.server(2).events.contains(&Event::Lost { subnet: held, why: Why::Refused }));
    assert_eq!(lab.server(2).gone, [held]);
}
