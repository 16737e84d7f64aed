//! Bulk leasequery (RFC 5460) without I/O: octets of TCP connections in, octets out.
//! A connection's life is [`crate::server::connections`]'s; here is what it is told.

use core::net::{Ipv6Addr, SocketAddrV6};

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp6::leasequery::{Answering, By, LeaseQuery, Question, RelayData, frame};

use super::{Command, Dropped, Server};
use crate::record::Now;
use crate::server::connections::{Connections, Order, Piece, Running, Teller};
use crate::v6::leases::{Lease, Slot, State};

impl Server {
    /// A connection from `peer`, under a number that no other open one has. `false`: it is to be closed, because there are
    /// as many as may be, of this peer or of all, or because the peer may not ask.
    pub fn handle_connect(&mut self, connection: u64, peer: SocketAddrV6, now: Instant) -> bool {
        let known = !peer.ip().is_unicast_link_local();
        known && self.connections.connect(connection, *peer.ip(), &self.config.leasequery, now)
    }

    /// Octets came. What can't be told apart, or is no question, ends the connection.
    pub fn handle_stream(&mut self, connection: u64, octets: &[u8], now: Instant, unix: Duration) {
        self.hear(connection, octets, &Now { at: now, unix });
    }

    /// The last piece was written.
    pub fn handle_written(&mut self, connection: u64, now: Instant, unix: Duration) {
        self.wrote(connection, &Now { at: now, unix });
    }

    /// The connection is no more.
    pub fn handle_closed(&mut self, connection: u64) {
        self.connections.take(connection);
    }

    /// Appends messages; whether the answer is complete.
    fn go_through(
        &mut self,
        running: &mut Running,
        peer: Ipv6Addr,
        piece: &mut Piece,
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
            Err((code, text)) => return put(&mut piece.octets, &answering.refuse(code, &text)?).map(|()| true),
        };
        if !question.by.is_bulk() {
            for slots in self.find(question, now).into_values() {
                self.put_client(&slots, question, &answering, any, &mut piece.octets, now)?;
            }
            slots.start = slots.end;
        }
        while let Some(slot) = piece.next(slots) {
            if let Some(group) = self.group(slot, question, now) {
                self.put_client(&group, question, &answering, any, &mut piece.octets, now)?;
            }
        }
        if slots.start < slots.end {
            return Ok(false);
        }
        // RFC 5460 section 5.2: a REPLY without a client is all there is; after one with a client comes a DONE.
        let last = if *any { answering.done(None)? } else { answering.reply(None)? };
        put(&mut piece.octets, &last).map(|()| true)
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

    /// The leases of the client that has this one, on the same link, asked for the same way and as the question wants them, when
    /// this is the first of them: so each client is told once for each link and way. A record tells one way, and with it
    /// whose line it is: a lease on another line of the same client must not come along.
    fn group(&mut self, slot: Slot, question: &Question<'_>, now: &Now) -> Option<Vec<Slot>> {
        let lease = self.leases.get(slot);
        let (subnet, origin) = (lease.subnet, lease.origin.clone());
        if !self.is_asked(lease, question, now) {
            return None;
        }
        let client = lease.client()?.to_owned();
        let mut group = self.leases.of_client(client.as_duid(), now);
        group.retain(|slot| {
            let lease = self.leases.get(*slot);
            lease.subnet == subnet && lease.origin == origin && self.is_asked(lease, question, now)
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

impl Teller for Server {
    type Peer = Ipv6Addr;

    fn connections(&mut self) -> &mut Connections<Ipv6Addr> {
        &mut self.connections
    }

    fn patience(&self) -> Duration {
        self.config.leasequery.idle
    }

    fn begin(&mut self, _: &[u8]) -> Slot {
        self.counters.leasequery += 1;
        self.leases.known() as Slot // max_leases is far below
    }

    fn run(&mut self, running: &mut Running, peer: Ipv6Addr, piece: &mut Piece, now: &Now) -> Option<bool> {
        self.go_through(running, peer, piece, now).ok()
    }

    fn puzzled(&mut self) {
        self.counters.malformed += 1;
    }

    fn order(&mut self, connection: u64, order: Order) {
        self.commands.push_back(match order {
            Order::Write(octets) => Command::Stream { connection, octets },
            Order::Close => Command::Close { connection },
        });
    }
}

fn put(octets: &mut Vec<u8>, message: &[u8]) -> Result<(), Dropped> {
    octets.extend(frame(message).map_err(|_| Dropped::Malformed)?);
    Ok(())
}
