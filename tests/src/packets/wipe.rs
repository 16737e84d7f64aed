//! Maps as they were when the object was loaded. The verifier takes seconds for the programs, this takes milliseconds.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::{io, ptr};

use anyhow::{Context as _, Result, bail};
use aya::maps::{Map, MapData, RingBuf};

use super::Plane;

/// Commands of bpf(2).
const DELETE: libc::c_long = 3;
const NEXT_KEY: libc::c_long = 4;
const UPDATE_BATCH: libc::c_long = 26;

/// The part of `union bpf_attr` for one element.
#[repr(C)]
#[derive(Default)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    next_key: u64,
    flags: u64,
}

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

impl Plane {
    /// Empties every map: no entry in a hash, zero in an array, nothing waiting in a ring.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, and when there is a map of a kind that is not known here.
    pub fn wipe(&mut self) -> Result<()> {
        for (name, map) in self.0.maps_mut() {
            match map {
                // Constants of the programs; the kernel lets nobody write them.
                Map::Array(_) if name.starts_with(".rodata") => Ok(()),
                Map::Array(data) => zero(data, 1),
                Map::PerCpuArray(data) => zero(data, aya::util::nr_cpus().map_err(|(_, error)| error)?),
                Map::HashMap(data) | Map::LruHashMap(data) | Map::DevMapHash(data) => empty(data),
                Map::RingBuf(_) => drain(map),
                _ => bail!("nobody said how to empty a map of this kind"),
            }
            .with_context(|| format!("empty {name}"))?;
        }
        Ok(())
    }
}

fn drain(ring: &mut Map) -> Result<()> {
    let mut ring = RingBuf::try_from(ring)?;
    while ring.next().is_some() {}
    Ok(())
}

/// Zeroes all values of an array; each is kept `copies` times.
fn zero(array: &MapData, copies: usize) -> Result<()> {
    let info = array.info()?;
    let octets =
        if copies == 1 { info.value_size() as usize } else { (info.value_size() as usize).next_multiple_of(8) };
    let keys: Vec<u32> = (0..info.max_entries()).collect();
    let values = vec![0_u8; octets * copies * keys.len()];
    let mut batch = Batch {
        keys: keys.as_ptr() as u64,
        values: values.as_ptr() as u64,
        count: info.max_entries(),
        map: array.fd().as_fd().as_raw_fd().cast_unsigned(),
        ..Batch::default()
    };
    // SAFETY: keys and values are as many as the count says, of the sizes that the map has, and outlive the call.
    Ok(unsafe { bpf(UPDATE_BATCH, &mut batch) }?)
}

/// Deletes the first entry of a hash until there is none.
fn empty(hash: &MapData) -> Result<()> {
    let info = hash.info()?;
    let key = vec![0_u8; info.key_size() as usize];
    let map = hash.fd().as_fd().as_raw_fd().cast_unsigned();
    for _ in 0..=info.max_entries() {
        let mut first = Element { map, next_key: key.as_ptr() as u64, ..Element::default() };
        // SAFETY: without a key the kernel writes the first one where `next_key` says, and there is room for it.
        match unsafe { bpf(NEXT_KEY, &mut first) } {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
            result => result?,
        }
        let mut this = Element { map, key: key.as_ptr() as u64, ..Element::default() };
        // SAFETY: the key has the map's size and outlives the call.
        match unsafe { bpf(DELETE, &mut this) } {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            result => result?,
        }
    }
    bail!("it does not get empty")
}

/// bpf(2).
///
/// # Safety
///
/// All that `attributes` point at must be as the command wants it.
unsafe fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<()> {
    // SAFETY: the attributes are valid for their size; the rest is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
