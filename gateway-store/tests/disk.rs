//! The store on a real disk: opened twice, cut at any octet.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gateway_store::{Change, Durability, Settings, Store};

const SETTINGS: Settings = Settings { records: "test", memtable: 1 << 20, durability: Durability::Disk };

fn open(path: &Path) -> Store {
    Store::open(path, SETTINGS).unwrap()
}

/// The second process is told at once who has the store, and leaves its files as they are: the zeros behind a journal
/// are room that the first one is about to write to.
#[test]
fn a_second_one_is_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.commit([Change { key: b"key", value: Some(b"value") }], Durability::Disk).unwrap();
    let octets = std::fs::read(journal(directory.path())).unwrap();
    assert_eq!(octets.last(), Some(&0), "a journal has room at its end");
    let started = Instant::now();
    let error = Store::open(directory.path(), SETTINGS).expect_err("it is open").to_string();
    assert!(started.elapsed() < Duration::from_secs(1), "it waited {:?}", started.elapsed());
    assert!(error.contains(&format!("process {} has it open", std::process::id())), "{error}");
    assert!(error.contains(directory.path().to_str().unwrap()), "{error}");
    assert_eq!(std::fs::read(journal(directory.path())).unwrap().len(), octets.len(), "the journal was touched");
    drop(store);
    assert_eq!(open(directory.path()).records().count(), 1);
}

/// A power cut can leave the journal cut at any octet, perhaps with zeros behind, or with a page of its last batch missing in
/// the middle. The store opens all the same, and has every batch up to there and no part of a later one.
#[test]
fn a_torn_journal() {
    let directory = tempfile::tempdir().unwrap();
    let original = directory.path().join("original");
    let mut ends = Vec::new();
    {
        let mut store = open(&original);
        for batch in 0..4u8 {
            write(&mut store, batch);
            ends.push(used(&original));
        }
    }
    let (first, last) = (ends[0], *ends.last().unwrap());
    assert!(first > 100 && last > first, "the journal grows with each batch");
    let written = std::fs::read(journal(&original)).unwrap()[..last as usize].to_vec();
    std::fs::write(journal(&original), []).unwrap(); // what is copied each time is small then
    let found = |octets: &[u8], what: &str| {
        let copy = directory.path().join("copy");
        copy_directory(&original, &copy);
        std::fs::write(journal(&copy), octets).unwrap();
        let store = Store::open(&copy, SETTINGS).unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut found: BTreeMap<u8, usize> = BTreeMap::new();
        store.records().for_each(|record| *found.entry(record.unwrap().0[0]).or_default() += 1);
        assert!(found.values().all(|items| *items == 3), "{what}: part of a batch");
        drop(store);
        std::fs::remove_dir_all(&copy).unwrap();
        found.len()
    };
    for cut in (first..=last).step_by(5).chain(ends.iter().copied()) {
        for zeros in [0, 5000] {
            let torn = [&written[..cut as usize], &vec![0; zeros]].concat();
            let complete = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(found(&torn, &format!("cut at {cut}")), complete, "cut at {cut}: batches");
        }
    }
    for hole in ends[2]..last {
        let mut torn = written.clone();
        torn[hole as usize..].iter_mut().take(32).for_each(|octet| *octet = 0);
        assert_eq!(found(&torn, &format!("a hole at {hole}")), 3, "a hole at {hole}: batches");
    }
}

/// What a database that failed writes while it closes is waited for, before the journal is cut: else it would stand behind the cut.
#[test]
fn a_database_that_is_still_closing() {
    let directory = tempfile::tempdir().unwrap();
    let mut ends = Vec::new();
    let mut store = open(directory.path());
    for batch in 0..2 {
        write(&mut store, batch);
        ends.push(used(directory.path()));
    }
    drop(store);
    let path = journal(directory.path());
    let written = std::fs::read(&path).unwrap();
    let (torn, end) = (ends[0] as usize + 40, ends[1] as usize);
    std::fs::write(&path, &written[..torn]).unwrap();
    let closing = std::fs::File::open(directory.path().join("lock")).unwrap();
    closing.try_lock().unwrap();
    let closes = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&written[torn..end], torn as u64).unwrap();
        drop(closing);
    });
    assert_eq!(open(directory.path()).records().count(), 6);
    closes.join().unwrap();
}

/// What was synced and is damaged later is no torn batch: leases that were acknowledged would be lost without a word. Where
/// commits need not be on the disk, all after the first torn one go.
#[test]
fn a_journal_that_is_damaged_in_the_middle() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    write(&mut store, 0);
    let end = used(directory.path());
    (1..4).for_each(|batch| write(&mut store, batch));
    drop(store);
    let mut octets = std::fs::read(journal(directory.path())).unwrap();
    octets[end as usize + 70] ^= 1;
    std::fs::write(journal(directory.path()), octets).unwrap();
    let error = Store::open(directory.path(), SETTINGS).expect_err("a batch is damaged").to_string();
    assert!(error.contains(&format!("damaged at octet {end}")), "{error}");
    let unsynced = Settings { durability: Durability::Process, ..SETTINGS };
    assert_eq!(Store::open(directory.path(), unsynced).unwrap().records().count(), 3);
}

/// A batch of three records.
fn write(store: &mut Store, batch: u8) {
    let keys = [[batch, 0], [batch, 1], [batch, 2]];
    let changes = keys.iter().map(|key| Change { key, value: Some(&[0xa5; 40]) });
    store.commit(changes, Durability::Disk).unwrap();
}

fn journal(store: &Path) -> PathBuf {
    let entries = std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let mut journals: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "jnl")).collect();
    assert_eq!(journals.len(), 1, "one journal: {journals:?}");
    journals.remove(0)
}

/// Octets up to the last one that is not zero.
fn used(store: &Path) -> u64 {
    let octets = std::fs::read(journal(store)).unwrap();
    octets.iter().rposition(|octet| *octet != 0).map_or(0, |at| at as u64 + 1)
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
