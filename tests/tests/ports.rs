//! What becomes of sessions when a port changes under them: another XDP mode, another interface of the same name.

use anyhow::{Context, Result};
use aya::maps::MapData;
use gateway_common::maps;
use gateway_tests::client;
use gateway_tests::daemon::{Configuration, Gateway};
use gateway_tests::fleet::{Fleet, FleetConfig, Tagging, TrafficPlan};
use gateway_tests::namespace::Namespace;
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::traffic::Echo;
use gateway_tests::wait;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

fn one() -> Plan {
    Plan { fpcs: 1, ..Plan::default() }
}

fn in_mode(configuration: &mut Configuration, mode: &str) {
    configuration.gateway = format!("capacity = 65536\nxdp_mode = \"{mode}\"\n");
}

/// The mode is another one at each start: the log, the status and its warnings say so, all sessions stay, data, renewals
/// and new logins get through, tags and all.
#[test]
fn another_xdp_mode() -> Result<()> {
    let stage =
        &mut Stage::with(server::Kind::Embedded, one(), |_| {}, |configuration| in_mode(configuration, "native"))?;
    let _echo = Echo::start(&stage.lab.servers[0])?;
    let tagging = Tagging::Double { first: 100 };
    let config = FleetConfig { count: 50, tagging, ..FleetConfig::default() };
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", config.clone())?;
    fleet.login_all(LIMIT)?;
    let addresses = fleet.addresses()?;
    for (number, mode) in [(1u8, "generic"), (2, "native"), (3, "generic")] {
        let mut configuration = Configuration::new(&stage.lab);
        in_mode(&mut configuration, mode);
        Gateway::configure(&stage.lab, &configuration)?;
        let told = stage.gateway.process.log().len();
        stage.gateway.restart()?;
        let before = 50 + 5 * (u64::from(number) - 1);
        let status = stage.gateway.wait_for("status", LIMIT, |status| status["sessions"] == before)?;
        let modes: Vec<_> = status["ports"].as_array().into_iter().flatten().map(|port| &port["xdp"]).collect();
        assert_eq!(modes, [mode, mode], "{status:#}");
        let warned = status["warnings"].to_string().matches("runs XDP in generic mode").count();
        assert_eq!(warned, if mode == "generic" { 2 } else { 0 }, "{}", status["warnings"]);
        assert!(stage.gateway.command(&["status"])?.contains(&format!("fpc0 up {mode}")));
        let log = stage.gateway.process.log().split_off(told);
        for line in ["detached for a moment", &format!("interface=\"fpc0\" mode=\"{mode}\"")] {
            assert!(log.contains(line), "{line:?} is not in:\n{log}");
        }

        let plan = TrafficPlan { rate: 1000, duration: Duration::from_secs(1), size: 100 };
        let report = fleet.traffic(plan)?;
        assert_eq!((report.senders, report.silent, report.lost()), (50, 0, 0), "{mode}: {report:?}");
        fleet.renew_all(LIMIT).with_context(|| mode)?;
        let more = FleetConfig { count: 5, fleet: number, tagging: Tagging::Double { first: 300 }, ..config.clone() };
        Fleet::start(&stage.lab.subscribers[0], "sub0", more)?.login_all(LIMIT).with_context(|| mode)?;
        assert_eq!(fleet.addresses()?, addresses);
    }
    Ok(())
}

/// A card whose logins are maintained vanishes with its interface and comes back as another of the same name: whoever
/// was logged in goes on as if nothing had been, by a route to the new interface, and who comes new logs in.
#[test]
fn another_interface_of_the_same_name() -> Result<()> {
    let maintain = |configuration: &mut Configuration| configuration.fpc += "on_restart = \"maintain\"\n";
    let stage = &mut Stage::with(server::Kind::Embedded, Plan::default(), |_| {}, maintain)?;
    let (client, address) = stage.log_in(client::Kind::Udhcpc, 1)?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    assert!(stage.reaches(1));
    let mac = stage.gateway.session(address)?.context("no session")?["mac"].clone();
    let mac = mac.as_str().context("a MAC")?;
    let index = |stage: &Stage| -> Result<u64> {
        let status = stage.gateway.show("status")?;
        status["ports"][1]["ifindex"].as_u64().context("no interface")
    };
    let before = index(stage)?;
    drop(client);
    stage.lab.tear_down_last();
    stage.gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[1]["state"] == "down")?;
    assert!(stage.gateway.command(&["status"])?.contains("there is no interface fpc1"));
    assert_eq!(stage.gateway.session(address)?.context("the session is gone")?["state"], "live");

    stage.lab.bring_back_last()?;
    stage.gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[1]["state"] == "up")?;
    assert_ne!(index(stage)?, before);
    let space = &stage.lab.subscribers[1];
    space.ip(&format!("link set sub0 address {mac}"))?;
    space.ip_batch(&format!("addr add {address}/16 dev sub0\nroute add default via {}\n", stage.lab.plan.giaddr(1)))?;
    assert!(stage.reaches(1), "the old login does not get through the new interface");
    let routes = stage.gateway.routes()?;
    assert_eq!((routes.len(), &routes[0]["port"]), (1, &"fpc1".into()), "{routes:?}");
    wait::until_true("the kernel's own route", LIMIT, || {
        stage.lab.gateway.ip("route show dev fpc1").is_ok_and(|routes| routes.contains(&format!("{address} ")))
    })?;

    stage.add_subscriber(1, "cpe1")?;
    stage.log_in_on(client::Kind::Udhcpc, 1, "cpe1")?;
    stage.gateway.wait_sessions(2, LIMIT)?;
    assert_eq!(stage.wire.count(gateway_tests::dhcp::kind::RELEASE), 0, "{:?}", stage.wire.counts());
    Ok(())
}

/// From now on nobody but the programs writes this map.
fn freeze(space: &Namespace, map: &str) -> Result<()> {
    const MAP_FREEZE: libc::c_long = 22;
    space.run(|| {
        let data = MapData::from_pin(format!("/sys/fs/bpf/gateway/{map}"))?;
        // The descriptor, and zeros up to the end of the kernel's bpf_attr.
        let mut attributes = [0u32; 32];
        attributes[0] = data.fd().as_fd().as_raw_fd().try_into()?;
        let size = size_of_val(&attributes);
        // SAFETY: the kernel reads `size` octets of attributes, which live until the call returns.
        let result = unsafe { libc::syscall(libc::SYS_bpf, MAP_FREEZE, attributes.as_ptr(), size) };
        if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).context("BPF_MAP_FREEZE") }
    })?
}

/// A route that can't be changed is tried again and again. What its subscriber has sent, and when, stays known: it tells whether
/// anybody uses the lease.
#[test]
fn a_route_that_can_not_be_changed() -> Result<()> {
    let maintain = |configuration: &mut Configuration| configuration.fpc += "on_restart = \"maintain\"\n";
    let stage = &mut Stage::with(server::Kind::Embedded, Plan::default(), |_| {}, maintain)?;
    let (client, address) = stage.log_in(client::Kind::Udhcpc, 1)?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    assert!(stage.reaches(1));
    drop(client);
    let sent = |stage: &Stage| -> Result<u64> {
        let session = stage.gateway.session(address)?.context("no session")?;
        session["up_packets"].as_u64().context("not counted")
    };
    freeze(&stage.lab.gateway, maps::ROUTES)?;
    stage.lab.tear_down_last();
    stage.gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[1]["state"] == "down")?;
    let before = sent(stage)?;
    assert!(before > 0, "the ping was not counted");
    stage.lab.bring_back_last()?;
    let missing = |status: &serde_json::Value| status["warnings"].to_string().contains("1 routes are missing");
    stage.gateway.wait_for("status", LIMIT, missing)?;
    // Several turns.
    std::thread::sleep(Duration::from_secs(4));
    stage.gateway.wait_for("status", LIMIT, missing)?;
    assert_eq!(sent(stage)?, before);
    Ok(())
}
