//! An XDP program that lets everything pass, on the fleet's interface.
//!
//! What an XDP program on one end of a veth pair sends back (`XDP_TX`) waits in the other end's ring until something
//! else wakes it, unless there is an XDP program on the other end too (`veth_xdp_flush` in drivers/net/veth.c). The
//! gateway answers ARP on tagged lines that way.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};

const PROG_LOAD: libc::c_long = 5;
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

/// Attaches it to an interface of the current network namespace until the descriptor is closed. `None` when there is a
/// program already.
pub(super) fn attach(ifindex: u32) -> Result<Option<OwnedFd>> {
    let load = Load {
        kind: TYPE_XDP,
        count: PASS.len() as u32,
        instructions: PASS.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        name: *b"fleet_pass\0\0\0\0\0\0",
        attach_type: ATTACH_XDP,
        ..Load::default()
    };
    let program = bpf(PROG_LOAD, &load).context("cannot load the fleet's XDP program")?;
    let link = Link { program: program.as_raw_fd().try_into()?, ifindex, attach_type: ATTACH_XDP, flags: DRIVER_MODE };
    match bpf(LINK_CREATE, &link) {
        Ok(link) => Ok(Some(link)),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(None),
        Err(error) => Err(error).context("cannot attach the fleet's XDP program"),
    }
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: `attributes` is laid out as the kernel's union for this command, and what it points to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, core::ptr::from_ref(attributes), size_of::<T>()) };
    match i32::try_from(result) {
        // SAFETY: both commands return a new descriptor, which nobody else owns.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}
