//! The server with a real disk: killed at any moment, started twice.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::*;
use gateway_core::wire::dhcp4::{Message, code, kind};
use gateway_server::{Config, Ports, Service};

const STORE: &str = "GATEWAY_TEST_LEASE_STORE";
const RELAY_PORT: &str = "GATEWAY_TEST_RELAY_PORT";
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn loopback_config(store: &Path, relay_port: u16) -> Config {
    let mut config = wide(config(), 60_000);
    config.listen = LOOPBACK;
    config.subnets[0].relays = vec![LOOPBACK];
    config.leasequery.requestors = vec![LOOPBACK];
    config.store = store.into();
    config.ports = Ports { server: 0, relay: relay_port, client: 68 };
    config
}

/// The child of [`killed_while_it_answers`]; on its own it has nothing to do and checks that.
#[test]
fn child_serves() {
    let (Ok(store), Ok(port)) = (std::env::var(STORE), std::env::var(RELAY_PORT)) else {
        assert!(std::env::var(STORE).is_err(), "a store without a port");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let service = Service::open(loopback_config(Path::new(&store), port.parse().unwrap())).unwrap();
        println!("\nlistening {}", service.local_addr().unwrap());
        service.run(std::future::pending()).await.unwrap();
    });
}

struct Server {
    child: Child,
    address: SocketAddrV4,
}

impl Server {
    fn start(store: &Path, relay_port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_serves", "--nocapture"])
            .env(STORE, store)
            .env(RELAY_PORT, relay_port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.into_iter().find_map(|line| line.strip_prefix("listening ")?.parse().ok());
        Self { child, address: address.expect("the child says where it listens") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // SIGKILL
        let _ = self.child.wait();
    }
}

/// A server is killed in the middle of a storm of logins, again and again. Every address that was acknowledged belongs
/// to the client it was acknowledged to when the server is back, and to no other.
#[test]
fn killed_while_it_answers() {
    let directory = tempfile::tempdir().unwrap();
    let relay = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let SocketAddr::V4(ours) = relay.local_addr().unwrap() else { unreachable!("bound to IPv4") };
    let mut acknowledged: BTreeMap<[u8; 6], Ipv4Addr> = BTreeMap::new();
    let mut buffer = [0; 1500];
    for round in 0..6u32 {
        let server = Server::start(directory.path(), ours.port());
        relay.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for (mac, address) in &acknowledged {
            let query = gateway_core::wire::leasequery::by_address(*address, LOOPBACK, 1);
            relay.send_to(&query, server.address).unwrap();
            let length = relay.recv(&mut buffer).expect("an answer to the leasequery");
            let message = Message::parse(&buffer[..length]).unwrap();
            assert_eq!(
                message.kind(),
                Some(kind::LEASEACTIVE),
                "round {round}: {address} was acknowledged and is lost"
            );
            assert_eq!(message.hardware().mac(), Some(*mac), "{address} has another client");
        }
        if round == 5 {
            break;
        }
        relay.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // It is killed after so many, in the middle of a batch.
        let enough = acknowledged.len() + 40 + 7 * round as usize;
        let (mut number, deadline) = (round * 10_000, Instant::now() + Duration::from_secs(30));
        while acknowledged.len() < enough {
            assert!(Instant::now() < deadline, "only {} logins", acknowledged.len());
            for _ in 0..16 {
                relay.send_to(&cpe(number).at(LOOPBACK).discover(), server.address).unwrap();
                number += 1;
            }
            while let Ok(length) = relay.recv(&mut buffer) {
                let message = Message::parse(&buffer[..length]).unwrap();
                let mac = message.hardware().mac().unwrap();
                if message.kind() == Some(kind::ACK) {
                    let holder = acknowledged.iter().find(|(_, held)| **held == message.yiaddr());
                    assert!(holder.is_none_or(|(other, _)| *other == mac), "{} acknowledged twice", message.yiaddr());
                    acknowledged.insert(mac, message.yiaddr());
                } else {
                    let client = Cpe { mac, ..cpe(0).at(LOOPBACK) };
                    let select = client.message(kind::REQUEST, |builder| {
                        builder.address(code::SERVER_ID, LOOPBACK).address(code::REQUESTED_IP, message.yiaddr())
                    });
                    relay.send_to(&select, server.address).unwrap();
                }
                if acknowledged.len() >= enough {
                    break;
                }
            }
        }
        drop(server);
        while relay.recv(&mut buffer).is_ok() {} // what the killed one still said does not count
    }
    let addresses: BTreeSet<_> = acknowledged.values().collect();
    assert_eq!(addresses.len(), acknowledged.len(), "one address, one client");
}

/// A second server on an address is refused whatever its store: both would lease the same pools.
#[test]
fn an_address_has_one_server() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Service::open(loopback_config(ours.path(), 67)).unwrap();
    let mut config = loopback_config(theirs.path(), 67);
    config.ports.server = first.local_addr().unwrap().port();
    let error = Service::open(config).expect_err("the address is taken");
    assert!(format!("{error:#}").contains("another DHCP server"), "{error:#}");
}
