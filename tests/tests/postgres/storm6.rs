//! Logins by DHCPv6 at two servers that are killed at random, as is their database.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use gateway_core::wire::dhcp6::kind;
use gateway_tests::postgres::Postgres;

use super::client::Relay;
use super::client6::{Client6, Pair, Relay6, free_port};
use super::storm::Server;
use super::{A, B};

const LOGINS: u32 = 10_000;
/// Clients that are logging in at a time.
const AT_ONCE: usize = 200;
/// A client that waits longer begins anew, at the other server.
const PATIENCE: Duration = Duration::from_millis(1500);
const LIMIT: Duration = Duration::from_secs(120);

/// What the clients know.
#[derive(Default)]
struct Book {
    /// Who was acknowledged each address and prefix.
    holders: HashMap<String, u32>,
    leases: HashMap<u32, Pair>,
}

impl Book {
    fn acknowledged(&mut self, client: u32, pair: Pair) -> Result<()> {
        for lease in [pair.0, pair.1] {
            if let Some(other) = self.holders.insert(lease.to_string(), client).filter(|other| *other != client) {
                bail!("{lease} was acknowledged to {other} and to {client}");
            }
        }
        self.leases.insert(client, pair);
        Ok(())
    }
}

/// Two servers on one database take ten thousand logins, of an address and a prefix each. They and the database are killed at
/// random, and started again. Nothing is acknowledged to two clients, and every lease is known to both servers afterwards.
#[test]
fn logins_by_dhcpv6_while_servers_and_database_are_killed() -> Result<()> {
    let mut database = Postgres::start()?;
    let (relay4, relay) = (Relay::bind()?, Relay6::bind()?);
    let ports = [free_port()?, free_port()?];
    let start = |listen, port| Server::start_both(listen, &database.url(), &relay4, (port, relay.port()));
    let mut servers = [start(A, ports[0])?, start(B, ports[1])?];
    relay4.wait_for([A, B])?;
    let (mut random, started) = (0x9e37_79b9_u64, Instant::now());
    let mut dice = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut book = Book::default();
    let mut waiting: HashMap<u32, (Instant, usize)> = HashMap::new();
    let (mut next, mut kills, mut outages, mut next_kill) = (0, 0, 0, 1000);
    let mut look = Instant::now();
    while book.leases.len() < LOGINS as usize {
        ensure!(started.elapsed() < LIMIT, "only {} logins in {LIMIT:?}", book.leases.len());
        while waiting.len() < AT_ONCE && next < LOGINS {
            let at = next as usize % 2;
            waiting.insert(next, (Instant::now(), at));
            relay.send(ports[at], &Client6(next).solicit())?;
            next += 1;
        }
        while let Some(reply) = relay.receive(Duration::from_millis(1))? {
            let (client, is_waiting) = (Client6(reply.client), waiting.contains_key(&reply.client));
            match (reply.kind, reply.pair) {
                (kind::ADVERTISE, Some(pair)) if is_waiting => {
                    relay.send(reply.from, &client.say(kind::REQUEST, Some(pair), Some(reply.from)))?;
                }
                (kind::REPLY, Some(pair)) => {
                    book.acknowledged(client.0, pair)?;
                    waiting.remove(&client.0);
                }
                (_, None) if is_waiting => bail!("{client:?} is told {reply:?} though much is left"),
                _ => {}
            }
            if waiting.len() < AT_ONCE / 2 {
                break;
            }
        }
        if look.elapsed() > Duration::from_millis(100) {
            look = Instant::now();
            for (client, (since, at)) in waiting.iter_mut().filter(|(_, (since, _))| since.elapsed() > PATIENCE) {
                (*since, *at) = (Instant::now(), 1 - *at);
                relay.send(ports[*at], &Client6(*client).solicit())?;
            }
        }
        if book.leases.len() >= next_kill {
            next_kill += 800 + dice(1200) as usize;
            match dice(4) {
                0 => {
                    database.kill()?;
                    std::thread::sleep(Duration::from_millis(dice(500)));
                    database.restart()?;
                    outages += 1;
                }
                1 => {
                    servers.iter_mut().try_for_each(Server::kill)?;
                    kills += 2;
                }
                which => {
                    servers[(which - 2) as usize].kill()?;
                    kills += 1;
                }
            }
        }
    }
    let took = started.elapsed();
    ensure!(kills >= 3 && outages >= 1, "{kills} kills and {outages} outages are no storm");
    relay4.wait_for([A, B])?;
    for port in ports {
        all_known(&relay, port, &book.leases)?;
    }
    println!("{LOGINS} logins in {took:?}, {kills} servers killed, {outages} outages");
    Ok(())
}

/// Every lease is in force at this server, and its client's.
fn all_known(relay: &Relay6, port: u16, leases: &HashMap<u32, Pair>) -> Result<()> {
    let mut left: Vec<(u32, Pair)> = leases.iter().map(|(client, pair)| (*client, *pair)).collect();
    for _ in 0..20 {
        let mut told = HashMap::new();
        for some in left.chunks(100) {
            for (client, pair) in some {
                relay.send(port, &Client6(*client).say(kind::REBIND, Some(*pair), None))?;
            }
            let mut open = some.len();
            while open > 0 {
                let Some(reply) = relay.receive(Duration::from_millis(500))? else { break };
                told.insert(reply.client, reply.pair);
                open -= 1;
            }
        }
        for (client, pair) in &left {
            if let Some(said) = told.get(client) {
                ensure!(*said == Some(*pair), "{client} has {pair:?}, and is told {said:?} on port {port}");
            }
        }
        left.retain(|(client, _)| !told.contains_key(client));
        if left.is_empty() {
            return Ok(());
        }
    }
    bail!("the server on port {port} does not say about {} leases", left.len())
}
