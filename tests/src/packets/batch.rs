//! Whole arrays by one system call each. One for every element of every array would take most of a test's time in an emulated
//! machine.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::ptr;

use anyhow::{Result, ensure};
use aya::maps::MapData;

/// Commands of bpf(2).
const LOOKUP_BATCH: libc::c_long = 24;
const UPDATE_BATCH: libc::c_long = 26;

/// The part of `union bpf_attr` for many elements.
#[repr(C)]
#[derive(Default)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// How many copies of each element a per-CPU array has.
pub(super) fn copies() -> Result<usize> {
    aya::util::nr_cpus().map_err(|(_, error)| error.into())
}

/// Octets of an element with its copies. Only per-CPU arrays round each up.
pub(super) fn element(array: &MapData, copies: usize) -> Result<usize> {
    let octets = array.info()?.value_size() as usize;
    Ok(if copies == 1 { octets } else { octets.next_multiple_of(8) * copies })
}

/// Writes these octets to all elements of an array.
pub(super) fn fill(array: &MapData, element: &[u8]) -> Result<()> {
    let keys: Vec<u32> = (0..array.info()?.max_entries()).collect();
    let values = element.repeat(keys.len());
    let mut batch = Batch {
        keys: keys.as_ptr() as u64,
        values: values.as_ptr() as u64,
        count: keys.len() as u32,
        map: descriptor(array),
        ..Batch::default()
    };
    // SAFETY: keys and values are as many as the count says, of the sizes that the map has, and outlive the call.
    Ok(unsafe { bpf(UPDATE_BATCH, &mut batch) }?)
}

/// All elements of an array, one after the other.
pub(super) fn read(array: &MapData, copies: usize) -> Result<Vec<u8>> {
    let count = array.info()?.max_entries();
    let (mut keys, mut last) = (vec![0u32; count as usize], 0u32);
    let mut values = vec![0; element(array, copies)? * keys.len()];
    let mut batch = Batch {
        out_batch: (&raw mut last) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count,
        map: descriptor(array),
        ..Batch::default()
    };
    // SAFETY: there is room for as many keys and values as the count says, of the sizes that the map has, and for the last key;
    // all outlives the call.
    match unsafe { bpf(LOOKUP_BATCH, &mut batch) } {
        // There is none behind the last.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
        done => done?,
    }
    ensure!(batch.count == count, "{} of {count} elements were read", batch.count);
    Ok(values)
}

pub(super) fn descriptor(map: &MapData) -> u32 {
    map.fd().as_fd().as_raw_fd().cast_unsigned()
}

/// bpf(2).
///
/// # Safety
///
/// All that `attributes` point at must be as the command wants it.
pub(super) unsafe fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<()> {
    // SAFETY: the attributes are valid for their size; the rest is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
