//! To each peer what it has not heard yet, a batch a write, and an acknowledgement of what was heard from it.

use std::collections::BTreeSet;

use super::command::{Command, Event};
use super::engine::Replication;
use super::frame::{Frame, ResyncReason};
use super::peer::Stream;
use crate::member::MemberId;

/// Octets of changes in one write.
const BATCH: usize = 64 << 10;
/// Writes that may be unacknowledged at a peer.
const WINDOW: usize = 64;

impl Replication {
    /// Sends a peer what an origin said after `from_seq`, from now on.
    pub(super) fn stream(&mut self, to: MemberId, origin: MemberId, from_seq: u64) {
        if !self.log(origin).reaches(from_seq) {
            return self.fell_behind(to, origin);
        }
        self.peer(to).streams.insert(origin, Stream::from(from_seq));
        self.dirty = true;
    }

    fn fell_behind(&mut self, member: MemberId, origin: MemberId) {
        self.peer(member).streams.remove(&origin);
        self.send(member, &Frame::Resync(ResyncReason::FellBehind));
        self.commands.push_back(Command::Tell(Event::PeerFellBehind { member }));
    }

    pub(super) fn ack(&mut self, from: MemberId, origin: MemberId, seq: u64) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if let Some(stream) = peer.streams.get_mut(&origin) {
            stream.acked(seq);
            self.dirty = true;
        }
        if origin == self.config.me {
            if peer.synced && !peer.discards {
                self.commands.push_back(Command::Acked { by: from, seq });
            }
            return;
        }
        peer.stated.insert(origin, seq);
        if self.unsettled.contains_key(&origin) {
            if seq > self.positions.get(origin) {
                // It may have forgotten what we said, having heard the lost one since.
                self.state_position(origin, from);
                return;
            }
            if !self.peer(from).streams.contains_key(&origin) && seq < self.positions.get(origin) {
                self.stream(from, origin, seq);
            }
            self.settle(origin);
        }
    }

    pub(super) fn flush(&mut self) {
        let members: Vec<MemberId> = self.connected().collect();
        let mut applied = BTreeSet::new();
        for member in members {
            for origin in core::mem::take(&mut self.peer(member).ack_due) {
                let seq = self.positions.get(origin);
                self.send(member, &Frame::Ack { origin, seq });
                applied.insert(origin);
            }
            self.fill(member);
            let octets = core::mem::take(&mut self.peer(member).out);
            if !octets.0.is_empty() {
                self.commands.push_back(Command::Send { to: member, octets });
            }
        }
        for origin in applied {
            self.commands.push_back(Command::Applied { origin, seq: self.positions.get(origin) });
            if self.unsettled.contains_key(&origin) {
                self.settle(origin);
            }
        }
    }

    /// Takes as much out of the logs as a peer may be sent now.
    fn fill(&mut self, member: MemberId) {
        let Self { peers, logs, .. } = self;
        let Some(peer) = peers.get_mut(&member) else { return };
        let mut behind = Vec::new();
        for (origin, stream) in &mut peer.streams {
            let Some(log) = logs.get(origin) else { continue };
            if !log.reaches(stream.sent) {
                behind.push(*origin);
                continue;
            }
            while stream.in_flight.len() < WINDOW {
                let (mut size, before) = (0, stream.sent);
                for (seq, frame) in log.after(stream.sent) {
                    peer.out.0.extend_from_slice(frame);
                    stream.sent = seq;
                    size += frame.len();
                    if size >= BATCH {
                        break;
                    }
                }
                if stream.sent == before {
                    break;
                }
                stream.in_flight.push_back(stream.sent);
            }
        }
        behind.into_iter().for_each(|origin| self.fell_behind(member, origin));
    }
}
