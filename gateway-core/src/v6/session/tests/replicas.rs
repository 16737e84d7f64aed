//! Tables of several members, which tell each other what they do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::member::MemberId;
use crate::replication::{Positions, Record, Stamp, StampClock};
use crate::session::ShareConfig;

fn share(number: u8) -> (ShareConfig, StampClock) {
    let me = MemberId::new(number).unwrap();
    let mut clock = StampClock::new(me);
    clock.reach(1_700_000_000_000);
    let fpcs = vec!["fpc0".into(), "fpc1".into()];
    (ShareConfig { me, fpcs, configured: (2, 4), unit_key: gateway_common::unit::UnitKey::NONE }, clock)
}

fn member(number: u8) -> Sessions {
    let mut table = sessions(config(64));
    let (config, clock) = share(number);
    table.share(config, clock, at(100));
    table
}

/// What was told, in order; the records that a store would have.
fn told(table: &mut Sessions, store: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<Record> {
    let mut said = Vec::new();
    for command in commands(table) {
        match command {
            Command::Replicate(what) => said.push(Record { stamp: what.stamp, change: what.change }),
            Command::Persist { key, value, .. } => drop(store.insert(key, value)),
            Command::Forget { key } => drop(store.remove(&key)),
            _ => {}
        }
    }
    said
}

fn pass(from: &mut Sessions, to: &mut Sessions, now: Instant) -> usize {
    let records = told(from, &mut BTreeMap::new());
    let count = records.len();
    for record in records {
        assert_eq!(to.handle_replica(record, now), None);
    }
    count
}

type Told = (Prefix, DuidBuf, Line, [u8; 6], Instant, Epoch, bool);

/// All that members have to agree on.
fn all(table: &Sessions) -> BTreeSet<Told> {
    let told = |(_, lease, session): (u32, &Lease, &Session)| {
        let (client, line, mac) = (session.client.clone(), session.line, session.mac);
        (lease.prefix, client, line, mac, lease.expires, lease.epoch, lease.orphaned)
    };
    table.iter_from(0).map(told).collect()
}

/// CL-66, CL-67, CL-69: a login, its renewal, another MAC, a lease that is not confirmed and one that ended are known to the
/// other member, with routes of its own; nothing is said twice, nor back.
#[test]
fn a_member_knows_what_another_did() {
    let (mut a, mut b) = (member(1), member(2));
    a.bind(login(1, 7), at(100)).unwrap();
    assert_eq!(pass(&mut a, &mut b, at(101)), 2);
    assert_eq!((all(&a), b.count()), (all(&b), 2));
    assert_eq!(routes(&commands(&mut b)).len(), 2);
    let mut renewed = login(1, 7);
    renewed.granted = vec![grant(address(1), 9000)];
    renewed.mac = mac(77);
    a.bind(renewed, at(200)).unwrap();
    assert_eq!(pass(&mut a, &mut b, at(200)), 2, "the other lease has another MAC now, too");
    assert_eq!(all(&a), all(&b));
    assert!(routes(&commands(&mut b)).iter().all(|(_, _, fresh)| !fresh));
    a.orphan(delegated(1));
    assert_eq!((pass(&mut a, &mut b, at(200)), all(&a)), (1, all(&b)));
    commands(&mut b);
    a.end(address(1), EndReason::Released);
    assert_eq!((pass(&mut a, &mut b, at(200)), all(&a)), (1, all(&b)));
    assert_eq!(ended(&commands(&mut b)), [], "nobody hears of it but the store and the data plane");
    a.handle_timeout(at(3700));
    assert_eq!(pass(&mut a, &mut b, at(3700)), 0, "every member sees a lease end by itself");
    b.handle_timeout(at(3700));
    assert_eq!((a.count(), b.count()), (0, 0));
}

/// CL-69: all leases of a card at a server end on every member by one change, those of a later epoch stay; a login of the
/// epochs that ended, told late, is not revived.
#[test]
fn a_cohort_ends_everywhere() {
    let (mut a, mut b) = (member(1), member(2));
    for number in 1..20 {
        a.bind(login(number, 7), at(100)).unwrap();
    }
    a.bind(login(30, 8), at(100)).unwrap();
    pass(&mut a, &mut b, at(100));
    let mut late = member(3);
    late.bind(login(40, 7), at(100)).unwrap();
    let cohort = b.get(address(1)).unwrap().0.cohort;
    assert_eq!(b.end_cohort(cohort, Epoch(7)), 38);
    assert_eq!(pass(&mut b, &mut a, at(100)), 1);
    assert_eq!((all(&a).len(), all(&a)), (2, all(&b)));
    for table in [&mut a, &mut b] {
        for record in told(&mut late, &mut BTreeMap::new()) {
            table.handle_replica(record, at(100));
        }
        assert_eq!(table.count(), 2);
    }
    settle(&mut a, at(100));
    assert_eq!(a.resident(), (2, 1));
}

/// H-CL-23: an end names what it ends, so it does not matter that a newer login arrives before it.
#[test]
fn late_and_twice() {
    let (mut a, mut b, mut c) = (member(1), member(2), member(3));
    a.bind(login(1, 7), at(100)).unwrap();
    let first = told(&mut a, &mut BTreeMap::new());
    first.iter().for_each(|record| drop(b.handle_replica(record.clone(), at(100))));
    a.end(address(1), EndReason::Released);
    let end = told(&mut a, &mut BTreeMap::new());
    commands(&mut b);
    b.bind(login(1, 7), at(150)).unwrap(); // it has not heard of the end
    let again = told(&mut b, &mut BTreeMap::new());
    for record in again.iter().chain(&end).chain(&first).chain(&again) {
        c.handle_replica(record.clone(), at(150));
    }
    end.into_iter().for_each(|record| drop(b.handle_replica(record, at(150))));
    again.into_iter().for_each(|record| drop(a.handle_replica(record, at(150))));
    assert_eq!((all(&c).len(), all(&a), all(&b)), (2, all(&c), all(&c)));
}

/// H-CL-25: a member that takes a snapshot has what its sender has, gives up what the sender has seen end, and says again
/// what it alone knows from an earlier life.
#[test]
fn a_snapshot() {
    let (mut a, mut b) = (member(1), member(2));
    for number in 1..10 {
        a.bind(login(number, 7), at(100)).unwrap();
    }
    let mut store = BTreeMap::new();
    pass(&mut a, &mut b, at(100));
    for command in commands(&mut b) {
        if let Command::Persist { key, value, .. } = command {
            store.insert(key, value);
        }
    }
    let mut positions = Positions::default();
    let stamp = |table: &Sessions| table.iter_from(0).map(|(_, lease, _)| lease.stamp).max().unwrap();
    // b restarts, and meanwhile clients come and go
    a.end(address(3), EndReason::Released);
    a.bind(login(20, 7), at(200)).unwrap();
    commands(&mut a);
    positions.set(MemberId::new(1).unwrap(), stamp(&a).seq() + 10);
    let mut restoring = Restoring::new(config(64), clock(), at(300));
    store.iter().for_each(|(key, value)| assert!(restoring.add(key, value)));
    let (mut b, lost) = restoring.finish(Numbering::default());
    assert_eq!((lost, b.count()), (0, 18));
    let (config, clock) = share(2);
    b.share(config, clock, at(300));
    let own = Login { line: line(1), ..login(50, 7) };
    b.bind(own, at(300)).unwrap();
    commands(&mut b);
    b.begin_replace(positions, Positions::default(), false);
    let mut from = Some(0);
    while let Some(slot) = from {
        let (records, next) = a.snapshot(slot, 4);
        for Record { stamp, change } in records {
            let crate::replication::Change::Lease6(state) = change else { panic!() };
            b.handle_snapshot(stamp, *state, at(300));
        }
        from = next;
    }
    b.end_replace();
    assert!(b.get(address(3)).is_none() && b.get(address(20)).is_some() && b.get(address(50)).is_some());
    assert_eq!((a.count(), b.count()), (19, 21));
    pass(&mut b, &mut a, at(300));
}

/// CL-69, H-CL-25: leases from before the gateway was a member are told to the others when it joins them.
#[test]
fn leases_from_before_the_cluster() {
    let mut alone = sessions(config(64));
    alone.bind(login(1, 7), at(100)).unwrap();
    commands(&mut alone);
    let (config, clock) = share(1);
    alone.share(config, clock, at(200));
    let (mut other, theirs) = (member(2), Positions::default());
    alone.begin_replace(theirs, Positions::default(), false);
    alone.end_replace();
    assert_eq!(pass(&mut alone, &mut other, at(200)), 2);
    assert_eq!((all(&other).len(), all(&other)), (2, all(&alone)));
}

/// H-CL-23, H-CL-25: what ended with its card does not stand in the way of what a snapshot has at its prefix, though its
/// member's clock was ahead.
#[test]
fn what_ended_with_its_card_makes_way() {
    let (mut ahead, mut other, mut store) = (sessions(config(64)), member(1), BTreeMap::new());
    let (of_share, mut at_first) = share(2);
    at_first.reach(1_700_000_101_000);
    ahead.share(of_share.clone(), at_first, at(100));
    ahead.bind(login(1, 7), at(100)).unwrap();
    told(&mut ahead, &mut store);
    let mut restoring = Restoring::new(config(64), clock(), at(100));
    store.iter().for_each(|(key, value)| assert!(restoring.add(key, value)));
    let (mut ahead, _) = restoring.finish(Numbering::default());
    ahead.share(of_share, share(2).1, at(100));
    let cohort = ahead.get(address(1)).unwrap().0.cohort;
    ahead.end_cohort(cohort, Epoch(7));
    other.bind(Login { epoch: Epoch(8), ..login(1, 7) }, at(100)).unwrap();
    let stamp = |table: &Sessions| table.leases.iter_from(0).map(|(_, lease)| lease.stamp).max().unwrap();
    assert!(stamp(&ahead) > stamp(&other), "the case is this one");
    let mut theirs = Positions::default();
    theirs.set(MemberId::new(1).unwrap(), u64::MAX >> 8);
    ahead.begin_replace(theirs, Positions::default(), false);
    for Record { stamp, change } in other.snapshot(0, 10).0 {
        let crate::replication::Change::Lease6(state) = change else { panic!() };
        ahead.handle_snapshot(stamp, *state, at(100));
    }
    ahead.end_replace();
    assert_eq!((all(&ahead), ahead.count()), (all(&other), 2));
}

#[derive(Clone, Debug)]
enum Step {
    /// A client logs in or renews at a member, with another MAC or not, in this epoch.
    Bind(u8, u16, bool, u32),
    End(u8, u16),
    Orphan(u8, u16),
    EndCohort(u8, u32),
    /// The first member hears what the second has said and it has not heard, so many changes of it.
    Deliver(u8, u8, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let member = || 0..3u8;
    prop_oneof![
        6 => (member(), 1..6u16, any::<bool>(), 6..9u32).prop_map(|(m, c, mac, e)| Step::Bind(m, c, mac, e)),
        2 => (member(), 1..6u16).prop_map(|(m, c)| Step::End(m, c)),
        1 => (member(), 1..6u16).prop_map(|(m, c)| Step::Orphan(m, c)),
        1 => (member(), 5..8u32).prop_map(|(m, e)| Step::EndCohort(m, e)),
        6 => (member(), member(), 1..6usize).prop_map(|(to, from, n)| Step::Deliver(to, from, n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// H-CL-23: whatever members do and in whatever order they hear of each other, in the end all have the same leases, and
    /// the same counts of them.
    #[test]
    fn members_agree(steps in prop::collection::vec(step(), 1..60)) {
        let mut tables: Vec<Sessions> = (1..=3).map(member).collect();
        let mut logs: Vec<Vec<Record>> = vec![Vec::new(); 3];
        let mut heard = [[0usize; 3]; 3];
        let steps: VecDeque<Step> = steps.into();
        let everything = (0..3u8).flat_map(|to| (0..3u8).map(move |from| Step::Deliver(to, from, usize::MAX)));
        for step in steps.into_iter().chain(everything) {
            match step {
                Step::Bind(m, client, other, epoch) => {
                    let hardware = if other { mac(100 + client) } else { mac(client) };
                    // a login of an epoch that has ended is refused
                    let _ = tables[usize::from(m)].bind(Login { mac: hardware, ..login(client, epoch) }, at(200));
                }
                Step::End(m, client) => drop(tables[usize::from(m)].end(address(client), EndReason::Released)),
                Step::Orphan(m, client) => drop(tables[usize::from(m)].orphan(delegated(client))),
                Step::EndCohort(m, epoch) => {
                    let table = &mut tables[usize::from(m)];
                    let cohort = table.cohorts().next().map(|(id, _)| id);
                    if let Some(cohort) = cohort {
                        table.end_cohort(cohort, Epoch(epoch));
                    }
                }
                Step::Deliver(to, from, most) if to != from => {
                    let (to, from) = (usize::from(to), usize::from(from));
                    let end = logs[from].len().min(heard[to][from].saturating_add(most));
                    for record in &logs[from][heard[to][from]..end] {
                        tables[to].handle_replica(record.clone(), at(200));
                    }
                    heard[to][from] = end;
                }
                Step::Deliver(..) => {}
            }
            for (table, log) in tables.iter_mut().zip(&mut logs) {
                log.extend(told(table, &mut BTreeMap::new()));
            }
        }
        let plain = |table: &Sessions| {
            // who spoke last of a MAC is a question of the session, and a mark may come before what it marks
            all(table).into_iter().map(|(prefix, client, line, _, expires, epoch, _)| {
                (prefix, client, line, expires, epoch)
            }).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(plain(&tables[0]), plain(&tables[1]));
        prop_assert_eq!(plain(&tables[0]), plain(&tables[2]));
        for table in &tables {
            prop_assert_eq!(table.count(), all(table).len() as u64);
            prop_assert_eq!(table.unusable(), 0);
            let stamped = table.iter_from(0).all(|(_, lease, _)| lease.stamp != Stamp::NONE);
            prop_assert!(stamped);
        }
    }
}
