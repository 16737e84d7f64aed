//! Writes, each whole or not at all, and only if what the writer believes is still so.

use etcd_client::{Compare, CompareOp, PutOptions, TxnOp};

/// A key was changed last at this revision; 0: it is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Condition {
    pub(super) key: String,
    pub(super) changed: i64,
}

/// A key to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Put {
    pub(super) key: String,
    pub(super) value: String,
    /// It lives as long as this lease; 0: until it is deleted.
    pub(super) lease: i64,
}

/// A transaction: if all conditions hold when it comes, all is written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Txn {
    pub(super) when: Vec<Condition>,
    pub(super) put: Vec<Put>,
}

impl From<Txn> for etcd_client::Txn {
    fn from(txn: Txn) -> Self {
        let put = |put: Put| {
            let options = (put.lease != 0).then(|| PutOptions::new().with_lease(put.lease));
            TxnOp::put(put.key, put.value, options)
        };
        let compare = |condition: Condition| Compare::mod_revision(condition.key, CompareOp::Equal, condition.changed);
        let when: Vec<_> = txn.when.into_iter().map(compare).collect();
        etcd_client::Txn::new().when(when).and_then(txn.put.into_iter().map(put).collect::<Vec<_>>())
    }
}
