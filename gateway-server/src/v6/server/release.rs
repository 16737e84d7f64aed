//! RELEASE-REQUEST: a relay releases clients that are gone (draft-gandhewar-dhc-v6-relay-initiated-release-01,
//! section 4.3). Who may send it, what it ends, and the answer.

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp6::release::{
    Budget, ClientAnswer, Part, ReleaseAnswer, ReleaseRequest, RequestedClient, Verdict,
};
use gateway_core::wire::dhcp6::{Binding, Duid, Lease, status};

use super::request::Request;
use super::{Dropped, Server};
use crate::record::{Moment, Now};
use crate::v6::config::{Refuse, Registered};
use crate::v6::event::{Event, Refusal};
use crate::v6::leases::{Ended, Holder, Slot, State};

const NO_BINDING: Verdict<'static> = Verdict { code: status::NO_BINDING, text: "" };
const NEWER: Verdict<'static> = Verdict { code: status::UNSPEC_FAIL, text: "newer" };
const OTHER_RELAY: Verdict<'static> = Verdict { code: status::NOT_ALLOWED, text: "another relay's" };

/// Who asks, and when it decided.
#[derive(Clone, Copy, Debug)]
struct Decision<'a> {
    relay: Duid<'a>,
    at: Moment,
}

impl Server {
    pub(super) fn handle_release_request(&mut self, request: &Request<'_>, now: &Now) -> Result<(), Dropped> {
        self.counters.release_request += 1;
        let sender = request.sender();
        if sender.is_unicast_link_local() {
            // Legacy relays pass on what they don't know: a client wrote this one (H-RR-8). No word to it.
            self.refused(request, Refusal::LinkLocal);
            return Ok(());
        }
        if let Some(elements) = self.single_logout(&request.message) {
            return self.handle_single_logout(request, elements, now);
        }
        let (own, types) = (self.config.server_id.clone(), self.config.release.types);
        let Ok(asked) = ReleaseRequest::parse_for(own.as_duid(), request.message.octets(), types) else {
            self.refused(request, Refusal::Malformed);
            return Ok(());
        };
        let mut answer = ReleaseAnswer::to(&asked, types);
        if let Err((reason, why)) = self.permits(request, asked.relay_id) {
            self.refused(request, reason);
            match self.config.release.refuse {
                Refuse::Silently => return Ok(()),
                Refuse::WithStatus => return Ok(self.send(request, &answer.refuse(why))?),
            }
        }
        let decision = Decision { relay: asked.relay_id, at: Self::decided(asked.elapsed, now) };
        let before = self.counters;
        for client in &asked.clients {
            let answered = self.release_client(client, &decision, now);
            answer.clients.push(answered);
        }
        let count = |of: fn(&crate::v6::event::Counters) -> u64| of(&self.counters) - of(&before);
        self.tell(Event::Released {
            relay: asked.relay_id.to_owned(),
            peer: sender,
            clients: asked.clients.len(),
            released: count(|counters| counters.relay_released),
            spared: count(|counters| counters.relay_spared),
            no_binding: count(|counters| counters.relay_no_binding),
        });
        let around = request
            .nest
            .as_ref()
            .map(|nest| self.wrapped(request, nest, &[]))
            .transpose()?
            .map_or(0, |around| around.len());
        Ok(self.send(request, &answer.encode(Budget::UDP_PAYLOAD.saturating_sub(around)))?)
    }

    /// When the relay decided, from the elapsed time in hundredths of a second. The largest number means that many or more:
    /// then nothing is surely older.
    pub(super) fn decided(elapsed: Option<u16>, now: &Now) -> Moment {
        match elapsed {
            Some(u16::MAX) => now.before(Duration::MAX),
            elapsed => now.before(Duration::from_millis(10 * u64::from(elapsed.unwrap_or(0)))),
        }
    }

    /// Whether a request of this sender is carried out; which registration lets it.
    pub(super) fn permits(
        &self,
        request: &Request<'_>,
        relay_id: Duid<'_>,
    ) -> Result<&Registered, (Refusal, Verdict<'static>)> {
        let policy = &self.config.release;
        let refuse = |reason, code, text| Err((reason, Verdict { code, text }));
        if !policy.enabled {
            return refuse(Refusal::Off, status::NOT_CONFIGURED, "releases by relays are switched off");
        }
        let Some(known) = policy.relays.iter().find(|relay| relay.address == request.sender()) else {
            return refuse(Refusal::Relay, status::NOT_ALLOWED, "not a configured relay");
        };
        // The headers were written by whoever sent the datagram, so that one must be a relay itself: the sender, or one
        // above it.
        if !policy.relays.iter().any(|relay| relay.address == *request.source.ip()) {
            return refuse(Refusal::Source, status::NOT_ALLOWED, "not from a configured relay");
        }
        match &known.relay_id {
            Some(registered) if registered.as_duid() != relay_id => {
                refuse(Refusal::RelayId, status::NOT_ALLOWED, "another relay-id is registered")
            }
            _ => Ok(known),
        }
    }

    pub(super) fn refused(&mut self, request: &Request<'_>, reason: Refusal) {
        self.counters.release_request_refused += 1;
        let peer = if reason == Refusal::Source { *request.source.ip() } else { request.sender() };
        self.tell(Event::ReleaseRefused { peer, reason });
    }

    fn release_client<'a>(
        &mut self,
        asked: &RequestedClient<'a>,
        decision: &Decision<'_>,
        now: &Now,
    ) -> ClientAnswer<'a> {
        let client_id = asked.client_id;
        let slots = self.leases.of_client(client_id, now);
        let unknown = slots.iter().all(|slot| self.leases.get(*slot).state != State::Active);
        let parts = if asked.everything() {
            self.release_everything(client_id, decision, now)
        } else {
            self.release_listed(asked, decision, now)
        };
        // One status for all of it is the client's: NoBinding of one that nobody knows (RR-54), NotAllowed of another
        // relay's (H-RR-7).
        let common = match parts.as_slice() {
            [] => Some(NO_BINDING),
            [(_, first), rest @ ..] => {
                let of_client = asked.everything() || unknown || first.code == status::NOT_ALLOWED;
                let all = of_client && rest.iter().all(|(_, verdict)| verdict == first);
                all.then_some(*first)
            }
        };
        self.counters.relay_no_binding += u64::from(parts.is_empty());
        ClientAnswer { client_id, whole: common.unwrap_or(Verdict::SUCCESS), parts }
    }

    /// RR-19. Of a client that is on two relays' lines it is what the one that asks has.
    fn release_everything(
        &mut self,
        client: Duid<'_>,
        decision: &Decision<'_>,
        now: &Now,
    ) -> Vec<(Part, Verdict<'static>)> {
        let mut slots = self.leases.of_client(client, now);
        slots.retain(|slot| self.leases.get(*slot).state == State::Active);
        if slots.iter().any(|slot| self.is_of_relay(*slot, decision)) {
            slots.retain(|slot| self.is_of_relay(*slot, decision));
        }
        let mut ias: Vec<(Part, Vec<Slot>)> = Vec::new();
        for slot in slots {
            let lease = self.leases.get(slot);
            let name = Part::Ia(lease.kind(), lease.iaid);
            match ias.iter_mut().find(|(other, _)| *other == name) {
                Some((_, slots)) => slots.push(slot),
                None => ias.push((name, vec![slot])),
            }
        }
        ias.into_iter().map(|(name, slots)| (name, self.release_slots(&slots, decision, now))).collect()
    }

    fn release_listed(
        &mut self,
        asked: &RequestedClient<'_>,
        decision: &Decision<'_>,
        now: &Now,
    ) -> Vec<(Part, Verdict<'static>)> {
        let client = asked.client_id;
        let mut parts = Vec::new();
        for ia in &asked.ias {
            let holder = Holder { client, kind: ia.kind, iaid: ia.iaid };
            let slots: Vec<Slot> = if ia.leases().next().is_some() {
                ia.leases().filter_map(|lease| self.held(&holder, &lease.binding, now)).collect()
            } else {
                let mut slots = self.leases.of_client(client, now);
                slots.retain(|slot| {
                    let lease = self.leases.get(*slot);
                    lease.state == State::Active && lease.is_of(&holder)
                });
                slots
            };
            let verdict = self.release_slots(&slots, decision, now);
            self.counters.relay_no_binding += u64::from(verdict == NO_BINDING);
            parts.push((Part::Ia(ia.kind, ia.iaid), verdict));
        }
        for Lease { binding, .. } in &asked.bare {
            let slot = self.held_by(client, binding, now);
            let verdict = self.release_slots(slot.as_slice(), decision, now);
            self.counters.relay_no_binding += u64::from(verdict == NO_BINDING);
            parts.push((Part::Bare(*binding), verdict));
        }
        parts
    }

    /// The slot of a lease in force that is this client's, in whichever IA.
    fn held_by(&mut self, client: Duid<'_>, binding: &Binding, now: &Now) -> Option<Slot> {
        let slot = self.leases.by_binding(binding, now)?;
        let lease = self.leases.get(slot);
        (lease.state == State::Active && lease.client() == Some(client)).then_some(slot)
    }

    fn is_of_relay(&self, slot: Slot, decision: &Decision<'_>) -> bool {
        let last = self.leases.get(slot).origin.relay_id.as_ref();
        !self.config.release.require_relay_match || last.is_some_and(|last| last.as_duid() == decision.relay)
    }

    /// Ends leases in force that one status tells of: all of them, or none, since a relay keeps them all when that status
    /// is a failure (RR-57). None of them when one is another relay's by now (H-RR-7), or has had a transaction since the
    /// relay decided (H-RR-6).
    fn release_slots(&mut self, slots: &[Slot], decision: &Decision<'_>, now: &Now) -> Verdict<'static> {
        if slots.is_empty() {
            return NO_BINDING;
        }
        if let Some(verdict) = slots.iter().filter_map(|slot| self.spares(*slot, decision)).reduce(worse) {
            self.counters.relay_spared += slots.len() as u64;
            return verdict;
        }
        let until: Instant = now.at + self.config.release.quarantine;
        for slot in slots {
            self.leases.end(*slot, Ended::Released, Some(until), now);
            self.persist(*slot, now);
        }
        self.counters.relay_released += slots.len() as u64;
        Verdict::SUCCESS
    }

    fn spares(&self, slot: Slot, decision: &Decision<'_>) -> Option<Verdict<'static>> {
        if !self.is_of_relay(slot, decision) {
            return Some(OTHER_RELAY);
        }
        (self.leases.get(slot).last > decision.at).then_some(NEWER)
    }
}

/// Of two that are said of leases of one IA: what was not released counts, and NotAllowed most.
fn worse<'a>(one: Verdict<'a>, other: Verdict<'a>) -> Verdict<'a> {
    if one.code >= other.code { one } else { other }
}
