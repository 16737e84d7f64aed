//! Packets, as they leave and arrive, and what is measured of them.

use core::net::IpAddr;

use super::packet::{Chunk, Packet};
use super::world::{BEAT, GIVEN_UP, Happening, World};
use crate::association::{Change, Measurement, PathState, Quality};
use crate::time::Duration;

impl World {
    /// From an address that belongs on the card that the route leaves by; an address that joins may send ASCONF only.
    pub(super) fn send(&mut self, side: usize, to: IpAddr, chunk: Chunk, new: Option<IpAddr>) {
        let Some(end) = &self.sides[side].end else { return };
        let Some(card) = self.route(side, to) else { return };
        // An address that is being removed is no source any more (RFC 5061, 5.3).
        let going = match end.sent.as_ref().map(|sent| sent.change) {
            Some(Change::Remove(address) | Change::Move { from: address, .. }) => Some(address),
            _ => None,
        };
        let works = |address: &&IpAddr| {
            let stays = going != Some(**address);
            stays && self.holds(side, **address) && end.locals.contains(*address)
        };
        let addresses = &self.sides[side].cards[card].addresses;
        let source = addresses.iter().find(works).or_else(|| end.locals.iter().find(works)).copied();
        let source = source.or(new.filter(|new| self.holds(side, *new)));
        let Some(source) = source else { return };
        let packet = Packet { tag: end.tag, source, destination: to, chunk };
        let Some(delay) = self.travel(side, card, &packet) else { return };
        self.after(delay, Happening::Arrive(1 - side, packet));
    }

    pub(super) fn arrive(&mut self, side: usize, packet: Packet) {
        let now = self.now;
        let Packet { tag, source, destination, chunk } = packet;
        if self.sides[side].end.as_ref().is_some_and(|end| end.tag == tag) {
            self.sides[side].history.reached.insert(destination, now);
            if self.answers {
                self.sides[side].manager.handle_reached(destination, now);
                self.carry_out(side);
            }
        }
        if let Chunk::HeartbeatAck { path, .. } = &chunk
            && let Some(card) = self.route(side, *path)
        {
            let interface = self.sides[side].cards[card].interface;
            self.sides[side].history.answered.insert(interface, now);
        }
        let holds: Vec<_> = self.sides[side].cards.iter().flat_map(|card| card.addresses.clone()).collect();
        let Some(end) = self.sides[side].end.as_mut().filter(|end| end.tag == tag) else { return };
        match chunk {
            Chunk::Asconf { seq, lookup, parameters } => {
                if let Some(failed) = end.asconf(seq, (source, lookup), &parameters, |address| holds.contains(&address))
                {
                    self.say(|| format!("        {side}: {parameters:?} from {source}: {failed:?}"));
                    self.send(side, source, Chunk::AsconfAck { seq, failed }, None);
                }
            }
            Chunk::AsconfAck { seq, failed } => end.acknowledged(seq, failed, now),
            Chunk::Heartbeat { sent } => self.send(side, source, Chunk::HeartbeatAck { sent, path: destination }, None),
            Chunk::HeartbeatAck { sent, path } => end.beaten(path, sent, now),
        }
        self.carry_out(side);
    }

    pub(super) fn beat(&mut self) {
        self.after(BEAT, Happening::Beat);
        let now = self.now;
        for side in 0..2 {
            let Some(end) = &mut self.sides[side].end else { continue };
            let paths: Vec<_> = end.peers.keys().copied().collect();
            paths.iter().for_each(|path| end.beat(*path, now));
            let answers = end.peers.values().any(|path| path.active);
            end.silent = if answers { None } else { end.silent.or(Some(now)) };
            let lost = end.silent.is_some_and(|since| now >= since + GIVEN_UP);
            let measured: Vec<_> = paths.iter().filter_map(|path| self.measure(side, *path)).collect();
            self.sides[side].manager.handle_measurements(&measured, now);
            self.carry_out(side);
            self.tell(side);
            for path in &paths {
                self.send(side, *path, Chunk::Heartbeat { sent: now }, None);
            }
            if lost {
                self.say(|| format!("        {side}: the association is lost"));
                self.sides[side].manager.handle_lost(now);
            }
            self.carry_out(side);
        }
    }

    /// What there is to see where kernels tell no answers.
    fn tell(&mut self, side: usize) {
        let now = self.now;
        let Some(end) = self.sides[side].end.as_ref().filter(|_| !self.answers) else { return };
        let listed = end.listed();
        self.sides[side].manager.handle_members(&listed, now);
        self.carry_out(side);
    }

    fn measure(&self, side: usize, peer: IpAddr) -> Option<Measurement> {
        let interface = self.route(side, peer).map(|card| self.sides[side].cards[card].interface);
        let path = self.sides[side].end.as_ref()?.peers.get(&peer)?;
        let state = match (path.confirmed, path.active) {
            (_, false) => PathState::Inactive,
            (false, _) => PathState::Unconfirmed,
            (true, _) => PathState::Active,
        };
        let quality = Quality { loss: path.loss as u16, srtt: path.srtt.map(Duration::from_micros) };
        let (rto, cwnd, errors) = (Duration::from_secs(1), 4380, path.errors);
        Some(Measurement { peer, interface, state, quality, rto, cwnd, errors })
    }
}
