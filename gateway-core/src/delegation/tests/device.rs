//! Reserve mode, the device's side: a server of ours that has a subnet, and has its provider assign the addresses.

use super::lab::{DAY, Lab, at, config, subnet};
use crate::delegation::{DelegationConfig, Entry, Lessees, Usage};
use crate::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// The giaddr of the device's hosts, which is not the address that it speaks from.
const RELAY: u8 = 77;

fn device_config() -> DelegationConfig {
    DelegationConfig { reserve: Some(at(RELAY)), lessees: Lessees::Nobody, ..config(7, &[1]) }
}

/// Server 1 has a subnet, and 7 is a device that begins with a /28 of it.
fn device(entered: &str) -> Lab {
    let mut lab = Lab::new();
    lab.start(1, config(1, &[2]));
    lab.server(1).drains = false;
    lab.act(1, |core, now| core.handle_add(subnet(entered), None, now)).unwrap();
    lab.start(7, device_config());
    lab.pass(MINUTE);
    assert_eq!(lab.holders(7), ["10.0.0.0/28 reserved"]);
    assert_eq!(lab.holders(1)[0], "10.0.0.0/28 leased to server-7");
    lab
}

/// So many of its hosts have addresses.
fn used(lab: &mut Lab, text: &str, in_use: u64) {
    let usage = Usage { in_use, high_water: in_use, unusable: 0 };
    lab.act(1, |core, now| core.handle_usage(&subnet(text), usage, now));
}

fn count(lab: &Lab, what: &str) -> usize {
    lab.transcript.iter().filter(|text| text.contains(what)).count()
}

/// SN-63, SN-64, H-SN-22: the device asks for its initial group and assigns nothing; the provider assigns, to hosts behind the relay
/// that the device has named.
#[test]
fn from_the_beginning() {
    let lab = device("10.0.0.0/24");
    assert_eq!(count(&lab, "7 > 1 DISCOVER /28 reserve"), 1);
    let reserved = lab.servers[&1].told[&subnet("10.0.0.0/28")].reserved.as_ref().unwrap();
    assert_eq!((reserved.relay, reserved.device.to_string()), (at(RELAY), "server-7".to_owned()));
    assert!(lab.servers[&7].assigned.is_empty());
    let view = lab.servers[&7].core.view(lab.now);
    assert_eq!((view.roots[0].free, view.roots[0].blocks[0].usage), (0, None), "it is the provider's to know");
}

/// SN-4, SN-57, SN-63, SN-66, H-SN-25: the provider sees that the device's addresses run out. It asks it to renew, says that there is
/// more, and the device asks for it; when there is enough, nobody says anything.
#[test]
fn it_runs_out() {
    let mut lab = device("10.0.0.0/24");
    used(&mut lab, "10.0.0.0/28", 13);
    lab.deliver();
    assert_eq!(lab.holders(7).len(), 1);
    lab.transcript.clear();
    used(&mut lab, "10.0.0.0/28", 14);
    lab.deliver();
    let said = ["1 > 7 FORCERENEW 10.0.0.0/28", "7 > 1 RENEW 10.0.0.0/28", "1 > 7 ACK lease 604800 10.0.0.0/28 more"];
    assert_eq!(lab.transcript[..3], said);
    assert_eq!(lab.transcript[3], "7 > 1 DISCOVER /0 reserve");
    assert_eq!(lab.holders(7), ["10.0.0.0/28 reserved", "10.0.0.32/27 reserved"]);
    assert_eq!(lab.server(1).assigned.len(), 2);
    lab.transcript.clear();
    lab.pass(MINUTE * 30);
    assert_eq!(lab.transcript, [""; 0]);
}

/// SN-57, SN-60: what the provider has not for it, it asks for.
#[test]
fn the_provider_has_nothing_more() {
    let mut lab = device("10.0.0.0/28");
    lab.start(2, config(2, &[]));
    lab.act(2, |core, now| core.handle_add(subnet("10.2.0.0/24"), None, now)).unwrap();
    used(&mut lab, "10.0.0.0/28", 14);
    lab.pass(MINUTE * 3);
    assert_eq!(lab.holders(7), ["10.0.0.0/28 reserved", "10.2.0.0/29 reserved"], "half of it");
    assert!(lab.server(1).assigned.contains_key(&subnet("10.2.0.0/29")));
}

/// SN-40, SN-42, SN-67, H-SN-3: the device renews without a word of use, which is the provider's own knowledge; after a start with its
/// disk, and without, it has what it had.
#[test]
fn over_time_and_starts() {
    let mut lab = device("10.0.0.0/24");
    used(&mut lab, "10.0.0.0/28", 13);
    lab.pass(DAY * 4);
    assert_eq!(count(&lab, "7 > 1 RENEW 10.0.0.0/28"), 1);
    assert_eq!(count(&lab, "used"), 0);
    let block = |lab: &Lab| lab.servers[&1].core.view(lab.now).roots[0].blocks[0].clone();
    assert_eq!(block(&lab).usage.map(|usage| usage.in_use), Some(13));
    for disk in [true, false] {
        lab.restart(7, disk);
        lab.pass(MINUTE * 5);
        assert_eq!(lab.holders(7), ["10.0.0.0/28 reserved"], "disk {disk}");
        assert!(lab.server(7).assigned.is_empty());
        assert_eq!(count(&lab, "RELEASE"), 0);
    }
    lab.pass(DAY * 4);
    assert_eq!(lab.holders(7), ["10.0.0.0/28 reserved"]);
}

/// SN-47, SN-49, H-SN-23: it gives back at once what it is asked for, since it has nothing to empty; at the provider that rests until
/// the hosts have gone, whose leases it has.
#[test]
fn asked_for() {
    let mut lab = device("10.0.0.0/24");
    used(&mut lab, "10.0.0.0/28", 3);
    lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/24"), now));
    lab.pass(MINUTE);
    assert_eq!(count(&lab, "7 > 1 RELEASE 10.0.0.0/28"), 1);
    assert_eq!(lab.holders(7), [""; 0]);
    lab.pass(DAY);
    assert_eq!(lab.holders(1)[0], "10.0.0.0/28 resting after server-7");
    lab.act(1, |core, now| core.handle_drained(&subnet("10.0.0.0/28"), now));
    lab.pass(MINUTE);
    assert_eq!(lab.holders(1), [""; 0]);
}

/// H-SN-3, H-SN-22: a provider that has lost its table hears from the device which subnet is its own, and which relay's hosts it is for.
#[test]
fn a_provider_that_forgot() {
    let mut lab = device("10.0.0.0/24");
    lab.restart(1, false);
    let entry = Entry { subnet: subnet("10.0.0.0/24"), maximum: None, fresh: false };
    lab.act(1, |core, now| core.handle_enter(entry, now)).unwrap();
    lab.pass(DAY * 4);
    assert_eq!(lab.holders(1)[0], "10.0.0.0/28 leased to server-7");
    let reserved = lab.servers[&1].told[&subnet("10.0.0.0/28")].reserved.as_ref().unwrap();
    assert_eq!(reserved.relay, at(RELAY));
    assert!(lab.server(1).recovered.contains(&subnet("10.0.0.0/28")), "its leases were lost, too");
    // Also when it is wanted back: until the last of them is over, hosts that are not known may be there.
    assert!(lab.act(1, |core, now| core.handle_remove(&subnet("10.0.0.0/24"), now)));
    lab.pass(MINUTE);
    let told = &lab.servers[&1].told[&subnet("10.0.0.0/28")];
    assert!(told.recovered, "it was said again at the renewal: {told:?}");
}
