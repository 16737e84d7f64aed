//! The messages handled between two writes, what each wants written, and what may leave afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use gateway_core::time::{Duration, Instant};

use crate::event::Event;
use crate::server::{Command, Server, is_common};

/// A message as it arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub source: SocketAddrV4,
    /// A DHCP message.
    pub payload: Vec<u8>,
}

/// What leaves when everything it depends on is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// A datagram to a relay or client.
    Datagram(SocketAddrV4, Vec<u8>),
    /// Octets to a connection of bulk leasequery.
    Piece(u64, Vec<u8>),
    /// The end of such a connection.
    Close(u64),
    /// An echo request to an address.
    Probe(Ipv4Addr),
    /// Something for the log.
    Tell(Event),
}

/// Records by key; `None` takes one away.
pub type Records = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What a batch wants written.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Changes {
    /// Records that the servers have in common. Each may be refused by itself.
    pub common: Records,
    /// Records of this server.
    pub own: Records,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.common.is_empty() && self.own.is_empty()
    }
}

/// What became of [`Changes`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// They are durable, but for common records that another server wrote first.
    Written {
        /// The keys of those.
        refused: BTreeSet<Vec<u8>>,
    },
    /// Nothing was written: another server has carried out a single logout that is not known here yet.
    Stale,
}

/// What one message led to.
#[derive(Debug)]
struct Group {
    datagram: Option<Datagram>,
    keys: Vec<Vec<u8>>,
    replies: Vec<Reply>,
}

/// Messages that were handled.
#[derive(Default, Debug)]
pub struct Batch {
    groups: Vec<Group>,
    changes: Changes,
}

/// A batch after its write.
#[derive(Default, Debug)]
pub struct Settled {
    /// What leaves now.
    pub replies: Vec<Reply>,
    /// Messages to be handled once more.
    pub again: Vec<Datagram>,
    /// Keys whose records are to be read before that.
    pub doubtful: BTreeSet<Vec<u8>>,
    /// Own records to be written with the next attempt.
    pub own: Records,
}

impl Batch {
    /// One that continues another.
    pub fn after(own: Records) -> Self {
        Self { groups: Vec::new(), changes: Changes { own, ..Changes::default() } }
    }

    /// Has the server handle a message; `again` when it was handled before, and refused.
    pub fn handle(&mut self, server: &mut Server, datagram: Datagram, again: bool, now: Instant, unix: Duration) {
        match again {
            false => server.handle_message(datagram.source, &datagram.payload, now, unix),
            true => server.handle_again(datagram.source, &datagram.payload, now, unix),
        }
        // A replay is over and done with. Handled again, it would pass: the first time is when counters are looked at.
        let datagram = (!server.was_replayed()).then_some(datagram);
        self.take(server, datagram);
    }

    /// Takes over what the server wants done, on account of this message or of none.
    pub fn take(&mut self, server: &mut Server, datagram: Option<Datagram>) {
        let mut group = Group { datagram, keys: Vec::new(), replies: Vec::new() };
        while let Some(command) = server.poll_command() {
            match command {
                Command::Persist { key, value } => self.change(&mut group, key, Some(value)),
                Command::Forget { key } => self.change(&mut group, key, None),
                Command::Send { to, payload, .. } => group.replies.push(Reply::Datagram(to, payload)),
                Command::Stream { connection, octets } => group.replies.push(Reply::Piece(connection, octets)),
                Command::Close { connection } => group.replies.push(Reply::Close(connection)),
                Command::Probe { address } => group.replies.push(Reply::Probe(address)),
                Command::Tell(event) => group.replies.push(Reply::Tell(event)),
            }
        }
        self.groups.push(group);
    }

    fn change(&mut self, group: &mut Group, key: Vec<u8>, value: Option<Vec<u8>>) {
        if is_common(&key) {
            group.keys.push(key.clone());
            self.changes.common.insert(key, value);
        } else {
            self.changes.own.insert(key, value);
        }
    }

    /// What is to be written.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// What follows from the verdict. Where something was refused, a message that wanted nothing written is handled again
    /// too: its answer may tell what did not come to be.
    pub fn settle(self, verdict: Verdict) -> Settled {
        let (refused, stale) = match verdict {
            Verdict::Written { refused } => (refused, false),
            Verdict::Stale => (BTreeSet::new(), true),
        };
        let all_well = refused.is_empty() && !stale;
        let mut settled = Settled::default();
        for group in self.groups {
            let is_written = !stale && !group.keys.is_empty() && group.keys.iter().all(|key| !refused.contains(key));
            match group.datagram {
                Some(datagram) if !all_well && !is_written => {
                    settled.again.push(datagram);
                    settled.doubtful.extend(group.keys);
                    // The server waits for the answer and does not ask a second time.
                    let asks = |reply: &Reply| matches!(reply, Reply::Probe(..));
                    settled.replies.extend(group.replies.into_iter().filter(asks));
                }
                None if !all_well && !is_written && !group.keys.is_empty() => {
                    // What waited aside for an echo: its client asks again.
                    settled.doubtful.extend(group.keys);
                    let leaves = |reply: &Reply| !matches!(reply, Reply::Datagram(..));
                    settled.replies.extend(group.replies.into_iter().filter(leaves));
                }
                _ => settled.replies.extend(group.replies),
            }
        }
        if !all_well {
            settled.own = self.changes.own;
        }
        settled
    }
}
