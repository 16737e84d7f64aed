//! Writes that wait for a store that can't take them.

use std::collections::BTreeMap;

use gateway_store::Change;

/// One change of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Write {
    /// Store a record.
    Put {
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Remove a record; one that is not there is fine.
    Remove {
        /// Its key.
        key: Vec<u8>,
    },
}

impl Write {
    /// The same in the disk's terms.
    pub(super) fn change(&self) -> Change<'_> {
        match self {
            Self::Put { key, value } => Change { key, value: Some(value) },
            Self::Remove { key } => Change { key, value: None },
        }
    }

    fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Remove { key } => key,
        }
    }
}

/// The newest write of each key, so that waiting takes no more memory than there are records.
#[derive(Default)]
pub(super) struct Pending {
    writes: BTreeMap<Vec<u8>, Write>,
    sync: bool,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    pub(super) fn extend(&mut self, writes: Vec<Write>, sync: bool) {
        self.sync |= sync;
        self.writes.extend(writes.into_iter().map(|write| (write.key().to_vec(), write)));
    }

    pub(super) fn writes(&self) -> impl Iterator<Item = &Write> {
        self.writes.values()
    }

    pub(super) fn sync(&self) -> bool {
        self.sync
    }
}
