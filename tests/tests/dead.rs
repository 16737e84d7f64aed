//! The command line while no controller runs.

use anyhow::Result;
use gateway_tests::client;
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};

/// What the kernel forwards is read from its maps; whatever else is asked says that nobody is there to answer, what to
/// do, and that forwarding goes on, and fails.
#[test]
fn every_command_says_what_it_can_do() -> Result<()> {
    let plan = Plan { fpcs: 1, ..Plan::default() };
    let mut stage = Stage::with(server::Kind::Embedded, plan, |_| {}, |_| {})?;
    let (_client, address) = stage.log_in(client::Kind::Udhcpc, 0)?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    let address = address.to_string();
    let server = stage.lab.plan.server(0).to_string();
    let asking = [
        &["status"][..],
        &["status", "--json"],
        &["status", "--watch"],
        &["sessions"],
        &["sessions", &address],
        &["sessions", "--json"],
        &["units"],
        &["members"],
        &["fpcs"],
        &["servers"],
        &["releases"],
        &["drops"],
        &["drops", "--watch"],
        &["events"],
        &["top"],
        &["release", &address],
        &["fpc", "restart", "fpc0"],
        &["fpc", "restart", "fpc0", "--wait"],
        &["server", "probe", &server],
        &["recover"],
        &["cluster", "drain", "a"],
    ];
    stage.gateway.kill()?;
    for words in asking {
        let (ok, text, errors) = stage.gateway.try_command(words)?;
        assert!(!ok && text.is_empty(), "{words:?} printed {text:?}");
        for part in ["no gateway is running", "start one with `gateway run`", "goes on forwarding: `gateway routes`"] {
            assert!(errors.contains(part), "{words:?}: {part:?} is not in {errors:?}");
        }
        assert_eq!(errors.lines().count(), 1, "{words:?}: {errors}");
    }
    let routes = stage.gateway.routes()?;
    assert_eq!(
        (routes.len(), &routes[0]["address"], &routes[0]["state"]),
        (1, &address.as_str().into(), &"live".into())
    );
    assert_eq!(routes[0]["port"], "fpc0");
    assert_eq!(stage.gateway.command(&["routes", "--count"])?, "1 route: 1 live, 0 stale, 0 expired\n");
    assert!(stage.gateway.command(&["routes"])?.contains(&address));
    assert!(stage.gateway.command(&["check"])?.contains("1 FPC, 1 access port"));
    assert!(stage.reaches(0), "nothing is forwarded");

    stage.gateway.restart()?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    for words in
        [&["status"][..], &["sessions"], &["units"], &["fpcs"], &["servers"], &["releases"], &["drops"], &["events"]]
    {
        stage.gateway.command(words)?;
    }
    Ok(())
}
