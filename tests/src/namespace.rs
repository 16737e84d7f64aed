//! A network namespace of our own, with mounts of its own.

use crate::{process, wait};
use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::ffi::OsStr;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Where `ip netns` keeps its names.
pub(crate) const NAMES: &str = "/run/netns";

/// A named network namespace and a private mount namespace beside it.
///
/// The mounts: a bpffs on `/sys/fs/bpf`, sysfs of this network namespace, tmpfs on `/run` and on the state
/// directories of DHCP programs, and an `/etc/resolv.conf` that no client can carry to the host.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    net: File,
    mounts: File,
    owned: AtomicBool,
}

impl Namespace {
    /// Make the namespace `name`, with loopback up. It is deleted on drop.
    pub fn create(name: &str) -> Result<Self> {
        process::output(Command::new("ip").args(["netns", "add", name]))?;
        let net = File::open(Path::new(NAMES).join(name)).context("namespace vanished")?;
        let made = thread(|| private_mounts(&net)).and_then(|mounts| {
            let namespace =
                Namespace { name: name.to_owned(), net: net.try_clone()?, mounts, owned: AtomicBool::new(true) };
            namespace.ip("link set lo up")?;
            Ok(namespace)
        });
        if made.is_err() {
            // Errors of the clean-up would hide the cause.
            let _ = delete(name);
        }
        made.with_context(|| format!("cannot make namespace {name}"))
    }

    /// Enter a namespace that [`Namespace::keep`] has left. It is not deleted on drop.
    pub fn open(name: &str, mounts: &Path) -> Result<Self> {
        let net = File::open(Path::new(NAMES).join(name)).with_context(|| format!("no namespace {name}"))?;
        let mounts = File::open(mounts).with_context(|| format!("no mounts at {}", mounts.display()))?;
        Ok(Namespace { name: name.to_owned(), net, mounts, owned: AtomicBool::new(false) })
    }

    /// Let it outlive this process: bind its mounts to the file `at`.
    pub fn keep(&self, at: &Path) -> Result<()> {
        File::create(at)?;
        let source = PathBuf::from(format!("/proc/self/fd/{}", self.mounts.as_raw_fd()));
        mount(Some(&source), at, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .with_context(|| format!("cannot keep the mounts of {} at {}", self.name, at.display()))?;
        self.owned.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Its name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside. Paths must be absolute.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let (net, mounts) = (self.net.as_raw_fd(), self.mounts.as_raw_fd());
        let enter = move || {
            // SAFETY: both descriptors were inherited by fork and stay open until exec.
            let (net, mounts) = unsafe { (BorrowedFd::borrow_raw(net), BorrowedFd::borrow_raw(mounts)) };
            setns(net, CloneFlags::CLONE_NEWNET)?;
            setns(mounts, CloneFlags::CLONE_NEWNS)?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure only makes two system calls and allocates nothing.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Run `work` in a thread of its own inside the namespace, and return what it returns.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread(|| {
            self.enter()?;
            Ok(work())
        })
    }

    /// Move the calling thread inside, for good. For threads that belong to a namespace, such as a capture's.
    pub fn enter(&self) -> Result<()> {
        setns(self.net.as_fd(), CloneFlags::CLONE_NEWNET).context("cannot enter the network namespace")?;
        // A mount namespace is entered by a thread that shares its root and working directory with no other.
        unshare(CloneFlags::CLONE_FS)?;
        setns(self.mounts.as_fd(), CloneFlags::CLONE_NEWNS).context("cannot enter the mount namespace")
    }

    /// `ip <arguments, separated by spaces>` inside; returns what it prints.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        process::output(self.command("ip").args(arguments.split_whitespace()))
    }

    /// Several `ip` commands in one process, one in each line. Stops at the first that fails.
    pub fn ip_batch(&self, lines: &str) -> Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(&file, lines)?;
        process::output(self.command("ip").arg("-batch").arg(file.path())).map(drop)
    }

    /// Set a sysctl, written with dots, such as `net.ipv4.ip_forward`.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = Path::new("/proc/sys").join(key.replace('.', "/"));
        self.run(|| std::fs::write(&path, value))?.with_context(|| format!("cannot set {key}"))
    }

    /// Whether a ping from here reaches `address` within `limit`. One that gets lost is followed by another: a client may have
    /// its address a moment before its route, and a busy host drops packets.
    pub fn reaches(&self, address: impl Into<IpAddr>, limit: Duration) -> bool {
        let address = address.into();
        let once = || process::output(&mut self.ping(address, limit.min(Duration::from_secs(1)))).is_ok();
        wait::until_true("an answer to a ping", limit, once).is_ok()
    }

    /// The same from an address of its own, not the one that the kernel would choose.
    pub fn reaches_from(&self, source: impl Into<IpAddr>, address: impl Into<IpAddr>, limit: Duration) -> bool {
        process::output(self.ping(address.into(), limit).args(["-I", &source.into().to_string()])).is_ok()
    }

    fn ping(&self, address: IpAddr, limit: Duration) -> Command {
        let seconds = limit.as_secs_f64().to_string();
        let mut ping = self.command("ping");
        ping.args(["-n", "-q", "-c", "1", "-W", &seconds]).arg(address.to_string());
        ping
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if *self.owned.get_mut()
            && let Err(error) = delete(&self.name)
        {
            eprintln!("lab: {error:#}");
        }
    }
}

/// End what still runs in the namespace `name`, and delete it.
pub(crate) fn delete(name: &str) -> Result<()> {
    for pid in process::output(Command::new("ip").args(["netns", "pids", name]))?.split_whitespace() {
        let pid = nix::unistd::Pid::from_raw(pid.parse()?);
        // It may have ended by itself since it was listed.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    process::output(Command::new("ip").args(["netns", "delete", name])).map(drop)
}

fn thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// A mount namespace for the network namespace `net`. The calling thread stays in it.
fn private_mounts(net: &File) -> Result<File> {
    setns(net.as_fd(), CloneFlags::CLONE_NEWNET)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    fresh("sysfs", "/sys")?;
    fresh("bpf", "/sys/fs/bpf")?;
    let resolver = Path::new("/etc/resolv.conf");
    if resolver.exists() {
        // A file of its own: /dev/null would be written through, the host's file would be changed.
        let own = tempfile::NamedTempFile::new()?;
        mount(Some(own.path()), resolver, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    }
    fresh("tmpfs", "/run")?;
    for directory in ["/var/lib/dhcp", "/var/lib/dhcpcd", "/var/lib/kea", "/var/lib/misc"] {
        if Path::new(directory).is_dir() {
            fresh("tmpfs", directory)?;
        }
    }
    Ok(File::open("/proc/thread-self/ns/mnt")?)
}

fn fresh(kind: &str, at: &str) -> Result<()> {
    mount(Some("gwlab"), at, Some(kind), MsFlags::empty(), None::<&str>)
        .with_context(|| format!("cannot mount {kind} on {at}"))
}
