//! All CPEs of a fleet together: frames and time in, frames out. No socket, no clock.

use core::net::Ipv4Addr;
use core::ops::Range;
use core::time::Duration;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use gateway_core::time::Instant;
use gateway_core::wire::dhcp4::{CLIENT_PORT, Message, code, kind};
use gateway_core::wire::frame::{BROADCAST_MAC, Datagram};

use super::config::{FleetConfig, NOWHERE};
use super::cpe::{Cpe, Heard, Outgoing, State};
use super::cpe6::{Cpe6, Held, State6};
use super::ether::Arp;
use super::flood::{Flood, FloodPlan, FloodReport};
use super::six::Six;
use super::stats::{Counters, Stats};
use super::traffic::{self, Run, TrafficPlan, TrafficReport};

/// What a CPE is told to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Log in from nothing.
    Start,
    /// Log in with the address it had.
    Reboot,
    /// Renew now.
    Renew,
    /// Rebind now.
    Rebind,
    /// Log out.
    Release,
    /// Refuse the address it has.
    Decline,
    /// Ask for configuration.
    Inform,
    /// Say nothing any more.
    PowerOff,
}

/// Frames made in one turn, so that receiving gets its turn too.
pub(super) const TURN: usize = 256;

/// The CPEs.
#[derive(Debug)]
pub struct Crowd {
    pub(super) config: FleetConfig,
    pub(super) cpes: Vec<Cpe>,
    /// Their IPv6, when they speak it.
    pub(super) six: Option<Six>,
    /// Each one's router, once it answered.
    routers: Vec<Option<[u8; 6]>>,
    /// Messages that wait for the router's MAC.
    waiting: HashMap<u32, Vec<Outgoing>>,
    by_address: HashMap<Ipv4Addr, u32>,
    timers: BinaryHeap<Reverse<(Instant, u32)>>,
    told: VecDeque<(u32, Action)>,
    next_told: Instant,
    pub(super) frames: VecDeque<Vec<u8>>,
    pub(super) run: Option<Run>,
    runs: u32,
    flood: Option<Flood>,
    pub(super) counters: Counters,
    random: u64,
}

impl Crowd {
    /// CPEs that are off.
    pub fn new(config: FleetConfig) -> Self {
        let cpes: Vec<Cpe> = (0..config.count).map(|index| Cpe::new(config.identity(index), config.backoff)).collect();
        Self {
            routers: vec![None; cpes.len()],
            six: config.ipv6.then(|| Six::new(&config)),
            cpes,
            waiting: HashMap::new(),
            by_address: HashMap::new(),
            timers: BinaryHeap::new(),
            told: VecDeque::new(),
            next_told: Instant::ZERO,
            frames: VecDeque::new(),
            run: None,
            runs: 0,
            flood: None,
            counters: Counters::default(),
            random: config.seed,
            config,
        }
    }

    /// Tells CPEs to do something, at the configured pace.
    pub fn tell(&mut self, which: Range<u32>, action: Action, now: Instant) {
        self.next_told = self.next_told.max(now);
        self.told.extend(which.filter(|index| *index < self.config.count).map(|index| (index, action)));
    }

    /// Whether everything told has been begun.
    pub fn has_begun(&self) -> bool {
        self.told.is_empty()
    }

    /// The CPEs.
    pub fn cpes(&self) -> &[Cpe] {
        &self.cpes
    }

    /// What each CPE has by DHCPv6; nothing when the fleet does not speak it.
    pub fn held6(&self) -> Vec<Option<Held>> {
        let six = self.six.iter();
        let bound = |cpe: &Cpe6| matches!(cpe.state(), State6::Bound | State6::Renewing);
        six.flat_map(|six| (0..self.config.count).map(|index| six.cpe(index)))
            .map(|cpe| cpe.held().filter(|_| bound(cpe)))
            .collect()
    }

    /// How many CPEs know their router's MAC.
    pub fn resolved(&self) -> usize {
        self.routers.iter().flatten().count()
    }

    /// How things are.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats { counters: self.counters, ..Stats::default() };
        for ((index, cpe), router) in (0..).zip(&self.cpes).zip(&self.routers) {
            let six = self.six.as_ref();
            match cpe.state() {
                State::Idle if six.is_some_and(|six| six.cpe(index).state() != State6::Idle) => stats.trying += 1,
                State::Idle => stats.idle += 1,
                State::Bound => stats.bound += 1,
                State::Renewing | State::Rebinding => stats.renewing += 1,
                State::Selecting | State::Requesting | State::Rebooting => stats.trying += 1,
            }
            let has_six = six.is_none_or(|six| six.is_ready(index));
            stats.ready += u32::from(cpe.address().is_some() && router.is_some() && has_six);
        }
        stats
    }

    /// Begins traffic from every CPE that has an address and its router's MAC. A run before it ends.
    pub fn start_traffic(&mut self, plan: TrafficPlan, now: Instant) {
        let ready = |index: &u32| {
            let has_six = self.six.as_ref().is_none_or(|six| six.is_ready(*index));
            let index = *index as usize;
            self.cpes[index].address().is_some() && self.routers[index].is_some() && has_six
        };
        let senders: Vec<u32> = (0..self.config.count).filter(ready).collect();
        self.runs += 1;
        self.run = Some(Run::new(self.runs, plan, senders, now));
    }

    /// What became of the traffic, and whether nothing more is to be expected.
    pub fn traffic(&self, now: Instant, grace: Duration) -> Option<(TrafficReport, bool)> {
        self.run.as_ref().map(|run| (run.report(), run.is_over(now, grace)))
    }

    /// Begins a flood of DISCOVERs.
    pub fn start_flood(&mut self, plan: FloodPlan, now: Instant) {
        let tags = self.config.tagging.of(plan.line);
        self.flood = Some(Flood::new(plan, self.config.fleet, tags, now));
    }

    /// What became of the flood.
    pub fn flood(&self) -> Option<FloodReport> {
        self.flood.as_ref().map(Flood::report)
    }

    /// The next frame to send.
    pub fn poll_frame(&mut self) -> Option<Vec<u8>> {
        self.frames.pop_front()
    }

    /// A frame that could not be sent now.
    pub fn unpoll_frame(&mut self, frame: Vec<u8>) {
        self.frames.push_front(frame);
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let told = (!self.told.is_empty()).then_some(self.next_told);
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let run = self.run.as_ref().and_then(Run::due);
        let flood = self.flood.as_ref().and_then(Flood::due);
        let six = self.six.as_ref().and_then(Six::due);
        [told, timer, run, flood, six].into_iter().flatten().min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..TURN {
            if self.told.is_empty() || self.next_told > now {
                break;
            }
            self.next_told = self.next_told + Duration::from_secs(1) / self.config.login_rate.max(1);
            if let Some((index, action)) = self.told.pop_front() {
                if self.config.ipv4 {
                    self.act(index, action, now);
                }
                self.act6(index, action, now);
            }
        }
        self.timeouts6(now);
        for _ in 0..TURN {
            let Some(Reverse((at, index))) = self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) else {
                break;
            };
            self.timers.pop();
            let random = self.random();
            let cpe = &mut self.cpes[index as usize];
            if cpe.deadline() != Some(at) {
                continue; // the client has moved on since
            }
            let before = cpe.address();
            let outgoing = cpe.handle_timeout(now, random);
            self.counters.retransmissions += 1;
            self.after(index, before, outgoing);
        }
        for _ in 0..TURN {
            let Some(run) = self.run.as_mut().filter(|run| run.due().is_some_and(|due| due <= now)) else { break };
            let (datagram, size) = (run.next(now), run.size());
            // Who has both sends by both in turn, and by IPv6 from behind its prefix as well.
            match run.way(&datagram) % 3 {
                way @ 1.. if self.six.is_some() => self.send_traffic6(datagram, size, way == 2),
                _ => self.send_traffic(datagram, size),
            }
        }
        for _ in 0..TURN {
            let Some(flood) = self.flood.as_mut().filter(|flood| flood.due().is_some_and(|due| due <= now)) else {
                break;
            };
            self.frames.extend(flood.next());
        }
    }

    /// A frame arrived, its tags in place.
    pub fn handle_frame(&mut self, frame: &[u8], now: Instant) {
        if let Some(arp) = Arp::parse(frame) {
            return self.handle_arp(&arp);
        }
        let Ok(datagram) = Datagram::parse(frame) else { return self.handle_frame6(frame, now) };
        if datagram.destination.port() == CLIENT_PORT {
            self.handle_dhcp(&datagram, now);
        } else if let Some(found) = traffic::Datagram::read(datagram.payload)
            && let Some(index) = self.by_mac(datagram.destination_mac)
            && let Some(run) = &mut self.run
        {
            let cpe = &self.cpes[index as usize];
            let its = cpe.identity().tags == datagram.tags && cpe.address() == Some(*datagram.destination.ip());
            run.heard(found, index, its, now);
        }
    }

    fn handle_arp(&mut self, arp: &Arp) {
        if !arp.is_reply {
            let holder = self.by_address.get(&arp.target).map(|index| &self.cpes[*index as usize]);
            if let Some(cpe) = holder.filter(|cpe| cpe.identity().tags == arp.tags && self.config.answers_arp) {
                self.counters.arp_answered += 1;
                self.frames.push_back(arp.answer(cpe.identity().mac).build());
            }
            return;
        }
        if arp.destination_mac == BROADCAST_MAC {
            return self.announced(arp);
        }
        let Some(index) = self.by_mac(arp.destination_mac) else { return };
        let cpe = &self.cpes[index as usize];
        if cpe.lease().and_then(|lease| lease.router) != Some(arp.sender) || cpe.identity().tags != arp.tags {
            return;
        }
        self.routers[index as usize] = Some(arp.sender_mac);
        for outgoing in self.waiting.remove(&index).unwrap_or_default() {
            self.send(index, outgoing);
        }
    }

    fn handle_dhcp(&mut self, datagram: &Datagram<'_>, now: Instant) {
        let Ok(message) = Message::parse(datagram.payload) else {
            self.counters.malformed += 1;
            return;
        };
        let Some(mac) = message.hardware().mac() else { return };
        if let Some(flood) = &mut self.flood
            && flood.heard(mac)
        {
            return;
        }
        let Some(index) = self.by_mac(mac) else { return };
        let random = self.random();
        let cpe = &mut self.cpes[index as usize];
        let to_it = datagram.destination_mac == mac || datagram.destination_mac == BROADCAST_MAC;
        if !to_it || cpe.identity().tags != datagram.tags {
            self.counters.misdelivered += 1;
            return;
        }
        self.counters.broadcasts += u64::from(datagram.destination_mac == BROADCAST_MAC);
        self.counters.option_82 += u64::from(message.option(code::AGENT_INFORMATION).is_some());
        let before = cpe.address();
        let outgoing = match cpe.handle(&message, now, random) {
            Heard::Nothing => {
                self.counters.ignored += 1;
                return;
            }
            Heard::Offer(outgoing) => {
                self.counters.offers += 1;
                Some(outgoing)
            }
            Heard::Ack => {
                self.counters.acks += 1;
                None
            }
            Heard::Informed => {
                self.counters.informed += 1;
                None
            }
            Heard::Nak(outgoing) => {
                self.counters.naks += 1;
                Some(outgoing)
            }
        };
        self.after(index, before, outgoing);
    }

    fn act(&mut self, index: u32, action: Action, now: Instant) {
        let random = self.random();
        let cpe = &mut self.cpes[index as usize];
        let before = cpe.address();
        let outgoing = match action {
            Action::Start => Some(cpe.start(now, random)),
            Action::Reboot => Some(cpe.reboot(now, random)),
            Action::Renew => cpe.renew(now, random),
            Action::Rebind => cpe.rebind(now, random),
            Action::Release => cpe.release(random),
            Action::Decline => cpe.decline(random),
            Action::Inform => cpe.inform(random),
            Action::PowerOff => {
                cpe.power_off();
                None
            }
        };
        self.after(index, before, outgoing);
    }

    /// What follows from a step of a CPE: its message, its timer, and whose address is whose.
    fn after(&mut self, index: u32, before: Option<Ipv4Addr>, outgoing: Option<Outgoing>) {
        if let Some(outgoing) = outgoing {
            self.send(index, outgoing);
        }
        let cpe = &self.cpes[index as usize];
        if let Some(at) = cpe.deadline().filter(|_| self.config.renews || cpe.state() != State::Bound) {
            self.timers.push(Reverse((at, index)));
        }
        let address = cpe.address();
        if address == before {
            return;
        }
        if let Some(before) = before
            && self.by_address.get(&before) == Some(&index)
        {
            self.by_address.remove(&before);
        }
        self.routers[index as usize] = None;
        if let Some(address) = address {
            if self.by_address.insert(address, index).is_some_and(|other| other != index) {
                self.counters.conflicts += 1;
            }
            self.ask_for_router(index);
        }
    }

    fn ask_for_router(&mut self, index: u32) {
        let cpe = &self.cpes[index as usize];
        let (Some(address), Some(router)) = (cpe.address(), cpe.lease().and_then(|lease| lease.router)) else { return };
        let identity = cpe.identity();
        self.frames.push_back(Arp::who_has(router, address, identity.mac, identity.tags).build());
    }

    /// Has every CPE that has an address and no answer ask for its router again.
    pub fn resolve(&mut self) {
        for index in 0..self.config.count {
            if self.routers[index as usize].is_none() {
                self.ask_for_router(index);
            }
        }
        self.resolve6();
    }

    fn send(&mut self, index: u32, outgoing: Outgoing) {
        let everybody = *outgoing.destination.ip() == Ipv4Addr::BROADCAST;
        let Some(destination_mac) = (if everybody { Some(BROADCAST_MAC) } else { self.routers[index as usize] }) else {
            self.waiting.entry(index).or_default().push(outgoing);
            self.ask_for_router(index);
            return;
        };
        if let Some(kind) = Message::parse(&outgoing.payload).ok().and_then(|message| message.kind()) {
            match kind {
                kind::DISCOVER => self.counters.discovers += 1,
                kind::REQUEST => self.counters.requests += 1,
                kind::RELEASE => self.counters.releases += 1,
                _ => self.counters.others += 1,
            }
        }
        let identity = self.cpes[index as usize].identity();
        let frame = Datagram {
            source_mac: identity.mac,
            destination_mac,
            tags: identity.tags,
            source: outgoing.source,
            destination: outgoing.destination,
            payload: &outgoing.payload,
        };
        self.frames.extend(frame.build());
    }

    fn send_traffic(&mut self, datagram: traffic::Datagram, size: usize) {
        let index = datagram.cpe as usize;
        let (identity, address) = (self.cpes[index].identity(), self.cpes[index].address());
        // A CPE that lost its lease meanwhile still sends from nowhere: what it sends is lost, and shows.
        let source = core::net::SocketAddrV4::new(address.unwrap_or(NOWHERE), 40_000);
        let payload = datagram.payload(size);
        let frame = Datagram {
            source_mac: identity.mac,
            destination_mac: self.routers[index].unwrap_or(BROADCAST_MAC),
            tags: identity.tags,
            source,
            destination: self.config.echo,
            payload: &payload,
        };
        self.frames.extend(frame.build());
    }

    /// A router says where it is now: whoever knew it sends there from now on, as a cache does (RFC 826).
    fn announced(&mut self, arp: &Arp) {
        for (cpe, router) in self.cpes.iter().zip(&mut self.routers) {
            let is_its = cpe.lease().and_then(|lease| lease.router) == Some(arp.sender);
            if is_its && cpe.identity().tags == arp.tags && router.is_some() {
                *router = Some(arp.sender_mac);
            }
        }
    }

    pub(super) fn by_mac(&self, mac: [u8; 6]) -> Option<u32> {
        let index = u32::from_be_bytes([0, mac[3], mac[4], mac[5]]);
        (index < self.config.count && self.config.mac(index) == mac).then_some(index)
    }

    /// SplitMix64: enough for transaction numbers and jitter, the same for the same seed.
    pub(super) fn random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) as u32
    }
}

#[cfg(test)]
#[path = "crowd_tests.rs"]
mod tests;
