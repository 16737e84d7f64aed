//! Whoever dies, and whatever was going on: others serve its units in time, and nobody is logged out.

use anyhow::{Context, Result};
use gateway_tests::capture::Capture;
use gateway_tests::daemon::Configuration;
use gateway_tests::dhcp::kind;
use gateway_tests::fleet::{Action, Fleet, FleetConfig, TrafficPlan};
use gateway_tests::lab::Lab;
use gateway_tests::members::{Delivery, LIMIT, Members};
use gateway_tests::namespace::Namespace;
use gateway_tests::plan::Plan;
use gateway_tests::process;
use gateway_tests::server::{self, Server, Service};
use gateway_tests::traffic::Echo;
use gateway_tests::wait;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Three watchdog intervals of 200 ms.
const IN_TIME: Duration = Duration::from_millis(600);
const SUBSCRIBERS: u32 = 60;

/// These tests take the time: one must not slow the other down.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn fleet(lab: &Lab, fpc: u8, config: FleetConfig) -> Result<Fleet> {
    Fleet::start(&lab.subscribers[usize::from(fpc)], "sub0", config)
}

fn wait_sessions(members: &Members, count: u32) -> Result<()> {
    members.running().try_for_each(|gateway| gateway.wait_sessions(count.into(), LIMIT))
}

fn addresses(fleet: &Fleet) -> Result<BTreeSet<Ipv4Addr>> {
    Ok(fleet.addresses()?.into_iter().flatten().collect())
}

/// CL-70, CL-71, H-CL-12, H-CL-20, X-1, X-2: the master is killed with -9 while subscribers send and others log in. Within three
/// watchdog intervals its units are served by the others, measured from the kill until their own data planes say so. No
/// session is lost, no more than a handful of packets doubled; who was logging in repeats itself and gets in.
#[test]
fn the_master_dies_under_traffic_and_logins() -> Result<()> {
    the_master_dies(Delivery::Unicast)
}

/// CL-48, CL-70, CL-71, H-CL-12: the same where the master forwards what is others'. Everybody sends to its MAC, and goes on when
/// the next one has announced the addresses.
#[test]
fn the_master_that_forwards_dies() -> Result<()> {
    the_master_dies(Delivery::Forward)
}

/// CL-50, CL-70, CL-71: and where all are reached at a multicast MAC.
#[test]
fn the_master_dies_behind_a_multicast_mac() -> Result<()> {
    the_master_dies(Delivery::Multicast)
}

fn the_master_dies(delivery: Delivery) -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::up(Plan { fpcs: 1, members: 3, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let _server = Server::start(server::Kind::Kea, &lab.servers[0], &service, lab.directory())?;
    let _echo = Echo::start(&lab.servers[0])?;
    let mut members = Members::start(&lab, &Configuration::new(&lab), delivery, 3)?;
    let transport = if gateway_user::sctp::is_supported() { "sctp" } else { "tcp" };
    members.wait_streams(transport)?;
    // Who renews repeats what a server was too busy for only half a lease later: not all of them at once.
    let settled = fleet(&lab, 0, FleetConfig { count: SUBSCRIBERS, login_rate: 50, ..FleetConfig::default() })?;
    let coming = FleetConfig { count: 2 * SUBSCRIBERS, fleet: 1, login_rate: 150, ..FleetConfig::default() };
    let coming = fleet(&lab, 0, coming)?;
    settled.login_all(LIMIT)?;
    wait_sessions(&members, SUBSCRIBERS)?;
    let before = addresses(&settled)?;

    settled.start_traffic(TrafficPlan { rate: 1000, duration: Duration::from_secs(2), size: 100 })?;
    coming.tell_all(Action::Start)?;
    coming.wait_for_all("begun to log in", LIMIT, |stats, _| stats.ready > SUBSCRIBERS / 2).map(drop)?;
    let master = members.master_place()?;
    let killed = Instant::now();
    members.kill(master)?;
    let took = members.wait_served(killed, LIMIT)?;
    println!("the master's units were served after {took:?}");
    assert!(took <= wait::scaled(IN_TIME), "served after {took:?}");

    let report = settled.finish_traffic()?;
    println!("{delivery:?}: {report:?}");
    // A third is the master's, for the time that nobody served it: its data plane went on for some of that. Where it forwards, all
    // goes through it.
    let share = if delivery == Delivery::Forward { 1 } else { 2 };
    let most = wait::scaled(IN_TIME).as_millis() as u64 / share; // a thousand datagrams a second
    assert!(report.lost() <= most, "{report:?}");
    // Now and then one of these packets comes twice at the takeover; where both data planes serve for a while, dozens do.
    assert!(report.duplicates <= 5, "{report:?}");
    assert_eq!((report.misdelivered, report.silent), (0, 0), "{report:?}");
    coming.wait_for_all("logged in", LIMIT, |stats, count| stats.ready == count)?;
    wait_sessions(&members, 3 * SUBSCRIBERS)?;
    for gateway in members.running() {
        let sessions: BTreeSet<_> = gateway.sessions()?.iter().filter_map(address).collect();
        assert!(before.is_subset(&sessions) && addresses(&coming)?.is_subset(&sessions), "somebody was logged out");
    }
    let plan = TrafficPlan { rate: 1000, duration: Duration::from_secs(1), size: 100 };
    let report = members.steady_traffic(&settled, plan)?;
    assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "{report:?}");
    settled.renew_all(LIMIT)?;
    Ok(())
}

fn address(session: &Value) -> Option<Ipv4Addr> {
    session["address"].as_str()?.parse().ok()
}

/// What reaches the server is seen on its wire, but not heard by it.
fn deafen(server: &Namespace) -> Result<()> {
    let rules = "add table ip deaf; add chain ip deaf input { type filter hook input priority 0; }; \
                 add rule ip deaf input udp dport 67 drop";
    process::output(server.command("nft").arg(rules)).map(drop)
}

fn let_hear(server: &Namespace) -> Result<()> {
    process::output(server.command("nft").arg("delete table ip deaf")).map(drop)
}

/// A card restarts; when its single logout is on the wire, and the server has not heard it, a member dies. The logout is
/// finished, once.
fn dies_during_a_single_logout(lab: &Lab, members: &mut Members, wire: &Capture, fpc: u8, victim: u8) -> Result<()> {
    wire.clear();
    deafen(&lab.servers[0])?;
    let keeper = members.keeper_place()?;
    let restart = members.at(keeper)?.restart_fpc(fpc)?;
    assert_eq!(restart["logout"], true, "{restart}");
    let first = wire.wait_for("the single logout", LIMIT, |seen| seen.kind == kind::RELEASE)?;
    let killed = Instant::now();
    members.kill(victim)?;
    let took = members.wait_served(killed, LIMIT)?;
    println!("units were served after {took:?}");
    assert!(took <= wait::scaled(IN_TIME), "served after {took:?}");
    let successor = members.keeper_place()?;
    assert_eq!(victim == keeper, successor != keeper, "unit 0 moves when its owner dies, and only then");
    let_hear(&lab.servers[0])?;

    let finished =
        |releases: &Value| releases.as_array().is_some_and(|all| all.iter().any(|one| is_finished(one, fpc)));
    members.at(successor)?.wait_for("releases", LIMIT, finished)?;
    let releases: Vec<_> = wire.messages().into_iter().filter(|seen| seen.kind == kind::RELEASE).collect();
    assert!(releases.iter().all(|seen| seen.xid() == first.xid()), "one logout: {:?}", wire.counts());
    assert!(wire.count(kind::BULK_RELEASE_REPLY) >= 1, "{:?}", wire.counts());
    for gateway in members.running() {
        gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[usize::from(fpc)]["sessions"] == 0)?;
        let all = gateway.show("releases")?;
        let rows = all.as_array().context("no releases")?;
        assert!(rows.iter().all(|row| !row["took"].is_null()), "somebody still works at it: {all:#}");
    }
    Ok(())
}

fn is_finished(release: &Value, fpc: u8) -> bool {
    release["fpc"] == Lab::port(fpc) && !release["took"].is_null()
}

/// CL-70, CL-71, X-7, H-BR-6, H-BR-9: a member is killed with -9 during a single logout, first the keeper of the journal, then
/// another. Whoever is keeper then finishes it under the same transaction id; the other card's subscribers notice nothing.
#[test]
fn a_member_dies_during_a_single_logout() -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::up(Plan { fpcs: 3, members: 3, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let server = Server::start(server::Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
    let wire = Capture::start(&lab.servers[0], "srv0")?;
    let mut members = Members::start(&lab, &Configuration::new(&lab), Delivery::Unicast, 3)?;
    let config = |fleet| FleetConfig { count: SUBSCRIBERS, fleet, ..FleetConfig::default() };
    let fleets: Vec<_> = (0..3).map(|fpc| fleet(&lab, fpc, config(fpc))).collect::<Result<_>>()?;
    fleets.iter().try_for_each(|fleet| fleet.login_all(LIMIT).map(drop))?;
    wait_sessions(&members, 3 * SUBSCRIBERS)?;
    members.at(members.keeper_place()?)?.wait_for("servers", LIMIT, |all| all[0]["capability"] == "capable")?;

    let keeper = members.keeper_place()?;
    dies_during_a_single_logout(&lab, &mut members, &wire, 0, keeper)?;
    members.launch(&lab, keeper)?;
    members.wait_balanced(LIMIT)?;
    wait_sessions(&members, 2 * SUBSCRIBERS)?;
    let other = (members.keeper_place()? + 1) % 3;
    dies_during_a_single_logout(&lab, &mut members, &wire, 1, other)?;

    wait_sessions(&members, SUBSCRIBERS)?;
    for fpc in [0, 1] {
        for address in addresses(&fleets[fpc])? {
            assert!(!server.holds(address)?, "{address} of FPC {fpc} is still leased");
        }
    }
    for address in addresses(&fleets[2])? {
        assert!(server.holds(address)?, "{address} of another FPC was freed");
    }
    fleets[2].renew_all(LIMIT)?;
    Ok(())
}

/// BR-19, BR-24, CL-69, X-7: a card's carrier goes, as all members see. One message logs its subscribers out, not one of each
/// member; and every member's maps are clean of them.
#[test]
fn a_card_that_flaps_is_one_message_of_all_members() -> Result<()> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::up(Plan { fpcs: 2, members: 3, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let server = Server::start(server::Kind::Embedded, &lab.servers[0], &service, lab.directory())?;
    let _echo = Echo::start(&lab.servers[0])?;
    let wire = Capture::start(&lab.servers[0], "srv0")?;
    let members = Members::start(&lab, &Configuration::new(&lab), Delivery::Unicast, 3)?;
    let config = |fleet| FleetConfig { count: SUBSCRIBERS, fleet, ..FleetConfig::default() };
    let fleets: Vec<_> = (0..2).map(|fpc| fleet(&lab, fpc, config(fpc))).collect::<Result<_>>()?;
    fleets.iter().try_for_each(|fleet| fleet.login_all(LIMIT).map(drop))?;
    wait_sessions(&members, 2 * SUBSCRIBERS)?;
    members.at(members.keeper_place()?)?.wait_for("servers", LIMIT, |all| all[0]["capability"] == "capable")?;
    let gone = addresses(&fleets[1])?;
    wire.clear();

    lab.carrier(1, false)?;
    let keeper = members.at(members.keeper_place()?)?;
    keeper.wait_for("releases", LIMIT, |all| {
        all.as_array().is_some_and(|all| all.iter().any(|one| is_finished(one, 1)))
    })?;
    for gateway in members.running() {
        gateway.wait_sessions(SUBSCRIBERS.into(), LIMIT)?;
        gateway_tests::wait::until_true("clean maps", LIMIT, || {
            gateway.routes_in_kernel().is_ok_and(|n| n == SUBSCRIBERS)
        })?;
        let epoch = |gateway: &gateway_tests::daemon::Gateway| {
            Ok::<_, anyhow::Error>(gateway.show("fpcs")?[1]["epoch"].clone())
        };
        assert_eq!(epoch(gateway)?, epoch(keeper)?, "the epoch is the same on all");
    }
    lab.carrier(1, true)?;
    assert_eq!(wire.count(kind::RELEASE), 1, "{:?}", wire.counts());
    assert_eq!(wire.count(kind::BULK_RELEASE_REPLY), 1, "{:?}", wire.counts());
    for address in gone {
        assert!(!server.holds(address)?, "{address} is still leased");
    }
    let plan = TrafficPlan { rate: 500, duration: Duration::from_secs(1), size: 100 };
    let report = members.steady_traffic(&fleets[0], plan)?;
    assert_eq!((report.lost(), report.duplicates, report.silent), (0, 0, 0), "{report:?}");
    fleets[1].power_off()?;
    fleets[1].login_all(LIMIT)?;
    wait_sessions(&members, 2 * SUBSCRIBERS)
}
