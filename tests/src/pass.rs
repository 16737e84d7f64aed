//! An XDP program that lets everything pass, for the far end of an access port's veth pair.
//!
//! What an XDP program on one end of a veth pair sends back (`XDP_TX`) waits in the other end's ring until something
//! else wakes it, unless there is an XDP program on the other end too (`veth_xdp_flush` in drivers/net/veth.c). The
//! gateway answers ARP that way: on tagged lines, and for neighbours on every line.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};

const PROG_LOAD: libc::c_long = 5;
const OBJECT_PIN: libc::c_long = 6;
const LINK_CREATE: libc::c_long = 28;
const TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
/// In the driver, not after it.
const DRIVER_MODE: u32 = 1 << 2;
/// `r0 = XDP_PASS; exit`.
const PASS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

/// `union bpf_attr` for `BPF_PROG_LOAD`, up to `expected_attach_type`.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    version_and_flags: u64,
    name: [u8; 16],
    ifindex: u32,
    attach_type: u32,
}

/// `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
struct Link {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// `union bpf_attr` for `BPF_OBJ_PIN`.
#[repr(C)]
struct Pin {
    path: u64,
    object: u32,
    flags: u32,
}

/// Attaches it to an interface of the current network namespace for as long as there is the interface: its link is pinned
/// in the bpffs of the current mount namespace.
pub(crate) fn attach_for_good(interface: &str) -> Result<()> {
    let link = attach(interface)?;
    let path = CString::new(format!("/sys/fs/bpf/pass-{interface}"))?;
    let pin = Pin { path: path.as_ptr() as u64, object: link.as_raw_fd().try_into()?, flags: 0 };
    bpf(OBJECT_PIN, &pin).map(drop).with_context(|| format!("cannot pin {path:?}"))
}

/// Attaches it to an interface of the current network namespace until the descriptor is closed.
pub fn attach(interface: &str) -> Result<OwnedFd> {
    let load = Load {
        kind: TYPE_XDP,
        count: PASS.len() as u32,
        instructions: PASS.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        name: *b"pass\0\0\0\0\0\0\0\0\0\0\0\0",
        attach_type: ATTACH_XDP,
        ..Load::default()
    };
    let program = descriptor(bpf(PROG_LOAD, &load).context("cannot load an XDP program")?);
    let ifindex = nix::net::if_::if_nametoindex(interface).with_context(|| format!("no interface {interface}"))?;
    let link = Link { program: program.as_raw_fd().try_into()?, ifindex, attach_type: ATTACH_XDP, flags: DRIVER_MODE };
    Ok(descriptor(bpf(LINK_CREATE, &link).with_context(|| format!("cannot attach an XDP program to {interface}"))?))
}

/// What the system call returns: a descriptor or 0.
fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<libc::c_int> {
    // SAFETY: `attributes` is laid out as the kernel's union for this command, and what it points to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, core::ptr::from_ref(attributes), size_of::<T>()) };
    libc::c_int::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}

fn descriptor(number: libc::c_int) -> OwnedFd {
    // SAFETY: only called with what a command has just made, which nobody else owns.
    unsafe { OwnedFd::from_raw_fd(number) }
}
