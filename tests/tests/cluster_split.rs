//! Members that are apart for a while: nothing is done twice where a quorum is asked for, and nothing is forgotten.

use anyhow::{Context, Result};
use gateway_tests::daemon::Configuration;
use gateway_tests::fleet::{Fleet, FleetConfig, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::traffic::Echo;
use gateway_tests::wait;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SUBSCRIBERS: u32 = 60;
/// Packets per second.
const RATE: u32 = 1000;

/// These tests are about time: one must not slow the other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Stage {
    members: Members,
    fleet: Fleet,
    _echo: Echo,
    _server: Server,
    lab: Lab,
}

fn stage(lines: &str, constants: &str) -> Result<Stage> {
    let lab = Lab::up(Plan { fpcs: 1, members: 3, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let server = Server::start(server::Kind::Kea, &lab.servers[0], &service, lab.directory())?;
    let echo = Echo::start(&lab.servers[0])?;
    let mut members = Members::prepare(&lab, &Configuration::new(&lab), Delivery::Unicast)?;
    (members.lines, members.constants) = (lines.to_owned(), constants.to_owned());
    members.launch_all(&lab, 3)?;
    let fleet = more(&lab, 0, SUBSCRIBERS)?;
    fleet.login_all(LIMIT)?;
    let stage = Stage { members, fleet, _echo: echo, _server: server, lab };
    stage.wait_sessions(SUBSCRIBERS)?;
    Ok(stage)
}

/// Subscribers whose first retransmission does not take long.
fn more(lab: &Lab, fleet: u8, count: u32) -> Result<Fleet> {
    Fleet::start(&lab.subscribers[0], "sub0", FleetConfig { count, fleet, login_rate: 100, ..FleetConfig::default() })
}

impl Stage {
    fn wait_sessions(&self, count: u32) -> Result<()> {
        self.members.running().try_for_each(|gateway| gateway.wait_sessions(count.into(), LIMIT))
    }

    /// Wait until the members but this one serve all units.
    fn wait_served_without(&mut self, place: u8, since: Instant) -> Result<Duration> {
        let apart = self.members.gateways[usize::from(place)].take();
        let took = self.members.wait_served(since, LIMIT);
        self.members.gateways[usize::from(place)] = apart;
        took
    }

    fn role(&self, place: u8) -> Result<String> {
        Ok(self.members.at(place)?.show("members")?["role"].as_str().context("no role")?.to_owned())
    }

    /// Wait until this member's streams to both others are new ones, and stand.
    fn wait_connected(&self, place: u8) -> Result<()> {
        for other in (0..3).filter(|other| *other != place) {
            let name = Plan::member_name(place);
            let lost = |log: &str| log.contains(&format!("the stream to a member is lost member=\"{name}\""));
            wait::until_true("the former stream to be lost", LIMIT, || {
                self.members.at(other).is_ok_and(|gateway| lost(&gateway.process.log()))
            })?;
        }
        let connected = |view: &serde_json::Value| {
            view["members"].as_array().is_some_and(|all| all.iter().all(|one| one["connected"] == true))
        };
        self.members.running().try_for_each(|gateway| gateway.wait_for("members", LIMIT, connected).map(drop))
    }

    fn wait_role(&self, place: u8, role: &str) -> Result<()> {
        self.members.at(place)?.wait_for("members", LIMIT, |view| view["role"] == role).map(drop)
    }

    /// All are served by all, once.
    fn is_whole(&self) -> Result<()> {
        let report = self.fleet.traffic(TrafficPlan { rate: RATE, duration: Duration::from_millis(500), size: 100 })?;
        assert_eq!((report.lost(), report.duplicates, report.misdelivered, report.silent), (0, 0, 0, 0), "{report:?}");
        Ok(())
    }

    fn logs(&self) -> String {
        self.members.running().map(|gateway| gateway.process.log_end()).collect::<Vec<_>>().join("\n---\n")
    }
}

/// CL-23, H-CL-6, H-CL-7, H-CL-20: the master is cut off from the others. They elect another within three watchdog intervals and
/// the time that nobody may act; the old one does nothing more. Logins go on, and when the link is back there is one master,
/// and everybody knows everybody's sessions. No packet was doubled. A link that is made anew is a link again.
#[test]
fn a_split_with_a_quorum() -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = stage("", "")?;
    let coming = more(&stage.lab, 1, SUBSCRIBERS)?;
    let old = stage.members.master_place()?;
    stage.fleet.start_traffic(TrafficPlan { rate: RATE, duration: Duration::from_secs(3), size: 100 })?;
    let cut = Instant::now();
    stage.lab.cluster_link(old, false)?;
    let took = stage.wait_served_without(old, cut)?;
    println!("the master's units were served after {took:?}");
    let view = stage.members.at(old)?.show("members")?;
    assert!(view["fenced"] == true && view["role"] != "master", "{view:#}");
    coming.login_all(LIMIT)?;
    let report = stage.fleet.finish_traffic()?;
    assert_eq!((report.duplicates, report.misdelivered, report.silent), (0, 0, 0), "{report:?}");
    assert!(report.lost() <= u64::from(RATE) / 2, "{report:?}");
    stage.lab.cluster_link(old, true)?;
    stage.members.wait_balanced(LIMIT)?;
    assert_ne!(stage.members.master_place()?, old, "the later term stays (H-CL-7)");
    stage.wait_sessions(2 * SUBSCRIBERS).with_context(|| stage.logs())?;
    coming.renew_all(LIMIT)?;
    stage.is_whole()?;

    // The interface toward the others is made anew, first a member's, then the master's: what was bound to the former one is
    // deaf, and has to be opened again.
    let member = (0..3).find(|place| stage.members.master_place().is_ok_and(|master| master != *place));
    for place in [member.context("a member")?, stage.members.master_place()?] {
        stage.lab.remake_cluster_link(place)?;
        let again = || Ok::<_, anyhow::Error>(stage.members.at(place)?.process.log().contains("link is open again"));
        wait::until_true("the link to be opened again", LIMIT, || again().unwrap_or(false))
            .with_context(|| stage.logs())?;
        stage.members.wait_balanced(LIMIT).with_context(|| stage.logs())?;
        // Of two members the one with the greater number dials: both ways must work.
        stage.wait_connected(place).with_context(|| stage.logs())?;
    }
    stage.is_whole()
}

/// CL-22 to CL-27: as in the source document, both sides of a split have a master. When they meet, the one with more members
/// stays; of two with as many, the one with the lower address. Nobody's session is lost on the way.
#[test]
fn a_split_as_in_the_document() -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = stage("profile = \"document\"\nquorum = \"none\"\n", "pool_per_tick = 64\n")?;
    let old = stage.members.master_place()?;
    stage.lab.cluster_link(old, false)?;
    let others: Vec<u8> = (0..3).filter(|place| *place != old).collect();
    wait::until_true("a second master", LIMIT, || {
        others.iter().any(|place| stage.role(*place).is_ok_and(|role| role == "master"))
    })
    .with_context(|| stage.logs())?;
    assert_eq!(stage.role(old)?, "master");
    wait::until_true("a second member on the other side", LIMIT, || {
        others.iter().any(|place| stage.role(*place).is_ok_and(|role| role == "member"))
    })?;
    stage.lab.cluster_link(old, true)?;
    stage.members.wait_balanced(LIMIT).with_context(|| stage.logs())?;
    assert_ne!(stage.members.master_place()?, old, "two beat one");
    stage.wait_sessions(SUBSCRIBERS)?;

    // Now one against one.
    stage.members.kill(2)?;
    stage.lab.cluster_link(0, false)?;
    stage.wait_role(0, "master")?;
    stage.wait_role(1, "master")?;
    stage.lab.cluster_link(0, true)?;
    stage.members.wait_balanced(LIMIT).with_context(|| stage.logs())?;
    assert_eq!(stage.members.master_place()?, 0, "the lower address");
    let log = stage.members.at(1)?.process.log();
    assert!(log.contains("gw-a is master too, and is the better one"), "{}", stage.logs());
    stage.wait_sessions(SUBSCRIBERS)?;
    stage.fleet.renew_all(LIMIT)?;
    stage.is_whole()
}
