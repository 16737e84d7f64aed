//! A kernel's end of the association: RFC 5061 and as much of RFC 9260 as addresses need.

use core::net::IpAddr;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::packet::{Chunk, Parameter};
use crate::association::{Cause, Change, ChangeId, Outcome, PathEvent, Policy};
use crate::time::{Duration, Instant};

/// Errors in a row that make a path inactive (`Path.Max.Retrans`).
const PATH_MAX: u32 = 5;
/// T4 at first and at most.
const T4: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// A path to an address of the peer.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) confirmed: bool,
    pub(super) active: bool,
    pub(super) errors: u32,
    pub(super) srtt: Option<u64>,
    pub(super) loss: u64,
    /// The HEARTBEAT that was not answered yet.
    pub(super) asked: Option<Instant>,
    /// On the kernel's list.
    place: u64,
}

impl Path {
    fn new(confirmed: bool, place: u64) -> Self {
        Self { confirmed, active: true, errors: 0, srtt: None, loss: 0, asked: None, place }
    }
}

/// The ASCONF that was sent and not acknowledged (RFC 5061, 5.1 B).
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) id: ChangeId,
    pub(super) change: Change,
    pub(super) chunk: Chunk,
    pub(super) tries: u32,
    pub(super) t4: Instant,
    seq: u32,
}

/// One end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) tag: u64,
    /// It says what the peer answers; else changes wait here for those before, as many as there are.
    answers: bool,
    waiting: VecDeque<(ChangeId, Change)>,
    pub(super) locals: BTreeSet<IpAddr>,
    /// On its list, and not, or never, acknowledged: no source of anything.
    new: BTreeSet<IpAddr>,
    placed: u64,
    pub(super) peers: BTreeMap<IpAddr, Path>,
    pub(super) primary: IpAddr,
    pub(super) sent: Option<Sent>,
    /// Since when no path answers.
    pub(super) silent: Option<Instant>,
    next: u32,
    /// The peer's last sequence number, and what it was answered (5.2 E).
    heard: u32,
    cached: Option<Option<Cause>>,
    /// Where the peer wants us to send.
    pub(super) wish: Option<IpAddr>,
    policy: Policy,
    pub(super) events: VecDeque<(IpAddr, PathEvent)>,
    pub(super) results: VecDeque<(ChangeId, Outcome)>,
}

impl End {
    /// The peer's first address is the one that the set-up was done with. `initial`: of our sequence numbers, and of the
    /// peer's.
    pub(super) fn new(tag: u64, answers: bool, locals: &[IpAddr], peers: &[IpAddr], initial: (u32, u32)) -> Self {
        let primary = peers[0];
        let mut events: VecDeque<_> = peers.iter().map(|address| (*address, PathEvent::Added)).collect();
        events.insert(1, (primary, PathEvent::MadePrimary));
        let places = peers.iter().zip(0..);
        Self {
            tag,
            answers,
            waiting: VecDeque::new(),
            locals: locals.iter().copied().collect(),
            new: BTreeSet::new(),
            placed: peers.len() as u64,
            peers: places.map(|(address, place)| (*address, Path::new(*address == primary, place))).collect(),
            primary,
            sent: None,
            silent: None,
            next: initial.0,
            heard: initial.1.wrapping_sub(1),
            cached: None,
            wish: None,
            policy: Policy::default(),
            events,
            results: VecDeque::new(),
        }
    }

    /// Our addresses that the association has, as the own kernel lists them.
    pub(super) fn listed(&self) -> Vec<IpAddr> {
        self.locals.union(&self.new).copied().collect()
    }

    /// The manager's change is taken.
    pub(super) fn begin(&mut self, id: ChangeId, change: Change, now: Instant) {
        if let Change::Add(address) | Change::Move { to: address, .. } = change {
            self.new.insert(address);
        }
        assert!(self.sent.is_none() || !self.answers, "one ASCONF at a time");
        self.waiting.push_back((id, change));
        self.next_asconf(now);
    }

    /// The first change that waits becomes a chunk. What it finds the association by is an address that the peer knows.
    pub(super) fn next_asconf(&mut self, now: Instant) {
        if self.sent.is_some() {
            return;
        }
        let Some((id, change)) = self.waiting.pop_front() else { return };
        let parameters = match change {
            Change::Add(address) => vec![Parameter::Add(address)],
            Change::Remove(address) => vec![Parameter::Delete(address)],
            Change::SetPrimary(address) => vec![Parameter::SetPrimary(address)],
            Change::Move { to, from } => vec![Parameter::Add(to), Parameter::SetPrimary(to), Parameter::Delete(from)],
            Change::SetOwnPrimary(_) => unreachable!("no message"),
        };
        let going = if let Change::Remove(address) = change { Some(address) } else { None };
        let lookup = match change {
            Change::Move { from, .. } => from,
            // The last one can be asked for where it was not told that there is no other; it is refused.
            _ => *self.locals.iter().max_by_key(|address| Some(**address) != going).expect("an address"),
        };
        let seq = self.next;
        self.next = seq.wrapping_add(1);
        let chunk = Chunk::Asconf { seq, lookup, parameters };
        self.sent = Some(Sent { id, change, chunk, tries: 0, t4: now, seq });
    }

    /// T4 has run out: whether, and as which try, the chunk is sent again, unchanged. It is for as long as there is an
    /// association: a later one could not be understood without it.
    pub(super) fn resend(&mut self, now: Instant) -> Option<(Sent, u32)> {
        let sent = self.sent.as_mut().filter(|sent| sent.t4 <= now)?;
        sent.t4 = now + (T4.0 * 2u32.pow(sent.tries.min(8))).min(T4.1);
        sent.tries += 1;
        Some((sent.clone(), sent.tries - 1))
    }

    /// Where an ASCONF goes: to the primary, then around among those that there is a route to.
    pub(super) fn target(&self, number: u32, routed: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        let live =
            self.peers.iter().filter(|(address, path)| path.active && routed(**address)).map(|(address, _)| *address);
        let live: Vec<_> = live.collect();
        if number == 0 && live.contains(&self.primary) {
            return Some(self.primary);
        }
        let all: Vec<_> = self.peers.keys().copied().filter(|address| routed(*address)).collect();
        let of = if number.is_multiple_of(2) && !live.is_empty() { &live } else { &all };
        of.get(number as usize / 2 % of.len().max(1)).copied()
    }

    /// An ASCONF of the peer (5.2). `None`: discarded.
    pub(super) fn asconf(
        &mut self,
        seq: u32,
        from: (IpAddr, IpAddr),
        parameters: &[Parameter],
        ours: impl Fn(IpAddr) -> bool,
    ) -> Option<Option<Cause>> {
        let (source, lookup) = from;
        // SC-31: by the source, then by the lookup address.
        if !self.peers.contains_key(&source) && !self.peers.contains_key(&lookup) {
            return None;
        }
        if seq == self.heard {
            return self.cached;
        }
        if seq != self.heard.wrapping_add(1) {
            return None;
        }
        let mut failed = None;
        for parameter in parameters {
            if failed.is_none() || matches!(parameter, Parameter::SetPrimary(_)) {
                failed = failed.or(self.apply(*parameter, source, &ours).err());
            }
        }
        (self.heard, self.cached) = (seq, Some(failed));
        Some(failed)
    }

    fn apply(&mut self, parameter: Parameter, source: IpAddr, ours: impl Fn(IpAddr) -> bool) -> Result<(), Cause> {
        match parameter {
            Parameter::Add(address) => {
                if self.policy.admits(address).is_err() || ours(address) {
                    return Err(Cause::NoAuthorization);
                }
                if self.peers.len() >= 16 {
                    return Err(Cause::Resources);
                }
                if let Entry::Vacant(entry) = self.peers.entry(address) {
                    self.placed += 1;
                    entry.insert(Path::new(false, self.placed));
                    self.events.push_back((address, PathEvent::Added));
                }
            }
            Parameter::Delete(address) => {
                if self.peers.len() == 1 && self.peers.contains_key(&address) {
                    return Err(Cause::LastAddress);
                }
                if address == source {
                    return Err(Cause::SourceAddress);
                }
                if self.peers.remove(&address).is_none() {
                    return Ok(());
                }
                if self.primary == address {
                    // As Linux has it (`sctp_assoc_rm_peer`): the first on the list, and it is told before the removal.
                    let first = self.peers.iter().min_by_key(|(_, path)| path.place).expect("not the last");
                    self.primary = *first.0;
                    self.events.push_back((self.primary, PathEvent::MadePrimary));
                }
                self.events.push_back((address, PathEvent::Removed));
            }
            Parameter::SetPrimary(address) => {
                if !self.peers.contains_key(&address) {
                    return Err(Cause::Other(1));
                }
                (self.primary, self.wish) = (address, Some(address));
                self.events.push_back((address, PathEvent::MadePrimary));
            }
        }
        Ok(())
    }

    /// The peer has answered (5.1 C).
    pub(super) fn acknowledged(&mut self, seq: u32, failed: Option<Cause>, now: Instant) {
        let Some(sent) = self.sent.take_if(|sent| sent.seq == seq) else { return };
        if failed.is_none() {
            match sent.change {
                Change::Add(address) => self.join(address),
                Change::Remove(address) => self.part(address),
                Change::Move { to, from } => {
                    self.join(to);
                    self.part(from);
                }
                Change::SetPrimary(_) | Change::SetOwnPrimary(_) => {}
            }
        }
        if self.answers {
            self.new.clear();
            self.results.push_back((sent.id, failed.map_or(Outcome::Acknowledged, Outcome::Refused)));
        }
        self.next_asconf(now);
    }

    fn join(&mut self, address: IpAddr) {
        self.locals.insert(address);
        self.new.remove(&address);
    }

    fn part(&mut self, address: IpAddr) {
        self.locals.remove(&address);
        self.new.remove(&address);
    }

    /// It is time for a HEARTBEAT on this path, and the last one was answered or not.
    pub(super) fn beat(&mut self, address: IpAddr, now: Instant) {
        let Some(path) = self.peers.get_mut(&address) else { return };
        if path.asked.replace(now).is_some() {
            path.errors += 1;
            path.loss += (1000 - path.loss) / 8;
            if path.errors > PATH_MAX && path.active {
                path.active = false;
                self.events.push_back((address, PathEvent::Unreachable));
            }
        }
    }

    /// One was answered.
    pub(super) fn beaten(&mut self, address: IpAddr, sent: Instant, now: Instant) {
        let Some(path) = self.peers.get_mut(&address) else { return };
        if path.asked == Some(sent) {
            path.asked = None;
        }
        let micros = now.since(sent).as_micros() as u64;
        path.srtt = Some(path.srtt.map_or(micros, |srtt| (srtt * 7 + micros) / 8));
        path.loss -= path.loss.div_ceil(8).min(path.loss);
        path.errors = 0;
        if !path.confirmed {
            path.confirmed = true;
            self.events.push_back((address, PathEvent::Confirmed));
        } else if !path.active {
            self.events.push_back((address, PathEvent::Available));
        }
        path.active = true;
    }
}
