//! Associations whose addresses follow those of their hosts, as members' streams do.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use gateway_tests::namespace::Namespace;
use gateway_tests::wait;
use gateway_user::sctp::{Association, Key, Socket, Timing};

use crate::host::{Host, Moving, Traffic};
use crate::pair::{LIMIT, Pair, Progress, associate, on, runtime, socket, sorted, transfer};

/// Octets, as fast as the machine sends them.
impl Traffic for Progress {
    async fn run(&self, association: Association) -> Result<()> {
        Ok(transfer(association, self).await?)
    }

    fn stop(&self) {
        self.stop();
    }

    fn arrived(&self) -> u64 {
        self.octets()
    }
}

/// Both ends have these addresses of a and of b, it is the same association, and octets arrive.
fn goes_on(moving: &Moving<Progress>, what: &str, of_a: &[&str], of_b: &[&str]) -> Result<()> {
    moving.wait_addresses(what, of_a, of_b)?;
    moving.a.wait_more(100_000).context(what.to_owned())?;
    moving.b.wait_more(100_000).context(what.to_owned())?;
    let rto = moving.a.socket.status()?.primary.map(|path| path.rto);
    let gaps = [&moving.a, &moving.b].map(|host| host.traffic.take_gap());
    println!("{what}: nothing arrived for {gaps:?}; the RTO is {rto:?}");
    assert!(gaps.iter().all(|gap| *gap < Duration::from_secs(8)), "{what}: {gaps:?}");
    Ok(())
}

fn begin() -> Result<Moving<Progress>> {
    let moving = Moving::begin(socket)?;
    goes_on(&moving, "at the start", &["10.0.1.1", "10.0.2.1"], &["10.0.1.2", "10.0.2.2"])?;
    Ok(moving)
}

/// Cards come, are given other addresses, go and are replaced, one after another, that of the primary path too, while both ends
/// send all the time: the association is the same, all octets arrive in order, and both ends end up with the addresses that
/// there are. The one that listens shares its port with the association.
/// SC-8, SC-9, SC-10, SC-11, SC-12, SC-13, SC-20, SC-21, SC-22, SC-23, SC-26, SC-27, H-SC-5, H-SC-8, H-SC-9
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn links_change_one_after_another() -> Result<()> {
    let moving = begin()?;
    let (a, b) = (&moving.pair.a, &moving.pair.b);
    moving.plug(3, 3)?;
    let (of_a, of_b) = (["10.0.1.1", "10.0.2.1", "10.0.3.1"], ["10.0.1.2", "10.0.2.2", "10.0.3.2"]);
    goes_on(&moving, "a card plugged in", &of_a, &of_b)?;

    a.ip("addr add 10.0.3.77/24 dev a3")?;
    a.ip("addr del 10.0.3.1/24 dev a3")?;
    goes_on(&moving, "another address on a card", &["10.0.1.1", "10.0.2.1", "10.0.3.77"], &of_b)?;

    // The other end goes with it: both move at once.
    a.ip("link delete a1")?;
    goes_on(&moving, "the first link gone", &["10.0.2.1", "10.0.3.77"], &["10.0.2.2", "10.0.3.2"])?;

    moving.plug(1, 4)?;
    goes_on(&moving, "it is replaced", &["10.0.2.1", "10.0.3.77", "10.0.4.1"], &["10.0.2.2", "10.0.3.2", "10.0.4.2"])?;

    b.ip("link set b2 down")?;
    goes_on(&moving, "a link goes dark", &["10.0.3.77", "10.0.4.1"], &["10.0.3.2", "10.0.4.2"])?;

    b.ip("link set b2 up")?;
    goes_on(&moving, "and is back", &["10.0.2.1", "10.0.3.77", "10.0.4.1"], &["10.0.2.2", "10.0.3.2", "10.0.4.2"])?;
    moving.finish().map(drop)
}

/// What is seen of it: both ends' addresses, one of them primary, none unused, the last change.
/// SC-7
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn what_is_seen() -> Result<()> {
    let moving = begin()?;
    moving.plug(3, 3)?;
    let confirmed = |host: &Host<Progress>| {
        let view = host.view.borrow();
        view.locals.len() == 3 && view.peers.len() == 3 && view.locals.iter().all(|local| local.confirmed)
    };
    for host in [&moving.a, &moving.b] {
        wait::until_true("three confirmed addresses", LIMIT, || confirmed(host)).with_context(|| host.told())?;
        let view = host.view.borrow().clone();
        assert!(view.capability.is_some_and(|capability| capability.extends()));
        assert_eq!(view.peers.iter().filter(|peer| peer.primary).count(), 1, "{view:?}");
        assert!(view.peers.iter().all(|peer| peer.interface.is_some() && peer.refusal.is_none()), "{view:?}");
        assert!(host.told().contains(": it came"), "{}", host.told());
    }
    moving.finish().map(drop)
}

/// Who knows the home address alone begins the association with it, and is told where the other really is: it sends straight there
/// from then on, and keeps the home address as a secondary one. SC-33, SC-34, SC-35
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn who_begins_at_the_home_address_is_told_a_better_one() -> Result<()> {
    let (home, real) = (on(2, 2), on(1, 2).ip());
    let moving = Moving::toward(home, Some(home.ip()), socket)?;
    let primary = |host: &Host<Progress>| host.socket.status().ok()?.primary.map(|path| path.address.ip());
    wait::until_true("the better address", LIMIT, || primary(&moving.a) == Some(real))
        .with_context(|| format!("a: {}; b: {}", moving.a.told(), moving.b.told()))?;
    // Which it is told when it is taken to be done.
    let asked = format!("ask for {real} as primary: away from home");
    wait::until_true(&asked, LIMIT, || moving.b.told().contains(&asked)).with_context(|| moving.b.told())?;
    goes_on(&moving, "away from home", &["10.0.1.1", "10.0.2.1"], &["10.0.1.2", "10.0.2.2"])?;
    assert_eq!(primary(&moving.a), Some(real));
    moving.finish().map(drop)
}

/// Ends that have keys of their own change nothing at each other, and do once they have one in common. Others' associations
/// are not theirs. H-SC-1
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn only_who_has_the_key_changes_addresses() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    let own = |space: &Namespace, octets: &[u8], host| {
        space.run(|| -> Result<_> {
            let socket = Socket::new(false)?;
            socket.protect(&Key { number: 1, octets: octets.to_vec() })?;
            socket.time(&Timing { misses: 40, ..Timing::default() })?;
            socket.bind(&[on(1, host)])?;
            Ok(socket)
        })?
    };
    let begin = || -> Result<(Association, Association)> {
        let (from, at) = (own(&pair.a, b"one end alone", 1)?, own(&pair.b, b"and the other", 2)?);
        runtime.block_on(associate(from, at, &[on(1, 2)]))
    };
    let (near, far) = begin()?;
    assert!(near.socket().can_change());
    near.socket().add(on(2, 1))?;
    thread::sleep(Duration::from_secs(2));
    assert_eq!(sorted(&far.socket().peers()?), [on(1, 1).ip()], "the peer can't have believed that");
    drop((near, far));

    let (near, far) = begin()?;
    let common = Key { number: 2, octets: b"made by both".to_vec() };
    near.socket().rekey(&common, 1)?;
    near.socket().add(on(2, 1))?;
    // Until the other end has it, too, it does not understand.
    far.socket().rekey(&common, 1)?;
    let both = || far.socket().peers().is_ok_and(|peers| sorted(&peers) == [on(1, 1).ip(), on(2, 1).ip()]);
    wait::until_true("the added address", LIMIT, both)
}
