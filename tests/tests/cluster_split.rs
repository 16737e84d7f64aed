//! Members that are apart for a while, stand still, or can't keep up: nothing is done twice, and nothing is forgotten.

use anyhow::{Context, Result};
use gateway_tests::capture::Capture;
use gateway_tests::daemon::Configuration;
use gateway_tests::dhcp::{Seen, kind};
use gateway_tests::fleet::{Action, Fleet, FleetConfig, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::process;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::traffic::Echo;
use gateway_tests::wait;
use nix::sys::signal::Signal;
use serde_json::json;
use std::collections::BTreeMap;
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

    /// How often the others have had a stream to this member.
    fn streams(&self, place: u8) -> Result<Vec<usize>> {
        let stands = format!("the stream to a member stands member=\"{}\"", Plan::member_name(place));
        let count = |other| Ok(self.members.at(other)?.process.log().matches(&stands).count());
        (0..3).filter(|other| *other != place).map(count).collect()
    }

    /// Wait until this member's streams to both others are new ones, and stand.
    fn wait_connected(&self, place: u8, before: &[usize]) -> Result<()> {
        wait::until_true("new streams", LIMIT, || {
            self.streams(place).is_ok_and(|now| now.iter().zip(before).all(|(now, before)| now > before))
        })?;
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
        let plan = TrafficPlan { rate: RATE, duration: Duration::from_millis(500), size: 100 };
        let report = self.members.steady_traffic(&self.fleet, plan)?;
        assert_eq!((report.lost(), report.duplicates, report.misdelivered, report.silent), (0, 0, 0, 0), "{report:?}");
        Ok(())
    }

    fn logs(&self) -> String {
        self.members.running().map(|gateway| gateway.process.log_end()).collect::<Vec<_>>().join("\n---\n")
    }
}

/// How often each client said each kind of message, by transaction.
fn counts(seen: &[Seen], fits: impl Fn(&Seen) -> bool) -> BTreeMap<([u8; 6], u32, u8), usize> {
    let mut counts = BTreeMap::new();
    for message in seen.iter().filter(|message| fits(message)) {
        *counts.entry((message.chaddr(), message.xid(), message.kind)).or_default() += 1;
    }
    counts
}

/// No message of a client reached the server more often than it was sent, and none was answered more often.
fn is_nothing_done_twice(access: &Capture, core: &Capture) {
    let (access, core) = (access.messages(), core.messages());
    let sent = counts(&access, |seen| seen.ports == (68, 67));
    let relayed = counts(&core, |seen| seen.ports.1 == 67 && matches!(seen.kind, kind::DISCOVER | kind::REQUEST));
    assert!(!relayed.is_empty(), "nobody logged in");
    for (what, count) in relayed {
        assert!(
            sent.get(&what).is_some_and(|sent| count <= *sent),
            "{what:?} reached the server {count} times: {sent:?}"
        );
    }
    for ((client, xid, answer), count) in counts(&access, |seen| seen.ports == (67, 68)) {
        let question = if answer == kind::OFFER { kind::DISCOVER } else { kind::REQUEST };
        let asked = sent.get(&(client, xid, question)).copied().unwrap_or_default();
        assert!(count <= asked, "{client:02x?} asked {asked} times and was answered {count} times");
    }
}

/// H-CL-19, H-CL-20, H-CL-27: a member stands still (SIGSTOP) and wakes up when others own what was its own, with DHCP waiting
/// for it. It is fenced: it forwards nothing and answers nobody a second time, and gets units again as any other.
#[test]
fn a_member_that_stood_still_is_fenced() -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = stage("", "")?;
    let coming = more(&stage.lab, 1, 2 * SUBSCRIBERS)?;
    let (access, core) =
        (Capture::start(&stage.lab.subscribers[0], "sub0")?, Capture::start(&stage.lab.servers[0], "srv0")?);
    let place = (stage.members.master_place()? + 1) % 3;
    coming.tell_all(Action::Start)?;
    stage.fleet.start_traffic(TrafficPlan { rate: RATE, duration: Duration::from_millis(1500), size: 100 })?;
    coming.wait_for_all("begun to log in", LIMIT, |stats, _| stats.ready > SUBSCRIBERS / 4).map(drop)?;
    let stopped = Instant::now();
    stage.members.at(place)?.process.signal(Signal::SIGSTOP)?;
    let took = stage.wait_served_without(place, stopped)?;
    println!("its units were served after {took:?}");
    let report = stage.fleet.finish_traffic()?;
    assert!(report.lost() <= u64::from(RATE) / 2 && report.silent == 0, "{report:?}");
    // A frame that comes after a new owner has begun, and before the master knows it, is held for it as well (CL-64).
    assert!(report.duplicates <= 5, "{report:?}");
    // It shall get no units for now: of a planned move a packet may be doubled, of this none.
    let name = Plan::member_name(place);
    let (first, second) = ((place + 1) % 3, (place + 2) % 3);
    let master = if stage.role(first)? == "master" { first } else { second };
    stage.members.at(master)?.ask(&json!({ "request": "drain", "member": name }))?;
    stage.fleet.start_traffic(TrafficPlan { rate: RATE, duration: Duration::from_millis(1500), size: 100 })?;
    coming.wait_for_all("more of them", LIMIT, |stats, _| stats.ready > SUBSCRIBERS).map(drop)?;
    stage.members.at(place)?.process.signal(Signal::SIGCONT)?;

    let gateway = stage.members.gateways[usize::from(place)].as_mut().context("it runs")?;
    gateway.process.wait_for_log("fenced: stood still for", LIMIT)?;
    coming.wait_for_all("logged in", LIMIT, |stats, count| stats.ready == count).with_context(|| stage.logs())?;
    let report = stage.fleet.finish_traffic()?;
    assert_eq!((report.lost(), report.duplicates, report.misdelivered), (0, 0, 0), "when it wakes up: {report:?}");
    is_nothing_done_twice(&access, &core);
    stage.wait_sessions(3 * SUBSCRIBERS)?;
    stage.members.at(master)?.ask(&json!({ "request": "drain", "member": name, "end": true }))?;
    stage.members.wait_balanced(LIMIT)?;
    stage.is_whole()
}

/// CL-23, H-CL-6, H-CL-7, H-CL-20: the master is cut off from the others. They elect another within three watchdog intervals and
/// the time that nobody may act; the old one does nothing more. Logins go on, and when the link is back there is one master,
/// and everybody knows everybody's sessions.
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
    assert_eq!((report.misdelivered, report.silent), (0, 0), "{report:?}");
    // A frame that comes after a new owner has begun, and before the master knows it, is held for it as well (CL-64).
    assert!(report.lost() <= u64::from(RATE) / 2 && report.duplicates <= 5, "{report:?}");
    stage.lab.cluster_link(old, true)?;
    stage.members.wait_balanced(LIMIT)?;
    assert_ne!(stage.members.master_place()?, old, "the later term stays (H-CL-7)");
    stage.wait_sessions(2 * SUBSCRIBERS).with_context(|| stage.logs())?;
    coming.renew_all(LIMIT)?;
    stage.is_whole()
}

/// The interface toward the others is made anew, first a member's, then the master's. What was bound to the former one is
/// deaf, and is opened again.
#[test]
fn a_link_that_is_made_anew() -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let stage = stage("", "")?;
    let member = (0..3).find(|place| stage.members.master_place().is_ok_and(|master| master != *place));
    for place in [member.context("a member")?, stage.members.master_place()?] {
        let before = stage.streams(place)?;
        stage.lab.remake_cluster_link(place)?;
        let again = || Ok::<_, anyhow::Error>(stage.members.at(place)?.process.log().contains("link is open again"));
        wait::until_true("the link to be opened again", LIMIT, || again().unwrap_or(false))
            .with_context(|| stage.logs())?;
        stage.members.wait_balanced(LIMIT).with_context(|| stage.logs())?;
        // Of two members the one with the greater number dials: both ways must work.
        stage.wait_connected(place, &before).with_context(|| stage.logs())?;
        // It may have been away for long enough to lose its units in between.
        stage.members.wait_balanced(LIMIT).with_context(|| stage.logs())?;
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

/// H-CL-23, CL-67: a member's streams are stuck, and more happens than the others keep for it. They go on and log people in; its
/// streams are given up. When it gets through again it is told why it can't just go on, takes a snapshot and knows everybody.
#[test]
fn a_slow_member_is_told_why() -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = stage("backlog = 16384\n", "")?;
    let coming = more(&stage.lab, 1, 6 * SUBSCRIBERS)?;
    let slow = (stage.members.master_place()? + 1) % 3;
    let space = std::sync::Arc::clone(&stage.lab.members[usize::from(slow)]);
    let nft = |script: &str| process::output(space.command("nft").arg(script)).map(drop);
    nft("add table ip slow; add chain ip slow input { type filter hook input priority 0; }; \
         add rule ip slow input tcp sport 16067 drop; add rule ip slow input tcp dport 16067 drop")?;
    coming.tell_all(Action::Start)?;
    // Whom the slow one logged in the others may not know yet, and so not serve.
    coming.wait_for_all("bound", LIMIT, |stats, count| stats.bound == count).with_context(|| stage.logs())?;
    let gateway = stage.members.gateways[usize::from(slow)].as_mut().context("it runs")?;
    gateway.process.wait_for_log("the stream to a member is lost", LIMIT)?;
    nft("delete table ip slow")?;
    let told = "this member can't keep up with gw-";
    gateway.process.wait_for_log(told, LIMIT)?;
    let is_taken = |log: &str| log.split_once(told).is_some_and(|(_, after)| after.contains(" is here, "));
    gateway.process.wait_until("all state", LIMIT, |process| is_taken(&process.log()).then_some(()))?;
    coming.wait_for_all("logged in", LIMIT, |stats, count| stats.ready == count).with_context(|| stage.logs())?;
    stage.wait_sessions(7 * SUBSCRIBERS).with_context(|| stage.logs())?;
    stage.members.wait_balanced(LIMIT)?;
    stage.is_whole()
}
