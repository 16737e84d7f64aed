//! The data plane, loaded for a test.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use aya::maps::{Array, HashMap, Map, MapData, RingBuf};
use aya::programs::{ProgramError, TestRun as _, TestRunAttrs, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use gateway_common::Ip4;
use gateway_common::cluster::{MemberKey, MemberMac, PeerKey, Role};
use gateway_common::event::Event;
use gateway_common::fpc::Cohort;
use gateway_common::maps;
use gateway_common::port::Port;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::route6::Route6Key;
use gateway_common::settings::Settings;
use gateway_common::unit::UnitState;
use gateway_common::verdict::{Program, Verdict};
use nix::sys::signal::{SigSet, SigmaskHow};

use super::batch;
use super::record::{DropRecord, PuntRecord};

/// What the kernel does with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// `XDP_DROP`
    Drop,
    /// `XDP_PASS`
    Pass,
    /// `XDP_TX`
    Tx,
    /// `XDP_REDIRECT`
    Redirect,
}

/// What became of one frame.
#[derive(Clone, PartialEq, Debug)]
pub struct Ran {
    /// What the kernel would do.
    pub action: Action,
    /// The one verdict that was counted.
    pub verdict: Verdict,
    /// The frame as the program left it.
    pub frame: Vec<u8>,
}

/// Both programs with their maps. Nothing is pinned or attached; all is gone when it is dropped.
pub struct Plane(pub(crate) Ebpf);

/// The interface index that frames come in on: the namespace's loopback.
pub const INGRESS: u32 = 1;

impl Plane {
    /// Loads the object that `cargo xtask build` made, with room for `capacity` subscribers. All units are ours, and
    /// there is one cohort of epoch 0.
    ///
    /// # Errors
    ///
    /// When there is no object, or the kernel refuses it: the error has the verifier's words.
    pub fn load(capacity: u32) -> Result<Self> {
        let object = object("gateway-ebpf")?;
        let mut loader = EbpfLoader::new();
        for name in [maps::ROUTES, maps::SUBSCRIBERS, maps::ROUTES6, maps::SUBSCRIBERS6] {
            loader.map_max_entries(name, capacity);
        }
        let mut ebpf = loader
            .load_file(&object)
            .with_context(|| format!("{} can't be loaded; are you root?", object.display()))?;
        for name in [maps::ACCESS, maps::UPSTREAM] {
            let program: &mut Xdp = ebpf.program_mut(name).context(name)?.try_into()?;
            load(program).with_context(|| format!("program {name}"))?;
        }
        let mut plane = Self(ebpf);
        plane.own_all(UnitState::OWN)?;
        Ok(plane)
    }

    /// Pins the maps below `bpffs`, for whoever opens them by name.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn pin(&self, bpffs: &Path) -> Result<()> {
        maps::ALL.iter().try_for_each(|name| Ok(self.0.map(name).context(*name)?.pin(bpffs.join(name))?))
    }

    /// The access or upstream program.
    pub fn program(&mut self, program: Program) -> Result<&mut Xdp> {
        let name = match program {
            Program::Access => maps::ACCESS,
            Program::Upstream => maps::UPSTREAM,
        };
        Ok(self.0.program_mut(name).context(name)?.try_into()?)
    }

    /// Runs `frame` through a program once.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the frame (under 14 octets), or when not exactly one verdict was counted with the
    /// frame's length.
    pub fn run(&mut self, program: Program, frame: &[u8]) -> Result<Ran> {
        self.run_counted(program, frame, program, frame.len())
    }

    /// The same for a frame that carries another of `octets`, which is counted as one of the `counted` program's.
    ///
    /// # Errors
    ///
    /// As [`Plane::run`].
    pub fn run_counted(&mut self, program: Program, frame: &[u8], counted: Program, octets: usize) -> Result<Ran> {
        let before = self.counters(counted)?;
        let mut out = vec![0; frame.len() + 256];
        let result = self.program(program)?.test_run(TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            repeat: 1,
            ..TestRunOptions::default()
        })?;
        out.truncate(result.data_size_out as usize);
        let action = match result.return_value {
            1 => Action::Drop,
            2 => Action::Pass,
            3 => Action::Tx,
            4 => Action::Redirect,
            other => bail!("the program returned {other}"),
        };
        let after = self.counters(counted)?;
        let counted: Vec<_> = Verdict::ALL.iter().filter(|v| before[**v as usize] != after[**v as usize]).collect();
        let [verdict] = counted[..] else { bail!("verdicts counted for one frame: {counted:?}") };
        let (was, is) = (before[*verdict as usize], after[*verdict as usize]);
        if is.packets - was.packets != 1 || is.octets - was.octets != octets as u64 {
            bail!("{octets} octets were counted as {was:?} -> {is:?}");
        }
        Ok(Ran { action, verdict: *verdict, frame: out })
    }

    /// Treats a frame as if it had just come in on `ifindex`, and has the kernel do what the program says.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn inject(&mut self, program: Program, ifindex: u32, frame: &[u8]) -> Result<()> {
        // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
        let context = [0, frame.len() as u32, 0, ifindex, 0, 0].map(u32::to_ne_bytes).concat();
        self.program(program)?.test_run(TestRunOptions {
            data_in: Some(frame),
            ctx_in: Some(&context),
            repeat: 1,
            attrs: TestRunAttrs::new().xdp_live_frames(1),
            ..TestRunOptions::default()
        })?;
        Ok(())
    }

    /// Gives all units one disposition.
    pub fn own_all(&mut self, disposition: u8) -> Result<()> {
        self.units(UnitState::all(disposition, 1))
    }

    /// Gives one unit a disposition.
    pub fn own(&mut self, unit: u32, disposition: u8) -> Result<()> {
        self.unit(unit, UnitState::all(disposition, 1))
    }

    /// Gives all units one state.
    pub fn units(&mut self, state: UnitState) -> Result<()> {
        let Some(Map::Array(units)) = self.0.map(maps::UNITS) else { bail!("no array {}", maps::UNITS) };
        let UnitState { data, dhcp, owner } = state;
        let [first, second] = owner.to_ne_bytes();
        batch::fill(units, &[data, dhcp, first, second])
    }

    /// Gives one unit a state.
    pub fn unit(&mut self, unit: u32, state: UnitState) -> Result<()> {
        Ok(self.array::<UnitState>(maps::UNITS)?.set(unit, state, 0)?)
    }

    /// Says what this member is in its cluster.
    pub fn role(&mut self, role: Role) -> Result<()> {
        Ok(self.array::<Role>(maps::CLUSTER)?.set(0, role, 0)?)
    }

    /// Makes a member known on the segment of an interface.
    pub fn member(&mut self, ifindex: u32, member: u32, mac: [u8; 6]) -> Result<()> {
        self.hash(maps::MEMBERS)?.insert(MemberKey { ifindex, member }, MemberMac { mac, reserved: 0 }, 0)?;
        Ok(self.hash(maps::PEERS)?.insert(PeerKey { ifindex, mac, reserved: 0 }, member, 0)?)
    }

    /// Forgets a member.
    pub fn forget_member(&mut self, ifindex: u32, member: u32, mac: [u8; 6]) -> Result<()> {
        let _ = self.hash::<MemberKey, MemberMac>(maps::MEMBERS)?.remove(&MemberKey { ifindex, member });
        let _ = self.hash::<PeerKey, u32>(maps::PEERS)?.remove(&PeerKey { ifindex, mac, reserved: 0 });
        Ok(())
    }

    /// Says which access port is at a place of the configuration.
    pub fn place(&mut self, place: u16, ifindex: u32) -> Result<()> {
        Ok(self.array::<u32>(maps::PLACES)?.set(u32::from(place), ifindex, 0)?)
    }

    /// Replaces the settings.
    pub fn settings(&mut self, settings: Settings) -> Result<()> {
        Ok(self.array::<Settings>(maps::SETTINGS)?.set(0, settings, 0)?)
    }

    /// Sets a cohort's least valid epoch.
    pub fn cohort(&mut self, cohort: u16, least_epoch: u32) -> Result<()> {
        let value = Cohort { least_epoch, fpc: 0 };
        Ok(self.array::<Cohort>(maps::COHORTS)?.set(u32::from(cohort), value, 0)?)
    }

    /// Adds an own address.
    pub fn local(&mut self, address: Ipv4Addr) -> Result<()> {
        Ok(self.hash(maps::LOCALS)?.insert(Ip4::from(address), maps::LOCAL_OWN, 0)?)
    }

    /// Adds an own address at which a DHCP server of this host listens.
    pub fn server(&mut self, address: Ipv4Addr) -> Result<()> {
        let value = maps::LOCAL_OWN | maps::LOCAL_SERVER;
        Ok(self.hash(maps::LOCALS)?.insert(Ip4::from(address), value, 0)?)
    }

    /// Adds an address that all members of a cluster have.
    pub fn shared(&mut self, address: Ipv4Addr) -> Result<()> {
        Ok(self.hash(maps::LOCALS)?.insert(Ip4::from(address), maps::LOCAL_SHARED, 0)?)
    }

    /// Adds a port; `device`: packets may be redirected to it.
    pub fn port(&mut self, ifindex: u32, port: Port, device: bool) -> Result<()> {
        self.hash::<u32, Port>(maps::PORTS)?.insert(ifindex, port, 0)?;
        if device {
            let map = self.0.map_mut(maps::DEVICES).context(maps::DEVICES)?;
            aya::maps::xdp::DevMapHash::try_from(map)?.insert(ifindex, ifindex, None, 0)?;
        }
        Ok(())
    }

    /// Takes a port out of the table.
    pub fn forget_port(&mut self, ifindex: u32) -> Result<()> {
        Ok(self.hash::<u32, Port>(maps::PORTS)?.remove(&ifindex)?)
    }

    /// Moves a port to another interface.
    pub fn move_port(&mut self, from: u32, to: u32) -> Result<()> {
        let mut ports = self.hash::<u32, Port>(maps::PORTS)?;
        let port = ports.get(&from, 0)?;
        ports.remove(&from)?;
        Ok(ports.insert(to, port, 0)?)
    }

    /// Moves the sessions of one interface to another.
    pub fn move_routes(&mut self, from: u32, to: u32) -> Result<()> {
        move_all::<Ip4>(self.hash(maps::ROUTES)?, from, to)?;
        move_all::<Route6Key>(self.hash(maps::ROUTES6)?, from, to)
    }

    /// Adds a session: its route, and its cell with `expires_ns` since boot.
    pub fn route(&mut self, address: Ipv4Addr, route: AccessRoute, expires_ns: u64) -> Result<()> {
        self.hash::<Ip4, AccessRoute>(maps::ROUTES)?.insert(Ip4::from(address), route, 0)?;
        self.set_subscriber(route.slot, Subscriber { expires_ns, ..Subscriber::default() })
    }

    /// Overwrites the cell of a session.
    pub fn set_subscriber(&mut self, slot: u32, subscriber: Subscriber) -> Result<()> {
        Ok(self.array::<Subscriber>(maps::SUBSCRIBERS)?.set(slot, subscriber, 0)?)
    }

    /// The cell of a session.
    pub fn subscriber(&mut self, slot: u32) -> Result<Subscriber> {
        Ok(self.array::<Subscriber>(maps::SUBSCRIBERS)?.get(&slot, 0)?)
    }

    /// What is waiting in the punt ring.
    pub fn punted(&mut self) -> Result<Vec<PuntRecord>> {
        Ok(self.ring(maps::PUNT)?.iter().map(|octets| PuntRecord::parse(octets)).collect())
    }

    /// What is waiting in the event ring.
    pub fn events(&mut self) -> Result<Vec<Event>> {
        Ok(self.ring(maps::EVENTS)?.iter().map(|octets| super::record::event(octets)).collect())
    }

    /// What is waiting in the drop ring.
    pub fn dropped(&mut self) -> Result<Vec<DropRecord>> {
        Ok(self.ring(maps::DROPS)?.iter().map(|octets| DropRecord::parse(octets)).collect())
    }

    fn ring(&mut self, name: &str) -> Result<Vec<Vec<u8>>> {
        let mut ring = RingBuf::try_from(self.0.map_mut(name).context("no such ring")?)?;
        let mut records = Vec::new();
        while let Some(record) = ring.next() {
            records.push(record.to_vec());
        }
        Ok(records)
    }

    pub(super) fn array<V: aya::Pod>(&mut self, name: &'static str) -> Result<Array<&mut MapData, V>> {
        Ok(Array::try_from(self.0.map_mut(name).context(name)?)?)
    }

    pub(super) fn hash<K: aya::Pod, V: aya::Pod>(&mut self, name: &'static str) -> Result<HashMap<&mut MapData, K, V>> {
        Ok(HashMap::try_from(self.0.map_mut(name).context(name)?)?)
    }
}

fn move_all<K: aya::Pod>(mut routes: HashMap<&mut MapData, K, AccessRoute>, from: u32, to: u32) -> Result<()> {
    let all: Vec<_> = routes.iter().collect::<Result<_, _>>()?;
    for (key, route) in all.into_iter().filter(|(_, route)| route.ifindex == from) {
        routes.insert(key, AccessRoute { ifindex: to, ..route }, 0)?;
    }
    Ok(())
}

/// The verifier gives up with EAGAIN while a signal or other work waits for the thread. Signals are kept from it: that a
/// child of another test ended, say.
fn load(program: &mut Xdp) -> Result<()> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let gave_up = |loaded: &std::result::Result<(), ProgramError>| matches!(loaded, Err(ProgramError::LoadError { io_error, .. }) if io_error.kind() == ErrorKind::WouldBlock);
    let mut loaded = program.load();
    for _ in 1..5 {
        if !gave_up(&loaded) {
            break;
        }
        loaded = program.load();
    }
    before.thread_set_mask()?;
    Ok(loaded?)
}

/// Where an object is: beside `$GATEWAY_EBPF_OBJECT`, else where `cargo xtask build` puts it.
///
/// # Errors
///
/// When it is not there: says how to make it.
pub(crate) fn object(name: &str) -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let object = std::env::var_os("GATEWAY_EBPF_OBJECT")
        .map_or_else(|| workspace.join("target/bpf/gateway-ebpf"), PathBuf::from);
    let path = object.with_file_name(name);
    if !path.is_file() {
        bail!("there is no eBPF object at {}: run `cargo xtask test`, or `cargo xtask build` first", path.display());
    }
    Ok(path)
}
