//! Taking a snapshot from another member: to join (H-CL-25), or because a stream has a gap (H-CL-23).
//!
//! ```text
//!  SNAPSHOT-REQ 0 ──▶
//!                 ◀── SNAPSHOT-DATA 0, with what the sender has of each origin
//!  HELLO with that ─▶ to everybody (when joining), or to the sender (otherwise): live changes from there on
//!                 ◀── SNAPSHOT-DATA 1 …          live changes of all origins meanwhile
//!  SNAPSHOT-REQ n ──▶ as they arrive
//!                 ◀── SNAPSHOT-END: what the sender knew and did not mention is gone
//! ```

use super::change::Record;
use super::command::{Command, Event};
use super::engine::Replication;
use super::frame::{Frame, ResyncReason};
use super::positions::Positions;
use crate::member::MemberId;
use crate::time::{Duration, Instant};

/// A snapshot of which nothing was heard for so long is asked for again.
const PATIENCE: Duration = Duration::from_secs(10);
/// A member that has none to give yet is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// A snapshot that is being taken.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) from: MemberId,
    id: u64,
    /// Chunks that arrived.
    chunks: u32,
    records: u64,
    /// What the sender had when it began; `None` before the first chunk.
    theirs: Option<Positions>,
    /// What we had of the sender before.
    before: u64,
    deadline: Instant,
}

impl Replication {
    /// This member takes part from now on. `from`: the member whose state it takes, the master; `None` when it is the master
    /// itself: then it takes that of any whose state is complete, and if there is none, what it has is all there is.
    ///
    /// A member whose state is complete already has nothing to take: what it lacks, streams bring.
    pub fn handle_join(&mut self, from: Option<MemberId>, now: Instant) {
        if self.synced {
            return;
        }
        self.drop_fetch();
        self.wanted.clear();
        self.first = from.is_none();
        self.wanted.extend(from);
        self.next_fetch(now);
    }

    /// Of whom a master that has nothing yet takes its state.
    fn find_source(&mut self) {
        if self.synced || !self.first || !self.wanted.is_empty() {
            return;
        }
        match self.peers.iter().find(|(_, peer)| peer.connected && peer.synced) {
            Some((member, _)) => _ = self.wanted.insert(*member),
            None => self.become_synced(),
        }
    }

    /// Whether changes can be taken in: everything before them is here, or will be with the snapshot.
    pub(super) fn receiving(&self) -> bool {
        self.synced || self.fetch.as_ref().is_some_and(|fetch| fetch.theirs.is_some())
    }

    /// A snapshot of this member is needed.
    pub(super) fn want(&mut self, from: MemberId, reason: Option<ResyncReason>, now: Instant) {
        if self.fetch.as_ref().is_some_and(|fetch| fetch.from == from) || !self.wanted.insert(from) {
            return;
        }
        self.commands.push_back(Command::Tell(Event::TakingSnapshot { from, reason }));
        self.next_fetch(now);
    }

    pub(super) fn resync_from(&mut self, from: MemberId, reason: ResyncReason, now: Instant) {
        if reason == ResyncReason::Fenced && !core::mem::replace(&mut self.peer(from).discards, true) {
            self.commands.push_back(Command::Fenced { by: from });
        }
        match (reason, &mut self.fetch) {
            // It will be soon, or another one is named.
            (ResyncReason::NotSynced, Some(fetch)) if fetch.from == from => fetch.deadline = now + AGAIN,
            (ResyncReason::NotSynced, _) => {}
            (_, Some(fetch)) if fetch.from == from && fetch.theirs.is_none() => {}
            // While we join, only the one that we join by is asked; it has what this one can't give any more.
            _ if !self.synced => {}
            (_, Some(fetch)) if fetch.from == from => {
                self.drop_fetch();
                self.want(from, Some(reason), now);
            }
            _ => self.want(from, Some(reason), now),
        }
    }

    /// Begins the next snapshot if one is needed and none is under way.
    pub(super) fn next_fetch(&mut self, now: Instant) {
        if self.fetch.is_some() {
            return;
        }
        self.find_source();
        let ready = self.wanted.iter().copied().find(|from| self.peers.get(from).is_some_and(|peer| peer.connected));
        let Some(from) = ready else { return };
        self.wanted.remove(&from);
        self.snapshots += 1;
        let id = self.config.boot.0.wrapping_add(self.snapshots);
        let before = self.positions.get(from);
        self.fetch = Some(Fetch { from, id, chunks: 0, records: 0, theirs: None, before, deadline: now + PATIENCE });
        if !self.synced {
            self.commands.push_back(Command::Tell(Event::TakingSnapshot { from, reason: None }));
        }
        self.send(from, &Frame::SnapshotRequest { id, chunk: 0 });
    }

    pub(super) fn snapshot_data(
        &mut self,
        from: MemberId,
        id: u64,
        chunk: u32,
        positions: Option<Positions>,
        records: Vec<Record>,
        now: Instant,
    ) {
        let (synced, yielding) = (self.synced, self.peer(from).discards);
        let Some(fetch) = self.fetch.as_mut().filter(|fetch| fetch.from == from && fetch.id == id) else { return };
        if chunk != fetch.chunks {
            return;
        }
        fetch.chunks += 1;
        fetch.records += records.len() as u64;
        fetch.deadline = now + PATIENCE;
        if let Some(theirs) = positions {
            fetch.theirs = Some(theirs.clone());
            let ours = if synced { self.positions.clone() } else { Positions::default() };
            self.commands.push_back(Command::BeginReplace { theirs: theirs.clone(), ours, yielding });
            if synced {
                self.skip_to(from, theirs.get(from));
                self.hello(from);
            } else {
                let (me, own) = (self.config.me, self.last_seq());
                for (origin, seq) in theirs.iter().filter(|(origin, _)| *origin != me) {
                    self.log(origin).skip_to(seq);
                }
                self.begin_after(theirs.get(me));
                self.positions = theirs;
                self.positions.advance(me, own);
                let all: Vec<MemberId> = self.connected().collect();
                all.into_iter().for_each(|member| self.hello(member));
            }
        }
        self.commands.push_back(Command::Merge(records));
        self.send(from, &Frame::SnapshotRequest { id, chunk: chunk + 1 });
    }

    pub(super) fn snapshot_end(&mut self, from: MemberId, id: u64, chunks: u32, now: Instant) {
        let ours = |fetch: &&mut Fetch| fetch.from == from && fetch.id == id && fetch.chunks == chunks;
        let Some(fetch) = self.fetch.as_mut().filter(ours) else { return };
        let Some(theirs) = fetch.theirs.take() else { return };
        let records = fetch.records;
        self.fetch = None;
        theirs.iter().for_each(|(origin, seq)| self.skip_to(origin, seq));
        self.peer(from).discards = false;
        self.counters.snapshots.0 += 1;
        self.commands.push_back(Command::EndReplace);
        // Whoever hands a unit over next may have said nothing since: the new owner would wait for that.
        for (origin, _) in theirs.iter().filter(|(origin, _)| *origin != self.config.me) {
            self.commands.push_back(Command::Applied { origin, seq: self.positions.get(origin) });
        }
        self.commands.push_back(Command::Tell(Event::SnapshotTaken { from, records }));
        if !self.synced {
            self.become_synced();
        }
        self.next_fetch(now);
    }

    fn become_synced(&mut self) {
        let news = !core::mem::replace(&mut self.synced, true);
        if news {
            self.commands.push_back(Command::Synced);
            let all: Vec<MemberId> = self.connected().collect();
            let gone: Vec<MemberId> = self.unsettled.keys().copied().collect();
            for member in all {
                self.hello(member);
                gone.iter().for_each(|origin| self.state_position(*origin, member));
            }
            gone.into_iter().for_each(|origin| self.settle(origin));
        }
    }

    /// The sender of a snapshot is gone.
    pub(super) fn fetch_lost(&mut self, member: MemberId, now: Instant) {
        if self.fetch.as_ref().is_none_or(|fetch| fetch.from != member) {
            return;
        }
        self.drop_fetch();
        self.commands.push_back(Command::Tell(Event::SnapshotLost { from: member }));
        // When it comes back, or when another is named (`handle_join`).
        if self.synced || !self.first {
            self.wanted.insert(member);
        }
        self.next_fetch(now);
    }

    /// Forgets the snapshot under way, and that we seemed to have what it would have brought.
    fn drop_fetch(&mut self) {
        let Some(fetch) = self.fetch.take() else { return };
        if fetch.theirs.is_some() {
            self.commands.push_back(Command::AbortReplace);
            if self.synced {
                self.positions.set(fetch.from, fetch.before);
            } else {
                let own = self.last_seq();
                self.positions = Positions::default();
                self.logs.retain(|origin, _| *origin == self.config.me);
                self.positions.advance(self.config.me, own);
            }
        }
    }

    /// Time has passed: a snapshot that does not come is asked for again.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(from) = self.fetch.as_ref().filter(|fetch| fetch.deadline <= now).map(|fetch| fetch.from) else {
            return;
        };
        self.drop_fetch();
        self.wanted.insert(from);
        self.next_fetch(now);
    }

    /// When [`Replication::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.fetch.as_ref().map(|fetch| fetch.deadline)
    }
}
