//! The foreign drop on live frames, beside other ways to drop a frame.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use aya::programs::XdpMode;
use gateway_common::unit::UnitState;
use gateway_common::verdict::{Program, Verdict};

use super::Samples;
use super::generator::{self, FRAMES, rate};
use super::probes::Probes;
use crate::packets::frame::{Ether, IPV4, Ip, udp};
use crate::packets::{Plane, namespace};

const SENDER: &str = "sub0";
const RECEIVER: &str = "sub0p";

/// Millions of frames per second dropped: by a bare XDP program, by the foreign check, by generic XDP, and by nftables'
/// ingress hook.
///
/// # Errors
///
/// Without root, object, ethtool or nft.
pub fn live(repetitions: usize) -> Result<Vec<Samples>> {
    namespace::enter()?;
    generator::veth(SENDER)?;
    let mut probes = Probes::load()?;
    probes.attach("pass", SENDER, XdpMode::Driver)?;
    let mut plane = Plane::load(1024)?;
    plane.own_all(UnitState::FOREIGN)?;
    let ether = Ether::new(generator::mac(SENDER)?, generator::mac(RECEIVER)?);
    let frame = ether.frame(IPV4, &Ip::new([100, 64, 0, 9], [203, 0, 113, 1]).packet(&udp(4000, 53, &[0; 18])));

    let mut bare = Samples::new("live/bare", "Mpps", None);
    let mut foreign = Samples::new("foreign/live", "Mpps", Some("live/bare"));
    let mut generic = Samples::new("live/xdp-generic", "Mpps", Some("live/bare"));
    let mut nft = Samples::new("live/nft-ingress", "Mpps", Some("live/bare"));
    for _ in 0..repetitions {
        for (row, mode) in [(&mut bare, XdpMode::Driver), (&mut generic, XdpMode::Skb)] {
            let link = probes.attach("bare", RECEIVER, mode)?;
            row.values.push(rate(&mut probes, SENDER, &frame, |_| Ok(None))?);
            probes.detach("bare", link)?;
        }

        let program = plane.program(Program::Access)?;
        let link = program.attach(RECEIVER, XdpMode::Driver).context("the access program in native mode")?;
        let before = plane.counters(Program::Access)?[Verdict::Foreign as usize].packets;
        foreign.values.push(rate(&mut probes, SENDER, &frame, |_| Ok(None))?);
        let dropped = plane.counters(Program::Access)?[Verdict::Foreign as usize].packets - before;
        ensure!(dropped > u64::from(FRAMES) / 100 * 99, "{dropped} of {FRAMES} frames reached the program");
        plane.program(Program::Access)?.detach(link)?;

        nft_script(&format!(
            "add table netdev bench\n\
             add chain netdev bench ingress_drop {{ type filter hook ingress device {RECEIVER} priority 0; policy drop; }}\n"
        ))?;
        nft.values.push(rate(&mut probes, SENDER, &frame, |_| Ok(None))?);
        nft_script("delete table netdev bench\n")?;
    }
    Ok(vec![bare, foreign, generic, nft])
}

fn nft_script(script: &str) -> Result<()> {
    let output = Command::new("nft").arg(script).output().context("nftables; `cargo xtask setup` installs it")?;
    ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
