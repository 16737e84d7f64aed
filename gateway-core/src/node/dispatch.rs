//! What the cores want done: carried to the other cores, or to the shell.

use core::net::Ipv4Addr;

use super::plan::Half;
use super::presence::{Presence, Sights};
use super::reconcile::{Finding, Question, Turn, View};
use super::restore::replay_key;
use super::{Command, Event, Node};
use crate::fpc::{self, Cause};
use crate::line::FpcId;
use crate::login::Login;
use crate::relay::{self, ToClient};
use crate::release::{self, Context, Individual, Releases, RestartPlan};
use crate::replication::Change;
use crate::scope::Epoch;
use crate::session::{Bound, EndReason, Refusal};
use crate::time::{Duration, Instant};
use crate::wire::agent::{AgentBuilder, sub};
use crate::wire::dhcp4::{Message, relay_up};
use crate::wire::leasequery::{self, LeaseAnswer};
use crate::wire::relay_auth;
use crate::{capability, session};

impl Node {
    /// Lends the rest of the node to the releases for one call.
    pub(super) fn with_releases<R>(&mut self, call: impl FnOnce(&mut Releases, &mut Context<'_>) -> R) -> R {
        let Self { releases, sessions, capabilities, relay, random, clock, .. } = self;
        let mut context = Context {
            logins: sessions,
            capabilities,
            replay: &mut |server| relay.next_replay(server),
            random: &mut || random.next(),
            unix_offset: clock.boot(),
        };
        call(releases, &mut context)
    }

    /// Carries everything out until the cores have nothing more to say.
    ///
    /// The order among the cores is the order of what must be durable: what the table and the cards persist comes before
    /// what the relay and the releases send because of it, and the relay's reservation of replay counters comes before
    /// the messages that use them.
    pub(super) fn drain(&mut self, now: Instant) {
        if self.shared.is_some() {
            self.handle_now(now);
        }
        loop {
            if let Some(command) = self.sessions.poll_command() {
                self.on_session(command);
            } else if self.drain_sessions6() {
            } else if let Some(command) = self.fpcs.poll_command() {
                self.on_fpc(command, now);
            } else if let Some(command) = self.relay.poll_command() {
                self.on_relay(command, now);
            } else if self.drain6(now) {
            } else if let Some(command) = self.capabilities.poll_command() {
                self.on_capability(command);
            } else if let Some(command) = self.releases.poll_command() {
                self.on_release(command, now);
            } else {
                return;
            }
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.commands.push_back(Command::Tell(event));
    }

    pub(super) fn on_session(&mut self, command: session::Command) {
        if let session::Command::Ended { reason, .. } = &command {
            self.counters.logouts[*reason as usize] += 1;
        }
        if let session::Command::InstallRoute(route) = &command
            && route.fresh
        {
            self.begin_cell(false, route.slot);
        }
        self.commands.push_back(command.into());
    }

    fn on_fpc(&mut self, command: fpc::Command, now: Instant) {
        match command {
            fpc::Command::Persist { key, value } => {
                self.say_fpc(&key, &value);
                self.commands.push_back(Command::Persist { key, value, sync: true });
            }
            fpc::Command::Adopt { key, value } => {
                self.commands.push_back(Command::Persist { key, value, sync: true });
            }
            fpc::Command::Freeze { fpc } => {
                self.relay.freeze(fpc);
                self.freeze6(fpc);
            }
            fpc::Command::Thaw { fpc, epoch } => {
                self.relay.thaw(fpc, epoch);
                self.thaw6(fpc, epoch);
            }
            fpc::Command::Restart(restart) => self.restart(restart, now),
            fpc::Command::Maintain { fpc, cause } => {
                self.tell_restart(fpc, cause, None);
            }
            fpc::Command::Exhausted { fpc } => self.tell(Event::EpochsExhausted { fpc }),
            fpc::Command::Lost { fpc } => self.tell(Event::FpcLost { fpc }),
            fpc::Command::Returned { fpc } => self.tell(Event::FpcReturned { fpc }),
        }
    }

    fn tell_restart(&mut self, fpc: FpcId, cause: Cause, cutoff: Option<Epoch>) {
        let (sessions, leases) = (self.sessions.fpc_count(fpc).0, self.fpc_leases6(fpc).0);
        self.tell(Event::Restart { fpc, cause, cutoff, sessions, leases });
    }

    fn restart(&mut self, restart: fpc::Restart, now: Instant) {
        let fpc::Restart { fpc, cutoff, decided_at, cause } = restart;
        let plan = RestartPlan { fpc, cutoff, decided_at };
        let resumed = cause == Cause::Resumed;
        self.plans.begin(fpc, cutoff, self.six.is_some());
        // Taken up from its journal already, which knows more: the transactions.
        let known = |release: &release::ReleaseView| release.fpc == fpc && release.cutoff >= cutoff;
        if !(resumed && self.releases.releases().iter().any(known)) {
            self.tell_restart(fpc, cause, Some(cutoff));
            self.with_releases(|releases, context| releases.handle_restart(plan, context, now));
        }
        self.restart6(plan, resumed, now);
    }

    fn on_relay(&mut self, command: relay::Command, now: Instant) {
        match command {
            relay::Command::ToServer(relay::ToServer { giaddr, server, payload }) => {
                self.commands.push_back(Command::SendToServer { giaddr, server, payload });
            }
            relay::Command::Bound(login) => self.bound(*login, now),
            relay::Command::ToClient(message) => {
                // The ACK of a login that was refused must not arrive.
                if !core::mem::take(&mut self.refused_ack) {
                    let ToClient { line, destination_mac, source, destination, payload } = message;
                    let send = Command::SendToClient { line, destination_mac, source, destination, payload };
                    self.commands.push_back(send);
                }
            }
            relay::Command::Renewed { address, hardware, server, expires } => {
                let Some(slot) = self.sessions.slot(address) else { return };
                let Some(session) = self.sessions.get(address) else { return };
                let cohort = self.sessions.cohort(session.cohort);
                if session.hardware == hardware && cohort.is_some_and(|cohort| cohort.server == server) {
                    let epoch = self.fpcs.epoch(self.sessions.fpc(session));
                    self.sessions.renew(slot, expires, epoch, now);
                }
            }
            relay::Command::Released { address, hardware, line } => {
                if self.sessions.get(address).is_some_and(|held| held.hardware == hardware && held.line == line) {
                    self.recoveries.given_up(address, hardware, now);
                    self.sessions.end(address, EndReason::Released, now);
                }
            }
            relay::Command::Declined { address, hardware, line } => {
                if self.sessions.get(address).is_some_and(|held| held.hardware == hardware && held.line == line) {
                    self.recoveries.given_up(address, hardware, now);
                    self.sessions.end(address, EndReason::Declined, now);
                }
            }
            relay::Command::Refused { address, hardware, line, server } => {
                // Only the server that gave the lease can take it back.
                let held = address.and_then(|address| self.sessions.get(address)).filter(|held| {
                    let cohort = self.sessions.cohort(held.cohort);
                    held.hardware == hardware
                        && held.line == line
                        && cohort.is_some_and(|cohort| cohort.server == server)
                });
                if let Some(address) = held.map(|held| held.address) {
                    self.sessions.end(address, EndReason::Refused, now);
                }
            }
            relay::Command::Heard { server, observation, authenticated } => {
                self.capabilities.handle_heard(server, observation, authenticated, self.clock.boot(), now);
            }
            relay::Command::ForRelease { server, payload } => {
                if self.is_keeper() {
                    self.for_release(server, &payload, now);
                } else {
                    self.commands.push_back(Command::ForKeeper { server: server.into(), payload });
                }
            }
            relay::Command::ReserveReplay { server, through } => {
                self.say(|| Change::ReplayReserved { server, through });
                let (key, value) = (replay_key(server), through.to_be_bytes().to_vec());
                self.commands.push_back(Command::Persist { key, value, sync: true });
            }
        }
    }

    /// An answer to what this node asked on behalf of somebody else.
    pub(super) fn for_release(&mut self, server: Ipv4Addr, payload: &[u8], now: Instant) {
        if !self.found(server, payload, now) {
            self.with_releases(|releases, context| releases.handle_server(server, payload, context, now));
        }
    }

    /// Who counts as being there now.
    pub(super) fn presence(&self, now: Instant) -> Presence<'_> {
        Presence { sights: self.sights(now), lasts: self.config.takeover_after }
    }

    /// When subscribers were seen.
    pub(super) fn sights(&self, now: Instant) -> Sights<'_> {
        Sights::new(&*self.seen, self.shared.as_deref(), now)
    }

    /// An ACK. What the table says to do about it goes to the shell before the ACK itself.
    fn bound(&mut self, login: Login, now: Instant) {
        let (address, hardware, line, server) = (login.address, login.hardware, login.line, login.server);
        let presence = self.presence(now);
        let in_use = self.sessions.taken_over(&login).and_then(|held| presence.of_session(held)) == Some(true);
        let bound = if in_use { Err(Refusal::InUse) } else { self.sessions.bind(login, now) };
        match bound {
            Ok(Bound::Renewed) => self.counters.renewals += 1,
            Ok(Bound::New | Bound::Moved) => {
                self.counters.logins += 1;
                // After the records and the route, which are the table's to ask for.
                while let Some(command) = self.sessions.poll_command() {
                    self.on_session(command);
                }
                self.tell(Event::LoggedIn { address, hardware, line, server });
                if let Some(old) = self.sessions.take_superseded() {
                    self.superseded(old, now);
                }
            }
            Err(refusal) => {
                self.refused_ack = true;
                self.counters.refuse(&refusal);
                self.tell(Event::Refused { hardware, line, refusal });
            }
        }
    }

    /// A client has another address now: releases the lease of the old one (RR-1, "replaced"). One of an earlier epoch at a
    /// capable server is part of a single logout, which it would be a pity to accompany by thousands of RELEASEs.
    pub(super) fn superseded(&mut self, old: Individual, now: Instant) {
        let capable = self.capabilities.state(old.server, now) == capability::State::Capable;
        if self.is_keeper() && (old.epoch == self.fpcs.epoch(old.fpc) || !capable) {
            self.with_releases(|releases, context| releases.handle_superseded(old, context, now));
        }
    }

    /// Asks the servers about sessions nobody has heard of since the controller started.
    pub(super) fn ask_servers(&mut self, now: Instant) {
        let Self { reconcile, sessions, fpcs, capabilities, random, .. } = self;
        let view =
            View { sessions, epoch: &|fpc| fpcs.epoch(fpc), known: &|server| capabilities.leasequery(server, now) };
        let Turn { questions, ended, silent } = reconcile.handle_timeout(&view, || random.next(), now);
        ended.into_iter().for_each(|address| self.sessions.handle_overdue(address));
        silent.into_iter().for_each(|server| self.found_out(server, false, now));
        for Question { xid, server, address, giaddr } in questions {
            let mut payload = leasequery::by_address(address, giaddr, xid);
            // A server may drop whatever a relay sends unauthenticated (RFC 4030 section 5).
            if let Some(key) = self.config.release.key.clone()
                && let Some(agent) = AgentBuilder::new().sub(sub::RELAY_ID, self.config.relay.device.octets()).finish()
                && let Ok(message) = Message::parse(&payload)
            {
                let tagged = relay_up(&message, giaddr, 0, Some(&agent));
                let counter = self.relay.next_replay(server);
                payload = relay_auth::append_and_sign(&tagged, &key, counter).unwrap_or(tagged);
                while let Some(command) = self.relay.poll_command() {
                    self.on_relay(command, now);
                }
            }
            self.commands.push_back(Command::SendToServer { giaddr, server, payload });
        }
    }

    /// Takes in what a server knows of a session; false when that was not asked for this purpose.
    fn found(&mut self, server: Ipv4Addr, payload: &[u8], now: Instant) -> bool {
        let Ok(message) = Message::parse(payload) else { return false };
        let Some(answer) = LeaseAnswer::read(&message) else { return false };
        let asked = self.reconcile.handle_answer(server, message.xid(), &answer, &self.sessions, now);
        let Some((finding, news)) = asked else { return false };
        if news {
            self.found_out(server, true, now);
        }
        match finding {
            Finding::Nothing => {}
            Finding::Ended { address } => self.sessions.handle_overdue(address),
            Finding::Gone { address } => drop(self.sessions.end(address, EndReason::Gone, now)),
            Finding::Leased { address, expires, at } => {
                // The server counts in seconds: what differs by less is the same.
                let news = |old: Instant| old.since(expires).max(expires.since(old)) > Duration::from_secs(2);
                let held = self.sessions.slot(address).zip(self.sessions.get(address));
                if let Some((slot, epoch)) =
                    held.filter(|(_, session)| news(session.expires)).map(|(slot, session)| (slot, session.epoch))
                {
                    self.sessions.learn(slot, expires, epoch, at);
                } else {
                    self.sessions.handle_overdue(address);
                }
            }
        }
        true
    }

    /// Whether a server answers leasequery.
    fn found_out(&mut self, server: Ipv4Addr, answers: bool, now: Instant) {
        self.capabilities.handle_leasequery(server, answers, self.clock.boot(), now);
        self.tell(Event::Release(release::Event::Leasequery { server, answers }));
    }

    fn on_capability(&mut self, command: capability::Command) {
        match command {
            capability::Command::Persist { key, value } => {
                self.say_capability(&key, &value);
                self.commands.push_back(Command::Persist { key, value, sync: false });
            }
            capability::Command::Changed { server, from, to } => self.tell(Event::Capability { server, from, to }),
        }
    }

    fn on_release(&mut self, command: release::Command, now: Instant) {
        match command {
            release::Command::SendToServer { giaddr, server, payload } => {
                self.commands.push_back(Command::SendToServer { giaddr, server, payload });
            }
            release::Command::Journal { key, value, sync } => {
                self.say_journal(&key, Some(&value));
                self.commands.push_back(Command::Persist { key, value, sync });
            }
            release::Command::ForgetJournal { key } => {
                self.say_journal(&key, None);
                self.commands.push_back(Command::Forget { key });
            }
            release::Command::EndCohort { cohort, cutoff } => {
                let Some((fpc, server)) = self.sessions.cohort(cohort).map(|cohort| (cohort.fpc, cohort.server)) else {
                    return;
                };
                let sessions = self.sessions.end_cohort(cohort, cutoff);
                self.counters.logouts[EndReason::LoggedOut as usize] += sessions;
                self.tell(Event::CohortEnded { fpc, server, cutoff, sessions });
            }
            // Whoever logged in again in the meantime is not meant (H-BR-6).
            release::Command::EndSession { address, cutoff, .. } => {
                if self.sessions.get(address).is_some_and(|session| session.epoch <= cutoff) {
                    self.sessions.end(address, EndReason::LoggedOut, now);
                }
            }
            release::Command::Orphan { address } => {
                let Some(session) = self.sessions.get(address) else { return };
                if session.epoch < self.fpcs.epoch(self.sessions.fpc(session)) {
                    self.sessions.orphan(address);
                }
            }
            release::Command::RestartMayProceed { fpc, cutoff, complete } => {
                self.may_proceed(Half::Four, fpc, cutoff, complete);
            }
            release::Command::EpochKnown { fpc, server, epoch } => {
                if !self.fpcs.handle_epoch_known(fpc, epoch, now) {
                    self.tell(Event::StrangeEpoch { fpc, server, epoch });
                }
            }
            release::Command::Heard { server, observation, authenticated } => {
                self.capabilities.handle_heard(server, observation, authenticated, self.clock.boot(), now);
            }
            release::Command::Tell(event) => {
                match event {
                    release::Event::Finished { fpc, cutoff, .. } => self.finished(Half::Four, fpc, cutoff),
                    release::Event::Leasequery { server, answers } => {
                        self.capabilities.handle_leasequery(server, answers, self.clock.boot(), now);
                    }
                    _ => {}
                }
                self.tell(Event::Release(event));
            }
        }
    }
}
