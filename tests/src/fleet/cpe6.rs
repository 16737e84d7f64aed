//! The DHCPv6 half of a CPE (RFC 8415 section 18.2): an address and a prefix. No socket, no clock, no randomness of its own.
//!
//! ```text
//!          start                    ADVERTISE                    REPLY
//!   Idle ──────────▶ Soliciting ────────────────▶ Requesting ───────────▶ Bound ◀──────┐
//!    ▲                   ▲                             │ 4 tries            │ T1       │ REPLY
//!    └── release         └─────────────────────────────┘                    ▼          │
//!                                                                        Renewing ─────┘
//! ```

use core::net::Ipv6Addr;
use core::time::Duration;

use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::{Binding, Builder, DuidBuf, IaKind, Message, Prefix, code, kind};

use super::cpe::Backoff;

/// What the CPE calls its IAs.
const IAID: u32 = 1;
/// Transmissions of a REQUEST before the client starts over.
const TRIES: u32 = 4;

/// Where a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the states of the picture above; Idle is a client that is off")]
pub enum State6 {
    Idle,
    Soliciting,
    Requesting,
    Bound,
    Renewing,
}

/// What a client has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its own address.
    pub address: Ipv6Addr,
    /// The prefix for what is behind it.
    pub prefix: Prefix,
    renew: Instant,
}

impl Held {
    /// An address of the prefix, of a host behind the CPE.
    pub fn inside(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.prefix.address().to_bits() | 0x1_0000_0000_0000_0002)
    }
}

/// The DHCPv6 half of a CPE.
#[derive(Clone, Debug)]
pub struct Cpe6 {
    duid: DuidBuf,
    backoff: Backoff,
    state: State6,
    xid: u32,
    tries: u32,
    began: Instant,
    deadline: Option<Instant>,
    server: Option<DuidBuf>,
    held: Option<Held>,
}

impl Cpe6 {
    /// A client that is off.
    pub fn new(mac: [u8; 6], backoff: Backoff) -> Self {
        Self {
            duid: DuidBuf::link_layer(mac),
            backoff,
            state: State6::Idle,
            xid: 0,
            tries: 0,
            began: Instant::ZERO,
            deadline: None,
            server: None,
            held: None,
        }
    }

    /// Where it is.
    pub fn state(&self) -> State6 {
        self.state
    }

    /// What it has.
    pub fn held(&self) -> Option<Held> {
        self.held
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// A SOLICIT.
    pub fn start(&mut self, now: Instant, random: u32) -> Vec<u8> {
        (self.server, self.held) = (None, None);
        self.enter(State6::Soliciting, now, random)
    }

    /// A RENEW, of a client that has something.
    pub fn renew(&mut self, now: Instant, random: u32) -> Option<Vec<u8>> {
        self.held.is_some().then(|| self.enter(State6::Renewing, now, random))
    }

    /// A RELEASE. Its answer is not waited for.
    pub fn release(&mut self, random: u32) -> Option<Vec<u8>> {
        self.held?;
        self.xid = random;
        let message = self.message(kind::RELEASE, Duration::ZERO);
        self.power_off();
        Some(message)
    }

    /// Says nothing any more.
    pub fn power_off(&mut self) {
        (self.state, self.deadline, self.held) = (State6::Idle, None, None);
    }

    /// The time of [`Self::deadline`] has come.
    pub fn handle_timeout(&mut self, now: Instant, random: u32) -> Option<Vec<u8>> {
        match self.state {
            State6::Idle => None,
            State6::Bound => self.renew(now, random),
            State6::Requesting if self.tries >= TRIES => Some(self.start(now, random)),
            _ => Some(self.transmit(now, random)),
        }
    }

    /// A message of a server; whether it meant something, and what to say then.
    pub fn handle(&mut self, message: &Message<'_>, now: Instant, random: u32) -> (bool, Option<Vec<u8>>) {
        let ours = message.client_id().ok().flatten() == Some(self.duid.as_duid()) && message.xid() == self.xid;
        let server = message.server_id().ok().flatten();
        let (true, Some(server)) = (ours, server) else { return (false, None) };
        let Some(held) = held(message, now) else { return (false, None) };
        match (message.kind(), self.state) {
            (kind::ADVERTISE, State6::Soliciting) => {
                (self.server, self.held) = (Some(server.to_owned()), Some(held));
                (true, Some(self.enter(State6::Requesting, now, random)))
            }
            (kind::REPLY, State6::Requesting | State6::Renewing) => {
                (self.state, self.held, self.deadline) = (State6::Bound, Some(held), Some(held.renew));
                (true, None)
            }
            _ => (false, None),
        }
    }

    fn enter(&mut self, state: State6, now: Instant, random: u32) -> Vec<u8> {
        (self.state, self.tries, self.began, self.xid) = (state, 0, now, random & 0xff_ffff);
        self.transmit(now, random)
    }

    fn transmit(&mut self, now: Instant, random: u32) -> Vec<u8> {
        self.deadline = Some(now + self.backoff.after(self.tries, random));
        self.tries += 1;
        let kind = match self.state {
            State6::Requesting => kind::REQUEST,
            State6::Renewing => kind::RENEW,
            _ => kind::SOLICIT,
        };
        self.message(kind, now.since(self.began))
    }

    fn message(&self, kind: u8, elapsed: Duration) -> Vec<u8> {
        let mut out = Builder::message(kind, self.xid);
        out.duid(code::CLIENT_ID, self.duid.as_duid());
        out.u16(code::ELAPSED_TIME, (elapsed.as_millis() / 10) as u16);
        if let Some(server) = self.server.as_ref().filter(|_| kind != kind::SOLICIT) {
            out.duid(code::SERVER_ID, server.as_duid());
        }
        for ia in [IaKind::Na, IaKind::Pd] {
            out.ia(ia, IAID, [0, 0], |out| {
                if let Some(held) = self.held {
                    let binding = match ia {
                        IaKind::Pd => Binding::Prefix(held.prefix),
                        _ => Binding::Address(held.address),
                    };
                    out.lease(binding, [0, 0], |_| {});
                }
            });
        }
        out.finish().expect("a short message")
    }
}

/// What a message grants: both, or nothing.
fn held(message: &Message<'_>, now: Instant) -> Option<Held> {
    let ias = message.ias().ok()?;
    let find = |kind: IaKind| ias.iter().find(|ia| (ia.kind, ia.iaid) == (kind, IAID));
    let lease = |kind: IaKind| find(kind)?.leases().find(|lease| lease.valid > 0);
    let (address, prefix) = (lease(IaKind::Na)?.binding.prefix().address(), lease(IaKind::Pd)?.binding.prefix());
    let renew = now + Duration::from_secs(find(IaKind::Na)?.t1.max(1).into());
    Some(Held { address, prefix, renew })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(1_000_000_000);

    fn answer(kind: u8, to: &[u8], cpe: &Cpe6) -> Vec<u8> {
        let asked = Message::parse(to).unwrap();
        let mut out = Builder::message(kind, asked.xid());
        out.duid(code::CLIENT_ID, cpe.duid.as_duid());
        out.duid(code::SERVER_ID, DuidBuf::link_layer([9; 6]).as_duid());
        let prefix = Prefix::new("2001:db8:8000::".parse().unwrap(), 56).unwrap();
        for (kind, binding) in
            [(IaKind::Na, Binding::Address("2001:db8:1::7".parse().unwrap())), (IaKind::Pd, Binding::Prefix(prefix))]
        {
            out.ia(kind, IAID, [10, 20], |out| {
                out.lease(binding, [30, 40], |_| {});
            });
        }
        out.finish().unwrap()
    }

    /// From nothing to an address and a prefix, a renewal at T1, and a RELEASE; repeated while nobody answers.
    #[test]
    fn a_life() {
        let mut cpe = Cpe6::new([2, 0, 0, 0, 0, 1], Backoff::default());
        let kind_of = |octets: &[u8]| Message::parse(octets).unwrap().kind();
        let solicit = cpe.start(NOW, 7);
        let again = cpe.handle_timeout(cpe.deadline().unwrap(), 8).unwrap();
        assert_eq!((kind_of(&solicit), &solicit[..4]), (kind::SOLICIT, &again[..4]));
        let advertise = answer(kind::ADVERTISE, &again, &cpe);
        let (heard, request) = cpe.handle(&Message::parse(&advertise).unwrap(), NOW, 9);
        let request = request.unwrap();
        assert!(heard && kind_of(&request) == kind::REQUEST);
        assert_eq!(cpe.handle(&Message::parse(&advertise).unwrap(), NOW, 9), (false, None), "a second one");
        let reply = answer(kind::REPLY, &request, &cpe);
        assert_eq!(cpe.handle(&Message::parse(&reply).unwrap(), NOW, 10), (true, None));
        let held = cpe.held().unwrap();
        assert!(held.prefix.contains(held.inside()) && cpe.state() == State6::Bound);
        assert_eq!(cpe.deadline(), Some(NOW + Duration::from_secs(10)));
        let renew = cpe.handle_timeout(NOW + Duration::from_secs(10), 11).unwrap();
        assert_eq!((kind_of(&renew), cpe.state()), (kind::RENEW, State6::Renewing));
        assert_eq!(kind_of(&cpe.release(12).unwrap()), kind::RELEASE);
        assert_eq!((cpe.state(), cpe.deadline(), cpe.release(13)), (State6::Idle, None, None));
    }
}
