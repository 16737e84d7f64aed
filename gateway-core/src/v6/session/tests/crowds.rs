//! What anybody can invent makes nobody's login dear.

use std::time::{Duration as Elapsed, Instant as Stopwatch};

use gateway_common::vlan::VlanTag;

use super::*;

/// Logins of a crowd.
const CROWD: u16 = 12_000;
/// Logins that are timed together.
const FEW: usize = 100;

/// What `log_in` costs the first and the last of a crowd. The best of ten, because a host has other things to do, too.
fn first_and_last(mut log_in: impl FnMut(u16)) -> (Elapsed, Elapsed) {
    let all: Vec<u16> = (0..CROWD).collect();
    let mut timed = |few: &[u16]| {
        let began = Stopwatch::now();
        few.iter().for_each(|number| log_in(*number));
        began.elapsed()
    };
    let times: Vec<Elapsed> = all.chunks(FEW).map(&mut timed).collect();
    // The very first have nobody to leave behind yet.
    (*times[1..11].iter().min().unwrap(), *times[times.len() - 10..].iter().min().unwrap())
}

fn assert_level((first, last): (Elapsed, Elapsed)) {
    assert!(last < first * 8, "{FEW} logins took {first:?} in the beginning and {last:?} in the end");
}

fn one_lease(number: u16) -> Vec<Grant> {
    vec![grant(address(number), 3700)]
}

/// One MAC with any number of DUIDs, as of an attacker, or of a relay below with all its clients.
#[test]
fn many_clients_of_one_mac() {
    let mut table = sessions(config(u32::from(CROWD)));
    assert_level(first_and_last(|number| {
        let login = Login { mac: mac(1), granted: one_lease(number), ..login(number, 7) };
        let (client, line) = (login.client.clone(), login.line);
        table.bind(login, at(100)).unwrap();
        assert!(table.replaced(line, client.as_duid(), mac(1)).len() <= 64);
        commands(&mut table);
    }));
    assert_level(first_and_last(|number| {
        table.end(address(number), EndReason::Expired);
        commands(&mut table);
    }));
    assert_eq!((table.count(), table.resident().1), (0, 0));
}

/// One DUID on any number of lines, as of devices that all came with the same.
#[test]
fn one_client_on_many_lines() {
    let mut table = sessions(config(u32::from(CROWD)));
    assert_level(first_and_last(|number| {
        let tags = VlanTags { outer: VlanTag { tpid: 0x8100, vid: number }, ..VlanTags::NONE };
        let line = Line { tags, ..line(0) };
        let login = Login { client: client(1), mac: mac(1), line, granted: one_lease(number), ..login(1, 7) };
        table.bind(login, at(100)).unwrap();
        assert!(table.moved(line, client(1).as_duid(), mac(1)).len() <= 64);
        commands(&mut table);
    }));
}
