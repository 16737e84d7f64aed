//! The data plane as user space sees it: loading, pinning, adopting, and typed access to the maps.
//!
//! Programs, maps and attachments are pinned, so that forwarding does not depend on this process. A start finds what
//! an earlier process left, checks that it fits, and exchanges the programs in place.

mod delivery;
mod inject;
mod object;
pub(crate) mod pinned;
mod pins;
mod ports;
mod ring;
pub mod routes6;
mod seen;
mod subscribers;
mod sys;
mod table;
mod traces;

use std::io;
use std::path::Path;

use anyhow::Context;
use aya::maps::PerCpuArray;
use aya::maps::{Map, MapData};
use aya::programs::Xdp;
use aya::{Ebpf, EbpfLoader};
use gateway_common::Ip4;
use gateway_common::fpc::Cohort;
use gateway_common::layout::ABI;
use gateway_common::maps;
use gateway_common::port::Port;
use gateway_common::route::AccessRoute;
use gateway_common::sctp::Chunk;
use gateway_common::settings::Settings;
use gateway_common::verdict::{Counter, Program, Verdict};

pub(crate) use delivery::Delivery;
pub(crate) use object::embedded;
pub(crate) use pins::{Pins, in_bpffs};
pub(crate) use ports::{Attached, Attachment, Mode};
pub(crate) use ring::{Ring, record};
pub(crate) use seen::LastSeen;
pub(crate) use subscribers::Subscribers;
pub(crate) use table::Table;

use crate::config::Config;

/// The loaded programs and the maps.
pub(crate) struct Dataplane {
    ebpf: Ebpf,
    pins: Pins,
    adopted: bool,
    /// Access routes by address.
    pub(crate) routes: Table<Ip4, AccessRoute>,
    /// Leases and counters by slot.
    pub(crate) subscribers: Subscribers,
    /// Least valid epochs by cohort.
    pub(crate) cohorts: Table<u32, Cohort>,
    /// The units and the cluster.
    pub(crate) delivery: Delivery,
    places: Table<u32, u32>,
    ports: Table<u32, Port>,
    /// The gateway's own addresses.
    pub(crate) locals: Table<Ip4, u32>,
    devices: Table<u32, [u32; 2]>,
    settings: Table<u32, Settings>,
    counters: PerCpuArray<MapData, Counter>,
    chunks: PerCpuArray<MapData, u64>,
}

/// What there is room for.
#[derive(Clone, Copy)]
pub(crate) struct Capacity {
    /// Subscribers with IPv4.
    pub(crate) addresses: u32,
    /// Addresses and delegated prefixes of IPv6, at least 1.
    pub(crate) prefixes: u32,
}

impl Capacity {
    /// What this configuration asks for.
    pub(crate) fn of(config: &Config) -> Self {
        let prefixes = config.dhcpv6.as_ref().map_or(maps::UNSERVED_CAPACITY, |six| six.capacity);
        Self { addresses: config.gateway.capacity, prefixes }
    }
}

/// Whether maps are pinned in `dir` that a gateway with this configuration would go on with; an error says why it would not.
pub(crate) fn adoptable(dir: &Path, capacity: Capacity) -> anyhow::Result<bool> {
    Pins::at(dir).adoptable(capacity)
}

/// The rings, apart from the rest because they are read while it is written.
pub(crate) struct Rings {
    /// DHCP frames, see `gateway_common::punt`.
    pub(crate) punt: Ring,
    /// `gateway_common::event::Event`.
    pub(crate) events: Ring,
    /// `gateway_common::event::DropSample`.
    pub(crate) drops: Ring,
}

impl Dataplane {
    /// Loads `object` over the maps pinned in `pins`, creating those that are missing with room for `capacity`. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// When the pinned maps are of another layout or capacity (the message says what to do), or the kernel refuses.
    pub(crate) fn load(object: &[u8], pins: Pins, capacity: Capacity) -> anyhow::Result<Self> {
        let adopted = pins.adoptable(capacity)?;
        let mut loader = EbpfLoader::new();
        for name in maps::ALL {
            loader.map_pin_path(name, pins.map(name));
        }
        for name in [maps::ROUTES, maps::SUBSCRIBERS] {
            loader.map_max_entries(name, capacity.addresses);
        }
        for name in [maps::ROUTES6, maps::SUBSCRIBERS6] {
            loader.map_max_entries(name, capacity.prefixes);
        }
        let mut ebpf = loader.load(object).context("load the eBPF object")?;
        if !adopted && let Err(error) = pins.adoptable(capacity) {
            pins.clear()?;
            return Err(error).context("the eBPF object is of another version than this program: `cargo xtask build`");
        }
        ports::load(&mut ebpf)?;
        traces::pass_on(&mut ebpf)?;
        let counters = MapData::from_pin(pins.map(maps::COUNTERS))?;
        let chunks = MapData::from_pin(pins.map(maps::CHUNKS))?;
        Ok(Self {
            ebpf,
            adopted,
            routes: Table::open(&pins.map(maps::ROUTES))?,
            subscribers: Subscribers::open(&pins.map(maps::SUBSCRIBERS))?,
            cohorts: Table::open(&pins.map(maps::COHORTS))?,
            delivery: Delivery::open(&pins)?,
            places: Table::open(&pins.map(maps::PLACES))?,
            ports: Table::open(&pins.map(maps::PORTS))?,
            locals: Table::open(&pins.map(maps::LOCALS))?,
            devices: Table::open(&pins.map(maps::DEVICES))?,
            settings: Table::open(&pins.map(maps::SETTINGS))?,
            counters: PerCpuArray::try_from(Map::from_map_data(counters)?)?,
            chunks: PerCpuArray::try_from(Map::from_map_data(chunks)?)?,
            pins,
        })
    }

    /// Whether an earlier process's maps were found.
    pub(crate) fn adopted(&self) -> bool {
        self.adopted
    }

    /// The cells of both versions of IP, to be read by who decides by them; `six`: IPv6 is served.
    pub(crate) fn last_seen(&self, six: bool) -> anyhow::Result<LastSeen> {
        let open = |name| Subscribers::open(&self.pins.map(name));
        let six = six.then(|| open(maps::SUBSCRIBERS6)).transpose()?;
        Ok(LastSeen::new(open(maps::SUBSCRIBERS)?, six))
    }

    /// Opens the rings. Must be called within a tokio runtime.
    pub(crate) fn rings(&self) -> anyhow::Result<Rings> {
        Ok(Rings {
            punt: Ring::open(&self.pins.map(maps::PUNT))?,
            events: Ring::open(&self.pins.map(maps::EVENTS))?,
            drops: Ring::open(&self.pins.map(maps::DROPS))?,
        })
    }

    /// Writes the settings, with the ABI version.
    pub(crate) fn set_settings(&self, settings: Settings) -> io::Result<()> {
        self.settings.put(&0, &Settings { abi: ABI, ..settings })
    }

    /// The maps of IPv6.
    pub(crate) fn open_routes6(&self) -> anyhow::Result<routes6::Routes6> {
        routes6::Routes6::open(self.pins.dir())
    }

    /// The maps of the cluster, opened once more for a thread of its own.
    pub(crate) fn open_delivery(&self) -> anyhow::Result<Delivery> {
        Delivery::open(&self.pins)
    }

    /// Treats `frame` as if it had just come in on the port `ifindex`: a frame that another member had, of a unit that is
    /// ours now. It is judged by the unit table like any other, so the unit must be ours before.
    ///
    /// # Errors
    /// When the interface is no port, or the kernel refuses (it can from Linux 5.18 on).
    pub(crate) fn inject(&self, program: Program, ifindex: u32, frame: &[u8]) -> anyhow::Result<()> {
        let name = match program {
            Program::Access => maps::ACCESS,
            Program::Upstream => maps::UPSTREAM,
        };
        let port = self.ports.get(&ifindex)?.with_context(|| format!("interface {ifindex} is no port"))?;
        let program: &Xdp = self.ebpf.program(name).context("the program is loaded")?.try_into()?;
        inject::inject(program, ifindex, port.mac, frame)
    }

    /// Attaches the program of `port.side` to an interface. The port's entry comes first, so that the first packet
    /// already finds it.
    pub(crate) fn attach(
        &mut self,
        interface: &str,
        ifindex: u32,
        port: &Port,
        mode: Mode,
        attached: Option<Attachment>,
    ) -> anyhow::Result<Attached> {
        self.ports.put(&ifindex, port).context("write the PORTS map")?;
        if port.place != Port::NO_PLACE {
            self.places.put(&port.place.into(), &ifindex).context("write the PLACES map")?;
        }
        self.devices.put(&ifindex, &[ifindex, 0]).context("write the DEVICES map")?;
        ports::attach(&mut self.ebpf, &self.pins, interface, ifindex, port.side, mode, attached)
    }

    /// Writes what is known about a port again (its MAC or MTU changed).
    pub(crate) fn set_port(&self, ifindex: u32, port: &Port) -> io::Result<()> {
        self.ports.put(&ifindex, port)
    }

    /// Forgets an interface that is gone.
    pub(crate) fn forget_port(&self, ifindex: u32) -> io::Result<()> {
        // The kernel itself drops a vanished interface from a device map.
        self.devices.remove(&ifindex)?;
        let place = self.ports.take(&ifindex)?.map_or(Port::NO_PLACE, |port| port.place);
        if place != Port::NO_PLACE && self.places.get(&place.into())? == Some(ifindex) {
            self.places.put(&place.into(), &0)?;
        }
        Ok(())
    }

    /// Whether an attachment to an interface of this name is pinned, be it there or gone.
    pub(crate) fn is_pinned(&self, interface: &str) -> bool {
        self.pins.link(interface).exists()
    }

    /// Removes the pin of an interface that is gone.
    pub(crate) fn unpin(&self, interface: &str) -> anyhow::Result<()> {
        pins::remove(&self.pins.link(interface))
    }

    /// Detaches from interfaces, and forgets ports, that are not in the configuration any more.
    pub(crate) fn retain(&self, interfaces: &[&str], ifindexes: &[u32]) -> anyhow::Result<()> {
        for interface in self.pins.pinned_links()? {
            if !interfaces.contains(&interface.as_str()) {
                tracing::info!(interface, "detached: no longer a port of this gateway");
                pins::remove(&self.pins.link(&interface))?;
            }
        }
        let mut stale = Vec::new();
        self.ports.for_each(|ifindex, _| stale.push(ifindex))?;
        stale.retain(|ifindex| !ifindexes.contains(ifindex));
        stale.into_iter().try_for_each(|ifindex| self.forget_port(ifindex)).map_err(Into::into)
    }

    /// The counter of each verdict, summed over the processors.
    pub(crate) fn counters(&self, program: Program) -> anyhow::Result<Vec<(Verdict, Counter)>> {
        Verdict::ALL
            .iter()
            .map(|&verdict| {
                let cells = self.counters.get(&verdict.counter(program), 0)?;
                let sum = cells.iter().fold(Counter::default(), |sum, cell| Counter {
                    packets: sum.packets + cell.packets,
                    octets: sum.octets + cell.octets,
                });
                Ok((verdict, sum))
            })
            .collect()
    }

    /// How many of these SCTP chunks were forwarded, summed over both programs and the processors.
    pub(crate) fn chunks(&self, chunk: Chunk) -> anyhow::Result<u64> {
        [Program::Access, Program::Upstream].iter().try_fold(0, |sum, &program| {
            let cells = self.chunks.get(&chunk.counter(program), 0)?;
            Ok(cells.iter().fold(sum, |sum, cell| sum + cell))
        })
    }

    /// Ends forwarding: removes every pin. The kernel lets go when this value is dropped as well.
    pub(crate) fn detach(self) -> anyhow::Result<()> {
        self.pins.clear()
    }
}

/// Removes the pins of an earlier process below `dir`, if there are any.
pub(crate) fn reset(dir: &Path) -> anyhow::Result<()> {
    Pins::prepare(dir)?.clear()
}
