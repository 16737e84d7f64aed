//! Bulk leasequery (RFC 5460) without I/O: octets of TCP connections in, octets out.
//!
//! ```text
//! handle_connect ─▶ handle_stream … ─▶ Command::Stream ─▶ written ─▶ handle_written ─▶ Command::Stream … ─▶ handle_closed
//! ```
//!
//! A connection has one answer under way at a time, and of that one piece: the next is made when the shell says that the
//! last was written. So what a slow reader costs is bounded, as is the number of connections, of questions that wait,
//! and of leases looked at in one turn. A lease that ends or begins while an answer is made is told or not.

use core::net::{Ipv6Addr, SocketAddrV6};
use std::collections::{BTreeMap, VecDeque};

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp6::leasequery::{Answering, By, Frames, LeaseQuery, Question, RelayData, frame};

use super::{Command, Dropped, Server};
use crate::record::Now;
use crate::v6::leases::{Lease, Slot, State};

/// Octets of a question, at most.
const LONGEST: u16 = 1024;
/// Questions of a connection that may wait for the one before.
const WAITING: usize = 8;
/// Octets of one piece of an answer; the last message in it may go beyond.
const PIECE: usize = 16 << 10;
/// Leases looked at in one turn.
const SCAN: usize = 16_384;

#[derive(Debug)]
struct Connection {
    peer: Ipv6Addr,
    frames: Frames,
    waiting: VecDeque<Vec<u8>>,
    running: Option<Running>,
    /// A piece is on its way; the shell tells when it is written.
    writing: bool,
    /// When something last came or went.
    last: Instant,
}

impl Connection {
    fn can_go_on(&self) -> bool {
        !self.writing && (self.running.is_some() || !self.waiting.is_empty())
    }
}

/// A question that is being answered.
#[derive(Debug)]
struct Running {
    message: Vec<u8>,
    /// The slots that are still to be looked at.
    slots: core::ops::Range<Slot>,
    /// A client was told.
    any: bool,
}

/// The open connections.
#[derive(Default, Debug)]
pub(super) struct Connections(BTreeMap<u64, Connection>);

impl Connections {
    /// When the server next has something to do for them.
    pub(super) fn due(&self, idle: Duration) -> Option<Instant> {
        let due = |connection: &Connection| match connection.can_go_on() {
            true => Instant::ZERO,
            false => connection.last + idle,
        };
        self.0.values().map(due).min()
    }
}

impl Server {
    /// A connection from `peer`, under a number that no other open one has. `false`: it is to be closed, because there are
    /// as many as may be, of this peer or of all, or because the peer may not ask.
    pub fn handle_connect(&mut self, connection: u64, peer: SocketAddrV6, now: Instant) -> bool {
        let policy = &self.config.leasequery;
        let (peer, frames) = (*peer.ip(), Frames::new(LONGEST));
        let open = &self.connections.0;
        let of_peer = open.values().filter(|open| open.peer == peer).count();
        let full = open.len() >= policy.max_connections || of_peer >= policy.max_connections_per_peer;
        if !policy.permits(peer) || full || peer.is_unicast_link_local() {
            return false;
        }
        let (waiting, running, writing) = (VecDeque::new(), None, false);
        self.connections.0.insert(connection, Connection { peer, frames, waiting, running, writing, last: now });
        true
    }

    /// Octets came. What can't be told apart, or is no question, ends the connection.
    pub fn handle_stream(&mut self, connection: u64, mut octets: &[u8], now: Instant, unix: Duration) {
        let Some(open) = self.connections.0.get_mut(&connection) else { return };
        open.last = now;
        let fits = loop {
            match open.frames.next(&mut octets) {
                Ok(Some(_)) if open.waiting.len() >= WAITING => break false,
                Ok(Some(message)) => open.waiting.push_back(message),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        if fits { self.go_on(connection, &Now { at: now, unix }) } else { self.give_up_on(connection) }
    }

    /// The last piece was written.
    pub fn handle_written(&mut self, connection: u64, now: Instant, unix: Duration) {
        if let Some(open) = self.connections.0.get_mut(&connection) {
            (open.writing, open.last) = (false, now);
            self.go_on(connection, &Now { at: now, unix });
        }
    }

    /// The connection is no more.
    pub fn handle_closed(&mut self, connection: u64) {
        self.connections.0.remove(&connection);
    }

    /// Answers go on, and connections on which nothing happens end (RFC 5460 section 7.1.2).
    pub(super) fn tend_connections(&mut self, now: &Now) {
        let ready: Vec<u64> =
            self.connections.0.iter().filter(|(_, open)| open.can_go_on()).map(|(id, _)| *id).collect();
        ready.into_iter().for_each(|connection| self.go_on(connection, now));
        let idle = self.config.leasequery.idle;
        let over = self.connections.0.iter().filter(|(_, open)| open.last + idle <= now.at);
        let over: Vec<u64> = over.map(|(id, _)| *id).collect();
        over.into_iter().for_each(|connection| self.give_up_on(connection));
    }

    fn give_up_on(&mut self, connection: u64) {
        self.connections.0.remove(&connection);
        self.commands.push_back(Command::Close { connection });
    }

    /// Makes the next piece of what a connection is to be told, as far as one turn gets.
    fn go_on(&mut self, connection: u64, now: &Now) {
        let Some(mut open) = self.connections.0.remove(&connection) else { return };
        let (mut octets, mut left) = (Vec::new(), SCAN);
        while !open.writing && octets.len() < PIECE && left > 0 {
            let begun = open.running.take().or_else(|| {
                let slots = 0..self.leases.known() as Slot; // max_leases is far below
                self.counters.leasequery += u64::from(!open.waiting.is_empty());
                Some(Running { message: open.waiting.pop_front()?, slots, any: false })
            });
            let Some(mut running) = begun else { break };
            match self.run(&mut running, open.peer, &mut octets, &mut left, now) {
                Ok(true) => {}
                Ok(false) => open.running = Some(running),
                Err(_) => {
                    self.counters.malformed += 1;
                    return self.give_up_on(connection);
                }
            }
        }
        if !octets.is_empty() {
            (open.writing, open.last) = (true, now.at);
            self.commands.push_back(Command::Stream { connection, octets });
        }
        self.connections.0.insert(connection, open);
    }

    /// Appends messages; whether the answer is complete.
    fn run(
        &mut self,
        running: &mut Running,
        peer: Ipv6Addr,
        octets: &mut Vec<u8>,
        left: &mut usize,
        now: &Now,
    ) -> Result<bool, Dropped> {
        let Running { message, slots, any } = running;
        let query = LeaseQuery::parse(message)?;
        let own = self.config.server_id.clone();
        if query.server_id.is_some_and(|server| server != own.as_duid()) {
            return Err(Dropped::OtherServer);
        }
        let answering = Answering { xid: query.xid, requestor: query.requestor, server_id: own.as_duid() };
        let question = match self.question(&query, &[peer]) {
            Ok(question) => question,
            Err((code, text)) => return put(octets, &answering.refuse(code, &text)?).map(|()| true),
        };
        if !question.by.is_bulk() {
            for slots in self.find(question, now).into_values() {
                self.put_client(&slots, question, &answering, any, octets, now)?;
            }
            slots.start = slots.end;
        }
        while octets.len() < PIECE && *left > 0 {
            let Some(slot) = slots.next() else { break };
            *left -= 1;
            if let Some(group) = self.group(slot, question, now) {
                self.put_client(&group, question, &answering, any, octets, now)?;
            }
        }
        if slots.start < slots.end {
            return Ok(false);
        }
        // RFC 5460 section 5.2: a REPLY without a client is all there is; after one with a client comes a DONE.
        let last = if *any { answering.done(None)? } else { answering.reply(None)? };
        put(octets, &last).map(|()| true)
    }

    fn put_client(
        &self,
        slots: &[Slot],
        question: &Question<'_>,
        answering: &Answering<'_>,
        any: &mut bool,
        octets: &mut Vec<u8>,
        now: &Now,
    ) -> Result<(), Dropped> {
        let message = self.with_record(slots, &question.requested, now, |record| match record {
            Some(record) if *any => record.data(answering.xid).map(Some),
            Some(record) => answering.reply(Some(record)).map(Some),
            None => Ok(None),
        })?;
        match message {
            Some(message) => {
                *any = true;
                put(octets, &message)
            }
            None => Ok(()),
        }
    }

    /// The leases of the client that has this one, on the same link and as asked for, when this is the first of them: so
    /// each client is told once for each link.
    fn group(&mut self, slot: Slot, question: &Question<'_>, now: &Now) -> Option<Vec<Slot>> {
        let lease = self.leases.get(slot);
        let subnet = lease.subnet;
        if !self.is_asked(lease, question, now) {
            return None;
        }
        let client = lease.client()?.to_owned();
        let mut group = self.leases.of_client(client.as_duid(), now);
        group.retain(|slot| {
            let lease = self.leases.get(*slot);
            lease.subnet == subnet && self.is_asked(lease, question, now)
        });
        (group.iter().min() == Some(&slot)).then_some(group)
    }

    /// RFC 5460 section 5.3: through a relay, on a line, or on a link; any relay on the way counts.
    fn is_asked(&self, lease: &Lease, question: &Question<'_>, now: &Now) -> bool {
        let over = lease.state != State::Active || lease.expires <= now.at || self.leases.is_reset(lease);
        if over || !self.is_on(question.link, lease.subnet) {
            return false;
        }
        let origin = &lease.origin;
        let relays = || RelayData { peer: origin.peer, message: &origin.path }.relays().unwrap_or_default();
        match question.by {
            By::LinkAddress => true,
            By::RelayId(relay) => {
                origin.relay_id.as_ref().is_some_and(|id| id.as_duid() == relay)
                    || relays().iter().any(|header| header.relay_id() == Ok(Some(relay)))
            }
            By::RemoteId(remote) => relays().iter().any(|header| header.options().remote_id() == Ok(Some(remote))),
            By::Address(_) | By::ClientId(_) => false,
        }
    }
}

fn put(octets: &mut Vec<u8>, message: &[u8]) -> Result<(), Dropped> {
    octets.extend(frame(message).map_err(|_| Dropped::Malformed)?);
    Ok(())
}
