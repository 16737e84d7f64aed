//! A subscriber's association through the gateway: its logins change, the association does not.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use gateway_tests::client::{self, Client};
use gateway_tests::plan::{INTERNET, Plan};
use gateway_tests::process::output;
use gateway_tests::server;
use gateway_tests::stage::{LIMIT, Stage};
use gateway_tests::wait;
use serde_json::Value;

use crate::pair::{End, PORT, associate, bound, finish, runtime, sorted};

/// Octets that show that a transfer goes on.
const SOME: u64 = 200_000;

fn peer() -> SocketAddr {
    (INTERNET, PORT).into()
}

fn at(address: Ipv4Addr) -> SocketAddr {
    (address, PORT).into()
}

/// A stage whose subscriber behind FPC 0 has the line behind FPC 1 too, as `sub1`.
fn two_lines() -> Result<Stage> {
    let stage = Stage::with(server::Kind::Embedded, Plan::default(), |_| {}, |_| {})?;
    let [first, second] = &stage.lab.subscribers[..] else { unreachable!("the plan has two") };
    for words in [
        format!("-n {} link set sub0 down", second.name()),
        format!("-n {} link set sub0 name sub1", second.name()),
        format!("-n {} link set sub1 netns {}", second.name(), first.name()),
        format!("-n {} link set sub1 up", first.name()),
    ] {
        output(Command::new("ip").args(words.split(' ')))?;
    }
    Ok(stage)
}

/// Logs in on the second line.
fn second_login(stage: &Stage) -> Result<(Client, Ipv4Addr)> {
    let mut client = Client::start(client::Kind::Udhcpc, &stage.lab.subscribers[0], "sub1", stage.lab.directory())?;
    let address = client.wait_bound(LIMIT)?;
    Ok((client, address))
}

/// The first card restarts, and its one login is ended by a single logout.
fn restart(stage: &Stage) -> Result<()> {
    stage.lab.carrier(0, false)?;
    let of_it = |release: &Value| release["fpc"] == "fpc0" && !release["took"].is_null();
    let find = |releases: &Value| releases.as_array().and_then(|all| all.iter().find(|one| of_it(one)).cloned());
    let releases = stage.gateway.wait_for("releases", LIMIT, |releases| find(releases).is_some())?;
    let release = find(&releases).context("it was there")?;
    assert_eq!((&release["single_logouts"], &release["released"]), (&1.into(), &1.into()), "{release}");
    Ok(())
}

fn configuration_chunks(stage: &Stage) -> Result<[u64; 2]> {
    let status = stage.gateway.show("status")?;
    let count = |name: &str| status["counters"][name].as_u64().with_context(|| format!("no counter {name}: {status}"));
    Ok([count("sctp-asconf")?, count("sctp-asconf-ack")?])
}

/// The second login's address is added and made primary; then the first card restarts, which is one single logout, and the
/// transfer goes on: the same association, every octet in order. The gateway has counted what was said. When to do so is not
/// what this shows: nothing looks at the cards' signals here. SC-8, SC-11, SC-12, SC-13
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn a_card_restarts_under_a_transfer() -> Result<()> {
    let (stage, runtime) = (two_lines()?, runtime()?);
    let space = &stage.lab.subscribers[0];
    let (first, old) = stage.log_in(client::Kind::Udhcpc, 0)?;
    let (near, far) = runtime.block_on(async {
        associate(bound(space, &[at(old)])?, bound(&stage.lab.servers[0], &[peer()])?, &[peer()]).await
    })?;
    let (near, far) = (End::new(&runtime, near), End::new(&runtime, far));
    let ids = (near.id()?, far.id()?);
    near.wait_more(SOME)?;
    far.wait_more(SOME)?;

    let (second, new) = second_login(&stage)?;
    stage.gateway.wait_sessions(2, LIMIT)?;
    // Each address goes out by its own line; what has none yet by the new one.
    let [router, next] = [0, 1].map(|fpc| stage.lab.plan.giaddr(fpc));
    space.ip_batch(&format!(
        "rule add from {old} lookup 10\nroute add default via {router} dev sub0 table 10\n\
         route replace default via {next} dev sub1\n"
    ))?;
    near.socket.add(at(new))?;
    near.socket.ask_for(at(new))?;
    wait::until_true("the new address to be the primary one", LIMIT, || far.primary() == Some(new.into()))?;
    let reach = || far.socket.path(at(new)).is_ok_and(|path| path.reach == gateway_user::sctp::Reach::Active);
    wait::until_true("the new address to be confirmed", LIMIT, reach)?;
    near.wait_more(SOME)?;
    far.wait_more(SOME)?;
    near.progress.take_gap();
    far.progress.take_gap();

    restart(&stage)?;
    stage.gateway.wait_sessions(1, LIMIT)?;
    near.socket.remove(at(old))?;
    wait::until_true("one address", LIMIT, || sorted(&far.socket.peers().unwrap_or_default()) == [IpAddr::from(new)])?;
    near.wait_more(SOME)?;
    far.wait_more(SOME)?;
    let gaps = [near.progress.take_gap(), far.progress.take_gap()];
    println!("a card restarted: nothing arrived for {:?} down, {:?} up", gaps[0], gaps[1]);
    assert!(gaps.iter().all(|gap| *gap < Duration::from_secs(5)), "{gaps:?}");
    assert_eq!((near.id()?, far.id()?), ids, "it is the same association");
    let [asconf, ack] = configuration_chunks(&stage)?;
    assert!(asconf >= 3 && ack >= 3, "{asconf} and {ack}");
    let octets = finish(&runtime, [near, far])?;
    println!("{octets:?} octets arrived in order; {asconf} configuration chunks, {ack} acknowledgements");
    drop((first, second));
    Ok(())
}

/// A subscriber with one line at a time: the first login is gone, its card has logged it out, and only then there is another.
/// SC-27, SC-30, SC-32, H-SC-3
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn one_line_after_the_other() -> Result<()> {
    let (stage, runtime) = (two_lines()?, runtime()?);
    let space = &stage.lab.subscribers[0];
    let (first, old) = stage.log_in(client::Kind::Udhcpc, 0)?;
    let (near, far) = runtime.block_on(async {
        let from = bound(space, &[([0, 0, 0, 0], PORT).into()])?;
        from.follow_interfaces()?;
        associate(from, bound(&stage.lab.servers[0], &[peer()])?, &[peer()]).await
    })?;
    let (near, far) = (End::new(&runtime, near), End::new(&runtime, far));
    let ids = (near.id()?, far.id()?);
    near.wait_more(SOME)?;
    near.progress.take_gap();

    drop(first);
    space.ip("-4 addr flush dev sub0 scope global")?;
    restart(&stage)?;
    assert_eq!(far.peers(), [IpAddr::from(old)], "nobody could tell the peer");
    let (second, new) = second_login(&stage)?;
    wait::until_true("the new address to be ours", LIMIT, || near.socket.ask_for(at(new)).is_ok())?;
    wait::until_true("the new address to be the primary one", LIMIT, || far.primary() == Some(new.into()))?;
    near.wait_more(SOME)?;
    far.wait_more(SOME)?;
    println!("one line after the other: nothing arrived for {:?}", near.progress.take_gap());
    assert_eq!((near.id()?, far.id()?), ids, "it is the same association");
    let octets = finish(&runtime, [near, far])?;
    println!("{octets:?} octets arrived in order");
    drop(second);
    Ok(())
}
