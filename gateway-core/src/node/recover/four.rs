//! DHCPv4 leases that a server tells of.

use core::net::{IpAddr, Ipv4Addr};

use super::view::{Difference, Done, LeaseName, Side, What};
use super::{Job, LOOKED_AT, is_later, is_other_end};
use crate::login::Login;
use crate::node::Node;
use crate::recover::Found4;
use crate::relay::Unreadable;
use crate::release::Individual;
use crate::session::{Refusal, Session};
use crate::time::{Duration, Instant};

fn here(session: &Session) -> Side {
    Side { line: Some(session.line), hardware: Some(session.hardware), expires: session.expires }
}

impl Node {
    pub(super) fn found4(&mut self, job: &mut Job, found: &Found4, asked: Instant, now: Instant) {
        let IpAddr::V4(server) = job.view.server else { return };
        if !job.told.insert(LeaseName::Four(found.address)) {
            return; // told again, after a connection broke
        }
        job.view.tally.told += 1;
        let can_be = |login: Login| match self.fpcs.can_be(login.fpc, login.epoch, now) {
            true => Ok(login),
            false => Err(Unreadable::Epoch),
        };
        let recalled = self.relay.recall(server, found, asked).and_then(can_be);
        let session = self.sessions.get(found.address);
        let expires = match found.remaining {
            u32::MAX => Instant::NEVER,
            seconds => asked + Duration::from_secs(seconds.into()),
        };
        let line = recalled.as_ref().ok().map(|login| login.line);
        let what = match session {
            None => What::OnlyThere,
            Some(session) if session.hardware != found.hardware => What::Client,
            Some(session) if line.is_some_and(|line| line != session.line) => What::Line,
            Some(session) if is_other_end(session.expires, expires, now.since(asked)) => What::Expiry,
            Some(_) => {
                job.view.tally.same += 1;
                return;
            }
        };
        let there = Some(Side { line, hardware: Some(found.hardware), expires });
        let here = session.map(here);
        let done = match recalled {
            Err(why) => Done::Unreadable(why),
            Ok(login) => self.take_in4(login, what, job, now),
        };
        job.differs(Difference { lease: LeaseName::Four(found.address), what, there, here, done });
    }

    /// Takes a login in, unless what is here is newer or it was to end.
    fn take_in4(&mut self, mut login: Login, what: What, job: &Job, now: Instant) -> Done {
        let (address, at) = (login.address, login.at);
        let held = self.sessions.slot(address).zip(self.sessions.get(address));
        let stays =
            |session: &Session| session.is_static || !is_later(at, session.at) || job.spares(session.expires, now);
        if held.is_some_and(|(_, session)| stays(session)) {
            return Done::Left;
        }
        // The same client has another address by now: this is what it left behind.
        let displaced = self.sessions.displaced(&login);
        if displaced.is_some_and(|(_, last)| !is_later(at, last)) {
            return Done::Left;
        }
        let given_up = self.recoveries.given_up.has(address, &login.hardware, at);
        if given_up || self.fpcs.has_cut_off(login.fpc, login.epoch, at) {
            // Whoever has the address by now is not to lose it.
            let asked = job.restores() && held.is_none() && self.release_remainder(&login, now);
            return Done::CutOff { asked };
        }
        if !job.restores() {
            return Done::Left;
        }
        // A server stores what a stranger asked for before the relay refuses it.
        let presence = self.presence(now);
        for held in [self.sessions.in_the_way(&login), displaced].into_iter().flatten() {
            match presence.of_session(held) {
                Some(false) => {}
                Some(true) => return Done::Refused(Refusal::InUse),
                None => return Done::Left,
            }
        }
        // H-BR-8: what was lost may have known more than what was begun with. And the session is of the present epoch, as one
        // that is renewed: no logout has ended it since.
        self.fpcs.raise(login.fpc, login.epoch);
        login.epoch = self.fpcs.epoch(login.fpc);
        if let (What::Expiry, Some((slot, _))) = (what, held) {
            self.sessions.learn(slot, login.expires, login.epoch, at);
            return Done::Extended;
        }
        match self.sessions.bind(login, at) {
            Ok(_) => {
                while let Some(command) = self.sessions.poll_command() {
                    self.on_session(command);
                }
                if let Some(old) = self.sessions.take_superseded() {
                    self.superseded(old, now);
                }
                Done::Restored
            }
            Err(refusal) => Done::Refused(refusal),
        }
    }

    /// H-BR-17: what a logout was to end and the server still has is released individually.
    fn release_remainder(&mut self, login: &Login, now: Instant) -> bool {
        let individual = Individual {
            address: login.address,
            hardware: login.hardware,
            client_id: login.client_id.clone(),
            fpc: login.fpc,
            epoch: login.epoch,
            server: login.server,
            server_identifier: login.server_identifier,
            giaddr: login.giaddr,
            agent_information: login.agent_information.clone(),
            last_transaction: login.at,
            orphaned: false,
        };
        self.with_releases(|releases, context| releases.handle_remainder(individual, context, now))
    }

    /// What is here of a server's and was not told; gives the slot to go on from.
    pub(super) fn untold4(&self, job: &mut Job, server: Ipv4Addr, from: u32) -> Option<u32> {
        for (looked_at, (slot, session)) in self.sessions.iter_from(from).enumerate() {
            if looked_at == LOOKED_AT {
                return Some(slot);
            }
            let is_of = self.sessions.cohort(session.cohort).is_some_and(|cohort| cohort.server == server);
            // Who came since was not looked for.
            let meant = is_of && !session.is_static && session.at < job.view.began && session.expires > job.view.began;
            if meant && !job.told.contains(LeaseName::Four(session.address)) {
                let (lease, here) = (LeaseName::Four(session.address), Some(here(session)));
                job.differs(Difference { lease, what: What::OnlyHere, there: None, here, done: Done::Left });
            }
        }
        None
    }
}
