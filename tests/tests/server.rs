//! The embedded DHCP server with real clients: what only they can show.

use anyhow::{Context as _, Result};
use gateway_tests::client;
use gateway_tests::daemon::program;
use gateway_tests::dhcp::kind;
use gateway_tests::plan::Plan;
use gateway_tests::process;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::wait;

/// A stage whose server is `gateway server`, with further lines of its configuration.
fn stage(lines: &str) -> Result<Stage> {
    let plan = Plan { fpcs: 1, ..Plan::default() };
    Stage::with(server::Kind::Embedded, plan, |service| lines.clone_into(&mut service.embedded), |_| {})
}

/// A command about that server.
fn about_server(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let mut command = stage.lab.servers[0].command(program()?);
    command.arg("--control").arg(stage.lab.directory().join("server.sock")).args(arguments);
    process::output(&mut command)
}

/// A counter of that server.
fn counter(stage: &Stage, name: &str) -> Result<u64> {
    let status: serde_json::Value = serde_json::from_str(&about_server(stage, &["server", "status", "--json"])?)?;
    status["counters"][name].as_u64().with_context(|| format!("no counter {name} in {status}"))
}

/// RFC 3203, RFC 6704: dhcpcd takes the nonce, believes the FORCERENEW that comes to it through the gateway, renews long before
/// its time, and believes a second one, whose counter is greater. A client that asked for no nonce is not told anything.
#[test]
fn an_operator_has_a_client_renew() -> Result<()> {
    let stage = stage("")?;
    let (_client, address) = stage.log_in(client::Kind::Dhcpcd, 0)?;
    let text = address.to_string();
    for round in 1..=2 {
        stage.wire.clear();
        about_server(&stage, &["leases", "renew", &text])?;
        let renewal = stage
            .wire
            .wait_for("the renewal", LIMIT, |seen| seen.kind == kind::REQUEST && seen.ciaddr() == address)
            .with_context(|| format!("round {round}"))?;
        assert!(renewal.giaddr().is_unspecified(), "it renews by unicast");
        wait::until_true("its ACK", LIMIT, || stage.wire.count(kind::ACK) > 0)?;
    }
    // What is told of the server is up to half a second old.
    wait::until_true("both are counted", LIMIT, || counter(&stage, "forcerenew").is_ok_and(|count| count == 2))?;

    stage.add_subscriber(0, "plain0")?;
    let (_plain, other) = stage.log_in_on(client::Kind::Udhcpc, 0, "plain0")?;
    let refused = about_server(&stage, &["leases", "renew", &other.to_string()]).expect_err("it has no nonce");
    assert!(format!("{refused:#}").contains("it has never asked for a nonce"), "{refused:#}");
    Ok(())
}

/// An address that somebody uses without a lease, here the gateway itself, answers the ping, is not offered, and is told of.
#[test]
fn an_address_in_use_is_not_offered() -> Result<()> {
    let stage = stage("ping_check = true\nping_timeout = \"300ms\"\n")?;
    let (first, _) = stage.lab.plan.pool(0);
    stage.lab.gateway.ip(&format!("addr add {first}/32 dev lo"))?;
    let (_client, address) = stage.log_in(client::Kind::Udhcpc, 0)?;
    assert_eq!(address.to_bits(), first.to_bits() + 1, "the next one");
    // What is told of the server is up to half a second old. The next one was asked as well, and was silent.
    wait::until_true("two questions", LIMIT, || counter(&stage, "probe").is_ok_and(|count| count >= 2))?;
    assert_eq!(counter(&stage, "conflict")?, 1);
    assert!(stage.reaches(0));
    Ok(())
}
