//! The start: adopt what is pinned, load the store, make both agree, then serve.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::Context;
use gateway_common::cluster::Role;
use gateway_core::node::Node;
use gateway_core::time::Instant;
use tokio::sync::mpsc;

use super::announcing::Announcing;
use super::dhcp::Embedded;
use super::inputs::Inputs;
use super::outbox::{Outbox, Six};
use super::ports::Ports;
use super::recent::Lately;
use super::routers::Reminders;
use super::throttle::Throttle;
use super::{Gateway, Options, clock_offset, cluster, reconcile, reconcile6, settings};
use crate::config::Config;
use crate::control::{ControlSocket, questions};
use crate::dataplane::{self, Capacity, Dataplane, Pins};
use crate::io::netlink::{Change, Monitor, RouteWriter, Routes, Tables6};
use crate::io::raw::RawSender;
use crate::io::udp::Upstream;
use crate::io::{clock, sysctl};
use crate::metrics::Metrics;
use crate::store::Store;

/// Datagrams that may wait for the loop.
const BACKLOG: usize = 4096;

/// Brings the gateway to the point where it serves.
pub(super) async fn start(config: Config, options: Options) -> anyhow::Result<(Gateway, Inputs)> {
    let began = clock::now();
    let object = dataplane::embedded()?;
    let store = Store::open(&config.gateway.state_dir.join("sessions"), config.gateway.store_sync)?;
    if options.reset {
        dataplane::reset(&config.gateway.bpffs)?;
    }
    let pins = Pins::prepare(&config.gateway.bpffs)?;
    let dataplane = Dataplane::load(object, pins, Capacity::of(&config))?;
    let adopted = dataplane.adopted();

    let mut failure = None;
    let records = store.records().map_while(|record| record.map_err(|error| failure = Some(error)).ok());
    let (unix, utc_offset) = (clock::unix().as_nanos() as u64, clock::utc_offset());
    let mut node = Node::new(settings::node_config(&config, utc_offset)?, records, clock::now(), unix, seed()?)
        .context("the relay can't work with this configuration")?;
    if let Some(error) = failure {
        return Err(error).context("load the store");
    }

    let control = ControlSocket::bind(&config.gateway.control, config.gateway.control_group.as_deref())?;
    let (asker, questions) = questions();
    if let Some(address) = config.gateway.metrics {
        tokio::spawn(Metrics::bind(address, "gateway.metrics").await?.serve(asker.clone()));
    }
    let (sender, received) = mpsc::channel(BACKLOG);
    let giaddrs: Vec<Ipv4Addr> = config.fpcs.iter().map(|fpc| fpc.giaddr).collect();
    let upstream = Upstream::open(&giaddrs, &sender)?;
    let links: Vec<Ipv6Addr> = config.fpcs.iter().filter_map(|fpc| fpc.link_address6).collect();
    let six = config.dhcpv6.as_ref().map(|six| {
        let (routes, upstream) = (dataplane.open_routes6()?, Upstream::open(&links, &sender)?);
        let link_local = config.cluster.as_ref().map(|cluster| cluster.link_local);
        anyhow::Ok(Six { routes, announce: six.announce_prefixes, upstream, link_local })
    });
    // A line card's address may go with its interface, and the answer to its single logout comes after that.
    let mut locals = Routes::open()?;
    giaddrs.iter().for_each(|giaddr| locals.add_local(*giaddr));
    links.iter().for_each(|link| locals.add_local6(*link));
    locals.flush();
    let embedded = config.dhcp_server.clone().map(Embedded::start).transpose()?;
    tokio::spawn(control.serve(asker.with_leases(embedded.as_ref().map(Embedded::lookup))));
    let kernel = config.gateway.kernel_routes.then(RouteWriter::start).transpose()?;
    let (calls, heard) = super::calls::Calls::new();
    let announce = config.gateway.announce_subnets;
    let mut outbox = Outbox::new(store, RawSender::open()?, upstream, six.transpose()?, kernel, announce, calls);
    outbox.adopt_aggregates()?;
    let rings = dataplane.rings()?;
    let mut inputs = Inputs::new(rings, Monitor::open()?, received, questions, heard);

    let (membership, members) = cluster::membership::begin(&config, &dataplane)?.unzip();
    node.handle_dataplane(Box::new(dataplane.last_seen(config.dhcpv6.is_some())?));
    node.watch(settings::liveness(&config), clock::now());
    let mut gateway = Gateway {
        ports: Ports::new(&config),
        config,
        node,
        dataplane,
        locals: BTreeSet::new(),
        tables6: Tables6::default(),
        outbox,
        clock_offset: clock_offset(),
        utc_offset,
        housekeepings: 0,
        began,
        recent: Lately::new(),
        causes: BTreeMap::new(),
        embedded,
        counted: RefCell::new((Arc::default(), Instant::ZERO)),
        reminders: Reminders::default(),
        announcing: Announcing::default(),
        membership,
        flushing: Vec::new(),
        refused: Throttle::new("the cluster"),
        held_lost: 0,
        held_overrun: 0,
        fenced_frames: 0,
    };
    inputs.members = members;
    let inputs = gateway.bring_up(inputs).await?;
    let took = clock::now().since(began);
    let sessions = gateway.node.session_count();
    tracing::info!(sessions, adopted, ?took, "serving");
    Ok((gateway, inputs))
}

impl Gateway {
    async fn bring_up(&mut self, mut inputs: Inputs) -> anyhow::Result<Inputs> {
        let mut links = Vec::new();
        inputs
            .monitor
            .list(|change| match change {
                Change::Link(link) => links.push(link),
                other => drop(self.note(other)),
            })
            .await
            .context("list interfaces and addresses")?;
        for link in links {
            if let Some(place) = self.ports.place_of(&link.name) {
                self.ports.set(place, Some(link));
            }
        }
        let delivery = &self.dataplane.delivery;
        // In a cluster these are the core's to write.
        if self.membership.is_none() {
            delivery.set_role(&Role::default()).context("write the CLUSTER map")?;
            delivery.set_members(&[]).context("write the MEMBERS map")?;
            delivery.set_units(&self.config.units.table()).context("write the UNITS map")?;
        }
        self.write_locals()?;

        let now = clock::now();
        let found = reconcile::routes(&self.node, &self.dataplane, &self.ports, &mut self.outbox, now)?;
        let (kept, removed, installed) = (found.kept, found.removed, found.installed);
        tracing::info!(kept, removed, installed, "routes agree with the store");
        if self.outbox.six.is_some() {
            let found = reconcile6::routes(&self.node, &self.ports, &mut self.outbox, now)?;
            let (kept, removed, installed) = (found.kept, found.removed, found.installed);
            tracing::info!(kept, removed, installed, "IPv6 routes agree with the store");
        }

        let interfaces: Vec<_> = self.ports.iter().map(|entry| entry.name.as_str()).collect();
        let present: Vec<_> = self.ports.iter().filter_map(|entry| Some(entry.link.as_ref()?.ifindex)).collect();
        self.dataplane.retain(&interfaces, &present)?;
        sysctl::check_forwarding(&interfaces);
        if self.config.dhcpv6.is_some() {
            sysctl::check_forwarding6(&interfaces);
        }
        for place in 0..self.ports.len() {
            self.first_look(place, now)?;
        }
        self.tell_segments();
        self.recover_at_start(now);
        self.carry_out(now);
        Ok(inputs)
    }
}

/// A number nobody can guess.
fn seed() -> anyhow::Result<u64> {
    Ok(u64::from_ne_bytes(crate::io::random::octets()?))
}
