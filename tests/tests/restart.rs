//! A line card restarts: its subscribers are logged out, the others are not.

use anyhow::{Context, Result};
use gateway_tests::client::{self, Client};
use gateway_tests::daemon::Configuration;
use gateway_tests::dhcp::kind;
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::wait;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How the restart is noticed.
#[derive(Clone, Copy)]
enum Cause {
    Flap,
    TornDown,
    Operator,
}

struct Login {
    client: Client,
    address: Ipv4Addr,
}

fn log_in(stage: &Stage, fpc: u8, interface: &str) -> Result<Login> {
    let (client, address) = stage.log_in_on(client::Kind::Udhcpc, fpc, interface)?;
    Ok(Login { client, address })
}

/// Three subscribers behind the last FPC (1), one behind FPC 0; then FPC 1 restarts. Returns the release's row.
fn restart(stage: &mut Stage, cause: Cause) -> Result<Value> {
    let kept = log_in(stage, 0, "sub0")?;
    let mut gone = vec![log_in(stage, 1, "sub0")?];
    for name in ["cpe1", "cpe2"] {
        stage.add_subscriber(1, name)?;
        gone.push(log_in(stage, 1, name)?);
    }
    stage.gateway.wait_sessions(4, LIMIT)?;
    assert!(stage.reaches(0) && stage.reaches(1));
    stage.wire.clear();

    let addresses: Vec<_> = gone.iter().map(|login| login.address).collect();
    match cause {
        Cause::Flap => stage.lab.carrier(1, false)?,
        Cause::TornDown => {
            // The clients run in the namespace that goes.
            drop(gone);
            gone = Vec::new();
            stage.lab.tear_down_last();
        }
        Cause::Operator => drop(stage.gateway.restart_fpc(1)?),
    }
    let releases = stage.gateway.wait_for("releases", LIMIT, |releases| !releases[0]["took"].is_null())?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    for address in addresses {
        assert_eq!(stage.gateway.session(address)?, None);
        stage.server.wait_held(address, false, LIMIT)?;
    }
    assert!(stage.server.holds(kept.address)?, "a lease behind the other FPC was freed");
    assert!(stage.reaches(0), "the other FPC's subscriber was cut off");
    wait::until_true("the maps to hold one route", LIMIT, || {
        stage.gateway.routes().is_ok_and(|routes| routes.len() == 1 && routes[0]["address"] == kept.address.to_string())
    })?;
    if matches!(cause, Cause::Operator) {
        // Its carrier never went: what still sends there has no session.
        assert!(stage.is_cut_off(1));
    }
    if matches!(cause, Cause::Flap) {
        stage.lab.carrier(1, true)?;
        drop(gone);
        for name in ["cpe1", "cpe2"] {
            // Its old address would be a stranger's, and its routes in the way.
            stage.remove_subscriber(1, name)?;
        }
        let again = log_in(stage, 1, "sub0")?;
        assert!(stage.reaches(1));
        stage.gateway.wait_sessions(2, LIMIT)?;
        assert!(stage.server.holds(again.address)?);
        drop(again.client);
    }
    drop(kept.client);
    Ok(releases[0].clone())
}

fn single_logout(cause: Cause, plan: Plan) -> Result<()> {
    let mut stage = Stage::with(server::Kind::Embedded, plan, |_| {}, |_| {})?;
    let release = restart(&mut stage, cause)?;
    assert_eq!((&release["single_logouts"], &release["individual"]), (&1.into(), &0.into()), "{release}");
    assert_eq!(release["released"], 3, "{release}");
    assert_eq!(stage.wire.count(kind::RELEASE), 1, "{:?}", stage.wire.counts());
    assert_eq!(stage.wire.count(kind::BULK_RELEASE_REPLY), 1, "{:?}", stage.wire.counts());
    Ok(())
}

fn individual_releases(server: server::Kind, cause: Cause) -> Result<()> {
    let mut stage = Stage::up(server)?;
    let release = restart(&mut stage, cause)?;
    assert_eq!((&release["single_logouts"], &release["individual"]), (&0.into(), &3.into()), "{release}");
    assert_eq!(stage.wire.count(kind::RELEASE), 3, "{:?}", stage.wire.counts());
    let sent: std::collections::BTreeSet<_> = stage.wire.messages().iter().map(|seen| seen.ciaddr()).collect();
    assert!(sent.len() >= 3, "each RELEASE names its own address");
    Ok(())
}

/// A flap: one message out, one back, and three leases are free (BR-19, BR-21, BR-22, BR-24, BR-25, BR-27, BR-33).
/// All of it is one program for the device (BR-35).
#[test]
fn a_flap_is_one_message() -> Result<()> {
    single_logout(Cause::Flap, Plan::default())
}

/// The interface vanishes with its namespace (BR-19, BR-24).
#[test]
fn a_torn_down_namespace_is_one_message() -> Result<()> {
    single_logout(Cause::TornDown, Plan::default())
}

/// An operator announces the restart (BR-20, BR-24).
#[test]
fn a_command_is_one_message() -> Result<()> {
    single_logout(Cause::Operator, Plan::default())
}

/// A giaddr that both FPCs share: the scope is the group, and only it is freed (BR-13, BR-16, BR-26, H-BR-10).
#[test]
fn a_shared_giaddr_releases_the_group() -> Result<()> {
    single_logout(Cause::Flap, Plan { shared_giaddr: true, ..Plan::default() })
}

/// Kea is not capable: one RELEASE for each login (BR-28, H-BR-2, H-BR-19).
#[test]
fn kea_gets_individual_releases() -> Result<()> {
    individual_releases(server::Kind::Kea, Cause::Flap)
}

/// ISC dhcpd is not capable (BR-28).
#[test]
fn dhcpd_gets_individual_releases() -> Result<()> {
    individual_releases(server::Kind::Dhcpd, Cause::TornDown)
}

/// dnsmasq is not capable (BR-28).
#[test]
fn dnsmasq_gets_individual_releases() -> Result<()> {
    individual_releases(server::Kind::Dnsmasq, Cause::Operator)
}

/// Each RELEASE is followed by a question whether the address is free by now, and the answer is that it is.
fn verified_releases(server: server::Kind) -> Result<()> {
    let configure = |configuration: &mut Configuration| {
        configuration.server += "verify = \"leasequery\"\n";
        configuration.tables += "[bulk_release]\nenabled = false\n";
    };
    let mut stage = Stage::with(server, Plan::default(), |_| {}, configure)?;
    let release = restart(&mut stage, Cause::Flap)?;
    let outcome = ["single_logouts", "individual", "released", "orphaned"].map(|name| release[name].as_u64());
    assert_eq!(outcome, [0, 3, 3, 0].map(Some), "{release}");
    let count = |kind| stage.wire.count(kind);
    assert_eq!(count(kind::RELEASE), 3, "{:?}", stage.wire.counts());
    assert!(count(kind::LEASEQUERY) >= 3 && count(kind::LEASEUNASSIGNED) >= 3, "{:?}", stage.wire.counts());
    let log = stage.gateway.process.log();
    assert!(log.lines().any(|line| line.contains("release finished") && line.contains("unverified=0")), "{log}");
    Ok(())
}

/// The embedded server, which is not asked for single logouts (BR-28, H-BR-2; RFC 4388).
#[test]
fn individual_releases_are_verified() -> Result<()> {
    verified_releases(server::Kind::Embedded)
}

/// ISC dhcpd (BR-28, H-BR-2; RFC 4388).
#[test]
fn individual_releases_are_verified_by_dhcpd() -> Result<()> {
    verified_releases(server::Kind::Dhcpd)
}

/// A flap shorter than `hold_down` is no restart: nobody is logged out.
#[test]
fn a_short_flap_is_no_restart() -> Result<()> {
    let mut stage = Stage::with(
        server::Kind::Embedded,
        Plan { fpcs: 1, ..Plan::default() },
        |_| {},
        |configuration| {
            configuration.fpc = "hold_down = \"20s\"\n".into();
        },
    )?;
    let login = log_in(&stage, 0, "sub0")?;
    stage.lab.carrier(0, false)?;
    let state = |stage: &Stage| stage.gateway.show("fpcs").map(|fpcs| fpcs[0]["state"].clone());
    wait::until_true("the FPC to be lost", LIMIT, || state(&stage).is_ok_and(|state| state == "lost"))?;
    stage.lab.carrier(0, true)?;
    wait::until_true("the FPC to be up", LIMIT, || state(&stage).is_ok_and(|state| state == "up"))?;
    let session = stage.gateway.session(login.address)?.context("the session is gone")?;
    assert_eq!(session["state"], "live");
    // Taking its interface down has cost the subscriber its default route.
    stage.lab.subscribers[0].ip(&format!("route replace default via {}", stage.lab.plan.giaddr(0)))?;
    assert!(stage.reaches(0));
    assert_eq!(stage.wire.count(kind::RELEASE), 0);
    stage.lab.tear_down_last();
    Ok(())
}

/// A card whose logins are maintained restarts: nobody is logged out, and all goes on when it is back (BR-20).
#[test]
fn a_maintained_card_keeps_its_logins() -> Result<()> {
    let maintain = |configuration: &mut Configuration| configuration.fpc += "on_restart = \"maintain\"\n";
    let stage = Stage::with(server::Kind::Embedded, Plan { fpcs: 1, ..Plan::default() }, |_| {}, maintain)?;
    let login = log_in(&stage, 0, "sub0")?;
    stage.lab.carrier(0, false)?;
    stage.gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[0]["restarts"] == 1)?;
    stage.lab.carrier(0, true)?;
    stage.gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[0]["state"] == "up")?;
    let session = stage.gateway.session(login.address)?.context("the session is gone")?;
    assert_eq!(session["state"], "live");
    // Taking its interface down has cost the subscriber its default route.
    stage.lab.subscribers[0].ip(&format!("route replace default via {}", stage.lab.plan.giaddr(0)))?;
    assert!(stage.reaches(0) && stage.server.holds(login.address)?);
    assert_eq!(stage.wire.count(kind::RELEASE), 0, "{:?}", stage.wire.counts());
    Ok(())
}

/// A schedule is the cause: by itself the gateway logs the card out ahead of time, with one message (BR-20, BR-24).
#[test]
fn a_schedule_is_one_message() -> Result<()> {
    let every = |configuration: &mut Configuration| configuration.fpc += "schedule = \"every 1m\"\n";
    let stage = Stage::with(server::Kind::Embedded, Plan { fpcs: 1, ..Plan::default() }, |_| {}, every)?;
    let login = log_in(&stage, 0, "sub0")?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    let limit = Duration::from_secs(60) + LIMIT;
    let releases = stage.gateway.wait_for("releases", limit, |releases| !releases[0]["took"].is_null())?;
    assert_eq!((&releases[0]["cause"], &releases[0]["single_logouts"]), (&"schedule".into(), &1.into()), "{releases}");
    stage.gateway.wait_sessions(0, LIMIT)?;
    stage.server.wait_held(login.address, false, LIMIT)?;
    assert_eq!(stage.wire.count(kind::RELEASE), 1, "{:?}", stage.wire.counts());
    // Its carrier never went: what still sends there has no session.
    assert!(stage.is_cut_off(0));
    Ok(())
}

/// The card flaps again while its single logout is still unanswered: it ends as if it had flapped once, and who logs in
/// afterwards stays (H-BR-6, H-BR-9).
#[test]
fn a_flap_during_its_own_release() -> Result<()> {
    let stage = Stage::with(server::Kind::Embedded, Plan { fpcs: 1, ..Plan::default() }, |_| {}, |_| {})?;
    let first = log_in(&stage, 0, "sub0")?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    stage.lab.core.ip("link set srv0 down")?;
    let state = |stage: &Stage| stage.gateway.show("fpcs").map(|fpcs| fpcs[0]["state"].clone());
    for restarts in 1..=2 {
        stage.lab.carrier(0, false)?;
        stage.gateway.wait_for("fpcs", LIMIT, |fpcs| fpcs[0]["restarts"] == restarts)?;
        stage.lab.carrier(0, true)?;
        wait::until_true("the FPC to be up", LIMIT, || state(&stage).is_ok_and(|state| state == "up"))?;
    }
    assert!(stage.server.holds(first.address)?, "nothing has told the server yet");
    stage.lab.core.ip("link set srv0 up")?;
    stage.gateway.wait_sessions(0, LIMIT)?;
    stage.server.wait_held(first.address, false, LIMIT)?;
    drop(first);
    let again = log_in(&stage, 0, "sub0")?;
    stage.gateway.wait_for("releases", LIMIT, |releases| {
        releases.as_array().is_some_and(|all| all.iter().all(|release| !release["took"].is_null()))
    })?;
    assert!(stage.reaches(0) && stage.server.holds(again.address)?);
    stage.gateway.wait_sessions(1, LIMIT)
}
