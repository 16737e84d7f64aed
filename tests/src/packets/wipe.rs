//! Maps as they were when the object was loaded. The verifier takes seconds for the programs, this takes milliseconds.

use anyhow::{Context as _, Result, bail};
use aya::maps::{Map, MapData, RingBuf};

use super::Plane;
use super::batch::{bpf, copies, descriptor, element, fill};

/// Commands of bpf(2).
const DELETE: libc::c_long = 3;
const NEXT_KEY: libc::c_long = 4;

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
                Map::PerCpuArray(data) => zero(data, copies()?),
                Map::HashMap(data) | Map::LruHashMap(data) | Map::DevMapHash(data) => empty(data),
                Map::RingBuf(_) => drain(map),
                _ => bail!("nobody said how to empty a map of this kind"),
            }
            .with_context(|| format!("empty {name}"))?;
        }
        Ok(())
    }
}

/// Zeroes all values of an array; each is kept `copies` times.
fn zero(array: &MapData, copies: usize) -> Result<()> {
    fill(array, &vec![0; element(array, copies)?])
}

fn drain(ring: &mut Map) -> Result<()> {
    let mut ring = RingBuf::try_from(ring)?;
    while ring.next().is_some() {}
    Ok(())
}

/// Deletes the first entry of a hash until there is none.
fn empty(hash: &MapData) -> Result<()> {
    let info = hash.info()?;
    let key = vec![0_u8; info.key_size() as usize];
    let map = descriptor(hash);
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
