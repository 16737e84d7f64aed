//! A typed map: the key and value types are checked once against the kernel's, then trusted.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use anyhow::{Context, ensure};
use aya::Pod;
use aya::maps::MapData;

use super::sys;

/// A pinned map from `K` to `V`.
pub(crate) struct Table<K, V> {
    data: MapData,
    types: PhantomData<(K, V)>,
}

impl<K: Pod + Default, V: Pod + Default> Table<K, V> {
    /// Opens the map pinned at `path`.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let data = MapData::from_pin(path).with_context(|| format!("open the map pinned at {}", path.display()))?;
        let info = data.info()?;
        let (key, value) = (info.key_size() as usize, info.value_size() as usize);
        ensure!(
            key == size_of::<K>() && value == size_of::<V>(),
            "{} has keys of {key} and values of {value} octets where {} and {} were expected",
            path.display(),
            size_of::<K>(),
            size_of::<V>(),
        );
        Ok(Self { data, types: PhantomData })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.data.fd().as_fd()
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: &K) -> io::Result<Option<V>> {
        sys::lookup(self.fd(), key)
    }

    /// Removes and returns the value under `key`.
    pub(crate) fn take(&self, key: &K) -> io::Result<Option<V>> {
        sys::take(self.fd(), key)
    }

    /// Stores one value.
    pub(crate) fn put(&self, key: &K, value: &V) -> io::Result<()> {
        sys::update(self.fd(), key, value)
    }

    /// Stores a value for each key; on an error returns how many were stored, from the first on.
    pub(crate) fn put_all(&self, keys: &[K], values: &[V]) -> Result<(), (usize, io::Error)> {
        match (keys, values) {
            ([], []) => Ok(()),
            ([key], [value]) => self.put(key, value).map_err(|error| (0, error)),
            _ => sys::update_batch(self.fd(), keys, values),
        }
    }

    /// Removes one value; false when there was none.
    pub(crate) fn remove(&self, key: &K) -> io::Result<bool> {
        sys::delete(self.fd(), key)
    }

    /// Removes the values under `keys`; returns how many there were.
    pub(crate) fn remove_all(&self, keys: &[K]) -> io::Result<usize> {
        match keys {
            [] => Ok(0),
            [key] => self.remove(key).map(usize::from),
            _ => sys::delete_batch(self.fd(), keys),
        }
    }

    /// Calls `each` with every entry (of a hash map).
    pub(crate) fn for_each(&self, each: impl FnMut(K, V)) -> io::Result<()> {
        sys::for_each(self.fd(), each)
    }
}
