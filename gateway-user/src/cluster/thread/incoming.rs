//! What comes to the core: datagrams of the cluster's link, inputs of the packet loop.

use gateway_common::cluster::MemberKey;
use gateway_core::cluster::PeerEvent;
use gateway_core::wire::cluster::Refused;

use super::Core;
use crate::cluster::door::{Input, Seen, Segment};
use crate::io::clock;
use crate::run::Throttle;

/// Datagrams taken before time is looked at again.
const AT_ONCE: usize = 256;

impl Core {
    pub(super) fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..AT_ONCE {
            let Some((length, from)) = self.link.receive(buffer) else { return };
            match self.keyring.open(&buffer[..length]) {
                Ok((header, body)) => self.cluster.handle_datagram(from, &header, &body, clock::now()),
                // Of another cluster on the same link: no business of ours.
                Err(Refused::OtherCluster(_)) => {}
                Err(refused) => {
                    *self.refused.entry(refused.name()).or_default() += 1;
                    self.refusals
                        .entry(refused.name())
                        .or_insert(Throttle::new("a control message was refused"))
                        .warn(format_args!("from {from}: {refused}"), clock::now());
                }
            }
            self.carry_out();
        }
    }

    pub(super) fn take(&mut self, input: Input) {
        let now = clock::now();
        match input {
            Input::Peer(member, event) => {
                if event != PeerEvent::Connected {
                    self.keyring.remove(member);
                }
                self.cluster.handle_peer(member, event, now);
            }
            Input::Key(member, key) => self.keyring.insert(member, key),
            Input::Synced(synced) => self.cluster.handle_synced(synced, now),
            Input::Applied(origin, seq) => self.cluster.handle_applied(origin, seq, now),
            Input::Settled(member) => self.cluster.handle_settled(member, now),
            Input::Discarded(by) => self.cluster.handle_discarded(by, now),
            Input::Outdated(unit, version) => self.cluster.handle_outdated(unit, version, now),
            Input::Flushed(unit, last_seq) => self.cluster.handle_flushed(unit, last_seq, now),
            Input::Load(load) => self.cluster.handle_load(load),
            Input::Approved(member, approved) => self.cluster.handle_approval(member, approved, now),
            Input::Segments(segments) => self.learn(segments),
            Input::Coordination(said) => self.cluster.handle_coordination(said, now),
            Input::Recorded(units) => self.cluster.handle_recorded(&units, now),
            // Whoever asked may have gone.
            Input::Operator(request, answer) => drop(answer.send(self.cluster.handle_operator(request, now))),
            Input::View(answer) => {
                let (view, mut counters) = (self.cluster.view(), self.cluster.counters());
                counters.held_dropped += self.overrun;
                drop(answer.send(Seen { view, counters, refused: self.refused.clone() }));
            }
        }
    }

    fn learn(&mut self, segments: Vec<Segment>) {
        let members: Vec<_> = segments
            .iter()
            .flat_map(|segment| segment.members.iter().map(|(member, mac)| (segment.ifindex, *member, *mac)))
            .map(|(ifindex, member, mac)| (MemberKey { ifindex, member: member.get().into() }, mac))
            .collect();
        if let Err(error) = self.delivery.set_members(&members) {
            tracing::error!(%error, "the MEMBERS map can't be written");
        }
        self.role.link = segments.iter().find(|segment| segment.is_link).map_or(0, |segment| segment.ifindex);
        self.link.look(clock::now());
        self.segments = segments;
        self.write_role();
    }
}
