//! Bulk leasequery (RFC 6926) without I/O: octets of TCP connections in, octets out.
//! A connection's life is [`crate::server::connections`]'s; here is what it is told.

use core::net::{Ipv4Addr, SocketAddrV4};

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::agent::sub;
use gateway_core::wire::dhcp4::{Builder, Message, REPLY, code, kind};
use gateway_core::wire::dhcp6::leasequery::frame;
use gateway_core::wire::leasequery::{self, BulkQuery, By};

use super::request::sub_option;
use super::{Command, Server};
use crate::leases::{Client, Ended, Lease, Slot, State};
use crate::record::Now;
use crate::server::connections::{Connections, Order, Piece, Running, Teller};

/// Option 156: the lease is in force. Why others are not has the numbers of [`crate::leases::Ended`].
const ACTIVE: u8 = 2;

impl Server {
    /// A connection from `peer`, under a number that no other open one has. `false`: it is to be closed, because there are
    /// as many as may be, of this peer or of all, or because the peer may not ask.
    pub fn handle_connect(&mut self, connection: u64, peer: SocketAddrV4, now: Instant) -> bool {
        self.connections.connect(connection, *peer.ip(), &self.config.leasequery, now)
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
}

impl Teller for Server {
    type Peer = Ipv4Addr;

    fn connections(&mut self) -> &mut Connections<Ipv4Addr> {
        &mut self.connections
    }

    fn patience(&self) -> Duration {
        self.config.leasequery.idle
    }

    /// Who asks for everything is told of every address, leased or not; else those that were ever leased are looked at.
    fn begin(&mut self, message: &[u8]) -> Slot {
        self.counters.leasequery += 1;
        let message = Message::parse(message).ok();
        let query = message.as_ref().and_then(BulkQuery::read);
        let all = query.is_some_and(|query| matches!(query.by, Ok(By::All)));
        let count = if all { self.leases.capacity() } else { self.leases.known() };
        Slot::try_from(count).unwrap_or(Slot::MAX)
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

    fn run(&mut self, running: &mut Running, _: Ipv4Addr, piece: &mut Piece, now: &Now) -> Option<bool> {
        let Running { message, slots, any } = running;
        let message = Message::parse(message).ok()?;
        let query = BulkQuery::read(&message)?;
        let by = match &query.by {
            Ok(by) => by,
            Err(error) => {
                let done = leasequery::done(query.xid, Some((error.status(), &error.to_string())));
                return put(&mut piece.octets, &done).map(|()| true);
            }
        };
        let places = matches!(by, By::All).then(|| self.leases.places());
        while let Some(number) = piece.next(slots) {
            let slot = match &places {
                Some(places) => match self.leases.at(places, number) {
                    Some(Ok(slot)) => slot,
                    Some(Err(address)) if self.may_tell_of(address, &query) => {
                        let fresh = self.told(&Lease::fresh(address, 0), State::Free, &query, now);
                        self.put_told(fresh, any, piece)?;
                        continue;
                    }
                    _ => continue,
                },
                None if self.leases.is_placed(number) => number,
                None => continue,
            };
            let state = self.leases.settle(slot, now);
            let lease = self.leases.get(slot);
            if is_asked(lease, state, by) && is_of_time(lease, state, &query, now) {
                let answer = self.told(lease, state, &query, now);
                self.put_told(answer, any, piece)?;
            }
        }
        if slots.start < slots.end {
            return Some(false);
        }
        put(&mut piece.octets, &leasequery::done(query.xid, None)).map(|()| true)
    }
}

impl Server {
    /// Whether an address that was never leased is one that may be.
    fn may_tell_of(&self, address: Ipv4Addr, query: &BulkQuery<'_>) -> bool {
        let subnet = self.leases.subnet_of(address).map(|index| &self.config.subnets[usize::from(index)]);
        is_of_any_time(query) && subnet.is_some_and(|subnet| !subnet.reserves(address))
    }

    fn put_told(&self, answer: Builder, any: &mut bool, piece: &mut Piece) -> Option<()> {
        let answer = match core::mem::replace(any, true) {
            true => answer,
            // RFC 6926 section 7.8: in the first message only.
            false => answer.address(code::SERVER_ID, self.config.listen),
        };
        put(&mut piece.octets, &answer.finish())
    }

    /// What is told of an address.
    fn told(&self, lease: &Lease, state: State, query: &BulkQuery<'_>, now: &Now) -> Builder {
        let is_wanted = |code: u8| query.wanted.contains(&code);
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let (kind, number) = match state {
            State::Active => (kind::LEASEACTIVE, ACTIVE),
            _ => (kind::LEASEUNASSIGNED, lease.ended as u8),
        };
        let ago = seconds(now.since(lease.last));
        let mut out = Builder::new(REPLY)
            .xid(query.xid)
            .ciaddr(lease.address)
            .kind(kind)
            .number(code::BASE_TIME, seconds(now.unix))
            .option(code::DHCP_STATE, &[number]);
        if let Some(since) = since(lease, state, now) {
            out = out.number(code::START_TIME_OF_STATE, seconds(now.unix.saturating_sub(since)));
        }
        if state != State::Active {
            return out;
        }
        let remaining = match lease.expires {
            Instant::NEVER => u32::MAX,
            expires => seconds(expires.since(now.at)),
        };
        out = out.hardware(lease.hardware).number(code::LEASE_TIME, remaining);
        if is_wanted(code::LAST_TRANSACTION) {
            out = out.number(code::LAST_TRANSACTION, ago);
        }
        if let Some(id) = lease.client().id.filter(|_| is_wanted(code::CLIENT_ID)) {
            out = out.option(code::CLIENT_ID, id);
        }
        if is_wanted(code::AGENT_INFORMATION) && !lease.agent_information().is_empty() {
            out = out.option(code::AGENT_INFORMATION, lease.agent_information());
        }
        out
    }
}

/// Whether a question is about this lease. All but that for everything are about leases in force only.
fn is_asked(lease: &Lease, state: State, by: &By<'_>) -> bool {
    let has = |code: u8, value: &[u8]| sub_option(lease.agent_information(), code) == Some(value);
    let is_so = match by {
        By::All => return state != State::Offered,
        By::Hardware(hardware) => lease.hardware.trimmed() == *hardware,
        By::ClientId(id) => lease.client().key() == Client { id: Some(id.as_ref()), hardware: lease.hardware }.key(),
        By::RemoteId(id) => has(sub::REMOTE_ID, id),
        By::RelayId(id) => has(sub::RELAY_ID, id),
    };
    is_so && state == State::Active
}

/// When an address came to its state, since 1970: with its last transaction, or when its lease expired. `None`: it was never leased.
fn since(lease: &Lease, state: State, now: &Now) -> Option<Duration> {
    let last = now.unix.saturating_sub(now.since(lease.last));
    match (state, lease.ended, lease.expires) {
        _ if lease.sequence == 0 => None,
        (State::Free, Ended::Expired, over) if over != Instant::NEVER => {
            Some(now.unix.saturating_sub(now.at.since(over)).max(last))
        }
        _ => Some(last),
    }
}

/// RFC 6926 section 7.6: whether it came to its state within the times that were asked for.
fn is_of_time(lease: &Lease, state: State, query: &BulkQuery<'_>, now: &Now) -> bool {
    let Some(last) = since(lease, state, now).map(|since| since.as_secs()) else { return is_of_any_time(query) };
    query.since.is_none_or(|since| last >= u64::from(since)) && query.until.is_none_or(|until| last <= u64::from(until))
}

fn is_of_any_time(query: &BulkQuery<'_>) -> bool {
    query.since.is_none() && query.until.is_none()
}

fn put(octets: &mut Vec<u8>, message: &[u8]) -> Option<()> {
    octets.extend(frame(message).ok()?);
    Some(())
}
