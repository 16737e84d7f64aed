//! Addresses that are nobody's, or somebody else's.

use std::time::Duration;

use anyhow::{Context, Result};
use gateway_core::association::PathState;
use gateway_core::wire::sctp::{Asconf, Operation};
use gateway_tests::{process, wait};

use crate::hostile::{Scene, Wire};
use crate::pair::{End, LIMIT, Pair, associate, bound, finish, on, runtime};

/// An acknowledgement that a did not ask for ends its association: b shall not hear of that.
fn swallow_aborts(scene: &Scene) -> Result<()> {
    // The type of the first chunk, behind a common header of 12 octets, is 6.
    let rules = "add table ip quiet; add chain ip quiet output { type filter hook output priority 0; }; \
                 add rule ip quiet output ip protocol sctp @th,96,8 6 drop";
    process::output(scene.pair.a.command("nft").arg(rules)).map(drop)
}

/// A wildcard stands for the source of the message (RFC 5061, 4.2), and is nobody's address. Who does not have the key changes
/// nothing by it, from wherever it is sent. Who has it adds the source, which gets no data before it has answered, or deletes all
/// others. H-SC-1, H-SC-2, H-SC-11
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn a_wildcard_is_the_sender() -> Result<()> {
    let scene = Scene::set()?;
    let known = &scene.known;
    let elsewhere = Wire::open(&scene.pair.a, on(3, 1))?;
    for operation in [Operation::Add, Operation::Primary, Operation::Delete] {
        let steal = known.message(&[(operation, "0.0.0.0")])?;
        for (key, what) in [(None, "without authentication"), (Some(&b"another key"[..]), "by another key")] {
            let packet = known.packet(&steal, key)?;
            assert_eq!(scene.send(&packet)?, None, "{operation:?} {what}");
            assert_eq!(Scene::send_from(&elsewhere, &packet)?, None, "{operation:?} {what} from elsewhere");
            scene.unchanged(what);
        }
    }
    scene.finish()?;

    let mut scene = Scene::set()?;
    swallow_aborts(&scene)?;
    let elsewhere = Wire::open(&scene.pair.a, on(3, 1))?;
    let [first, second, third] = [1, 2, 3].map(|link| on(link, 1).ip());
    for (operation, from_elsewhere, wanted) in [
        (Operation::Add, false, &[first, second][..]),
        (Operation::Primary, false, &[first, second]),
        (Operation::Add, true, &[first, second, third]),
        (Operation::Delete, false, &[first]),
    ] {
        let packet = scene.known.packet(&scene.known.message(&[(operation, "0.0.0.0")])?, Some(&scene.known.key))?;
        let ack = if from_elsewhere { Scene::send_from(&elsewhere, &packet)? } else { scene.send(&packet)? };
        let ack = ack.with_context(|| format!("{operation:?}"))?;
        assert_eq!((ack.sequence, ack.responses), (scene.known.sequence, Vec::new()), "{operation:?}");
        assert_eq!((scene.far.peers(), scene.far.primary()), (wanted.to_vec(), Some(first)), "{operation:?}");
        if from_elsewhere {
            assert_eq!(scene.far.socket.path(on(3, 1))?.state, PathState::Unconfirmed);
        }
        scene.known.sequence += 1;
    }
    Ok(())
}

/// From an address that the peer does not know, the association is the one of the address that the message names. One that names
/// nobody's, or does so with another tag, is about no association, whoever has made it. SC-29, SC-31
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn the_message_says_whose_it_is() -> Result<()> {
    let scene = Scene::set()?;
    swallow_aborts(&scene)?;
    let (known, elsewhere) = (&scene.known, Wire::open(&scene.pair.a, on(3, 1))?);
    let delete = known.message(&[(Operation::Delete, "10.0.2.1")])?;
    let nobodys = Asconf { lookup: on(9, 1).ip(), ..delete.clone() };
    assert_eq!(Scene::send_from(&elsewhere, &known.packet(&nobodys, Some(&known.key))?)?, None);
    scene.unchanged("found by nobody's address");
    assert_eq!(Scene::send_from(&elsewhere, &known.tagged(&delete, 1)?)?, None);
    scene.unchanged("with another tag");
    // The answer goes to an address that the peer knows.
    Scene::send_from(&elsewhere, &known.packet(&delete, Some(&known.key))?)?;
    wait::until_true("the removal", LIMIT, || scene.far.peers() == [on(1, 1).ip()])
}

/// A peer adds another host's address and asks for data there: it gets none, and that host's own association goes on.
/// H-SC-2, H-SC-4, H-SC-11
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn an_address_of_somebody_else_gets_nothing() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    let other = pair.another(4)?;
    // Each with a server of its own: among associations of one server's addresses Linux takes what comes from an address for the
    // last one's that named it.
    let listening = bound(&pair.b, &[on(1, 2)])?;
    let (thief, at_thief) = runtime.block_on(associate(bound(&pair.a, &[on(1, 1)])?, listening, &[on(1, 2)]))?;
    let listening = bound(&pair.b, &[on(4, 2)])?;
    let (victim, at_victim) = runtime.block_on(associate(bound(&other, &[on(4, 1)])?, listening, &[on(4, 2)]))?;
    let [thief, at_thief, victim, at_victim] =
        [thief, at_thief, victim, at_victim].map(|association| End::new(&runtime, association));

    pair.a.ip(&format!("addr add {}/32 dev lo", on(4, 1).ip()))?;
    thief.socket.add(on(4, 1))?;
    thief.socket.ask_for(on(4, 1))?;
    wait::until_true("the stolen address", LIMIT, || at_thief.peers() == [on(1, 1).ip(), on(4, 1).ip()])?;
    for _ in 0..3 {
        // Heartbeats ask whose address it is, twice a second and more seldom.
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(at_thief.socket.path(on(4, 1))?.state, PathState::Unconfirmed);
        for end in [&victim, &at_victim, &thief, &at_thief] {
            end.wait_more(50_000)?;
        }
    }
    assert_eq!(at_victim.peers(), [on(4, 1).ip()]);
    finish(&runtime, [victim, at_victim])?;
    finish(&runtime, [thief, at_thief]).map(drop)
}
