//! A crowd that speaks both versions of IP, each CPE behind two VLAN tags with an address and a prefix.

use anyhow::Result;
use gateway_tests::capture::Capture6;
use gateway_tests::dhcp;
use gateway_tests::dhcp6;
use gateway_tests::fleet::{Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::traffic::Echo;
use gateway_tests::{process, wait};
use std::time::Duration;

/// Everybody logs in by both, sends by both and from behind its prefix, and does not notice that the controller is killed
/// and started again; each is one subscriber, and all are gone after their RELEASEs.
#[test]
fn a_crowd_does_not_notice() -> Result<()> {
    let plan = Plan { fpcs: 1, ipv6: true, ..Plan::default() };
    let stage = &mut Stage::with(server::Kind::Embedded, plan, |_| {}, |_| {})?;
    let _echoes = (Echo::start(&stage.lab.servers[0])?, Echo::start6(&stage.lab.servers[0])?);
    let tagging = Tagging::Double { first: 100 };
    let config = FleetConfig { count: 200, tagging, ipv6: true, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    fleet.login_all(LIMIT)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 200 && status["leases6"] == 400)?;
    let plan = TrafficPlan { rate: 3000, duration: Duration::from_secs(4), size: 100 };
    let report = std::thread::scope(|scope| -> Result<_> {
        let traffic = scope.spawn(|| fleet.traffic(plan));
        stage.gateway.kill()?;
        stage.gateway.restart()?;
        traffic.join().expect("the fleet's thread")
    })?;
    assert_eq!((report.senders, report.sent, report.silent), (200, 12_000, 0));
    assert_eq!((report.lost(), report.duplicates, report.misdelivered), (0, 0, 0));
    stage.gateway.wait_for("status", LIMIT, |status| status["subscribers"] == 200 && status["leases6"] == 400)?;
    assert_eq!(stage.gateway.routes()?.len(), 600);
    fleet.release_all(LIMIT)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["subscribers"] == 0 && status["leases6"] == 0).map(drop)
}

/// A line card whose restart is announced: by both versions of IP its subscribers are logged out at the server, in a few
/// messages, before it goes (X-6, RR-1, RR-2). The other card's stay.
#[test]
fn a_card_restarts() -> Result<()> {
    let plan = Plan { fpcs: 2, ipv6: true, ..Plan::default() };
    let stage = Stage::with(server::Kind::Embedded, plan, |_| {}, |_| {})?;
    let fleets: Vec<_> = (0..2)
        .map(|fpc| {
            let config = FleetConfig { count: 60, fleet: fpc, ipv6: true, ..FleetConfig::default() };
            Fleet::start(&stage.lab.subscribers[usize::from(fpc)], "sub0", config)
        })
        .collect::<Result<_>>()?;
    fleets.iter().try_for_each(|fleet| fleet.login_all(LIMIT).map(drop))?;
    stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 120 && status["leases6"] == 240)?;
    stage.gateway.restart_fpc(0)?;
    stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == 60 && status["leases6"] == 120)?;
    let fpcs = stage.gateway.show("fpcs")?;
    assert_eq!((&fpcs[0]["leases6"], &fpcs[1]["leases6"]), (&0.into(), &120.into()));
    let servers = stage.gateway.show("servers")?;
    let at = |server: usize| (servers[server]["address"].clone(), servers[server]["sessions"].clone());
    assert_eq!(at(0), (stage.lab.plan.server(0).to_string().into(), 60.into()));
    assert_eq!(at(1), (stage.lab.plan.server6(0).to_string().into(), 120.into()));
    let log = stage.server.process.log();
    assert!(log.contains("release request"), "the server was told one by one:\n{log}");
    Ok(())
}

/// CPEs of the first card in the tests of single logouts: as many as there are addresses, and prefixes.
const CPES: u32 = 64;

/// A card with [`CPES`] dual-stack CPEs, and pools that have room for no more than those; single logouts for both.
fn crowded() -> Result<(Stage, Fleet, Capture6)> {
    let plan = Plan { fpcs: 1, ipv6: true, ..Plan::default() };
    let serve = |service: &mut server::Service| {
        let pool = &mut service.subnets[0].pool;
        pool.1 = (pool.0.to_bits() + CPES - 1).into();
        let subnet = &mut service.six.as_mut().expect("IPv6").subnets[0];
        subnet.pool.1 = (subnet.pool.0.to_bits() + u128::from(CPES) - 1).into();
        subnet.pool_length = 50;
    };
    let stage = Stage::with(server::Kind::Embedded, plan, serve, |configuration| {
        configuration.dhcpv6 += "bulk_release = true\n";
    })?;
    let fleet = log_in(&stage, 0)?;
    let wire6 = Capture6::start(&stage.lab.servers[0], "srv0")?;
    stage.wire.clear();
    Ok((stage, fleet, wire6))
}

/// A fleet of its own MACs, all logged in by both.
fn log_in(stage: &Stage, number: u8) -> Result<Fleet> {
    let config = FleetConfig { count: CPES, fleet: number, ipv6: true, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config)?;
    fleet.login_all(LIMIT)?;
    let all = |status: &serde_json::Value| {
        let (count, leases) = (u64::from(CPES), 2 * u64::from(CPES));
        status["sessions"] == count && status["subscribers"] == count && status["leases6"] == leases
    };
    stage.gateway.wait_for("status", LIMIT, all)?;
    Ok(fleet)
}

/// All that the wire has of the end of leases: DHCP and DHCPv6, to the server and from it.
fn counted(stage: &Stage, wire6: &Capture6) -> [usize; 4] {
    let count6 = |kind| wire6.messages().iter().filter(|seen| seen.kind == kind).count();
    let to_server = stage.wire.count(dhcp::kind::RELEASE);
    let from_server = stage.wire.count(dhcp::kind::BULK_RELEASE_REPLY);
    assert_eq!(count6(dhcp6::kind::RELEASE), 0, "{:?}", wire6.counts());
    let requests = count6(dhcp6::kind::RELEASE_REQUEST);
    [to_server, from_server, requests, count6(dhcp6::kind::RELEASE_REQUEST_REPLY)]
}

/// Others get every address and every prefix.
fn others_get_all(stage: &Stage, fleet: Fleet) -> Result<()> {
    stage.gateway.wait_for("status", LIMIT, |status| status["subscribers"] == 0 && status["leases6"] == 0)?;
    wait::until_true("the maps to be empty", LIMIT, || stage.gateway.routes().is_ok_and(|routes| routes.is_empty()))?;
    drop(fleet);
    log_in(stage, 7).map(drop)
}

/// A card restarts: one message of each version of IP ends all, and is answered by one; what it leased can be leased
/// again; it is one release to whoever looks (BR-24, BR-26, BR-30, X-6).
#[test]
fn a_card_restarts_by_one_message_of_each() -> Result<()> {
    let (stage, fleet, wire6) = crowded()?;
    stage.gateway.restart_fpc(0)?;
    let releases = stage.gateway.wait_for("releases", LIMIT, |releases| !releases[0]["took"].is_null())?;
    let (release, six) = (&releases[0], &releases[0]["leases6"]);
    assert_eq!(releases.as_array().map(Vec::len), Some(1), "{releases:#}");
    assert_eq!(
        (&release["total"], &release["released"], &release["cause"]),
        (&64.into(), &64.into(), &"operator".into())
    );
    assert_eq!((&six["total"], &six["released"], &six["orphaned"]), (&128.into(), &128.into(), &0.into()));
    assert_eq!((&release["single_logouts"], &release["individual"]), (&1.into(), &0.into()));
    let sent = ["single_logouts", "requests", "individual"].map(|of| six[of].as_u64());
    assert_eq!(sent, [Some(1), Some(0), Some(0)], "{releases:#}");
    assert_eq!(counted(&stage, &wire6), [1; 4], "{:?} {:?}", stage.wire.counts(), wire6.counts());
    assert!(wire6.messages().iter().all(|seen| seen.clients == 0));
    let shown = stage.gateway.command(&["releases"])?;
    assert!(shown.contains("fpc0: 128 of 128 IPv6 leases ended; 1 single logout"), "{shown}");
    others_get_all(&stage, fleet)
}

/// The controller is killed after its messages left and before a reply came: started again it asks the same once more, hears
/// what became of it the first time, and ends all (H-BR-20, H-BR-6). The server was told of nothing newer meanwhile.
#[test]
fn a_crash_between_message_and_reply() -> Result<()> {
    let (mut stage, fleet, wire6) = crowded()?;
    let silence = "table inet silent { chain out { type filter hook output priority 0; policy accept; \
                   udp sport { 67, 547 } drop; }; }";
    process::output(stage.lab.servers[0].command("nft").arg(silence))?;
    stage.gateway.restart_fpc(0)?;
    wait::until_true("both messages", LIMIT, || {
        let [to_server, from_server, requests, replies] = counted(&stage, &wire6);
        to_server > 0 && requests > 0 && from_server + replies == 0
    })?;
    wait::until_true("the server to have done it", LIMIT, || {
        stage.server.process.log().matches("single logout").count() >= 2
    })?;
    stage.gateway.kill()?;
    let status = |log: String| log.matches("released=").count();
    let done = status(stage.server.process.log());
    process::output(stage.lab.servers[0].command("nft").args(["delete", "table", "inet", "silent"]))?;
    stage.gateway.restart()?;
    let releases = stage.gateway.wait_for("releases", LIMIT, |releases| !releases[0]["took"].is_null())?;
    let (release, six) = (&releases[0], &releases[0]["leases6"]);
    assert_eq!((&release["cause"], &release["released"]), (&"resumed".into(), &64.into()), "{releases:#}");
    assert_eq!((&six["released"], &six["requests"], &six["individual"]), (&128.into(), &0.into(), &0.into()));
    let [_, from_server, requests, replies] = counted(&stage, &wire6);
    assert_eq!((from_server, replies), (1, 1));
    assert!(requests >= 2, "the same again");
    assert_eq!(status(stage.server.process.log()), done, "answered from memory, not done twice");
    others_get_all(&stage, fleet)
}
