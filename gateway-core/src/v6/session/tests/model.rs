//! The table against the plainest thing that could be right.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Client, port, epoch, server, MAC of another than the client's own, what is leased and for how long.
    Bind(u16, u16, u32, u8, bool, Vec<(usize, u64)>),
    /// Client, port, server, these leases.
    Unbind(u16, u16, u8, Vec<usize>),
    End(usize),
    Orphan(usize),
    /// Of the cohort that this lease is in, up to this epoch.
    EndCohort(usize, u32),
    Wait(u64),
    Reclaim,
}

/// Prefixes within one another and apart.
fn pool() -> Vec<Prefix> {
    [
        ("2001:db8:0:100::", 56),
        ("2001:db8:0:180::", 60),
        ("2001:db8:0:180::", 64),
        ("2001:db8:0:180::7", 128),
        ("2001:db8:0:200::", 56),
        ("2001:db8:0:300::", 56),
        ("2001:db8:0:300::1", 128),
        ("2001:db8:1::1", 128),
    ]
    .map(|(text, length)| prefix(text, length))
    .to_vec()
}

fn step() -> impl Strategy<Value = Step> {
    let leases = prop::collection::vec((0..8usize, 1..50u64), 1..4);
    prop_oneof![
        8 => (0..5u16, 0..3u16, 1..5u32, 1..3u8, prop::bool::weighted(0.2), leases)
            .prop_map(|(client, port, epoch, server, other, leases)| Step::Bind(client, port, epoch, server, other, leases)),
        2 => (0..5u16, 0..3u16, 1..3u8, prop::collection::vec(0..8usize, 1..4))
            .prop_map(|(client, port, server, leases)| Step::Unbind(client, port, server, leases)),
        1 => (0..8usize).prop_map(Step::End),
        1 => (0..8usize).prop_map(Step::Orphan),
        1 => (0..8usize, 1..5u32).prop_map(|(lease, epoch)| Step::EndCohort(lease, epoch)),
        1 => (1..30u64).prop_map(Step::Wait),
        1 => Just(Step::Reclaim),
    ]
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    client: u16,
    port: u16,
    epoch: u32,
    server: u8,
    expires: u64,
}

fn meet(a: Prefix, b: Prefix) -> bool {
    a.contains(b.address()) || b.contains(a.address())
}

fn address_of(server: u8) -> Ipv6Addr {
    Ipv6Addr::from_bits(ip("2001:db8:ffff::").to_bits() + u128::from(server))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens in whatever order, the table has exactly the leases that it should, no two of different
    /// subscribers overlap, its counts agree, the data plane's routes as told by the commands are those of the table, and
    /// the store restores to the same.
    /// H-BR-6, H-BR-9
    #[test]
    fn the_table_agrees_with_a_model(steps in prop::collection::vec(step(), 1..60)) {
        let pool = pool();
        let mut table = Sessions::new(config(6), clock(), at(0));
        let mut model: BTreeMap<usize, Entry> = BTreeMap::new();
        // MAC of each client on each port.
        let mut macs: BTreeMap<(u16, u16), u16> = BTreeMap::new();
        let mut over: BTreeMap<(u16, u8), u32> = BTreeMap::new();
        let (mut routes, mut least, mut store) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut now = 0;
        for step in steps {
            match step {
                Step::Bind(number, port, epoch, server, other, leases) => {
                    let fpc = port / 2;
                    let hardware = if other { 9 } else { number };
                    let granted = leases.iter().map(|(lease, seconds)| grant(pool[*lease], now + seconds)).collect();
                    let login = Login { line: line(port), mac: mac(hardware), fpc: FpcId(fpc), server: address_of(server),
                        server_id: server_id(server), granted, ..login(number, epoch) };
                    let theirs = |entry: &Entry| entry.client == number
                        || (entry.port == port && macs.get(&(entry.client, port)) == Some(&hardware));
                    let in_the_way = leases.iter().any(|(lease, _)| model.iter().any(|(held, entry)| {
                        let exact = held == lease;
                        !theirs(entry) && if exact { entry.server != server } else { meet(pool[*held], pool[*lease]) }
                    }));
                    let wanted: BTreeSet<_> = leases.iter().map(|(lease, _)| *lease).filter(|l| !model.contains_key(l)).collect();
                    let result = table.bind(login, at(now));
                    if over.get(&(fpc, server)).is_some_and(|over| epoch <= *over) {
                        prop_assert_eq!(result, Err(Refusal::Stale));
                    } else if in_the_way {
                        prop_assert_eq!(result, Err(Refusal::Overlap));
                    } else if result == Err(Refusal::Full) {
                        prop_assert!(model.len() + wanted.len().max(leases.len()) > 6);
                    } else {
                        prop_assert!(model.len() + wanted.len() <= 6);
                        let had = model.values().any(|e| e.client == number && e.port == port);
                        let moved = leases.iter().any(|(l, _)| model.get(l).is_some_and(|e| e.client == number && e.port != port));
                        let expected = if moved { Bound::Moved } else if had { Bound::Renewed } else { Bound::New };
                        prop_assert_eq!(result, Ok(expected));
                        macs.insert((number, port), hardware);
                        for (lease, seconds) in leases {
                            model.insert(lease, Entry { client: number, port, epoch, server, expires: now + seconds });
                        }
                    }
                }
                Step::Unbind(number, port, server, leases) => {
                    let all: Vec<_> = leases.iter().map(|lease| pool[*lease]).collect();
                    let before = model.len();
                    model.retain(|lease, e| !(leases.contains(lease) && (e.client, e.port, e.server) == (number, port, server)));
                    let ended = table.unbind(client(number).as_duid(), line(port), address_of(server), &all, &[],
                        EndReason::Released, at(now));
                    prop_assert_eq!(ended, before - model.len());
                }
                Step::End(lease) => {
                    prop_assert_eq!(table.end(pool[lease], EndReason::Gone), model.remove(&lease).is_some());
                }
                Step::Orphan(lease) => drop(table.orphan(pool[lease])),
                Step::EndCohort(lease, cutoff) => {
                    if let (Some((held, _)), Some(entry)) = (table.get(pool[lease]), model.get(&lease).cloned()) {
                        let key = (entry.port / 2, entry.server);
                        let before = model.len();
                        model.retain(|_, e| (e.port / 2, e.server) != key || e.epoch > cutoff);
                        let highest = over.entry(key).or_default();
                        *highest = cutoff.max(*highest);
                        let cohort = held.cohort;
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
                    Command::RemoveRoute(prefix) => drop(routes.remove(&prefix)),
                    Command::SetLeastEpoch { cohort, epoch, .. } => drop(least.insert(cohort, epoch)),
                    Command::SetExpiry { slot, expires } => {
                        let route: &mut Route = routes.values_mut().find(|route| route.slot == slot).unwrap();
                        route.expires = expires;
                    }
                    Command::Ended { .. } | Command::Replicate(_) => {}
                }
            }
            let have: BTreeSet<_> = table.iter_from(0).map(|(_, lease, _)| lease.prefix).collect();
            prop_assert_eq!(&have, &model.keys().map(|lease| pool[*lease]).collect());
            prop_assert_eq!(table.count(), model.len() as u64);
            for (lease, entry) in &model {
                let (held, session) = table.get(pool[*lease]).unwrap();
                let expected = (at(entry.expires), Epoch(entry.epoch), client(entry.client), line(entry.port));
                prop_assert_eq!((held.expires, held.epoch, session.client.clone(), session.line), expected);
                prop_assert_eq!(session.mac, mac(macs[&(entry.client, entry.port)]));
            }
            for port in 0..3 {
                let expected = model.values().filter(|e| e.port == port).count();
                prop_assert_eq!(table.port_count(PortId(port)), expected as u32);
            }
            let orphaned = table.iter_from(0).filter(|(_, lease, _)| lease.orphaned).count() as u64;
            prop_assert_eq!(table.fpc_count(FpcId(0)).1 + table.fpc_count(FpcId(1)).1, orphaned);
            // What the data plane lets through: routes that are there, of an epoch that is still valid, as the table has them.
            let through: Vec<_> =
                routes.values().filter(|r: &&Route| r.epoch >= least[&r.cohort]).map(plain).collect();
            let mut wanted: Vec<_> = table.routes().collect();
            wanted.sort_by_key(|route| route.address);
            prop_assert_eq!(through, wanted.iter().map(plain).collect::<Vec<_>>());
            let slots: BTreeSet<_> = routes.values().map(|route| route.slot).collect();
            prop_assert_eq!(slots.len(), routes.len(), "a slot is one lease's");

            let mut restoring = Restoring::new(config(6), clock(), at(now));
            for (key, value) in &store {
                prop_assert!(restoring.add(key, value));
            }
            let (restored, lost) = restoring.finish(Numbering::default());
            prop_assert_eq!(lost, 0);
            let (a, b): (Vec<_>, Vec<_>) = (restored.routes().collect(), table.routes().collect());
            prop_assert_eq!(a, b);
            prop_assert_eq!(restored.resident(), table.resident());
        }
    }
}

/// All but whether the counters begin anew.
fn plain(route: &Route) -> Route {
    Route { fresh: false, ..*route }
}
