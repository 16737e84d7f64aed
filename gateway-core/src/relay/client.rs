//! From a client to the servers.

use core::net::Ipv4Addr;

use super::pending::{Option82, Request};
use super::stamp::has_transaction;
use super::{Command, Reason, Relay, ToServer};
use crate::line::Line;
use crate::scope::Epoch;
use crate::time::Instant;
use crate::wire::agent::{AgentInformation, sub};
use crate::wire::dhcp4::{self, Message, code, kind, relay_up};
use crate::wire::frame::Datagram;
use crate::wire::relay_auth::{placeholder, sign};

/// Octets of option 82 before its value.
const OPTION_HEADER: usize = 2;

/// The address that a RELEASE or DECLINE gives up. Anybody can send one, and the server would believe it: unless its sender
/// is known to have the address, or to be a relay below whose clients are not known here, call
/// [`Relay::handle_not_theirs`] instead of [`Relay::handle_client`].
pub fn given_up(message: &Message<'_>) -> Option<Ipv4Addr> {
    match message.kind()? {
        kind::RELEASE => Some(message.ciaddr()),
        kind::DECLINE => message.address_option(code::REQUESTED_IP),
        _ => None,
    }
}

impl Relay {
    /// Drops a message that speaks for a client, or of an address, that is not its sender's.
    pub fn handle_not_theirs(&mut self) {
        self.count(Err(Reason::NotTheirs));
    }

    /// A message that a client sent to the relay, by broadcast or to one of our addresses.
    pub fn handle_client(&mut self, line: Line, datagram: &Datagram<'_>, now: Instant) {
        let result = self.client(line, datagram, now);
        self.count(result);
    }

    fn client(&mut self, line: Line, datagram: &Datagram<'_>, now: Instant) -> Result<(), Reason> {
        let message = Message::parse(datagram.payload).map_err(|_| Reason::Malformed)?;
        let (fpc, card) = self.card(line).ok_or(Reason::UnknownPort)?;
        let (giaddr, epoch, frozen) = (card.giaddr, card.epoch, card.frozen);
        let kind = self.admissible(&message)?;
        if frozen && matches!(kind, kind::DISCOVER | kind::REQUEST) {
            return Err(Reason::Frozen);
        }
        let trusted = self.config.fpc(fpc).is_some_and(|fpc| fpc.trust_option_82);
        let unicast = !datagram.destination.ip().is_broadcast();
        let option_82 = self.option_82(&message, trusted, unicast)?;

        if !message.giaddr().is_unspecified() {
            // a relay below: its business, and the server answers it directly (RFC 3046 2.1.1)
            self.forward(&message, giaddr, message.giaddr(), Option82::Theirs, line);
            return Ok(());
        }
        let option_82 = self.forward(&message, giaddr, giaddr, option_82, line);
        match kind {
            kind::DISCOVER | kind::REQUEST | kind::INFORM => {
                self.remember(&message, kind, line, epoch, option_82, now);
            }
            kind::RELEASE => self.commands.push_back(Command::Released {
                address: message.ciaddr(),
                hardware: message.hardware().trimmed(),
                line,
            }),
            _ => {
                if let Some(address) = message.address_option(code::REQUESTED_IP) {
                    let hardware = message.hardware().trimmed();
                    self.commands.push_back(Command::Declined { address, hardware, line });
                }
            }
        }
        Ok(())
    }

    /// The message's type, if it is one that a subscriber may send.
    fn admissible(&self, message: &Message<'_>) -> Result<u8, Reason> {
        if message.op() != dhcp4::REQUEST {
            return Err(Reason::WrongDirection);
        }
        if message.hardware().hlen() == 0 {
            return Err(Reason::NoHardware); // and with it a single logout, which has none
        }
        if message.hops() > self.config.max_hops {
            return Err(Reason::Hops);
        }
        match message.kind() {
            Some(kind @ (kind::DISCOVER | kind::REQUEST | kind::DECLINE | kind::RELEASE | kind::INFORM)) => Ok(kind),
            _ => Err(Reason::Kind),
        }
    }

    /// Whose option 82 the message will carry (RFC 3046 2.1, 2.1.1).
    fn option_82(&self, message: &Message<'_>, trusted: bool, unicast: bool) -> Result<Option82, Reason> {
        let relayed = !message.giaddr().is_unspecified();
        if self.giaddrs.contains(&message.giaddr()) || relayed && !trusted {
            return Err(Reason::SpoofedRelay);
        }
        if message.agent_count() == 0 {
            return Ok(Option82::Ours { unicast });
        }
        if !trusted {
            return Err(Reason::UntrustedOption82);
        }
        let value = message.option(code::AGENT_INFORMATION).unwrap_or_default();
        if let Ok(agent) = AgentInformation::parse(&value) {
            if agent.get(sub::RELAY_ID) == Some(self.config.device.octets()) {
                return Err(Reason::SpoofedRelay);
            }
            if has_transaction(&agent, &self.config.points) {
                return Err(Reason::ForgedRelease);
            }
        }
        Ok(Option82::Theirs)
    }

    /// Sends a copy to every server, each signed with its own counter. Returns what went out as option 82.
    fn forward(
        &mut self,
        message: &Message<'_>,
        source: Ipv4Addr,
        giaddr: Ipv4Addr,
        mut option_82: Option82,
        line: Line,
    ) -> Option82 {
        self.scratch.clear();
        if let Option82::Ours { unicast } = option_82 {
            let mut scratch = core::mem::take(&mut self.scratch);
            if let Some((_, card)) = self.card(line) {
                card.write(&mut scratch, &self.config, line, message.hardware(), unicast);
            }
            self.scratch = scratch;
            let key = self.config.authentication.as_ref().map(|authentication| &authentication.key);
            let value = self.scratch.len() + key.map_or(0, |key| OPTION_HEADER + key.algorithm.value_length());
            let end = usize::from(message.end() == message.octets().len());
            if value > 255 || message.octets().len() + OPTION_HEADER + value + end > self.config.max_message {
                self.counters.add(Reason::WithoutOption82);
                option_82 = Option82::None;
            }
        }
        if option_82 == Option82::Theirs && message.giaddr().is_unspecified() {
            self.counters.add(Reason::DownstreamOption82);
        }
        let hops = message.hops().saturating_add(1);
        let unsigned = self.scratch.len();
        for index in 0..self.config.servers.len() {
            let server = self.config.servers[index];
            let payload = match option_82 {
                Option82::Theirs | Option82::None => relay_up(message, giaddr, hops, None),
                Option82::Ours { .. } if self.config.authentication.is_none() => {
                    relay_up(message, giaddr, hops, Some(&self.scratch))
                }
                Option82::Ours { .. } => {
                    let counter = self.next_replay(server);
                    self.scratch.truncate(unsigned);
                    self.sign(message, giaddr, hops, server, counter)
                }
            };
            self.commands.push_back(Command::ToServer(ToServer { giaddr: source, server, payload }));
        }
        option_82
    }

    fn sign(&mut self, message: &Message<'_>, giaddr: Ipv4Addr, hops: u8, server: Ipv4Addr, counter: u64) -> Vec<u8> {
        let key = self.config.authentication.as_ref().map(|authentication| &authentication.key);
        if let Some(key) = key {
            self.scratch.extend_from_slice(&[sub::AUTHENTICATION, key.algorithm.value_length() as u8]); // 38 or 50
            self.scratch.extend_from_slice(&placeholder(key, counter));
        }
        let mut payload = relay_up(message, giaddr, hops, Some(&self.scratch));
        if let Some(key) = key {
            // it carries the one placeholder just written; were it not signable, the server would refuse it
            if let Ok(claim) = sign(&mut payload, key) {
                self.signed.remember(server, counter, claim.mac(&payload).unwrap_or_default());
            }
        }
        payload
    }

    fn remember(
        &mut self,
        message: &Message<'_>,
        kind: u8,
        line: Line,
        epoch: Epoch,
        option_82: Option82,
        at: Instant,
    ) {
        let xid = message.xid();
        let hardware = message.hardware().trimmed();
        // a DISCOVER with rapid commit may be answered by an ACK (RFC 4039), so it counts as a REQUEST
        if kind == kind::DISCOVER && message.option(code::RAPID_COMMIT).is_none() {
            let request = Request { line, epoch, option_82, client_id: None, address: None };
            return self.discovers.remember((xid, hardware), request, at);
        }
        let client_id = message.option(code::CLIENT_ID).map(|id| id.into_owned().into_boxed_slice());
        let ciaddr = Some(message.ciaddr()).filter(|address| !address.is_unspecified());
        let address = ciaddr.or_else(|| message.address_option(code::REQUESTED_IP));
        self.requests.remember((xid, hardware), Request { line, epoch, option_82, client_id, address }, at);
    }
}
