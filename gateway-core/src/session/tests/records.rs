use proptest::prelude::*;

use super::super::record;
use super::*;
use crate::replication::{Change, Positions, Record};
use crate::scope::GroupId;
use gateway_common::unit::UnitKey;

fn stored(table: &mut Sessions) -> std::collections::BTreeMap<Vec<u8>, Vec<u8>> {
    let mut store = std::collections::BTreeMap::new();
    apply(&mut store, commands(table));
    store
}

fn apply(store: &mut std::collections::BTreeMap<Vec<u8>, Vec<u8>>, commands: Vec<Command>) {
    for command in commands {
        match command {
            Command::Persist { key, value, .. } => drop(store.insert(key, value)),
            Command::Forget { key } => drop(store.remove(&key)),
            _ => {}
        }
    }
}

fn restore(store: &std::collections::BTreeMap<Vec<u8>, Vec<u8>>, capacity: u32) -> (Sessions, u64) {
    let mut restoring = Restoring::new(config(capacity), clock(), at(200));
    for (key, value) in store.iter().rev() {
        assert!(restoring.add(key, value));
    }
    restoring.finish(Numbering::default())
}

/// BR-4, H-BR-20: everything is back after a restart of the controller, each session in its slot.
#[test]
fn the_table_comes_back_as_it_was() {
    let mut table = sessions(config(64));
    for number in 0..40 {
        let scope = (number % 2 == 0).then_some(ScopeKind::Address(GIADDR));
        table.bind(Login { scope, ..login(number, 7) }, at(100)).expect("room");
    }
    for number in 0..10 {
        table.end(address(number), EndReason::Released, at(100));
    }
    table.orphan(address(20));
    let store = stored(&mut table);
    let (restored, lost) = restore(&store, 64);
    assert_eq!(lost, 0);
    assert_eq!(restored.routes().collect::<Vec<_>>(), table.routes().collect::<Vec<_>>());
    assert_eq!(restored.fpc_count(FpcId(0)), (30, 1));
    assert_eq!(restored.port_count(PortId(0)), 30);
    let session = restored.get(address(20)).expect("restored");
    assert!(session.orphaned && session.agent_information[..] == [1, 2, b'p', b'0']);
}

/// H-BR-6, H-BR-20: killed right after the end of a cohort was written, with all session records still there: none of
/// the ended sessions comes back, and those that logged in later do.
#[test]
fn an_ended_cohort_stays_ended_though_its_records_are_still_there() {
    let mut table = sessions(config(64));
    for number in 0..20 {
        table.bind(login(number, if number < 15 { 7 } else { 8 }), at(100)).expect("room");
    }
    let mut store = stored(&mut table);
    let cohort = table.get(address(0)).expect("logged in").cohort;
    table.end_cohort(cohort, Epoch(7));
    apply(&mut store, commands(&mut table));
    assert_eq!(store.len(), 21, "nothing was deleted yet");
    let (mut restored, _) = restore(&store, 64);
    assert_eq!(restored.count(), 5);
    assert_eq!(restored.routes().count(), 5);
    assert!(commands(&mut restored).contains(&Command::SetLeastEpoch { cohort, epoch: Epoch(8), fpc: FpcId(0) }));
    settle(&mut restored, at(200));
    apply(&mut store, commands(&mut restored));
    assert_eq!(store.len(), 6, "reclaimed after all");
    assert_eq!(restored.resident(), 5);
}

/// It may have been renewed unseen: nothing is forwarded for it, and whoever can ask decides.
#[test]
fn a_lease_that_ended_while_nobody_looked_is_overdue() {
    let mut table = sessions(config(4));
    for (number, end) in [(1, 150), (2, 150), (3, 900)] {
        table.bind(Login { expires: at(end), ..login(number, 7) }, at(100)).expect("room");
    }
    let store = stored(&mut table);
    let (mut restored, _) = restore(&store, 4);
    settle(&mut restored, at(300));
    assert_eq!(restored.overdue(), [address(1), address(2)]);
    assert!(restored.route(address(1)).is_some_and(|route| route.expires == at(150)), "dead by itself");
    restored.renew(restored.slot(address(2)).expect("there"), at(500), Epoch(7), at(300));
    (1..=3).for_each(|number| restored.handle_overdue(address(number)));
    assert_eq!((restored.count(), restored.overdue()), (2, vec![]));
    settle(&mut restored, at(501));
    assert_eq!(restored.count(), 1, "the renewed one ends in its time");
}

#[test]
fn sessions_that_find_their_slot_taken_or_gone_get_another() {
    let mut table = sessions(config(64));
    for number in 0..8 {
        table.bind(login(number, 7), at(100)).expect("room");
    }
    for number in 0..4 {
        table.end(address(number), EndReason::Released, at(100));
    }
    let (mut restored, lost) = restore(&stored(&mut table), 6);
    assert_eq!((restored.count(), lost), (4, 0));
    let told = commands(&mut restored);
    assert_eq!(told.iter().filter(|c| matches!(c, Command::Persist { .. })).count(), 2, "two moved: {told:?}");
}

/// Records name line cards and ports by numbers that outlive a configuration.
#[test]
fn a_changed_configuration_finds_its_sessions() {
    let mut table = sessions(config(4));
    table.bind(Login { line: line(1), fpc: FpcId(1), ..login(1, 7) }, at(100)).expect("room");
    // What was FPC 1 is now FPC 0, and what was port 1 is now port 2.
    let numbering = Numbering { fpcs: vec![1, 0], ports: vec![0, 9, 1] };
    let store = stored(&mut table);
    for _ in 0..2 {
        let mut restoring = Restoring::new(config(4), clock(), at(200));
        for (key, value) in &store {
            restoring.add(key, value);
        }
        let (mut restored, _) = restoring.finish(numbering.clone());
        let session = restored.get(address(1)).expect("restored");
        assert_eq!((session.line.port, restored.fpc(session)), (PortId(2), FpcId(0)));
        // Written again, it is the same record.
        restored.bind(Login { line: line(2), fpc: FpcId(0), ..login(1, 7) }, at(100)).expect("room");
        let again = stored(&mut restored);
        assert!(again.iter().all(|(key, value)| store[key] == *value));
    }
}

fn some_session() -> impl Strategy<Value = (u32, Session)> {
    let lease = (any::<[u8; 4]>(), 0u64..1 << 40, prop::option::of(0u64..1 << 40), any::<bool>());
    let client =
        (any::<u8>(), 0u8..=16, any::<[u8; 16]>(), prop::option::of(prop::collection::vec(any::<u8>(), 0..300)));
    let place = (any::<u32>(), any::<u32>(), any::<u16>(), any::<u16>(), any::<[u16; 4]>());
    (lease, client, place, prop::collection::vec(any::<u8>(), 0..256)).prop_map(|(lease, client, place, agent)| {
        let mut chaddr = client.2;
        chaddr[usize::from(client.1)..].fill(0);
        let [outer_tpid, outer_vid, inner_tpid, inner_vid] = place.4;
        let tag = |tpid, vid| gateway_common::vlan::VlanTag { tpid, vid };
        let tags = VlanTags { outer: tag(outer_tpid, outer_vid), inner: tag(inner_tpid, inner_vid) };
        let session = Session {
            address: lease.0.into(),
            hardware: HardwareAddress::new(client.0, client.1, chaddr).expect("short"),
            client_id: client.3.map(Into::into),
            line: Line { port: PortId(place.2), tags },
            cohort: CohortId(place.3),
            epoch: Epoch(place.1),
            at: Instant::ZERO + Duration::from_millis(lease.1),
            expires: lease.2.map_or(Instant::NEVER, |millis| Instant::ZERO + Duration::from_millis(millis)),
            agent_information: agent.into(),
            orphaned: lease.3,
            ..Session::blank()
        };
        (place.0, session)
    })
}

fn shown((slot, session): &(u32, Session)) -> String {
    format!("{slot} {session:?}")
}

proptest! {
    #[test]
    fn a_session_survives_its_record(session in some_session()) {
        let key = record::session_key(session.1.address);
        let value = record::encode_session(session.0, &session.1, &Numbering::default(), &clock());
        let decoded = record::decode_session(&key, &value, &clock()).expect("decodes");
        prop_assert_eq!(shown(&decoded), shown(&session));
        for length in 0..value.len() {
            prop_assert!(record::decode_session(&key, &value[..length], &clock()).is_none());
        }
    }

    #[test]
    fn a_cohort_survives_its_record(
        id: u16, fpc: u16, server: [u8; 4], ended: Option<u32>, kind in 0..4, octets in prop::collection::vec(any::<u8>(), 1..=32),
    ) {
        let scope = match kind {
            0 => None,
            1 => Some(ScopeKind::Address(server.into())),
            2 => Some(ScopeKind::Group(GroupId::new(&octets).expect("short"))),
            _ => Some(ScopeKind::Device),
        };
        let cohort = Cohort { fpc: FpcId(fpc), server: server.into(), scope, ended: ended.map(Epoch) };
        let (key, value) = (record::cohort_key(CohortId(id)), record::encode_cohort(&cohort, &Numbering::default()));
        prop_assert_eq!(record::decode_cohort(&key, &value), Some((CohortId(id), cohort)));
        for length in 0..value.len() {
            prop_assert!(record::decode_cohort(&key, &value[..length]).is_none());
        }
    }

    /// Whatever lies in the store, a table comes of it.
    #[test]
    fn garbage_in_the_store_is_harmless(
        records in prop::collection::vec(
            (prop::sample::select(vec![b's', b'c', b'x']), prop::collection::vec(any::<u8>(), 0..6), prop::collection::vec(any::<u8>(), 0..90), any::<bool>()),
            0..40,
        ),
    ) {
        let mut restoring = Restoring::new(config(8), clock(), at(1));
        for (prefix, key, mut value, versioned) in records {
            if let (true, Some(first)) = (versioned, value.first_mut()) {
                *first = 1;
            }
            restoring.add(&[&[prefix][..], &key].concat(), &value);
        }
        let (mut table, _) = restoring.finish(Numbering::default());
        settle(&mut table, at(2));
        prop_assert_eq!(table.count(), table.iter_from(0).count() as u64);
    }
}

/// CL-69, H-CL-25: a gateway with sessions becomes a member. Whoever joins it takes them all; and when it joins others, it keeps
/// what they don't know, and tells them.
#[test]
fn sessions_from_before_the_cluster() {
    let member = |number| crate::member::MemberId::new(number).unwrap();
    let share = |table: &mut Sessions, me| {
        table.share(
            ShareConfig { me: member(me), fpcs: vec!["fpc0".into()], configured: (1, 1), unit_key: UnitKey::NONE },
            at(200),
        );
    };
    let mut alone = sessions(config(8));
    for number in 1..=3 {
        alone.bind(login(number, 1), at(100)).unwrap();
    }
    let store = stored(&mut alone);
    let (mut first, lost) = restore(&store, 8);
    assert_eq!(lost, 0);
    share(&mut first, 1);
    let (records, next) = first.snapshot(0, 100);
    assert_eq!((records.len(), next), (3, None));

    let mut second = sessions(config(8));
    share(&mut second, 2);
    let positions = |of: &[(u8, u64)]| {
        let mut positions = Positions::default();
        of.iter().for_each(|(origin, seq)| positions.advance(member(*origin), *seq));
        positions
    };
    second.begin_replace(positions(&[(1, 5)]), positions(&[]), false);
    for Record { stamp, change } in records {
        let Change::Session(state) = change else { panic!("sessions only") };
        second.handle_snapshot(stamp, *state, at(200));
    }
    second.end_replace();
    assert!((1..=3).all(|number| second.get(address(number)).is_some()), "the joiner has them");

    // The other way round: those that it joins know nothing of it, or of an earlier life.
    for known in [&[][..], &[(1, 7)]] {
        let (mut joiner, _) = restore(&store, 8);
        share(&mut joiner, 1);
        commands(&mut joiner);
        joiner.begin_replace(positions(known), positions(&[]), false);
        joiner.end_replace();
        assert!((1..=3).all(|number| joiner.get(address(number)).is_some()), "it keeps them");
        let told = |command: &Command| matches!(command, Command::Replicate(said) if matches!(said.change, Change::Session(_)) && said.unit.is_none());
        assert_eq!(commands(&mut joiner).iter().filter(|command| told(command)).count(), 3, "and tells them");
    }
}
