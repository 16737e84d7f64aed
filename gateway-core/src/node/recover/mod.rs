//! Asking servers for what they leased through this relay: to rebuild a lost table, and to show the differences.
//!
//! The conversation is [`crate::recover`]'s, what a lease means is [`four`]'s and [`six`]'s. A lease is taken in when nothing
//! newer is known of its address and of its client, nobody uses it who is here, and no logout was to end it (H-BR-17): such a
//! one is released instead.
//! A lease whose line can't be read is left alone, and told.

mod four;
mod given_up;
mod missing;
mod six;
mod told;
mod view;

pub use view::{Difference, Done, LeaseName, Lost, Purpose, RecoveryView, Side, Tally, What};

use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeMap;

use given_up::GivenUp;
use missing::Missing;
use told::Told;

use super::{Command, Event, Node, NodeConfig, RequestError};
use crate::line::HardwareAddress;
use crate::recover::{Command as Wanted, Dialogue, Failure, Found, Language, Outcome};
use crate::time::{Duration, Instant};

/// Key of the record that says that a table was lost and is not rebuilt yet.
pub(super) const KEY: &[u8] = b"recover";
/// Differences that are kept for the operator.
const SHOWN: usize = 1000;
/// What the server says in seconds may be off by so much.
const TOLERANCE: Duration = Duration::from_secs(2);
/// Sessions looked at in one call.
const LOOKED_AT: usize = 4096;
/// RELEASEs in one recovery for leases of DHCPv6 that a logout was to end; nothing paces them.
const RELEASED6: u64 = 256;

/// All recoveries: those under way, and the last one of each server.
#[derive(Debug, Default)]
pub(super) struct Recoveries {
    jobs: BTreeMap<IpAddr, Job>,
    /// At the start it was found that the table is lost.
    lost: Option<Lost>,
    /// Who has not told everything since the table was lost, as on disk.
    missing: Missing,
    given_up: GivenUp,
}

/// One server's.
#[derive(Debug)]
pub(super) struct Job {
    dialogue: Dialogue,
    view: RecoveryView,
    told: Told,
    /// All was told: the table is searched from this slot on for what was not.
    checking: Option<u32>,
    /// The gateway asks by itself, at its start.
    at_start: bool,
}

/// Whom something can be asked: nobody can be called by a multicast address.
fn servers(config: &NodeConfig) -> Vec<IpAddr> {
    let four = config.relay.servers.iter().map(|server| IpAddr::from(*server));
    let six = config.v6.iter().flat_map(|six| six.relay.servers.iter().map(|server| IpAddr::from(*server)));
    four.chain(six).filter(|server| !server.is_multicast()).collect()
}

impl Recoveries {
    /// `known`: there was a state on disk. `unfinished`: its record of who has not told yet. `sessions` came back, of which so
    /// many have `ended` meanwhile.
    pub(super) fn new(
        config: &NodeConfig,
        known: bool,
        unfinished: Option<Vec<u8>>,
        sessions: u64,
        ended: u64,
    ) -> Self {
        let missing = unfinished.map(|value| Missing::restore(&value, &servers(config))).unwrap_or_default();
        let lost = if !known {
            Some(Lost::Missing)
        } else if missing != Missing::default() {
            Some(Lost::Unfinished)
        } else {
            (sessions > 0 && ended == sessions).then_some(Lost::Outdated)
        };
        Self { jobs: BTreeMap::new(), lost, missing, given_up: GivenUp::default() }
    }

    /// A client said that it does not use an address any more. Its server may not have heard that.
    pub(super) fn given_up(&mut self, address: Ipv4Addr, hardware: HardwareAddress, now: Instant) {
        self.given_up.note(address, hardware, now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = |job: &Job| match job.checking {
            Some(_) => Some(Instant::ZERO),
            None => job.dialogue.poll_timeout(),
        };
        self.jobs.values().filter_map(due).min()
    }
}

impl Job {
    fn new(dialogue: Dialogue, server: IpAddr, purpose: Purpose, at_start: bool, now: Instant) -> Self {
        let view =
            RecoveryView { server, purpose, began: now, ended: None, tally: Tally::default(), differences: Vec::new() };
        Self { dialogue, view, told: Told::default(), checking: None, at_start }
    }

    fn restores(&self) -> bool {
        self.view.purpose == Purpose::Restore
    }

    /// Whether what is here is left alone whatever the server has: without an operator only what is missing is taken in, and
    /// what has ended here.
    fn spares(&self, expires: Instant, now: Instant) -> bool {
        self.at_start && expires > now
    }

    fn differs(&mut self, difference: Difference) {
        self.view.tally.count(&difference);
        if self.view.differences.len() < SHOWN {
            self.view.differences.push(difference);
        }
    }
}

impl Node {
    /// At the start: asks all servers when the state on disk is missing or older than all its leases, and those that have not
    /// told yet when it was being rebuilt; returns which. Members of a cluster get what they lack from the others.
    ///
    /// A first start finds nothing on disk either, and nothing at the servers.
    pub fn recover_at_start(&mut self, now: Instant) -> Option<Lost> {
        let lost = self.recoveries.lost.filter(|_| self.shared.is_none())?;
        if lost != Lost::Unfinished {
            // A crash before the end must not pass for a table that is complete.
            self.recoveries.missing = Missing::all(&servers(&self.config));
            self.note_missing();
        }
        self.ask_for_leases(&self.recoveries.missing.servers(), Purpose::Restore, true, now);
        Some(lost)
    }

    fn note_missing(&mut self) {
        let key = KEY.into();
        self.commands.push_back(match self.recoveries.missing.encode() {
            Some(value) => Command::Persist { key, value, sync: true },
            None => Command::Forget { key },
        });
    }

    /// Asks one server, or all, what they leased through this relay; returns how many are asked.
    ///
    /// # Errors
    ///
    /// When there is no such server, it is being asked already, or this member is not the one to ask.
    pub fn recover(&mut self, purpose: Purpose, only: Option<IpAddr>, now: Instant) -> Result<usize, RequestError> {
        if !self.is_keeper() {
            return Err(RequestError::NotKeeper);
        }
        let wanted = servers(&self.config).into_iter().filter(|server| only.is_none_or(|only| only == *server));
        let wanted: Vec<IpAddr> = wanted.collect();
        if wanted.is_empty() {
            return Err(RequestError::UnknownServer);
        }
        let busy = |server: &IpAddr| self.recoveries.jobs.get(server).is_some_and(|job| job.view.ended.is_none());
        let free: Vec<IpAddr> = wanted.into_iter().filter(|server| !busy(server)).collect();
        if free.is_empty() {
            return Err(RequestError::Busy);
        }
        self.ask_for_leases(&free, purpose, false, now);
        Ok(free.len())
    }

    fn ask_for_leases(&mut self, servers: &[IpAddr], purpose: Purpose, at_start: bool, now: Instant) {
        for server in servers {
            let xid = (self.random.next() >> 32) as u32;
            let (language, capacity) = match (server, &self.six) {
                (IpAddr::V6(_), Some(six)) => {
                    let relay = six.relay.config();
                    let links = relay.fpcs.iter().map(|fpc| fpc.link_address).collect();
                    (Language::six(relay.duid.clone(), links), six.sessions.capacity())
                }
                _ => (Language::four(self.relay.config().device.clone()), self.config.capacity),
            };
            // A server may have more than fits here, but not without end.
            let dialogue = Dialogue::new(language, 4 * u64::from(capacity), xid, now);
            self.recoveries.jobs.insert(*server, Job::new(dialogue, *server, purpose, at_start, now));
            self.with_job(*server, now, |_| {});
        }
        self.drain(now);
    }

    /// The connection that [`Command::Dial`] asked for stands.
    pub fn handle_dialled(&mut self, server: IpAddr, now: Instant) {
        self.with_job(server, now, |job| job.dialogue.handle_connected(now));
        self.drain(now);
    }

    /// Octets came on that connection.
    pub fn handle_stream(&mut self, server: IpAddr, octets: &[u8], now: Instant) {
        self.with_job(server, now, |job| job.dialogue.handle_octets(octets, now));
        self.drain(now);
    }

    /// The connection has ended, or did not come about.
    pub fn handle_hung_up(&mut self, server: IpAddr, why: &str, now: Instant) {
        self.with_job(server, now, |job| job.dialogue.handle_closed(why, now));
        self.drain(now);
    }

    /// Calls off what is under way; what was rebuilt stays.
    pub fn cancel_recoveries(&mut self, now: Instant) {
        let servers: Vec<IpAddr> = self.recoveries.jobs.keys().copied().collect();
        for server in servers {
            self.with_job(server, now, |job| {
                job.dialogue.cancel();
                if job.checking.take().is_some() {
                    job.view.ended = Some((now, Err(Failure::Cancelled)));
                }
            });
        }
        self.drain(now);
    }

    /// The recovery of each server that was asked, under way or the last.
    pub fn recoveries(&self) -> impl Iterator<Item = &RecoveryView> {
        self.recoveries.jobs.values().map(|job| &job.view)
    }

    pub(super) fn recovery_timeout(&mut self, now: Instant) {
        let servers: Vec<IpAddr> = self.recoveries.jobs.keys().copied().collect();
        servers.into_iter().for_each(|server| self.with_job(server, now, |job| job.dialogue.handle_timeout(now)));
    }

    /// Gives something to a job and carries out what it wants.
    fn with_job(&mut self, server: IpAddr, now: Instant, give: impl FnOnce(&mut Job)) {
        let Some(mut job) = self.recoveries.jobs.remove(&server) else { return };
        give(&mut job);
        while let Some(wanted) = job.dialogue.poll_command() {
            match wanted {
                Wanted::Connect => {
                    let source = self.asker(server);
                    self.commands.push_back(Command::Dial { server, source });
                }
                Wanted::Write(octets) => self.commands.push_back(Command::Converse { server, octets }),
                Wanted::Close => self.commands.push_back(Command::HangUp { server }),
                Wanted::Found(Found::Four(found), asked) => self.found4(&mut job, &found, asked, now),
                Wanted::Found(Found::Six(found), asked) => self.found6(&mut job, &found, asked, now),
                Wanted::Finished(Ok(())) => job.checking = Some(0),
                Wanted::Finished(failed) => self.finished_job(&mut job, failed, now),
            }
            job.dialogue.handle_told(job.told.len());
        }
        if let Some(from) = job.checking {
            self.check(&mut job, from, now);
        }
        self.recoveries.jobs.insert(server, job);
    }

    /// The address that servers know us by, so that they tell us something.
    fn asker(&self, server: IpAddr) -> Option<IpAddr> {
        match server {
            IpAddr::V4(_) => self.relay.config().fpcs.first().map(|fpc| fpc.giaddr.into()),
            IpAddr::V6(_) => Some(self.six.as_ref()?.relay.config().fpcs.first()?.link_address.into()),
        }
    }

    /// Looks for what is here and was not told, a part at a time.
    fn check(&mut self, job: &mut Job, from: u32, now: Instant) {
        let next = match job.view.server {
            IpAddr::V4(server) => self.untold4(job, server, from),
            IpAddr::V6(server) => self.untold6(job, server, from),
        };
        job.checking = next;
        if next.is_none() {
            self.finished_job(job, Ok(()), now);
        }
    }

    fn finished_job(&mut self, job: &mut Job, outcome: Outcome, now: Instant) {
        let missing = self.recoveries.missing.clone();
        match &outcome {
            // Nothing was taken in.
            _ if !job.restores() => {}
            // It would say the same again.
            Ok(()) | Err(Failure::Refused(_)) => self.recoveries.missing.strike(job.view.server),
            // Whoever called it off has not heard all.
            Err(Failure::Cancelled) => {}
            Err(_) if job.at_start => self.recoveries.missing.in_vain(job.view.server),
            Err(_) => {}
        }
        if missing != self.recoveries.missing {
            self.note_missing();
        }
        let again = self.recoveries.missing.contains(job.view.server);
        job.view.ended = Some((now, outcome.clone()));
        job.told = Told::default();
        let (server, purpose, tally) = (job.view.server, job.view.purpose, job.view.tally);
        self.commands.push_back(Command::Tell(Event::Recovered { server, purpose, outcome, tally, again }));
    }
}

/// Whether one time is later than the other by more than servers' seconds explain.
fn is_later(one: Instant, other: Instant) -> bool {
    one > other + TOLERANCE
}

/// Whether two ends of a lease differ by more than seconds, and the time that the answer took, explain.
fn is_other_end(one: Instant, other: Instant, took: Duration) -> bool {
    one.since(other).max(other.since(one)) > TOLERANCE + took
}
