//! What the sockets do, between two hosts with three links.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use gateway_core::association::{PathEvent, PathState};
use gateway_core::wire::sctp::{Asconf, Operation, chunk};
use gateway_tests::sctp::GAP;
use gateway_tests::wait;
use gateway_user::sctp::{self, Association, PathChange, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::hostile::{Wire, find};
use crate::pair::{End, LIMIT, PORT, Pair, associate, bound, finish, on, runtime, sorted};

/// Waits for this word of the kernel, past others.
async fn hear(
    changes: &mut tokio::sync::mpsc::Receiver<PathChange>,
    address: SocketAddr,
    event: PathEvent,
) -> Result<()> {
    let wanted = PathChange { address, event };
    let heard = async { while changes.recv().await.is_some_and(|change| change != wanted) {} };
    tokio::time::timeout(LIMIT, heard).await.with_context(|| format!("{wanted:?} was not heard"))
}

/// Sends octets one way, and they arrive; nothing does before what is received is asked for.
async fn pass(from: &mut Association, to: &mut Association, text: &[u8]) -> Result<()> {
    from.write_all(text).await?;
    let mut octets = vec![0; text.len()];
    to.read_exact(&mut octets).await?;
    assert_eq!(octets, text);
    Ok(())
}

/// Each side has the other's addresses from the start; one is added, confirmed, made primary, and others are removed, while
/// the association stays what it is. Options and notifications are laid out as the kernel has them.
/// SC-7, SC-8, SC-9, SC-10, SC-11, SC-12, SC-13, SC-14, SC-17, SC-18, SC-20, H-SC-2
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn addresses_come_and_go() -> Result<()> {
    assert!(sctp::is_supported());
    let (pair, runtime) = (Pair::up()?, runtime()?);
    runtime.block_on(async {
        let (from, at) = (bound(&pair.a, &[on(1, 1), on(2, 1)])?, bound(&pair.b, &[on(1, 2), on(2, 2)])?);
        let (mut near, mut far) = associate(from, at, &[on(1, 2)]).await?;
        let (a, b) = (near.socket().clone(), far.socket().clone());
        assert_eq!(sorted(&a.own()?), sorted(&b.peers()?));
        assert_eq!(sorted(&a.peers()?), sorted(&b.own()?));
        assert_eq!(b.peers()?.len(), 2);
        assert!(a.can_change() && b.can_change());
        let (id, far_id) = (a.status()?.id, b.status()?.id);
        assert_eq!(b.status()?.primary.map(|path| path.address), Some(on(1, 1)));

        let mut changes = far.changes().context("nobody has taken them")?;
        a.add(on(3, 1))?;
        a.ask_for(on(3, 1))?;
        // What the kernel says comes with what is read.
        pass(&mut near, &mut far, b"one").await?;
        tokio::select! {
            heard = async {
                hear(&mut changes, on(3, 1), PathEvent::Added).await?;
                hear(&mut changes, on(3, 1), PathEvent::Confirmed).await
            } => heard?,
            octet = far.read_u8() => panic!("{octet:?}"),
        }
        let path = b.path(on(3, 1))?;
        assert_eq!((path.address, path.state), (on(3, 1), PathState::Active));
        assert_eq!(path.rto.as_millis(), 200, "the least that was asked for");
        assert!(path.window > 0);
        assert_eq!(b.status()?.primary.map(|path| path.address), Some(on(3, 1)));

        a.remove(on(1, 1))?;
        a.remove(on(2, 1))?;
        let only = || b.peers().is_ok_and(|peers| peers == [on(3, 1)]);
        tokio::task::block_in_place(|| wait::until_true("one address", LIMIT, only))?;
        // What was removed is on the own list until it was acknowledged.
        let acknowledged = || a.members().is_ok_and(|own| own == [on(3, 1)]);
        tokio::task::block_in_place(|| wait::until_true("the acknowledgements", LIMIT, acknowledged))?;
        pass(&mut near, &mut far, b"two").await?;
        pass(&mut far, &mut near, &[7; 100_000]).await?;
        assert_eq!((a.status()?.id, b.status()?.id), (id, far_id), "it is the same association");

        near.shutdown().await?;
        assert_eq!(far.read(&mut [0; 8]).await?, 0, "the stream has ended");
        Ok(())
    })
}

/// The last address, an address that is not ours, a multicast address and a wildcard are refused where they are asked for;
/// nobody becomes primary that was not added. SC-15, H-SC-11
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn what_must_not_change_does_not() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    let (near, far) = runtime.block_on(async {
        let (from, at) = (bound(&pair.a, &[on(1, 1)])?, bound(&pair.b, &[on(1, 2)])?);
        associate(from, at, &[on(1, 2)]).await
    })?;
    let (near, far) = (End::new(&runtime, near), End::new(&runtime, far));
    let kind = |result: std::io::Result<()>| result.map_err(|error| error.kind());
    assert_eq!(kind(near.socket.remove(on(1, 1))), Err(ErrorKind::ResourceBusy), "the last one");
    for address in ["192.0.2.99", "224.0.0.5", "255.255.255.255"] {
        let address = SocketAddr::new(address.parse()?, PORT);
        assert_eq!(kind(near.socket.add(address)), Err(ErrorKind::AddrNotAvailable), "{address}");
    }
    assert!(near.socket.add("0.0.0.0:7000".parse()?).is_err(), "a wildcard");
    assert_eq!(kind(near.socket.ask_for(on(2, 1))), Err(ErrorKind::AddrNotAvailable), "it was not added");
    assert!(near.socket.remove(on(2, 1)).is_err());
    assert!(near.socket.prefer(on(2, 2)).is_err(), "the peer has not named it");
    near.wait_more(100_000)?;
    assert_eq!(far.peers(), [on(1, 1).ip()]);
    finish(&runtime, [near, far]).map(drop)
}

/// Both ends move at once, each to a link of its own, with a third one to meet on: nothing is lost, and both ends are where they
/// wanted to be (H-SC-5, SC-34).
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn both_ends_move_at_once() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    let (near, far) = runtime.block_on(async {
        let (from, at) = (bound(&pair.a, &[on(1, 1), on(2, 1)])?, bound(&pair.b, &[on(1, 2), on(2, 2)])?);
        associate(from, at, &[on(1, 2)]).await
    })?;
    let (near, far) = (End::new(&runtime, near), End::new(&runtime, far));
    let ids = (near.id()?, far.id()?);
    near.wait_more(100_000)?;
    for (end, host) in [(&near, 1), (&far, 2)] {
        end.socket.add(on(3, host))?;
        end.socket.ask_for(on(3, host))?;
        end.socket.remove(on(1, host))?;
    }
    for (end, host) in [(&near, 2), (&far, 1)] {
        let wanted = [on(2, host).ip(), on(3, host).ip()];
        wait::until_true("the other end to have moved", LIMIT, || end.peers() == wanted)?;
        wait::until_true("its primary", LIMIT, || end.primary() == Some(wanted[1]))?;
        end.wait_more(100_000)?;
    }
    assert_eq!((near.id()?, far.id()?), ids);
    finish(&runtime, [near, far]).map(drop)
}

/// A link that goes dark costs no octet, and not more time than a busy emulated machine makes of an RTO.
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn a_dead_path_is_left() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    let (near, far) = runtime.block_on(async {
        let (from, at) = (bound(&pair.a, &[on(1, 1), on(2, 1)])?, bound(&pair.b, &[on(1, 2), on(2, 2)])?);
        associate(from, at, &[on(1, 2)]).await
    })?;
    let (near, far) = (End::new(&runtime, near), End::new(&runtime, far));
    far.wait_more(200_000)?;
    far.progress.take_gap();
    let rto = far.socket.path(on(1, 1))?.rto;
    pair.b.ip("link set b1 down")?;
    far.wait_more(400_000)?;
    near.wait_more(400_000)?;
    let gap = far.progress.take_gap();
    println!("a link went dark: nothing arrived for {gap:?}; the RTO was {rto:?}");
    assert!(gap < GAP, "{gap:?}");
    finish(&runtime, [near, far]).map(drop)
}

/// A peer without RFC 5061: it is known to be one, what is added stays unknown to it, and the association goes on as it is.
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn a_peer_without_the_extension() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    let (near, far) = runtime.block_on(async {
        let at = pair.b.run(|| -> Result<_> {
            let socket = Socket::without_changes()?;
            socket.bind(&[on(1, 2)])?;
            Ok(socket)
        })??;
        associate(bound(&pair.a, &[on(1, 1)])?, at, &[on(1, 2)]).await
    })?;
    let (near, far) = (End::new(&runtime, near), End::new(&runtime, far));
    assert!(!near.socket.can_change());
    near.wait_more(50_000)?;
    // A socket is bound to it, and no more than that.
    near.socket.add(on(2, 1))?;
    assert!(near.socket.ask_for(on(2, 1)).is_err());
    near.wait_more(200_000)?;
    assert_eq!(far.peers(), [on(1, 1).ip()]);
    finish(&runtime, [near, far]).map(drop)
}

/// The only address is gone before there is another one: the kernel says so from the new address, in a message that names the
/// old one for the peer to find the association by, and being asked for the new one, the peer sends there (SC-27, SC-29, SC-32,
/// H-SC-3).
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn the_only_address_moves() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    for link in 2..=3 {
        pair.a.ip(&format!("link delete a{link}"))?;
    }
    let (near, far) = runtime.block_on(async {
        let from = bound_to_none(&pair)?;
        associate(from, bound(&pair.b, &[on(1, 2)])?, &[on(1, 2)]).await
    })?;
    let (near, far) = (End::new(&runtime, near), End::new(&runtime, far));
    let ids = (near.id()?, far.id()?);
    near.wait_more(200_000)?;
    near.progress.take_gap();
    let new: SocketAddr = "10.0.1.77:7000".parse()?;
    pair.a.ip("addr del 10.0.1.1/24 dev a1")?;
    // What is sent before would leave no room for the message.
    let at_b = Wire::open(&pair.b, on(1, 2))?;
    pair.a.ip("addr add 10.0.1.77/24 dev a1")?;
    wait::until_true("the new address to be ours", LIMIT, || near.socket.ask_for(new).is_ok())?;
    wait::until_true("the new address to be the primary one", LIMIT, || far.primary() == Some(new.ip()))?;
    let heard = at_b.heard()?;
    let (_, message) = find(&heard, chunk::ASCONF, |value| Asconf::read(value).ok()).context("no message")?;
    let changes: Vec<_> = message.changes.iter().map(|change| (change.operation, change.address)).collect();
    assert_eq!(message.lookup, on(1, 1).ip(), "{message:?}");
    assert!(changes.contains(&(Operation::Add, new.ip())), "{message:?}");
    near.wait_more(200_000)?;
    far.wait_more(200_000)?;
    println!("the only address moved: nothing arrived for {:?}", near.progress.take_gap());
    assert_eq!((near.id()?, far.id()?), ids);
    finish(&runtime, [near, far]).map(drop)
}

fn bound_to_none(pair: &Pair) -> Result<Socket> {
    let socket = bound(&pair.a, &["0.0.0.0:7000".parse()?])?;
    socket.follow_interfaces()?;
    Ok(socket)
}
