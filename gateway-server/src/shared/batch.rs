//! The messages handled between two writes, what each wants written, and what may leave afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use gateway_core::time::{Duration, Instant};

use super::tables::Tables;
use crate::event::Event;
use crate::server::{Command, is_common};
use crate::v6;

/// A message as it arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Who sent it: by it the message is one of DHCPv4 or DHCPv6.
    pub source: SocketAddr,
    /// A DHCP message.
    pub payload: Vec<u8>,
}

/// What leaves when everything it depends on is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// A datagram to a relay or client.
    Datagram(SocketAddr, Vec<u8>),
    /// Octets to a connection of bulk leasequery.
    Piece(Version, u64, Vec<u8>),
    /// The end of such a connection.
    Close(Version, u64),
    /// An echo request to an address.
    Probe(Ipv4Addr),
    /// Something for the log.
    Tell(Event),
    /// The same of DHCPv6.
    Tell6(v6::Event),
}

/// Whose connection it is: each half numbers its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// DHCPv4's.
    Four,
    /// DHCPv6's.
    Six,
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

    /// Has a message handled; `again` when it was handled before, and refused.
    pub fn handle(&mut self, tables: &mut Tables, datagram: Datagram, again: bool, now: Instant, unix: Duration) {
        // A replay is over and done with. Handled again, it would pass: the first time is when counters are looked at.
        let may_be_again = tables.handle(&datagram, again, now, unix);
        self.take(tables, may_be_again.then_some(datagram));
    }

    /// Takes over what is to be done, on account of this message or of none.
    pub fn take(&mut self, tables: &mut Tables, datagram: Option<Datagram>) {
        let mut group = Group { datagram, keys: Vec::new(), replies: Vec::new() };
        while let Some(command) = tables.four.poll_command() {
            let reply = match command {
                Command::Persist { key, value } => {
                    self.change(&mut group, key, Some(value));
                    continue;
                }
                Command::Forget { key } => {
                    self.change(&mut group, key, None);
                    continue;
                }
                Command::Send { to, payload, .. } => Reply::Datagram(to.into(), payload),
                Command::Stream { connection, octets } => Reply::Piece(Version::Four, connection, octets),
                Command::Close { connection } => Reply::Close(Version::Four, connection),
                Command::Probe { address } => Reply::Probe(address),
                Command::Tell(event) => Reply::Tell(event),
            };
            group.replies.push(reply);
        }
        while let Some(command) = tables.six.as_mut().and_then(v6::Server::poll_command) {
            let reply = match command {
                v6::Command::Persist { key, value } => {
                    self.change(&mut group, key, Some(value));
                    continue;
                }
                v6::Command::Forget { key } => {
                    self.change(&mut group, key, None);
                    continue;
                }
                v6::Command::Send { to, payload, .. } => Reply::Datagram(to.into(), payload),
                v6::Command::Stream { connection, octets } => Reply::Piece(Version::Six, connection, octets),
                v6::Command::Close { connection } => Reply::Close(Version::Six, connection),
                v6::Command::Tell(event) => Reply::Tell6(event),
            };
            group.replies.push(reply);
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
