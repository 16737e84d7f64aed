//! What members make of the keys and write, against a model of etcd's key space.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_common::unit::Unit;
use gateway_core::cluster::{Coordinated, Stand};
use gateway_core::member::{MemberId, Term, UnitVersion};
use gateway_core::time::Instant;
use gateway_core::wire::cluster::Assignment;

use super::agent::{Agent, Wish};
use super::space::{Entry, Names, Space};
use super::txn::Txn;

const LEASE: Duration = Duration::from_secs(2);
/// Unix time, in seconds.
const UNIX: u32 = 1000;

fn id(member: u8) -> MemberId {
    MemberId::new(member).unwrap()
}

fn assignment(unit: u16, version: u32, owner: u8) -> Assignment {
    Assignment { unit: Unit::new(unit).unwrap(), version: UnitVersion(version), owner: id(owner) }
}

/// Keys with revisions and leases, and transactions as etcd carries them out.
#[derive(Default)]
struct Etcd {
    revision: i64,
    keys: BTreeMap<String, Entry>,
}

impl Etcd {
    fn apply(&mut self, txn: &Txn) -> bool {
        let changed = |key: &String| self.keys.get(key).map_or(0, |entry| entry.changed);
        if txn.when.iter().any(|condition| changed(&condition.key) != condition.changed) {
            return false;
        }
        self.revision += 1;
        for put in txn.put.clone() {
            let entry = Entry { key: put.key.clone(), value: put.value, changed: self.revision, lease: put.lease };
            self.keys.insert(put.key, entry);
        }
        true
    }

    fn expire(&mut self, lease: u8) {
        self.revision += 1;
        self.keys.retain(|_, entry| entry.lease != i64::from(lease));
    }

    fn space(&self) -> Space {
        Space::new(self.revision, self.keys.values().cloned())
    }
}

/// Three members, each with its lease of the same number.
struct World {
    etcd: Etcd,
    agents: Vec<Agent>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let agent = |me| Agent::new(id(me), 3, Names::new("access"), LEASE);
        let now = Instant::ZERO + Duration::from_secs(9);
        Self { etcd: Etcd::default(), agents: (1..=3).map(agent).collect(), now }
    }

    fn agent(&mut self, member: u8) -> &mut Agent {
        &mut self.agents[usize::from(member) - 1]
    }

    fn wish(&mut self, member: u8) -> Option<Wish> {
        let (space, now) = (self.etcd.space(), self.now);
        let agent = self.agent(member);
        agent.look(&space, now);
        agent.wish(&space, member.into(), UNIX, now)
    }

    /// Carries out what a member wants until it wants nothing more.
    fn run(&mut self, member: u8) {
        for _ in 0..8 {
            match self.wish(member) {
                None => return,
                Some(Wish::Live(txn)) => assert!(self.etcd.apply(&txn)),
                Some(Wish::Rule { txn, deposes, .. }) => {
                    let deposed = (self.etcd.apply(&txn) && deposes).then_some(self.now);
                    self.agent(member).handle_elected(deposed);
                }
                Some(Wish::Record(txn, units)) => {
                    assert!(self.etcd.apply(&txn));
                    self.agent(member).handle_recorded(&units);
                }
                Some(Wish::Leave) => return self.etcd.expire(member),
            }
        }
        panic!("it does not stop");
    }

    fn said(&mut self, member: u8) -> Coordinated {
        let (space, now) = (self.etcd.space(), self.now);
        self.agent(member).look(&space, now);
        self.agent(member).coordinated(&space, member.into(), now + LEASE, now)
    }

    fn elected(&mut self, member: u8) -> (Option<u8>, u32) {
        let said = self.said(member);
        (said.master.map(MemberId::get), said.term.0)
    }

    /// All three live, 1 is master, and the others follow it.
    fn settled() -> Self {
        let mut world = Self::new();
        (1..=3).for_each(|member| world.run(member));
        assert_eq!(world.elected(3), (Some(1), UNIX));
        world.agent(1).handle_stand(Stand::Ruling(Term(UNIX)));
        for member in [2, 3] {
            world.agent(member).handle_stand(Stand::Following(Term(UNIX)));
            world.run(member);
        }
        world
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }
}

/// CL-8, CL-23: the first is elected, the others see it, and all see each other.
#[test]
fn one_is_elected() {
    let mut world = World::settled();
    for member in 1..=3 {
        assert_eq!(world.wish(member), None);
        let said = world.said(member);
        assert_eq!((said.master, said.members), (Some(id(1)), vec![id(1), id(2), id(3)]));
    }
}

/// Two look at the same keys, and want the same: the second write is refused.
#[test]
fn two_can_not_be_elected() {
    let mut world = World::new();
    for member in [1, 2] {
        let Some(Wish::Live(txn)) = world.wish(member) else { panic!("it says that it lives") };
        world.etcd.apply(&txn);
    }
    let wishes: Vec<_> = [1, 2].map(|member| world.wish(member)).into();
    let [Some(Wish::Rule { txn: first, .. }), Some(Wish::Rule { txn: second, .. })] = &wishes[..] else {
        panic!("both want to be master: {wishes:?}")
    };
    assert!(world.etcd.apply(first) && !world.etcd.apply(second));
    assert_eq!(world.wish(2), None);
    assert_eq!(world.elected(2), (Some(1), UNIX));
}

/// H-CL-19: what a former master assigned is not written any more, whether or not it knows that it is one; and the next
/// begins with the versions that it had written.
#[test]
fn a_former_master_writes_nothing() {
    let mut world = World::settled();
    world.agent(1).handle_record(Term(UNIX), vec![assignment(0, 5, 1), assignment(700, 6, 2)]);
    world.run(1);
    world.agent(1).handle_record(Term(UNIX), vec![assignment(1, 9, 1)]);
    let Some(Wish::Record(late, _)) = world.wish(1) else { panic!("it has something to write") };

    world.etcd.expire(1);
    world.agent(2).handle_stand(Stand::Seeking { lost: Some(Term(UNIX)), heeded: Term(UNIX) });
    world.run(2);
    assert_eq!(world.elected(3), (Some(2), UNIX + 1));
    assert!(!world.etcd.apply(&late), "it does not know yet");
    let units = world.etcd.space().units(&Names::new("access"));
    assert_eq!(units.values().copied().collect::<Vec<_>>(), [assignment(0, 5, 1), assignment(700, 6, 2)]);
    assert_eq!(world.said(2).highest, UnitVersion(6));

    world.run(1);
    assert!(!matches!(world.wish(1), Some(Wish::Record(..))), "and when it knows it does not try");
    world.agent(2).handle_stand(Stand::Ruling(Term(UNIX + 1)));
    world.run(2);
    world.agent(2).handle_record(Term(UNIX), vec![assignment(2, 7, 2)]);
    assert_eq!(world.wish(2), None, "nor does anybody write what another mastership assigned");
    world.agent(2).handle_record(Term(UNIX + 1), vec![assignment(2, 8, 2)]);
    world.run(2);
    assert_eq!(world.etcd.space().units(&Names::new("access")).len(), 3);
}

/// etcd stood still, and all leases have ended: the master is elected again by the same term, and nobody takes its place
/// or thinks that others are gone.
#[test]
fn a_pause_of_etcd_changes_nothing() {
    let mut world = World::settled();
    world.pass(Duration::from_secs(60));
    (1..=3).for_each(|lease| world.etcd.expire(lease));
    let now = world.now;
    world.agents.iter_mut().for_each(|agent| agent.handle_connected(now));
    for member in [3, 2] {
        world.run(member);
        let said = world.said(member);
        assert_eq!((said.master, said.members.len()), (None, 3));
    }
    world.pass(Duration::from_millis(1900));
    assert_eq!(world.wish(2), None, "it hears its master, which may come back");
    world.run(1);
    assert_eq!(world.elected(2), (Some(1), UNIX));
}

/// A master that others hear and etcd does not: after a lease another is elected.
#[test]
fn a_master_that_does_not_come_back_is_followed_by_another() {
    let mut world = World::settled();
    world.etcd.expire(1);
    assert_eq!(world.wish(2), None);
    world.pass(LEASE);
    world.run(2);
    assert_eq!(world.elected(3), (Some(2), UNIX + 1));
    assert_eq!(world.said(2).rival_until, Instant::ZERO, "its lease had ended before");
    assert!(!world.said(2).members.contains(&id(1)));
    // It reaches etcd again, and obeys.
    world.run(1);
    assert_eq!(world.elected(1), (Some(2), UNIX + 1));
}

/// CL-71: a master that a majority has lost is deposed before its lease ends; for as long it may not know.
#[test]
fn a_majority_deposes() {
    let mut world = World::settled();
    let lost = Stand::Seeking { lost: Some(Term(UNIX)), heeded: Term(UNIX) };
    world.agent(2).handle_stand(lost);
    world.run(2);
    assert_eq!(world.elected(2), (Some(1), UNIX), "one alone does not");
    world.agent(3).handle_stand(lost);
    world.run(3);
    assert_eq!(world.elected(1), (Some(3), UNIX + 1));
    let now = world.now;
    assert_eq!(world.said(3).rival_until, now + LEASE);
    // Who did not follow it has not lost it.
    world.agent(1).handle_stand(Stand::Seeking { lost: None, heeded: Term(UNIX + 1) });
    world.run(1);
    world.run(2);
    assert_eq!(world.elected(1), (Some(3), UNIX + 1));
}

/// H-CL-27: who stepped down is elected again by a greater term, not by the one it gave up.
#[test]
fn who_stepped_down_begins_anew() {
    let mut world = World::settled();
    world.agent(1).handle_stand(Stand::Seeking { lost: None, heeded: Term(UNIX) });
    world.run(1);
    assert_eq!(world.elected(2), (Some(1), UNIX + 1));
    // Until the core has heard of it that is no reason to be elected once more.
    assert_eq!(world.wish(1), None);
}

/// A member that was started anew has another lease: what hangs on the old one counts no more.
#[test]
fn a_new_life_is_elected_anew() {
    let mut world = World::settled();
    *world.agent(1) = Agent::new(id(1), 3, Names::new("access"), LEASE);
    let (space, now) = (world.etcd.space(), world.now);
    assert_eq!(world.agent(1).coordinated(&space, 77, now, now).master, None);
    let Some(Wish::Live(txn)) = world.agent(1).wish(&space, 77, UNIX, now) else { panic!("it says that it lives") };
    world.etcd.apply(&txn);
    let space = world.etcd.space();
    let Some(Wish::Rule { txn, term, .. }) = world.agent(1).wish(&space, 77, UNIX, now) else {
        panic!("it is elected by its new lease")
    };
    assert_eq!(term, Term(UNIX + 1));
    assert!(world.etcd.apply(&txn));
    assert_eq!(world.elected(2), (Some(1), UNIX + 1));
}

/// CL-16: who leaves takes its keys with it.
#[test]
fn who_leaves_is_gone() {
    let mut world = World::settled();
    world.agent(1).handle_stand(Stand::Left);
    world.run(1);
    world.agent(2).handle_stand(Stand::Seeking { lost: Some(Term(UNIX)), heeded: Term(UNIX) });
    world.run(2);
    assert_eq!(world.elected(2), (Some(2), UNIX + 1));
}

/// Keys that nobody of us wrote do not stop anything, and are told of.
#[test]
fn what_can_not_be_read_is_not_there() {
    let mut world = World::settled();
    let names = Names::new("access");
    assert_eq!(world.etcd.space().unreadable(&names), None);
    for (key, value) in [(names.units(3), "[[1,"), (names.master(), "gw-a")] {
        world.etcd.revision += 1;
        let entry = Entry { key: key.clone(), value: value.to_owned(), changed: world.etcd.revision, lease: 0 };
        world.etcd.keys.insert(key.clone(), entry);
        assert!(world.etcd.space().unreadable(&names).is_some());
    }
    assert!(world.etcd.space().units(&names).is_empty());
    assert_eq!(world.elected(2).0, None);
    world.run(1);
    assert_eq!(world.elected(2), (Some(1), UNIX), "it is written again");
}

/// A watch that tells late what was read already changes nothing.
#[test]
fn old_news_is_no_news() {
    let mut world = World::settled();
    let names = Names::new("access");
    let mut space = world.etcd.space();
    let old = space.get(&names.master()).unwrap().clone();
    world.etcd.expire(1);
    space.delete(&names.master(), world.etcd.revision);
    space.advance(world.etcd.revision);
    space.put(old.clone());
    assert_eq!(space.get(&names.master()), None);
    let news = Entry { changed: world.etcd.revision + 1, ..old };
    space.put(news.clone());
    space.delete(&names.master(), world.etcd.revision);
    assert_eq!(space.get(&names.master()), Some(&news));
}
