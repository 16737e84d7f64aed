use super::*;

fn unbind(table: &mut Sessions, number: u16, leases: &[Prefix], ias: &[(IaKind, u32)], reason: EndReason) -> usize {
    table.unbind(client(number).as_duid(), line(0), server(), leases, ias, reason, at(200))
}

/// One record and one route per lease, the record first; cohorts are numbered in the upper half. RR-23: what a release has
/// to name is kept.
#[test]
fn a_login_is_recorded_and_then_routed() {
    let mut table = sessions(config(16));
    assert_eq!(table.bind(login(1, 7), at(100)), Ok(Bound::New));
    let told = commands(&mut table);
    for prefix in [address(1), delegated(1)] {
        let key = super::super::record::lease_key(prefix);
        let record = told.iter().position(|c| matches!(c, Command::Persist { key: k, .. } if *k == key)).unwrap();
        let route = told.iter().position(|c| matches!(c, Command::InstallRoute(r) if r.address == prefix)).unwrap();
        assert!(record < route);
    }
    assert_eq!(routes(&told), [(address(1), 0, true), (delegated(1), 1, true)]);
    let (lease, session) = table.get(delegated(1)).unwrap();
    assert_eq!((lease.kind, lease.iaid, lease.epoch, lease.expires), (IaKind::Pd, Some(1), Epoch(7), at(3700)));
    assert_eq!((&session.client, session.mac, session.peer), (&client(1), mac(1), ip("fe80::1")));
    assert!(u32::from(lease.cohort.0) >= FIRST_COHORT6);
    let cohort = table.cohort(lease.cohort).unwrap();
    assert_eq!((cohort.server, &cohort.server_id, cohort.fpc), (server(), &server_id(1), FpcId(0)));
    assert_eq!((table.count(), table.resident()), (2, (2, 1)));
}

/// RFC 8415 18.2.10.1: a renewal extends what it mentions; what it omits stays until its own end.
#[test]
fn a_renewal_that_omits_a_lease() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).unwrap();
    commands(&mut table);
    let renewal = Login { granted: vec![grant(address(1), 9000)], ..login(1, 7) };
    assert_eq!(table.bind(renewal, at(1900)), Ok(Bound::Renewed));
    let told = commands(&mut table);
    assert!(matches!(told[0], Command::Persist { .. }));
    assert_eq!(told[1..], [Command::SetExpiry { slot: 0, expires: at(9000) }]);
    settle(&mut table, at(3699));
    assert_eq!(table.count(), 2);
    settle(&mut table, at(3700));
    assert_eq!(ended(&commands(&mut table)), [(delegated(1), client(1), EndReason::Expired)]);
    assert!(table.get(address(1)).is_some());
    settle(&mut table, at(9000));
    assert_eq!((table.count(), table.resident()), (0, (0, 0)));
    assert!(commands(&mut table).contains(&Command::RemoveRoute(address(1))));
}

/// RFC 8415 18.2.10.1, 18.2.7: valid 0, NoBinding for an IA, and what was released end; what is another client's, on another
/// line or another server's, does not.
#[test]
fn only_the_server_and_its_client_end_a_lease() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).unwrap();
    table.bind(login(2, 7), at(100)).unwrap();
    let both = [address(1), delegated(1)];
    assert_eq!(unbind(&mut table, 2, &both, &[], EndReason::Gone), 0, "another client's");
    let duid = client(1);
    let mut from = |line, server| table.unbind(duid.as_duid(), line, server, &both, &[], EndReason::Gone, at(200));
    assert_eq!(from(line(0), ip("2001:db8::3")), 0, "another server");
    assert_eq!(from(line(1), server()), 0, "another line");
    assert_eq!(unbind(&mut table, 1, &[], &[(IaKind::Pd, 2), (IaKind::Ta, 1)], EndReason::Gone), 0, "another IA");
    assert_eq!(unbind(&mut table, 1, &[], &[(IaKind::Pd, 1)], EndReason::Gone), 1);
    commands(&mut table);
    assert_eq!(unbind(&mut table, 1, &both, &[(IaKind::Na, 1)], EndReason::Released), 1);
    let told = commands(&mut table);
    assert_eq!(ended(&told), [(address(1), client(1), EndReason::Released)]);
    assert!(told.contains(&Command::RemoveRoute(address(1))));
    assert!(table.by_client(line(0), client(1).as_duid()).is_none());
    assert_eq!(table.resident(), (2, 1));
}

/// A prefix that overlaps another subscriber's is refused, whichever is within the other, and nothing of that REPLY is
/// bound; within one's own everything may be.
#[test]
fn overlaps_of_others_are_refused() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).unwrap();
    commands(&mut table);
    let inside = prefix("2001:db8:100:1ff::", 64);
    assert!(delegated(1).contains(inside.address()));
    let within = prefix("2001:db8:100:1ab::9", 128);
    let around = prefix("2001:db8:100::", 48);
    for wanted in [inside, within, around, prefix("2001:db8::", 32)] {
        let granted = vec![grant(address(2), 3700), grant(wanted, 3700)];
        assert_eq!(table.bind(Login { granted, ..login(2, 7) }, at(100)), Err(Refusal::Overlap), "{wanted}");
    }
    assert_eq!((commands(&mut table), table.count()), (vec![], 2));
    assert_eq!(table.bind(Login { granted: vec![grant(inside, 3700)], ..login(1, 7) }, at(100)), Ok(Bound::Renewed));
    // The same subscriber under another DUID: a boot ROM and the system it loads.
    let system = Login { client: client(9), granted: vec![grant(within, 3700)], ..login(1, 7) };
    assert_eq!(table.bind(system, at(100)), Ok(Bound::New));
    assert_eq!((table.count(), table.resident().1), (4, 2));
    // Those behind one relay have no more in common than its MAC.
    let below = |number| Login { mac: mac(99), relayed: true, ..login(number, 7) };
    table.bind(below(4), at(100)).unwrap();
    let theirs = prefix("2001:db8:100:4ff::", 64);
    assert!(delegated(4).contains(theirs.address()));
    assert_eq!(table.bind(Login { granted: vec![grant(theirs, 3700)], ..below(5) }, at(100)), Err(Refusal::Overlap));
    let relay = Login { mac: mac(99), granted: vec![grant(theirs, 3700)], ..login(6, 7) };
    assert_eq!(table.bind(relay, at(100)), Err(Refusal::Overlap), "nor with the relay itself");
    // What has ended is in nobody's way.
    for prefix in [inside, within, delegated(1), delegated(4)] {
        assert!(table.end(prefix, EndReason::Gone));
    }
    assert_eq!(table.bind(Login { granted: vec![grant(around, 3700)], ..login(2, 7) }, at(100)), Ok(Bound::New));
}

/// The server that leased a prefix knows when it is over: given to another client, it is that one's. Another server can't
/// know.
#[test]
fn a_prefix_that_goes_to_another_client() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).unwrap();
    commands(&mut table);
    let login2 = Login { granted: vec![grant(delegated(1), 3700)], ..login(2, 7) };
    let elsewhere = Login { server_id: server_id(2), server: ip("2001:db8::3"), ..login2.clone() };
    assert_eq!(table.bind(elsewhere, at(100)), Err(Refusal::Overlap));
    assert_eq!(table.bind(login2, at(100)), Ok(Bound::New));
    let told = commands(&mut table);
    assert_eq!(ended(&told), [(delegated(1), client(1), EndReason::Replaced)]);
    assert_eq!(routes(&told), [(delegated(1), 1, true)], "in the slot it had, so never missing");
    assert_eq!(table.get(delegated(1)).unwrap().1.client, client(2));
    assert!(table.by_client(line(0), client(1).as_duid()).is_some(), "with its address");
}

/// The same client on another line moves, with its counters; what is not mentioned stays where it was.
#[test]
fn the_same_client_on_another_line_moves() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).unwrap();
    commands(&mut table);
    let there = Login { line: line(3), fpc: FpcId(1), mac: mac(77), ..login(1, 7) };
    let first = Login { granted: vec![grant(address(1), 4000)], ..there.clone() };
    assert_eq!(table.bind(first, at(200)), Ok(Bound::Moved));
    let told = commands(&mut table);
    assert_eq!((routes(&told), ended(&told)), (vec![(address(1), 0, false)], vec![]));
    assert!(!told.iter().any(|c| matches!(c, Command::RemoveRoute(_))));
    assert_eq!((table.port_count(PortId(0)), table.port_count(PortId(3))), (1, 1));
    assert_eq!(table.bind(there, at(300)), Ok(Bound::Moved));
    assert!(table.by_client(line(0), client(1).as_duid()).is_none());
    let session = table.by_client(line(3), client(1).as_duid()).unwrap();
    assert_eq!((session.mac, table.leases(session).count()), (mac(77), 2));
    assert_eq!((table.fpc_count(FpcId(0)).0, table.fpc_count(FpcId(1)).0, table.resident()), (0, 2, (2, 1)));
}

/// A client that got another MAC on its line: all its routes follow, those that the REPLY omits too.
#[test]
fn another_mac() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).unwrap();
    commands(&mut table);
    let renewal = Login { mac: mac(8), granted: vec![grant(address(1), 4000)], ..login(1, 7) };
    table.bind(renewal, at(200)).unwrap();
    assert_eq!(routes(&commands(&mut table)), [(address(1), 0, false), (delegated(1), 1, false)]);
    assert!(table.routes().all(|route| route.mac == mac(8)));
}

/// RFC 8415 4.2, 12: IAIDs of different clients, lines and sorts of IA have nothing to do with each other; a lease that the
/// client finds in another IA is in that one.
#[test]
fn iaids_collide_with_nobody() {
    let mut table = sessions(config(16));
    for number in 1..=3 {
        table.bind(Login { line: line(number % 2), ..login(number, 7) }, at(100)).unwrap();
    }
    assert_eq!(table.count(), 6);
    assert_eq!(unbind(&mut table, 2, &[], &[(IaKind::Na, 1)], EndReason::Gone), 1);
    assert_eq!(table.count(), 5);
    let moved = Grant { iaid: Some(5), ..grant(delegated(2), 3700) };
    table.bind(Login { line: line(0), granted: vec![moved], ..login(2, 7) }, at(100)).unwrap();
    assert_eq!(table.get(delegated(2)).unwrap().0.iaid, Some(5));
    assert_eq!(unbind(&mut table, 2, &[], &[(IaKind::Pd, 1)], EndReason::Gone), 0);
    assert_eq!(unbind(&mut table, 2, &[], &[(IaKind::Pd, 5)], EndReason::Gone), 1);
}

/// H-BR-6, H-BR-9: a cohort ends up to a cut-off in constant time; later epochs, other servers and other FPCs stay, a login
/// of an ended epoch is stale, and who logs in again before the old lease is reclaimed keeps the new one.
#[test]
fn only_the_confirmed_cohort_ends_and_only_up_to_the_cutoff() {
    let mut table = sessions(config(32));
    table.bind(login(1, 7), at(100)).unwrap();
    table.bind(login(2, 8), at(100)).unwrap();
    table.bind(Login { server_id: server_id(2), ..login(3, 7) }, at(100)).unwrap();
    table.bind(Login { fpc: FpcId(1), line: line(1), ..login(4, 7) }, at(100)).unwrap();
    table.bind(login(5, 7), at(100)).unwrap();
    // Renewed in the next epoch, but for its prefix.
    table.bind(Login { granted: vec![grant(address(5), 3700)], ..login(5, 8) }, at(150)).unwrap();
    commands(&mut table);
    let cohort = table.get(address(1)).unwrap().0.cohort;
    assert_eq!(table.end_cohort(cohort, Epoch(7)), 3);
    let told = commands(&mut table);
    assert!(matches!(&told[0], Command::Persist { sync: true, .. }));
    assert_eq!(told[1..], [Command::SetLeastEpoch { cohort, epoch: Epoch(8), fpc: FpcId(0) }]);
    let gone = [address(1), delegated(1), delegated(5)];
    assert!(gone.iter().all(|prefix| table.get(*prefix).is_none()));
    assert_eq!(table.count(), 7);
    assert!(table.by_client(line(0), client(1).as_duid()).is_none());
    assert_eq!(table.bind(login(6, 7), at(160)), Err(Refusal::Stale));
    assert_eq!(table.bind(login(1, 8), at(160)), Ok(Bound::New));
    assert_eq!(routes(&commands(&mut table)).len(), 2);
    settle(&mut table, at(160));
    let told = commands(&mut table);
    assert!(told.contains(&Command::RemoveRoute(delegated(5))));
    assert!(!told.contains(&Command::RemoveRoute(address(1))), "{told:?}");
    assert_eq!((table.count(), table.resident()), (9, (9, 5)));
}

/// H-BR-6: pools may be cut anew while ended leases wait to be reclaimed. One that overlaps a new lease, whichever is within
/// the other, goes first, since its route would hide the new one; others wait for their turn.
#[test]
fn dead_routes_hide_nothing() {
    let inside = prefix("2001:db8:100:1ff::", 64);
    for (dead, new) in [(delegated(1), inside), (inside, delegated(1))] {
        let mut table = sessions(config(16));
        table.bind(Login { granted: vec![grant(dead, 3700)], ..login(1, 7) }, at(100)).unwrap();
        table.bind(login(3, 7), at(100)).unwrap();
        let cohort = table.get(dead).unwrap().0.cohort;
        table.end_cohort(cohort, Epoch(7));
        commands(&mut table);
        table.bind(Login { granted: vec![grant(new, 3700)], ..login(2, 8) }, at(160)).unwrap();
        let told = commands(&mut table);
        let place = |wanted: &dyn Fn(&Command) -> bool| told.iter().position(wanted);
        let removed = place(&|c| *c == Command::RemoveRoute(dead)).unwrap();
        let installed = place(&|c| matches!(c, Command::InstallRoute(route) if route.address == new)).unwrap();
        assert!(removed < installed, "{told:?}");
        assert_eq!((table.count(), table.resident()), (1, (3, 2)), "those of client 3 are still there");
    }
}

/// A port counts clients, not leases; a logout of the whole card makes room at once.
#[test]
fn a_full_port_admits_only_whom_it_has() {
    let mut table = sessions(SessionConfig { port_limits: vec![Some(2)], ..config(32) });
    table.bind(login(1, 7), at(100)).unwrap();
    assert_eq!(table.admits(line(0), client(2).as_duid(), Some(mac(2)), at(100)), Ok(()));
    table.bind(login(2, 7), at(100)).unwrap();
    assert_eq!(table.admits(line(0), client(1).as_duid(), Some(mac(1)), at(100)), Ok(()));
    assert_eq!(table.admits(line(0), client(3).as_duid(), Some(mac(3)), at(100)), Err(Refusal::PortFull));
    assert_eq!(table.admits(line(1), client(3).as_duid(), Some(mac(3)), at(100)), Ok(()));
    assert_eq!(table.bind(login(3, 7), at(100)), Err(Refusal::PortFull));
    assert_eq!(table.bind(login(1, 7), at(100)), Ok(Bound::Renewed));
    let instead = Login { granted: login(1, 7).granted, ..login(3, 7) };
    assert_eq!(table.bind(instead, at(100)), Ok(Bound::New), "in the place of the first");
    let cohort = table.get(address(1)).unwrap().0.cohort;
    table.end_cohort(cohort, Epoch(7));
    assert_eq!(table.bind(login(4, 8), at(100)), Ok(Bound::New));
}

#[test]
fn who_logs_in_and_out_in_short_cycles_is_locked_out() {
    let lockout = Lockout { cycles: 2, within: Duration::from_secs(60), lasts: Duration::from_secs(300) };
    let mut table = sessions(SessionConfig { lockout: Some(lockout), ..config(16) });
    for _ in 0..2 {
        assert_eq!(table.admits(line(0), client(1).as_duid(), Some(mac(1)), at(200)), Ok(()));
        table.bind(login(1, 7), at(200)).unwrap();
        assert_eq!(unbind(&mut table, 1, &[address(1), delegated(1)], &[], EndReason::Released), 2);
    }
    let refused = Err(Refusal::LockedOut { until: at(500) });
    assert_eq!(
        table.admits(line(0), client(9).as_duid(), Some(mac(1)), at(201)),
        refused,
        "another DUID does not help"
    );
    assert_eq!(table.admits(line(0), client(1).as_duid(), Some(mac(1)), at(500)), Ok(()));
}

#[test]
fn a_full_table_reclaims_before_it_refuses() {
    let mut table = sessions(config(3));
    table.bind(login(1, 7), at(100)).unwrap();
    assert_eq!(table.bind(login(2, 7), at(100)), Err(Refusal::Full), "room for one of two");
    assert_eq!(table.count(), 2);
    let cohort = table.get(address(1)).unwrap().0.cohort;
    table.end_cohort(cohort, Epoch(7));
    assert_eq!(table.bind(login(2, 8), at(100)), Ok(Bound::New));
    assert_eq!(table.bind(Login { granted: vec![grant(address(3), 300)], ..login(3, 8) }, at(100)), Ok(Bound::New));
    assert_eq!(table.bind(login(4, 8), at(100)), Err(Refusal::Full));
}

#[test]
fn an_orphan_is_counted_until_it_is_heard_of() {
    let mut table = sessions(config(8));
    table.bind(login(1, 7), at(100)).unwrap();
    assert!(table.orphan(address(1)) && !table.orphan(address(1)) && !table.orphan(address(9)));
    assert_eq!(table.fpc_count(FpcId(0)), (2, 1));
    table.bind(login(1, 7), at(200)).unwrap();
    assert_eq!(table.fpc_count(FpcId(0)), (2, 0));
}
