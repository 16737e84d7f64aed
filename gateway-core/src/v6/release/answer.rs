//! What a reply does to the clients that were asked about: status of the message, of the client, of the IA.

use core::net::Ipv6Addr;

use super::batch::Batch;
use super::command::Event;
use super::context::Held;
use super::engine::Desk;
use super::item::{Fate, Item, bare};
use super::lane::Lane;
use super::message;
use super::progress::Counters;
use crate::wire::dhcp6::release::{Outcome, Outcomes, Part, ReleaseIa, ReleaseReply, ReplyRefused};
use crate::wire::dhcp6::{Binding, Duid, Message, kind, status};

/// What of each client's leases became what; or the whole message is refused.
enum Reading {
    Refused(u16),
    Outcomes(Vec<Vec<Outcome>>),
}

/// Why a reply has no effect; the request is then sent again.
enum Discarded {
    Malformed,
    Unmatched,
    NoStatus,
}

impl Lane {
    /// A reply. False when it is to nothing that was asked here (RR-39).
    pub(super) fn answered(
        &mut self,
        server_id: Duid<'_>,
        from: Ipv6Addr,
        payload: &[u8],
        desk: &mut Desk<'_, '_>,
    ) -> bool {
        let Ok(message) = Message::parse(payload) else { return false };
        let (xid, individually) = (message.xid(), message.kind() == kind::REPLY);
        let Some(batch) = self.open.get(&xid).filter(|batch| batch.individually == individually) else {
            return false;
        };
        let reading = if individually {
            individual(&message, server_id, &batch.items)
        } else {
            let types = desk.identity.types;
            match ReleaseReply::parse(payload, types, xid, server_id) {
                Ok(reply) => {
                    let asked: Vec<_> = batch.items.iter().map(|item| message::asked(item, desk.config)).collect();
                    desk.counters.unasked += reply.unasked(&asked).count() as u64;
                    Ok(read(&reply, &batch.items, desk))
                }
                Err(ReplyRefused::NoStatus) => Err(Discarded::NoStatus),
                Err(ReplyRefused::Malformed(_)) => Err(Discarded::Malformed),
                Err(_) => Err(Discarded::Unmatched),
            }
        };
        let outcomes = match reading {
            Err(why) => {
                discard(why, desk.counters);
                return true;
            }
            Ok(Reading::Refused(status)) => {
                self.heard(false);
                if let Some(batch) = self.open.remove(&xid) {
                    self.refuses(status, batch, desk);
                }
                return true;
            }
            Ok(Reading::Outcomes(outcomes)) => outcomes,
        };
        self.heard(individually);
        let Some(Batch { items, .. }) = self.open.remove(&xid) else { return true };
        let (mut released, mut no_binding, mut kept) = (0, 0, 0);
        for (item, outcomes) in items.into_iter().zip(outcomes) {
            for outcome in &outcomes {
                match outcome {
                    Outcome::Released => released += 1,
                    Outcome::NoBinding => no_binding += 1,
                    Outcome::Kept(_) => kept += 1,
                }
            }
            let fate = item.client.leases.iter().copied().zip(outcomes).collect();
            self.finish(item, Fate::Answered(fate));
        }
        desk.counters.no_binding += no_binding;
        desk.tell(Event::Answered { server: from, xid, released, no_binding, kept });
        let of = released + no_binding + kept;
        if no_binding * 2 > of && !individually {
            desk.tell(Event::MostlyUnknown { server: from, no_binding, of });
        }
        true
    }
}

fn discard(why: Discarded, counters: &mut Counters) {
    match why {
        Discarded::Malformed => counters.malformed += 1,
        Discarded::Unmatched => counters.unmatched += 1,
        Discarded::NoStatus => counters.no_status += 1,
    }
}

/// A RELEASE-REQUEST-REPLY.
fn read(reply: &ReleaseReply<'_>, items: &[Item], desk: &Desk<'_, '_>) -> Reading {
    // Not a client of it is looked at: asking again, or about others, would get the same (H-RR-5).
    let refuses = [status::NOT_CONFIGURED, status::NOT_ALLOWED].contains(&reply.status.code);
    if refuses && reply.clients.is_empty() {
        return Reading::Refused(reply.status.code);
    }
    let outcomes = items.iter().map(|item| {
        let said = reply.outcomes(&message::asked(item, desk.config));
        let (listed, except, rest) = match said {
            Outcomes::Listed(listed) => (listed, Vec::new(), None),
            Outcomes::Everything { rest, except } => (Vec::new(), except, Some(rest)),
        };
        let ias = item.listed();
        item.client
            .leases
            .iter()
            .map(|held| {
                let place = ias.iter().position(|ia| covers(ia, held));
                let own = except.iter().filter(|(part, _)| may_name(part, held)).map(|(_, outcome)| *outcome).max();
                own.or(rest).or_else(|| listed.get(place?).copied()).unwrap_or(Outcome::Kept(status::UNSPEC_FAIL))
            })
            .collect()
    });
    Reading::Outcomes(outcomes.collect())
}

fn covers(ia: &ReleaseIa, held: &Held) -> bool {
    match (ia, held.iaid) {
        (ReleaseIa::Bare(binding), None) => *binding == bare(held.kind, held.prefix),
        (ia, Some(iaid)) => ia.name() == Some((held.kind, iaid)),
        _ => false,
    }
}

/// Whether a server that was asked for everything means this lease. One whose IA is not known may be in any of its kind.
fn may_name(part: &Part, held: &Held) -> bool {
    match part {
        Part::Ia(kind, iaid) => *kind == held.kind && held.iaid.is_none_or(|own| own == *iaid),
        Part::Bare(Binding::Address(address)) => held.prefix.length() == 128 && held.prefix.address() == *address,
        Part::Bare(Binding::Prefix(prefix)) => held.prefix == *prefix,
    }
}

/// The REPLY to a RELEASE (RFC 8415 section 18.2.10.2). A status that is absent is Success. What was not in it for want of an
/// IAID is kept.
fn individual(message: &Message<'_>, server_id: Duid<'_>, items: &[Item]) -> Result<Reading, Discarded> {
    let malformed = |_| Discarded::Malformed;
    let Some(item) = items.first() else { return Err(Discarded::Unmatched) };
    let client = message.client_id().map_err(malformed)?;
    let server = message.server_id().map_err(malformed)?;
    if client != Some(item.client.client.as_duid()) || server != Some(server_id) {
        return Err(Discarded::Unmatched);
    }
    let overall = message.status().map_err(malformed)?.map_or(status::SUCCESS, |status| status.code);
    let ias = message.ias().map_err(malformed)?;
    let outcome = |held: &Held| {
        let Some(iaid) = held.iaid else { return Outcome::Kept(status::UNSPEC_FAIL) };
        let of_ia = ias.iter().find(|ia| (ia.kind, ia.iaid) == (held.kind, iaid));
        Outcome::of(of_ia.and_then(|ia| ia.status).map_or(overall, |status| status.code))
    };
    Ok(Reading::Outcomes(vec![item.client.leases.iter().map(outcome).collect()]))
}
