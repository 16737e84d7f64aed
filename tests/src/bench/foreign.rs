//! The foreign drop against a bare one, in `BPF_PROG_TEST_RUN`.

use std::time::Duration;

use anyhow::Result;
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use gateway_common::cluster::Role;
use gateway_common::unit::{UNITS, UnitState};
use gateway_common::verdict::{Program, Verdict};

use super::Samples;
use super::probes::Probes;
use crate::packets::frame::{Ether, IPV4, IPV6, Ip, ipv6, qinq, tcp, udp};
use crate::packets::{Plane, namespace};

/// Runs of a program in one sample.
pub(super) const RUNS: u32 = 10_000_000;

/// Nanoseconds of a run: the bare drop, the foreign drop of each kind of frame in each program, and the same with the table of
/// a cluster that works. The reference is
/// measured beside each sample, so that what else the host does hits both.
///
/// # Errors
///
/// Without root or object.
pub fn foreign(repetitions: usize) -> Result<Vec<Samples>> {
    namespace::enter()?;
    let mut probes = Probes::load()?;
    let mut plane = Plane::load(1024)?;
    plane.own_all(UnitState::FOREIGN)?;
    let frames = frames();

    let mut live = Plane::load(1024)?;
    let mut rows = vec![Samples::new("bare", "ns", None)];
    for prefix in PROGRAMS.map(|(prefix, _)| prefix).into_iter().chain([LIVE]) {
        rows.extend(frames.iter().map(|(kind, _)| Samples::new(format!("{prefix}{kind}"), "ns", Some("bare"))));
    }
    for _ in 0..repetitions {
        rows[0].values.push(time(probes.program("bare")?, &frames[0].1)?);
        for (index, (_, program)) in PROGRAMS.iter().enumerate() {
            for (kind, (_, frame)) in frames.iter().enumerate() {
                let ran = plane.run(*program, frame)?;
                anyhow::ensure!(ran.verdict == Verdict::Foreign, "{:?} instead of foreign", ran.verdict);
                let sample = time(plane.program(*program)?, frame)?;
                rows[1 + index * frames.len() + kind].values.push(sample);
            }
        }
        for (kind, (_, frame)) in frames.iter().enumerate() {
            share(&mut live, frame)?;
            let sample = time(live.program(Program::Access)?, frame)?;
            rows[1 + PROGRAMS.len() * frames.len() + kind].values.push(sample);
        }
    }
    Ok(rows)
}

const PROGRAMS: [(&str, Program); 2] = [("foreign/", Program::Access), ("foreign/upstream/", Program::Upstream)];

/// Rows of a table as three members have it, each unit with its owner, and a lease that the kernel watches.
const LIVE: &str = "foreign/live-table/";

/// Gives units to three members in turn, so that this one does not own the frame's.
fn share(plane: &mut Plane, frame: &[u8]) -> Result<()> {
    let until_ns =
        Duration::from(nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)?) + Duration::from_secs(3600);
    let until_ns = u64::try_from(until_ns.as_nanos())?;
    plane.role(Role { member: 1, master: 2, until_ns, shared_mac: [2, 0, 0, 0, 0x43, 1], ..Role::default() })?;
    for shift in 0..3 {
        for unit in 0..UNITS {
            let owner = u16::try_from((unit + shift) % 3 + 1)?;
            let disposition = if owner == 1 { UnitState::OWN } else { UnitState::FOREIGN };
            plane.unit(unit, UnitState::all(disposition, owner))?;
        }
        if plane.run(Program::Access, frame)?.verdict == Verdict::Foreign {
            return Ok(());
        }
    }
    anyhow::bail!("the frame is foreign to nobody")
}

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let ether = Ether::new([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let ip = Ip::new([100, 64, 0, 9], [203, 0, 113, 1]);
    let datagram = ip.packet(&udp(4000, 53, &[0; 18]));
    let segment = ip.clone().protocol(6).packet(&tcp(4000, 443, &[0; 6]));
    let (from, to) = ("2001:db8::1".parse().expect("an address"), "2001:db8:ffff::2".parse().expect("an address"));
    vec![
        ("udp", ether.frame(IPV4, &datagram)),
        ("tcp", ether.frame(IPV4, &segment)),
        ("qinq", ether.tagged(qinq(100, 200)).frame(IPV4, &datagram)),
        ("ipv6", ether.frame(IPV6, &ipv6(17, 64, from, to, &udp(4000, 53, &[0; 18])))),
    ]
}

/// Nanoseconds of one run: this thread's processor time over its [`RUNS`], so that what else the host runs counts less.
fn time(program: &mut Xdp, frame: &[u8]) -> Result<f64> {
    let start = processor_time()?;
    program.test_run(TestRunOptions { data_in: Some(frame), repeat: RUNS, ..TestRunOptions::default() })?;
    Ok((processor_time()? - start).as_secs_f64() * 1e9 / f64::from(RUNS))
}

fn processor_time() -> Result<Duration> {
    Ok(nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
