//! Giving a snapshot to another member, in parts, as fast as it takes them.

use super::change::Record;
use super::command::Command;
use super::engine::Replication;
use super::frame::{self, Frame, ResyncReason};
use super::peer::Serving;
use crate::member::MemberId;

/// Records asked of the node at a time.
const RECORDS: usize = 256;
/// Octets of records in one chunk; a chunk is closed once it has more.
const CHUNK: usize = 256 << 10;
/// Chunks that may be on their way: several times what the other side takes at once, or one would wait for the other.
const WINDOW: u32 = 32;

impl Replication {
    pub(super) fn snapshot_request(&mut self, from: MemberId, id: u64, chunk: u32) {
        if !self.synced {
            return self.send(from, &Frame::Resync(ResyncReason::NotSynced));
        }
        if chunk == 0 {
            self.peer(from).fenced = false;
            self.peer(from).outdated.clear();
            let positions = self.positions.clone();
            let (cursor, sent, arrived, asked) = (Some(0), 0, 0, false);
            self.peer(from).serving = Some(Serving { id, positions, cursor, sent, arrived, asked });
        } else if let Some(serving) = self.peer(from).serving.as_mut().filter(|serving| serving.id == id) {
            serving.arrived = serving.arrived.max(chunk.min(serving.sent));
        }
        self.ask_node(from);
    }

    fn ask_node(&mut self, to: MemberId) {
        let Some(serving) = self.peer(to).serving.as_mut() else { return };
        let Some(cursor) = serving.cursor.filter(|_| !serving.asked && serving.sent - serving.arrived < WINDOW) else {
            return;
        };
        serving.asked = true;
        let id = serving.id;
        self.commands.push_back(Command::SnapshotWanted { to, id, cursor, most: RECORDS });
    }

    /// The node's state, as [`Command::SnapshotWanted`] asked for it. `next`: where it goes on; `None` when that was all.
    pub fn handle_snapshot(&mut self, to: MemberId, id: u64, records: &[Record], next: Option<u64>) {
        let Some(peer) = self.peers.get_mut(&to) else { return };
        let Some(serving) = peer.serving.as_mut().filter(|serving| serving.id == id) else { return };
        serving.asked = false;
        serving.cursor = next;
        let mut records = records.iter().peekable();
        // At least one chunk: the first carries the positions.
        while serving.sent == 0 || records.peek().is_some() {
            let at = frame::begin(&mut peer.out.0);
            let positions = (serving.sent == 0).then_some(&serving.positions);
            frame::encode_data(id, serving.sent, positions, &mut peer.out.0);
            while peer.out.0.len() - at < CHUNK
                && let Some(record) = records.next()
            {
                frame::encode_record(record, &mut peer.out.0);
            }
            frame::finish(&mut peer.out.0, at);
            serving.sent += 1;
        }
        self.dirty = true;
        if next.is_none() {
            let chunks = serving.sent;
            peer.serving = None;
            self.counters.snapshots.1 += 1;
            self.send(to, &Frame::SnapshotEnd { id, chunks });
        } else {
            self.ask_node(to);
        }
    }
}
