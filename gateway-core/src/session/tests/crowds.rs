//! What anybody can invent makes nobody's login dear.

use super::*;
use crate::session::groups::crowd::{CROWD, assert_level};

fn client_id(number: u16) -> Option<Box<[u8]>> {
    Some(number.to_be_bytes().into())
}

/// One MAC with any number of client-ids.
#[test]
fn many_client_ids_of_one_mac() {
    let mut table = sessions(config(CROWD.into()));
    assert_level(|number| {
        let login = Login { hardware: mac(1), client_id: client_id(number), ..login(number.into(), 7) };
        assert_eq!(table.bind(login, at(100)), Ok(Bound::New));
        commands(&mut table);
    });
    assert!(table.by_client(line(0), &mac(1)).is_some());
    assert_eq!(table.of_hardware(line(0), mac(1)).count(), usize::from(CROWD));
    assert_level(|number| {
        assert!(table.end(address(number.into()), EndReason::Expired, at(200)));
        commands(&mut table);
    });
    assert_eq!((table.count(), table.by_client(line(0), &mac(1)).is_none()), (0, true));
}

/// However many client-ids a MAC has, each of them leaves its own address behind when it is given another; and it does so by
/// the client-id of its last ACK.
#[test]
fn one_of_many_client_ids() {
    let mut table = sessions(config(3000));
    let bind = |table: &mut Sessions, address: u32, id: u16| {
        let login = Login { hardware: mac(1), client_id: client_id(id), ..login(address, 7) };
        table.bind(login, at(100)).unwrap();
        commands(table);
    };
    (0..1000).for_each(|id| bind(&mut table, id.into(), id));
    (0..1000).for_each(|id| bind(&mut table, 1000 + u32::from(id), id));
    assert_eq!(table.count(), 1000);
    assert!((0..1000).all(|id| table.get(address(id)).is_none() && table.get(address(1000 + id)).is_some()));
    // The same address under another client-id…
    bind(&mut table, 1000, 2000);
    // …which is given another.
    bind(&mut table, 2500, 2000);
    assert!(table.get(address(1000)).is_none() && table.get(address(2500)).is_some());
    assert_eq!(table.count(), 1000);
}
