//! Real clients log in at real servers through the gateway, and out again.

use anyhow::{Context, Result};
use gateway_tests::client::{self, Client};
use gateway_tests::daemon::Configuration;
use gateway_tests::dhcp::kind;
use gateway_tests::fleet::{Fleet, FleetConfig};
use gateway_tests::plan::Plan;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use std::net::Ipv4Addr;

/// Each client: no traffic before the login, traffic after it, and none after its RELEASE, which frees the lease and
/// ends the session.
fn clients_log_in_and_out(kind: server::Kind) -> Result<()> {
    let stage = Stage::up(kind)?;
    let (_, stranger) = stage.lab.plan.pool(0);
    assert!(stage.is_stranger_cut_off(0, stranger)?, "traffic passes without a login");
    for client_kind in client::Kind::ALL {
        let (mut client, address) = stage.log_in(client_kind, 0).with_context(|| format!("{client_kind:?}"))?;
        let (first, last) = stage.lab.plan.pool(0);
        assert!((first..=last).contains(&address), "{client_kind:?} got {address}");
        assert!(stage.reaches(0), "{client_kind:?} is logged in without traffic");
        stage.server.wait_held(address, true, LIMIT)?;
        let session = stage.gateway.session(address)?.context("no session")?;
        assert_eq!(
            (&session["fpc"], &session["port"], &session["state"]),
            (&"fpc0".into(), &"fpc0".into(), &"live".into())
        );
        assert_eq!(session["server"], stage.lab.plan.server(0).to_string());

        let discover = stage.wire.wait_for("a relayed DISCOVER", LIMIT, |seen| seen.kind == kind::DISCOVER)?;
        assert_eq!((discover.giaddr(), discover.hops()), (stage.lab.plan.giaddr(0), 1));
        assert!(discover.agent(1).is_some() && discover.agent(2).is_some(), "no circuit-id or remote-id");

        client.release()?;
        stage.gateway.wait_sessions(0, LIMIT)?;
        stage.server.wait_held(address, false, LIMIT)?;
        drop(client);
        assert!(stage.is_stranger_cut_off(0, address)?, "{client_kind:?}'s address passes after its RELEASE");
        stage.wire.clear();
    }
    Ok(())
}

/// With Kea (BR-1, BR-2, BR-4, BR-32).
#[test]
fn at_kea() -> Result<()> {
    clients_log_in_and_out(server::Kind::Kea)
}

/// With ISC dhcpd (BR-1, BR-2, BR-4, BR-32).
#[test]
fn at_dhcpd() -> Result<()> {
    clients_log_in_and_out(server::Kind::Dhcpd)
}

/// With dnsmasq (BR-1, BR-2, BR-4, BR-32).
#[test]
fn at_dnsmasq() -> Result<()> {
    clients_log_in_and_out(server::Kind::Dnsmasq)
}

/// With the embedded server (BR-1, BR-2, BR-4, BR-32).
#[test]
fn at_the_embedded_server() -> Result<()> {
    clients_log_in_and_out(server::Kind::Embedded)
}

/// Option 82 as an access node writes it, with a circuit-id and a remote-id.
const ACCESS_NODE: &[u8] = b"\x01\x08dsl7/0/1\x02\x05line1";

/// Behind an access node that is trusted: its option 82 reaches the server as it is, beside our giaddr, and since there is no room
/// for ours, the card's restart is told the server with a RELEASE, which carries it too (H-BR-4, BR-28).
#[test]
fn behind_an_access_node() -> Result<()> {
    let trust = |configuration: &mut Configuration| configuration.fpc += "trust_option_82 = true\n";
    let stage = Stage::with(server::Kind::Embedded, Plan::default(), |_| {}, trust)?;
    let subscriber = &stage.lab.subscribers[0];
    let mut client = Client::behind_access_node(subscriber, "sub0", stage.lab.directory(), ACCESS_NODE)?;
    let address = client.wait_bound(LIMIT).with_context(|| format!("{:?}", stage.wire.counts()))?;
    assert!(stage.reaches(0));
    stage.gateway.wait_sessions(1, LIMIT)?;
    let request = stage.wire.wait_for("a relayed REQUEST", LIMIT, |seen| seen.kind == kind::REQUEST)?;
    assert_eq!((request.giaddr(), request.option(82)), (stage.lab.plan.giaddr(0), Some(ACCESS_NODE)));

    stage.gateway.restart_fpc(0)?;
    stage.gateway.wait_sessions(0, LIMIT)?;
    stage.server.wait_held(address, false, LIMIT)?;
    let release = stage.wire.wait_for("a RELEASE", LIMIT, |seen| seen.kind == kind::RELEASE)?;
    assert_eq!((release.ciaddr(), release.option(82)), (address, Some(ACCESS_NODE)));
    assert_eq!(stage.wire.count(kind::BULK_RELEASE_REPLY), 0, "{:?}", stage.wire.counts());
    Ok(())
}

/// A subscriber that writes option 82 itself, where nobody below is trusted, is not heard (RFC 3046 section 2.1.1, H-BR-4).
#[test]
fn a_subscriber_that_poses_as_an_access_node() -> Result<()> {
    let stage = Stage::up(server::Kind::Embedded)?;
    let subscriber = &stage.lab.subscribers[0];
    let client = Client::behind_access_node(subscriber, "sub0", stage.lab.directory(), ACCESS_NODE)?;
    stage
        .gateway
        .wait_for("status", LIMIT, |status| status["counters"]["relay-untrusted-option-82"].as_u64() >= Some(3))?;
    assert_eq!((client.address()?, stage.wire.count(kind::DISCOVER)), (None, 0));
    drop(client);
    stage.log_in(client::Kind::Udhcpc, 0).map(drop)
}

/// Two subscribers of one subnet, behind two cards: each finds the other by the gateway's proxy ARP, and their packets
/// go through it.
#[test]
fn neighbours_reach_each_other() -> Result<()> {
    let plan = Plan { shared_giaddr: true, ..Plan::default() };
    let stage = Stage::with(server::Kind::Embedded, plan, |_| {}, |_| {})?;
    let (_first, first) = stage.log_in(client::Kind::Udhcpc, 0)?;
    let (_second, second) = stage.log_in(client::Kind::Udhcpc, 1)?;
    stage.gateway.wait_sessions(2, LIMIT)?;
    let [a, b] = &stage.lab.subscribers[..] else { unreachable!("two cards") };
    assert!(a.reaches(second, LIMIT) && b.reaches(first, LIMIT));
    let answered = stage.gateway.verdict("arp-answered")?;
    assert!(answered >= 2, "{answered} ARP requests were answered");
    Ok(())
}

/// The server is told the link of the clients apart from the relay's address, and the clients the relay's address for the server's:
/// so their addresses are of that link, and where the server heeds that too, what they renew passes the relay (RFC 3527, RFC 5107).
fn another_link_and_another_server(server: server::Kind, heeds: bool) -> Result<()> {
    const LINK_SELECTION: u8 = 5;
    const SERVER_ID_OVERRIDE: u8 = 11;
    let plan = Plan::default();
    let (giaddr, link, (first, last)) = (plan.giaddr(0), plan.giaddr(1), plan.pool(1));
    let stage = Stage::with(
        server,
        plan,
        |_| {},
        |configuration| configuration.fpc += &format!("link_selection = \"{link}\"\nserver_id_override = true\n"),
    )?;
    let fleet = Fleet::start(&stage.lab.subscribers[0], "sub0", FleetConfig { count: 5, ..FleetConfig::default() })?;
    fleet.login_all(LIMIT)?;
    for address in fleet.addresses()? {
        let address = address.context("no address")?;
        assert!((first..=last).contains(&address), "{address}");
        assert!(stage.server.holds(address)?);
    }
    let asked = |kind| stage.wire.messages().into_iter().filter(move |seen| seen.kind == kind);
    for discover in asked(kind::DISCOVER) {
        let told = [LINK_SELECTION, SERVER_ID_OVERRIDE].map(|code| discover.agent(code).map(<[u8]>::to_vec));
        assert_eq!((discover.giaddr(), told), (giaddr, [link, giaddr].map(|address| Some(address.octets().to_vec()))));
    }
    assert!(asked(kind::DISCOVER).count() >= 5, "{:?}", stage.wire.counts());

    stage.wire.clear();
    fleet.renew_all(LIMIT)?;
    let renewed: Vec<_> = asked(kind::REQUEST).map(|seen| (seen.giaddr(), seen.hops())).collect();
    let way = if heeds { (giaddr, 1) } else { (Ipv4Addr::UNSPECIFIED, 0) };
    assert!(renewed.len() >= 5 && renewed.iter().all(|seen| *seen == way), "{renewed:?}");
    assert!(asked(kind::REQUEST).all(|seen| !seen.ciaddr().is_unspecified()), "not renewals");
    Ok(())
}

/// Kea 2.2 tells clients its own address all the same, and so does ISC dhcpd.
#[test]
fn another_link_at_kea() -> Result<()> {
    another_link_and_another_server(server::Kind::Kea, false)
}

#[test]
fn another_link_and_another_server_at_dnsmasq() -> Result<()> {
    another_link_and_another_server(server::Kind::Dnsmasq, true)
}

#[test]
fn another_link_at_dhcpd() -> Result<()> {
    another_link_and_another_server(server::Kind::Dhcpd, false)
}

#[test]
fn another_link_and_another_server_at_the_embedded_server() -> Result<()> {
    another_link_and_another_server(server::Kind::Embedded, true)
}
