//! The acts: two members, a third one, one in maintenance, and the master's death.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gateway_tests::capture::Capture;
use gateway_tests::daemon::Configuration;
use gateway_tests::dhcp::kind;
use gateway_tests::fleet::{Fleet, FleetConfig, TrafficPlan, TrafficReport};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::server::{Kind, Server, Service};
use gateway_tests::traffic::Echo;
use gateway_tests::wait;

use super::share::Shares;
use crate::demo::screen::Screen;

/// Datagrams of each subscriber in a second.
const RATE: u32 = 3;
/// How long others may take until they serve what a killed master did: three watchdog intervals of 200 ms, and as much again
/// for a host that has fewer processors than members.
const OUTAGE: Duration = Duration::from_millis(1200);

/// What is on the stage. Dropped in this order.
pub(super) struct Act {
    subscribers: u32,
    fleet: Fleet,
    members: Members,
    wire: Capture,
    _echo: Echo,
    _server: Server,
    lab: Lab,
}

impl Act {
    /// Three members' lab with two of them running.
    pub(super) fn set(subscribers: u32, screen: &mut Screen) -> Result<Self> {
        screen.begin("two members share the units");
        let lab = Lab::up(Plan { fpcs: 1, members: 3, ..Plan::default() })?;
        let server = Server::start(Kind::Embedded, &lab.servers[0], &Service::relayed(&lab.plan, 0), lab.directory())?;
        let echo = Echo::start(&lab.servers[0])?;
        let wire = Capture::start(&lab.servers[0], "srv0")?;
        // At a MAC that all share: who is master makes no difference to subscribers.
        let members = Members::start(&lab, &Configuration::new(&lab), Delivery::Unicast, 2)?;
        let fleet =
            Fleet::start(&lab.subscribers[0], "sub0", FleetConfig { count: subscribers, ..FleetConfig::default() })?;
        let act = Self { subscribers, fleet, members, wire, _echo: echo, _server: server, lab };
        screen.end("two members share the units", &format!("{} is master", act.master()?));
        screen.note(&format!("units   {}", act.shares()?.line(screen.is_watched())));
        Ok(act)
    }

    /// Play it. An error says what was not as it should be.
    pub(super) fn play(mut self, screen: &mut Screen) -> Result<()> {
        self.log_in(screen)?;
        self.steady(screen)?;
        self.join(screen)?;
        self.drain(screen)?;
        self.kill(screen)?;
        self.renew(screen)
    }

    /// Packets in a second, of all flows together.
    fn rate(&self) -> u32 {
        RATE * self.subscribers
    }

    fn plan(&self, seconds: u64) -> TrafficPlan {
        TrafficPlan { rate: self.rate(), duration: Duration::from_secs(seconds), size: 100 }
    }

    fn log_in(&self, screen: &mut Screen) -> Result<()> {
        let what = "subscribers log in";
        screen.begin(what);
        std::thread::scope(|scope| {
            let login = scope.spawn(|| self.fleet.login_all(LIMIT));
            while !login.is_finished() {
                let online = self.fleet.stats().map_or(0, |stats| stats.online());
                screen.progress(what, online.into(), self.subscribers.into());
                std::thread::sleep(Duration::from_millis(50));
            }
            login.join().expect("the fleet does not panic").map(drop)
        })?;
        self.everybody_has_all()?;
        screen.end(what, &format!("every member has {} sessions, whoever relayed the login", self.subscribers));
        Ok(())
    }

    /// Each packet is forwarded by exactly one member, there and back.
    fn steady(&self, screen: &mut Screen) -> Result<()> {
        let what = "traffic from every one";
        screen.begin(what);
        let (report, forwarded) = self.members.steady(|| {
            let before = self.members.forwarded()?;
            let report = self.fleet.traffic(self.plan(2))?;
            Ok((report, self.members.forwarded()? - before))
        })?;
        ensure!(report.lost() + report.duplicates == 0, "not each exactly once: {report:?}");
        self.expect_whole(&report)?;
        let sent = report.sent;
        ensure!(forwarded == 2 * sent, "{sent} datagrams and their echoes, but {forwarded} were forwarded");
        screen.end(what, &format!("{sent} datagrams and echoes, {forwarded} packets forwarded: each once"));
        Ok(())
    }

    fn join(&mut self, screen: &mut Screen) -> Result<()> {
        let what = "gw-c joins";
        let before = self.begin(screen, what, 4)?;
        self.members.launch(&self.lab, 2)?;
        self.watch(screen, what, |shares| shares.members[2])?;
        let took = screen.so_far();
        let report = self.fleet.finish_traffic()?;
        self.everybody_has_all()?;
        self.end(
            screen,
            what,
            took,
            &before,
            &report,
            &format!("with all {} sessions before its first unit", self.subscribers),
        )
    }

    fn drain(&self, screen: &mut Screen) -> Result<()> {
        let master = self.members.master_place()?;
        let drained = (0..3).find(|place| *place != master).context("there are three")?;
        let name = Plan::member_name(drained);
        let what = format!("{name} is drained");
        let before = self.begin(screen, &what, 3)?;
        let gateway = self.members.master()?;
        gateway.command(&["cluster", "drain", &name])?;
        wait::until_true("a member without units", LIMIT, || {
            self.shares().is_ok_and(|now| now.members[usize::from(drained)] == 0 && now.nobody == 0)
        })?;
        let took = screen.so_far();
        let report = self.fleet.finish_traffic()?;
        self.end(screen, &what, took, &before, &report, "its units are with the others, it may be switched off")?;

        let back = format!("{name} has units again");
        let before = self.begin(screen, &back, 3)?;
        gateway.command(&["cluster", "drain", &name, "--end"])?;
        self.members.wait_balanced(LIMIT)?;
        let took = screen.so_far();
        let report = self.fleet.finish_traffic()?;
        self.end(screen, &back, took, &before, &report, "units within 1 of each other")
    }

    fn kill(&mut self, screen: &mut Screen) -> Result<()> {
        let master = self.members.master_place()?;
        let what = format!("kill -9 {}, the master", Plan::member_name(master));
        let before = self.begin(screen, &what, 4)?;
        self.members.kill(master)?;
        self.watch(screen, &what, |shares| 1024 - shares.members[usize::from(master)])?;
        let took = screen.so_far();
        let report = self.fleet.finish_traffic()?;
        self.expect_whole(&report)?;
        ensure!(report.duplicates == 0, "{} datagrams were doubled: {report:?}", report.duplicates);
        // What was lost is what its units carried from its end until they were served again.
        let units = before.members[usize::from(master)].max(1) as f64;
        let outage = Duration::from_secs_f64(report.lost() as f64 * 1024.0 / units / f64::from(self.rate()));
        ensure!(outage <= OUTAGE, "the dead master's units were not served for {outage:?}: {report:?}");
        let text = format!("{} is master; the dead one's units missed {} ms", self.master()?, outage.as_millis());
        self.show(screen, &what, took, &before, &report, &text)
    }

    /// That nobody noticed: no logout on the server's wire, no session less, and every lease can be renewed.
    fn renew(&self, screen: &mut Screen) -> Result<()> {
        let what = "every one renews";
        screen.begin(what);
        let before = self.fleet.stats()?;
        self.fleet.renew_all(LIMIT)?;
        let stats = self.fleet.stats()?;
        ensure!(stats.counters.naks == 0, "{} were refused: {stats:?}", stats.counters.naks);
        ensure!(stats.online() == self.subscribers, "not everybody is online: {stats:?}");
        let discovers = stats.counters.discovers - before.counters.discovers;
        ensure!(discovers == 0, "{discovers} subscribers had to log in anew");
        self.everybody_has_all()?;
        let logouts = self.wire.count(kind::RELEASE);
        ensure!(logouts == 0, "{logouts} RELEASEs on the server's wire: {:?}", self.wire.counts());
        for gateway in self.members.running() {
            let status = gateway.show("status")?;
            let counters = status["counters"].as_object().context("no counters")?;
            let ended = counters.iter().filter(|(name, _)| name.starts_with("logouts-"));
            let ended: u64 = ended.filter_map(|(_, count)| count.as_u64()).sum();
            ensure!(ended == 0, "{ended} sessions ended: {counters:?}");
        }
        screen.end(what, &format!("{} renewed, 0 refused, 0 logouts on the server's wire", self.subscribers));
        Ok(())
    }

    /// A step under traffic begins.
    fn begin(&self, screen: &mut Screen, what: &str, seconds: u64) -> Result<Shares> {
        let before = self.shares()?;
        screen.begin(what);
        self.fleet.start_traffic(self.plan(seconds))?;
        Ok(before)
    }

    /// Until all that run share the units evenly; `moved` says how many have come so far.
    fn watch(&self, screen: &Screen, what: &str, moved: impl Fn(&Shares) -> usize) -> Result<()> {
        let began = Instant::now();
        let even = 1024 / self.members.running().count().max(1);
        while began.elapsed() < LIMIT {
            if let Ok(shares) = self.shares() {
                screen.progress(what, moved(&shares).min(even) as u64, even as u64);
            }
            if self.members.wait_balanced(Duration::ZERO).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.members.wait_balanced(Duration::ZERO)
    }

    /// A planned step is over: of no flow more than one packet was lost or doubled.
    fn end(
        &self,
        screen: &Screen,
        what: &str,
        took: Duration,
        before: &Shares,
        report: &TrafficReport,
        text: &str,
    ) -> Result<()> {
        self.expect_whole(report)?;
        let wrong = report.lost() + report.duplicates;
        ensure!(
            wrong <= u64::from(self.subscribers),
            "{wrong} datagrams lost or doubled in a planned move: {report:?}"
        );
        self.show(screen, what, took, before, report, text)
    }

    fn show(
        &self,
        screen: &Screen,
        what: &str,
        took: Duration,
        before: &Shares,
        report: &TrafficReport,
        text: &str,
    ) -> Result<()> {
        screen.end_after(what, took, text);
        let colored = screen.is_watched();
        screen.note(&format!("before  {}", before.line(colored)));
        screen.note(&format!("after   {}", self.shares()?.line(colored)));
        let (sent, lost, doubled) = (report.sent, report.lost(), report.duplicates);
        screen.note(&format!(
            "meanwhile {sent} datagrams: {} came back once, {lost} lost, {doubled} doubled",
            report.returned.saturating_sub(doubled)
        ));
        Ok(())
    }

    /// Nobody got another's datagram, and nobody heard nothing.
    fn expect_whole(&self, report: &TrafficReport) -> Result<()> {
        ensure!(report.senders == self.subscribers, "only {} subscribers could send: {report:?}", report.senders);
        ensure!((report.misdelivered, report.silent) == (0, 0), "misdelivered, or silent: {report:?}");
        Ok(())
    }

    fn everybody_has_all(&self) -> Result<()> {
        self.members.running().try_for_each(|gateway| gateway.wait_sessions(self.subscribers.into(), LIMIT))
    }

    /// The units as the first that runs has them in its maps.
    fn shares(&self) -> Result<Shares> {
        let counts = self.members.units()?;
        Ok(Shares::new(counts.first().context("no member runs")?))
    }

    fn master(&self) -> Result<String> {
        self.members.master_place().map(Plan::member_name)
    }
}
