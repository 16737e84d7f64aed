//! Tables of several members, which tell each other what they do.

use gateway_common::unit::UnitKey;

use super::*;
use crate::member::MemberId;
use crate::replication::{Change, Record};

fn member(number: u8) -> Sessions {
    let me = MemberId::new(number).expect("a number");
    let mut table = sessions(config(8));
    table.share(ShareConfig { me, fpcs: vec!["fpc0".into()], configured: (1, 4), unit_key: UnitKey::NONE }, at(100));
    table
}

/// What it has told since it was asked last.
fn told(table: &mut Sessions) -> Vec<Record> {
    let told = |command| match command {
        Command::Replicate(said) => Some(Record { stamp: said.stamp, change: said.change }),
        _ => None,
    };
    commands(table).into_iter().filter_map(told).collect()
}

fn hear(table: &mut Sessions, records: &[Record]) {
    records.iter().for_each(|record| assert_eq!(table.handle_replica(record.clone(), at(100)), None));
}

/// CL-69, H-CL-23: two members give one address to two clients before they hear of each other, and the first client renews
/// at once. The other login is older than the renewal and newer than what it renews: whoever hears of it first can't use the
/// renewal. All end with the same client.
#[test]
fn a_renewal_of_what_others_have_dropped() {
    let (mut first, mut second, mut third) = (member(1), member(2), member(3));
    second.bind(login(1, 7), at(100)).unwrap();
    second.bind(login(1, 7), at(100)).unwrap();
    first.bind(login(2, 7), at(100)).unwrap();
    first.bind(Login { address: address(1), hardware: mac(3), ..login(1, 7) }, at(100)).unwrap();
    let (of_first, of_second) = (told(&mut first), told(&mut second));
    let stamps = [&of_second[0], &of_first[1], &of_second[1]].map(|record| record.stamp);
    assert!(stamps.is_sorted(), "the case is this one: {stamps:?}");

    hear(&mut third, &of_first);
    hear(&mut third, &of_second);
    hear(&mut first, &of_second);
    hear(&mut second, &of_first);
    assert_eq!(third.get(address(1)).map(|session| session.hardware), Some(mac(3)), "which it can't believe");
    assert_eq!((told(&mut first), told(&mut third)), (vec![], vec![]), "what they have was never renewed");
    let again = told(&mut second);
    assert_eq!(again.len(), 1, "the owner of the newer one insists");
    hear(&mut first, &again);
    hear(&mut third, &again);
    let holders = [&first, &second, &third].map(|table| table.get(address(1)).map(|session| session.hardware));
    assert_eq!(holders, [Some(mac(1)); 3]);
    hear(&mut second, &of_first);
    assert_eq!(told(&mut second), [], "once");
}

/// CL-69, H-CL-6, H-CL-23: on one side of a split a client renews, on the other it gives its address back. Whoever hears of the end
/// first can't use that renewal. The next one says everything, if there is one.
#[test]
fn a_renewal_of_what_others_have_ended() {
    let (mut first, mut second, mut third) = (member(1), member(2), member(3));
    first.bind(login(1, 7), at(100)).unwrap();
    let begun = told(&mut first);
    hear(&mut second, &begun);
    hear(&mut third, &begun);
    first.bind(login(1, 7), at(101)).unwrap();
    second.end(address(1), EndReason::Released, at(101));
    let (renewed, ended) = (told(&mut first), told(&mut second));
    hear(&mut third, &ended);
    hear(&mut third, &renewed);
    hear(&mut second, &renewed);
    assert!(second.get(address(1)).is_none() && third.get(address(1)).is_none(), "which they can't use");
    hear(&mut first, &ended);
    assert_eq!(told(&mut first), [], "somebody else may have the address by now");
    first.bind(login(1, 7), at(102)).unwrap();
    let again = told(&mut first);
    hear(&mut second, &again);
    hear(&mut third, &again);
    let holders = [&first, &second, &third].map(|table| table.get(address(1)).map(|session| session.hardware));
    assert_eq!(holders, [Some(mac(1)); 3]);
    first.bind(login(1, 7), at(103)).unwrap();
    assert!(matches!(told(&mut first)[..], [Record { change: Change::Essential(_), .. }]), "once");
}

/// Whoever has the newest whole session need not insist: nobody else keeps his own.
#[test]
fn three_clients_at_one_address() {
    let mut members = [1, 2, 3].map(member);
    for (place, table) in members.iter_mut().enumerate() {
        table.bind(Login { hardware: mac(place as u32), ..login(1, 7) }, at(100)).unwrap();
    }
    let said = members.each_mut().map(told);
    for (place, table) in members.iter_mut().enumerate() {
        said.iter().enumerate().filter(|(other, _)| *other != place).for_each(|(_, said)| hear(table, said));
        assert_eq!(told(table), []);
    }
    let holders = members.map(|table| table.get(address(1)).map(|session| session.hardware));
    assert_eq!(holders, [Some(mac(2)); 3]);
}
