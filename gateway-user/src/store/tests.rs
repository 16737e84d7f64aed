use super::*;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

fn put(key: u32, value: &[u8]) -> Write {
    Write::Put { key: key.to_be_bytes().to_vec(), value: value.to_vec() }
}

fn remove(key: u32) -> Write {
    Write::Remove { key: key.to_be_bytes().to_vec() }
}

fn records(store: &Store) -> BTreeMap<u32, Vec<u8>> {
    let key = |key: Vec<u8>| u32::from_be_bytes(key.try_into().unwrap());
    store.records().map(|record| record.unwrap()).map(|(k, value)| (key(k), value)).collect()
}

#[test]
fn what_was_committed_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), StoreSync::Os).unwrap();
    assert!(store.commit(vec![put(1, b"one"), put(2, b"two")], false));
    assert!(store.commit(vec![remove(1), put(3, b"three"), put(2, b"deux")], true));
    drop(store);
    let store = Store::open(dir.path(), StoreSync::Os).unwrap();
    assert_eq!(records(&store), BTreeMap::from([(2, b"deux".to_vec()), (3, b"three".to_vec())]));
}

/// H-CL-24: as configured, a record is with the operating system before anything follows from it, or on the disk; what asks for
/// the disk always gets it.
#[test]
fn as_far_as_configured() {
    for (least, asked, on_disk) in
        [(StoreSync::Os, false, false), (StoreSync::Os, true, true), (StoreSync::Disk, false, true)]
    {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), least).unwrap();
        assert!(store.commit(vec![put(1, b"session")], asked));
        assert_eq!(store.disk.is_synced(), on_disk, "{least:?} {asked}");
        store.sync();
        assert!(store.disk.is_synced());
    }
}

/// Where all is on the disk, damage in the middle is no torn end: sessions and epochs behind it would be forgotten without a
/// word. Where a power cut may leave holes, what is before them is kept. BR-4
#[test]
fn damage_in_the_middle() {
    for (least, opens) in [(StoreSync::Os, true), (StoreSync::Disk, false)] {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), least).unwrap();
        for (key, value) in [(1, [0xa1; 40]), (2, [0xa2; 40]), (3, [0xa3; 40])] {
            assert!(store.commit(vec![put(key, &value)], true));
        }
        drop(store);
        damage(dir.path(), &[0xa2; 40]);
        match Store::open(dir.path(), least) {
            Ok(store) => {
                assert!(opens, "{least:?}");
                assert_eq!(records(&store), BTreeMap::from([(1, vec![0xa1; 40])]));
            }
            Err(error) => assert!(!opens && format!("{error:#}").contains("damaged"), "{least:?}: {error:#}"),
        }
    }
}

/// Changes an octet of this value in the journal.
fn damage(store: &Path, value: &[u8]) {
    let journals = std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let journal = journals.filter(|path| path.extension().is_some_and(|end| end == "jnl")).max().expect("a journal");
    let octets = std::fs::read(&journal).unwrap();
    let at = octets.windows(value.len()).position(|found| found == value).expect("the value");
    OpenOptions::new().write(true).open(journal).unwrap().write_all_at(&[0], at as u64).unwrap();
}

#[test]
fn a_second_gateway_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let _store = Store::open(dir.path(), StoreSync::Os).unwrap();
    assert!(Store::open(dir.path(), StoreSync::Os).is_err());
}

/// A copy of a store as `kill -9` leaves it: everything the operating system was given, nothing more.
fn snapshot(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            snapshot(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The process may end at any moment: what `commit` returned true for was given to the operating system (BR-4, H-BR-6).
#[test]
fn nothing_committed_is_lost_without_a_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("live"), StoreSync::Os).unwrap();
    for n in 0..200 {
        assert!(store.commit(vec![put(n, &n.to_be_bytes())], false));
        if n % 50 == 49 {
            let copy = dir.path().join(format!("copy{n}"));
            std::fs::create_dir(&copy).unwrap();
            snapshot(&dir.path().join("live"), &copy);
            let copy = Store::open(&copy, StoreSync::Os).unwrap();
            assert_eq!(records(&copy).len() as u32, n + 1);
        }
    }
}

fn journal(dir: &Path) -> (std::path::PathBuf, u64) {
    let path = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .expect("the store has a journal");
    let octets = std::fs::read(&path).unwrap();
    let used = octets.iter().rposition(|octet| *octet != 0).unwrap() as u64 + 1;
    (path, used)
}

/// A batch is there whole or not at all, wherever a crash tore the journal (H-BR-6).
#[test]
fn a_torn_batch_is_not_there_and_the_earlier_ones_are() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live");
    let mut store = Store::open(&live, StoreSync::Os).unwrap();
    assert!(store.commit(vec![put(1, b"one")], true));
    let (_, before) = journal(&live);
    assert!(store.commit(vec![put(2, &[2; 40]), put(3, &[3; 40])], true));
    let (path, after) = journal(&live);
    let file_name = path.file_name().unwrap();
    for cut in (before..after).step_by(3) {
        // A journal has room at its end, so that what was not written is read as zeros.
        for zeros in [0, 4096] {
            let copy = dir.path().join(format!("{cut}-{zeros}"));
            std::fs::create_dir(&copy).unwrap();
            snapshot(&live, &copy);
            let journal = OpenOptions::new().write(true).open(copy.join(file_name)).unwrap();
            journal.set_len(cut).unwrap();
            journal.set_len(cut + zeros).unwrap();
            drop(journal);
            let store = Store::open(&copy, StoreSync::Os).unwrap();
            assert_eq!(records(&store).keys().copied().collect::<Vec<_>>(), [1], "cut at {cut} of {before}..{after}");
            drop(store);
            std::fs::remove_dir_all(copy).unwrap();
        }
    }
}

/// While the disk is full nothing is committed and nothing is lost; when there is room again all of it is there.
#[test]
fn a_full_disk_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let small = SmallDisk::mount(dir.path(), 96 << 20);
    let path = &small.0.join("store");
    let mut filler = Filler(&small.0);
    let mut store = Store::open(path, StoreSync::Os).unwrap();
    assert!(store.commit(vec![put(0, b"before")], false));
    let filled = filler.fill();
    let mut refused = 0;
    let value = vec![0xa5; 4096];
    for n in 1..4000 {
        if !store.commit(vec![put(n, &value)], false) {
            refused = n;
            break;
        }
    }
    assert_ne!(refused, 0, "the disk never became full");
    assert!(store.is_down());
    assert!(!store.commit(vec![put(5000, b"while down"), remove(0)], false));
    drop(filled);
    filler.empty();
    std::thread::sleep(RETRY);
    assert!(store.recover(), "there is room again");
    assert!(!store.is_down());
    drop(store);
    let records = records(&Store::open(path, StoreSync::Os).unwrap());
    assert_eq!(records.get(&refused), Some(&value), "the write that failed was made good");
    assert_eq!(records.get(&5000).map(Vec::as_slice), Some(&b"while down"[..]));
    assert!(!records.contains_key(&0));
    assert_eq!(records.len() as u32, refused + 1);
}

struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, octets: u64) -> Self {
        let at = at.join("small");
        std::fs::create_dir(&at).unwrap();
        let options = format!("size={octets}");
        let status =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).status();
        assert!(status.is_ok_and(|status| status.success()), "a disk that can be filled needs root, to mount a tmpfs");
        Self(at)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

struct Filler<'a>(&'a Path);

impl Filler<'_> {
    /// Writes until there is no room.
    fn fill(&mut self) -> File {
        let file = File::create(self.0.join("filler")).unwrap();
        let block = vec![1; 1 << 16];
        let mut offset = 0;
        while let Ok(written) = file.write_at(&block, offset) {
            offset += written as u64;
        }
        file
    }

    fn empty(&mut self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}
