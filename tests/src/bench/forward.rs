//! Forwarding of subscriber data against the kernel's own, on the same veths with the same source and sink.
//!
//! ```text
//!  generator: sub0 ─veth─ sub0p │ gateway │ core0 ─veth─ core0p: counted and dropped
//! ```

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use aya::programs::XdpMode;
use gateway_common::port::Port;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::settings::Settings;
use gateway_common::verdict::Program;
use gateway_common::vlan::VlanTags;

use super::generator::{self, index, mac, rate};
use super::probes::Probes;
use super::{Samples, forward6};
use crate::packets::frame::{Ether, IPV4, Ip, qinq, udp};
use crate::packets::namespace::ip;
use crate::packets::{Plane, namespace};

/// The access port and what is behind it; the upstream port and what is behind it.
pub(super) const ACCESS: &str = "sub0p";
const SUBSCRIBERS: &str = "sub0";
pub(super) const UPSTREAM: &str = "core0";
pub(super) const ROUTER: &str = "core0p";

const CAPACITY: u32 = 1 << 20;
const UNTAGGED: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 9);
const DOUBLE: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 10);
const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub(super) const CPE: [u8; 6] = [0x02, 0xcc, 0, 0, 0, 1];

/// Millions of frames per second that leave on the other side, generator and sink included. `generator` is the same
/// traffic dropped where it arrives: what every other row pays before any forwarding begins. A row `…/net` is the
/// forwarding alone: the time of a frame without the generator's. `only`: the names of the rows that are wanted, none for all.
///
/// # Errors
///
/// Without root, object or ethtool.
pub fn forward(repetitions: usize, only: &[String]) -> Result<Vec<Samples>> {
    namespace::enter()?;
    lay_out()?;
    let mut probes = Probes::load()?;
    let mut plane = plane()?;

    let from_subscriber = Ether::new(CPE, mac(ACCESS)?);
    let from_router = Ether::new(mac(ROUTER)?, mac(UPSTREAM)?);
    let up = |from| Ip::new(from, HOST).packet(&udp(4000, 53, &[0; 14]));
    let down = |to| Ip::new(HOST, to).packet(&udp(53, 4000, &[0; 14]));
    let row = |way, frame, name: &str, against| Row {
        way,
        frame,
        samples: Samples::new(name, "Mpps", against),
        gateway: against.is_some(),
        prepare: None,
    };
    let mut rows = vec![
        row(Way::Up, from_subscriber.frame(IPV4, &up(UNTAGGED)), "kernel/ipv4", None),
        row(Way::Up, from_subscriber.frame(IPV4, &up(UNTAGGED)), "forward/ipv4", Some("kernel/ipv4")),
        row(
            Way::Up,
            from_subscriber.tagged(qinq(100, 200)).frame(IPV4, &up(DOUBLE)),
            "forward/qinq",
            Some("kernel/ipv4"),
        ),
        row(Way::Down, from_router.frame(IPV4, &down(UNTAGGED)), "kernel/down", None),
        row(Way::Down, from_router.frame(IPV4, &down(UNTAGGED)), "forward/down", Some("kernel/down")),
        row(Way::Down, from_router.frame(IPV4, &down(DOUBLE)), "forward/down-qinq", Some("kernel/down")),
    ];
    rows.extend(forward6::rows(from_subscriber, from_router));
    rows.retain(|row| only.is_empty() || only.contains(&row.samples.name));
    let names: Vec<_> = rows.iter().map(|row| row.samples.name.clone()).collect();
    for row in &mut rows {
        row.samples.against.take_if(|against| !names.contains(against));
    }
    let first = rows.first().context("there is no such row")?.frame.clone();
    let mut generator = Samples::new("generator", "Mpps", None);
    for _ in 0..repetitions {
        generator.values.push(generated(&mut probes, &first)?);
        for row in &mut rows {
            let sample = row.prepare.map_or(Ok(()), |prepare| prepare(&mut plane));
            let sample = sample.and_then(|()| measure(&mut probes, &mut plane, row.way, row.gateway, &row.frame));
            row.samples.values.push(sample.with_context(|| row.samples.name.clone())?);
        }
    }
    let rows: Vec<_> = rows.into_iter().map(|row| row.samples).collect();
    let net: Vec<_> = rows.iter().map(|row| without(row, &generator)).collect();
    Ok([vec![generator], rows, net].concat())
}

/// One kind of traffic.
pub(super) struct Row {
    pub(super) way: Way,
    pub(super) frame: Vec<u8>,
    pub(super) samples: Samples,
    /// Through the gateway's programs, or the kernel's own forwarding.
    pub(super) gateway: bool,
    /// What the maps have to hold.
    pub(super) prepare: Option<fn(&mut Plane) -> Result<()>>,
}

/// The row without the time of the generator, sample by sample.
fn without(row: &Samples, generator: &Samples) -> Samples {
    let net = |(total, generator): (&f64, &f64)| 1.0 / (1.0 / total - 1.0 / generator);
    Samples {
        name: format!("{}/net", row.name),
        unit: row.unit,
        values: row.values.iter().zip(&generator.values).map(net).collect(),
        against: row.against.as_ref().map(|against| format!("{against}/net")),
    }
}

/// One sample of the generator: frames are counted and dropped where they arrive.
fn generated(probes: &mut Probes, frame: &[u8]) -> Result<f64> {
    let source = probes.attach("pass", SUBSCRIBERS, XdpMode::Driver)?;
    let counter = probes.attach("count", ACCESS, XdpMode::Driver)?;
    let sample = rate(probes, SUBSCRIBERS, frame, |probes| probes.counted().map(Some));
    probes.detach("count", counter)?;
    probes.detach("pass", source)?;
    sample
}

#[derive(Clone, Copy)]
pub(super) enum Way {
    Up,
    Down,
}

/// One sample, through the gateway's programs or the kernel's own forwarding.
fn measure(probes: &mut Probes, plane: &mut Plane, way: Way, gateway: bool, frame: &[u8]) -> Result<f64> {
    let (sender, sink) = match way {
        Way::Up => (SUBSCRIBERS, ROUTER),
        Way::Down => (ROUTER, SUBSCRIBERS),
    };
    let source = probes.attach("pass", sender, XdpMode::Driver)?;
    let counter = probes.attach("count", sink, XdpMode::Driver)?;
    let mut links = Vec::new();
    if gateway {
        for (program, port) in [(Program::Access, ACCESS), (Program::Upstream, UPSTREAM)] {
            links.push((program, plane.program(program)?.attach(port, XdpMode::Driver)?));
        }
    }
    let sample = rate(probes, sender, frame, |probes| probes.counted().map(Some));
    for (program, link) in links {
        plane.program(program)?.detach(link)?;
    }
    probes.detach("count", counter)?;
    probes.detach("pass", source)?;
    sample
}

/// Links, addresses, routes and neighbours, so that the kernel could forward as well.
fn lay_out() -> Result<()> {
    generator::veth(SUBSCRIBERS)?;
    generator::veth(UPSTREAM)?;
    ip(&format!("addr add 100.64.0.1/24 dev {ACCESS}"))?;
    ip(&format!("neigh add {UNTAGGED} lladdr {} dev {ACCESS} nud permanent", colons(CPE)))?;
    ip(&format!("addr add 192.0.2.1/24 dev {UPSTREAM}"))?;
    ip(&format!("neigh add 192.0.2.254 lladdr {} dev {UPSTREAM} nud permanent", colons(mac(ROUTER)?)))?;
    ip("route add default via 192.0.2.254")?;
    for interface in ["all", ACCESS, UPSTREAM] {
        std::fs::write(format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter"), "0")?;
    }
    forward6::lay_out()
}

/// A MAC as `ip` wants it.
pub(super) fn colons(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}

/// A data plane with the two ports and the two subscribers, of full capacity.
fn plane() -> Result<Plane> {
    let mut plane = Plane::load(CAPACITY)?;
    for (name, side) in [(ACCESS, Port::ACCESS), (UPSTREAM, Port::UPSTREAM)] {
        plane.port(index(name)?, Port { fpc: 0, mac: mac(name)?, mtu: 1500, side, place: Port::NO_PLACE }, true)?;
    }
    for (slot, address, tags) in [(0, UNTAGGED, VlanTags::NONE), (1, DOUBLE, qinq(100, 200))] {
        let route = AccessRoute { slot, ifindex: index(ACCESS)?, mac: CPE, tags, ..AccessRoute::default() };
        plane.route(address, route, Subscriber::NEVER)?;
    }
    plane.settings(Settings { flags: Settings::IPV6, main6: forward6::OWN, ..Settings::default() })?;
    Ok(plane)
}
