//! What an operator sees of a gateway that serves: drops, metrics, and all of it on one screen.

use anyhow::{Context, Result};
use gateway_tests::client;
use gateway_tests::daemon::{CONFIG, program};
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::wait;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

const METRICS: &str = "127.0.0.1:9467";
/// The verdict on a stranger who asks for the router.
const ARP: &str = "arp-spoofed";

/// A gateway that serves metrics, one subscriber who is logged in, and one who only pretends to be.
fn stage() -> Result<(Stage, client::Client, Ipv4Addr)> {
    let stage = Stage::with(
        server::Kind::Embedded,
        Plan::default(),
        |_| {},
        |configuration| {
            configuration.metrics = METRICS.into();
            configuration.tables += "[limits]\ndrop_sample = 1\n";
        },
    )?;
    let (client, _) = stage.log_in(client::Kind::Udhcpc, 0)?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    assert!(stage.reaches(0));
    let (_, stranger) = stage.lab.plan.pool(1);
    assert!(stage.is_stranger_cut_off(1, stranger)?, "traffic passes without a login");
    Ok((stage, client, stranger))
}

fn json(stage: &Stage, arguments: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&stage.gateway.command(&[arguments, &["--json"]].concat())?)?)
}

/// What was dropped is told with its number, the reason in words, and samples that name who sent it to whom.
#[test]
fn drops() -> Result<()> {
    let (stage, _client, stranger) = stage()?;
    let is_its = |row: &&Value| row["port"] == "fpc1" && row["verdict"] == ARP;
    let told = wait::until("a sample", LIMIT, || {
        let told = json(&stage, &["drops"]).ok()?;
        let is_there = told["samples"].as_array()?.iter().any(|sample| is_its(&sample));
        is_there.then_some(told)
    })?;
    let rows = |name: &str| told[name].as_array().into_iter().flatten();
    let row = rows("dropped").find(|row| row["program"] == "access" && row["verdict"] == ARP);
    assert!(row.is_some_and(|row| row["packets"].as_u64() >= Some(1)), "{told:#}");
    // Its question for the router: both addresses in an ARP packet, behind an Ethernet header.
    let octets = rows("samples").find(is_its).and_then(|sample| sample["octets"].as_str());
    let hex = |address: Ipv4Addr| address.octets().map(|octet| format!("{octet:02x}")).concat();
    let router = stage.lab.plan.giaddr(1);
    for (place, address) in [(28, stranger), (38, router)] {
        let found = octets.and_then(|octets| octets.get(2 * place..2 * (place + 4)));
        assert_eq!(found, Some(hex(address).as_str()), "{told:#}");
    }

    let text = stage.gateway.command(&["drops"])?;
    for part in ["ARP for an address it does not hold", ARP, &stranger.to_string(), &router.to_string()] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains("wrong-mac"), "nothing of the kind was sent:\n{text}");
    Ok(())
}

/// One subscriber is found by what an operator knows of it: its MAC or its port. A mistake is told with what there is.
#[test]
fn a_subscriber_is_found() -> Result<()> {
    let (stage, _client, _) = stage()?;
    let all = json(&stage, &["sessions"])?;
    let mac = all[0]["mac"].as_str().context("it has one")?;
    assert_eq!(all[0]["port"], "fpc0");
    for found in [["--mac", mac], ["--port", "fpc0"], ["--fpc", "fpc0"]] {
        assert_eq!(json(&stage, &["sessions", found[0], found[1]])?.as_array().map(Vec::len), Some(1), "{found:?}");
    }
    for none in [["--mac", "02:00:00:00:00:fe"], ["--port", "fpc1"], ["--fpc", "fpc1"]] {
        assert_eq!(json(&stage, &["sessions", none[0], none[1]])?, Value::Array(Vec::new()), "{none:?}");
    }
    for (wrong, advice) in [(["--mac", "02:00"], "no MAC"), (["--port", "eth9"], "there are: fpc0, fpc1")] {
        let (done, _, error) = stage.gateway.try_command(&["sessions", wrong[0], wrong[1]])?;
        assert!(!done && error.contains(advice), "{error}");
    }
    Ok(())
}

/// SIGHUP ends it in order, as SIGTERM does: whoever started it starts it again, and sessions and traffic are as before.
/// Before that `check --host` tells whether the start will go on with what is pinned.
#[test]
fn it_is_hung_up_on() -> Result<()> {
    let (mut stage, _client, _) = stage()?;
    let check = |stage: &Stage| stage.gateway.try_command(&["check", "--host"]);
    let told = check(&stage)?.1;
    assert!(told.contains("a start adopts them"), "{told}");

    stage.gateway.process.signal(Signal::SIGHUP)?;
    let status = stage.gateway.process.wait_end(LIMIT)?;
    assert!(status.success(), "{status}");
    assert!(stage.reaches(0), "what is pinned goes on");
    let config = stage.lab.directory().join(CONFIG);
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replacen("capacity = 65536", "capacity = 4321", 1))?;
    let (fine, told, _) = check(&stage)?;
    assert!(!fine && told.contains("the configuration asks for 4321") && told.contains("--reset"), "{told}");
    std::fs::write(&config, text)?;
    stage.gateway.restart()?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    assert!(stage.reaches(0));
    Ok(())
}

fn scrape(stage: &Stage) -> Result<String> {
    stage.lab.gateway.run(|| {
        let mut stream = TcpStream::connect(METRICS)?;
        stream.set_read_timeout(Some(wait::scaled(Duration::from_secs(10))))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        anyhow::Ok(answer)
    })?
}

/// The value of a line of the metrics.
fn value(metrics: &str, name: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Metrics say the same as the command line, and go on counting while the gateway serves.
#[test]
fn metrics() -> Result<()> {
    let (stage, _client, _) = stage()?;
    let forwarded = "gateway_packets_total{program=\"access\",verdict=\"forwarded-up\",fate=\"forwarded\"}";
    let first = scrape(&stage)?;
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n") && first.ends_with("# EOF\n"), "{first}");
    for (name, expected) in [
        ("gateway_sessions{fpc=\"fpc0\"}", 1),
        ("gateway_sessions{fpc=\"fpc1\"}", 0),
        ("gateway_port_up{port=\"fpc0\",xdp=\"native\"}", 1),
        ("gateway_fpc_up{fpc=\"fpc1\"}", 1),
        ("gateway_events_total{event=\"logins\"}", 1),
        ("gateway_server_sessions{server=\"192.0.2.2\"}", 1),
        (forwarded, stage.gateway.verdict("forwarded-up")?),
    ] {
        assert_eq!(value(&first, name), Some(expected), "{name}\n{first}");
    }
    assert!(value(&first, forwarded) > Some(0), "{first}");
    let dropped = format!("gateway_packets_total{{program=\"access\",verdict=\"{ARP}\",fate=\"dropped\"}}");
    assert!(value(&first, &dropped) > Some(0), "{first}");
    assert!(stage.reaches(0));
    let second = scrape(&stage)?;
    assert!(value(&second, forwarded) > value(&first, forwarded), "{second}");
    Ok(())
}

/// Two work units of the field, one above the other.
const UNITS: &str = "\u{2580}";

/// `gateway top` in a terminal of 120 by 40.
fn top(stage: &Stage) -> Result<Child> {
    let (program, config) = (program()?, stage.lab.directory().join(CONFIG));
    let top = format!("stty cols 120 rows 40; {} top --config {}", program.display(), config.display());
    let mut command = stage.lab.gateway.command("script");
    command.args(["--quiet", "--return", "--flush", "--command", &top]).arg(stage.lab.directory().join("top"));
    command.env("TERM", "xterm").env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::null());
    Ok(command.spawn()?)
}

/// On a terminal it shows cards, servers and the field of work units of the gateway that runs, until `q` is pressed.
#[test]
fn one_screen() -> Result<()> {
    let (stage, _client, _) = stage()?;
    let mut top = top(&stage)?;
    let screen = || std::fs::read(stage.lab.directory().join("top")).unwrap_or_default();
    let shown = wait::until("cards, servers and units on the screen", LIMIT, || {
        let text = String::from_utf8_lossy(&screen()).into_owned();
        ["BNG-0042", "fpc0", "fpc1", "192.0.2.2", UNITS].iter().all(|part| text.contains(part)).then_some(text)
    });
    let pressed = top.stdin.take().context("no keyboard")?.write_all(b"q");
    let ended = wait::until("its end", LIMIT, || top.try_wait().transpose());
    if ended.is_err() {
        top.kill()?;
        top.wait()?;
    }
    let shown = shown.with_context(|| String::from_utf8_lossy(&screen()).into_owned())?;
    pressed?;
    assert!(ended??.success(), "{shown}");
    Ok(())
}
