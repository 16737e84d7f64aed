//! The few commands of bpf(2) that aya 0.14 has no call for: batches, look-up-and-delete, and a link's interface.
//!
//! Keys and values are [`Pod`], so that any octets the kernel returns are a valid value.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aya::Pod;

const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;
const MAP_DELETE: libc::c_int = 3;
const OBJ_GET: libc::c_int = 7;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const MAP_LOOKUP_AND_DELETE: libc::c_int = 21;
const MAP_LOOKUP_BATCH: libc::c_int = 24;
const MAP_UPDATE_BATCH: libc::c_int = 26;
const MAP_DELETE_BATCH: libc::c_int = 27;

/// `bpf_attr` of the one-element commands.
#[repr(C)]
#[derive(Default)]
struct Element {
    map_fd: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `bpf_attr` of the batch commands.
#[repr(C)]
#[derive(Default)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// `bpf_attr` of `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct Info {
    fd: u32,
    len: u32,
    info: u64,
}

fn bpf<A>(command: libc::c_int, attr: &mut A) -> io::Result<libc::c_int> {
    // SAFETY: `attr` is the command's `bpf_attr` of the given size; the pointers in it are to live buffers of the
    // sizes the map has, which `MapFd`'s callers ensure by its key and value types.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<A>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as libc::c_int) }
}

fn address<T>(slice: &[T]) -> u64 {
    slice.as_ptr() as u64
}

fn element<K: Pod>(map: BorrowedFd<'_>, key: &K) -> Element {
    Element { map_fd: map.as_raw_fd() as u32, key: std::ptr::from_ref(key) as u64, ..Element::default() }
}

/// The value under `key`, or `None`.
pub(super) fn lookup<K: Pod, V: Pod + Default>(map: BorrowedFd<'_>, key: &K) -> io::Result<Option<V>> {
    read(MAP_LOOKUP, map, key)
}

/// The value under `key`, which is then no longer in the map.
pub(super) fn take<K: Pod, V: Pod + Default>(map: BorrowedFd<'_>, key: &K) -> io::Result<Option<V>> {
    read(MAP_LOOKUP_AND_DELETE, map, key)
}

fn read<K: Pod, V: Pod + Default>(command: libc::c_int, map: BorrowedFd<'_>, key: &K) -> io::Result<Option<V>> {
    let mut value = V::default();
    let mut attr = Element { value: std::ptr::from_mut(&mut value) as u64, ..element(map, key) };
    match bpf(command, &mut attr) {
        Ok(_) => Ok(Some(value)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores one value.
pub(super) fn update<K: Pod, V: Pod>(map: BorrowedFd<'_>, key: &K, value: &V) -> io::Result<()> {
    bpf(MAP_UPDATE, &mut Element { value: std::ptr::from_ref(value) as u64, ..element(map, key) }).map(drop)
}

/// Removes one value. False when there was none.
pub(super) fn delete<K: Pod>(map: BorrowedFd<'_>, key: &K) -> io::Result<bool> {
    match bpf(MAP_DELETE, &mut element(map, key)) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Stores many values in one system call. On an error the first `n` are stored, fewer than all: `Err((n, error))`.
pub(super) fn update_batch<K: Pod, V: Pod>(
    map: BorrowedFd<'_>,
    keys: &[K],
    values: &[V],
) -> Result<(), (usize, io::Error)> {
    assert_eq!(keys.len(), values.len(), "a value for each key");
    let mut attr = batch(map, address(keys), address(values), keys.len());
    bpf(MAP_UPDATE_BATCH, &mut attr).map(drop).map_err(|error| (stored(attr.count as usize, keys.len()), error))
}

/// How many of `asked` a failed batch has stored. One that the kernel refuses before the first (for want of memory, say)
/// leaves `count` as it was asked.
fn stored(count: usize, asked: usize) -> usize {
    if count < asked { count } else { 0 }
}

/// Removes many values, passing over those that are not there; returns how many were.
pub(super) fn delete_batch<K: Pod>(map: BorrowedFd<'_>, mut keys: &[K]) -> io::Result<usize> {
    let mut deleted = 0;
    while !keys.is_empty() {
        let mut attr = batch(map, address(keys), 0, keys.len());
        match bpf(MAP_DELETE_BATCH, &mut attr) {
            Ok(_) => return Ok(deleted + keys.len()),
            // The kernel stops at the first key that is missing, having counted those before it.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                deleted += attr.count as usize;
                keys = keys.get(attr.count as usize + 1..).unwrap_or_default();
            }
            Err(error) => return Err(error),
        }
    }
    Ok(deleted)
}

fn batch(map: BorrowedFd<'_>, keys: u64, values: u64, count: usize) -> Batch {
    Batch { keys, values, count: count as u32, map_fd: map.as_raw_fd() as u32, ..Batch::default() }
}

/// Calls `each` with every entry of a hash map, a few thousand to a system call. Entries that come or go meanwhile
/// may or may not be seen.
pub(super) fn for_each<K: Pod + Default, V: Pod + Default>(
    map: BorrowedFd<'_>,
    mut each: impl FnMut(K, V),
) -> io::Result<()> {
    // The kernel returns whole buckets, so a buffer must hold the fullest one; this is far beyond any.
    const AT_ONCE: usize = 4096;
    let (mut keys, mut values) = (vec![K::default(); AT_ONCE], vec![V::default(); AT_ONCE]);
    let (mut from, mut to) = (0u64, 0u64);
    let mut first = true;
    loop {
        let mut attr = batch(map, keys.as_mut_ptr() as u64, values.as_mut_ptr() as u64, AT_ONCE);
        attr.in_batch = if first { 0 } else { std::ptr::from_mut(&mut from) as u64 };
        attr.out_batch = std::ptr::from_mut(&mut to) as u64;
        let result = bpf(MAP_LOOKUP_BATCH, &mut attr);
        let last = match &result {
            Ok(_) => false,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
            Err(_) => return result.map(drop),
        };
        let count = (attr.count as usize).min(AT_ONCE);
        keys[..count].iter().zip(&values[..count]).for_each(|(key, value)| each(*key, *value));
        if last {
            return Ok(());
        }
        (from, first) = (to, false);
    }
}

/// `bpf_attr` of `BPF_OBJ_GET`.
#[repr(C)]
#[derive(Default)]
struct Pin {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// A descriptor of what is pinned at `path`.
pub(super) fn pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let fd = bpf(OBJ_GET, &mut Pin { pathname: path.as_ptr() as u64, ..Pin::default() })?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Interface an XDP link is attached to; 0 when the interface is gone.
pub(super) fn xdp_link(link: BorrowedFd<'_>) -> io::Result<u32> {
    // struct bpf_link_info: type, id, prog_id, then (8-aligned) a union whose `xdp` member is the interface index.
    let mut info = [0u32; 64];
    let mut attr = Info { fd: link.as_raw_fd() as u32, len: size_of_val(&info) as u32, info: info.as_mut_ptr() as u64 };
    bpf(OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info[4])
}

#[cfg(test)]
mod tests {
    use super::stored;

    /// There is always one more to go on with: who was refused.
    #[test]
    fn a_failed_batch() {
        for (count, expected) in [(0, 0), (1, 1), (2, 2), (3, 0), (4, 0)] {
            assert_eq!(stored(count, 3), expected, "{count}");
        }
    }
}
