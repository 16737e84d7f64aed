//! From a server to its client.

use core::net::Ipv6Addr;

use super::answer::Answer;
use super::client::link_address;
use super::interface::Origin;
use super::{Command, Reason, Relay, ToClient};
use crate::line::{FpcId, Line};
use crate::session::EndReason;
use crate::time::Instant;
use crate::v6::{Login, Over};
use crate::wire::dhcp6::{CLIENT_PORT, Message, Nest, RelayMessage, SERVER_PORT, code, kind};

/// A reply and where the request came from.
struct Reply<'a> {
    server: Ipv6Addr,
    origin: Origin,
    fpc: FpcId,
    peer: Ipv6Addr,
    /// What is in the RELAY-REPL; goes down as it is.
    inner: &'a [u8],
    /// What the client will see of it.
    message: &'a [u8],
    port: u16,
    relayed: bool,
    /// The server has stored our scope.
    tagged: bool,
}

impl Relay {
    /// A message that a server sent to one of our addresses, port 547. `from` is its source address.
    pub fn handle_server(&mut self, from: Ipv6Addr, payload: &[u8], now: Instant) {
        let result = self.server(from, payload, now);
        self.count(result);
    }

    fn server(&mut self, server: Ipv6Addr, payload: &[u8], now: Instant) -> Result<(), Reason> {
        if !self.is_server(server) {
            return Err(Reason::UnknownServer);
        }
        match *payload.first().ok_or(Reason::Malformed)? {
            kind::RELAY_REPL => {}
            kind if kind == kind::LEASEQUERY_REPLY || kind == self.config.release_types.reply() => {
                self.commands.push_back(Command::ForRelease { server, payload: payload.to_vec() });
                return Ok(());
            }
            _ => return Err(Reason::WrongDirection),
        }
        let relay = RelayMessage::parse(payload).map_err(|_| Reason::Malformed)?;
        let inner = relay.inner().map_err(|_| Reason::Malformed)?;
        if self.links.contains(&relay.peer_address()) {
            // Our own question comes back: nobody's below (wire format 3b).
            self.commands.push_back(Command::ForRelease { server, payload: inner.to_vec() });
            return Ok(());
        }
        let reply = self.reply(server, &relay, inner)?;
        self.answer(&reply, now)
    }

    /// Finds out where the reply has to go, by our Interface-Id alone.
    fn reply<'a>(&self, server: Ipv6Addr, relay: &RelayMessage<'a>, inner: &'a [u8]) -> Result<Reply<'a>, Reason> {
        let value = relay.interface_id().map_err(|_| Reason::Malformed)?.ok_or(Reason::ForeignInterface)?;
        let origin = self.stamp.read(value).ok_or(Reason::ForeignInterface)?;
        let (fpc, card) = self.card(origin.line).ok_or(Reason::UnknownPort)?;
        if origin.epoch > card.epoch {
            return Err(Reason::ForeignInterface); // of an epoch that there has not been
        }
        let relayed = inner.first() == Some(&kind::RELAY_REPL);
        let peer = relay.peer_address();
        if relay.link_address() != link_address(&card, peer, relayed) {
            return Err(Reason::ForeignLink);
        }
        let message = if relayed { Nest::walk(inner).map_err(|_| Reason::Malformed)?.message() } else { inner };
        let asked = relay.options().u16(code::RELAY_PORT).map_err(|_| Reason::Malformed)?;
        let port = match asked.filter(|port| relayed && *port != 0) {
            Some(port) => port,
            None if relayed => SERVER_PORT,
            None => CLIENT_PORT,
        };
        let tagged = self.is_tagged(relay, origin.line, origin.epoch);
        Ok(Reply { server, origin, fpc, peer, inner, message, port, relayed, tagged })
    }

    fn answer(&mut self, reply: &Reply<'_>, now: Instant) -> Result<(), Reason> {
        let card = self.cards[usize::from(reply.fpc.0)];
        match *reply.message.first().ok_or(Reason::Malformed)? {
            kind::RELAY_FORW | kind::RELAY_REPL => return Err(Reason::WrongDirection),
            // It goes up only: a client would have to drop it (RR-32), and a relay below could take it for a client's.
            kind if kind == self.config.release_types.request() => return Err(Reason::WrongDirection),
            kind::ADVERTISE if card.frozen => return Err(Reason::Frozen),
            kind::ADVERTISE if reply.origin.epoch < card.epoch => return Err(Reason::StaleEpoch),
            kind::REPLY => self.bind(reply, now)?,
            kind if kind == self.config.release_types.reply() => {
                // Nobody can have asked but a relay below.
                if !card.trusted {
                    return Err(Reason::WrongDirection);
                }
                self.snoop_reply(reply.origin.line, reply.peer, reply.server, reply.message, now);
            }
            _ => {}
        }
        self.commands.push_back(Command::ToClient(ToClient {
            line: reply.origin.line,
            destination_mac: reply.origin.mac,
            destination: reply.peer,
            port: reply.port,
            payload: reply.inner.to_vec(),
        }));
        Ok(())
    }

    /// What a REPLY does to leases. One to a SOLICIT (rapid commit) is like any other.
    fn bind(&mut self, reply: &Reply<'_>, now: Instant) -> Result<(), Reason> {
        let card = self.cards[usize::from(reply.fpc.0)];
        let message = Message::parse(reply.message).map_err(|_| Reason::Malformed)?;
        let Some(answer) = Answer::read(&message, now)? else { return Ok(()) };
        let Reply { server, origin: Origin { line, epoch, mac }, fpc, peer, .. } = *reply;
        if !answer.granted.is_empty() {
            if card.frozen {
                return Err(Reason::Frozen);
            }
            if epoch < card.epoch {
                return Err(Reason::StaleEpoch);
            }
            let own = |link: &Ipv6Addr| answer.granted.iter().any(|grant| grant.prefix.contains(*link));
            if self.links.iter().any(own) {
                return Err(Reason::UnfitLease);
            }
            let (client, server_id) = (answer.client.to_owned(), answer.server.to_owned());
            let granted = answer.granted.clone();
            let Reply { relayed, tagged, .. } = *reply;
            let at = now;
            let login = Login { client, line, mac, relayed, peer, fpc, epoch, server, server_id, tagged, granted, at };
            let over = Over { leases: answer.ended.clone(), ias: answer.unknown.clone() };
            self.commands.push_back(Command::Bound(Box::new(login), over));
        }
        self.unbind(&message, &answer, line, server, now);
        Ok(())
    }

    /// What a REPLY ends: leases of no time, IAs that the server knows nothing of, and what the client gave up. `line` is
    /// where it asked.
    fn unbind(&mut self, message: &Message<'_>, answer: &Answer<'_>, line: Line, server: Ipv6Addr, now: Instant) {
        let client = answer.client.to_owned();
        if !answer.ended.is_empty() || !answer.unknown.is_empty() {
            let (leases, ias) = (answer.ended.clone(), answer.unknown.clone());
            let (client, reason) = (client.clone(), EndReason::Gone);
            self.commands.push_back(Command::Unbound { client, line, server, leases, ias, reason });
        }
        let key = (message.xid(), client);
        let given_up = self.given_up.find(&key, now).filter(|asked| asked.line == line);
        if let Some(given_up) = given_up {
            let (leases, ias) = (answer.confirmed(given_up), Vec::new());
            let reason = if given_up.declined { EndReason::Declined } else { EndReason::Released };
            if !leases.is_empty() {
                let client = key.1;
                self.commands.push_back(Command::Unbound { client, line, server, leases, ias, reason });
            }
        }
    }
}
