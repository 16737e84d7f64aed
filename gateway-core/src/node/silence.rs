//! Whether subscribers are still there, as the node finds it out: what the data plane has seen first, then questions, then
//! releases in the names of those who are gone.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::HashMap;

use super::presence::Sights;
use super::six::Six;
use super::{Command, Event, Node, Probe};
use crate::fpc::{Fpcs, LinkEvent, State};
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::liveness::{self, Liveness, LivenessConfig, Subscriber};
use crate::relay::Relay;
use crate::session::{Session, Sessions};
use crate::sightings::LAG;
use crate::time::{Duration, Instant};
use crate::wire::neighbour::{Neighbour, NeighbourKind};

/// Sessions of DHCPv4 that are looked at of one subscriber, which may invent client-ids; and that are released at a time.
const SESSIONS: usize = 64;
/// Sessions, or leases, that are looked at in one go…
const PAGE: usize = 2048;
/// …and the time between two, in which packets have their turn.
const PAUSE: Duration = Duration::from_millis(10);

/// How far a sweep is.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    /// The table: sessions of DHCPv4, then leases of DHCPv6.
    six: bool,
    /// The slot to go on from.
    from: u32,
    next: Instant,
}

#[derive(Debug)]
pub(super) struct Silence {
    liveness: Liveness,
    sweep: Option<Sweep>,
    /// Since when ports have had a carrier. Silence before that means nothing.
    up: HashMap<PortId, Instant>,
}

impl Silence {
    pub(super) fn new(now: Instant) -> Self {
        Self { liveness: Liveness::new(LivenessConfig::default(), now), sweep: None, up: HashMap::new() }
    }

    pub(super) fn handle_link(&mut self, port: PortId, event: LinkEvent, now: Instant) {
        self.liveness.handle_port(port, event == LinkEvent::Up);
        if event == LinkEvent::Up {
            self.up.entry(port).or_insert(now);
        } else {
            self.up.remove(&port);
        }
    }

    /// Somebody said something that the data plane does not count.
    pub(super) fn heard(&mut self, line: Line, mac: [u8; 6]) {
        self.liveness.handle_answer(line, mac);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.sweep.map(|sweep| sweep.next), self.liveness.poll_timeout()].into_iter().flatten().min()
    }
}

/// What is known of when subscribers were there.
struct Look<'a> {
    sessions: &'a Sessions,
    relay: &'a Relay,
    six: Option<&'a Six>,
    sights: Sights<'a>,
    up: &'a HashMap<PortId, Instant>,
}

impl Look<'_> {
    /// Whether a session is that of a client which logged in by itself: it is not from the configuration, and no relay below
    /// spoke for it.
    fn is_own(&self, session: &Session) -> bool {
        let fpc = usize::from(self.sessions.fpc(session).0);
        !session.is_static && self.relay.config().fpcs.get(fpc).is_some_and(|fpc| fpc.giaddr == session.giaddr)
    }

    /// The sessions of DHCPv4 of a subscriber: one for each client-id, as of a boot ROM and the system that it loads.
    fn sessions(&self, line: Line, mac: [u8; 6]) -> impl Iterator<Item = &Session> {
        let sessions = self.sessions.of_hardware(line, HardwareAddress::ethernet(mac)).map(|(_, session)| session);
        sessions.filter(|session| self.is_own(session)).take(SESSIONS)
    }

    /// The latest by which it was there by IPv4, and the address that it used then.
    fn latest(&self, line: Line, mac: [u8; 6]) -> Option<(Instant, Ipv4Addr)> {
        self.sessions(line, mac).map(|session| (self.by_ipv4(session), session.address)).max()
    }

    /// When the subscriber of a session was last seen by IPv4. [`Instant::NEVER`], which is always enough, when nobody can
    /// tell.
    fn by_ipv4(&self, session: &Session) -> Instant {
        let seen = self
            .sessions
            .slot(session.address)
            .map_or(Instant::NEVER, |slot| self.sights.of_session(slot).latest(self.sights.now()));
        let up = self.up.get(&session.line.port).copied().unwrap_or(Instant::NEVER);
        seen.max(session.at).max(up)
    }

    /// The same by IPv6. `None`: it has no lease that is known to be its own.
    fn by_ipv6(&self, line: Line, mac: [u8; 6]) -> Option<Instant> {
        let sessions = &self.six?.sessions;
        let direct = sessions.of_subscriber(line, mac).filter(|session| !session.relayed);
        let leases = direct.flat_map(|session| sessions.leases(session));
        let seen = leases.map(|(slot, lease)| self.sights.of_lease(slot).latest(self.sights.now()).max(lease.at));
        let up = self.up.get(&line.port).copied().unwrap_or(Instant::NEVER);
        Some(seen.max()?.max(up))
    }

    /// The latest by which it was there; `None` when it has neither session nor lease.
    fn last(&self, subscriber: &Subscriber) -> Option<Instant> {
        let Subscriber { line, mac, .. } = *subscriber;
        self.latest(line, mac).map(|(seen, _)| seen).max(self.by_ipv6(line, mac))
    }

    /// Where it can be asked by IPv6: the link-local address that it spoke to the relay from has every node; but an answer
    /// for an address of its own is seen in the data plane.
    fn target6(&self, line: Line, mac: [u8; 6]) -> Option<Ipv6Addr> {
        let sessions = &self.six?.sessions;
        let session = sessions.of_subscriber(line, mac).find(|session| !session.relayed)?;
        let address = sessions.leases(session).map(|(_, lease)| lease.prefix).find(|prefix| prefix.length() == 128);
        address.map(|prefix| prefix.address()).or(Some(session.peer).filter(Ipv6Addr::is_unicast_link_local))
    }
}

/// Whether whoever is behind a card can be judged.
fn is_in_service(fpcs: &Fpcs, fpc: FpcId) -> bool {
    fpcs.frozen(fpc).is_none() && matches!(fpcs.state(fpc), State::Up)
}

impl Node {
    /// From now on silent subscribers are asked whether they are there, and those who are not are logged out. It takes
    /// somebody who can tell when they were seen ([`Node::handle_dataplane`]).
    pub fn watch(&mut self, config: LivenessConfig, now: Instant) {
        let lag = if self.shared.is_some() { LAG } else { Duration::ZERO };
        let config = LivenessConfig { lag, ..config };
        self.silence.liveness = Liveness::new(config, now);
    }

    /// A neighbour advertisement of a subscriber for an address that no lease is of: the answer to a question.
    pub fn handle_advertisement(&mut self, port: PortId, frame: &[u8], now: Instant) {
        let Ok(Neighbour { kind: NeighbourKind::Advertisement, tags, source_mac, .. }) = Neighbour::parse(frame) else {
            return;
        };
        let line = Line { port, tags };
        self.silence.heard(line, source_mac);
        // As the data plane does with an answer for an address of a lease.
        let Some(sessions) = self.six.as_ref().map(|six| &six.sessions) else { return };
        let mut direct = sessions.of_subscriber(line, source_mac).filter(|session| !session.relayed);
        if let Some((slot, _)) = direct.find_map(|session| sessions.leases(session).next()) {
            self.commands.push_back(Command::SetSeen6 { slot, at: now });
        }
    }

    /// What liveness counts.
    pub fn liveness_counters(&self) -> liveness::Counters {
        self.silence.liveness.counters()
    }

    /// Goes on with a sweep, and asks whom it is time to ask.
    pub(super) fn look_for_silent(&mut self, now: Instant) {
        let Self { silence: Silence { liveness, sweep, up }, sessions, relay, six, seen, shared, fpcs, random, .. } =
            self;
        let sights = Sights::new(&**seen, shared.as_deref(), now);
        let look = Look { sessions, relay, six: six.as_deref(), sights, up };
        if let Some(Sweep { six, from, .. }) = sweep.filter(|sweep| sweep.next <= now) {
            let next = if six { look.page6(from, liveness, fpcs, now) } else { look.page4(from, liveness, fpcs, now) };
            *sweep = match next {
                Some(from) => Some(Sweep { six, from, next: now + PAUSE }),
                None => (!six).then_some(Sweep { six: true, from: 0, next: now + PAUSE }),
            };
        }
        liveness.handle_timeout(|subscriber| look.last(subscriber), || random.next(), now);
        while let Some(command) = self.silence.liveness.poll_command() {
            match command {
                liveness::Command::Sweep => {
                    self.silence.sweep.get_or_insert(Sweep { six: false, from: 0, next: now });
                }
                liveness::Command::Probe(subscriber) => self.probe(subscriber),
                liveness::Command::Gone { subscriber, again } => self.unavailable(subscriber, again, now),
            }
        }
    }

    fn probe(&mut self, subscriber: Subscriber) {
        let Subscriber { fpc, line, mac, ipv4, ipv6 } = subscriber;
        // Who asks in the name of the address that all members share would teach the subscriber a MAC for it. An ARP probe
        // (RFC 5227) teaches nothing, and is answered all the same.
        let fpc = self.relay.config().fpcs.get(usize::from(fpc.0));
        let giaddr = fpc.map(|fpc| if self.shared.is_some() { Ipv4Addr::UNSPECIFIED } else { fpc.giaddr });
        self.commands.push_back(Command::Probe(Probe { line, mac, ipv4: giaddr.zip(ipv4), ipv6 }));
    }

    /// A subscriber does not answer: all that it has is released in its name, DHCPv6 where the operator wants that (RR-8).
    /// `again`: that was told, and whatever is left of it may be left for long.
    fn unavailable(&mut self, subscriber: Subscriber, again: bool, now: Instant) {
        let Subscriber { line, mac, .. } = subscriber;
        let hardware = HardwareAddress::ethernet(mac);
        let Self { silence, sessions, relay, six, .. } = &*self;
        let look = Look { sessions, relay, six: six.as_deref(), sights: self.sights(now), up: &silence.up };
        let addresses: Vec<Ipv4Addr> = look.sessions(line, mac).map(|session| session.address).collect();
        for address in &addresses {
            self.with_releases(|releases, context| releases.handle_logout(*address, context, now));
        }
        let clients = self.unavailable6(line, mac, now);
        if !again || !addresses.is_empty() || clients > 0 {
            self.tell(Event::Unavailable { hardware, line, addresses, clients });
        }
    }
}

impl Look<'_> {
    /// A page of the sessions of DHCPv4; the slot to go on from.
    fn page4(&self, from: u32, liveness: &mut Liveness, fpcs: &Fpcs, now: Instant) -> Option<u32> {
        let (mut sessions, lag) = (self.sessions.iter_from(from), self.sights.lag());
        for (_, session) in sessions.by_ref().take(PAGE) {
            let fpc = self.sessions.fpc(session);
            let Some(mac) = session.hardware.mac() else { continue };
            // Most are seen all the time, and nothing else is looked up of them.
            let is_silent = |seen| liveness.is_silent(fpc, session.line.port, seen, now);
            let seen = self.by_ipv4(session);
            if is_silent(seen + lag) && is_in_service(fpcs, fpc) && self.is_own(session) {
                let line = session.line;
                let (seen, address) = self.latest(line, mac).unwrap_or((seen, session.address));
                let seen = Some(seen).max(self.by_ipv6(line, mac)).unwrap_or(seen);
                let (ipv4, ipv6) = (Some(address), self.target6(line, mac));
                liveness.handle_seen(Subscriber { fpc, line, mac, ipv4, ipv6 }, seen, now);
            }
        }
        sessions.next().map(|(slot, _)| slot)
    }

    /// A page of the leases of DHCPv6, as far as their subscribers have no session of DHCPv4.
    fn page6(&self, from: u32, liveness: &mut Liveness, fpcs: &Fpcs, now: Instant) -> Option<u32> {
        let sessions = &self.six?.sessions;
        let (mut leases, lag) = (sessions.iter_from(from), self.sights.lag());
        for (slot, lease, session) in leases.by_ref().take(PAGE) {
            let (line, mac) = (session.line, session.mac);
            let Some(fpc) = sessions.cohort(lease.cohort).map(|cohort| cohort.fpc) else { continue };
            let seen = self.sights.of_lease(slot).latest(self.sights.now()).max(lease.at);
            if session.relayed || !liveness.is_silent(fpc, line.port, seen + lag, now) || !is_in_service(fpcs, fpc) {
                continue;
            }
            if self.sessions(line, mac).next().is_none() {
                let Some(seen) = self.by_ipv6(line, mac) else { continue };
                let ipv6 = self.target6(line, mac);
                liveness.handle_seen(Subscriber { fpc, line, mac, ipv4: None, ipv6 }, seen, now);
            }
        }
        leases.next().map(|(slot, _, _)| slot)
    }
}
