//! A lease's life after the login: renewed past the relay, or run out.

use anyhow::{Context, Result};
use gateway_tests::client;
use gateway_tests::dhcp::kind;
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::wait;
use std::time::Duration;

/// A renewal that goes straight to the server is seen on its way: the session lives as long as the lease.
fn renewals_are_seen(client_kind: client::Kind) -> Result<()> {
    let brief = Duration::from_secs(30);
    let renew = Some(Duration::from_secs(3));
    let stage = Stage::with(
        server::Kind::Kea,
        Plan { fpcs: 1, ..Plan::default() },
        |service| (service.lease, service.renew) = (brief, renew),
        |_| {},
    )?;
    let (_client, address) = stage.log_in(client_kind, 0)?;
    let expires = || -> Result<u64> {
        let session = stage.gateway.session(address)?.context("no session")?;
        session["expires_in"].as_u64().context("a session that never ends")
    };
    // By itself it only falls; that it rises shows that the renewal was seen.
    wait::until_true("the lease to age", LIMIT, || expires().is_ok_and(|seconds| seconds <= 27))?;
    wait::until_true("the renewed lease", LIMIT, || expires().is_ok_and(|seconds| seconds >= 28))?;
    let renewal =
        stage.wire.wait_for("the renewal", LIMIT, |seen| seen.kind == kind::REQUEST && seen.ciaddr() == address)?;
    assert!(renewal.giaddr().is_unspecified(), "the renewal was relayed, not sent straight to the server");
    assert_eq!(renewal.source, address);
    assert!(stage.reaches(0));
    Ok(())
}

/// dhclient renews by unicast (H-BR-7: its session knows the last exchange).
#[test]
fn of_dhclient() -> Result<()> {
    renewals_are_seen(client::Kind::Dhclient)
}

/// udhcpc renews by unicast.
#[test]
fn of_udhcpc() -> Result<()> {
    renewals_are_seen(client::Kind::Udhcpc)
}

/// dhcpcd renews by unicast.
#[test]
fn of_dhcpcd() -> Result<()> {
    renewals_are_seen(client::Kind::Dhcpcd)
}

/// When the client has gone without a word, its traffic ends with the lease, and the session too.
#[test]
fn the_lease_runs_out() -> Result<()> {
    let brief = Duration::from_secs(6);
    let plan = Plan { fpcs: 1, ..Plan::default() };
    let stage = Stage::with(server::Kind::Kea, plan, |service| service.lease = brief, |_| {})?;
    let (client, _) = stage.log_in(client::Kind::Udhcpc, 0)?;
    assert!(stage.reaches(0));
    drop(client);
    // Its address is still on the interface.
    wait::until_true("the end of its traffic", LIMIT, || stage.is_cut_off(0))?;
    stage.gateway.wait_sessions(0, LIMIT)
}
