//! Releases of DHCPv6 clients, as the node carries them out.

use core::net::Ipv6Addr;

use super::plan::Half;
use super::presence::{Presence, Sights};
use super::{Answer, Command, Event, Node, RequestError};
use crate::line::{FpcId, Line};
use crate::release::RestartPlan;
use crate::replication::Change;
use crate::session::EndReason;
use crate::time::Instant;
use crate::v6::relay::Speaker;
use crate::v6::release::{self, Cause, Client, Context, ReleaseView, Releases};
use crate::v6::session::{LEFT_BEHIND, Lease};
use crate::wire::dhcp6::release::Part;
use crate::wire::dhcp6::{Duid, Prefix};

impl Node {
    /// Lends the table to the releases for one call; `None` where DHCPv6 is not served.
    pub(super) fn with_releases6<R>(&mut self, call: impl FnOnce(&mut Releases, &mut Context<'_>) -> R) -> Option<R> {
        let Self { six, random, clock, .. } = self;
        let six = six.as_mut()?;
        let random = &mut || random.next();
        let mut context = Context { logins: &six.sessions, random, unix_offset: clock.boot() };
        Some(call(&mut six.releases, &mut context))
    }

    /// The half of a restart that is about DHCPv6. `resumed`: it may be known from its journal.
    pub(super) fn restart6(&mut self, plan: RestartPlan, resumed: bool, now: Instant) {
        let known = self.six.as_ref().and_then(|six| six.releases.cutoff(plan.fpc));
        if !(resumed && known.is_some_and(|cutoff| cutoff >= plan.cutoff)) {
            self.with_releases6(|releases, context| releases.handle_restart(plan, context, now));
        }
    }

    /// A client says that it is there: it is not released (H-RR-6). Call it before what it says is forwarded.
    pub(super) fn spoke6(&mut self, line: Line, mac: [u8; 6], speaker: Option<Speaker<'_>>, now: Instant) {
        let client = speaker.filter(Speaker::logs_in).and_then(|speaker| speaker.client);
        let Some(client) = client else { return };
        if self.is_keeper() {
            self.with_releases6(|releases, context| releases.handle_spoke(line, client, context, now));
        } else if self.may_be_released6(line, client, mac) {
            // What it says leaves once the keeper knows.
            self.say(|| Change::Spoke6 { client: client.to_owned(), line });
        }
    }

    /// A client has spoken to another member.
    pub(super) fn spoke_elsewhere6(&mut self, line: Line, client: Duid<'_>, now: Instant) {
        if self.is_keeper() {
            self.with_releases6(|releases, context| releases.handle_spoke(line, client, context, now));
        }
    }

    /// Whether the keeper may be releasing a client, as far as the journals tell: on its own, or with its card.
    fn may_be_released6(&self, line: Line, client: Duid<'_>, mac: [u8; 6]) -> bool {
        let (Some(shared), Some(six)) = (&self.shared, &self.six) else { return false };
        let under_way = |key: Vec<u8>| shared.journals.get(&key).is_some_and(|(_, value)| value.is_some());
        let card_is = |line: Line| {
            let port = self.config.ports.get(usize::from(line.port.0));
            let card = port.and_then(|port| self.config.fpcs.get(usize::from(port.fpc.0)));
            card.is_some_and(|card| under_way(release::restart_key(&card.name)))
        };
        let elsewhere = six.sessions.of_device(client, mac).take(LEFT_BEHIND);
        let mut sessions = six.sessions.by_client(line, client).into_iter().chain(elsewhere);
        sessions.any(|session| {
            let is = |prefix: Prefix| under_way(release::lease_key(prefix));
            card_is(session.line) || six.sessions.leases(session).any(|(_, lease)| is(lease.prefix))
        })
    }

    /// A client has logged in by itself: whoever it has taken the place of is released, and what it had elsewhere (RR-1), as
    /// far as that is silent.
    pub(super) fn left_behind6(&mut self, line: Line, client: Duid<'_>, mac: [u8; 6], now: Instant) {
        let Some(six) = self.six.as_ref().filter(|_| self.is_keeper()) else { return };
        let Some(causes) = self.config.v6.as_ref().map(|v6| v6.release.causes) else { return };
        let sessions = &six.sessions;
        let replaced = if causes.replaced { sessions.replaced(line, client, mac) } else { Vec::new() };
        let moved = if causes.moved { sessions.moved(line, client, mac) } else { Vec::new() };
        for (mut clients, cause) in [(replaced, Cause::Replaced), (moved, Cause::Moved)] {
            clients.retain(|client| self.is_silent6(client, now));
            self.release_clients6(clients, cause, now);
        }
    }

    /// Whether nothing was heard of a client for long enough to believe that a login, which anybody can make with a DUID and
    /// a MAC of his choice, took its place.
    fn is_silent6(&self, client: &Client, now: Instant) -> bool {
        let (Some(six), Some(v6)) = (&self.six, &self.config.v6) else { return false };
        let slot = |prefix| six.sessions.slot(prefix);
        let held = client.leases.iter().map(|held| Some((slot(held.prefix)?, held.at)));
        let presence =
            Presence { sights: Sights::new(&*self.seen, self.shared.as_deref(), now), lasts: v6.release.silent_for };
        v6.release.silent_for.is_zero()
            || held.collect::<Option<Vec<_>>>().is_some_and(|held| presence.of_leases(held) == Some(false))
    }

    /// Releases clients; returns how many will be.
    pub(super) fn release_clients6(&mut self, clients: Vec<Client>, cause: Cause, now: Instant) -> usize {
        let mut release = |client| {
            self.with_releases6(|releases, context| releases.handle_client(client, cause, context, now)) == Some(true)
        };
        clients.into_iter().map(&mut release).filter(|released| *released).count()
    }

    pub(super) fn release_client6(&mut self, prefix: Prefix, now: Instant) -> Result<Answer, RequestError> {
        let clients = self.six.as_ref().map(|six| six.sessions.clients_of(prefix)).unwrap_or_default();
        if clients.is_empty() {
            return Err(RequestError::UnknownSession);
        }
        let released = self.release_clients6(clients, Cause::Admin, now);
        (released > 0).then_some(Answer::Asked).ok_or(RequestError::NotReleased)
    }

    /// An answer to what this node asked on behalf of somebody else.
    pub(super) fn for_release6(&mut self, server: Ipv6Addr, payload: &[u8], now: Instant) {
        let taken = self.with_releases6(|releases, context| releases.handle_server(server, payload, context, now));
        self.counters.unasked6 += u64::from(taken != Some(true));
    }

    /// A server has released all that a client of a relay below had, but for what it keeps (H-RR-17).
    pub(super) fn cleared6(&mut self, client: Duid<'_>, line: Line, server: Ipv6Addr, except: &[Part], now: Instant) {
        let Some(six) = &mut self.six else { return };
        let Some(session) = six.sessions.by_client(line, client) else { return };
        let kept = |lease: &Lease| {
            except.iter().any(|part| match part {
                // One whose IA is not known may be in it.
                Part::Ia(kind, iaid) => *kind == lease.kind && lease.iaid.is_none_or(|own| own == *iaid),
                Part::Bare(binding) => binding.prefix() == lease.prefix,
            })
        };
        let leases = six.sessions.leases(session).filter(|(_, lease)| !kept(lease));
        let leases: Vec<Prefix> = leases.map(|(_, lease)| lease.prefix).collect();
        six.sessions.unbind(client, line, server, &leases, &[], EndReason::LoggedOut, now);
    }

    /// A subscriber does not answer any more: whatever it has is released, where the operator wants that (RR-8). Returns
    /// how many releases began.
    pub(super) fn unavailable6(&mut self, line: Line, mac: [u8; 6], now: Instant) -> usize {
        let clients = self.six.as_ref().filter(|_| self.is_keeper()).map(|six| six.sessions.clients_at(line, mac));
        self.release_clients6(clients.unwrap_or_default(), Cause::Unavailable, now)
    }

    /// What is left behind a card that is no longer configured, and whether it is being released.
    pub(super) fn former6(&self, fpc: FpcId) -> (u64, bool) {
        let six = self.six.as_ref();
        six.map_or((0, false), |six| (six.sessions.fpc_count(fpc).0, six.releases.is_releasing(fpc)))
    }

    pub(super) fn on_release6(&mut self, command: release::Command) {
        let Some(six) = &mut self.six else { return };
        match command {
            release::Command::SendToServer { source, server, payload } => {
                self.commands.push_back(Command::SendToServer6 { source, server, payload });
            }
            release::Command::Journal { key, value, sync } => {
                self.say_journal(&key, Some(&value));
                self.commands.push_back(Command::Persist { key, value, sync });
            }
            release::Command::ForgetJournal { key } => {
                self.say_journal(&key, None);
                self.commands.push_back(Command::Forget { key });
            }
            // Whoever logged in again in the meantime is not meant (H-RR-6).
            release::Command::EndLease { prefix, client, cutoff, decided_at } => {
                let meant = six.sessions.get(prefix).is_some_and(|(lease, session)| {
                    session.client == client && lease.epoch <= cutoff && lease.at <= decided_at
                });
                if meant {
                    six.sessions.end(prefix, EndReason::LoggedOut);
                }
            }
            release::Command::EndCohort { cohort, cutoff } => {
                let Some((fpc, server)) = six.sessions.cohort(cohort).map(|cohort| (cohort.fpc, cohort.server)) else {
                    return;
                };
                let leases = six.sessions.end_cohort(cohort, cutoff);
                self.counters.ended6[EndReason::LoggedOut as usize] += leases;
                self.tell(Event::CohortEnded6 { fpc, server, cutoff, leases });
            }
            release::Command::Orphan { prefix } => drop(six.sessions.orphan(prefix)),
            release::Command::RestartMayProceed { fpc, cutoff, complete } => {
                self.may_proceed(Half::Six, fpc, cutoff, complete);
            }
            release::Command::Tell(event) => {
                if let release::Event::Finished { fpc, cutoff, .. } = event {
                    self.finished(Half::Six, fpc, cutoff);
                }
                self.tell(Event::Release6(event));
            }
        }
    }

    /// Releases of line cards, as far as DHCPv6 is concerned: see [`Releases::releases`].
    pub fn releases6(&self) -> Vec<ReleaseView> {
        self.six.as_ref().map(|six| six.releases.releases()).unwrap_or_default()
    }

    /// What the releases of DHCPv6 clients count, where there are any.
    pub fn release6_counters(&self) -> Option<release::Counters> {
        self.six.as_ref().map(|six| six.releases.counters())
    }
}
