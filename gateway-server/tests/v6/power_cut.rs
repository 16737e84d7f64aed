//! The records on a real disk, cut off at any octet.

use std::collections::BTreeMap;

use gateway_core::wire::dhcp6::{Binding, IaKind, kind};
use gateway_server::LEASES;
use gateway_store::{Change, Durability, Store};

use crate::journal::{copy, journal, used};
use crate::lab::*;

/// The power goes at any moment: whatever was acknowledged before is there, the address and the prefix of a REPLY that
/// was being written are there both or not at all, and nobody gets what another has.
#[test]
fn whatever_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let (path, mut lab) = (directory.path().join("store"), Lab::new(config()));
    let mut store = Store::open(&path, LEASES).unwrap();
    let mut held: Vec<(Binding, Binding)> = Vec::new();
    let mut ends = vec![used(&journal(&path))];
    for number in 0..6 {
        let before = lab.disk.clone();
        held.push(lab.dual(&cpe(number)));
        let new = lab.disk.iter().filter(|(key, value)| before.get(*key) != Some(value));
        store.commit(new.map(|(key, value)| Change { key, value: Some(value) }), Durability::Disk).unwrap();
        ends.push(used(&journal(&path)));
    }
    assert!(ends.windows(2).all(|pair| pair[0] < pair[1]));
    for (acknowledged, pair) in ends.windows(2).enumerate() {
        let middle = (pair[0] + pair[1]) / 2;
        for cut in [pair[0], pair[0] + 1, middle, pair[1] - 1] {
            let after = directory.path().join(format!("cut-{cut}"));
            copy(&path, &after);
            let file = std::fs::OpenOptions::new().write(true).open(journal(&after)).unwrap();
            file.set_len(cut as u64).unwrap();
            let records =
                Store::open(&after, LEASES).unwrap().records().collect::<Result<BTreeMap<_, _>, _>>().unwrap();
            let mut again = Lab::with_disk(config(), records);
            assert_eq!(again.active(), 2 * acknowledged as u64, "cut at {cut} of {pair:?}");
            // A stranger first: it must get nobody's.
            let stranger = again.dual(&cpe(99));
            for (number, (na, pd)) in held[..acknowledged].iter().enumerate() {
                assert!(stranger.0 != *na && stranger.1 != *pd);
                let ias: Ias<'_> = &[(IaKind::Na, 1, &[*na]), (IaKind::Pd, 1, &[*pd])];
                let reply = again.ask(&cpe(number as u16), kind::RENEW, ias).unwrap();
                assert_eq!((reply.lease(IaKind::Na, 1), reply.lease(IaKind::Pd, 1)), (Some(*na), Some(*pd)));
            }
            std::fs::remove_dir_all(&after).unwrap();
        }
    }
}

/// A record that can't be read ends the start: its address would be given to somebody else.
#[test]
fn a_damaged_record() {
    let mut lab = Lab::new(config());
    lab.dual(&cpe(1));
    let (now, unix) = (lab.now, lab.unix);
    let start = |key: Vec<u8>, value: Vec<u8>| {
        gateway_server::v6::Server::new(config(), [(key, value)], now, unix)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    for (key, value) in &lab.disk {
        assert_eq!(start(key.clone(), value.clone()), Ok(()));
        for length in [0, 1, 40, 70] {
            let error = start(key.clone(), value[..length].to_vec()).unwrap_err();
            assert!(error.contains("2001:db8:1"), "{error}");
        }
        assert!(start(key[..9].to_vec(), value.clone()).is_err());
        let later = [&[3], &value[1..]].concat();
        assert!(start(key.clone(), later).is_err());
    }
}
