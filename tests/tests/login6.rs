//! Real DHCPv6 clients log in at real servers through the gateway, with an address and a prefix, and out again.

use anyhow::{Context, Result};
use gateway_core::wire::dhcp6::leasequery::{By, Frames, LeaseAnswer, Question, frame};
use gateway_core::wire::dhcp6::{DuidBuf, kind};
use gateway_tests::client;
use gateway_tests::client6::{Client, Home, Kind};
use gateway_tests::plan::Plan;
use gateway_tests::plan6::{INTERNET6, Subnet6};
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::{process, server, wait};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpStream};
use std::time::Duration;

fn plan() -> Plan {
    Plan { fpcs: 1, ipv6: true, ..Plan::default() }
}

/// The leases that the kernel has routes for, by what is leased.
fn routes6(stage: &Stage) -> Result<Vec<String>> {
    let routes = stage.gateway.routes()?;
    Ok(routes
        .iter()
        .filter_map(|route| Some(route["address"].as_str().filter(|text| text.contains(':'))?.to_owned()))
        .collect())
}

/// The routes of leases in the kernel's own table.
fn kernel_routes(stage: &Stage) -> Result<Vec<String>> {
    let text = stage.lab.gateway.ip("-6 route show proto 67")?;
    Ok(text.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect())
}

/// The prefix that the CPE has the first address of.
fn delegated(first: Ipv6Addr) -> String {
    let length = u32::from(Subnet6::DELEGATED_LENGTH);
    format!("{}/{length}", Ipv6Addr::from_bits(first.to_bits() >> (128 - length) << (128 - length)))
}

/// What the gateway counted of DHCPv6.
fn counted(stage: &Stage) -> String {
    let counters = stage.gateway.show("status").map(|status| status["counters"].clone()).unwrap_or_default();
    let counters = counters.as_object().cloned().unwrap_or_default();
    let of_six = counters.iter().filter(|(name, count)| name.contains('6') && **count != 0);
    of_six.map(|(name, count)| format!("{name} {count} ")).collect()
}

/// Each client: no traffic before the login; after it traffic from its own address, and from a host behind it; none after
/// its RELEASE, or that of an operator (RR-1).
fn clients_log_in_and_out(kind: server::Kind, delegates: bool) -> Result<()> {
    let stage = Stage::with(kind, plan(), |_| {}, |_| {})?;
    let cpe = &stage.lab.subscribers[0];
    let home = Home::behind(cpe)?;
    let subnet = stage.lab.plan.subnet6(0);
    for client_kind in Kind::ALL {
        let mut client = Client::start(client_kind, cpe, "sub0", delegates, stage.lab.directory())?;
        let told = || format!("{client_kind:?} at {kind:?}: {}\n{}", counted(&stage), stage.gateway.process.log_end());
        let address = client.wait_address(LIMIT).with_context(told)?;
        let (first, last) = subnet.pool;
        assert!((first..=last).contains(&address), "{client_kind:?} got {address}");
        let reaches = || cpe.reaches_from(address, INTERNET6, Duration::from_secs(1));
        wait::until_true("an answer from beyond the core", LIMIT, reaches).with_context(told)?;
        let mut expected = vec![address.to_string()];
        if delegates {
            let inside = client.wait_prefix(LIMIT).with_context(told)?;
            assert!(subnet.delegates(inside), "{client_kind:?} got {inside}");
            let host = home.settle(inside)?;
            let reaches = || home.space.reaches(INTERNET6, Duration::from_secs(1));
            wait::until_true("an answer to the host behind it", LIMIT, reaches).with_context(told)?;
            assert!(stage.lab.servers[0].reaches(host, LIMIT), "nothing gets down to {host}");
            expected.push(delegated(inside));
        }
        let mut routes = routes6(&stage)?;
        routes.sort();
        expected.sort();
        assert_eq!(routes, expected, "{}", told());
        let same = || kernel_routes(&stage).is_ok_and(|routes| routes == expected);
        wait::until_true("the same routes in the kernel's table", LIMIT, same).with_context(told)?;
        match (client_kind, kind) {
            // It says nothing when it ends, so an operator does.
            (Kind::Networkd, server::Kind::Embedded) => {
                client.process.kill()?;
                stage.gateway.command(&["release", &address.to_string()])?;
            }
            // These take no requests of relays, and RELEASEs one by one come only after many seconds.
            (Kind::Networkd, _) => continue,
            _ => client.release().with_context(told)?,
        }
        let none = || {
            routes6(&stage).is_ok_and(|routes| routes.is_empty())
                && kernel_routes(&stage).is_ok_and(|routes| routes.is_empty())
        };
        wait::until_true("no routes", LIMIT, none).with_context(told)?;
        drop(client);
        cpe.ip(&format!("-6 address replace {address}/128 dev sub0"))?;
        assert!(
            !cpe.reaches_from(address, INTERNET6, Duration::from_millis(400)),
            "{address} passes after its RELEASE"
        );
    }
    Ok(())
}

/// With Kea.
#[test]
fn at_kea() -> Result<()> {
    clients_log_in_and_out(server::Kind::Kea, true)
}

/// With ISC dhcpd.
#[test]
fn at_dhcpd() -> Result<()> {
    clients_log_in_and_out(server::Kind::Dhcpd, true)
}

/// With dnsmasq, which delegates no prefixes.
#[test]
fn at_dnsmasq() -> Result<()> {
    clients_log_in_and_out(server::Kind::Dnsmasq, false)
}

/// With the embedded server.
#[test]
fn at_the_embedded_server() -> Result<()> {
    clients_log_in_and_out(server::Kind::Embedded, true)
}

/// Killed with a client that renews every two seconds, and started again: traffic from behind the prefix goes on throughout, the
/// leases are still there, and renewals go on.
#[test]
fn renewed_through_a_restart() -> Result<()> {
    let often = |service: &mut server::Service| {
        (service.lease, service.renew) = (Duration::from_secs(20), Some(Duration::from_secs(2)));
    };
    let stage = &mut Stage::with(server::Kind::Kea, plan(), often, |_| {})?;
    let cpe = &stage.lab.subscribers[0];
    let home = Home::behind(cpe)?;
    let mut client = Client::start(Kind::Dhclient, cpe, "sub0", true, stage.lab.directory())?;
    client.wait_address(LIMIT)?;
    home.settle(client.wait_prefix(LIMIT)?)?;
    let reaches = || home.space.reaches(INTERNET6, Duration::from_secs(1));
    wait::until_true("an answer to the host behind it", LIMIT, reaches)?;
    let renewals = |stage: &Stage| {
        let status = stage.gateway.show("status").unwrap_or_default();
        status["counters"]["renewals6"].as_u64().unwrap_or_default()
    };
    wait::until_true("a renewal", LIMIT, || renewals(stage) > 0)?;
    let before = routes6(stage)?;
    let mut ping = home.space.command("ping");
    ping.args(["-n", "-q", "-i", "0.05", "-c", "120"]).arg(INTERNET6.to_string());
    let report = std::thread::scope(|scope| -> Result<_> {
        let pinged = scope.spawn(move || process::finish(&mut ping, LIMIT));
        stage.gateway.kill()?;
        assert_eq!(routes6(stage)?, before, "the maps are read without the controller");
        stage.lab.gateway.ip(&format!("-6 route del {} proto 67", before[1]))?;
        stage.gateway.restart()?;
        pinged.join().expect("the pinging thread")
    })?;
    assert!(report.1.contains("120 received"), "{}", report.1);
    assert_eq!(routes6(stage)?, before);
    assert_eq!(kernel_routes(stage)?, before, "what was lost is made good");
    wait::until_true("a renewal by the new controller", LIMIT, || renewals(stage) > 0)?;
    assert!(stage.gateway.process.log().contains("IPv6 routes agree with the store kept=2 removed=0 installed=0"));
    Ok(())
}

/// Who logs in by both versions of IP is one subscriber in every view, found by any of its addresses, and stays one when
/// either half ends.
#[test]
fn one_subscriber() -> Result<()> {
    let stage = Stage::with(server::Kind::Embedded, plan(), |_| {}, |_| {})?;
    let cpe = &stage.lab.subscribers[0];
    let _home = Home::behind(cpe)?;
    let mut six = Client::start(Kind::Dhcpcd, cpe, "sub0", true, stage.lab.directory())?;
    let (address6, inside) = (six.wait_address(LIMIT)?, six.wait_prefix(LIMIT)?);
    let counts = |sessions: u64, subscribers: u64, leases: u64| {
        let expected = [json!(sessions), json!(subscribers), json!(leases)];
        stage.gateway.wait_for("status", LIMIT, |status| {
            [&status["sessions"], &status["subscribers"], &status["leases6"]].into_iter().eq(expected.iter())
        })
    };
    counts(0, 1, 2)?;
    assert_eq!(stage.gateway.sessions()?[0]["address"], json!(null), "without IPv4");
    let (mut four, address) = stage.log_in(client::Kind::Udhcpc, 0)?;
    counts(1, 1, 2)?;
    let rows = stage.gateway.sessions()?;
    assert_eq!((rows.len(), &rows[0]["address"]), (1, &json!(address)));
    let leases: Vec<_> =
        rows[0]["leases6"].as_array().context("leases")?.iter().map(|lease| &lease["prefix"]).collect();
    assert!(leases.contains(&&json!(address6)) && leases.contains(&&json!(delegated(inside))), "{leases:?}");
    let asked = stage.gateway.ask(&json!({ "request": "session", "address": inside }))?;
    assert_eq!((&asked["sessions"][0]["address"], &asked["sessions"][0]["mac"]), (&json!(address), &rows[0]["mac"]));
    let text = stage.gateway.command(&["sessions"])?;
    assert_eq!(text.lines().count(), 4, "a heading, the subscriber and its two leases:\n{text}");
    four.release()?;
    counts(0, 1, 2)?;
    six.release()?;
    counts(0, 0, 0).map(drop)
}

/// RFC 5460: what the embedded server leased is told over TCP, by the link that it was leased on.
#[test]
fn told_in_bulk() -> Result<()> {
    let stage = Stage::with(server::Kind::Embedded, plan(), |_| {}, |_| {})?;
    let cpe = &stage.lab.subscribers[0];
    let mut client = Client::start(Kind::Dhclient, cpe, "sub0", false, stage.lab.directory())?;
    let address = client.wait_address(LIMIT)?;
    let (server, link) = (stage.lab.plan.server6(0), stage.lab.plan.link_address6(0));
    let question = Question { by: By::LinkAddress, link, requested: Vec::new() };
    let asker = DuidBuf::link_layer([2, 0, 0, 0, 0, 1]);
    let question = frame(&question.message(7, asker.as_duid(), None)?)?;
    let messages = stage.lab.gateway.run(|| -> Result<_> {
        let mut stream = TcpStream::connect((server, 547))?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(&question)?;
        let (mut frames, mut messages, mut buffer) = (Frames::new(u16::MAX), Vec::new(), [0; 4096]);
        while messages.last().is_none_or(|last: &Vec<u8>| last[0] != kind::LEASEQUERY_DONE) {
            let length = stream.read(&mut buffer)?;
            anyhow::ensure!(length > 0, "it ends after {} messages", messages.len());
            let mut rest = &buffer[..length];
            while let Some(message) = frames.next(&mut rest)? {
                messages.push(message);
            }
        }
        Ok(messages)
    })??;
    let answer = LeaseAnswer::parse(&messages[0])?;
    let told: Vec<_> = answer.clients.iter().flat_map(|told| &told.leases).collect();
    assert_eq!((told.len(), told[0].binding.prefix().address()), (1, address));
    Ok(())
}
