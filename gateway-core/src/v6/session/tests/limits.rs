//! What one client, and one MAC, may have.

use super::*;

fn limited(leases: u32, clients: u32) -> Sessions {
    let mut table = sessions(config(64));
    table.limit(Limits { leases: Some(leases), clients: Some(clients) });
    table
}

/// Client 1 asks for its lease number `lease` on top of what it has.
fn one_more(lease: u16) -> Login {
    Login { granted: vec![Grant { iaid: Some(lease.into()), ..grant(address(lease), 3700) }], ..login(1, 7) }
}

/// A client with any number of IAIDs gets so many leases and no more; it keeps and renews those, may have another in the
/// place of one that ended, and all that others may have.
#[test]
fn a_greedy_client() {
    let mut table = limited(3, 16);
    for lease in 1..=3 {
        table.bind(one_more(lease), at(100)).unwrap();
    }
    commands(&mut table);
    assert_eq!(table.bind(one_more(4), at(100)), Err(Refusal::TooManyLeases));
    let at_once = Login { granted: (1..=4).map(|lease| grant(address(lease), 3700)).collect(), ..login(2, 7) };
    assert_eq!(table.bind(at_once, at(100)), Err(Refusal::TooManyLeases));
    assert_eq!((commands(&mut table), table.count()), (vec![], 3));
    assert_eq!(table.bind(one_more(2), at(200)), Ok(Bound::Renewed));
    assert_eq!(table.bind(login(9, 7), at(200)), Ok(Bound::New));
    table.end(address(2), EndReason::Gone);
    assert_eq!(table.bind(one_more(4), at(200)), Ok(Bound::Renewed));
    // Fewer are allowed now: what there is goes on.
    table.limit(Limits { leases: Some(1), clients: None });
    assert_eq!(table.bind(one_more(4), at(300)), Ok(Bound::Renewed));
    assert_eq!(table.bind(one_more(5), at(300)), Err(Refusal::TooManyLeases));
}

/// A client at its limit is renumbered: what the same REPLY ends makes room, if it is this client's and this server's to end.
#[test]
fn one_in_the_place_of_another() {
    let mut table = limited(1, 16);
    table.bind(one_more(1), at(100)).unwrap();
    table.bind(Login { granted: vec![grant(address(9), 3700)], ..login(9, 7) }, at(100)).unwrap();
    let leases = |number| Over { leases: vec![address(number)], ias: Vec::new() };
    assert_eq!(table.bind_in_place(one_more(2), &leases(9), at(200)), Err(Refusal::TooManyLeases));
    let elsewhere = Login { server: ip("2001:db8:ffff::3"), ..one_more(2) };
    assert_eq!(table.bind_in_place(elsewhere, &leases(1), at(200)), Err(Refusal::TooManyLeases));
    assert_eq!(table.bind_in_place(one_more(2), &leases(1), at(200)), Ok(Bound::Renewed));
    assert!(table.end(address(1), EndReason::Gone));
    let ia = Over { leases: Vec::new(), ias: vec![(IaKind::Na, 2)] };
    assert_eq!(table.bind_in_place(one_more(3), &ia, at(200)), Ok(Bound::Renewed));
}

/// Client `number` under the MAC of client 1.
fn another(number: u16, relayed: bool) -> Login {
    Login { mac: mac(1), relayed, granted: vec![grant(address(number), 3700)], ..login(number, 7) }
}

/// A MAC with any number of DUIDs gets so many clients on its line and no more, before and after the server is asked; who is
/// logged in renews, one that takes the place of another may, and so may the same MAC elsewhere.
#[test]
fn a_mac_with_many_duids() {
    let mut table = limited(16, 2);
    for number in 1..=2 {
        assert_eq!(table.admits(line(0), client(number).as_duid(), Some(mac(1)), at(100)), Ok(()));
        table.bind(another(number, false), at(100)).unwrap();
    }
    commands(&mut table);
    assert_eq!(table.admits(line(0), client(3).as_duid(), Some(mac(1)), at(100)), Err(Refusal::MacFull));
    assert_eq!(table.bind(another(3, false), at(100)), Err(Refusal::MacFull));
    assert_eq!((commands(&mut table), table.count()), (vec![], 2));
    assert_eq!(table.bind(another(2, false), at(200)), Ok(Bound::Renewed));
    assert_eq!(table.admits(line(0), client(2).as_duid(), Some(mac(1)), at(200)), Ok(()));
    assert_eq!(table.admits(line(1), client(3).as_duid(), Some(mac(1)), at(200)), Ok(()));
    assert_eq!(table.admits(line(0), client(3).as_duid(), Some(mac(3)), at(200)), Ok(()));
    let instead = Login { granted: vec![grant(address(1), 3700)], ..another(3, false) };
    assert_eq!(table.bind(instead, at(200)), Ok(Bound::New), "in the place of the first");
    // Whose leases have all ended is not there any more, reclaimed or not.
    let cohort = table.get(address(1)).unwrap().0.cohort;
    table.end_cohort(cohort, Epoch(7));
    assert_eq!(table.bind(Login { epoch: Epoch(8), ..another(4, false) }, at(200)), Ok(Bound::New));
}

/// Behind a relay below all have its MAC: it is no bound to them, and none of them is in the place of another, shares a
/// prefix with another, or is gone because the relay is silent. Neither are their leases the relay's own.
#[test]
fn clients_of_a_relay_below() {
    let mut table = limited(16, 2);
    for number in 1..=5 {
        assert_eq!(table.admits(line(0), client(number).as_duid(), None, at(100)), Ok(()));
        table.bind(another(number, true), at(100)).unwrap();
    }
    assert_eq!(table.replaced(line(0), client(1).as_duid(), mac(1)), []);
    assert_eq!(table.clients_at(line(0), mac(1)), []);
    assert_eq!(table.of_subscriber(line(0), mac(1)).count(), 5);
    let around = Login { granted: vec![grant(prefix("2001:db8:1::", 64), 3700)], ..another(6, true) };
    assert_eq!(table.bind(around.clone(), at(100)), Err(Refusal::Overlap));
    let own = Login { relayed: false, ..around };
    assert_eq!(table.bind(own, at(100)), Err(Refusal::Overlap));
    table.bind(another(7, false), at(100)).unwrap();
    assert_eq!(table.clients_at(line(0), mac(1)).len(), 1, "the relay's own");
    // The relay is gone, and the client speaks for itself.
    table.bind(another(1, false), at(200)).unwrap();
    assert_eq!(table.clients_at(line(0), mac(1)).len(), 2);
    assert_eq!(table.bind(another(8, false), at(200)), Err(Refusal::MacFull));
}
