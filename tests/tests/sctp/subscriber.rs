//! A subscriber's association through the gateway: its logins change, the association does not.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Result;
use gateway_tests::sctp::{GAP, LIMIT, PORT, TwoLines, bound, finish, runtime};
use gateway_tests::wait;

/// From one request for a primary address to the next.
const AGAIN: Duration = Duration::from_secs(5);
/// Octets that show that a transfer goes on.
const SOME: u64 = 200_000;

fn at(address: Ipv4Addr) -> SocketAddr {
    (address, PORT).into()
}

/// The second login's address is added and made primary; then the first card restarts, which is one single logout, and the
/// transfer goes on: the same association, every octet in order. The gateway has counted what was said. When to do so is not
/// what this shows: nothing looks at the cards' signals here. SC-8, SC-11, SC-12, SC-13
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn a_card_restarts_under_a_transfer() -> Result<()> {
    let (lines, runtime) = (TwoLines::up()?, runtime()?);
    let (first, old) = lines.log_in(0)?;
    lines.keep_to_first_line(old)?;
    let [near, far] = lines.associate(&runtime, bound(lines.subscriber(), &[at(old)])?)?;
    let ids = (near.id()?, far.id()?);
    near.wait_more(SOME)?;
    far.wait_more(SOME)?;

    let (second, new) = lines.log_in(1)?;
    lines.stage.gateway.wait_sessions(2, LIMIT)?;
    near.socket.add(at(new))?;
    near.socket.ask_for(at(new))?;
    TwoLines::wait_moved(&far, new)?;
    near.wait_more(SOME)?;
    far.wait_more(SOME)?;
    near.progress.take_gap();
    far.progress.take_gap();

    lines.restart_first_card()?;
    lines.stage.gateway.wait_sessions(1, LIMIT)?;
    near.socket.remove(at(old))?;
    TwoLines::wait_only(&far, new)?;
    near.wait_more(SOME)?;
    far.wait_more(SOME)?;
    let gaps = [near.progress.take_gap(), far.progress.take_gap()];
    println!("a card restarted: nothing arrived for {:?} down, {:?} up", gaps[0], gaps[1]);
    assert!(gaps.iter().all(|gap| *gap < GAP), "{gaps:?}");
    assert_eq!((near.id()?, far.id()?), ids, "it is the same association");
    let [asconf, ack] = lines.configuration_chunks()?;
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
    let (lines, runtime) = (TwoLines::up()?, runtime()?);
    let (first, old) = lines.log_in(0)?;
    let from = bound(lines.subscriber(), &[([0, 0, 0, 0], PORT).into()])?;
    from.follow_interfaces()?;
    let [near, far] = lines.associate(&runtime, from)?;
    let ids = (near.id()?, far.id()?);
    near.wait_more(SOME)?;
    near.progress.take_gap();

    drop(first);
    lines.subscriber().ip("-4 addr flush dev sub0 scope global")?;
    lines.restart_first_card()?;
    wait::until_true("what it sends to the old address to arrive nowhere", LIMIT, || {
        let before = near.progress.octets();
        std::thread::sleep(wait::scaled(Duration::from_millis(200)));
        near.progress.octets() == before
    })?;
    assert_eq!((far.peers(), far.primary()), (vec![old.into()], Some(old.into())), "nobody can tell the peer");
    let (second, new) = lines.log_in(1)?;
    wait::until_true("the new address to be ours", LIMIT, || near.socket.ask_for(at(new)).is_ok())?;
    // Which the peer may refuse while it has not heard from there (RFC 5061, section 5.3): then it is asked again.
    let mut asked = Instant::now();
    wait::until_true("the new address to be the primary one", LIMIT, || {
        if asked.elapsed() > AGAIN {
            asked = Instant::now();
            let _ = near.socket.ask_for(at(new));
        }
        far.primary() == Some(new.into())
    })?;
    near.wait_more(SOME)?;
    far.wait_more(SOME)?;
    println!("one line after the other: nothing arrived for {:?}", near.progress.take_gap());
    assert_eq!((near.id()?, far.id()?), ids, "it is the same association");
    let octets = finish(&runtime, [near, far])?;
    println!("{octets:?} octets arrived in order");
    drop(second);
    Ok(())
}
