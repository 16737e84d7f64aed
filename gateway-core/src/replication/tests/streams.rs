//! Members without nodes: what one says arrives at the others, or they find out that it did not.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

use gateway_common::unit::Unit;

use super::super::*;
use crate::member::{Boot, MemberId, Secret, UnitVersion};
use crate::time::{Duration, Instant};

pub(super) fn member(number: u8) -> MemberId {
    MemberId::new(number).expect("a number")
}

/// A change that says a number.
fn number(of: u8, seq: u64, unit: Option<u16>) -> Said {
    let change = Change::ReplayReserved { server: Ipv4Addr::LOCALHOST, through: seq };
    Said { stamp: Stamp::new(member(of), seq), unit: unit.and_then(Unit::new), change }
}

/// Members, the streams between them, and what each was told to carry out.
struct Mesh {
    members: BTreeMap<u8, Replication>,
    applied: BTreeMap<u8, Vec<(u8, u64)>>,
    /// Everything else that they wanted, in order.
    told: BTreeMap<u8, Vec<Command>>,
    /// What each has, for snapshots.
    state: BTreeMap<u8, BTreeMap<u64, Record>>,
    in_flight: BTreeMap<(u8, u8), VecDeque<Vec<u8>>>,
    /// Streams whose octets don't arrive for now.
    stuck: Vec<(u8, u8)>,
    now: Instant,
}

impl Mesh {
    /// All connected and synced.
    fn new(count: u8) -> Self {
        Self::with(count, |config| config)
    }

    fn with(count: u8, config: impl Fn(ReplicationConfig) -> ReplicationConfig) -> Self {
        let mut mesh = Self {
            members: BTreeMap::new(),
            applied: BTreeMap::new(),
            told: BTreeMap::new(),
            state: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            stuck: Vec::new(),
            now: Instant::ZERO,
        };
        for me in 1..=count {
            let config = config(ReplicationConfig::new(member(me), Boot(u64::from(me) << 32), [me; 32]));
            mesh.members.insert(me, Replication::new(config));
            mesh.member(me).handle_join(None, Instant::ZERO);
        }
        for a in 1..=count {
            for b in a + 1..=count {
                mesh.connect(a, b);
            }
        }
        mesh.run();
        mesh
    }

    fn member(&mut self, me: u8) -> &mut Replication {
        self.members.get_mut(&me).expect("there")
    }

    fn connect(&mut self, a: u8, b: u8) {
        let now = self.now;
        for (me, other) in [(a, b), (b, a)] {
            self.in_flight.remove(&(me, other));
            self.member(me).handle_peer(member(other), PeerEvent::Connected, now);
        }
    }

    fn cut(&mut self, a: u8, b: u8) {
        let now = self.now;
        for (me, other) in [(a, b), (b, a)] {
            self.in_flight.remove(&(me, other));
            if let Some(replication) = self.members.get_mut(&me) {
                replication.handle_peer(member(other), PeerEvent::Lost, now);
            }
        }
    }

    /// Dead, in the middle of whatever it did; the others learn it one after the other.
    fn kill(&mut self, me: u8) {
        self.members.remove(&me);
        let others: Vec<u8> = self.members.keys().copied().collect();
        for other in others {
            self.cut(other, me);
            self.run();
        }
    }

    fn say(&mut self, me: u8, seq: u64) {
        self.say_of(me, seq, None, 0);
    }

    fn say_of(&mut self, me: u8, seq: u64, unit: Option<u16>, version: u32) {
        let said = number(me, seq, unit);
        self.state.entry(me).or_default().insert(seq, Record { stamp: said.stamp, change: said.change.clone() });
        self.member(me).handle_change(&said, UnitVersion(version));
    }

    /// Carries out what they want and lets everything arrive.
    fn run(&mut self) {
        for _ in 0..100_000 {
            let all: Vec<u8> = self.members.keys().copied().collect();
            let mut idle = true;
            for me in all {
                while let Some(command) = self.member(me).poll_command() {
                    idle = false;
                    self.carry_out(me, command);
                }
            }
            let ready = self.in_flight.iter_mut().find(|(way, queue)| !self.stuck.contains(way) && !queue.is_empty());
            let Some((&(from, to), queue)) = ready else {
                if idle {
                    return;
                }
                continue;
            };
            let octets = queue.pop_front().expect("not empty");
            let now = self.now;
            if let Some(replication) = self.members.get_mut(&to) {
                // Cut in two, as a stream may be.
                let (head, tail) = octets.split_at(octets.len() / 2);
                replication.handle_octets(member(from), head, now);
                replication.handle_octets(member(from), tail, now);
            }
        }
        panic!("never comes to rest");
    }

    fn carry_out(&mut self, me: u8, command: Command) {
        match command {
            Command::Send { to, octets } => {
                if self.members.contains_key(&to.get()) {
                    self.in_flight.entry((me, to.get())).or_default().push_back(octets.0);
                }
            }
            Command::Apply(record) => self.apply(me, record),
            Command::Merge(records) => records.into_iter().for_each(|record| self.apply(me, record)),
            Command::SnapshotWanted { to, id, cursor, most } => {
                let all: Vec<Record> = self.state.entry(me).or_default().values().cloned().collect();
                let from = cursor as usize;
                let page = &all[from.min(all.len())..all.len().min(from + most)];
                let next = (from + most < all.len()).then_some((from + most) as u64);
                self.member(me).handle_snapshot(to, id, page, next);
            }
            other => self.told.entry(me).or_default().push(other),
        }
    }

    fn apply(&mut self, me: u8, record: Record) {
        let of = record.stamp.origin().expect("somebody's").get();
        self.applied.entry(me).or_default().push((of, record.stamp.seq()));
        self.state.entry(me).or_default().insert(record.stamp.seq(), record);
    }

    fn applied(&mut self, me: u8) -> Vec<(u8, u64)> {
        self.applied.remove(&me).unwrap_or_default()
    }

    fn told(&mut self, me: u8) -> Vec<Command> {
        self.told.remove(&me).unwrap_or_default()
    }
}

/// CL-67, H-CL-23: what a member says arrives at every other one, in its order, and is acknowledged; a batch of changes
/// goes out in one write and is acknowledged once.
#[test]
fn a_change_reaches_everybody_in_order() {
    let mut mesh = Mesh::new(3);
    (1..=3).for_each(|me| drop(mesh.told(me)));
    (1..=50).for_each(|seq| mesh.say(1, seq * 10));
    let mut sends = 0;
    while let Some(command) = mesh.member(1).poll_command() {
        sends += usize::from(matches!(command, Command::Send { .. }));
        mesh.carry_out(1, command);
    }
    assert_eq!(sends, 2, "one write to each");
    mesh.run();
    let expected: Vec<_> = (1..=50).map(|seq| (1, seq * 10)).collect();
    assert_eq!(mesh.applied(2), expected);
    assert_eq!(mesh.applied(3), expected);
    let acked = |by| Command::Acked { by: member(by), seq: 500 };
    assert_eq!(mesh.told(1), [acked(2), acked(3)]);
    assert_eq!(mesh.told(2), [Command::Applied { origin: member(1), seq: 500 }]);
}

/// The key of a member's datagrams goes to each peer; whoever claims to be another, says nothing of itself, or sends
/// what is no frame, is cut off (H-CL-9, H-CL-10).
#[test]
fn introductions() {
    let mut mesh = Mesh::new(2);
    let key = Command::Key { member: member(1), boot: Boot(1 << 32), key: Secret([1; 32]) };
    assert!(mesh.told(2).contains(&key), "with the life that it is of");
    for (octets, why) in [
        (vec![0, 0, 0, 2, 23, 9], Refusal::Malformed(Malformed(23))),
        (vec![0xff; 8], Refusal::Malformed(Malformed(0))),
        (vec![0, 0, 0, 2, 23, 1], Refusal::NoHello),
        (vec![0, 0, 0, 11, 21, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0], Refusal::NotItself(member(3))),
    ] {
        mesh.connect(1, 2);
        let now = mesh.now;
        mesh.member(1).handle_octets(member(2), &octets, now);
        let told: Vec<_> = core::iter::from_fn(|| mesh.member(1).poll_command()).collect();
        let told: Vec<_> = told.into_iter().filter(|command| !matches!(command, Command::PeerSynced { .. })).collect();
        assert!(told.contains(&Command::Disconnect { member: member(2), why }), "{told:?}");
        mesh.member(1).handle_octets(member(2), &octets, now);
        assert_eq!(mesh.member(1).poll_command(), None, "deaf");
    }
}

/// H-CL-9: a key that is on its way, or was read in part, is shown to nobody.
#[test]
fn nobody_reads_a_key() {
    let key = [0x5e; 32];
    let mut replication = Replication::new(ReplicationConfig::new(member(1), Boot(1), key));
    replication.handle_peer(member(2), PeerEvent::Connected, Instant::ZERO);
    let told: Vec<_> = core::iter::from_fn(|| replication.poll_command()).collect();
    let tells = |command: &Command| matches!(command, Command::Send { octets, .. } if octets.0.windows(32).any(|octets| octets == key));
    assert!(told.iter().any(tells), "it goes to the peer");
    replication.handle_octets(member(2), &[[0, 0, 0, 33, 22].as_slice(), &key[..20]].concat(), Instant::ZERO);
    for shown in [format!("{told:?}"), format!("{replication:?}")] {
        assert!(!shown.contains("94, 94") && !shown.contains("5e5e"), "{shown}");
    }
}

/// H-CL-23: a member that was away for a short time is told what it missed, once.
#[test]
fn a_short_absence() {
    let mut mesh = Mesh::new(3);
    mesh.say(1, 10);
    mesh.run();
    mesh.cut(1, 3);
    mesh.say(1, 20);
    mesh.say(3, 25);
    mesh.run();
    assert_eq!(mesh.applied(2), [(1, 10), (1, 20), (3, 25)]);
    mesh.connect(1, 3);
    mesh.say(1, 30);
    mesh.run();
    assert_eq!(mesh.applied(3), [(1, 10), (1, 20), (1, 30)]);
    assert_eq!(mesh.applied(1), [(3, 25)]);
    assert_eq!(mesh.member(3).counters().snapshots, (0, 0));
}

/// H-CL-26: a connection ends with changes under way, some that arrived but are not acknowledged and some that did not arrive.
/// The next one carries what was not taken in, and that once.
#[test]
fn a_connection_ends_under_way() {
    let mut mesh = Mesh::new(2);
    mesh.say(1, 10);
    while let Some(command) = mesh.member(1).poll_command() {
        mesh.carry_out(1, command);
    }
    let octets = mesh.in_flight.get_mut(&(1, 2)).and_then(VecDeque::pop_front).expect("said");
    mesh.member(2).handle_octets(member(1), &octets, Instant::ZERO);
    mesh.stuck = vec![(1, 2), (2, 1)];
    mesh.say(1, 20);
    mesh.run();
    assert_eq!(mesh.applied(2), [(1, 10)]);
    assert!(!mesh.told(1).contains(&Command::Acked { by: member(2), seq: 10 }));
    mesh.cut(1, 2);
    mesh.stuck.clear();
    mesh.connect(1, 2);
    mesh.run();
    assert_eq!(mesh.applied(2), [(1, 20)]);
    assert!(mesh.told(1).contains(&Command::Acked { by: member(2), seq: 20 }));
}

/// CL-67, H-CL-23: a member that can't keep up is told why and takes a snapshot; the others go on meanwhile.
#[test]
fn a_slow_member() {
    let mut mesh = Mesh::with(3, |config| ReplicationConfig { kept: 100_000, ..config });
    mesh.stuck = vec![(1, 3)];
    for seq in 1..=5_000 {
        mesh.say(1, seq);
        if seq % 20 == 0 {
            mesh.run();
        }
    }
    assert_eq!(mesh.applied(2).len(), 5_000, "the others go on");
    let waiting: usize = mesh.in_flight[&(1, 3)].iter().map(Vec::len).sum();
    assert!(waiting < 64 * 70_000, "what waits for it is bounded: {waiting}");
    assert!(mesh.told(1).contains(&Command::Tell(Event::PeerFellBehind { member: member(3) })));
    mesh.stuck.clear();
    mesh.run();
    mesh.say(1, 5_001);
    mesh.run();
    assert_eq!(mesh.state[&3], mesh.state[&1]);
    let told = mesh.told(3);
    let reason = Some(ResyncReason::FellBehind);
    assert!(told.contains(&Command::Tell(Event::TakingSnapshot { from: member(1), reason })), "{told:?}");
    assert!(told.contains(&Command::EndReplace));
    assert_eq!(mesh.applied(3).last(), Some(&(1, 5_001)), "and goes on from there");
}

/// H-CL-25: a joiner has nothing until its snapshot is complete, and hears what happens meanwhile from everybody.
#[test]
fn a_joiner() {
    let mut mesh = Mesh::new(2);
    (1..=2_000).for_each(|seq| mesh.say(1, seq));
    mesh.run();
    let config = ReplicationConfig::new(member(3), Boot(7), [3; 32]);
    mesh.members.insert(3, Replication::new(config));
    (1..=2).for_each(|other| mesh.connect(other, 3));
    mesh.run();
    assert!(!mesh.member(3).is_synced());
    assert_eq!(mesh.applied(3), [], "is told nothing before it asks");
    mesh.member(3).handle_join(Some(member(1)), Instant::ZERO);
    // Of the snapshot one write arrives, then others speak.
    let mut next = 3_000;
    for _ in 0..40 {
        mesh.say(2, next);
        mesh.say(1, next + 1);
        next += 2;
        for me in [1, 2, 3] {
            while let Some(command) = mesh.member(me).poll_command() {
                mesh.carry_out(me, command);
            }
        }
        let queue = mesh.in_flight.iter_mut().find(|(_, queue)| !queue.is_empty());
        if let Some((&(from, to), queue)) = queue {
            let octets = queue.pop_front().expect("not empty");
            mesh.member(to).handle_octets(member(from), &octets, Instant::ZERO);
        }
    }
    mesh.run();
    assert!(mesh.member(3).is_synced());
    assert_eq!(mesh.state[&3], mesh.state[&1]);
    assert_eq!(mesh.state[&2], mesh.state[&1]);
    let told = mesh.told(3);
    let place = |wanted: &Command| told.iter().position(|command| command == wanted).expect("told");
    assert!(place(&Command::EndReplace) < place(&Command::Synced));
    assert_eq!(told.iter().filter(|command| **command == Command::Synced).count(), 1);
}

/// H-CL-19: how far a joiner has come by its snapshot it tells at once, also of members that say nothing more: it may be given
/// units of theirs.
#[test]
fn a_joiner_of_members_that_are_silent() {
    let mut mesh = Mesh::new(2);
    (1..=10).for_each(|seq| mesh.say(1, seq));
    (11..=14).for_each(|seq| mesh.say(2, seq));
    mesh.run();
    mesh.members.insert(3, Replication::new(ReplicationConfig::new(member(3), Boot(7), [3; 32])));
    (1..=2).for_each(|other| mesh.connect(other, 3));
    mesh.member(3).handle_join(Some(member(1)), Instant::ZERO);
    mesh.run();
    let told = mesh.told(3);
    let place = |wanted: Command| told.iter().position(|command| *command == wanted).expect("told");
    for (origin, seq) in [(1, 10), (2, 14)] {
        assert!(place(Command::EndReplace) < place(Command::Applied { origin: member(origin), seq }));
    }
}

/// H-CL-25: the member that a joiner takes its snapshot from dies; it takes one from the next master.
#[test]
fn a_joiner_whose_source_dies() {
    let mut mesh = Mesh::new(3);
    (1..=20_000).for_each(|seq| mesh.say(1, seq));
    mesh.run();
    mesh.members.insert(4, Replication::new(ReplicationConfig::new(member(4), Boot(7), [4; 32])));
    (1..=3).for_each(|other| mesh.connect(other, 4));
    mesh.run();
    mesh.member(4).handle_join(Some(member(1)), Instant::ZERO);
    for _ in 0..3 {
        for me in [1, 4] {
            while let Some(command) = mesh.member(me).poll_command() {
                mesh.carry_out(me, command);
            }
            let (from, to) = if me == 1 { (1, 4) } else { (4, 1) };
            if let Some(octets) = mesh.in_flight.get_mut(&(from, to)).and_then(VecDeque::pop_front) {
                mesh.member(to).handle_octets(member(from), &octets, Instant::ZERO);
            }
        }
    }
    mesh.kill(1);
    let told = mesh.told(4);
    assert!(told.contains(&Command::AbortReplace), "{told:?}");
    assert!(!mesh.member(4).is_synced());
    mesh.say(2, 30_000);
    mesh.member(4).handle_join(Some(member(2)), Instant::ZERO);
    mesh.run();
    assert!(mesh.member(4).is_synced());
    assert_eq!(mesh.state[&4], mesh.state[&2]);
}

/// CL-71, H-CL-24: a member dies when only one other has its last changes: that one passes them on, and only then is it
/// said that nothing more is to be had.
#[test]
fn the_last_words_of_the_dead() {
    for (has, lacks) in [(2, 3), (3, 2)] {
        let mut mesh = Mesh::new(3);
        mesh.say(1, 10);
        mesh.run();
        mesh.stuck = vec![(1, lacks)];
        mesh.say(1, 20);
        mesh.say(1, 30);
        mesh.run();
        assert_eq!(mesh.applied(lacks), [(1, 10)]);
        (2..=3).for_each(|me| drop(mesh.told(me)));
        assert!(mesh.member(lacks).is_settled(member(1)), "alive");
        mesh.cut(lacks, 1);
        mesh.run();
        assert!(!mesh.member(lacks).is_settled(member(1)), "{has} has not said what it has");
        mesh.kill(1);
        assert_eq!(mesh.applied(lacks), [(1, 20), (1, 30)]);
        assert_eq!(mesh.applied(has), [(1, 10), (1, 20), (1, 30)]);
        for me in [has, lacks] {
            let told = mesh.told(me);
            assert_eq!(told.iter().filter(|c| **c == Command::Settled { origin: member(1) }).count(), 1, "{told:?}");
            assert!(mesh.member(me).is_settled(member(1)));
        }
    }
}

/// CL-71: a member that loses its master while it still takes the state, and is the next one, waits for nobody's last words.
#[test]
fn who_is_left_alone_has_all_there_is() {
    let config = ReplicationConfig::new(member(2), Boot(7), [2; 32]);
    let mut replication = Replication::new(config);
    let drain = |replication: &mut Replication| core::iter::from_fn(|| replication.poll_command()).collect::<Vec<_>>();
    replication.handle_peer(member(1), PeerEvent::Connected, Instant::ZERO);
    replication.handle_join(Some(member(1)), Instant::ZERO);
    replication.handle_peer(member(1), PeerEvent::Lost, Instant::ZERO);
    let settled = Command::Settled { origin: member(1) };
    assert!(!drain(&mut replication).contains(&settled), "it has nothing itself");
    replication.handle_join(None, Instant::ZERO);
    assert!(drain(&mut replication).contains(&settled));
}

/// H-CL-19, H-CL-20: a former owner that was asleep speaks for its unit: it is not listened to, that is counted, and it is
/// told to take a snapshot. What it said before the unit was moved, and arrives late, is taken in.
#[test]
fn a_former_owner_is_fenced() {
    let mut mesh = Mesh::new(3);
    mesh.stuck = vec![(1, 3)];
    mesh.say_of(1, 10, Some(7), 1);
    mesh.run();
    mesh.member(2).handle_owned([(Unit::new(7).expect("a unit"), UnitVersion(2))]);
    mesh.say_of(2, 20, Some(7), 2);
    mesh.run();
    mesh.say_of(1, 30, Some(7), 1);
    mesh.say_of(1, 31, Some(8), 1);
    mesh.stuck.clear();
    mesh.run();
    assert_eq!(mesh.applied(3), [(2, 20), (1, 10), (1, 31)]);
    assert_eq!(mesh.member(3).counters().fenced, 1);
    assert_eq!(mesh.member(2).counters().fenced, 1);
    let told = mesh.told(1);
    // In case that it is the owner all the same: it needs a newer version.
    let outdated = Command::Outdated { unit: Unit::new(7).expect("a unit"), version: UnitVersion(2) };
    assert_eq!(told.iter().filter(|command| **command == outdated).count(), 2, "by both");
    let taking =
        |c: &&Command| matches!(c, Command::Tell(Event::TakingSnapshot { reason: Some(ResyncReason::Fenced), .. }));
    assert!(told.iter().any(|command| taking(&command)), "{told:?}");
}

/// H-CL-23: a member that restarts begins its numbers anew, above the old ones, and nobody takes that for a gap.
#[test]
fn a_new_life() {
    let mut mesh = Mesh::new(3);
    mesh.say(1, 10);
    mesh.run();
    mesh.kill(1);
    mesh.members.insert(1, Replication::new(ReplicationConfig::new(member(1), Boot(99), [9; 32])));
    mesh.state.remove(&1);
    (2..=3).for_each(|other| mesh.connect(1, other));
    mesh.member(1).handle_join(Some(member(2)), Instant::ZERO);
    mesh.run();
    assert_eq!(mesh.state[&1], mesh.state[&2], "its own words come back to it");
    mesh.say(1, 50);
    mesh.say(2, 60);
    mesh.run();
    assert_eq!(mesh.state[&1], mesh.state[&2]);
    assert_eq!(mesh.state[&3], mesh.state[&2]);
    assert_eq!(mesh.member(3).counters().gaps, 0);
}

/// CL-71, H-CL-23: a member that was away while another died and came back lacks the last words of the former life. Nobody
/// has them in a log any more: it is told so, and takes a snapshot.
#[test]
fn a_former_life() {
    for says_more in [false, true] {
        let mut mesh = Mesh::new(3);
        mesh.say(1, 10);
        mesh.run();
        (1..=2).for_each(|other| mesh.cut(3, other));
        mesh.say(1, 20);
        mesh.run();
        mesh.kill(1);
        mesh.members.insert(1, Replication::new(ReplicationConfig::new(member(1), Boot(99), [9; 32])));
        mesh.connect(1, 2);
        mesh.member(1).handle_join(Some(member(2)), Instant::ZERO);
        mesh.run();
        if says_more {
            mesh.say(1, 50);
        }
        (1..=2).for_each(|other| mesh.connect(3, other));
        mesh.run();
        assert_eq!(mesh.state[&3], mesh.state[&2], "{says_more}");
        let last = mesh.member(1).last_seq();
        assert_eq!(mesh.member(3).positions().get(member(1)), last, "{says_more}");
    }
}

/// CL-71, H-CL-23: a member that is to take a snapshot, since it was too slow, becomes master: it takes it all the same.
#[test]
fn a_slow_member_becomes_master() {
    let mut mesh = Mesh::with(3, |config| ReplicationConfig { kept: 100_000, ..config });
    mesh.stuck = vec![(1, 3)];
    for seq in 1..=5_000 {
        mesh.say(1, seq);
        if seq % 20 == 0 {
            mesh.run();
        }
    }
    mesh.stuck.clear();
    // It has just heard why, and asked; then it is elected.
    while !mesh
        .told
        .get(&3)
        .is_some_and(|told| told.iter().any(|c| matches!(c, Command::Tell(Event::TakingSnapshot { .. }))))
    {
        let octets = mesh.in_flight.get_mut(&(1, 3)).and_then(VecDeque::pop_front).expect("says why");
        mesh.member(3).handle_octets(member(1), &octets, Instant::ZERO);
        while let Some(command) = mesh.member(3).poll_command() {
            mesh.carry_out(3, command);
        }
    }
    mesh.member(3).handle_join(None, Instant::ZERO);
    mesh.run();
    mesh.say(1, 6_000);
    mesh.run();
    assert_eq!(mesh.state[&3], mesh.state[&1]);
}

/// CL-71, H-CL-24: members follow another master: whoever has all state goes on acknowledging, and takes no snapshot.
#[test]
fn another_master() {
    let mut mesh = Mesh::new(3);
    mesh.say(1, 10);
    mesh.run();
    mesh.told(1);
    mesh.member(2).handle_join(None, Instant::ZERO);
    [1, 3].into_iter().for_each(|me| mesh.member(me).handle_join(Some(member(2)), Instant::ZERO));
    mesh.say(1, 20);
    mesh.run();
    assert_eq!(mesh.told(1), [2, 3].map(|by| Command::Acked { by: member(by), seq: 20 }));
    assert_eq!(mesh.member(2).counters().snapshots, (0, 0));
}

/// H-CL-25: a member that lost its disk is elected: it takes the state of another before it says that its own is complete. When
/// that one dies meanwhile, it takes that of the next; what it had half of does not count as known.
#[test]
fn a_master_that_has_nothing_yet() {
    let mut mesh = Mesh::new(3);
    (1..=20_000).for_each(|seq| mesh.say(1, seq));
    mesh.run();
    mesh.members.insert(4, Replication::new(ReplicationConfig::new(member(4), Boot(7), [4; 32])));
    (1..=3).for_each(|other| mesh.connect(other, 4));
    mesh.run();
    mesh.member(4).handle_join(None, Instant::ZERO);
    for (me, from, to) in [(4, 4, 1), (1, 1, 4)] {
        while let Some(command) = mesh.member(me).poll_command() {
            mesh.carry_out(me, command);
        }
        let octets = mesh.in_flight.get_mut(&(from, to)).and_then(VecDeque::pop_front).expect("said");
        mesh.member(to).handle_octets(member(from), &octets, Instant::ZERO);
    }
    assert!(!mesh.member(4).is_synced());
    mesh.kill(1);
    mesh.run();
    assert!(mesh.member(4).is_synced());
    assert!(mesh.told(4).contains(&Command::AbortReplace), "it had a part");
    assert_eq!(mesh.state[&4], mesh.state[&2]);
}

/// A joiner asks a member that is itself still joining: it is told so, and asks again.
#[test]
fn nothing_to_give_yet() {
    let mut mesh = Mesh::new(2);
    mesh.say(1, 10);
    for me in [3, 4] {
        mesh.members.insert(me, Replication::new(ReplicationConfig::new(member(me), Boot(me.into()), [me; 32])));
    }
    mesh.connect(1, 3);
    mesh.connect(3, 4);
    mesh.member(4).handle_join(Some(member(3)), Instant::ZERO);
    mesh.run();
    assert!(!mesh.member(4).is_synced());
    mesh.member(3).handle_join(Some(member(1)), Instant::ZERO);
    mesh.run();
    mesh.now = mesh.member(4).poll_timeout().expect("asks again");
    assert!(mesh.now <= Instant::ZERO + Duration::from_secs(1));
    let now = mesh.now;
    mesh.member(4).handle_timeout(now);
    mesh.run();
    assert!(mesh.member(4).is_synced());
    assert_eq!(mesh.state[&4], mesh.state[&1]);
}

/// CL-63, CL-79: members know by which MACs they reach each other, whoever is told first and whatever changes; and what a
/// server said that is for the keeper gets there.
#[test]
fn what_is_said_beside_state() {
    let mut mesh = Mesh::new(3);
    let mac = |last| vec![Interface { segment: Segment::Upstream(0), mac: [2, 0, 0, 0, 0, last] }];
    mesh.member(1).handle_interfaces(mac(1));
    mesh.connect(1, 2);
    mesh.run();
    let told = |of, interfaces| Command::Interfaces { member: member(of), interfaces };
    assert!(mesh.told(2).contains(&told(1, mac(1))), "on connecting");
    mesh.member(1).handle_interfaces(mac(9));
    mesh.member(1).handle_interfaces(mac(9));
    mesh.run();
    assert_eq!(mesh.told(2).into_iter().filter(|command| *command == told(1, mac(9))).count(), 1, "when it changes");

    let (server, payload) = (core::net::IpAddr::from(Ipv4Addr::new(192, 0, 2, 2)), vec![2, 1, 6]);
    mesh.member(2).handle_for_keeper(member(1), server, payload.clone());
    mesh.member(2).handle_for_keeper(member(3), server, payload.clone());
    mesh.run();
    assert!(mesh.told(1).contains(&Command::ForKeeper { server, payload }));
}
