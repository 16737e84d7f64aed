//! The subscriber fleet: any number of CPEs on one interface.
//!
//! Each is a whole DHCP client ([`cpe`]) with its own MAC, tags and client identifier; it answers ARP for its address,
//! asks for its router, and sends numbered datagrams through the gateway that something beyond sends back. [`Crowd`]
//! holds them all and touches nothing; [`Fleet`] is the thread around it with a packet socket.
//!
//! ```no_run
//! # use gateway_tests::{fleet::*, lab::Lab, plan::Plan, traffic::Echo};
//! # use std::time::Duration;
//! # fn main() -> anyhow::Result<()> {
//! # let lab = Lab::up(Plan::default())?;
//! let echo = Echo::start(&lab.servers[0])?;
//! let fleet = Fleet::start(&lab.subscribers[0], "sub0", FleetConfig { count: 500, ..FleetConfig::default() })?;
//! fleet.login_all(Duration::from_secs(30))?;
//! let report = fleet.traffic(TrafficPlan { rate: 5000, duration: Duration::from_secs(2), size: 64 })?;
//! assert_eq!((report.lost(), report.duplicates, report.misdelivered), (0, 0, 0));
//! # Ok(())
//! # }
//! ```

mod config;
pub mod cpe;
pub mod cpe6;
mod crowd;
pub mod ether;
mod flood;
mod six;
mod socket;
mod stats;
mod traffic;

use crate::namespace::Namespace;
use anyhow::{Context, Result, bail};
use gateway_core::time::Instant;
use std::net::Ipv4Addr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use config::{FleetConfig, Tagging};
pub use crowd::{Action, Crowd};
pub use flood::{FloodPlan, FloodReport};
pub use socket::PacketSocket;
pub use stats::{Counters, Stats};
pub use traffic::{TrafficPlan, TrafficReport};

/// How long the thread may sleep while nothing is due.
const NAP: Duration = Duration::from_millis(5);
/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(10);
/// How long the last datagrams of a run may be on their way.
const GRACE: Duration = Duration::from_secs(1);

type Work = Box<dyn FnOnce(&mut Crowd, Instant) + Send>;

/// A fleet at work. Dropped, it falls silent without a word to the server.
#[derive(Debug)]
pub struct Fleet {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    count: u32,
}

impl Fleet {
    /// Puts CPEs on `interface` in `space`. All are off.
    pub fn start(space: &Namespace, interface: &str, config: FleetConfig) -> Result<Self> {
        let socket = space.run(|| PacketSocket::open(interface))?.with_context(|| format!("fleet on {interface}"))?;
        let (sender, receiver) = mpsc::channel();
        let count = config.count;
        let crowd = Crowd::new(config);
        let thread = std::thread::Builder::new().name("fleet".into()).spawn(move || serve(socket, crowd, &receiver))?;
        Ok(Self { work: Some(sender), thread: Some(thread), count })
    }

    /// Lets all log in and waits until each has an address and its router has answered ARP. After `limit` the error says
    /// where they are.
    pub fn login_all(&self, limit: Duration) -> Result<Stats> {
        self.tell_all(Action::Start)?;
        self.wait_for_all("logged in", limit, |stats, count| stats.ready == count)
    }

    /// The same with INIT-REBOOT: each asks for the address it had.
    pub fn reboot_all(&self, limit: Duration) -> Result<Stats> {
        self.tell_all(Action::Reboot)?;
        self.wait_for_all("rebooted", limit, |stats, count| stats.ready == count)
    }

    /// Lets all that have an address renew it, and waits until the server has agreed.
    pub fn renew_all(&self, limit: Duration) -> Result<Stats> {
        self.extend_all(Action::Renew, limit)
    }

    /// The same by broadcast.
    pub fn rebind_all(&self, limit: Duration) -> Result<Stats> {
        self.extend_all(Action::Rebind, limit)
    }

    fn extend_all(&self, action: Action, limit: Duration) -> Result<Stats> {
        let before = self.stats()?;
        let due = u64::from(before.online());
        self.tell_all(action)?;
        self.wait_for_all("extended", limit, |stats, _| {
            stats.counters.acks - before.counters.acks >= due && stats.renewing == 0
        })
    }

    /// Lets all release their address and waits until each has said so. No answer exists.
    pub fn release_all(&self, limit: Duration) -> Result<Stats> {
        self.tell_all(Action::Release)?;
        self.wait_for_all("released", limit, |stats, count| stats.idle == count)
    }

    /// Power fails: nobody says anything any more. Leases are remembered for [`Self::reboot_all`].
    pub fn power_off(&self) -> Result<()> {
        self.tell_all(Action::PowerOff)?;
        self.wait_for_all("powered off", Duration::from_secs(60), |stats, count| stats.idle == count).map(drop)
    }

    /// Tells all CPEs to do something, and does not wait.
    pub fn tell_all(&self, action: Action) -> Result<()> {
        let count = self.count;
        self.with(move |crowd, now| crowd.tell(0..count, action, now))
    }

    /// Tells one CPE to do something, and does not wait.
    pub fn tell(&self, index: u32, action: Action) -> Result<()> {
        self.with(move |crowd, now| crowd.tell(index..index + 1, action, now))
    }

    /// Where the CPEs are, and what was said.
    pub fn stats(&self) -> Result<Stats> {
        self.with(|crowd, _| crowd.stats())
    }

    /// The address of each CPE that has one.
    pub fn addresses(&self) -> Result<Vec<Option<Ipv4Addr>>> {
        self.with(|crowd, _| crowd.cpes().iter().map(cpe::Cpe::address).collect())
    }

    /// Waits until `so` holds of the stats and the number of CPEs, everything told was begun, and says what was there
    /// instead after `limit`.
    pub fn wait_for_all(&self, what: &str, limit: Duration, so: impl Fn(&Stats, u32) -> bool) -> Result<Stats> {
        let limit = crate::wait::scaled(limit);
        let deadline = std::time::Instant::now() + limit;
        let mut looks = 0u32;
        loop {
            let (stats, begun) = self.with(|crowd, _| (crowd.stats(), crowd.has_begun()))?;
            if begun && so(&stats, self.count) {
                return Ok(stats);
            }
            if std::time::Instant::now() >= deadline {
                bail!("waited {limit:?} in vain for all {} CPEs {what}: {stats:?}", self.count);
            }
            looks += 1;
            if looks.is_multiple_of(100) {
                self.with(|crowd, _| crowd.resolve())?; // an ARP answer may have been lost
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Sends traffic from every CPE that can send, waits for what comes back.
    pub fn traffic(&self, plan: TrafficPlan) -> Result<TrafficReport> {
        self.start_traffic(plan)?;
        self.finish_traffic()
    }

    /// Begins traffic, and does not wait.
    pub fn start_traffic(&self, plan: TrafficPlan) -> Result<()> {
        self.with(move |crowd, now| crowd.start_traffic(plan, now))
    }

    /// What became of the traffic so far.
    pub fn traffic_so_far(&self) -> Result<TrafficReport> {
        self.with(|crowd, now| crowd.traffic(now, GRACE))?.map(|(report, _)| report).context("no traffic was begun")
    }

    /// Waits until all traffic was sent and has come back, or had a second to.
    pub fn finish_traffic(&self) -> Result<TrafficReport> {
        loop {
            let (report, over) = self.with(|crowd, now| crowd.traffic(now, GRACE))?.context("no traffic was begun")?;
            if over {
                return Ok(report);
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Begins a flood of DISCOVERs, and does not wait.
    pub fn start_flood(&self, plan: FloodPlan) -> Result<()> {
        self.with(move |crowd, now| crowd.start_flood(plan, now))
    }

    /// Floods and waits until it is over.
    pub fn flood(&self, plan: FloodPlan) -> Result<FloodReport> {
        self.start_flood(plan)?;
        std::thread::sleep(plan.duration + GRACE);
        self.flood_so_far()
    }

    /// What became of the flood so far.
    pub fn flood_so_far(&self) -> Result<FloodReport> {
        self.with(|crowd, _| crowd.flood())?.context("no flood was begun")
    }

    /// Does something with the CPEs, between two frames.
    pub fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Crowd, Instant) -> T + Send + 'static) -> Result<T> {
        let (answer, answered) = mpsc::sync_channel(1);
        let work: Work = Box::new(move |crowd, now| {
            // Nobody waits for the answer only when the caller has panicked.
            let _ = answer.send(work(crowd, now));
        });
        let sent = self.work.as_ref().is_some_and(|sender| sender.send(work).is_ok());
        if !sent {
            bail!("the fleet's thread has ended");
        }
        match answered.recv_timeout(crate::wait::scaled(Duration::from_secs(30))) {
            Ok(value) => Ok(value),
            Err(RecvTimeoutError::Timeout) => bail!("the fleet's thread is stuck"),
            Err(RecvTimeoutError::Disconnected) => bail!("the fleet's thread has panicked"),
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("lab: a fleet has panicked");
        }
    }
}

/// The loop: work, time, frames out, frames in.
fn serve(mut socket: PacketSocket, mut crowd: Crowd, work: &Receiver<Work>) {
    let began = std::time::Instant::now();
    let now = || Instant::ZERO + began.elapsed();
    let mut outgoing: Vec<Vec<u8>> = Vec::with_capacity(PacketSocket::BATCH);
    loop {
        loop {
            match work.try_recv() {
                Ok(work) => work(&mut crowd, now()),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        crowd.handle_timeout(now());
        let mut stuck = false;
        while !stuck {
            outgoing.extend(core::iter::from_fn(|| crowd.poll_frame()).take(PacketSocket::BATCH));
            if outgoing.is_empty() {
                break;
            }
            let sent = socket.send(&outgoing);
            stuck = sent < outgoing.len();
            for unsent in outgoing.drain(..).skip(sent).rev() {
                crowd.unpoll_frame(unsent);
            }
        }
        let mut received = 0;
        for _ in 0..8 {
            let batch = socket.receive(|frame| crowd.handle_frame(frame, now()));
            received += batch;
            if batch < PacketSocket::BATCH {
                break;
            }
        }
        if received == 0 {
            let due = crowd.poll_timeout().map_or(NAP, |at| at.since(now()).min(NAP));
            socket.wait(if stuck { Duration::from_millis(1) } else { due });
        }
    }
}
