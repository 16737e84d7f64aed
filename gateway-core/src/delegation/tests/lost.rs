//! Subnets that are lost, and what comes in their place.

use super::lab::{DAY, Lab, at, config, subnet};
use crate::delegation::{DelegationConfig, Event, Proven, Why};
use crate::time::Duration;
use crate::wire::dhcp4::{Builder, REPLY, code, kind};
use crate::wire::subnet_allocation::{AllocationBuilder, Block, InformationFlags};

const MINUTE: Duration = Duration::from_secs(60);

/// 1 has 10.0.0.0/23, and 2 has a /26 of it that its hosts use.
fn leased() -> Lab {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.start(2, config(2, &[1]));
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/23"), None, now)).unwrap();
    lab.pass(MINUTE * 2);
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.deliver();
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"]);
    lab
}

/// SN-44: what was lost while its server was down is taken from its address server, which may have leases in it still, and hears of
/// it although it was not told to assign from it since.
#[test]
fn lost_before_it_was_confirmed() {
    let held = subnet("10.0.0.0/26");
    let mut lab = leased();
    lab.server(2).drains = false;
    lab.server(1).disk.retain(|key, _| key[1] != b'b');
    lab.restart(1, true);
    lab.act(1, |core, now| core.handle_need(1, now)); // so that it answers: 2 has another lease
    lab.act(2, |core, now| core.handle_need(100, now));
    lab.pass(MINUTE);
    lab.restart(2, true);
    lab.pass(MINUTE);
    assert!(lab.server(2).events.contains(&Event::Lost { subnet: held, why: Why::Unknown }));
    assert_eq!(lab.server(2).gone, [held]);

    let mut lab = leased();
    lab.servers.remove(&1);
    lab.restart(2, true);
    lab.pass(DAY * 8);
    assert!(lab.server(2).events.contains(&Event::Lost { subnet: held, why: Why::Expired }));
    assert_eq!(lab.server(2).gone, [held]);
}

/// H-SN-2: what the address server can't assign from, because it has leases of former times there, it is given again when these may
/// be over, and it is said to lack what it lacks.
#[test]
fn not_yet() {
    let mut lab = leased();
    let held = subnet("10.0.0.0/26");
    lab.server(2).assigned.clear();
    lab.act(2, |core, now| core.handle_unassignable(&held, now));
    lab.pass(MINUTE - Duration::from_secs(1));
    assert!(lab.server(2).assigned.is_empty());
    lab.pass(MINUTE);
    assert!(lab.server(2).assigned[&held].is_some());
    // Also where nobody is there to confirm it by then.
    lab.act(2, |core, now| core.handle_unassignable(&held, now));
    lab.servers.remove(&1);
    lab.restart(2, true);
    lab.act(2, |core, now| core.handle_unassignable(&held, now));
    lab.server(2).assigned.clear();
    lab.pass(MINUTE * 5);
    assert!(lab.server(2).assigned.is_empty());
}

/// H-SN-2: nothing that overlaps a subnet of the address server's own is taken from a provider, and what was taken before it was
/// configured is used no more, and goes back.
#[test]
fn beside_its_own() {
    let mut lab = leased();
    lab.act(2, |core, now| core.handle_kept(vec![subnet("10.0.0.128/25")], now));
    lab.act(2, |core, now| core.handle_need(100, now));
    lab.deliver();
    let overlap = Event::Overlap { from: at(1), subnet: subnet("10.0.0.128/25") };
    assert!(lab.server(2).events.contains(&overlap));
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"]);
    lab.act(2, |core, now| core.handle_need(0, now));
    lab.act(2, |core, now| core.handle_kept(vec![subnet("10.0.0.32/27")], now));
    assert_eq!(lab.server(2).gone, [subnet("10.0.0.0/26")]);
    lab.pass(DAY / 12);
    assert_eq!(lab.holders(2), [""; 0]);
}

/// SN-43, SN-71: after T2 others are asked, too; of what they did not lease to us they have nothing to refuse.
#[test]
fn refused_by_another() {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[]));
    lab.start(2, DelegationConfig { providers: vec![at(1), at(9)], ..config(2, &[]) });
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    lab.pass(MINUTE);
    lab.act(2, |core, now| core.handle_need(62, now));
    lab.pass(MINUTE);
    let held = subnet("10.0.0.0/26");
    assert!(lab.server(2).assigned.contains_key(&held));
    lab.servers.remove(&1);
    lab.pass(DAY * 6 + DAY / 2);
    let renew = loop {
        let next = lab.servers[&2].core.poll_timeout().unwrap();
        lab.now = lab.now.max(next);
        lab.act(2, |core, now| core.handle_timeout(now));
        if let Some(datagram) = lab.wire.iter().find(|datagram| datagram.to == at(9)) {
            break datagram.octets.clone();
        }
        lab.wire.clear();
    };
    let xid = u32::from_be_bytes(renew[4..8].try_into().unwrap());
    let named =
        AllocationBuilder::new().information(InformationFlags::default(), &[Block::plain(held)]).finish().unwrap();
    let refuse = |server: u8| {
        let builder = Builder::new(REPLY).xid(xid).kind(kind::NAK).address(code::SERVER_ID, at(server));
        builder.option(code::SUBNET_ALLOCATION, &named).finish()
    };
    lab.hand(2, &refuse(9), at(9), Proven::No);
    assert_eq!(lab.holders(2), ["10.0.0.0/26 own"]);
    lab.hand(2, &refuse(1), at(1), Proven::No);
    assert_eq!(lab.holders(2), [""; 0]);
}
