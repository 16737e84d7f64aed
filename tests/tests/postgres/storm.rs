//! Fifty thousand logins at two servers that are killed at random, as is their database.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gateway_core::wire::dhcp4::kind;
use gateway_server::Ports;
use gateway_tests::postgres::Postgres;

use super::client::{Client, Relay, query};
use super::client6;
use super::running::of_ports;
use super::{A, B};

const LOGINS: u32 = 50_000;
const ADDRESSES: u32 = 60_000;
/// Clients that are logging in at a time.
const AT_ONCE: usize = 400;
/// A client that waits longer begins anew, at the other server.
const PATIENCE: Duration = Duration::from_millis(1500);
const LIMIT: Duration = Duration::from_secs(120);
const SERVE: &str = "GATEWAY_TEST_SHARED_SERVER";

/// The server of [`logins_while_servers_and_database_are_killed`], in a process of its own; on its own it has nothing to do.
#[test]
fn child_serves() {
    let Ok(told) = std::env::var(SERVE) else { return };
    let words: Vec<&str> = told.split(' ').collect();
    let [listen, server, relay, url, ref six @ ..] = words[..] else { panic!("{told}") };
    let ports = Ports { server: server.parse().unwrap(), relay: relay.parse().unwrap(), client: 68 };
    let mut config = of_ports(listen.parse().unwrap(), url, ports, ADDRESSES);
    if let [server, relay] = six {
        config.v6 = Some(client6::config(server.parse().unwrap(), relay.parse().unwrap(), ADDRESSES, 16));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(gateway_server::serve(config, std::future::pending())).unwrap();
}

pub(crate) struct Server {
    listen: Ipv4Addr,
    told: String,
    child: Child,
}

impl Server {
    fn start(listen: Ipv4Addr, url: &str, relay: &Relay) -> Result<Self> {
        let told = format!("{listen} {} {} {url}", relay.server_port, relay.port());
        let child = spawn(&told)?;
        Ok(Self { listen, told, child })
    }

    /// One that serves DHCPv6, too, on a port of its own.
    pub(crate) fn start_both(listen: Ipv4Addr, url: &str, relay: &Relay, (port, relay6): (u16, u16)) -> Result<Self> {
        let told = format!("{listen} {} {} {url} {port} {relay6}", relay.server_port, relay.port());
        let child = spawn(&told)?;
        Ok(Self { listen, told, child })
    }

    /// SIGKILL, and another life.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawn(&self.told)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(told: &str) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "storm::child_serves", "--nocapture"]).env(SERVE, told);
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
}

/// What the clients know.
#[derive(Default)]
struct Book {
    /// Whose an address is, by the ACKs.
    holders: HashMap<Ipv4Addr, u32>,
    /// The address of each client's last ACK.
    leases: HashMap<u32, Ipv4Addr>,
    naks: u32,
}

impl Book {
    fn acknowledged(&mut self, client: u32, address: Ipv4Addr) -> Result<()> {
        if let Some(other) = self.holders.insert(address, client).filter(|other| *other != client) {
            bail!("{address} was acknowledged to {other} and to {client}");
        }
        self.leases.insert(client, address);
        Ok(())
    }
}

/// Two servers on one database take 50,000 logins. They and the database are killed at random, and started again. No address
/// is acknowledged to two clients, every acknowledged lease is known to both servers afterwards, and whoever logged in at
/// one can renew at the other.
#[test]
fn logins_while_servers_and_database_are_killed() -> Result<()> {
    let mut database = Postgres::start()?;
    let relay = Relay::bind()?;
    let mut servers = [Server::start(A, &database.url(), &relay)?, Server::start(B, &database.url(), &relay)?];
    relay.wait_for([A, B])?;
    let (mut random, started) = (0x9e37_79b9_u64, Instant::now());
    let mut dice = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut book = Book::default();
    let mut waiting: HashMap<u32, (Instant, usize)> = HashMap::new();
    let (mut next, mut kills, mut outages) = (0, 0, 0);
    let mut next_kill = 3000;
    let mut look = Instant::now();
    while book.leases.len() < LOGINS as usize {
        ensure!(started.elapsed() < LIMIT, "only {} logins in {LIMIT:?}", book.leases.len());
        while waiting.len() < AT_ONCE && next < LOGINS {
            let at = next as usize % 2;
            waiting.insert(next, (Instant::now(), at));
            relay.send(servers[at].listen, &Client(next).discover())?;
            next += 1;
        }
        while let Some(reply) = relay.try_receive(Duration::from_millis(1))? {
            let client = Client(reply.client);
            match reply.kind {
                kind::OFFER if waiting.contains_key(&client.0) => {
                    relay.send(reply.from, &client.select(reply.from, reply.address))?;
                }
                kind::ACK => {
                    book.acknowledged(client.0, reply.address)?;
                    waiting.remove(&client.0);
                }
                kind::NAK => {
                    book.naks += 1;
                    if waiting.contains_key(&client.0) {
                        relay.send(reply.from, &client.discover())?;
                    }
                }
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
                relay.send(servers[*at].listen, &Client(*client).discover())?;
            }
        }
        if book.leases.len() >= next_kill {
            next_kill += 2500 + dice(3000) as usize;
            match dice(4) {
                0 => {
                    database.kill()?;
                    std::thread::sleep(Duration::from_millis(dice(800)));
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
    ensure!(kills >= 4 && outages >= 1, "{kills} kills and {outages} outages are no storm");
    relay.wait_for([A, B])?;
    for server in [A, B] {
        all_known(&relay, server, &book.leases)?;
    }
    for client in (0..LOGINS).step_by(97) {
        let (address, other) = (book.leases[&client], [B, A][client as usize % 2]);
        let renewed = relay.ask(other, &Client(client).renew(address))?;
        ensure!(renewed == (kind::ACK, address), "client {client} of {address} is told {renewed:?} by {other}");
    }
    let (Book { naks, .. }, whole) = (book, started.elapsed());
    println!(
        "{LOGINS} logins in {took:?}, {kills} servers killed, {outages} outages, {naks} NAKs; checked after {whole:?}"
    );
    Ok(())
}

/// Every lease is in force at this server, and its client's.
fn all_known(relay: &Relay, server: Ipv4Addr, leases: &HashMap<u32, Ipv4Addr>) -> Result<()> {
    let mut left: HashMap<Ipv4Addr, u32> = leases.iter().map(|(client, address)| (*address, *client)).collect();
    for _ in 0..20 {
        let addresses: Vec<Ipv4Addr> = left.keys().copied().collect();
        for some in addresses.chunks(200) {
            some.iter().try_for_each(|address| relay.send(server, &query(*address)))?;
            let mut open = some.len();
            while open > 0 {
                let Some(reply) = relay.try_receive(Duration::from_millis(500))? else { break };
                open -= 1;
                let Some(client) = left.remove(&reply.address) else { continue };
                ensure!(reply.kind == kind::LEASEACTIVE, "{} of client {client} is lost at {server}", reply.address);
                ensure!(reply.client == client, "{} is {}'s at {server}, not {client}'s", reply.address, reply.client);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
    }
    let some = left.iter().next().context("some")?;
    bail!("{server} does not say about {} leases, {some:?} among them", left.len())
}
