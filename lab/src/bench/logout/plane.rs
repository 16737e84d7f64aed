//! The data plane's part: one write to the `COHORTS` map, whatever the number of routes behind it.

use std::net::Ipv4Addr;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use gateway_common::port::Port;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::frame::{Ether, IPV4, Ip, udp};
use gateway_tests::packets::{INGRESS, Plane, namespace};

use super::caches::Caches;
use super::memory;
use super::world::{GIADDR, address, mac, tags};
use crate::bench::report::Report;

/// Routes installed: few, and as many as there is room for but one.
const SIZES: [u32; 2] = [1_000, 1_000_000];
/// Room in the maps.
const CAPACITY: u32 = 1 << 20;
/// Writes timed in each repetition.
const WRITES: usize = 5;
/// Subscribers of each size whose traffic is tried before and after.
const TRIED: u32 = 500;

const COHORT: u16 = 3;
const EPOCH: u32 = 5;
const CORE: u32 = 11;
const GATEWAY: [u8; 6] = [0x02, 0, 0, 0, 1, 1];
const CORE_MAC: [u8; 6] = [0x02, 0, 0, 0, 1, 2];
const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// Measures and adds the rows, the maps' memory among them.
pub(super) fn measure(report: &mut Report) -> Result<()> {
    let repetitions = report.repetitions;
    // The thread moves into a network namespace of its own.
    let thread = std::thread::spawn(move || cut_off(repetitions));
    let (samples, octets) = thread.join().map_err(|_| anyhow!("the measurement of the data plane panicked"))??;
    let reference = format!("logout/cut-off/{}", SIZES[0]);
    for (size, samples) in SIZES.iter().zip(&samples) {
        let against = (*size != SIZES[0]).then_some(reference.as_str());
        report.add(&format!("logout/cut-off/{size}"), "us", samples, against);
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 octets")]
    let octets = octets as f64 / f64::from(CAPACITY);
    report.add("logout/memory/maps", "bytes/subscriber", &[octets], None);
    Ok(())
}

/// Microseconds of each write, by size, and the octets of one set of maps.
fn cut_off(repetitions: usize) -> Result<(Vec<Vec<f64>>, u64)> {
    namespace::enter()?;
    namespace::veth("core0", CORE, "02:00:00:00:01:02")?;
    namespace::ip("addr add 192.0.2.1/24 dev core0")?;
    namespace::ip("neigh add 192.0.2.254 lladdr 02:00:00:00:01:03 dev core0 nud permanent")?;
    namespace::ip("route add default via 192.0.2.254")?;
    let before = memory::maps()?;
    let mut planes = vec![load(SIZES[0])?];
    let octets = memory::maps()? - before;
    planes.push(load(SIZES[1])?);

    let mut samples = vec![Vec::new(); SIZES.len()];
    let mut caches = Caches::new();
    for write in 0..repetitions * WRITES {
        for (plane, samples) in planes.iter_mut().zip(&mut samples) {
            plane.cohort(COHORT, EPOCH)?;
            caches.cool();
            let started = Instant::now();
            plane.cohort(COHORT, EPOCH + 1)?;
            samples.push(started.elapsed().as_secs_f64() * 1e6);
        }
        if write == 0 {
            for (plane, size) in planes.iter_mut().zip(SIZES) {
                prove(plane, size)?;
            }
        }
    }
    Ok((samples, octets))
}

/// The programs with `size` routes of [`EPOCH`], and one of the epoch after it.
fn load(size: u32) -> Result<Plane> {
    let mut plane = Plane::load(CAPACITY)?;
    plane.local(GIADDR)?;
    plane.cohort(COHORT, EPOCH)?;
    plane.port(INGRESS, Port { fpc: 0, mac: GATEWAY, mtu: 1500, side: Port::ACCESS, place: 0 }, false)?;
    let upstream = Port { fpc: Port::NO_FPC, mac: CORE_MAC, mtu: 1500, side: Port::UPSTREAM, place: Port::NO_PLACE };
    plane.port(CORE, upstream, true)?;
    for number in 0..=size {
        let route = AccessRoute {
            slot: number,
            epoch: EPOCH + u32::from(number == size),
            ifindex: INGRESS,
            cohort: COHORT,
            mac: mac(number),
            tags: tags(number),
            reserved: 0,
        };
        plane.route(address(number), route, Subscriber::NEVER)?;
    }
    Ok(plane)
}

/// Traffic of the epoch that was cut off is dropped in both directions, and flows as soon as it counts again;
/// whoever logged in afterwards is left alone.
fn prove(plane: &mut Plane, size: u32) -> Result<()> {
    for number in (0..size).step_by((size / TRIED) as usize) {
        for program in [Program::Access, Program::Upstream] {
            let verdict = send(plane, program, number)?;
            ensure!(verdict == Verdict::StaleEpoch, "{program:?}, subscriber {number} of {size}: {verdict:?}");
        }
    }
    let verdict = send(plane, Program::Access, size)?;
    ensure!(verdict == Verdict::ForwardedUp, "the login after the cut-off: {verdict:?}");
    plane.cohort(COHORT, EPOCH)?;
    for number in (0..size).step_by((size / TRIED) as usize) {
        let verdict = send(plane, Program::Access, number)?;
        ensure!(verdict == Verdict::ForwardedUp, "subscriber {number} of {size} before the cut-off: {verdict:?}");
    }
    Ok(())
}

fn send(plane: &mut Plane, program: Program, number: u32) -> Result<Verdict> {
    let datagram = udp(4000, 53, &[0; 18]);
    let frame = match program {
        Program::Access => {
            let ether = Ether::new(mac(number), GATEWAY).tagged(tags(number));
            ether.frame(IPV4, &Ip::new(address(number), HOST).packet(&datagram))
        }
        Program::Upstream => Ether::new([2; 6], GATEWAY).frame(IPV4, &Ip::new(HOST, address(number)).packet(&datagram)),
    };
    Ok(plane.run(program, &frame)?.verdict)
}
