//! What a client is told waits until others know it, too (H-CL-24).

use std::collections::{BTreeMap, VecDeque};

use crate::member::MemberId;
use crate::time::{Duration, Instant};

/// What becomes of a reply when too few members have acknowledged its change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhenShort {
    /// It is dropped: the client asks again.
    Wait,
    /// It is sent, and the operator is told.
    #[default]
    Degrade,
}

/// How long replies wait, and for whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GateConfig {
    /// Other members that must have a change; 1.
    pub sync: usize,
    /// How long they have for that; 50 ms.
    pub timeout: Duration,
    /// What happens otherwise.
    pub when_short: WhenShort,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { sync: 1, timeout: Duration::from_millis(50), when_short: WhenShort::Degrade }
    }
}

/// What the gate wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GateCommand<T> {
    /// Send it.
    Release(T),
    /// Drop it.
    Drop(T),
    /// From now on replies are sent though too few members know what they say. Told once.
    Degraded,
    /// Enough of them keep up again.
    Recovered,
}

#[derive(Debug)]
struct Held<T> {
    what: T,
    seq: u64,
    everyone: bool,
    deadline: Instant,
}

/// Holds back what was caused by changes until enough members have these.
#[derive(Debug)]
pub struct Gate<T> {
    config: GateConfig,
    /// Members that count, and what they have of us.
    peers: BTreeMap<MemberId, u64>,
    held: VecDeque<Held<T>>,
    degraded: bool,
    commands: VecDeque<GateCommand<T>>,
}

impl<T> Gate<T> {
    /// Open to nobody yet.
    pub fn new(config: GateConfig) -> Self {
        let (peers, held, commands) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Self { config, peers, held, degraded: false, commands }
    }

    /// A member's state is complete ([`super::Command::PeerSynced`]), or its stream is gone.
    pub fn handle_peer(&mut self, member: MemberId, synced: bool, now: Instant) {
        if synced {
            self.peers.entry(member).or_default();
        } else {
            self.peers.remove(&member);
        }
        self.look(now);
    }

    /// A member has our changes up to this number.
    pub fn handle_acked(&mut self, by: MemberId, seq: u64, now: Instant) {
        if let Some(acked) = self.peers.get_mut(&by) {
            *acked = seq.max(*acked);
        }
        self.look(now);
    }

    /// Another member has discarded changes of ours (H-CL-19): whatever waits says what is not so, and is dropped under
    /// either policy.
    pub fn handle_discarded(&mut self) {
        self.commands.extend(self.held.drain(..).map(|held| GateCommand::Drop(held.what)));
    }

    /// Holds `what` until the change `seq` is known to enough members, or to everyone in reach.
    pub fn hold(&mut self, what: T, seq: u64, everyone: bool, now: Instant) {
        let deadline = now + self.config.timeout;
        self.held.push_back(Held { what, seq, everyone, deadline });
        self.look(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.look(now);
    }

    /// When [`Gate::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.held.front().map(|held| held.deadline)
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<GateCommand<T>> {
        self.commands.pop_front()
    }

    /// Whether replies are sent though too few members know what they say.
    pub fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// How many are waiting.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is waiting.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The number that enough members have, and the one that all have.
    fn known(&self) -> (u64, u64) {
        let mut acked: Vec<u64> = self.peers.values().copied().collect();
        acked.sort_unstable_by(|a, b| b.cmp(a));
        let all = acked.last().copied().unwrap_or(0);
        let enough = match self.config.sync {
            0 => u64::MAX,
            sync => acked.get(sync - 1).copied().unwrap_or(0),
        };
        (enough, all)
    }

    /// Lets go of what has waited enough, in order.
    fn look(&mut self, now: Instant) {
        let (enough, all) = self.known();
        // With too few members connected there is nothing to wait for.
        let hopeless = self.peers.len() < self.config.sync;
        let mut waiting = VecDeque::with_capacity(self.held.len());
        while let Some(held) = self.held.pop_front() {
            let sufficient = enough >= held.seq;
            let complete = sufficient && (!held.everyone || self.peers.is_empty() || all >= held.seq);
            if complete {
                // What waits for nothing proves nothing.
                if self.degraded && self.config.sync > 0 && held.seq > 0 {
                    self.degraded = false;
                    self.commands.push_back(GateCommand::Recovered);
                }
                self.commands.push_back(GateCommand::Release(held.what));
            } else if sufficient && held.deadline <= now {
                // One that does not answer does not keep the others from it.
                self.commands.push_back(GateCommand::Release(held.what));
            } else if hopeless || held.deadline <= now {
                match self.config.when_short {
                    WhenShort::Wait => self.commands.push_back(GateCommand::Drop(held.what)),
                    WhenShort::Degrade => {
                        if !core::mem::replace(&mut self.degraded, true) {
                            self.commands.push_back(GateCommand::Degraded);
                        }
                        self.commands.push_back(GateCommand::Release(held.what));
                    }
                }
            } else {
                waiting.push_back(held);
                // Numbers grow: what is behind waits as well, unless this one waits for more than they do.
                if !waiting.back().is_some_and(|held| held.everyone) {
                    break;
                }
            }
        }
        while let Some(held) = waiting.pop_back() {
            self.held.push_front(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u8) -> MemberId {
        MemberId::new(number).expect("a number")
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn commands<T>(gate: &mut Gate<T>) -> Vec<GateCommand<T>> {
        core::iter::from_fn(|| gate.poll_command()).collect()
    }

    fn gate(sync: usize, when_short: WhenShort, peers: u8) -> Gate<&'static str> {
        let mut gate = Gate::new(GateConfig { sync, when_short, ..GateConfig::default() });
        (2..2 + peers).for_each(|peer| gate.handle_peer(member(peer), true, at(0)));
        gate
    }

    /// H-CL-24: a reply leaves when one other member has its change, in order, and not before.
    #[test]
    fn a_reply_waits_for_an_acknowledgement() {
        let mut gate = gate(1, WhenShort::Wait, 2);
        for (what, seq) in [("a", 10), ("b", 20), ("c", 20)] {
            gate.hold(what, seq, false, at(0));
        }
        assert_eq!(commands(&mut gate), []);
        gate.handle_acked(member(3), 10, at(1));
        assert_eq!(commands(&mut gate), [GateCommand::Release("a")]);
        gate.handle_acked(member(2), 15, at(2));
        assert_eq!(commands(&mut gate), []);
        gate.handle_acked(member(2), 20, at(3));
        assert_eq!(commands(&mut gate), [GateCommand::Release("b"), GateCommand::Release("c")]);
        assert_eq!(gate.poll_timeout(), None);
    }

    /// H-CL-24: with two acknowledgements wanted, one is not enough; after 50 ms the policy decides.
    #[test]
    fn too_few_acknowledgements() {
        for (policy, expected) in [
            (WhenShort::Wait, vec![GateCommand::Drop("a")]),
            (WhenShort::Degrade, vec![GateCommand::Degraded, GateCommand::Release("a")]),
        ] {
            let mut gate = gate(2, policy, 2);
            gate.hold("a", 10, false, at(0));
            gate.handle_acked(member(2), 10, at(1));
            gate.handle_timeout(at(49));
            assert_eq!(commands(&mut gate), []);
            assert_eq!(gate.poll_timeout(), Some(at(50)));
            gate.handle_timeout(at(50));
            assert_eq!(commands(&mut gate), expected);
        }
    }

    /// H-CL-24: alone, `degrade` sends at once and says so once; `wait` refuses at once. When others are there again, that
    /// is told, too.
    #[test]
    fn nobody_is_there() {
        let mut waiting = gate(1, WhenShort::Wait, 0);
        waiting.hold("a", 10, false, at(0));
        assert_eq!(commands(&mut waiting), [GateCommand::Drop("a")]);
        let mut degrading = gate(1, WhenShort::Degrade, 0);
        degrading.hold("a", 10, false, at(0));
        degrading.hold("b", 11, false, at(1));
        let expected = [GateCommand::Degraded, GateCommand::Release("a"), GateCommand::Release("b")];
        assert_eq!(commands(&mut degrading), expected);
        assert!(degrading.is_degraded());
        degrading.handle_peer(member(2), true, at(2));
        degrading.hold("nothing", 0, false, at(2));
        assert_eq!(commands(&mut degrading), [GateCommand::Release("nothing")], "that tells nobody anything");
        degrading.hold("c", 12, false, at(2));
        degrading.handle_acked(member(2), 12, at(3));
        assert_eq!(commands(&mut degrading), [GateCommand::Recovered, GateCommand::Release("c")]);
        // The last one goes while a reply waits.
        degrading.hold("d", 13, false, at(4));
        degrading.handle_peer(member(2), false, at(5));
        assert_eq!(commands(&mut degrading), [GateCommand::Degraded, GateCommand::Release("d")]);
    }

    /// H-CL-19: what says something that another member has discarded is never sent, not after its time either.
    #[test]
    fn what_was_discarded_is_not_said() {
        let mut gate = gate(1, WhenShort::Degrade, 2);
        gate.hold("a", 10, false, at(0));
        gate.hold("b", 11, true, at(0));
        gate.handle_discarded();
        gate.handle_timeout(at(60));
        assert_eq!(commands(&mut gate), [GateCommand::Drop("a"), GateCommand::Drop("b")]);
        assert!(gate.is_empty() && gate.poll_timeout().is_none());
        gate.hold("c", 12, false, at(61));
        gate.handle_acked(member(2), 12, at(62));
        assert_eq!(commands(&mut gate), [GateCommand::Release("c")], "what is said later is");
    }

    /// H-BR-9, X-7: what an epoch depends on waits for all; a member that does not answer holds it up for 50 ms only.
    #[test]
    fn an_epoch_waits_for_everyone() {
        let mut gate = gate(1, WhenShort::Wait, 2);
        gate.hold("release", 10, true, at(0));
        gate.hold("ack", 11, false, at(0));
        gate.handle_acked(member(2), 11, at(1));
        assert_eq!(commands(&mut gate), [GateCommand::Release("ack")]);
        gate.handle_acked(member(3), 10, at(2));
        assert_eq!(commands(&mut gate), [GateCommand::Release("release")]);
        gate.hold("release", 20, true, at(3));
        gate.handle_acked(member(2), 20, at(4));
        gate.handle_timeout(at(53));
        assert_eq!(commands(&mut gate), [GateCommand::Release("release")]);
    }

    /// `sync = 0`: nobody is waited for.
    #[test]
    fn without_synchrony_nothing_waits() {
        let mut gate = gate(0, WhenShort::Wait, 0);
        gate.hold("a", 10, false, at(0));
        assert_eq!(commands(&mut gate), [GateCommand::Release("a")]);
    }
}
