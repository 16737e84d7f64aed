//! DHCPv6 leases that a server tells of.

use core::net::{IpAddr, Ipv6Addr};

use super::view::{Difference, Done, LeaseName, Side, What};
use super::{Job, LOOKED_AT, RELEASED6, is_later, is_other_end};
use crate::line::HardwareAddress;
use crate::node::{Command, Node};
use crate::recover::{Found6, Leased};
use crate::relay::Unreadable;
use crate::session::Refusal;
use crate::time::{Duration, Instant};
use crate::v6::session::{Lease, Session};
use crate::v6::{Grant, Login};
use crate::wire::dhcp6::{Binding, Builder, IaKind, Prefix, code, kind, relay_forward};

fn here((lease, session): (&Lease, &Session)) -> Side {
    let hardware = Some(HardwareAddress::ethernet(session.mac));
    Side { line: Some(session.line), hardware, expires: lease.expires }
}

/// Whether a difference is to be done away with.
fn wants(done: Done) -> bool {
    matches!(done, Done::Restored | Done::Extended)
}

/// Differences of one client that are judged together.
#[derive(Default)]
struct Judged {
    restore: Vec<Grant>,
    cut_off: Vec<Leased>,
    differences: Vec<Difference>,
}

impl Node {
    pub(super) fn found6(&mut self, job: &mut Job, found: &Found6, asked: Instant, now: Instant) {
        let (IpAddr::V6(server), Some(six)) = (job.view.server, &self.six) else { return };
        let can_be = |login: Login| match self.fpcs.can_be(login.fpc, login.epoch, now) {
            true => Ok(login),
            false => Err(Unreadable::Epoch),
        };
        let recalled = six.relay.recall(server, found, asked, self.clock.to_unix_seconds(asked)).and_then(can_be);
        // A server may tell all of a client's leases with the line that it spoke from last.
        let elsewhere = |login: &Login| {
            let mut held = found.leases.iter().filter_map(|lease| six.sessions.get(lease.prefix));
            held.any(|(_, session)| session.client == login.client && session.line != login.line)
        };
        let elsewhere = recalled.as_ref().is_ok_and(elsewhere);
        let mut judged = Judged::default();
        for lease in &found.leases {
            if !job.told.insert(LeaseName::Six(lease.prefix)) {
                continue; // told again, after a connection broke
            }
            job.view.tally.told += 1;
            match self.judge6(&recalled, elsewhere, found, lease, asked, now) {
                None => job.view.tally.same += 1,
                Some((difference, true)) if difference.here.is_some_and(|here| job.spares(here.expires, now)) => {
                    judged.differences.push(Difference { done: Done::Left, ..difference });
                }
                Some((difference, true)) => {
                    let granted = recalled.iter().flat_map(|login| &login.granted);
                    judged.restore.extend(granted.filter(|grant| grant.prefix == lease.prefix));
                    judged.differences.push(difference);
                }
                Some((difference, false)) => {
                    // Whoever has it by now is not to lose it.
                    if matches!(difference.done, Done::CutOff { .. }) && difference.here.is_none() {
                        judged.cut_off.push(*lease);
                    }
                    judged.differences.push(difference);
                }
            }
        }
        if let Ok(login) = recalled.as_ref()
            && job.restores()
        {
            let done = (!judged.restore.is_empty()).then(|| self.take_in6(login.clone(), judged.restore));
            let asked = !judged.cut_off.is_empty()
                && job.view.tally.cut_off < RELEASED6
                && self.release_remainder6(login, &judged.cut_off);
            for difference in &mut judged.differences {
                match (&mut difference.done, done) {
                    (Done::CutOff { asked: was }, _) => *was = asked && difference.here.is_none(),
                    // What is to be restored says so until it is tried.
                    (told @ (Done::Restored | Done::Extended), Some(Err(refusal))) => *told = Done::Refused(refusal),
                    _ => {}
                }
            }
        } else {
            for difference in &mut judged.differences {
                if wants(difference.done) || matches!(difference.done, Done::Refused(_)) {
                    difference.done = Done::Left;
                }
            }
        }
        judged.differences.into_iter().for_each(|difference| job.differs(difference));
    }

    /// How a lease differs, and whether it is to be taken in; `None`: not at all. `elsewhere`: some of the leases told with it
    /// are here, of the same client on another line.
    fn judge6(
        &self,
        recalled: &Result<Login, Unreadable>,
        elsewhere: bool,
        found: &Found6,
        lease: &Leased,
        asked: Instant,
        now: Instant,
    ) -> Option<(Difference, bool)> {
        let six = self.six.as_ref()?;
        let held = six.sessions.get(lease.prefix);
        let expires = match lease.valid {
            u32::MAX => Instant::NEVER,
            seconds => asked + Duration::from_secs(seconds.into()),
        };
        let login = recalled.as_ref().ok();
        let what = match held {
            None => What::OnlyThere,
            Some((_, session)) if session.client != found.client => What::Client,
            Some((_, session)) if login.is_some_and(|login| login.line != session.line) => What::Line,
            Some((held, _)) if is_other_end(held.expires, expires, now.since(asked)) => What::Expiry,
            Some(_) => return None,
        };
        let hardware = login.map(|login| HardwareAddress::ethernet(login.mac));
        let there = Some(Side { line: login.map(|login| login.line), hardware, expires });
        let done = match recalled {
            Err(why) => Done::Unreadable(*why),
            Ok(login) if held.is_some_and(|(held, _)| !is_later(login.at, held.at)) => Done::Left,
            Ok(login) if self.fpcs.has_cut_off(login.fpc, login.epoch, login.at) => Done::CutOff { asked: false },
            Ok(_) => match (what, held) {
                (What::OnlyThere, _) if elsewhere => Done::Unreadable(Unreadable::Line),
                // The line may be that of another lease of the client. One that has moved says so itself as it renews.
                (What::Line, _) => Done::Left,
                // A server stores what a stranger asked for before the relay refuses it.
                (What::Client, Some((_, session))) => match self.presence(now).of_leases(six.sessions.held(session)) {
                    Some(false) => Done::Restored,
                    Some(true) => Done::Refused(Refusal::InUse),
                    None => Done::Left,
                },
                (What::Expiry, _) => Done::Extended,
                _ => Done::Restored,
            },
        };
        let name = LeaseName::Six(lease.prefix);
        Some((Difference { lease: name, what, there, here: held.map(here), done }, wants(done)))
    }

    fn take_in6(&mut self, login: Login, granted: Vec<Grant>) -> Result<(), Refusal> {
        self.fpcs.raise(login.fpc, login.epoch);
        let epoch = self.fpcs.epoch(login.fpc);
        let Some(six) = &mut self.six else { return Ok(()) };
        // What is known of a client that is here is newer than what its server has stored.
        let known = six.sessions.by_client(login.line, login.client.as_duid());
        let told = (login.mac, login.peer, login.relayed);
        let (mac, peer, relayed) = known.map_or(told, |session| (session.mac, session.peer, session.relayed));
        let at = login.at;
        six.sessions.bind(Login { granted, epoch, mac, peer, relayed, ..login }, at)?;
        while self.drain_sessions6() {}
        Ok(())
    }

    /// H-BR-17: what a logout was to end and the server still has is released, by the RELEASE that the client would have sent.
    /// It is not repeated: the next comparison shows what it did. Whoever has not told the IAID can't be told it.
    fn release_remainder6(&mut self, login: &Login, leases: &[Leased]) -> bool {
        let xid = (self.random.next() >> 32) as u32 & 0x00ff_ffff;
        let Some(six) = &self.six else { return false };
        let config = six.relay.config();
        let Some(link) = config.fpcs.get(usize::from(login.fpc.0)).map(|fpc| fpc.link_address) else { return false };
        let mut out = Builder::message(kind::RELEASE, xid);
        out.duid(code::CLIENT_ID, login.client.as_duid());
        out.duid(code::SERVER_ID, login.server_id.as_duid());
        out.u16(code::ELAPSED_TIME, 0);
        let known = leases.iter().filter_map(|lease| Some((lease, lease.iaid?)));
        let mut any = false;
        for (lease, iaid) in known.filter(|(lease, _)| lease.kind != IaKind::Ta) {
            any = true;
            let binding = match lease.kind {
                IaKind::Pd => Binding::Prefix(lease.prefix),
                _ => Binding::Address(lease.prefix.address()),
            };
            out.ia(lease.kind, iaid, [0, 0], |out| {
                out.lease(binding, [0, 0], |_| {});
            });
        }
        let relay_id = config.duid.as_duid().octets();
        let message = out.finish().ok().filter(|_| any);
        let payload =
            message.and_then(|message| relay_forward(&message, link, link, &[(code::RELAY_ID, relay_id)]).ok());
        let Some(payload) = payload else { return false };
        self.commands.push_back(Command::SendToServer6 { source: link, server: login.server, payload });
        true
    }

    /// What is here of a server's and was not told; gives the slot to go on from.
    pub(super) fn untold6(&self, job: &mut Job, server: Ipv6Addr, from: u32) -> Option<u32> {
        let six = self.six.as_ref()?;
        for (looked_at, (slot, lease, session)) in six.sessions.iter_from(from).enumerate() {
            if looked_at == LOOKED_AT {
                return Some(slot);
            }
            let prefix: Prefix = lease.prefix;
            let is_of = six.sessions.cohort(lease.cohort).is_some_and(|cohort| cohort.server == server);
            // Who came since was not looked for.
            let meant = is_of && lease.at < job.view.began && lease.expires > job.view.began;
            if meant && !job.told.contains(LeaseName::Six(prefix)) {
                let (lease, here) = (LeaseName::Six(prefix), Some(here((lease, session))));
                job.differs(Difference { lease, what: What::OnlyHere, there: None, here, done: Done::Left });
            }
        }
        None
    }
}
