//! The streams between members: in order and without gaps while they stand, late where the network loses.

use super::network::Micros;
use super::shell::{Effects, Input, Mesh, Output};
use super::world::{Happening, World, id, pair};
use crate::cluster::PeerEvent;
use crate::member::MemberId;
use crate::replication;

/// How soon a kernel sends a segment again.
const RETRANSMISSION: (Micros, Micros) = (5_000, 200_000);
/// How soon one looks again at a stream whose way carries nothing.
const STALLED: Micros = 30_000;

fn place(member: MemberId) -> usize {
    usize::from(member.get()) - 1
}

impl World {
    /// One turn of a member's packet loop.
    pub(super) fn turn(&mut self, node: usize) {
        let clock = self.nodes[node].clock(self.now);
        let machine = &mut self.nodes[node];
        let (Some(cluster), Some(shell)) = (&machine.cluster, &mut machine.shell) else { return };
        let acts = cluster.acts_until() > clock;
        let Effects { octets, inputs, told, events } = shell.turn(acts, clock);
        let boot = self.nodes[node].boot;
        for (to, octets) in octets {
            self.write(node, place(to), octets);
        }
        if !inputs.is_empty() {
            self.nodes[node].inputs.extend(inputs);
            let delay = self.random.range(5, 2_000);
            self.after(delay, Happening::Inputs { node, boot });
        }
        for event in events {
            self.say(|| format!("        {}: {event:?}", id(node)));
        }
        for lease in told {
            self.say(|| {
                format!("        client {} is told of lease {} by member {}", lease.client, lease.number, id(node))
            });
            let client = &mut self.clients[lease.client];
            client.told = client.told.max(lease.number);
        }
        let machine = &mut self.nodes[node];
        machine.turn += 1;
        let turn = machine.turn;
        let Some(timeout) = machine.shell.as_ref().and_then(|shell| shell.poll_timeout()) else { return };
        let delay = machine.when(timeout).saturating_sub(self.now).max(1) + self.random.range(0, super::world::LATE);
        self.after(delay, Happening::Timeout { node, turn });
    }

    /// The core's thread tells the loop.
    pub(super) fn tell_loop(&mut self, node: usize, output: Output) {
        let Some(shell) = &mut self.nodes[node].shell else { return };
        shell.outputs.push_back(output);
        let (boot, delay) = (self.nodes[node].boot, self.random.range(5, 2_000));
        self.after(delay, Happening::Turn { node, boot });
    }

    /// The loop tells the core's thread.
    pub(super) fn inputs(&mut self, node: usize) {
        while let Some(input) = self.nodes[node].inputs.pop_front() {
            self.with(node, |cluster, now| match input {
                Input::Synced => cluster.handle_synced(true, now),
                Input::Applied(origin, seq) => cluster.handle_applied(origin, seq, now),
                Input::Settled(origin) => cluster.handle_settled(origin, now),
                Input::Discarded(by) => cluster.handle_discarded(by, now),
                Input::Outdated(unit, version) => cluster.handle_outdated(unit, version, now),
                Input::Flushed(unit, seq) => cluster.handle_flushed(unit, seq, now),
            });
        }
    }

    fn write(&mut self, from: usize, to: usize, octets: Vec<u8>) {
        let Some(connection) = self.connected.get(&pair(from, to)).copied() else { return };
        let mut delay = self.random.range(self.network.delay.0, self.network.delay.1);
        while self.random.chance(self.network.loss) {
            delay += self.random.range(RETRANSMISSION.0, RETRANSMISSION.1);
        }
        self.streams.entry((from, to)).or_default().push_back(octets);
        self.after(delay, Happening::Octets { from, to, connection });
    }

    /// The oldest of what is under way arrives: what is behind it can't overtake it.
    pub(super) fn octets(&mut self, from: usize, to: usize, connection: u64) {
        if self.connected.get(&pair(from, to)) != Some(&connection) {
            return;
        }
        if !self.network.carries(from, to) || !self.network.carries(to, from) {
            return self.after(STALLED, Happening::Octets { from, to, connection });
        }
        let Some(octets) = self.streams.get_mut(&(from, to)).and_then(|queue| queue.pop_front()) else { return };
        if let Some(shell) = &mut self.nodes[to].shell {
            shell.mesh.push_back(Mesh::Octets(id(from), octets));
            self.turn(to);
        }
    }

    pub(super) fn peer(&mut self, node: usize, other: usize, event: PeerEvent) {
        self.streams.remove(&(node, other));
        let kind = match event {
            PeerEvent::Connected => replication::PeerEvent::Connected,
            _ => replication::PeerEvent::Lost,
        };
        if let Some(shell) = &mut self.nodes[node].shell {
            shell.mesh.push_back(Mesh::Peer(id(other), kind));
            let (boot, delay) = (self.nodes[node].boot, self.random.range(5, 2_000));
            self.after(delay, Happening::Turn { node, boot });
        }
        self.with(node, |cluster, now| cluster.handle_peer(id(other), event, now));
    }
}
