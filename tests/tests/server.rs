//! The embedded DHCP server with real clients: what only they can show.

use anyhow::{Context as _, Result};
use gateway_tests::client;
use gateway_tests::daemon::program;
use gateway_tests::plan::Plan;
use gateway_tests::process;
use gateway_tests::server;
use gateway_tests::stage::Stage;

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

/// An address that somebody uses without a lease, here the gateway itself, answers the ping, is not offered, and is told of.
#[test]
fn an_address_in_use_is_not_offered() -> Result<()> {
    let stage = stage("ping_check = true\nping_timeout = \"300ms\"\n")?;
    let (first, _) = stage.lab.plan.pool(0);
    stage.lab.gateway.ip(&format!("addr add {first}/32 dev lo"))?;
    let (_client, address) = stage.log_in(client::Kind::Udhcpc, 0)?;
    assert_eq!(address.to_bits(), first.to_bits() + 1, "the next one");
    assert_eq!(counter(&stage, "conflict")?, 1);
    assert!(counter(&stage, "probe")? >= 2, "the next one was asked as well, and was silent");
    assert!(stage.reaches(0));
    Ok(())
}
