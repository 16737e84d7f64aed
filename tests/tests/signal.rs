//! How good a card's signal is, as the kernel counts it.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gateway_tests::lab;
use gateway_tests::namespace::Namespace;
use gateway_user::sctp::{Links, Locals};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::sync::watch;

/// Of IP's second octet: a router on the way was congested.
const CONGESTED: i32 = 3;
const VXLAN_PORT: u16 = 4789;
const VNI: u8 = 5;
/// What is not seen by then is not seen.
const LIMIT: Duration = Duration::from_secs(20);

/// A packet of the tunnel, as VXLAN has it (RFC 7348): to everybody, IPv4, and unable to tell of congestion.
fn inside() -> Vec<u8> {
    let mut octets = vec![8, 0, 0, 0, 0, 0, VNI, 0];
    octets.extend([0xFF; 6]);
    octets.extend([2, 0, 0, 0, 0, 9]);
    octets.extend([8, 0]);
    octets.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 9, 2, 10, 0, 9, 1]);
    octets.extend([0; 8]);
    octets
}

/// So many packets arrive; `whole`: else as what can't be, a packet that was to tell of congestion and is unable to.
fn arrive(count: u32, whole: bool) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    setsockopt(&socket, sockopt::Ipv4Tos, &if whole { 0 } else { CONGESTED })?;
    for _ in 0..count {
        socket.send_to(&inside(), ("127.0.0.1", VXLAN_PORT))?;
    }
    Ok(())
}

/// The next signal that is told of the only card.
async fn next(locals: &mut watch::Receiver<Locals>, before: &Locals) -> Result<(Locals, u16)> {
    let found = async {
        loop {
            let now = locals.borrow_and_update().clone();
            if let [(_, Some(loss))] = now.signals_since(before)[..] {
                return anyhow::Ok((now, loss));
            }
            locals.changed().await?;
        }
    };
    tokio::time::timeout(LIMIT, found).await.context("the signal stays as it was")?
}

/// SC-24, SC-26: what arrives damaged on a link is known to the associations that may use it, and when it is over.
#[test]
fn what_arrives_damaged_is_known() -> Result<()> {
    let space = Namespace::create(&lab::unique())?;
    space.ip("link set lo up")?;
    space.ip(&format!("link add tunnel type vxlan id {VNI} local 127.0.0.1 dstport {VXLAN_PORT}"))?;
    space.ip("addr add 10.0.9.1/24 dev tunnel")?;
    space.ip("link set tunnel up")?;
    space.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let links = Links { interfaces: vec!["tunnel".to_owned()], without: Vec::new() };
            let mut locals = links.follow()?;
            let (before, loss) = next(&mut locals, &Locals::default()).await?;
            ensure!(loss == 0, "before anything arrived {loss} of 1000 were lost");
            arrive(20, true)?;
            arrive(60, false)?;
            // How much depends on when it is looked at.
            let (mut now, mut loss) = next(&mut locals, &before).await?;
            while loss > 0 {
                arrive(200, true)?;
                (now, loss) = next(&mut locals, &now).await?;
            }
            Ok(())
        })
    })?
}
