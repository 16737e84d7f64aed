//! The IPv6 half of the crowd: DHCPv6, routers by their advertisements, and traffic from addresses and prefixes.

use core::net::{Ipv6Addr, SocketAddrV6};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gateway_core::time::Instant;
use gateway_core::wire::dhcp6::{ALL_RELAYS_AND_SERVERS, CLIENT_PORT, Message, SERVER_PORT};
use gateway_core::wire::frame6::{Datagram6, multicast_mac};
use gateway_core::wire::neighbour::{Neighbour, NeighbourKind};
use gateway_core::wire::router::{Advertisement, Announcement, Solicitation, link_local};

use super::config::FleetConfig;
use super::cpe6::{Cpe6, State6};
use super::crowd::{Action, Crowd, TURN};
use super::traffic;

/// The CPEs' IPv6.
#[derive(Debug)]
pub(super) struct Six {
    cpes: Vec<Cpe6>,
    /// Each one's router and where that is, once it advertised itself.
    routers: Vec<Option<(Ipv6Addr, [u8; 6])>>,
    timers: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Six {
    pub(super) fn new(config: &FleetConfig) -> Self {
        let cpes: Vec<_> = (0..config.count).map(|index| Cpe6::new(config.mac(index), config.backoff)).collect();
        Self { routers: vec![None; cpes.len()], cpes, timers: BinaryHeap::new() }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn cpe(&self, index: u32) -> &Cpe6 {
        &self.cpes[index as usize]
    }

    /// Whether a CPE has both, and a router.
    pub(super) fn is_ready(&self, index: u32) -> bool {
        let state = self.cpe(index).state();
        matches!(state, State6::Bound | State6::Renewing) && self.routers[index as usize].is_some()
    }
}

impl Crowd {
    pub(super) fn act6(&mut self, index: u32, action: Action, now: Instant) {
        let random = self.random();
        let Some(six) = &mut self.six else { return };
        let cpe = &mut six.cpes[index as usize];
        let message = match action {
            Action::Start | Action::Reboot => Some(cpe.start(now, random)),
            Action::Renew | Action::Rebind => cpe.renew(now, random),
            Action::Release => cpe.release(random),
            Action::Decline | Action::Inform => None,
            Action::PowerOff => {
                cpe.power_off();
                None
            }
        };
        self.after6(index, message);
        if matches!(action, Action::Start | Action::Reboot) {
            self.solicit(index);
        }
    }

    /// Asks who the router is.
    fn solicit(&mut self, index: u32) {
        let identity = self.cpes[index as usize].identity();
        let asked = Solicitation { source_mac: identity.mac, tags: identity.tags, source: link_local(identity.mac) };
        self.frames.push_back(asked.build());
    }

    /// Has everybody without a router ask again.
    pub(super) fn resolve6(&mut self) {
        for index in 0..self.config.count {
            if self.six.as_ref().is_some_and(|six| six.routers[index as usize].is_none()) {
                self.solicit(index);
            }
        }
    }

    fn after6(&mut self, index: u32, message: Option<Vec<u8>>) {
        let Some(six) = &mut self.six else { return };
        let cpe = &six.cpes[index as usize];
        if let Some(at) = cpe.deadline().filter(|_| self.config.renews || cpe.state() != State6::Bound) {
            six.timers.push(Reverse((at, index)));
        }
        let Some(payload) = message else { return };
        let identity = self.cpes[index as usize].identity();
        let frame = Datagram6 {
            source_mac: identity.mac,
            destination_mac: multicast_mac(ALL_RELAYS_AND_SERVERS),
            tags: identity.tags,
            source: SocketAddrV6::new(link_local(identity.mac), CLIENT_PORT, 0, 0),
            destination: SocketAddrV6::new(ALL_RELAYS_AND_SERVERS, SERVER_PORT, 0, 0),
            payload: &payload,
        };
        self.frames.extend(frame.build());
    }

    pub(super) fn timeouts6(&mut self, now: Instant) {
        for _ in 0..TURN {
            let Some(six) = &mut self.six else { return };
            let Some(Reverse((at, index))) = six.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) else {
                return;
            };
            six.timers.pop();
            if six.cpes[index as usize].deadline() != Some(at) {
                continue; // the client has moved on since
            }
            let random = self.random();
            let message = self.six.as_mut().and_then(|six| six.cpes[index as usize].handle_timeout(now, random));
            self.counters.retransmissions += 1;
            self.after6(index, message);
        }
    }

    /// A frame that is not IPv4's.
    pub(super) fn handle_frame6(&mut self, frame: &[u8], now: Instant) {
        if let Ok(told) = Advertisement::parse(frame) {
            if let Some(index) = self.by_mac(told.destination_mac) {
                let its = self.cpes[index as usize].identity().tags == told.tags;
                match &mut self.six {
                    Some(six) if its => {
                        six.routers[index as usize] = (told.lifetime > 0).then_some((told.source, told.router_mac));
                    }
                    _ => self.counters.misdelivered += 1,
                }
            }
            return;
        }
        if let Ok(told) = Announcement::parse(frame) {
            return self.announced6(&told);
        }
        if let Ok(asked) = Neighbour::parse(frame) {
            return self.asked(&asked);
        }
        let Ok(datagram) = Datagram6::parse(frame) else { return };
        let Some(index) = self.by_mac(datagram.destination_mac) else { return };
        let its = self.cpes[index as usize].identity().tags == datagram.tags;
        if datagram.destination.port() == CLIENT_PORT {
            return self.handle_dhcp6(index, &datagram, its, now);
        }
        let (Some(found), Some(six), Some(run)) = (traffic::Datagram::read(datagram.payload), &self.six, &mut self.run)
        else {
            return;
        };
        let to = *datagram.destination.ip();
        let holds = six.cpe(index).held().is_some_and(|held| held.address == to || held.prefix.contains(to));
        run.heard(found, index, its && holds, now);
    }

    /// A router says where it is now: whoever knew it sends there from now on (RFC 4861 section 7.2.5).
    fn announced6(&mut self, told: &Announcement) {
        let Some(six) = &mut self.six else { return };
        for (cpe, router) in self.cpes.iter().zip(&mut six.routers) {
            if let Some((address, mac)) = router
                && *address == told.target
                && cpe.identity().tags == told.tags
            {
                *mac = told.target_mac;
            }
        }
    }

    /// A CPE that is on answers for its addresses.
    fn asked(&mut self, asked: &Neighbour) {
        let (Some(index), Some(six)) = (self.by_mac(asked.destination_mac), &self.six) else { return };
        let (identity, cpe) = (self.cpes[index as usize].identity(), six.cpe(index));
        let holds = cpe.held().is_some_and(|held| held.address == asked.target);
        let local = cpe.state() != State6::Idle && asked.target == link_local(identity.mac);
        if asked.kind == NeighbourKind::Solicitation && identity.tags == asked.tags && (holds || local) {
            self.counters.nd_answered += 1;
            self.frames.push_back(asked.answer(identity.mac).build());
        }
    }

    fn handle_dhcp6(&mut self, index: u32, datagram: &Datagram6<'_>, its: bool, now: Instant) {
        if !its {
            self.counters.misdelivered += 1;
            return;
        }
        let random = self.random();
        let (Ok(message), Some(six)) = (Message::parse(datagram.payload), &mut self.six) else {
            self.counters.malformed += 1;
            return;
        };
        let (heard, answer) = six.cpes[index as usize].handle(&message, now, random);
        match heard {
            true => self.counters.heard6 += 1,
            false => self.counters.ignored += 1,
        }
        self.after6(index, answer);
    }

    /// Sends a datagram by IPv6: from the CPE's own address, or from a host behind it.
    pub(super) fn send_traffic6(&mut self, datagram: traffic::Datagram, size: usize, inside: bool) {
        let index = datagram.cpe as usize;
        let Some(six) = &self.six else { return };
        let held = six.cpes[index].held();
        let source = held.map_or(Ipv6Addr::UNSPECIFIED, |held| if inside { held.inside() } else { held.address });
        let identity = self.cpes[index].identity();
        let payload = datagram.payload(size);
        let frame = Datagram6 {
            source_mac: identity.mac,
            destination_mac: six.routers[index].map_or([0; 6], |(_, mac)| mac),
            tags: identity.tags,
            source: SocketAddrV6::new(source, 40_000, 0, 0),
            destination: self.config.echo6,
            payload: &payload,
        };
        self.frames.extend(frame.build());
    }
}
