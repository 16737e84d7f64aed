//! Running a frame through the programs as if it had just arrived.

use anyhow::{Context as _, ensure};
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp};

/// Octets of an Ethernet header.
const ETHERNET: usize = 14;

/// Runs `program` on `frame` as if that had come in on `ifindex`, and has the kernel do what it says: the frame is sent,
/// redirected, or passed to the stack (Linux 5.18). A unicast destination becomes `mac`, the port's own: the frame came
/// to another member's.
pub(super) fn inject(program: &Xdp, ifindex: u32, mac: [u8; 6], frame: &[u8]) -> anyhow::Result<()> {
    ensure!(frame.len() >= ETHERNET, "a frame of {} octets", frame.len());
    let mut frame = frame.to_vec();
    if frame[0] & 1 == 0 {
        frame[..mac.len()].copy_from_slice(&mac);
    }
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let context = [0, frame.len() as u32, 0, ifindex, 0, 0].map(u32::to_ne_bytes).concat();
    let options = TestRunOptions {
        data_in: Some(&frame),
        ctx_in: Some(&context),
        repeat: 1,
        attrs: TestRunAttrs::new().xdp_live_frames(1),
        ..TestRunOptions::default()
    };
    program.test_run(options).map(drop).with_context(|| format!("run a frame on interface {ifindex}"))
}
