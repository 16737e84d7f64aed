//! The programs that do the least: references, sources and sinks.

use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya::maps::{Map, PerCpuArray};
use aya::programs::xdp::XdpLinkId;
use aya::programs::{Xdp, XdpMode};

use crate::packets::plane::object;

/// The probes' object, loaded.
pub(crate) struct Probes(Ebpf);

impl Probes {
    pub(crate) fn load() -> Result<Self> {
        let mut ebpf = Ebpf::load_file(object("gateway-ebpf-probes")?)?;
        for name in ["bare", "pass", "source", "count"] {
            xdp(&mut ebpf, name)?.load().with_context(|| format!("program {name}"))?;
        }
        Ok(Self(ebpf))
    }

    /// One of `bare`, `pass`, `source` and `count`.
    pub(crate) fn program(&mut self, name: &str) -> Result<&mut Xdp> {
        xdp(&mut self.0, name)
    }

    /// Attaches a program; the link ends when it is detached, or with this object.
    pub(crate) fn attach(&mut self, name: &str, interface: &str, mode: XdpMode) -> Result<XdpLinkId> {
        self.program(name)?.attach(interface, mode).with_context(|| format!("{name} on {interface}"))
    }

    /// Detaches a program.
    pub(crate) fn detach(&mut self, name: &str, link: XdpLinkId) -> Result<()> {
        Ok(self.program(name)?.detach(link)?)
    }

    /// Frames that `count` has dropped so far.
    pub(crate) fn counted(&self) -> Result<u64> {
        let map = PerCpuArray::<_, u64>::try_from(self.0.map("COUNTED").context("COUNTED")?)?;
        Ok(map.get(&0, 0)?.iter().sum())
    }

    /// A map.
    pub(crate) fn map(&mut self, name: &str) -> Result<&mut Map> {
        self.0.map_mut(name).with_context(|| format!("no map {name}"))
    }
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    Ok(ebpf.program_mut(name).with_context(|| format!("no program {name}"))?.try_into()?)
}
