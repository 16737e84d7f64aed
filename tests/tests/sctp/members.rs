//! Two gateways of a cluster whose links change under logins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gateway_tests::daemon::Configuration;
use gateway_tests::fleet::{Fleet, FleetConfig};
use gateway_tests::lab::Lab;
use gateway_tests::link::veth;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::plan::Plan;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::{process, wait};
use serde_json::Value;

const SUBSCRIBERS: u32 = 60;
/// Logins that go on after each change, at least.
const MORE: u64 = 20;

/// A link between both members beside the one that they are known by: 192.88.LINK.1 and .2.
fn plug(lab: &Lab, link: u8) -> Result<()> {
    let [a, b] = [0, 1].map(|member| &*lab.members[member]);
    let card = format!("mem{link}");
    veth((a, &card), (b, &card))?;
    for (space, host) in [(a, 1), (b, 2)] {
        space.ip(&format!("addr add 192.88.{link}.{host}/24 dev {card}"))?;
    }
    Ok(())
}

/// Subscribers that log in and out all the time, in a thread.
struct Storm {
    ended: Arc<AtomicBool>,
    logins: Arc<AtomicU64>,
    thread: thread::JoinHandle<Result<Fleet>>,
}

impl Storm {
    fn begin(fleet: Fleet) -> Self {
        let (ended, logins) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (is_over, count) = (Arc::clone(&ended), Arc::clone(&logins));
        let thread = thread::spawn(move || {
            // At its end all are logged in.
            loop {
                fleet.login_all(LIMIT)?;
                count.fetch_add(SUBSCRIBERS.into(), Ordering::Relaxed);
                if is_over.load(Ordering::Relaxed) {
                    return Ok(fleet);
                }
                fleet.release_all(LIMIT)?;
            }
        });
        Self { ended, logins, thread }
    }

    fn wait_more(&self) -> Result<()> {
        let wanted = self.logins.load(Ordering::Relaxed) + MORE;
        let is_over = || self.logins.load(Ordering::Relaxed) >= wanted || self.thread.is_finished();
        wait::until_true("more logins", LIMIT, is_over)?;
        ensure!(!self.thread.is_finished(), "no more logins");
        Ok(())
    }

    fn finish(self) -> Result<Fleet> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic")
    }
}

/// The stream from one member to the other.
fn stream(members: &Members, member: u8) -> Result<Value> {
    let view = members.at(member)?.show("members")?;
    let rows = view["members"].as_array().context("no members")?;
    let row = rows.iter().find(|row| !row["stream"].is_null()).context("no other")?;
    Ok(row["stream"].clone())
}

/// What paths of a stream are used: the addresses of the other that answer, and the own ones that it may send to.
fn used(stream: &Value, own: bool) -> Vec<String> {
    let rows = stream["paths"].as_array().into_iter().flatten();
    let used = rows.filter(|row| row["own"] == own && row["state"] == "active");
    let mut addresses: Vec<_> = used.filter_map(|row| row["address"].as_str().map(str::to_owned)).collect();
    addresses.sort();
    addresses
}

/// Waits until both members use all their addresses on the further links, with these hosts there, beside the first.
fn settle(members: &Members, storm: &Storm, what: &str, links: &[(u8, u8, u8)]) -> Result<()> {
    let began = Instant::now();
    for member in [0u8, 1] {
        let of = |which: usize| {
            let further = links.iter().map(|(link, a, b)| format!("192.88.{link}.{}", [a, b][which]));
            let first = Plan::member_link(which as u8).to_string();
            let mut all: Vec<_> = further.chain([first]).collect();
            all.sort();
            all
        };
        let (own, other) = (of(usize::from(member)), of(1 - usize::from(member)));
        let mut last = Value::Null;
        wait::until_true(&format!("{what}: {own:?} to {other:?}"), LIMIT, || {
            last = stream(members, member).unwrap_or_default();
            used(&last, true) == own && used(&last, false) == other
        })
        .with_context(|| format!("{last:#}\n{}", members.running().map(|g| g.process.log_end()).collect::<String>()))?;
    }
    storm.wait_more().with_context(|| what.to_owned())?;
    println!("{what}: settled after {:.1?}", began.elapsed());
    Ok(())
}

/// While subscribers log in and out, each login known to both members before its ACK leaves: a link between the members is taken
/// out, put in again, has another address, is another card. The stream is the same from the beginning, and at the end both have
/// every session.
/// SC-8, SC-11, SC-12, SC-13, SC-22, SC-23, SC-38, H-SC-9
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn logins_go_on_while_links_change() -> Result<()> {
    let lab = Lab::up(Plan { fpcs: 1, members: 2, ..Plan::default() })?;
    // Of two addresses of one network the second stays when the first goes.
    lab.members.iter().try_for_each(|space| space.sysctl("net.ipv4.conf.all.promote_secondaries", "1"))?;
    (1..=2).try_for_each(|link| plug(&lab, link))?;
    let service = Service::relayed(&lab.plan, 0);
    let _server = Server::start(server::Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
    let mut members = Members::prepare(&lab, &Configuration::new(&lab), Delivery::Unicast)?;
    members.lines += "links = [\"mem1\", \"mem2\"]\nquorum = \"none\"\nsync = 1\nsync_policy = \"wait\"\n";
    members.lines += "paths = { better_for = \"2s\", hold_down = \"2s\" }\n";
    members.launch_all(&lab, 2)?;
    members.wait_streams("sctp")?;
    let lost = |member: u8| -> Result<usize> {
        Ok(members.at(member)?.process.log().matches("the stream to a member is lost").count())
    };
    // Until both are of one cluster, a member that starves may have been given up, and its stream with it.
    let (began, before) = (Instant::now(), [lost(0)?, lost(1)?]);
    let config = FleetConfig { count: SUBSCRIBERS, ..FleetConfig::default() };
    let storm = Storm::begin(Fleet::start(&lab.subscribers[0], "sub0", config)?);
    let a = &lab.members[0];
    settle(&members, &storm, "both links", &[(1, 1, 2), (2, 1, 2)])?;

    a.ip("link delete mem1")?;
    settle(&members, &storm, "a link is taken out", &[(2, 1, 2)])?;
    plug(&lab, 1)?;
    settle(&members, &storm, "and put in again", &[(1, 1, 2), (2, 1, 2)])?;
    a.ip("addr add 192.88.2.77/24 dev mem2")?;
    a.ip("addr del 192.88.2.1/24 dev mem2")?;
    settle(&members, &storm, "an address is replaced", &[(1, 1, 2), (2, 77, 2)])?;
    a.ip("link delete mem2")?;
    plug(&lab, 2)?;
    settle(&members, &storm, "a card is replaced", &[(1, 1, 2), (2, 1, 2)])?;

    let logins = Arc::clone(&storm.logins);
    let took = began.elapsed();
    storm.finish()?;
    for gateway in members.running() {
        gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
    }
    for member in [0u8, 1] {
        let stream = stream(&members, member)?;
        let lasts = Duration::from_secs_f64(stream["lasts"].as_f64().context("no stream")?);
        assert!(lasts >= took, "the stream began anew {lasts:?} ago, within {took:?}: {stream:#}");
    }
    assert_eq!([lost(0)?, lost(1)?], before, "{}", members.running().map(|g| g.process.log()).collect::<String>());
    let logins = logins.load(Ordering::Relaxed);
    println!("{logins} logins in {took:.1?}: {:.0} in a second", logins as f64 / took.as_secs_f64());
    Ok(())
}

/// The members are known to each other by a stream, which runs over this.
fn wait_over(members: &Members, transport: &str) -> Result<()> {
    members.wait_streams(transport)?;
    members.wait_balanced(LIMIT)
}

/// Why a member has TCP that has not begun it.
const BEGUN: &str = "the other member began it so";

/// Why each member has TCP where it could have SCTP.
fn why(members: &Members) -> Result<[String; 2]> {
    let why = |member| -> Result<_> { Ok(stream(members, member)?["why"].as_str().context("no reason")?.to_owned()) };
    Ok([why(0)?, why(1)?])
}

/// A member that wants TCP alone, and one that SCTP does not reach, are met over TCP, and both ends say why; as soon as they could
/// begin anew, they have SCTP again.
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn who_can_not_have_sctp_has_tcp() -> Result<()> {
    let lab = Lab::up(Plan { fpcs: 1, members: 2, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let _server = Server::start(server::Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
    let mut members = Members::prepare(&lab, &Configuration::new(&lab), Delivery::Unicast)?;
    members.lines += "quorum = \"none\"\n";
    members.launch(&lab, 0)?;
    let lines = members.lines.clone();
    members.lines += "transport = \"tcp\"\n";
    members.launch(&lab, 1)?;
    wait_over(&members, "tcp")?;
    let told = why(&members)?;
    assert_eq!(told[1], "transport is \"tcp\" here");
    assert!([BEGUN, "the other member takes no associations"].contains(&&*told[0]), "{told:?}");

    let firewall = |rule: &str| process::output(lab.members[1].command("nft").arg(rule)).map(drop);
    members.kill(1)?;
    firewall(
        "add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }; \
         add rule inet deaf in meta l4proto sctp drop",
    )?;
    members.lines = lines;
    members.launch(&lab, 1)?;
    wait_over(&members, "tcp")?;
    let mut told = why(&members)?;
    told.sort();
    assert_eq!(told, ["nobody answers over SCTP", BEGUN]);
    let told = members.at(1)?.command(&["members", "--paths"])?;
    assert!(told.contains("gw-a: TCP, one path: "), "{told}");

    firewall("delete table inet deaf")?;
    members.kill(1)?;
    members.launch(&lab, 1)?;
    wait_over(&members, "sctp")
}
