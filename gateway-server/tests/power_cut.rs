//! The power goes while leases are being written: the journal on the disk ends, or is torn, at any octet of its last batch.

mod common;
mod journal;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use common::*;
use gateway_core::wire::dhcp4::kind;
use gateway_server::Config;
use gateway_server::LEASES;
use gateway_store::{Change, Durability, Store};
use journal::{copy, journal, used};

/// What the disk has of a batch that was being written.
#[derive(Clone, Copy, Debug)]
enum Torn {
    /// Nothing from an octet on.
    Cut,
    /// Zeros from an octet on: room that the file had already.
    Zeros,
    /// Zeros for a while: one of its sectors was not written, a later one was.
    Hole,
    /// Something else from an octet on.
    Stale,
}

const TORN: [Torn; 4] = [Torn::Cut, Torn::Zeros, Torn::Hole, Torn::Stale];

impl Torn {
    /// The journal with its last batch torn at an octet.
    fn tear(self, whole: &[u8], at: usize) -> Vec<u8> {
        let mut journal = whole.to_vec();
        match self {
            Self::Cut => journal.truncate(at),
            Self::Zeros => {
                journal[at..].fill(0);
                journal.resize(whole.len() + 5000, 0);
            }
            Self::Hole => journal[at..].iter_mut().take(48).for_each(|octet| *octet = 0),
            Self::Stale => journal[at..].iter_mut().for_each(|octet| *octet ^= 0x5a),
        }
        journal
    }
}

/// Clients by number, with the addresses that were acknowledged to them.
type Held = BTreeMap<u32, Ipv4Addr>;

/// A store at the moment of a power cut.
struct Scene {
    store: PathBuf,
    /// What the journal would be with the last batch.
    journal: Vec<u8>,
    /// Where in it the last batch is.
    last: Range<usize>,
    acknowledged: Held,
    /// Clients of the last batch, which nobody has been told of.
    written: Held,
}

fn pools() -> Config {
    wide(config(), 40)
}

fn commit(store: &mut Store, before: &BTreeMap<Vec<u8>, Vec<u8>>, lab: &Lab) {
    let new = lab.disk.iter().filter(|(key, value)| before.get(*key) != Some(value));
    store.commit(new.map(|(key, value)| Change { key, value: Some(value) }), Durability::Disk).unwrap();
}

impl Scene {
    /// Logins, a renewal and a release, each acknowledged; then two logins in one batch, one of them of the address that was
    /// released.
    fn set(store: PathBuf) -> Self {
        let mut lab = Lab::new(pools());
        let mut open = Store::open(&store, LEASES).unwrap();
        let mut acknowledged = Held::new();
        for number in 0..4 {
            let before = lab.disk.clone();
            acknowledged.insert(number, lab.login(&cpe(number)).unwrap());
            commit(&mut open, &before, &lab);
        }
        let before = lab.disk.clone();
        lab.wait(gateway_core::time::Duration::from_secs(60));
        lab.relayed(&cpe(2), &cpe(2).renew(acknowledged[&2])).unwrap();
        let released = acknowledged.remove(&3).unwrap();
        lab.relayed(&cpe(3), &cpe(3).release(released));
        commit(&mut open, &before, &lab);

        let start = used(&journal(&store));
        let before = lab.disk.clone();
        let mut written = Held::from([(10, lab.login(&cpe(10)).unwrap())]);
        let reply = lab.relayed(&cpe(11), &cpe(11).select(released)).unwrap();
        assert_eq!(reply.kind(), kind::ACK, "it is free");
        written.insert(11, released);
        commit(&mut open, &before, &lab);
        drop(open);
        let octets = std::fs::read(journal(&store)).unwrap();
        let end = used(&journal(&store));
        std::fs::write(journal(&store), []).unwrap(); // what is copied each time is small then
        Self { store, journal: octets[..end].to_vec(), last: start..end, acknowledged, written }
    }

    /// A server starts with such a journal, serves, and the power goes once more.
    fn play(&self, journal_then: &[u8], directory: &Path, what: &str) {
        copy(&self.store, directory);
        std::fs::write(journal(directory), journal_then).unwrap();
        let mut held = self.acknowledged.clone();
        if journal_then == self.journal {
            held.extend(&self.written);
        }
        for life in 0..2 {
            let mut store = Store::open(directory, LEASES).unwrap_or_else(|error| panic!("{what}: {error}"));
            let mut lab = Lab::with_disk(pools(), store.records().collect::<Result<_, _>>().unwrap());
            assert_eq!(lab.active(), held.len() as u64, "{what}: a batch is there as a whole or not at all");
            let before = lab.disk.clone();
            // Strangers first: they must get nobody's.
            for number in [100 + life, 200 + life] {
                let address = lab.login(&cpe(number)).unwrap();
                assert!(held.values().all(|other| *other != address), "{what}: {address} is given twice");
                held.insert(number, address);
            }
            for (number, address) in &held {
                let client = cpe(*number);
                let reply = lab.relayed(&client, &client.renew(*address)).unwrap();
                assert_eq!((reply.kind(), reply.yiaddr()), (kind::ACK, *address), "{what}: client {number}");
            }
            commit(&mut store, &before, &lab);
        }
        assert_eq!(held.values().collect::<BTreeSet<_>>().len(), held.len(), "{what}: one address, one client");
        std::fs::remove_dir_all(directory).unwrap();
    }
}

/// No lease that was acknowledged is lost, and no address is given twice, at whatever octet the last write was cut or torn,
/// and neither when the power goes again after the server has served from there.
#[test]
fn torn_at_any_octet() {
    // What is torn is made here, not by the disk: in memory the thousands of starts wait for nothing.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let scene = Scene::set(directory.path().join("store"));
    assert!(scene.last.start > 500 && scene.last.len() > 200, "{:?}", scene.last);
    for torn in TORN {
        for at in scene.last.clone() {
            let what = format!("{torn:?} at {at} of {:?}", scene.last);
            let then = torn.tear(&scene.journal, at);
            assert_ne!(then, scene.journal, "{what}: nothing is torn");
            scene.play(&then, &directory.path().join("then"), &what);
        }
    }
    scene.play(&scene.journal, &directory.path().join("then"), "whole");
}
