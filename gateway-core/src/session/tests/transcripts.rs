use super::*;
use crate::release::Logins;

fn routes(commands: &[Command]) -> Vec<(Ipv4Addr, u32, bool)> {
    let install = |command: &Command| match command {
        Command::InstallRoute(route) => Some((route.address, route.slot, route.fresh)),
        _ => None,
    };
    commands.iter().filter_map(install).collect()
}

/// BR-4: one record per login, and it is told to the store before the route is told to the data plane.
#[test]
fn a_login_is_recorded_and_then_routed() {
    let mut table = sessions(config(16));
    assert_eq!(table.bind(login(1, 7), at(100)), Ok(Bound::New));
    let told = commands(&mut table);
    let record = told.iter().position(|c| matches!(c, Command::Persist { key, .. } if key[0] == SESSION_PREFIX));
    let route = told.iter().position(|c| matches!(c, Command::InstallRoute(_)));
    assert!(record.expect("persisted") < route.expect("routed"));
    assert_eq!(routes(&told), [(address(1), 0, true)]);
    assert_eq!(table.count(), 1);
    let session = table.get(address(1)).expect("logged in");
    assert_eq!((session.hardware, session.epoch, session.giaddr), (mac(1), Epoch(7), GIADDR));
}

#[test]
fn a_renewal_moves_the_end_of_the_lease_and_leaves_the_route_alone() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).expect("room");
    commands(&mut table);
    let renewal = Login { at: at(1900), expires: at(5500), ..login(1, 7) };
    assert_eq!(table.bind(renewal, at(1900)), Ok(Bound::Renewed));
    let told = commands(&mut table);
    assert!(matches!(told[0], Command::Persist { .. }));
    assert_eq!(told[1..], [Command::SetExpiry { slot: 0, expires: at(5500) }]);
    settle(&mut table, at(5499));
    assert_eq!(table.count(), 1);
    settle(&mut table, at(5500));
    assert_eq!(table.count(), 0);
    assert!(commands(&mut table).contains(&Command::RemoveRoute(address(1))));
}

/// H-BR-11: a renewal through the relay carries today's scope and epoch; the route follows.
#[test]
fn a_relayed_renewal_is_tagged_anew() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).expect("room");
    commands(&mut table);
    let group = ScopeKind::Group(crate::scope::GroupId::new(b"fpc0").expect("short"));
    assert_eq!(table.bind(Login { scope: Some(group), ..login(1, 8) }, at(100)), Ok(Bound::Renewed));
    assert_eq!(routes(&commands(&mut table)), [(address(1), 0, false)]);
    let cohorts = Logins::cohorts(&table, FpcId(0), Epoch(8));
    assert_eq!(cohorts.len(), 1, "nothing is left in the old scope: {cohorts:?}");
    assert_eq!(Logins::cohorts(&table, FpcId(0), Epoch(7)).len(), 0);
}

/// BR-27, H-BR-6: ending a cohort up to a cut-off leaves later logins, other servers' logins and untagged logins
/// alone.
#[test]
fn only_the_confirmed_cohort_ends_and_only_up_to_the_cutoff() {
    let mut table = sessions(config(16));
    let other = Ipv4Addr::new(192, 0, 2, 3);
    table.bind(login(1, 7), at(100)).expect("room");
    table.bind(login(2, 8), at(100)).expect("room");
    table.bind(Login { server: other, ..login(3, 7) }, at(100)).expect("room");
    table.bind(Login { scope: None, ..login(4, 7) }, at(100)).expect("room");
    table.bind(Login { fpc: FpcId(1), line: line(1), ..login(5, 7) }, at(100)).expect("room");
    commands(&mut table);
    let cohort = table.get(address(1)).expect("logged in").cohort;
    assert_eq!(table.end_cohort(cohort, Epoch(7)), 1);
    let told = commands(&mut table);
    assert!(matches!(&told[0], Command::Persist { key, sync: true, .. } if key[0] == COHORT_PREFIX));
    assert_eq!(told[1], Command::SetLeastEpoch { cohort, epoch: Epoch(8), fpc: FpcId(0) });
    assert_eq!(told.len(), 2, "nothing per session: {told:?}");
    assert!(table.get(address(1)).is_none());
    for number in 2..=5 {
        assert!(table.get(address(number)).is_some(), "{number} stays");
    }
    settle(&mut table, at(100));
    assert_eq!(
        commands(&mut table),
        [Command::Forget { key: [&b"s"[..], &address(1).octets()].concat() }, Command::RemoveRoute(address(1)),]
    );
    assert_eq!(table.resident(), 4);
}

/// H-BR-9: a login made in an epoch that has ended is refused, so nothing comes back to life.
#[test]
fn a_login_of_an_ended_epoch_is_stale() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).expect("room");
    let cohort = table.get(address(1)).expect("logged in").cohort;
    table.end_cohort(cohort, Epoch(7));
    assert_eq!(table.bind(login(2, 7), at(100)), Err(Refusal::Stale));
    assert_eq!(table.bind(login(1, 8), at(100)), Ok(Bound::New));
}

/// H-BR-6: who logs in again before the old session is reclaimed keeps the new one, route and all.
#[test]
fn logging_in_again_before_reclaim_is_a_new_session() {
    let mut table = sessions(config(16));
    for number in 1..=3 {
        table.bind(login(number, 7), at(100)).expect("room");
    }
    let cohort = table.get(address(1)).expect("logged in").cohort;
    table.end_cohort(cohort, Epoch(7));
    commands(&mut table);
    assert_eq!(table.bind(login(2, 8), at(100)), Ok(Bound::New));
    assert_eq!(routes(&commands(&mut table)), [(address(2), 1, true)]);
    settle(&mut table, at(100));
    let told = commands(&mut table);
    assert!(!told.contains(&Command::RemoveRoute(address(2))), "{told:?}");
    assert_eq!((table.count(), table.resident()), (1, 1));
}

#[test]
fn the_same_client_on_another_line_moves() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).expect("room");
    commands(&mut table);
    let moved = Login { line: line(3), fpc: FpcId(1), ..login(1, 7) };
    assert_eq!(table.bind(moved, at(100)), Ok(Bound::Moved));
    let told = commands(&mut table);
    assert_eq!(routes(&told), [(address(1), 0, false)]);
    assert!(!told.iter().any(|c| matches!(c, Command::RemoveRoute(_) | Command::Ended { .. })), "{told:?}");
    assert!(table.by_client(line(0), &mac(1)).is_none());
    assert!(table.by_client(line(3), &mac(1)).is_some());
    assert_eq!((table.fpc_count(FpcId(0)).0, table.fpc_count(FpcId(1)).0), (0, 1));
    assert_eq!((table.port_count(PortId(0)), table.port_count(PortId(3))), (0, 1));
}

#[test]
fn an_address_that_goes_to_another_client_ends_the_first_ones_session() {
    let mut table = sessions(config(16));
    table.bind(login(1, 7), at(100)).expect("room");
    commands(&mut table);
    assert_eq!(table.bind(Login { hardware: mac(9), ..login(1, 7) }, at(100)), Ok(Bound::New));
    let told = commands(&mut table);
    let ended = Command::Ended { address: address(1), hardware: mac(1), reason: EndReason::Replaced };
    assert!(told.contains(&ended), "{told:?}");
    assert_eq!(routes(&told), [(address(1), 0, true)]);
    assert!(table.by_client(line(0), &mac(1)).is_none());
    assert_eq!(table.count(), 1);
}

#[test]
fn a_client_that_is_given_another_address_loses_the_old_one_but_another_client_id_is_another_client() {
    let mut table = sessions(config(16));
    let boot_rom = Login { client_id: Some([0, 1].into()), ..login(1, 7) };
    table.bind(boot_rom.clone(), at(100)).expect("room");
    let system = Login { address: address(2), client_id: Some([0xff, 9].into()), ..login(1, 7) };
    assert_eq!(table.bind(system, at(100)), Ok(Bound::New));
    assert_eq!(table.count(), 2);
    assert_eq!(table.bind(Login { address: address(3), ..boot_rom }, at(100)), Ok(Bound::New));
    assert_eq!(table.count(), 2);
    assert!(table.get(address(1)).is_none());
    assert!(commands(&mut table).contains(&Command::RemoveRoute(address(1))));
}

#[test]
fn a_full_port_admits_only_whom_it_has() {
    let mut table = sessions(SessionConfig { port_limits: vec![Some(2)], ..config(16) });
    table.bind(login(1, 7), at(100)).expect("room");
    table.bind(login(2, 7), at(100)).expect("room");
    assert_eq!(table.admits(line(0), &mac(1), at(100)), Ok(()));
    assert_eq!(table.admits(line(0), &mac(3), at(100)), Err(Refusal::PortFull));
    assert_eq!(table.admits(line(1), &mac(3), at(100)), Ok(()), "another port has no limit");
    assert_eq!(table.bind(login(3, 7), at(100)), Err(Refusal::PortFull), "not even when it raced past the first look");
    assert_eq!(table.bind(login(1, 7), at(100)), Ok(Bound::Renewed));
    let elsewhere = Login { address: address(9), ..login(2, 7) };
    assert_eq!(table.bind(elsewhere, at(100)), Ok(Bound::New), "it takes the place of its own old session");
    // A logout of the whole card makes room at once, before anything is reclaimed.
    let cohort = table.get(address(1)).expect("logged in").cohort;
    assert_eq!(table.end_cohort(cohort, Epoch(7)), 2);
    assert_eq!(table.bind(login(3, 8), at(100)), Ok(Bound::New));
    assert_eq!(table.port_count(PortId(0)), 1);
}

#[test]
fn who_logs_in_and_out_in_short_cycles_is_locked_out() {
    let lockout = Lockout { cycles: 2, within: Duration::from_secs(60), lasts: Duration::from_secs(300) };
    let mut table = sessions(SessionConfig { lockout: Some(lockout), ..config(16) });
    for second in [100, 110] {
        assert_eq!(table.admits(line(0), &mac(1), at(second)), Ok(()));
        table.bind(login(1, 7), at(second)).expect("room");
        assert!(table.end(address(1), EndReason::Released, at(second + 5)));
    }
    assert_eq!(table.admits(line(0), &mac(1), at(116)), Err(Refusal::LockedOut { until: at(415) }));
    assert_eq!(table.admits(line(0), &mac(2), at(116)), Ok(()));
    assert_eq!(table.admits(line(0), &mac(1), at(415)), Ok(()));
}

#[test]
fn a_full_table_reclaims_before_it_refuses() {
    let mut table = sessions(config(2));
    table.bind(login(1, 7), at(100)).expect("room");
    table.bind(login(2, 7), at(100)).expect("room");
    assert_eq!(table.bind(login(3, 7), at(100)), Err(Refusal::Full));
    let cohort = table.get(address(1)).expect("logged in").cohort;
    table.end_cohort(cohort, Epoch(7));
    assert_eq!(table.bind(login(3, 8), at(100)), Ok(Bound::New));
    assert_eq!(table.bind(login(4, 8), at(100)), Ok(Bound::New));
    assert_eq!(table.bind(login(5, 8), at(100)), Err(Refusal::Full));
}

#[test]
fn static_subscribers_have_no_lease_to_lose() {
    let mut table = sessions(config(4));
    let subscriber = StaticSubscriber { address: address(1), hardware: mac(1), line: line(0) };
    assert_eq!(table.add_static(&subscriber, FpcId(0)), Ok(()));
    assert_eq!(table.bind(Login { hardware: mac(2), ..login(1, 7) }, at(100)), Err(Refusal::Static));
    assert!(!table.end(address(1), EndReason::Released, at(100)));
    assert!(!table.orphan(address(1)));
    assert!(Logins::cohorts(&table, FpcId(0), Epoch(u32::MAX)).is_empty(), "no server to log out of");
    assert!(table.login(address(1)).is_none());
    settle(&mut table, at(10_000_000));
    assert_eq!(table.count(), 1);
    assert_eq!(table.route(address(1)).map(|route| route.expires), Some(Instant::NEVER));
}

/// H-BR-7: a client that renewed by unicast after the restart was decided is spared by the server, and here too.
#[test]
fn a_unicast_renewal_after_the_decision_leaves_the_restarting_epoch() {
    let mut table = sessions(config(4));
    table.bind(login(1, 7), at(100)).expect("room");
    table.bind(login(2, 7), at(100)).expect("room");
    let slot = table.slot(address(1)).expect("logged in");
    table.renew(slot, at(9000), Epoch(8), at(200));
    let cohort = table.get(address(1)).expect("logged in").cohort;
    assert_eq!(table.end_cohort(cohort, Epoch(7)), 1);
    assert_eq!(table.get(address(1)).map(|session| (session.epoch, session.at)), Some((Epoch(8), at(200))));
    assert!(table.get(address(2)).is_none());
}

/// H-BR-10, H-BR-11: a scope that two FPCs have logins in is reported, so that it is not released in bulk.
#[test]
fn a_scope_with_logins_of_two_fpcs_is_shared() {
    let mut table = sessions(config(8));
    table.bind(login(1, 7), at(100)).expect("room");
    assert!(!Logins::cohorts(&table, FpcId(0), Epoch(7))[0].shared);
    table.bind(Login { fpc: FpcId(1), line: line(1), ..login(2, 3) }, at(100)).expect("room");
    assert!(Logins::cohorts(&table, FpcId(0), Epoch(7))[0].shared);
    table.end(address(2), EndReason::Released, at(100));
    assert!(!Logins::cohorts(&table, FpcId(0), Epoch(7))[0].shared);
}

/// BR-28: each login is paged out exactly once with what its RELEASE must repeat, though others end meanwhile.
#[test]
fn paging_visits_whoever_stays_exactly_once() {
    let mut table = sessions(config(2048));
    for number in 0..1000 {
        table.bind(login(number, 7 + number % 3), at(100)).expect("room");
    }
    let cohort = table.get(address(0)).expect("logged in").cohort;
    let mut seen = std::collections::BTreeMap::new();
    let (mut after, mut removed) = (None, Vec::new());
    loop {
        let (page, next) = table.page(cohort, Epoch(8), after, 64);
        for individual in &page {
            assert!(individual.epoch <= Epoch(8));
            *seen.entry(individual.address).or_insert(0) += 1;
        }
        // The page's last login, on which the cursor stands, ends; so does the first; the middle is orphaned.
        for individual in page.first().into_iter().chain(page.last()) {
            table.end(individual.address, EndReason::LoggedOut, at(100));
            removed.push(individual.address);
        }
        if let Some(individual) = page.get(page.len() / 2) {
            table.orphan(individual.address);
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    let expected = (0..1000).filter(|number| number % 3 < 2).count();
    assert_eq!(seen.len(), expected);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    assert!(!removed.is_empty());
}
