//! The answers of the run loop as metrics.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::control::protocol::*;

/// What one scrape sees.
#[derive(Clone, Default, Debug)]
pub(super) struct Scrape {
    pub(super) status: Status,
    pub(super) fpcs: Vec<Fpc>,
    pub(super) servers: Vec<Server>,
    pub(super) releases: Vec<Release>,
    /// Present in a cluster, as are the units.
    pub(super) members: Option<Members>,
    pub(super) units: Units,
}

/// OpenMetrics text.
pub(super) fn text(seen: impl Collector) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(seen));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// Values with their labels.
pub(super) type Family<'a, const N: usize, V = u64> = Vec<([(&'static str, &'a str); N], V)>;

/// States of a server's capability, of either version; the one it is in has value 1.
pub(super) const CAPABILITIES: [&str; 6] = ["unknown", "capable", "batches", "refused", "incapable", "stripped"];

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.gateway(&mut encoder)?;
        self.data_plane(&mut encoder)?;
        self.line_cards(&mut encoder)?;
        self.dhcp(&mut encoder)?;
        if let Some(server) = &self.status.dhcp_server {
            dhcp_server(server, &mut encoder)?;
        }
        match &self.members {
            Some(members) => super::cluster::encode(members, &self.units, &mut encoder),
            None => Ok(()),
        }
    }
}

impl Scrape {
    fn gateway(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Status { version, id, uptime, capacity, store, .. } = &self.status;
        let build = [("version", version.as_str()), ("id", id.as_str())];
        gauge(encoder, "gateway_build", "Version and identity of the gateway", vec![(build, 1)])?;
        let plain = |value: u64| vec![([], value)];
        gauge(encoder, "gateway_uptime_seconds", "Since the controller started", plain(*uptime))?;
        gauge(encoder, "gateway_capacity", "Subscribers there is room for", plain(u64::from(*capacity)))?;
        gauge(encoder, "gateway_store_octets", "Size of the session store on disk", plain(store.octets))?;
        gauge(encoder, "gateway_store_pending", "Records that wait to be written", plain(store.pending))?;
        counter(encoder, "gateway_store_errors", "Batches of records that could not be written", plain(store.errors))?;
        let warnings = self.status.warnings.len() as u64;
        gauge(encoder, "gateway_warnings", "What `gateway status` warns of", plain(warnings))
    }

    fn verdicts(&self, value: fn(&VerdictCount) -> u64) -> Family<'_, 3> {
        let mut family = Vec::new();
        for verdict in &self.status.verdicts {
            let VerdictCount { program, verdict: name, fate, .. } = verdict;
            let labels = [("program", program.as_str()), ("verdict", name.as_str()), ("fate", fate.as_str())];
            family.push((labels, value(verdict)));
        }
        family
    }

    fn data_plane(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        counter(encoder, "gateway_packets", "Packets by verdict", self.verdicts(|verdict| verdict.packets))?;
        counter(
            encoder,
            "gateway_octets",
            "Octets by verdict, Ethernet header included",
            self.verdicts(|verdict| verdict.octets),
        )?;
        let up = |port: &'_ Port| u64::from(port.up && port.ifindex.is_some() && port.xdp != "detached");
        let ports = self.status.ports.iter();
        let ports = ports.map(|port| ([("port", port.name.as_str()), ("xdp", port.xdp.as_str())], up(port))).collect();
        gauge(encoder, "gateway_port_up", "Whether a port has a carrier and a program", ports)
    }

    fn line_cards(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let of = |value: fn(&Fpc) -> u64| -> Family<'_, 1> {
            self.fpcs.iter().map(|fpc| ([("fpc", fpc.name.as_str())], value(fpc))).collect()
        };
        gauge(encoder, "gateway_sessions", "Sessions of a line card", of(|fpc| fpc.sessions))?;
        if self.status.leases6.is_some() {
            let leases = of(|fpc| fpc.leases6.unwrap_or_default());
            gauge(encoder, "gateway_leases6", "IPv6 addresses and delegated prefixes of a line card", leases)?;
            let subscribers = vec![([], self.status.subscribers)];
            gauge(encoder, "gateway_subscribers", "Subscribers with IPv4, IPv6 or both", subscribers)?;
        }
        let orphaned = of(|fpc| fpc.orphaned);
        gauge(encoder, "gateway_sessions_orphaned", "Sessions logged out but not confirmed", orphaned)?;
        gauge(encoder, "gateway_fpc_up", "Whether a line card is in service", of(|fpc| u64::from(fpc.state == "up")))?;
        gauge(encoder, "gateway_fpc_epoch", "Epoch of a line card", of(|fpc| u64::from(fpc.epoch)))?;
        counter(encoder, "gateway_fpc_restarts", "Restarts since the controller started", of(|fpc| fpc.restarts))
    }

    fn dhcp(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let events = self.status.counters.iter().map(|(event, value)| ([("event", event.as_str())], *value)).collect();
        counter(encoder, "gateway_events", "What relay, sessions and releases counted", events)?;
        let running = self.releases.iter().filter(|release| release.took.is_none());
        let (mut logins, mut leases, mut count) = (0, 0, 0);
        running.for_each(|release| {
            logins += release.total.saturating_sub(release.released + release.orphaned);
            let six = release.leases6.unwrap_or_default();
            leases += six.total.saturating_sub(six.released + six.orphaned);
            count += 1;
        });
        gauge(encoder, "gateway_releases_running", "Releases under way", vec![([], count)])?;
        gauge(encoder, "gateway_releases_logins", "Logins that running releases have yet to end", vec![([], logins)])?;
        if self.status.leases6.is_some() {
            let help = "IPv6 leases that running releases have yet to end";
            gauge(encoder, "gateway_releases_leases6", help, vec![([], leases)])?;
        }
        let servers = self.servers.iter();
        let states = servers.clone().filter(|server| server.capability != "-").flat_map(|server| {
            let is = |state| u64::from(server.capability == state);
            CAPABILITIES.map(|state| ([("server", server.address.as_str()), ("capability", state)], is(state)))
        });
        gauge(encoder, "gateway_server_capability", "Whether a server takes single logouts", states.collect())?;
        let sessions =
            servers.filter_map(|server| Some(([("server", server.address.as_str())], server.sessions?))).collect();
        gauge(encoder, "gateway_server_sessions", "Sessions at a server", sessions)
    }
}

/// A DHCP server on its own.
#[derive(Clone, Debug)]
pub(super) struct Alone(pub(super) DhcpServer);

impl Collector for Alone {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let build = vec![([("version", env!("CARGO_PKG_VERSION"))], 1)];
        gauge(&mut encoder, "gateway_build", "Version of the gateway", build)?;
        dhcp_server(&self.0, &mut encoder)
    }
}

fn dhcp_server(server: &DhcpServer, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let plain = |value: u64| vec![([], value)];
    gauge(encoder, "gateway_dhcp_server_leases", "Leases of the embedded DHCP server in force", plain(server.active))?;
    gauge(encoder, "gateway_dhcp_server_capacity", "Addresses it may lease", plain(server.capacity))?;
    let ok = plain(u64::from(server.store_ok));
    gauge(encoder, "gateway_dhcp_server_store_ok", "Whether its leases can be written", ok)?;
    counter(encoder, "gateway_dhcp_server_events", "What the embedded DHCP server counted", events(&server.counters))?;
    let pools = |value: fn(&Pool) -> u64| -> Family<'_, 1> {
        server.pools.iter().map(|pool| ([("subnet", pool.name.as_str())], value(pool))).collect()
    };
    let help = "Addresses or prefixes of a subnet leased";
    gauge(encoder, "gateway_dhcp_server_pool_in_use", help, pools(|pool| pool.in_use))?;
    let help = "Addresses or prefixes of a subnet in all";
    gauge(encoder, "gateway_dhcp_server_pool_size", help, pools(|pool| pool.size))?;
    answers(&server.answers, encoder)?;
    if let Some(subnets) = &server.subnets {
        let addresses =
            subnets.addresses.iter().map(|(holder, count)| ([("holder", holder.as_str())], *count)).collect();
        gauge(encoder, "gateway_dhcp_server_subnet_addresses", "Addresses of subnets that it administers", addresses)?;
        let own = plain(subnets.own_in_use);
        gauge(encoder, "gateway_dhcp_server_subnet_own_in_use", "Addresses of its own subnets leased", own)?;
        counter(encoder, "gateway_dhcp_server_subnet_events", "What happened to subnets", events(&subnets.events))?;
    }
    let Some(six) = &server.six else { return Ok(()) };
    gauge(encoder, "gateway_dhcp_server_leases6", "Its addresses and prefixes leased by DHCPv6", plain(six.active))?;
    gauge(encoder, "gateway_dhcp_server_capacity6", "Addresses and prefixes it may lease", plain(six.capacity))?;
    counter(encoder, "gateway_dhcp_server_events6", "What its half for DHCPv6 counted", events(&six.counters))
}

/// A histogram in seconds.
fn answers(answers: &Answers, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "How long ACKs and REPLYs took from the moment that their request was read";
    let name = "gateway_dhcp_server_answer_seconds";
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    let last = answers.within_us.len().saturating_sub(1);
    let seconds = |(at, (us, count)): (usize, &(u64, u64))| match at == last {
        true => (f64::INFINITY, *count),
        false => (*us as f64 / 1e6, *count),
    };
    let ranges: Vec<(f64, u64)> = answers.within_us.iter().enumerate().map(seconds).collect();
    metric.encode_histogram::<NoLabelSet>(answers.sum_us as f64 / 1e6, answers.count(), &ranges, None)
}

fn events(counters: &BTreeMap<String, u64>) -> Family<'_, 1> {
    counters.iter().map(|(event, value)| ([("event", event.as_str())], *value)).collect()
}

pub(super) fn gauge<const N: usize, V: EncodeGaugeValue + Copy>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    of: Family<'_, N, V>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    if let ([], [(_, value)]) = ([(); N].as_slice(), of.as_slice()) {
        return ConstGauge::new(*value).encode(metric);
    }
    of.iter().try_for_each(|(labels, value)| ConstGauge::new(*value).encode(metric.encode_family(labels)?))
}

pub(super) fn counter<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    of: Family<'_, N>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    if let ([], [(_, value)]) = ([(); N].as_slice(), of.as_slice()) {
        return ConstCounter::new(*value).encode(metric);
    }
    of.iter().try_for_each(|(labels, value)| ConstCounter::new(*value).encode(metric.encode_family(labels)?))
}
