//! The gateway's directory in bpffs: what of it can be adopted, and how it is made and cleared.
//!
//! ```text
//! <bpffs>/ROUTES, SUBSCRIBERS, …   the maps, by their names
//! <bpffs>/links/<interface>        the attachment of a program to an interface
//! ```

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, bail, ensure};
use aya::maps::{MapData, MapInfo};
use gateway_common::bucket::BucketKey;
use gateway_common::cluster::{MemberKey, MemberMac, PeerKey, Role};
use gateway_common::fpc::{Cohort, MAX_COHORTS};
use gateway_common::layout::ABI;
use gateway_common::maps;
use gateway_common::port::Port;
use gateway_common::route::{AccessRoute, Subscriber};
use gateway_common::route6::{Prefixes, Route6Key};
use gateway_common::settings::Settings;
use gateway_common::unit::{UNITS, UnitState};
use gateway_common::verdict::{Counter, Verdict};

use super::Capacity;
use super::table::Table;

const BPF_FS_MAGIC: i64 = 0xcafe_4a11;
const STANDARD_MOUNT: &str = "/sys/fs/bpf";

/// The pins of one gateway.
pub(crate) struct Pins {
    dir: PathBuf,
}

impl Pins {
    /// Makes `dir` exist inside a bpffs, mounting one when there is none: at /sys/fs/bpf if `dir` is below it, else
    /// at `dir` itself.
    pub(crate) fn prepare(dir: &Path) -> anyhow::Result<Self> {
        if !in_bpffs(dir) {
            let standard = Path::new(STANDARD_MOUNT);
            let mount_point = if dir.starts_with(standard) { standard } else { dir };
            fs::create_dir_all(mount_point).with_context(|| format!("create {}", mount_point.display()))?;
            mount_bpffs(mount_point).with_context(|| {
                format!("mount a bpffs at {0} (`mount -t bpf bpf {0}` does the same)", mount_point.display())
            })?;
            tracing::info!(at = %mount_point.display(), "mounted bpffs");
        }
        let pins = Self::at(dir);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(pins.links())
            .with_context(|| format!("create {}", pins.links().display()))?;
        Ok(pins)
    }

    /// Those of `dir`, whether it exists or not.
    pub(super) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Where they are.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Path of a map's pin.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Path of a link's pin. Dots are not allowed in bpffs, but in interface names.
    pub(super) fn link(&self, interface: &str) -> PathBuf {
        self.links().join(interface.replace('%', "%25").replace('.', "%2e"))
    }

    fn links(&self) -> PathBuf {
        self.dir.join("links")
    }

    /// Interfaces with a pinned link.
    pub(super) fn pinned_links(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(self.links())?.map(|entry| Ok(entry?.file_name()));
        names.map(|name| name.map(|name| name.to_string_lossy().replace("%2e", ".").replace("%25", "%"))).collect()
    }

    /// Removes every pin. The programs are detached and the maps freed as soon as nobody holds them open.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        for interface in self.pinned_links()? {
            remove(&self.link(&interface))?;
        }
        maps::ALL.iter().try_for_each(|name| remove(&self.map(name)))
    }

    /// Whether pinned maps are there and can be used as they are; an error says what to do when they can't.
    pub(super) fn adoptable(&self, capacity: Capacity) -> anyhow::Result<bool> {
        let mut found = false;
        for &(name, key, value, entries) in &layouts(capacity) {
            let path = self.map(name);
            if !path.exists() {
                continue;
            }
            found = true;
            let info: MapInfo = MapData::from_pin(&path)
                .and_then(|map| map.info())
                .with_context(|| format!("open the map pinned at {}", path.display()))?;
            let have = (info.key_size() as usize, info.value_size() as usize);
            if have != (key, value) {
                let what = format!("keys and values of {} and {} octets, here {key} and {value}", have.0, have.1);
                return Err(incompatible(&path, &what));
            }
            if info.max_entries() != entries {
                let what = format!("a capacity of {}, the configuration asks for {entries}", info.max_entries());
                return Err(incompatible(&path, &what));
            }
        }
        let settings = self.map(maps::SETTINGS);
        if settings.exists() {
            let abi = Table::<u32, Settings>::open(&settings)?.get(&0)?.unwrap_or_default().abi;
            if abi != 0 && abi != ABI {
                return Err(incompatible(&settings, &format!("ABI version {abi}, this gateway has {ABI}")));
            }
        }
        Ok(found)
    }
}

fn incompatible(path: &Path, what: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "the data plane that is pinned and forwarding can't be adopted: {} has {what}. Start the gateway that pinned \
         it, with its configuration, or replace it with `gateway run --reset` (forwarding stops until the new one is \
         attached; sessions are kept in the store and installed again)",
        path.display(),
    )
}

/// Name, octets of key and value, and entries of each map whose content outlives the process.
fn layouts(capacity: Capacity) -> [(&'static str, usize, usize, u32); 19] {
    let Capacity { addresses, prefixes } = capacity;
    const IP4: usize = size_of::<gateway_common::Ip4>();
    const IP6: usize = size_of::<gateway_common::Ip6>();
    const INDEX: usize = size_of::<u32>();
    [
        (maps::ROUTES, IP4, size_of::<AccessRoute>(), addresses),
        (maps::SUBSCRIBERS, INDEX, size_of::<Subscriber>(), addresses),
        (maps::ROUTES6, size_of::<Route6Key>(), size_of::<AccessRoute>(), prefixes),
        (maps::SUBSCRIBERS6, INDEX, size_of::<Subscriber>(), prefixes),
        (maps::PREFIXES, INDEX, size_of::<Prefixes>(), 1),
        (maps::COHORTS, INDEX, size_of::<Cohort>(), MAX_COHORTS),
        (maps::UNITS, INDEX, size_of::<UnitState>(), UNITS),
        (maps::CLUSTER, INDEX, size_of::<Role>(), 1),
        (maps::MEMBERS, size_of::<MemberKey>(), size_of::<MemberMac>(), maps::MAX_MEMBERS),
        (maps::PEERS, size_of::<PeerKey>(), INDEX, maps::MAX_MEMBERS),
        (maps::PLACES, INDEX, INDEX, maps::MAX_PORTS),
        (maps::PORTS, INDEX, size_of::<Port>(), maps::MAX_PORTS),
        (maps::LOCALS, IP4, size_of::<u32>(), maps::MAX_LOCALS),
        (maps::LOCALS6, IP6, size_of::<u32>(), maps::MAX_LOCALS),
        (maps::DEVICES, INDEX, 8, maps::MAX_PORTS),
        (maps::SETTINGS, INDEX, size_of::<Settings>(), 1),
        (maps::BUCKETS, size_of::<BucketKey>(), size_of::<u64>(), maps::MAX_BUCKETS),
        (maps::COUNTERS, INDEX, size_of::<Counter>(), 2 * Verdict::COUNT),
        (maps::CHUNKS, INDEX, size_of::<u64>(), gateway_common::sctp::COUNTERS),
    ]
}

/// Removes a pin; one that is not there is fine.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove the pin {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Whether `dir`, or what exists of it, is inside a bpffs.
pub(crate) fn in_bpffs(dir: &Path) -> bool {
    let existing = dir.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let Ok(path) = CString::new(existing.as_os_str().as_bytes()) else { return false };
    // SAFETY: statfs is plain data, and the kernel fills it when it returns 0.
    let mut facts: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated path and a live buffer.
    let result = unsafe { libc::statfs(path.as_ptr(), &raw mut facts) };
    result == 0 && facts.f_type as i64 == BPF_FS_MAGIC
}

fn mount_bpffs(at: &Path) -> anyhow::Result<()> {
    let target = CString::new(at.as_os_str().as_bytes())?;
    ensure!(at.is_dir(), "{} is not a directory", at.display());
    // SAFETY: NUL-terminated strings; bpf needs no mount data.
    let result =
        unsafe { libc::mount(c"bpf".as_ptr(), target.as_ptr(), c"bpf".as_ptr(), 0, c"mode=0700".as_ptr().cast()) };
    if result != 0 {
        bail!(io::Error::last_os_error());
    }
    Ok(())
}
