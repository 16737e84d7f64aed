//! Reserve mode: a router that has a subnet, and has us assign its addresses.

use super::lab::{DAY, Lab, at, config, id, subnet};
use crate::delegation::{CLASS, Command, Proven, Usage};
use crate::time::Duration;
use crate::wire::dhcp4::{Builder, Message, REQUEST, code, kind};
use crate::wire::subnet_allocation::{AllocationBuilder, Block, InformationFlags, Request};

const MINUTE: Duration = Duration::from_secs(60);

fn router(kind: u8, allocation: &[u8]) -> Builder {
    let builder = Builder::new(REQUEST).kind(kind).giaddr(at(7)).option(code::CLIENT_ID, id(7).octets());
    builder.option(code::CLASS_ID, CLASS).option(code::SUBNET_ALLOCATION, allocation)
}

fn naming() -> Vec<u8> {
    let block = Block { delegate: false, ..Block::plain(subnet("10.0.0.0/26")) };
    AllocationBuilder::new().information(InformationFlags::default(), &[block]).finish().unwrap()
}

/// A server with 10.0.0.0/24, of which the router is offered the first /26.
fn offered(lab: &mut Lab) -> Vec<u8> {
    lab.start(1, config(1, &[]));
    lab.server(1).drains = false;
    lab.act(1, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    let request =
        AllocationBuilder::new().request(Request { delegate: false, earlier: false, prefix: 26 }).finish().unwrap();
    lab.hand(1, &router(kind::DISCOVER, &request).finish(), at(7), Proven::No);
    let offer = lab.next_octets();
    lab.step();
    Message::parse(&offer).unwrap().option(code::SUBNET_ALLOCATION).unwrap().into_owned()
}

/// The same, and it has accepted.
fn reserved() -> Lab {
    let mut lab = Lab::new();
    let offer = offered(&mut lab);
    let accept = router(kind::REQUEST, &offer).address(code::SERVER_ID, at(1)).finish();
    lab.hand(1, &accept, at(7), Proven::No);
    assert!(lab.step().contains("ACK"));
    assert_eq!(lab.holders(1)[0], "10.0.0.0/26 leased to server-7");
    lab
}

/// SN-59, SN-63, SN-64, H-SN-22: a router that does not assign addresses has them assigned for its hosts, and theirs alone; that is
/// on disk before, and acknowledged after. Its initial group counts as used from the beginning.
#[test]
fn reserve_mode() {
    let mut lab = Lab::new();
    let offer = offered(&mut lab);
    let now = lab.now;
    let core = &mut lab.server(1).core;
    let accept = router(kind::REQUEST, &offer).address(code::SERVER_ID, at(1)).finish();
    core.handle_message(&accept, at(7), Proven::No, now);
    let commands: Vec<Command> = std::iter::from_fn(|| core.poll_command()).collect();
    let place = |wanted: &dyn Fn(&Command) -> bool| commands.iter().position(wanted).expect("it is among them");
    let persisted = place(&|command| matches!(command, Command::Persist { .. }));
    let assigned = place(&|command| matches!(command, Command::Assign(_)));
    let acknowledged = place(&|command| matches!(command, Command::Send { .. }));
    assert!(persisted < assigned && assigned < acknowledged, "{commands:?}");
    let Command::Assign(assignment) = &commands[assigned] else { panic!() };
    let reserved = assignment.reserved.as_ref().unwrap();
    assert_eq!((assignment.subnet, &reserved.device, reserved.relay), (subnet("10.0.0.0/26"), &id(7), at(7)));
    let used = |lab: &mut Lab, in_use| {
        let usage = Usage { in_use, high_water: in_use, unusable: 0 };
        lab.act(1, |core, now| core.handle_usage(&subnet("10.0.0.0/26"), usage, now));
        lab.servers[&1].core.view(lab.now).roots[0].usage.in_use
    };
    assert_eq!([used(&mut lab, 13), used(&mut lab, 1)], [13, 12]);
}

/// H-SN-22, H-SN-3: after the provider's start hosts behind the device are served at once, not when the device renews; and as long
/// as before.
#[test]
fn after_a_start() {
    let mut lab = reserved();
    let held = subnet("10.0.0.0/26");
    let until = lab.server(1).assigned[&held].unwrap();
    lab.restart(1, true);
    assert_eq!(lab.server(1).assigned[&held], Some(until));
    lab.act(1, |core, now| core.handle_timeout(now));
    assert!(lab.server(1).gone.is_empty());

    // Where the space is another's, its provider confirms it first.
    let mut lab = Lab::new();
    lab.start(2, config(2, &[]));
    lab.act(2, |core, now| core.handle_add(subnet("10.0.0.0/24"), None, now)).unwrap();
    lab.start(1, config(1, &[2]));
    lab.pass(MINUTE);
    let request =
        AllocationBuilder::new().request(Request { delegate: false, earlier: false, prefix: 26 }).finish().unwrap();
    for _ in 0..3 {
        lab.hand(1, &router(kind::DISCOVER, &request).finish(), at(7), Proven::No);
        lab.pass(MINUTE / 3);
    }
    lab.hand(1, &router(kind::DISCOVER, &request).finish(), at(7), Proven::No);
    lab.hand(1, &router(kind::REQUEST, &naming()).address(code::SERVER_ID, at(1)).finish(), at(7), Proven::No);
    lab.deliver();
    assert!(lab.server(1).assigned[&held].is_some());
    lab.restart(1, true);
    assert!(lab.server(1).assigned.is_empty());
    lab.deliver();
    assert!(lab.server(1).assigned[&held].is_some());
}

/// H-SN-2, SN-63: what the address server can't assign from for a device's hosts, because others have leases of former times there, it is
/// told again in a minute, and not only when the device renews.
#[test]
fn not_yet() {
    let mut lab = reserved();
    let held = subnet("10.0.0.0/26");
    for _ in 0..3 {
        lab.server(1).assigned.clear();
        lab.act(1, |core, now| core.handle_unassignable(&held, now));
        lab.pass(MINUTE - Duration::from_secs(1));
        assert!(lab.server(1).assigned.is_empty());
        lab.pass(Duration::from_secs(2));
        assert!(lab.server(1).assigned[&held].is_some());
    }
    // It has released it meanwhile.
    lab.act(1, |core, now| core.handle_unassignable(&held, now));
    let release = router(kind::RELEASE, &naming()).address(code::SERVER_ID, at(1)).finish();
    lab.hand(1, &release, at(7), Proven::No);
    lab.pass(MINUTE * 2);
    assert!(!lab.server(1).assigned.contains_key(&held));
}

/// H-SN-23, H-SN-4: what a device releases rests until the last host that we gave an address of it has gone, however long that
/// takes, and also after a start: of these leases the provider knows.
#[test]
fn hosts_are_left() {
    for restarts in [false, true] {
        let mut lab = reserved();
        let release = router(kind::RELEASE, &naming()).address(code::SERVER_ID, at(1)).finish();
        lab.hand(1, &release, at(7), Proven::No);
        let held = subnet("10.0.0.0/26");
        assert_eq!(lab.server(1).gone, [held]);
        if restarts {
            lab.server(1).gone.clear();
            lab.restart(1, true);
            assert_eq!(lab.server(1).gone, [held], "said again");
            assert!(lab.servers[&1].core.held().eq([held]), "the address server reads its leases");
        }
        lab.pass(DAY);
        assert_eq!(lab.holders(1)[0], "10.0.0.0/26 resting after server-7");
        lab.act(1, |core, now| core.handle_need(200, now));
        assert!(!lab.server(1).assigned.contains_key(&held));
        lab.act(1, |core, now| core.handle_need(0, now));
        lab.act(1, |core, now| core.handle_drained(&held, now));
        assert_eq!(lab.holders(1)[0], "10.0.0.0/26 pool");
    }
    // The last host goes early: then it is the usual rest.
    let mut lab = reserved();
    let release = router(kind::RELEASE, &naming()).address(code::SERVER_ID, at(1)).finish();
    lab.hand(1, &release, at(7), Proven::No);
    lab.act(1, |core, now| core.handle_drained(&subnet("10.0.0.0/26"), now));
    assert_eq!(lab.holders(1)[0], "10.0.0.0/26 resting after server-7");
    lab.pass(MINUTE * 6);
    assert_eq!(lab.holders(1), ["10.0.0.0/24 pool"]);
}

/// SN-47: a device can't empty a subnet that we assign from, so we do when it is asked for.
#[test]
fn asked_back() {
    let mut lab = reserved();
    lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/24"), now));
    lab.hand(
        1,
        &router(kind::REQUEST, &naming()).giaddr([0, 0, 0, 0].into()).ciaddr(at(7)).finish(),
        at(7),
        Proven::No,
    );
    assert_eq!(lab.server(1).assigned[&subnet("10.0.0.0/26")], None);
}
