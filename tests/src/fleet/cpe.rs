//! One DHCP client, by RFC 2131 figure 5: no socket, no clock, no randomness of its own.
//!
//! ```text
//!            start                    OFFER                       ACK
//!   Idle ──────────▶ Selecting ───────────────▶ Requesting ──────────────▶ Bound ◀──────────┐
//!    ▲ ▲  reboot                                    │ NAK, 4 tries          │ T1            │ ACK
//!    │ └──────────── Rebooting ── ACK ▶ Bound       ▼                       ▼               │
//!    │ release, decline   │ NAK, 4 tries        Selecting                Renewing ──────────┤
//!    │                    ▼                                                 │ T2            │
//!    └──────── any    Selecting ◀────────── NAK, lease over ──────────── Rebinding ─────────┘
//! ```

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use gateway_common::vlan::VlanTags;
use gateway_core::line::HardwareAddress;
use gateway_core::time::Instant;
use gateway_core::wire::dhcp4::{BROADCAST, Builder, CLIENT_PORT, Message, REQUEST, SERVER_PORT, code, kind};

/// Who a client is and how it speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its MAC.
    pub mac: [u8; 6],
    /// Tags of its frames.
    pub tags: VlanTags,
    /// Option 61.
    pub client_id: Option<Vec<u8>>,
    /// Ask for answers by broadcast, as a client does that can't take unicast before it has an address.
    pub broadcast: bool,
    /// Lease time to ask for (option 51).
    pub lease: Option<Duration>,
}

/// When to send again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// Before the second transmission. RFC 2131 4.1 says 4 s, give or take one.
    pub first: Duration,
    /// The most; it doubles up to here. RFC 2131 says 64 s.
    pub most: Duration,
    /// Least time between two attempts to renew. RFC 2131 4.4.5 says 60 s.
    pub renew: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { first: seconds(4), most: seconds(64), renew: seconds(60) }
    }
}

impl Backoff {
    /// The wait after transmission number `tries` (from 0), off by up to a quarter of the first wait: RFC 2131's second.
    pub(super) fn after(&self, tries: u32, random: u32) -> Duration {
        let wait = self.first.saturating_mul(1 << tries.min(16)).min(self.most);
        let jitter = self.first / 2 * (random % 1024) / 1024;
        (wait + jitter).saturating_sub(self.first / 4)
    }
}

/// Where a client is in RFC 2131 figure 5.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names of RFC 2131 figure 5; Idle is a client that is off")]
pub enum State {
    Idle,
    Selecting,
    Requesting,
    Rebooting,
    Bound,
    Renewing,
    Rebinding,
}

impl State {
    /// Whether the client has an address that it may use.
    pub fn has_address(self) -> bool {
        matches!(self, Self::Bound | Self::Renewing | Self::Rebinding)
    }
}

/// A lease as the client knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Option 54.
    pub server: Ipv4Addr,
    /// First router of option 3.
    pub router: Option<Ipv4Addr>,
    /// T1, T2 and the end.
    pub times: [Instant; 3],
}

/// A message to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// From 0.0.0.0 or the client's address, to the limited broadcast or the server.
    pub source: SocketAddrV4,
    /// See `source`. Unless it is the broadcast, it goes by way of the router.
    pub destination: SocketAddrV4,
    /// A DHCP message.
    pub payload: Vec<u8>,
}

/// What a message from a server did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Nothing: of another exchange, a second offer, or not for this state.
    Nothing,
    /// An offer was taken.
    Offer(Outgoing),
    /// A lease began or was extended.
    Ack,
    /// Configuration for INFORM.
    Informed,
    /// Refused: it starts again.
    Nak(Outgoing),
}

/// A client.
#[derive(Clone, Debug)]
pub struct Cpe {
    identity: Identity,
    backoff: Backoff,
    state: State,
    xid: u32,
    /// Transmissions of the current message.
    tries: u32,
    began: Instant,
    deadline: Option<Instant>,
    lease: Option<Lease>,
    /// Offered, or wanted after a reboot.
    wanted: Option<(Ipv4Addr, Option<Ipv4Addr>)>,
    informing: bool,
}

/// Transmissions of a REQUEST before the client starts over (RFC 2131 4.4.3 and 3.1 step 5).
const TRIES: u32 = 4;
const ASKED: [u8; 6] = [code::SUBNET_MASK, code::ROUTER, code::DNS, code::LEASE_TIME, code::T1, code::T2];
const EVERYBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);

impl Cpe {
    /// A client that is off.
    pub fn new(identity: Identity, backoff: Backoff) -> Self {
        Self {
            identity,
            backoff,
            state: State::Idle,
            xid: 0,
            tries: 0,
            began: Instant::ZERO,
            deadline: None,
            lease: None,
            wanted: None,
            informing: false,
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Its lease. Kept through [`Self::power_off`] for a reboot; [`State::has_address`] says whether it is in use.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// The address in use.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.lease.as_ref().filter(|_| self.state.has_address()).map(|lease| lease.address)
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// INIT: a DISCOVER. `random` makes its transaction number and jitter.
    pub fn start(&mut self, now: Instant, random: u32) -> Outgoing {
        self.lease = None;
        self.enter(State::Selecting, now, random);
        self.transmit(now, random)
    }

    /// INIT-REBOOT: asks for the address it had; a DISCOVER when it had none.
    pub fn reboot(&mut self, now: Instant, random: u32) -> Outgoing {
        match self.lease.take() {
            None => self.start(now, random),
            Some(lease) => {
                self.wanted = Some((lease.address, None));
                self.enter(State::Rebooting, now, random);
                self.transmit(now, random)
            }
        }
    }

    /// RENEWING ahead of T1. `None` unless bound.
    pub fn renew(&mut self, now: Instant, random: u32) -> Option<Outgoing> {
        (self.state == State::Bound).then(|| {
            self.enter(State::Renewing, now, random);
            self.transmit(now, random)
        })
    }

    /// REBINDING ahead of T2. `None` without an address.
    pub fn rebind(&mut self, now: Instant, random: u32) -> Option<Outgoing> {
        self.state.has_address().then(|| {
            self.enter(State::Rebinding, now, random);
            self.transmit(now, random)
        })
    }

    /// RELEASE. `None` without an address. No answer exists.
    pub fn release(&mut self, random: u32) -> Option<Outgoing> {
        let lease = *self.lease.as_ref().filter(|_| self.state.has_address())?;
        self.power_off();
        self.lease = None;
        self.xid = random;
        let message = self.message(kind::RELEASE).ciaddr(lease.address).address(code::SERVER_ID, lease.server);
        Some(unicast(&lease, message.finish()))
    }

    /// DECLINE, as if somebody else was found to use the address. `None` without one.
    pub fn decline(&mut self, random: u32) -> Option<Outgoing> {
        let lease = *self.lease.as_ref().filter(|_| self.state.has_address())?;
        self.power_off();
        self.lease = None;
        self.xid = random;
        let message = self.message(kind::DECLINE);
        let message = message.address(code::REQUESTED_IP, lease.address).address(code::SERVER_ID, lease.server);
        Some(broadcast(message.finish()))
    }

    /// INFORM with the address it has. `None` without one.
    pub fn inform(&mut self, random: u32) -> Option<Outgoing> {
        let lease = *self.lease.as_ref().filter(|_| self.state.has_address())?;
        self.xid = random;
        self.informing = true;
        let message = self.message(kind::INFORM).ciaddr(lease.address).option(code::PARAMETER_LIST, &ASKED);
        Some(Outgoing { destination: EVERYBODY, ..unicast(&lease, message.finish()) })
    }

    /// Power is gone: nothing is said to anybody. The lease is remembered for [`Self::reboot`].
    pub fn power_off(&mut self) {
        (self.state, self.deadline, self.wanted, self.informing) = (State::Idle, None, None, false);
    }

    /// A message from a server reached this client.
    pub fn handle(&mut self, message: &Message<'_>, now: Instant, random: u32) -> Heard {
        let ours = message.op() != REQUEST
            && message.xid() == self.xid
            && message.hardware() == HardwareAddress::ethernet(self.identity.mac);
        if !ours {
            return Heard::Nothing;
        }
        match (self.state, message.kind()) {
            (State::Selecting, Some(kind::OFFER)) if !message.yiaddr().is_unspecified() => {
                let Some(server) = message.address_option(code::SERVER_ID) else { return Heard::Nothing };
                self.wanted = Some((message.yiaddr(), Some(server)));
                (self.state, self.tries) = (State::Requesting, 0);
                Heard::Offer(self.transmit(now, random))
            }
            (_, Some(kind::ACK)) if core::mem::take(&mut self.informing) => Heard::Informed,
            (State::Requesting | State::Rebooting | State::Renewing | State::Rebinding, Some(kind::ACK)) => {
                self.bind(message, now)
            }
            (State::Requesting | State::Rebooting | State::Renewing | State::Rebinding, Some(kind::NAK)) => {
                Heard::Nak(self.start(now, random))
            }
            _ => Heard::Nothing,
        }
    }

    /// A deadline has passed: what to send, if anything.
    pub fn handle_timeout(&mut self, now: Instant, random: u32) -> Option<Outgoing> {
        if self.deadline.is_none_or(|at| at > now) {
            return None;
        }
        self.deadline = None;
        let times = self.lease.map(|lease| lease.times);
        match (self.state, times) {
            (State::Idle, _) => None,
            (State::Selecting, _) => Some(self.transmit(now, random)),
            (State::Requesting | State::Rebooting, _) if self.tries < TRIES => Some(self.transmit(now, random)),
            (State::Bound, Some(_)) => self.renew(now, random),
            (State::Renewing | State::Rebinding, Some([.., end])) if now >= end => Some(self.start(now, random)),
            (State::Renewing, Some([_, rebind, _])) if now >= rebind => self.rebind(now, random),
            (State::Renewing | State::Rebinding, Some(_)) => Some(self.transmit(now, random)),
            _ => Some(self.start(now, random)),
        }
    }

    fn enter(&mut self, state: State, now: Instant, random: u32) {
        (self.state, self.tries, self.xid, self.began) = (state, 0, random, now);
        self.informing = false;
    }

    fn bind(&mut self, message: &Message<'_>, now: Instant) -> Heard {
        let seconds = message.u32_option(code::LEASE_TIME).unwrap_or(u32::MAX);
        let Some(server) = message.address_option(code::SERVER_ID) else { return Heard::Nothing };
        let span = |seconds: u32| if seconds == u32::MAX { Duration::MAX } else { Duration::from_secs(seconds.into()) };
        // Counted from when the REQUEST was first sent (RFC 2131 4.4.1), of which `began` is a little before.
        let at = |seconds: u32| self.began + span(seconds);
        let part = |numerator: u32| if seconds == u32::MAX { seconds } else { seconds / 8 * numerator };
        let renew = message.u32_option(code::T1).unwrap_or(part(4));
        let rebind = message.u32_option(code::T2).unwrap_or(part(7));
        let routers = message.option(code::ROUTER);
        let router = routers.as_ref().and_then(|list| list.first_chunk::<4>()).map(|first| Ipv4Addr::from(*first));
        let times = [at(renew).max(now), at(rebind).max(now), at(seconds)];
        self.lease = Some(Lease { address: message.yiaddr(), server, router, times });
        (self.state, self.wanted) = (State::Bound, None);
        self.deadline = (times[0] != Instant::NEVER).then_some(times[0]);
        Heard::Ack
    }

    /// The message of the current state, again, and when the next one is due.
    fn transmit(&mut self, now: Instant, random: u32) -> Outgoing {
        let secs = u16::try_from(now.since(self.began).as_secs()).unwrap_or(u16::MAX);
        let wait = match (self.state, self.lease) {
            // Half of what is left to T2, or to the end (RFC 2131 4.4.5).
            (State::Renewing, Some(lease)) => self.half(lease.times[1].since(now)),
            (State::Rebinding, Some(lease)) => self.half(lease.times[2].since(now)),
            _ => self.backoff.after(self.tries, random),
        };
        self.deadline = Some(now + wait);
        self.tries += 1;
        let of = if self.state == State::Selecting { kind::DISCOVER } else { kind::REQUEST };
        let mut message = self.message(of).secs(secs);
        if let Some(lease) = self.identity.lease {
            message = message.number(code::LEASE_TIME, u32::try_from(lease.as_secs()).unwrap_or(u32::MAX));
        }
        if let Some((address, server)) = self.wanted.filter(|_| self.state != State::Selecting) {
            message = message.address(code::REQUESTED_IP, address);
            message = server.into_iter().fold(message, |message, server| message.address(code::SERVER_ID, server));
        }
        message = message.option(code::PARAMETER_LIST, &ASKED);
        match (self.state, self.lease) {
            (State::Renewing, Some(lease)) => unicast(&lease, message.ciaddr(lease.address).padded().finish()),
            (State::Rebinding, Some(lease)) => {
                let payload = message.ciaddr(lease.address).padded().finish();
                Outgoing { destination: EVERYBODY, ..unicast(&lease, payload) }
            }
            _ => broadcast(message.padded().finish()),
        }
    }

    fn half(&self, left: Duration) -> Duration {
        (left / 2).max(self.backoff.renew.min(left))
    }

    fn message(&self, kind: u8) -> Builder {
        let flags = if self.identity.broadcast { BROADCAST } else { 0 };
        let message = Builder::new(REQUEST).hardware(HardwareAddress::ethernet(self.identity.mac)).xid(self.xid);
        let message = message.flags(flags).kind(kind);
        match &self.identity.client_id {
            Some(id) => message.option(code::CLIENT_ID, id),
            None => message,
        }
    }
}

fn broadcast(payload: Vec<u8>) -> Outgoing {
    Outgoing { source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT), destination: EVERYBODY, payload }
}

fn unicast(lease: &Lease, payload: Vec<u8>) -> Outgoing {
    Outgoing {
        source: SocketAddrV4::new(lease.address, CLIENT_PORT),
        destination: SocketAddrV4::new(lease.server, SERVER_PORT),
        payload,
    }
}

#[cfg(test)]
#[path = "cpe_tests.rs"]
mod tests;
