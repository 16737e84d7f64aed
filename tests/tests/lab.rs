//! The lab itself, without the gateway: real clients and servers talk, and nothing is left behind.

use anyhow::Result;
use gateway_tests::capture::Capture;
use gateway_tests::client::{self, Client};
use gateway_tests::dhcp::kind;
use gateway_tests::lab::Lab;
use gateway_tests::namespace::Namespace;
use gateway_tests::perfdhcp::{self, Load};
use gateway_tests::plan::{INTERNET, Plan, Subnet};
use gateway_tests::server::{self, Server, Service};
use gateway_tests::traffic::{Echo, Flow};
use gateway_tests::{lab, link, relay, wait};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Each client logs in at each server on a common link, and its RELEASE frees the lease.
#[test]
fn clients_and_servers_on_one_link() -> Result<()> {
    for server_kind in server::Kind::FOREIGN {
        let name = lab::unique();
        let directory = tempfile::Builder::new().prefix(&name).tempdir()?;
        let a = Arc::new(Namespace::create(&format!("{name}-a"))?);
        let b = Arc::new(Namespace::create(&format!("{name}-b"))?);
        link::veth((&a, "c0"), (&b, "s0"))?;
        b.ip("addr add 10.9.0.1/24 dev s0")?;
        let address = Ipv4Addr::new(10, 9, 0, 1);
        let pool = (Ipv4Addr::new(10, 9, 0, 100), Ipv4Addr::new(10, 9, 0, 200));
        let service = Service {
            interface: "s0".into(),
            address,
            length: 24,
            subnets: vec![Subnet { network: Ipv4Addr::new(10, 9, 0, 0), length: 24, pool, router: address }],
            lease: Duration::from_secs(3600),
            renew: None,
            direct: true,
            six: None,
            kea: server::Kea::default(),
            embedded: String::new(),
        };
        let server = Server::start(server_kind, &b, &service, directory.path())?;
        for client_kind in client::Kind::ALL {
            let mut client = Client::start(client_kind, &a, "c0", directory.path())?;
            let given = client.wait_bound(LIMIT)?;
            assert!((pool.0..=pool.1).contains(&given), "{given}");
            assert!(a.reaches(address, LIMIT));
            server.wait_held(given, true, LIMIT)?;
            client.release()?;
            server.wait_held(given, false, LIMIT)?;
        }
    }
    Ok(())
}

/// Through other relays: the client's traffic reaches the internet, and the wire shows giaddr and hops.
#[test]
fn clients_behind_other_relays() -> Result<()> {
    for relay_kind in [relay::Kind::Dhcrelay, relay::Kind::Dnsmasq] {
        let lab = Lab::up(Plan::default())?;
        let service = Service::relayed(&lab.plan, 0);
        let server = Server::start(server::Kind::Kea, &lab.servers[0], &service, lab.directory())?;
        let _relay = relay::start(relay_kind, &lab, lab.plan.server(0))?;
        let wire = Capture::start(&lab.servers[0], "srv0")?;
        for (fpc, subscriber) in (0..).zip(&lab.subscribers) {
            let mut client = Client::start(client::Kind::Udhcpc, subscriber, "sub0", lab.directory())?;
            let address = client.wait_bound(LIMIT)?;
            let (first, last) = lab.plan.pool(fpc);
            assert!((first..=last).contains(&address), "{address}");
            assert!(server.holds(address)?);
            assert!(subscriber.reaches(INTERNET, LIMIT));
            let giaddr = lab.plan.giaddr(fpc);
            let request = wire.wait_for("the relayed REQUEST", LIMIT, |seen| {
                seen.kind == kind::REQUEST && seen.giaddr() == giaddr && seen.hops() == 1
            })?;
            assert_eq!(request.destination, lab.plan.server(0));
        }
        assert!(wire.count(kind::ACK) >= 2, "{:?}", wire.counts());
    }
    Ok(())
}

/// perfdhcp's clients get their leases through a relay.
#[test]
fn load_of_many_clients() -> Result<()> {
    let lab = Lab::up(Plan { fpcs: 1, ..Plan::default() })?;
    let service = Service::relayed(&lab.plan, 0);
    let server = Server::start(server::Kind::Kea, &lab.servers[0], &service, lab.directory())?;
    let _relay = relay::start(relay::Kind::Dhcrelay, &lab, lab.plan.server(0))?;
    let load = Load { rate: 200, seconds: 2, clients: 1_000_000 };
    let outcome = perfdhcp::run(&lab.subscribers[0], "sub0", load, lab.directory())?;
    assert!(outcome.acks.1 > 300, "{outcome:?}");
    let leases = server.leases()?.len() as u64;
    assert!(leases >= outcome.acks.1, "{leases} leases, {outcome:?}");
    Ok(())
}

/// Through plain kernel forwarding every datagram of a flow comes back, and a cut link loses some.
#[test]
fn traffic_is_counted() -> Result<()> {
    let lab = Lab::up(Plan { fpcs: 1, ..Plan::default() })?;
    let (subscriber, address) = (&lab.subscribers[0], lab.plan.pool(0).0);
    subscriber.ip_batch(&format!("addr add {address}/16 dev sub0\nroute add default via {}\n", lab.plan.giaddr(0)))?;
    let _echo = Echo::start(&lab.servers[0])?;
    let flow = Flow::start(subscriber, address, Duration::from_millis(1))?;
    wait::until_true("a hundred echoes", LIMIT, || flow.returned() > 100)?;
    let (sent, returned) = flow.finish();
    assert_eq!(sent, returned);
    let flow = Flow::start(subscriber, address, Duration::from_millis(1))?;
    wait::until_true("a hundred echoes", LIMIT, || flow.returned() > 100)?;
    lab.core.ip("link set srv0 down")?;
    let before = flow.sent();
    wait::until_true("a hundred more", LIMIT, || flow.sent() > before + 100)?;
    lab.core.ip("link set srv0 up")?;
    let (sent, returned) = flow.finish();
    assert!(sent >= returned + 90, "{sent} sent, {returned} returned");
    Ok(())
}

/// Every member of a cluster is on every segment, and a card's carrier goes away for all of them.
#[test]
fn members_share_segments() -> Result<()> {
    let lab = Lab::up(Plan { fpcs: 2, members: 3, ..Plan::default() })?;
    lab.subscribers[1].ip("addr add 198.18.0.1/24 dev sub0")?;
    let carrier = |member: usize| lab.members[member].run(|| std::fs::read_to_string("/sys/class/net/fpc1/carrier"));
    for (member, space) in (0u8..).zip(&lab.members) {
        assert!(space.reaches(lab.plan.server(0), LIMIT), "{member} and the core");
        assert!(space.reaches(Plan::member_link((member + 1) % 3), LIMIT), "{member} and the next member");
        space.ip(&format!("addr add 198.18.0.{}/24 dev fpc1", 2 + member))?;
        assert!(lab.subscribers[1].reaches(Ipv4Addr::new(198, 18, 0, 2 + member), LIMIT), "{member} and a subscriber");
    }
    lab.carrier(1, false)?;
    for member in 0..3 {
        wait::until_true("no carrier", LIMIT, || {
            carrier(member).is_ok_and(|text| text.is_ok_and(|text| text == "0\n"))
        })?;
    }
    lab.carrier(1, true)?;
    wait::until_true("the carrier is back", LIMIT, || {
        lab.subscribers[1].reaches(Ipv4Addr::new(198, 18, 0, 4), Duration::from_secs(1))
    })
}

/// Dropping a lab removes its namespaces and its directory, and whatever runs in them.
#[test]
fn nothing_is_left_behind() -> Result<()> {
    let lab = Lab::up(Plan { fpcs: 1, ..Plan::default() })?;
    let names: Vec<_> = lab.namespaces().map(|space| space.name().to_owned()).collect();
    let directory = lab.directory().to_owned();
    let mut sleeper = lab.gateway.command("sleep").arg("1000").spawn()?;
    assert!(names.iter().all(|name| Path::new("/run/netns").join(name).exists()));
    drop(lab);
    assert!(!sleeper.wait()?.success());
    assert!(names.iter().all(|name| !Path::new("/run/netns").join(name).exists()));
    assert!(!directory.exists());
    Ok(())
}

/// A lab that is kept is found again by its record, with its mounts, and removed by it.
#[test]
fn a_kept_lab_is_found_and_removed() -> Result<()> {
    let place = tempfile::tempdir()?;
    let record = place.path().join("lab.json");
    let lab = Lab::named(Plan::default(), &format!("gwlab-kept{}", std::process::id()))?;
    let directory = lab.directory().to_owned();
    lab.gateway.run(|| std::fs::write("/run/mark", "here"))??;
    lab.keep(&record)?;
    let lab = Lab::open(&record)?;
    let mark = lab.gateway.run(|| std::fs::read_to_string("/run/mark"))??;
    assert_eq!(mark, "here");
    assert!(lab.namespace("sub1").is_some_and(|space| space.name().ends_with("sub1")));
    let name = lab.gateway.name().to_owned();
    drop(lab);
    assert!(Path::new("/run/netns").join(&name).exists());
    Lab::remove(&record)?;
    assert!(!Path::new("/run/netns").join(&name).exists());
    assert!(!directory.exists() && !record.exists());
    Ok(())
}
