//! DHCP servers that share their leases in a real PostgreSQL.

mod client;
mod client6;
mod running;
mod six;
mod storm;
mod storm6;

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use client::{Client, Relay, query};
use gateway_core::wire::dhcp4::kind;
use gateway_server::{Config, PingCheck, Postgres as Place};
use gateway_tests::postgres::Postgres;
use running::{Running, config};

const A: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const B: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const PATIENCE: Duration = Duration::from_secs(15);

/// A client of one server renews at the other as soon as it has its lease; and both servers, which have offered the only
/// address to two clients, write at the same moment: one of these has it, the other is told so.
#[test]
fn two_servers_and_one_address() -> Result<()> {
    let database = Postgres::start()?;
    let relay = Relay::bind()?;
    let servers = [A, B].map(|listen| Running::start(config(listen, &database.url(), &relay, 1)));
    let [a, b] = servers;
    let (a, b) = (a?, b?);
    relay.wait_for([A, B])?;
    for round in 0..20 {
        let (one, two) = (Client(2 * round), Client(2 * round + 1));
        for (client, server) in [(one, A), (two, B)] {
            let (reply, _) = relay.ask(server, &client.discover())?;
            ensure!(reply == kind::OFFER, "round {round}: {reply}");
        }
        relay.send(A, &one.select(A, LAST))?;
        relay.send(B, &two.select(B, LAST))?;
        let mut told = [relay.receive(PATIENCE)?, relay.receive(PATIENCE)?];
        told.sort_by_key(|reply| reply.kind);
        let kinds = told.each_ref().map(|reply| reply.kind);
        ensure!(kinds == [kind::ACK, kind::NAK], "round {round}: {kinds:?}");
        let winner = Client(told[0].client);
        for server in [A, B] {
            let (reply, address) = relay.ask(server, &winner.renew(LAST))?;
            ensure!((reply, address) == (kind::ACK, LAST), "round {round}: {reply} {address}");
        }
        relay.send(A, &winner.release(A, LAST))?;
        let _ = relay.ask(A, &query(LAST))?; // it has been handled then
    }
    a.stop()?;
    b.stop()
}

const LAST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// What is due happens while messages come without a pause: an address that was asked and is silent is offered.
#[test]
fn time_passes_under_load() -> Result<()> {
    let database = Postgres::start()?;
    let relay = Relay::bind()?;
    let plain = config(A, &database.url(), &relay, 100);
    let server = Running::start(Config { ping_check: Some(PingCheck::default()), ..plain })?;
    relay.wait_for([A])?;
    let stop = AtomicBool::new(false);
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            // No message, so that nothing is answered; but it takes a turn.
            while !stop.load(Ordering::Relaxed) {
                let _ = relay.send(A, &[0; 300]);
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        std::thread::sleep(Duration::from_millis(500));
        let sent = relay.send(A, &Client(5).discover());
        let answer = sent.and_then(|()| relay.receive(Duration::from_secs(5)));
        stop.store(true, Ordering::Relaxed);
        answer
    })?;
    ensure!((answer.kind, answer.client) == (kind::OFFER, 5), "{answer:?}");
    server.stop()
}

/// A single logout at one server ends the leases of another, which says so with its next answer.
#[test]
fn a_single_logout_for_both() -> Result<()> {
    let database = Postgres::start()?;
    let relay = Relay::bind()?;
    let a = Running::start(config(A, &database.url(), &relay, 100))?;
    let b = Running::start(config(B, &database.url(), &relay, 100))?;
    relay.wait_for([A, B])?;
    let mut leases = Vec::new();
    for number in 0..20 {
        let server = if number % 2 == 0 { A } else { B };
        leases.push(relay.login(server, Client(number))?);
    }
    for address in &leases {
        ensure!(relay.ask(B, &query(*address))?.0 == kind::LEASEACTIVE, "{address}");
    }
    let (reply, _) = relay.ask(A, &client::logout())?;
    ensure!(reply == kind::BULK_RELEASE_REPLY, "the reply to a single logout: {reply}");
    for address in &leases {
        for server in [B, A] {
            let (reply, _) = relay.ask(server, &query(*address))?;
            ensure!(reply == kind::LEASEUNASSIGNED, "{address} lives on at {server}: {reply}");
        }
    }
    let again = relay.login(B, Client(3))?;
    ensure!(relay.ask(A, &query(again))?.0 == kind::LEASEACTIVE, "a login after it");
    a.stop()?;
    b.stop()
}

/// While the database is away nothing is answered; when it is back it goes on by itself, and nothing acknowledged is lost.
#[test]
fn the_database_goes_away() -> Result<()> {
    let mut database = Postgres::start()?;
    let relay = Relay::bind()?;
    let server = Running::start(config(A, &database.url(), &relay, 100))?;
    relay.wait_for([A])?;
    let mut leases = vec![(Client(1), relay.login(A, Client(1))?)];
    database.kill()?;
    relay.send(A, &Client(2).discover())?;
    relay.send(A, &query(leases[0].1))?;
    ensure!(relay.receive(Duration::from_secs(2)).is_err(), "answered without a database");
    server.wait_for_store(false, PATIENCE)?;
    database.restart()?;
    server.wait_for_store(true, PATIENCE)?;
    relay.wait_for([A])?;
    leases.push((Client(2), relay.login(A, Client(2))?));
    for (client, address) in leases {
        let reply = relay.ask_whole(A, &query(address))?;
        ensure!((reply.kind, reply.client) == (kind::LEASEACTIVE, client.0), "{address}: {reply:?}");
    }
    server.stop()
}

/// A schema of the version before is brought up to date with what is in it; one of a later version is left alone, and the
/// server says why it does not start. A second server by the same address has to wait.
#[test]
fn schemas() -> Result<()> {
    let database = Postgres::start()?;
    let relay = Relay::bind()?;
    let server = Running::start(config(A, &database.url(), &relay, 100))?;
    relay.wait_for([A])?;
    let address = relay.login(A, Client(7))?;
    ensure!(
        database.sql("SELECT max(version) FROM gateway.version")?
            == gateway_server::shared::postgres::VERSION.to_string()
    );
    let shown = database.sql("SELECT address, state, hardware FROM gateway.lease")?;
    ensure!(shown == format!("{address}|active|020000000007"), "people are shown {shown}");
    server.stop()?;

    // What versions 2 and 3 added are views, and a table.
    database.sql(
        "DROP VIEW gateway.lease, gateway.lease6; DROP TABLE gateway.pool; DELETE FROM gateway.version WHERE version > 1",
    )?;
    let server = Running::start(config(A, &database.url(), &relay, 100))?;
    relay.wait_for([A])?;
    ensure!(relay.ask(A, &query(address))?.0 == kind::LEASEACTIVE, "{address} was lost on the way");
    ensure!(database.sql("SELECT state FROM gateway.lease")? == "active");
    server.stop()?;

    database.sql("INSERT INTO gateway.version (version) VALUES (99)")?;
    let why = Running::start(config(A, &database.url(), &relay, 100))?.fails(PATIENCE)?;
    ensure!(why.contains("of version 99") && why.contains("a later version of the gateway"), "{why}");
    ensure!(database.sql("SELECT count(*) FROM gateway.lease")? == "1", "it was left alone");
    Ok(())
}

/// A password is taken from a file or the URL; a wrong one ends the start, and the message has no password.
#[test]
fn passwords() -> Result<()> {
    let mut database = Postgres::start()?;
    database.sql("CREATE ROLE gateway LOGIN PASSWORD 'correct horse'")?;
    database.sql("GRANT CREATE ON DATABASE postgres TO gateway")?;
    database.ask_passwords()?;
    let relay = Relay::bind()?;
    let why = Running::start(config(A, &database.url_of("gateway:battery"), &relay, 9))?.fails(PATIENCE)?;
    ensure!(why.contains("password authentication failed") && !why.contains("battery"), "{why}");

    let mut file = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut file, b"correct horse\n")?;
    let mut with_file = config(A, &database.url_of("gateway"), &relay, 9);
    let place = Place::new(&database.url_of("gateway")).context("a URL")?;
    let place = place.with_password_file(Some(file.path().to_owned()));
    with_file.store = gateway_server::Place::Postgres(Box::new(place));
    let server = Running::start(with_file)?;
    relay.wait_for([A])?;
    relay.login(A, Client(1))?;
    server.stop()
}

/// A database that takes nobody without TLS is reached by what `sslmode` says; one that can't prove what it asks for is not.
#[test]
fn encrypted() -> Result<()> {
    let mut database = Postgres::start()?;
    database.kill()?;
    let (port, ca) = database.speak_tls(Ipv4Addr::new(127, 0, 0, 9).into())?;
    database.restart()?;
    let relay = Relay::bind()?;
    let of = |mode: &str| {
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode={mode}");
        Running::start(config(A, &url, &relay, 9))
    };
    let plain = of("disable")?.fails(PATIENCE)?;
    ensure!(plain.contains("no encryption"), "{plain}");
    let missing = of("verify-full&sslrootcert=/nonexistent/ca.pem")?.fails(PATIENCE)?;
    ensure!(missing.contains("/nonexistent/ca.pem"), "{missing}");
    // Its certificate is of this authority, and for 127.0.0.9.
    let authority = format!("sslrootcert={}", ca.display());
    for (mode, client) in [("prefer".to_owned(), 1), ("require".to_owned(), 2), (format!("verify-ca&{authority}"), 3)] {
        let server = of(&mode)?;
        relay.wait_for([A])?;
        relay.login(A, Client(client)).with_context(|| mode.clone())?;
        server.stop()?;
    }
    for mode in [format!("verify-full&{authority}"), "verify-ca".to_owned()] {
        let server = of(&mode)?;
        relay.send(A, &Client(4).discover())?;
        ensure!(relay.receive(Duration::from_secs(2)).is_err(), "{mode}: it believes a stranger");
        server.stop()?;
    }
    Ok(())
}

/// A server without a database waits for it, and can be told to end meanwhile.
#[test]
fn no_database_yet() -> Result<()> {
    let relay = Relay::bind()?;
    let nowhere = tempfile::tempdir()?;
    let url = format!("postgres://postgres@/postgres?host={}", nowhere.path().display());
    let server = Running::start(config(A, &url, &relay, 9))?;
    relay.send(A, &Client(1).discover())?;
    ensure!(relay.receive(Duration::from_secs(1)).is_err(), "answered without a database");
    let started = Instant::now();
    server.stop()?;
    ensure!(started.elapsed() < Duration::from_secs(3), "it ended after {:?}", started.elapsed());
    Ok(())
}
