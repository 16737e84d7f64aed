//! From a server to its client.

use core::net::Ipv4Addr;

use super::pending::{Option82, Request};
use super::stamp::Echo;
use super::{Command, Reason, Relay, ToClient};
use crate::capability::Observation;
use crate::line::{FpcId, HardwareAddress, Line};
use crate::login::Login;
use crate::scope::Epoch;
use crate::time::{Duration, Instant};
use crate::wire::bulk_release::Capability;
use crate::wire::dhcp4::{self, Message, code, kind, relay_down};
use crate::wire::frame::BROADCAST_MAC;
use crate::wire::relay_auth::{AuthError, Claim, ReplayWindow};

/// A reply and everything known about the request it answers.
struct Reply<'a> {
    server: Ipv4Addr,
    message: Message<'a>,
    kind: u8,
    hardware: HardwareAddress,
    echo: Option<Echo<'a>>,
    request: Option<Request>,
    line: Line,
    fpc: FpcId,
    epoch: Epoch,
    /// Option 82 went out as ours.
    ours: bool,
    unicast: bool,
}

impl Relay {
    /// A message that a server sent to one of our addresses, port 67. `from` is its source address.
    pub fn handle_server(&mut self, from: Ipv4Addr, payload: &[u8], now: Instant) {
        let result = self.server(from, payload, now);
        self.count(result);
    }

    fn server(&mut self, server: Ipv4Addr, payload: &[u8], now: Instant) -> Result<(), Reason> {
        if !self.config.servers.contains(&server) {
            return Err(Reason::UnknownServer);
        }
        let message = Message::parse(payload).map_err(|_| Reason::Malformed)?;
        if message.op() != dhcp4::REPLY {
            return Err(Reason::WrongDirection);
        }
        let authenticated = self.authenticate(server, payload)?;
        match message.kind().ok_or(Reason::Kind)? {
            kind::LEASEUNASSIGNED | kind::LEASEUNKNOWN | kind::LEASEACTIVE => {
                self.commands.push_back(Command::ForRelease { server, payload: payload.to_vec() });
                Ok(())
            }
            kind if kind == self.config.points.reply_type => {
                if !self.giaddrs.contains(&message.giaddr()) {
                    return Err(Reason::ForeignGiaddr);
                }
                self.commands.push_back(Command::ForRelease { server, payload: payload.to_vec() });
                Ok(())
            }
            kind @ (kind::OFFER | kind::ACK | kind::NAK) => {
                if !self.giaddrs.contains(&message.giaddr()) {
                    return Err(Reason::ForeignGiaddr);
                }
                let reply = self.reply(server, message, kind, now)?;
                self.answer(reply, authenticated, now)
            }
            _ => Err(Reason::Kind),
        }
    }

    /// Finds out where the reply has to go: by our own option 82 if it came back, else by what is remembered.
    fn reply<'a>(&self, server: Ipv4Addr, message: Message<'a>, kind: u8, now: Instant) -> Result<Reply<'a>, Reason> {
        let hardware = message.hardware().trimmed();
        let echo = message.agent_information().and_then(|value| Echo::read(value, &self.config));
        let echoed = echo.filter(|echo| echo.ours).and_then(|echo| echo.line);
        let caches =
            if kind == kind::OFFER { [&self.discovers, &self.requests] } else { [&self.requests, &self.discovers] };
        let found = caches.into_iter().find_map(|cache| cache.find(&(message.xid(), hardware), now));
        // option 82 is the better witness: what it contradicts was another exchange of the same number
        let request = found.filter(|request| echoed.is_none_or(|echoed| echoed == (request.line, request.epoch)));
        let known = request.map(|request| (request.line, request.epoch));
        let (line, epoch) = echoed.or(known).ok_or(Reason::Unasked)?;
        let (fpc, card) = self.card(line).ok_or(Reason::UnknownPort)?;
        if card.giaddr != message.giaddr() {
            return Err(Reason::ForeignGiaddr);
        }
        let (ours, unicast) = match (echo.filter(|echo| echo.ours), request.map(|request| request.option_82)) {
            (Some(echo), _) => (true, echo.unicast),
            (None, Some(Option82::Ours { unicast })) => (true, unicast),
            (None, _) => (false, false),
        };
        let request = request.cloned();
        Ok(Reply { server, message, kind, hardware, echo, request, line, fpc, epoch, ours, unicast })
    }

    fn answer(&mut self, mut reply: Reply<'_>, authenticated: bool, now: Instant) -> Result<(), Reason> {
        if reply.ours && reply.kind != kind::NAK {
            let observation = observe(&reply);
            self.commands.push_back(Command::Heard { server: reply.server, observation, authenticated });
        }
        let card = &self.cards[usize::from(reply.fpc.0)];
        if reply.kind == kind::NAK {
            let address = reply.request.as_ref().and_then(|request| request.address);
            let (hardware, line, server) = (reply.hardware, reply.line, reply.server);
            self.commands.push_back(Command::Refused { address, hardware, line, server });
        } else if card.frozen {
            return Err(Reason::Frozen);
        } else if reply.epoch < card.epoch {
            return Err(Reason::StaleEpoch);
        } else if !reply.message.yiaddr().is_unspecified() && !self.is_fit(reply.message.yiaddr()) {
            return Err(Reason::UnfitLease);
        }
        let remembered = reply.request.as_mut().and_then(|request| request.client_id.take());
        if let Some(login) = self.login(&reply, remembered, now) {
            if login.scope.is_none() {
                self.counters.add(Reason::UntaggedLogin);
            }
            self.commands.push_back(Command::Bound(Box::new(login)));
        }
        let command = to_client(&reply);
        self.commands.push_back(Command::ToClient(command));
        Ok(())
    }

    /// The login that an ACK makes. An ACK to INFORM makes none: it has neither address nor lease time (RFC 2131
    /// 4.3.5).
    fn login(&self, reply: &Reply<'_>, client_id: Option<Box<[u8]>>, now: Instant) -> Option<Login> {
        let message = &reply.message;
        if reply.kind != kind::ACK || message.yiaddr().is_unspecified() {
            return None;
        }
        let expires = expiry(message.u32_option(code::LEASE_TIME)?, now)?;
        let card = &self.cards[usize::from(reply.fpc.0)];
        // as the client sent it; a server need not repeat it before RFC 6842
        let client_id = client_id.or_else(|| message.option(code::CLIENT_ID).map(|id| id.into_owned().into()));
        let agent_information = if reply.ours {
            let mut value = Vec::with_capacity(160);
            card.write(&mut value, &self.config, reply.line, reply.hardware, reply.unicast);
            value.into_boxed_slice()
        } else {
            message.agent_information().unwrap_or_default().into()
        };
        let echo = reply.echo.filter(|echo| reply.ours && echo.ours);
        Some(Login {
            address: message.yiaddr(),
            hardware: reply.hardware,
            client_id,
            line: reply.line,
            fpc: reply.fpc,
            epoch: reply.epoch,
            server: reply.server,
            server_identifier: message.address_option(code::SERVER_ID).unwrap_or(reply.server),
            giaddr: message.giaddr(),
            agent_information,
            scope: echo.and_then(|echo| card.echoed_scope(&echo, &self.config)),
            at: now,
            expires,
        })
    }

    /// The authentication policy for replies (RFC 4030 8): a signature that is there must be right, and may have to be
    /// there; returns whether it is. The counter is looked at before the MAC and accepted after it.
    ///
    /// A server that knows RFC 3046 only echoes our own signature with the rest of option 82. That is known by its
    /// counter, and counts as no signature: who could forge it could as well leave it out.
    fn authenticate(&mut self, server: Ipv4Addr, octets: &[u8]) -> Result<bool, Reason> {
        let Some(authentication) = &self.config.authentication else { return Ok(false) };
        let window = self.windows.entry(server).or_insert_with(|| match authentication.sliding_window {
            true => ReplayWindow::sliding(None),
            false => ReplayWindow::strict(None),
        });
        let judged = match Claim::find(octets) {
            Err(AuthError::Missing) if !authentication.require_replies => return Ok(false),
            Err(_) => false,
            Ok(claim) => {
                let keys = core::slice::from_ref(&authentication.key);
                let echoed = claim.key_id == authentication.key.id && self.replay.gave(server, claim.replay);
                if echoed && !authentication.require_replies {
                    let mac = claim.mac(octets).unwrap_or_default();
                    if self.signed.made(server, claim.replay, mac) || claim.verify(octets, keys).is_err() {
                        return Ok(false);
                    }
                }
                let right = window.check(claim.replay).is_ok() && claim.verify(octets, keys).is_ok();
                if right {
                    window.accept(claim.replay);
                }
                right
            }
        };
        if judged {
            return Ok(true);
        }
        self.commands.push_back(Command::Heard {
            server,
            observation: Observation::AuthenticationFailed,
            authenticated: false,
        });
        Err(Reason::Unauthenticated)
    }
}

/// When a lease of so many seconds ends; `None` for one of no time at all.
pub(super) fn expiry(seconds: u32, now: Instant) -> Option<Instant> {
    match seconds {
        0 => None,
        u32::MAX => Some(Instant::NEVER),
        seconds => Some(now + Duration::from_secs(seconds.into())),
    }
}

/// What the reply to a message that carried our option 82 shows (wire format 2b, capability state).
fn observe(reply: &Reply<'_>) -> Observation {
    if reply.message.agent_count() == 0 {
        return Observation::NoOption82;
    }
    let capability = reply.echo.filter(|echo| echo.ours).and_then(|echo| echo.capability);
    match capability {
        None => Observation::CapMissing,
        Some(capability) if capability.flags & Capability::SERVER_REFUSED != 0 => Observation::Refused,
        Some(Capability { version: Capability::VERSION, flags, max_scopes })
            if flags & Capability::SERVER_CAPABLE != 0 =>
        {
            Observation::Capable { max_scopes, will_reply: flags & Capability::WILL_REPLY != 0 }
        }
        Some(_) => Observation::EchoedVerbatim,
    }
}

/// Where the client hears it (RFC 2131 4.1, RFC 1542 5.4): by broadcast when it asks for that or has no address yet
/// to be reached by, as with a NAK; otherwise by unicast to the address it gets, or has.
fn to_client(reply: &Reply<'_>) -> ToClient {
    let message = &reply.message;
    let address = [message.yiaddr(), message.ciaddr()].into_iter().find(|address| !address.is_unspecified());
    let unicast = if reply.kind == kind::NAK || message.broadcast() { None } else { address };
    let (destination_mac, destination) = match (unicast, reply.hardware.mac()) {
        (Some(address), Some(mac)) => (mac, address),
        _ => (BROADCAST_MAC, Ipv4Addr::BROADCAST),
    };
    // an option 82 from below goes back unaltered to the access node that made it (H-BR-5)
    let payload = if reply.ours { relay_down(message) } else { message.octets().to_vec() };
    ToClient { line: reply.line, destination_mac, source: message.giaddr(), destination, payload }
}
