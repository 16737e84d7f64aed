//! DHCPv6 leases in the database, beside those of DHCPv4.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gateway_core::wire::dhcp4;
use gateway_core::wire::dhcp6::{Binding, Prefix, kind};
use gateway_server::Config;
use gateway_server::v6::PrefixPool;
use gateway_tests::postgres::Postgres;

use super::client::{self, Client, Relay, query};
use super::client6::{self, Client6, Relay6, SPACE, free_port, logout};
use super::running::{self, Running};
use super::{A, B, PATIENCE};

/// A relay of each version, and two servers of both.
struct Both {
    four: Relay,
    six: Relay6,
    /// The servers' ports of DHCPv6.
    ports: [u16; 2],
    servers: [Running; 2],
}

impl Both {
    /// With so many DHCPv6 addresses, and prefixes of so many bits.
    fn start(database: &Postgres, addresses: u32, bits: u8) -> Result<Self> {
        let (four, six) = (Relay::bind()?, Relay6::bind()?);
        let ports = [free_port()?, free_port()?];
        let server = |listen, port| {
            let config6 = client6::config(port, six.port(), addresses, bits);
            let config = running::config(listen, &database.url(), &four, 100);
            Running::start(Config { v6: Some(config6), ..config })
        };
        let servers = [server(A, ports[0])?, server(B, ports[1])?];
        four.wait_for([A, B])?;
        Ok(Self { four, six, ports, servers })
    }

    fn stop(self) -> Result<()> {
        self.servers.into_iter().try_for_each(Running::stop)
    }
}

/// Who logged in at one server is known to the other with its next message; a single logout of DHCPv6 at one ends all of that at
/// both and nothing of DHCPv4, and the other way round; people can read all of it; and it is there after a restart.
#[test]
fn both_versions_and_their_logouts() -> Result<()> {
    let database = Postgres::start()?;
    let both = Both::start(&database, 100, 8)?;
    let Both { four, six, ports, .. } = &both;
    let (mut leases4, mut leases6) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let at = number as usize % 2;
        leases4.push(four.login([A, B][at], Client(number))?);
        let pair = six.login(ports[at], Client6(number))?;
        let other = six.ask(ports[1 - at], &Client6(number).say(kind::REBIND, Some(pair), None))?;
        ensure!(other.pair == Some(pair), "{number}: {other:?} instead of {pair:?}");
        leases6.push(pair);
    }
    let shown = database.sql("SELECT lease, iaid FROM gateway.lease6 WHERE state = 'active' ORDER BY lease LIMIT 1")?;
    ensure!(shown.starts_with("2001:db8:1::") && shown.ends_with("|1"), "people are shown {shown}");
    ensure!(database.sql("SELECT count(*) FROM gateway.lease6 WHERE ends > now() AND length(duid) = 20")? == "40");
    ensure!(database.sql("SELECT count(*) FROM gateway.lease6 WHERE masklen(lease) = 60")? == "20");

    let ended = six.ask(ports[0], &logout(ports[0], 7))?;
    ensure!(ended.released == Some(40), "{ended:?}");
    for (pair, number) in leases6.iter().zip(0..) {
        for port in ports {
            let renewed = six.ask(*port, &Client6(number).say(kind::RENEW, Some(*pair), Some(*port)))?;
            ensure!(renewed.pair.is_none(), "{number} lives on: {renewed:?}");
        }
    }
    for address in &leases4 {
        ensure!(four.ask(B, &query(*address))?.0 == dhcp4::kind::LEASEACTIVE, "{address} ended with DHCPv6");
    }
    let again = six.login(ports[1], Client6(3))?;
    ensure!(four.ask(B, &client::logout())?.0 == dhcp4::kind::BULK_RELEASE_REPLY);
    ensure!(four.ask(A, &query(leases4[0]))?.0 == dhcp4::kind::LEASEUNASSIGNED, "it lives on");
    let renewed = six.ask(ports[0], &Client6(3).say(kind::REBIND, Some(again), None))?;
    ensure!(renewed.pair == Some(again), "ended with DHCPv4: {renewed:?}");
    both.stop()?;

    let both = Both::start(&database, 100, 8)?;
    let Both { six, ports, .. } = &both;
    let renewed = six.ask(ports[1], &Client6(3).say(kind::REBIND, Some(again), None))?;
    ensure!(renewed.pair == Some(again), "lost: {renewed:?}");
    let gone = six.ask(ports[1], &Client6(4).say(kind::RENEW, Some(leases6[4]), Some(ports[1])))?;
    ensure!(gone.pair.is_none(), "a single logout was lost: {gone:?}");
    both.stop()
}

/// The only address and the only prefix, offered by both servers and asked for at the same moment: one client has them.
#[test]
fn two_servers_and_one_prefix() -> Result<()> {
    let database = Postgres::start()?;
    let both = Both::start(&database, 1, 0)?;
    let Both { six, ports, .. } = &both;
    for round in 0..20 {
        let clients = [Client6(2 * round), Client6(2 * round + 1)];
        let mut offered = None;
        for (client, port) in clients.iter().zip(ports) {
            offered = six.ask(*port, &client.solicit())?.pair;
            ensure!(offered.is_some(), "round {round}: nothing is offered");
        }
        for (client, port) in clients.iter().zip(ports) {
            six.send(*port, &client.say(kind::REQUEST, offered, Some(*port)))?;
        }
        let told = [six.receive(PATIENCE)?, six.receive(PATIENCE)?].map(|reply| reply.expect("an answer"));
        let winners: Vec<_> = told.iter().filter(|reply| reply.pair.is_some()).collect();
        ensure!(winners.len() == 1, "round {round}: {told:?}");
        let winner = Client6(winners[0].client);
        for port in ports {
            let renewed = six.ask(*port, &winner.say(kind::REBIND, offered, None))?;
            ensure!(renewed.pair == offered, "round {round}: {renewed:?}");
        }
        six.ask(ports[0], &winner.say(kind::RELEASE, offered, Some(ports[0])))?;
    }
    both.stop()
}

/// A server that cuts the same space into prefixes of another length waits until the other one has ended; and then it leases nothing
/// that overlaps what that one did.
#[test]
fn pools_that_are_cut_otherwise() -> Result<()> {
    let database = Postgres::start()?;
    let both = Both::start(&database, 100, 8)?;
    let mine = both.six.login(both.ports[0], Client6(1))?;
    let Both { servers: [first, second], four, six, .. } = both;
    second.stop()?;
    let port = free_port()?;
    let mut config6 = client6::config(port, six.port(), 100, 8);
    let space = Prefix::new(SPACE, 52).expect("a prefix");
    config6.subnets[0].prefixes = vec![PrefixPool { prefix: space, delegated: 56 }];
    let config = running::config(B, &database.url(), &four, 100);
    let other = Running::start(Config { v6: Some(config6), ..config })?;
    six.send(port, &Client6(2).solicit())?;
    ensure!(six.receive(Duration::from_secs(2))?.is_none(), "it serves beside the other");
    first.stop()?;
    other.wait_for_store(true, PATIENCE)?;
    let around = Prefix::new(mine.1.prefix().address(), 56).expect("a prefix");
    let wanted = Some((mine.0, Binding::Prefix(around)));
    let offered = six.ask(port, &Client6(2).say(kind::SOLICIT, wanted, None))?.pair.context("nothing is offered")?;
    ensure!(offered.0 != mine.0 && offered.1.prefix().length() == 56, "{offered:?}");
    ensure!(offered.1.prefix() != around, "{around} has {:?} in it", mine.1);
    other.stop()
}
