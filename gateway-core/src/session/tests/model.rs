//! The table against the plainest thing that could be right.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::unit::{UNITS, Unit};
use proptest::prelude::*;

use super::*;
use crate::release::Logins;

#[derive(Clone, Debug)]
enum Step {
    /// Client, address, line, epoch, tagged, lease.
    Bind(u32, u32, u16, u32, bool, u64),
    End(u32),
    Orphan(u32),
    /// Of the cohort that this address is in, up to this epoch.
    EndCohort(u32, u32),
    Wait(u64),
    Reclaim,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6u32, 0..8u32, 0..3u16, 1..5u32, any::<bool>(), 1..50u64)
            .prop_map(|(client, address, line, epoch, tagged, lease)| Step::Bind(client, address, line, epoch, tagged, lease)),
        1 => (0..8u32).prop_map(Step::End),
        1 => (0..8u32).prop_map(Step::Orphan),
        1 => (0..8u32, 1..5u32).prop_map(|(address, epoch)| Step::EndCohort(address, epoch)),
        1 => (1..30u64).prop_map(Step::Wait),
        1 => Just(Step::Reclaim),
    ]
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    client: u32,
    line: u16,
    epoch: u32,
    tagged: bool,
    expires: u64,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// BR-27: whatever happens in whatever order, the table has exactly the sessions that it should, its counts agree,
    /// the data plane's routes as told by the commands are those of the table, and the store restores to the same.
    #[test]
    fn the_table_agrees_with_a_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut table = Sessions::new(config(6), clock(), at(0));
        let mut model: BTreeMap<u32, Entry> = BTreeMap::new();
        let mut ended: BTreeMap<(u16, bool), u32> = BTreeMap::new();
        let (mut routes, mut least, mut store) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut now = 0;
        for step in steps {
            match step {
                Step::Bind(client, number, port, epoch, tagged, lease) => {
                    let scope = tagged.then_some(ScopeKind::Address(GIADDR));
                    let (line, fpc) = (line(port), FpcId(port / 2));
                    let expires = now + lease;
                    let login = Login { address: address(number), hardware: mac(client), line, fpc, scope,
                        expires: at(expires), ..login(number, epoch) };
                    let stale = ended.get(&(fpc.0, tagged)).is_some_and(|ended| epoch <= *ended);
                    let result = table.bind(login, at(now));
                    if stale {
                        prop_assert_eq!(result, Err(Refusal::Stale));
                    } else if result == Err(Refusal::Full) {
                        prop_assert!(model.len() >= 6 && !model.contains_key(&number));
                        // The old session of a client that asks for more than there is room for stays.
                        prop_assert!(!model.values().any(|e| e.client == client && e.line == port));
                    } else {
                        prop_assert!(result.is_ok());
                        model.retain(|other, e| *other == number || e.client != client || e.line != port
                            || model_same(result));
                        model.insert(number, Entry { client, line: port, epoch, tagged, expires });
                    }
                }
                Step::End(number) => {
                    prop_assert_eq!(table.end(address(number), EndReason::Released, at(now)), model.remove(&number).is_some());
                }
                Step::Orphan(number) => drop(table.orphan(address(number))),
                Step::EndCohort(number, cutoff) => {
                    if let (Some(session), Some(entry)) = (table.get(address(number)), model.get(&number).cloned()) {
                        let key = (entry.line / 2, entry.tagged);
                        let before = model.len();
                        model.retain(|_, e| (e.line / 2, e.tagged) != key || e.epoch > cutoff);
                        let highest = ended.entry(key).or_default();
                        *highest = cutoff.max(*highest);
                        let cohort = session.cohort;
                        prop_assert_eq!(table.end_cohort(cohort, Epoch(cutoff)), (before - model.len()) as u64);
                    }
                }
                Step::Wait(seconds) => {
                    now += seconds;
                    settle(&mut table, at(now));
                    model.retain(|_, e| e.expires > now);
                }
                Step::Reclaim => table.handle_timeout(at(now)),
            }
            for command in commands(&mut table) {
                match command {
                    Command::Persist { key, value, .. } => drop(store.insert(key, value)),
                    Command::Forget { key } => drop(store.remove(&key)),
                    Command::InstallRoute(route) => drop(routes.insert(route.address, route)),
                    Command::RemoveRoute(address) => drop(routes.remove(&address)),
                    Command::SetLeastEpoch { cohort, epoch, .. } => drop(least.insert(cohort, epoch)),
                    _ => {}
                }
            }
            let have: BTreeSet<_> = table.iter_from(0).map(|(_, s)| s.address).collect();
            prop_assert_eq!(&have, &model.keys().map(|number| address(*number)).collect());
            prop_assert_eq!(table.count(), model.len() as u64);
            for port in 0..3 {
                let expected = model.values().filter(|e| e.line == port).count();
                prop_assert_eq!(table.port_count(PortId(port)), expected as u32);
            }
            let units: Vec<_> = (0..UNITS as u16).filter_map(Unit::new).map(|unit| table.unit_count(unit)).collect();
            prop_assert_eq!(units.iter().sum::<u32>(), table.resident());
            if table.resident() as usize == model.len() {
                let of_unit = |unit| have.iter().filter(|a| table.unit_of(&table.get(**a).unwrap().hardware) == unit).count();
                let live: Vec<_> = (0..UNITS as u16).filter_map(Unit::new).map(|unit| of_unit(unit) as u32).collect();
                prop_assert_eq!(units, live);
            }
            let orphaned = table.iter_from(0).filter(|(_, s)| s.orphaned).count() as u64;
            prop_assert_eq!(table.fpc_count(FpcId(0)).1 + table.fpc_count(FpcId(1)).1, orphaned);
            for fpc in [0, 1] {
                for summary in Logins::cohorts(&table, FpcId(fpc), Epoch(3)) {
                    let (all, _) = table.page(summary.cohort, Epoch(3), None, 100);
                    prop_assert_eq!(all.len() as u64, summary.count);
                }
            }
            // What the data plane lets through: routes that are there, of an epoch that is still valid.
            let through: BTreeSet<_> =
                routes.values().filter(|r: &&Route| r.epoch >= least[&r.cohort]).map(|r| r.address).collect();
            prop_assert_eq!(&through, &have);
            let slots: BTreeSet<_> = routes.values().map(|route| route.slot).collect();
            prop_assert_eq!(slots.len(), routes.len(), "a slot is one subscriber's");

            let mut restoring = Restoring::new(config(6), clock(), at(now));
            for (key, value) in &store {
                prop_assert!(restoring.add(key, value));
            }
            let (restored, lost) = restoring.finish(Numbering::default());
            prop_assert_eq!(lost, 0);
            let (a, b): (Vec<_>, Vec<_>) = (restored.routes().map(plain).collect(), table.routes().map(plain).collect());
            prop_assert_eq!(a, b);
        }
    }
}

fn plain(route: Route) -> (Ipv4Addr, u32, Epoch, CohortId, Instant) {
    (route.address, route.slot, route.epoch, route.cohort, route.expires)
}

/// A renewal leaves the client's other sessions alone; it can't have any, since none has a client-id here.
fn model_same(result: Result<Bound, Refusal>) -> bool {
    result == Ok(Bound::Renewed)
}
