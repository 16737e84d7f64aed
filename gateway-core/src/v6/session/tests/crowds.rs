//! What anybody can invent makes nobody's login dear.

use gateway_common::vlan::VlanTag;

use super::*;
use crate::session::groups::crowd::{CROWD, assert_level};

fn one_lease(number: u16) -> Vec<Grant> {
    vec![grant(address(number), 3700)]
}

/// One MAC with any number of DUIDs, as of an attacker, or of a relay below with all its clients.
#[test]
fn many_clients_of_one_mac() {
    let mut table = sessions(config(u32::from(CROWD)));
    assert_level(|number| {
        let login = Login { mac: mac(1), granted: one_lease(number), ..login(number, 7) };
        let (client, line) = (login.client.clone(), login.line);
        table.bind(login, at(100)).unwrap();
        assert!(table.replaced(line, client.as_duid(), mac(1)).len() <= 64);
        commands(&mut table);
    });
    assert_level(|number| {
        table.end(address(number), EndReason::Expired);
        commands(&mut table);
    });
    assert_eq!((table.count(), table.resident().1), (0, 0));
}

/// One DUID on any number of lines, as of devices that all came with the same.
#[test]
fn one_client_on_many_lines() {
    let mut table = sessions(config(u32::from(CROWD)));
    assert_level(|number| {
        let tags = VlanTags { outer: VlanTag { tpid: 0x8100, vid: number }, ..VlanTags::NONE };
        let line = Line { tags, ..line(0) };
        let login = Login { client: client(1), mac: mac(1), line, granted: one_lease(number), ..login(1, 7) };
        table.bind(login, at(100)).unwrap();
        assert!(table.moved(line, client(1).as_duid(), mac(1)).len() <= 64);
        commands(&mut table);
    });
}
