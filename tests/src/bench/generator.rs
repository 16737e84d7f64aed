//! Frames at line rate: `BPF_PROG_TEST_RUN` with live frames sends them out of a veth, and its peer receives them on
//! the same processor, so that the time of a frame is the time of its whole way.

use std::ffi::CString;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use aya::maps::Array;
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions};

use super::probes::Probes;
use crate::packets::namespace::ip;

/// Frames of one sample.
pub(super) const FRAMES: u32 = 1 << 21;
/// Frames the kernel sends before it lets the receiver run.
const BATCH: u32 = 64;
/// Octets of a frame, and of the template.
pub(super) const OCTETS: usize = 64;

/// A pair of veths `name` and `name`p, up, whose receiving ends take redirected frames without an XDP program too.
pub(super) fn veth(name: &str) -> Result<()> {
    ip(&format!("link add {name} type veth peer name {name}p"))?;
    for end in [name.to_owned(), format!("{name}p")] {
        ip(&format!("link set {end} up"))?;
        receives_frames(&end)?;
    }
    Ok(())
}

/// Sends [`FRAMES`] frames, `frame` padded to [`OCTETS`], out of `interface`: millions per second of those that
/// `arrived` counts.
pub(super) fn rate(
    probes: &mut Probes,
    interface: &str,
    frame: &[u8],
    mut arrived: impl FnMut(&mut Probes) -> Result<Option<u64>>,
) -> Result<f64> {
    ensure!(frame.len() <= OCTETS, "a frame of {} octets", frame.len());
    let mut octets = [0; OCTETS];
    octets[..frame.len()].copy_from_slice(frame);
    Array::<_, [u8; OCTETS]>::try_from(probes.map("TEMPLATE")?)?.set(0, octets, 0)?;

    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let context = [0, OCTETS as u32, 0, index(interface)?, 0, 0].map(u32::to_ne_bytes).concat();
    let before = arrived(probes)?;
    let start = Instant::now();
    probes.program("source")?.test_run(TestRunOptions {
        data_in: Some(&octets),
        ctx_in: Some(&context),
        repeat: FRAMES,
        attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
        ..TestRunOptions::default()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let count = match (before, arrived(probes)?) {
        (Some(before), Some(after)) => after - before,
        _ => u64::from(FRAMES),
    };
    ensure!(count > u64::from(FRAMES) / 2, "{count} of {FRAMES} frames arrived");
    Ok(count as f64 / seconds / 1e6)
}

/// The index of an interface of this thread's namespace.
pub(super) fn index(name: &str) -> Result<u32> {
    let text = CString::new(name)?;
    // SAFETY: the name is a C string.
    let index = unsafe { libc::if_nametoindex(text.as_ptr()) };
    ensure!(index != 0, "{name}: {}", std::io::Error::last_os_error());
    Ok(index)
}

/// The hardware address of an interface of this thread's namespace.
pub(super) fn mac(name: &str) -> Result<[u8; 6]> {
    let output = std::process::Command::new("ip").args(["-json", "link", "show", name]).output()?;
    let links: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let text = links[0]["address"].as_str().with_context(|| format!("{name} has no address"))?;
    let octets: Vec<u8> = text.split(':').map(|octet| u8::from_str_radix(octet, 16)).collect::<Result<_, _>>()?;
    octets.try_into().ok().context("six octets")
}

/// Lets an interface take redirected frames without an XDP program: it needs NAPI, which comes with GRO.
fn receives_frames(interface: &str) -> Result<()> {
    let output = std::process::Command::new("ethtool").args(["-K", interface, "gro", "on"]).output();
    let output = output.context("ethtool; `cargo xtask setup` installs it")?;
    ensure!(output.status.success(), "ethtool: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
