//! How an association begins: what is said on the wire, and what its ends are then.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use gateway_core::wire::sctp::{Init, Packet, chunk};
use gateway_tests::wait;
use gateway_user::sctp::{Association, Listener, Socket};

use crate::hostile::{Wire, find};
use crate::pair::{PORT, Pair, associate, bound, on, runtime, sorted};

/// How long another association that must not come is waited for.
const MORE: Duration = Duration::from_millis(300);

/// The types of the first chunks of packets, in their order.
fn first_chunks(packets: &[Vec<u8>]) -> Vec<u8> {
    packets.iter().filter_map(|octets| Some(Packet::read(octets).ok()?.chunks.first()?.kind)).collect()
}

/// INIT, INIT-ACK, COOKIE-ECHO, COOKIE-ACK, each with the ports, the tag that its receiver has chosen, and the checksum; the first
/// two with all addresses of their senders. It is one association, however many addresses it is begun with; each end has one port,
/// and a primary path. SC-1, SC-3, SC-4, SC-5, SC-6, SC-7
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn four_messages_begin_it() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    let (at_a, at_b) = (Wire::open(&pair.a, on(1, 1))?, Wire::open(&pair.b, on(1, 2))?);
    let [of_a, of_b] = [1, 2].map(|host| [on(1, host), on(2, host)]);
    let (from, at) = (bound(&pair.a, &of_a)?, bound(&pair.b, &of_b)?);
    runtime.block_on(async {
        at.listen(4)?;
        let listener = Listener::new(at)?;
        let (near, (far, met)) = tokio::try_join!(Association::connect(from, &of_b), listener.accept())?;
        assert_eq!(met, of_a[0]);
        assert!(tokio::time::timeout(wait::scaled(MORE), listener.accept()).await.is_err(), "there is one already");
        for (end, others) in [(&near, of_b), (&far, of_a)] {
            let mut peers = end.socket().peers()?;
            peers.sort_unstable();
            assert_eq!(peers, others);
            assert_eq!(end.socket().status()?.primary.map(|path| path.address), Some(others[0]));
        }

        let (to_a, to_b) = (at_a.heard()?, at_b.heard()?);
        let init = |value: &[u8]| Init::read(value).ok();
        let (first, ours) = find(&to_b, chunk::INIT, init).context("no INIT")?;
        let (second, theirs) = find(&to_a, chunk::INIT_ACK, init).context("no INIT-ACK")?;
        let (third, cookie) = find(&to_b, chunk::COOKIE_ECHO, |value| Some(value.len())).context("no COOKIE-ECHO")?;
        let (fourth, _) = find(&to_a, chunk::COOKIE_ACK, |_| Some(())).context("no COOKIE-ACK")?;
        assert_eq!(first_chunks(&to_b)[..2], [chunk::INIT, chunk::COOKIE_ECHO]);
        assert_eq!(first_chunks(&to_a)[..2], [chunk::INIT_ACK, chunk::COOKIE_ACK]);
        let headers = [first, second, third, fourth];
        assert_eq!(headers.map(|header| header.tag), [0, ours.tag, theirs.tag, ours.tag]);
        assert!(headers.iter().all(|header| (header.source, header.destination) == (PORT, PORT)), "{headers:?}");
        assert!(ours.tag != theirs.tag && cookie > 32, "{ours:?} {theirs:?} {cookie}");
        for (said, own) in [(ours, of_a), (theirs, of_b)] {
            let mut addresses = said.addresses;
            addresses.sort_unstable();
            assert_eq!(addresses, sorted(&own));
        }
        Ok(())
    })
}

/// An address with its port is of one endpoint as long as that lives, and all of an endpoint have one port. SC-2
#[test]
#[ignore = "needs a kernel with SCTP: cargo xtask vm test"]
fn an_address_is_of_one_endpoint() -> Result<()> {
    let (pair, runtime) = (Pair::up()?, runtime()?);
    let kind = |result: Result<Socket>| {
        result.map(drop).map_err(|error| error.downcast_ref::<io::Error>().map(io::Error::kind))
    };
    let other = SocketAddr::new(on(2, 1).ip(), PORT + 1);
    assert_eq!(kind(bound(&pair.a, &[on(1, 1), other])), Err(Some(ErrorKind::InvalidInput)), "two ports");
    let ends = runtime.block_on(async {
        let from = bound(&pair.a, &[on(1, 1), on(2, 1)])?;
        associate(from, bound(&pair.b, &[on(1, 2)])?, &[on(1, 2)]).await
    })?;
    for address in [on(1, 1), on(2, 1)] {
        assert_eq!(kind(bound(&pair.a, &[address])), Err(Some(ErrorKind::AddrInUse)), "{address}");
    }
    assert_eq!(kind(bound(&pair.a, &[other])), Ok(()), "another port is another endpoint's");
    drop(ends);
    Ok(())
}
