use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::record;
use super::*;

type Store = BTreeMap<Vec<u8>, Vec<u8>>;

fn apply(store: &mut Store, commands: Vec<Command>) {
    for command in commands {
        match command {
            Command::Persist { key, value, .. } => drop(store.insert(key, value)),
            Command::Forget { key } => drop(store.remove(&key)),
            _ => {}
        }
    }
}

fn restore(store: &Store, capacity: u32, numbering: Numbering) -> (Sessions, u64) {
    let mut restoring = Restoring::new(config(capacity), clock(), at(200));
    for (key, value) in store.iter().rev() {
        assert!(restoring.add(key, value));
    }
    restoring.finish(numbering)
}

/// H-BR-20: everything is back after a restart of the controller, each lease in its slot, sessions with their leases.
#[test]
fn the_table_comes_back_as_it_was() {
    let (mut table, mut store) = (sessions(config(64)), Store::new());
    for number in 0..20 {
        table.bind(login(number, 7), at(100)).unwrap();
    }
    for number in 0..5 {
        table.end(address(number), EndReason::Released);
    }
    table.orphan(address(10));
    apply(&mut store, commands(&mut table));
    let (restored, lost) = restore(&store, 64, Numbering::default());
    assert_eq!(lost, 0);
    assert_eq!(restored.routes().collect::<Vec<_>>(), table.routes().collect::<Vec<_>>());
    assert_eq!((restored.fpc_count(FpcId(0)), restored.resident()), ((35, 1), (35, 20)));
    let session = restored.by_client(line(0), client(10).as_duid()).unwrap();
    assert_eq!((restored.leases(session).count(), session.peer), (2, ip("fe80::1")));
}

/// H-BR-6: killed right after the end of a cohort was written, with all lease records still there: none comes back.
#[test]
fn an_ended_cohort_stays_ended() {
    let (mut table, mut store) = (sessions(config(64)), Store::new());
    for number in 0..10 {
        table.bind(login(number, if number < 6 { 7 } else { 8 }), at(100)).unwrap();
    }
    apply(&mut store, commands(&mut table));
    let cohort = table.get(address(0)).unwrap().0.cohort;
    table.end_cohort(cohort, Epoch(7));
    apply(&mut store, commands(&mut table));
    let (mut restored, _) = restore(&store, 64, Numbering::default());
    assert_eq!((restored.count(), restored.routes().count()), (8, 8));
    settle(&mut restored, at(200));
    apply(&mut store, commands(&mut restored));
    assert_eq!((store.len(), restored.resident()), (9, (8, 4)));
}

/// Leases that ended while nobody looked end now; what finds its slot gone gets another; what finds none is lost and told.
#[test]
fn what_does_not_fit_any_more() {
    let (mut table, mut store) = (sessions(config(64)), Store::new());
    for number in 0..4 {
        table.bind(login(number, 7), at(100)).unwrap();
    }
    table.bind(Login { granted: vec![grant(address(9), 150)], ..login(9, 7) }, at(100)).unwrap();
    for number in 0..2 {
        table.end(address(number), EndReason::Released);
        table.end(delegated(number), EndReason::Released);
    }
    apply(&mut store, commands(&mut table));
    let (mut restored, lost) = restore(&store, 6, Numbering::default());
    assert_eq!((restored.count(), lost), (5, 0));
    settle(&mut restored, at(200));
    let told = commands(&mut restored);
    assert_eq!(ended(&told), [(address(9), client(9), EndReason::Expired)]);
    let (restored, lost) = restore(&store, 3, Numbering::default());
    assert_eq!((restored.count(), lost), (3, 2));
}

/// Records name line cards and ports by numbers that outlive a configuration.
#[test]
fn a_changed_configuration_finds_its_leases() {
    let (mut table, mut store) = (sessions(config(4)), Store::new());
    table.bind(Login { line: line(1), fpc: FpcId(1), ..login(1, 7) }, at(100)).unwrap();
    apply(&mut store, commands(&mut table));
    let numbering = Numbering { fpcs: vec![1, 0], ports: vec![0, 9, 1] };
    let (mut restored, _) = restore(&store, 4, numbering);
    let (lease, session) = restored.get(address(1)).unwrap();
    assert_eq!((session.line.port, restored.cohort(lease.cohort).unwrap().fpc), (PortId(2), FpcId(0)));
    commands(&mut restored);
    restored.bind(Login { line: line(2), fpc: FpcId(0), ..login(1, 7) }, at(100)).unwrap();
    let mut again = Store::new();
    apply(&mut again, commands(&mut restored));
    assert!(!again.is_empty() && again.iter().all(|(key, value)| store[key] == *value), "the same records");
}

/// Records of earlier versions don't say whether a client is behind a relay below: where it spoke from tells.
#[test]
fn who_was_behind_a_relay() {
    let (relay, own) = (ip("2001:db8:9::1"), ip("fe80::1"));
    for (peer, relayed, before) in [(relay, true, true), (own, false, false), (relay, false, true), (own, true, false)]
    {
        let (mut table, mut store) = (sessions(config(4)), Store::new());
        table.bind(Login { peer, relayed, ..login(1, 7) }, at(100)).unwrap();
        apply(&mut store, commands(&mut table));
        let (key, value) = store.iter().find(|(key, _)| key[1] == b'l').unwrap();
        let relayed_by = |value: &[u8]| record::decode_lease(key, value, &clock()).unwrap().2.relayed;
        assert_eq!(relayed_by(value), relayed);
        let mut earlier = value.clone();
        earlier[1] &= 3;
        assert_eq!(relayed_by(&earlier), before);
    }
}

/// Records of earlier versions have the IAID 0 for what nobody has told, too.
#[test]
fn whether_an_iaid_is_known() {
    for (iaid, before) in [(None, None), (Some(0), None), (Some(9), Some(9))] {
        let (mut table, mut store) = (sessions(config(4)), Store::new());
        let granted = vec![Grant { iaid, ..grant(address(1), 3700) }];
        table.bind(Login { granted, ..login(1, 7) }, at(100)).unwrap();
        apply(&mut store, commands(&mut table));
        let (key, value) = store.iter().find(|(key, _)| key[1] == b'l').unwrap();
        let iaid_by = |value: &[u8]| record::decode_lease(key, value, &clock()).unwrap().1.iaid;
        assert_eq!(iaid_by(value), iaid);
        let mut earlier = value.clone();
        earlier[1] &= 15;
        assert_eq!(iaid_by(&earlier), before);
    }
}

proptest! {
    /// A lease and a cohort survive their records, and what is cut is none: a DUID has no length, so a cut there names
    /// somebody else, but what is before it is all wanted.
    #[test]
    fn records_there_and_back(
        bits: u128, length in 0u8..=128, kind in 0usize..3, numbers: [u32; 3], short: [u16; 6], mac: [u8; 6], peer: u128,
        times in (0u64..1 << 40, prop::option::of(0u64..1 << 40)), orphaned: bool,
        duid in prop::collection::vec(any::<u8>(), 1..=130), ended: Option<u32>,
    ) {
        let tag = |tpid, vid| gateway_common::vlan::VlanTag { tpid, vid };
        let tags = VlanTags { outer: tag(short[0], short[1]), inner: tag(short[2], short[3]) };
        let (mut table, mut store) = (sessions(config(4)), Store::new());
        let granted = Grant {
            prefix: Prefix::new(bits.into(), length).unwrap(),
            kind: [IaKind::Na, IaKind::Ta, IaKind::Pd][kind],
            iaid: (numbers[2] % 4 > 0).then_some(numbers[0]),
            expires: times.1.map_or(Instant::NEVER, |millis| Instant::ZERO + Duration::from_millis(millis)),
        };
        let client = DuidBuf::new(&duid).unwrap();
        // A table keeps counts by port and card.
        let (line, fpc) = (Line { port: PortId(short[4] % 64), tags }, FpcId(short[5] % 64));
        let relayed = numbers[1] % 2 == 0;
        let login = Login { client: client.clone(), line, fpc, mac, relayed, peer: peer.into(), epoch: Epoch(numbers[1]),
            server_id: client, granted: vec![granted], ..login(1, 7) };
        let at = Instant::ZERO + Duration::from_millis(times.0);
        table.bind(login, at).unwrap();
        if orphaned {
            table.orphan(granted.prefix);
        }
        apply(&mut store, commands(&mut table));
        let (slot, lease, session) = table.iter_from(0).next().unwrap();
        let (key, value) = store.iter().find(|(key, _)| key[1] == b'l').unwrap();
        let (slot_read, lease_read, session_read) = record::decode_lease(key, value, &clock()).unwrap();
        prop_assert_eq!(slot_read, slot);
        let shown = |lease: &Lease| format!("{:?}", (lease.prefix, lease.kind, lease.iaid, lease.cohort, lease.epoch, lease.at, lease.expires, lease.orphaned));
        prop_assert_eq!(shown(&lease_read), shown(lease));
        let shown = |session: &Session| format!("{:?}", (&session.client, session.line, session.mac, session.relayed, session.peer));
        prop_assert_eq!(shown(&session_read), shown(session));
        for length in 0..=value.len() - duid.len() {
            prop_assert!(record::decode_lease(key, &value[..length], &clock()).is_none());
        }
        let cohort = Cohort { ended: ended.map(Epoch), ..table.cohorts().next().unwrap().1.clone() };
        let (key, value) = (record::cohort_key(CohortId(9)), record::encode_cohort(&cohort, &Numbering::default()));
        prop_assert_eq!(record::decode_cohort(&key, &value), Some((CohortId(9), cohort)));
        for length in 0..=value.len() - duid.len() {
            prop_assert!(record::decode_cohort(&key, &value[..length]).is_none());
        }
    }

    /// Whatever lies in the store, a table comes of it.
    #[test]
    fn garbage_in_the_store_is_harmless(
        records in prop::collection::vec(
            (prop::sample::select(vec![&b"6l"[..], b"6c", b"6x", b"6"]), prop::collection::vec(any::<u8>(), 0..18),
             prop::collection::vec(any::<u8>(), 0..90), any::<bool>(), any::<bool>()),
            0..40,
        ),
    ) {
        let mut restoring = Restoring::new(config(8), clock(), at(1));
        for (prefix, mut key, mut value, versioned, sized) in records {
            if let (true, Some(first)) = (versioned, value.first_mut()) {
                *first = 1;
            }
            if sized {
                key.resize(if prefix == b"6c" { 2 } else { 17 }, 0x10);
            }
            restoring.add(&[prefix, &key].concat(), &value);
        }
        let (mut table, _) = restoring.finish(Numbering::default());
        settle(&mut table, at(2));
        prop_assert_eq!(table.count(), table.iter_from(0).count() as u64);
    }
}
