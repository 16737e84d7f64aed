//! A message came in: whose business it is.

use core::net::Ipv4Addr;

use super::Delegation;
use super::event::Event;
use super::message::answer_to;
use super::words::ServerId;
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{Message, REPLY, code, kind};
use crate::wire::subnet_allocation::SubnetAllocation;

/// Of each kind of mistake of others.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Whether a message was ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handled {
    /// It was about subnets, and who sent it may speak of them: a requester that may have some, or a provider with an ACK to what we
    /// asked. Nobody else may answer it (H-SN-21).
    Heeded,
    /// It was about subnets, and need not be from whom it says. Nobody else may answer it either.
    Taken,
    /// It is an ordinary client's, whatever its option 220 says: the address server may answer it.
    NotOurs,
}

/// Whether a message's authentication was looked at, and right (RFC 6704, RFC 3118).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proven {
    /// It was.
    Yes,
    /// There was none, or it was wrong.
    No,
}

/// A requester's message.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) message: &'a Message<'a>,
    pub(super) allocation: &'a SubnetAllocation<'a>,
    pub(super) who: ServerId,
    /// Where the answer goes; where it comes from, if that is not proven.
    pub(super) to: Ipv4Addr,
    /// What its hosts' messages have as giaddr, if it does not assign their addresses itself (H-SN-22).
    pub(super) relay: Ipv4Addr,
    pub(super) proven: bool,
}

impl Question<'_> {
    /// Whether the asker may speak of what is bound to its identity at this address: an identity alone is no secret (H-SN-20).
    pub(super) fn is_from(&self, at: Ipv4Addr) -> bool {
        self.proven || self.to == at
    }
}

/// A provider's message.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub(super) message: &'a Message<'a>,
    pub(super) allocation: &'a SubnetAllocation<'a>,
    /// Its option 54.
    pub(super) server: Ipv4Addr,
}

impl Delegation {
    /// A DHCP message that came to port 67, from `from`.
    pub fn handle_message(&mut self, octets: &[u8], from: Ipv4Addr, proven: Proven, now: Instant) -> Handled {
        let Ok(message) = Message::parse(octets) else { return Handled::NotOurs };
        let Some(allocation) = SubnetAllocation::read(&message) else { return Handled::NotOurs };
        let Some(identity) = message.option(code::CLIENT_ID).and_then(|identity| ServerId::new(&identity)) else {
            return if message.op() == REPLY {
                self.reply(&message, allocation, from, proven, now)
            } else {
                Handled::NotOurs
            };
        };
        if message.op() == REPLY {
            return self.reply(&message, allocation, from, proven, now);
        }
        let class = message.option(code::CLASS_ID);
        if self.config.class.as_ref().is_some_and(|ours| class.as_deref() != Some(ours)) {
            return Handled::NotOurs;
        }
        if identity == self.config.me {
            return Handled::Taken; // our own broadcast
        }
        match allocation {
            Err(why) => self.warn(Event::Malformed { from, why }, now),
            Ok(_) if !self.config.lessees.permit(&identity) => self.warn(Event::Stranger { who: identity }, now),
            Ok(_) if self.config.authenticate && proven == Proven::No => self.warn(Event::Unproven { from }, now),
            Ok(_) if proven == Proven::No && !is_direct(&message, from) => {
                self.warn(Event::Relayed { from, who: identity }, now);
            }
            Ok(allocation) => {
                let proven = proven == Proven::Yes;
                let to = answer_to(&message, from, proven);
                let relay = message.address_option(code::SUBNET_SELECTION).unwrap_or(to);
                let question =
                    Question { message: &message, allocation: &allocation, who: identity, to, relay, proven };
                self.question(&question, now);
                self.settle(now);
                return Handled::Heeded;
            }
        }
        Handled::Taken
    }

    /// H-SN-19: what a REQUEST is follows from options 54 and ciaddr.
    fn question(&mut self, question: &Question<'_>, now: Instant) {
        let message = question.message;
        let server = message.address_option(code::SERVER_ID);
        match (message.kind(), server) {
            (Some(kind::DISCOVER), _) if question.allocation.requests().any(|request| request.earlier) => {
                self.tell_earlier(question, now);
            }
            (Some(kind::DISCOVER), _) => self.discovered(question, now),
            (Some(kind::REQUEST), Some(server)) if server == self.config.address => self.accepted(question, now),
            (Some(kind::REQUEST), Some(_)) => self.accepted_elsewhere(question),
            (Some(kind::REQUEST), None) if !message.ciaddr().is_unspecified() => self.renewing(question, now),
            (Some(kind::RELEASE), Some(server)) if server == self.config.address => self.released(question, now),
            _ => {}
        }
    }

    fn reply(
        &mut self,
        message: &Message<'_>,
        allocation: Result<SubnetAllocation<'_>, crate::wire::Malformed>,
        from: Ipv4Addr,
        proven: Proven,
        now: Instant,
    ) -> Handled {
        let allocation = match allocation {
            Ok(allocation) => allocation,
            Err(why) => {
                self.warn(Event::Malformed { from, why }, now);
                return Handled::Taken;
            }
        };
        let Some(server) = message.address_option(code::SERVER_ID) else { return Handled::Taken };
        let force = message.kind() == Some(kind::FORCERENEW);
        if proven == Proven::No && (force || self.config.authenticate) {
            self.warn(Event::Unproven { from }, now);
            return Handled::Taken;
        }
        let reply = Reply { message, allocation: &allocation, server };
        let mut is_acknowledged = false;
        match message.kind() {
            Some(kind::OFFER) if allocation.informations().any(|information| information.flags.earlier) => {
                self.told_earlier(&reply, now);
            }
            Some(kind::OFFER) => self.offered(&reply, now),
            Some(kind::ACK) => is_acknowledged = self.acknowledged(&reply, now),
            Some(kind::NAK) => self.refused(&reply, now),
            Some(kind::FORCERENEW) => self.renew_now(&reply, now),
            _ => {}
        }
        self.settle(now);
        if is_acknowledged { Handled::Heeded } else { Handled::Taken }
    }

    /// What anybody can cause is told once in a while only.
    pub(super) fn warn(&mut self, event: Event, now: Instant) {
        let kind = core::mem::discriminant(&event);
        if self.warned.get(&kind).is_none_or(|at| now.since(*at) >= WARN_EVERY) {
            self.warned.insert(kind, now);
            self.tell(event);
        }
    }
}

/// Whether a message says that it comes from where it came from, and no relay agent had it in hand (RFC 2131 section 4.1: these
/// count hops; RFC 3046): what a subscriber sends reaches us through one (H-SN-21).
fn is_direct(message: &Message<'_>, from: Ipv4Addr) -> bool {
    let is_its = |address: Ipv4Addr| address.is_unspecified() || address == from;
    let is_relayed = message.hops() > 0 || message.agent_information().is_some();
    !is_relayed && is_its(message.giaddr()) && is_its(message.ciaddr())
}
