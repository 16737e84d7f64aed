//! One act: two FPCs' subscribers log in, one card flaps, the other disappears, and the maps come clean.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gateway_tests::dhcp::kind;
use gateway_tests::fleet::{Fleet, FleetConfig, TrafficPlan};
use gateway_tests::plan::Plan;
use gateway_tests::server::Kind;
use gateway_tests::stage::Stage;
use gateway_tests::traffic::Echo;
use gateway_tests::wait;

use super::screen::Screen;

/// How long all logins, or one card's release, may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Individual RELEASEs per second. A default gateway sends 100; here somebody is watching.
const RELEASE_RATE: u32 = 200;
/// dnsmasq slows down and refuses above a few hundred new clients per second.
const DNSMASQ_LOGIN_RATE: u32 = 60;

/// Which server, and how many subscribers behind each FPC.
pub(crate) struct Act {
    pub(crate) kind: Kind,
    pub(crate) subscribers: u32,
}

/// What the restart of one FPC cost.
pub(crate) struct Figures {
    /// Subscribers that were logged out.
    pub(crate) released: u32,
    /// RELEASE messages, single or individual, on the server's wire.
    pub(crate) messages: usize,
    /// BULK-RELEASE-REPLY messages on it.
    pub(crate) replies: usize,
    /// From the loss of the carrier to the last route's end.
    pub(crate) took: Duration,
}

impl Act {
    /// Play it. An error says what was not as it should be.
    pub(crate) fn play(&self, screen: &mut Screen) -> Result<Figures> {
        let mut stage = Stage::with(
            self.kind,
            Plan::default(),
            |_| {},
            |configuration| {
                configuration.server = format!("release_rate = {RELEASE_RATE}\n");
            },
        )?;
        let _echo = Echo::start(&stage.lab.servers[0])?;
        let cards = [self.fleet(&stage, 0)?, self.fleet(&stage, 1)?];
        expect_routes(&stage, 0)?;
        self.log_in(screen, &stage, &cards)?;
        self.traffic(screen, &stage, &cards)?;
        let figures = self.flap(screen, &stage, &cards)?;
        self.return_of_the_first_card(screen, &stage, &cards)?;
        let [first, second] = cards;
        drop(second);
        self.disappearance(screen, &mut stage, &first)?;
        self.log_out(screen, &stage, &first)?;
        Ok(figures)
    }

    fn all(&self) -> u32 {
        2 * self.subscribers
    }

    fn fleet(&self, stage: &Stage, fpc: u8) -> Result<Fleet> {
        let login_rate = if self.kind == Kind::Dnsmasq { DNSMASQ_LOGIN_RATE } else { 1000 };
        let config = FleetConfig { count: self.subscribers, fleet: fpc + 1, login_rate, ..FleetConfig::default() };
        Fleet::start(&stage.lab.subscribers[usize::from(fpc)], "sub0", config)
    }

    fn log_in(&self, screen: &mut Screen, stage: &Stage, cards: &[Fleet; 2]) -> Result<()> {
        screen.begin("subscribers log in");
        std::thread::scope(|scope| {
            let logins: Vec<_> = cards.iter().map(|card| scope.spawn(|| card.login_all(LIMIT))).collect();
            while logins.iter().any(|login| !login.is_finished()) {
                screen.progress("subscribers log in", routes(stage).unwrap_or(0).into(), self.all().into());
                std::thread::sleep(Duration::from_millis(50));
            }
            logins.into_iter().try_for_each(|login| login.join().expect("the fleet does not panic").map(drop))
        })?;
        expect_routes(stage, self.all())?;
        self.expect_leases(stage, self.all())?;
        screen.end("subscribers log in", &format!("routes in the kernel's map: 0 -> {}", self.all()));
        Ok(())
    }

    fn traffic(&self, screen: &mut Screen, stage: &Stage, cards: &[Fleet; 2]) -> Result<()> {
        let forwarded_before = stage.gateway.forwarded()?;
        screen.begin("traffic from every one");
        let plan = TrafficPlan { rate: 2000, duration: Duration::from_secs(2), size: 64 };
        cards.iter().try_for_each(|card| card.start_traffic(plan))?;
        let mut sent = 0;
        for card in cards {
            let report = card.finish_traffic()?;
            ensure!(report.silent == 0, "{} subscribers heard nothing back: {report:?}", report.silent);
            ensure!(report.lost() == 0, "{} datagrams were lost: {report:?}", report.lost());
            sent += report.sent;
        }
        let forwarded = stage.gateway.forwarded()? - forwarded_before;
        ensure!(forwarded >= 2 * sent, "XDP forwarded only {forwarded} of {sent} datagrams there and back");
        screen.end("traffic from every one", &format!("{sent} datagrams and their echoes, none lost, all in XDP"));
        Ok(())
    }

    fn flap(&self, screen: &mut Screen, stage: &Stage, cards: &[Fleet; 2]) -> Result<Figures> {
        let [first, second] = cards;
        first.power_off()?;
        stage.wire.clear();
        let plan = TrafficPlan { rate: 1000, duration: Duration::from_secs(2), size: 64 };
        second.start_traffic(plan)?;
        screen.begin("FPC 0's link flaps");
        let lost = Instant::now();
        stage.lab.carrier(0, false)?;
        let took = self.wait_for_routes(screen, "FPC 0's link flaps", stage, self.subscribers, lost)?;
        stage.gateway.wait_sessions(self.subscribers.into(), LIMIT)?;
        stage.lab.carrier(0, true)?;
        let figures = Figures {
            released: self.subscribers,
            messages: stage.wire.count(kind::RELEASE),
            replies: stage.wire.count(kind::BULK_RELEASE_REPLY),
            took,
        };
        self.expect_messages(&figures)?;
        self.expect_leases(stage, self.subscribers)?;
        screen.end(
            "FPC 0's link flaps",
            &format!(
                "on the wire: {}; routes {} -> {}",
                on_the_wire(figures.messages, figures.replies),
                self.all(),
                self.subscribers
            ),
        );
        let report = second.finish_traffic()?;
        ensure!(report.lost() == 0, "FPC 1's subscribers lost {} datagrams meanwhile: {report:?}", report.lost());
        screen.note(&format!("meanwhile FPC 1's subscribers sent {} datagrams and lost none", report.sent));
        Ok(figures)
    }

    fn return_of_the_first_card(&self, screen: &mut Screen, stage: &Stage, cards: &[Fleet; 2]) -> Result<()> {
        screen.begin("FPC 0's subscribers return");
        cards[0].login_all(LIMIT)?;
        expect_routes(stage, self.all())?;
        screen.end("FPC 0's subscribers return", &format!("routes {} -> {}", self.subscribers, self.all()));
        Ok(())
    }

    fn disappearance(&self, screen: &mut Screen, stage: &mut Stage, first: &Fleet) -> Result<()> {
        stage.wire.clear();
        screen.begin("FPC 1's namespace is gone");
        let lost = Instant::now();
        stage.lab.tear_down_last();
        self.wait_for_routes(screen, "FPC 1's namespace is gone", stage, self.subscribers, lost)?;
        let (messages, replies) = (stage.wire.count(kind::RELEASE), stage.wire.count(kind::BULK_RELEASE_REPLY));
        self.expect_messages(&Figures { released: self.subscribers, messages, replies, took: lost.elapsed() })?;
        let result =
            format!("on the wire: {}; routes {} -> {}", on_the_wire(messages, replies), self.all(), self.subscribers);
        screen.end("FPC 1's namespace is gone", &result);
        ensure!(first.stats()?.online() == self.subscribers, "FPC 0's subscribers were hurt");
        Ok(())
    }

    fn log_out(&self, screen: &mut Screen, stage: &Stage, first: &Fleet) -> Result<()> {
        screen.begin("the rest log out themselves");
        first.release_all(LIMIT)?;
        stage.gateway.wait_sessions(0, LIMIT)?;
        expect_routes(stage, 0)?;
        self.expect_leases(stage, 0)?;
        screen.end("the rest log out themselves", &format!("routes {} -> 0: the maps are clean", self.subscribers));
        Ok(())
    }

    /// Wait until the kernel's map has `count` routes. Gives the time since `from`.
    fn wait_for_routes(
        &self,
        screen: &Screen,
        what: &str,
        stage: &Stage,
        count: u32,
        from: Instant,
    ) -> Result<Duration> {
        let expected = self.all() - count;
        let look = || {
            let now = routes(stage).ok()?;
            screen.progress(what, self.all().saturating_sub(now).into(), expected.into());
            (now == count).then(|| from.elapsed())
        };
        wait::until(&format!("{count} routes"), LIMIT, look).with_context(|| {
            format!("{:?} routes are there; {}", routes(stage).ok(), stage.gateway.show("releases").unwrap_or_default())
        })
    }

    /// The single logout is one message and one reply; without it each login has its RELEASE.
    fn expect_messages(&self, figures: &Figures) -> Result<()> {
        let Figures { messages, replies, .. } = figures;
        if self.kind == Kind::Embedded {
            ensure!(
                (*messages, *replies) == (1, 1),
                "{messages} RELEASEs and {replies} replies instead of one of each"
            );
        } else {
            let least = self.subscribers as usize;
            ensure!(
                *messages >= least && *replies == 0,
                "{messages} RELEASEs and {replies} replies for {least} logins"
            );
        }
        Ok(())
    }

    /// What the server itself says it has leased, where its file can be read.
    fn expect_leases(&self, stage: &Stage, count: u32) -> Result<()> {
        if self.kind == Kind::Embedded {
            return Ok(());
        }
        let leases = || stage.server.leases().map(|leases| leases.len());
        wait::until_true("the server's leases", Duration::from_secs(20), || {
            leases().is_ok_and(|now| now == count as usize)
        })
        .with_context(|| format!("the server holds {:?} leases, not {count}", leases().ok()))
    }
}

/// `1 RELEASE, 1 reply`
fn on_the_wire(messages: usize, replies: usize) -> String {
    let releases = if messages == 1 { "RELEASE" } else { "RELEASEs" };
    let answers = if replies == 1 { "reply" } else { "replies" };
    format!("{messages} {releases}, {replies} {answers}")
}

/// Routes in the kernel's map, read past the gateway.
fn routes(stage: &Stage) -> Result<u32> {
    stage.gateway.routes_in_kernel()
}

fn expect_routes(stage: &Stage, count: u32) -> Result<()> {
    wait::until_true("the routes", Duration::from_secs(5), || routes(stage).is_ok_and(|now| now == count))
        .with_context(|| format!("the kernel's map has {:?} routes, not {count}", routes(stage).ok()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_is_one() {
        let told = [(1, 1), (500, 0)].map(|(messages, replies)| super::on_the_wire(messages, replies));
        assert_eq!(told, ["1 RELEASE, 1 reply", "500 RELEASEs, 0 replies"]);
    }
}
