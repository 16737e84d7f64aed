//! Subnets that come and go while the server runs.

mod common;

use std::net::Ipv4Addr;

use common::*;
use gateway_core::time::Duration;
use gateway_core::wire::dhcp4::{code, kind};
use gateway_server::{AssignError, Config, Delegated, Reservation, Subnet, Tenure};

const SUBNET: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 9, 0, 0), 29);

/// No subnet of its own; clients of one relay get addresses of what comes.
fn template() -> Config {
    let mut config = Config::new(SERVER, "/nowhere");
    let mut terms = Subnet::new(Ipv4Addr::UNSPECIFIED, 32, (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED), RELAY);
    terms.pools.clear();
    terms.relays = vec![RELAY];
    config.delegated = Some(Delegated { terms, first_is_router: false, held: Vec::new() });
    config
}

fn assign(lab: &mut Lab, (prefix, length): (Ipv4Addr, u8), for_so_long: Duration) {
    let until = lab.now + for_so_long;
    lab.server.assign(prefix, length, until, None).unwrap();
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, last)
}

fn lease_of(reply: &Reply) -> [Option<u32>; 3] {
    [code::LEASE_TIME, code::T1, code::T2].map(|code| reply.message().u32_option(code))
}

const DAY: Duration = Duration::from_secs(86_400);

/// SN-55, SN-56, SN-57, H-SN-28: without a subnet the server is silent and says what it lacks; with one it leases all of its
/// addresses but the first and the last, and lacks again.
#[test]
fn clients_get_addresses_when_a_subnet_comes() {
    let mut lab = Lab::new(template());
    let client = cpe(1);
    assert_eq!(lab.server.lacking(lab.now), 0, "nobody has asked");
    assert!(lab.relayed(&client, &client.discover()).is_none());
    assert_eq!(lab.server.lacking(lab.now), 1);

    assign(&mut lab, SUBNET, DAY);
    assert_eq!(lab.server.lacking(lab.now), 0);
    let mut addresses: Vec<_> = (1..=6).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, [1, 2, 3, 4, 5, 6].map(ip));
    assert_eq!(lab.login(&cpe(7)), None);
    assert_eq!(lab.server.lacking(lab.now), 1);
    let occupancy = lab.server.occupancy(SUBNET.0, SUBNET.1).unwrap();
    assert_eq!((occupancy.in_use, occupancy.high_water, occupancy.free), (6, 6, 0));

    lab.relayed(&client, &client.release(addresses[0]));
    let one = cpe(2);
    let address = lab.login(&one).unwrap();
    lab.relayed(&one, &one.decline(address));
    let occupancy = lab.server.occupancy(SUBNET.0, SUBNET.1).unwrap();
    assert_eq!((occupancy.in_use, occupancy.high_water, occupancy.unusable), (4, 6, 1));
}

/// SN-58, H-SN-4, H-SN-5: no lease outlives the subnet's, T1 and T2 go by what is left, and a renewal goes as far as the subnet's
/// lease was extended.
#[test]
fn leases_end_before_the_subnets_does() {
    let mut lab = Lab::new(template());
    assign(&mut lab, SUBNET, Duration::from_secs(1000));
    let client = cpe(1);
    let offer = lab.relayed(&client, &client.discover()).unwrap();
    assert_eq!(lease_of(&offer), [Some(1000), Some(500), Some(870)]);
    let ack = lab.relayed(&client, &client.select(offer.yiaddr())).unwrap();
    assert_eq!(lease_of(&ack)[0], Some(1000));
    lab.wait(Duration::from_secs(400));
    assert_eq!(lease_of(&lab.relayed(&client, &client.renew(offer.yiaddr())).unwrap())[0], Some(600));
    assign(&mut lab, SUBNET, DAY);
    assert_eq!(lease_of(&lab.relayed(&client, &client.renew(offer.yiaddr())).unwrap())[0], Some(3600));
    assign(&mut lab, SUBNET, Duration::ZERO);
    assert!(lab.relayed(&cpe(2), &cpe(2).discover()).is_none(), "nothing is given of a subnet whose lease is over");
}

/// SN-47: of a subnet that is emptied nobody gets an address, and who has one keeps it to the end of the lease.
#[test]
fn a_subnet_drains() {
    let mut lab = Lab::new(template());
    assign(&mut lab, SUBNET, DAY);
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    let late = cpe(2);
    let offered = lab.relayed(&late, &late.discover()).unwrap().yiaddr();
    lab.server.stop_assigning(SUBNET.0, SUBNET.1, Tenure::Draining);
    assert_eq!(lab.relayed(&late, &late.select(offered)).unwrap().kind(), kind::NAK, "what was only offered");
    assert!(lab.relayed(&cpe(3), &cpe(3).discover()).is_none());

    lab.wait(Duration::from_secs(1800));
    let ack = lab.relayed(&client, &client.renew(address)).unwrap();
    assert_eq!((ack.kind(), lease_of(&ack)[0]), (kind::ACK, Some(1800)), "what is left, and no more");
    assert!(lab.server.occupancy(SUBNET.0, SUBNET.1).unwrap().is_used());
    lab.rest(Duration::from_secs(1801));
    assert!(!lab.server.occupancy(SUBNET.0, SUBNET.1).unwrap().is_used());
    assert_eq!(lab.relayed(&client, &client.renew(address)).unwrap().kind(), kind::NAK);
}

/// SN-44, SN-45: hosts of a subnet that is another's now are told so when they renew.
#[test]
fn a_subnet_is_gone() {
    let mut lab = Lab::new(template());
    assign(&mut lab, SUBNET, DAY);
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    lab.server.stop_assigning(SUBNET.0, SUBNET.1, Tenure::Gone);
    assert!(lab.relayed(&cpe(2), &cpe(2).discover()).is_none());
    assert_eq!(lab.relayed(&client, &client.renew(address)).unwrap().kind(), kind::NAK);
    assert!(!lab.server.occupancy(SUBNET.0, SUBNET.1).unwrap().is_used());
}

/// Whatever comes and goes, nothing is left of it: no record, no slot, and no client that is still known there.
#[test]
fn nothing_is_left_of_a_subnet() {
    let mut lab = Lab::new(template());
    let mut known = 0;
    for round in 0..20_u8 {
        let subnet = (Ipv4Addr::new(10, 9, round, 0), 29);
        assign(&mut lab, subnet, DAY);
        for number in 1..=6 {
            assert_eq!(lab.login(&cpe(number)).unwrap().octets()[2], round);
        }
        known = known.max(lab.server.status().known);
        lab.server.remove(subnet.0, subnet.1);
        lab.carry_out();
        assert_eq!(lab.server.occupancy(subnet.0, subnet.1), None);
        assert_eq!((lab.active(), lab.disk.len()), (0, 0));
    }
    assert_eq!(known, 6, "slots are used again");
}

/// H-SN-3: after a start leases of a held subnet are known, nothing is said of them before the subnet is confirmed, and then they
/// go on.
#[test]
fn leases_survive_a_restart() {
    let mut lab = Lab::new(template());
    assign(&mut lab, SUBNET, DAY);
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    lab.config.delegated.as_mut().unwrap().held = vec![SUBNET];
    lab.crash();
    assert!(lab.relayed(&client, &client.renew(address)).is_none(), "it may be another's");
    assert!(lab.relayed(&cpe(2), &cpe(2).discover()).is_none());
    assign(&mut lab, SUBNET, DAY);
    assert_ne!(lab.login(&cpe(2)), Some(address));
    assert_eq!(lab.relayed(&client, &client.renew(address)).unwrap().kind(), kind::ACK);
}

/// SN-63, H-SN-22: what is reserved for a device goes to hosts behind it only.
#[test]
fn a_subnet_for_one_relay() {
    let mut lab = Lab::new(template());
    lab.server.assign(SUBNET.0, SUBNET.1, lab.now + DAY, Some(OTHER_RELAY)).unwrap();
    assert_eq!(lab.login(&cpe(1)), None);
    assert!(lab.login(&cpe(2).at(OTHER_RELAY)).is_some());
}

/// A subnet that overlaps one of the configuration is not leased from: one address would have two clients.
#[test]
fn no_subnet_twice() {
    let mut config = config();
    config.delegated = template().delegated;
    let mut lab = Lab::new(config);
    let overlap = lab.server.assign(Ipv4Addr::new(10, 1, 0, 0), 24, lab.now + DAY, None).unwrap_err();
    assert_eq!(overlap.to_string(), "it overlaps 10.1.0.0/16, which the DHCP server leases from");
    assign(&mut lab, SUBNET, DAY);
    lab.server.assign(SUBNET.0, 30, lab.now + DAY, None).unwrap_err();
    assign(&mut lab, SUBNET, DAY);
}

/// What can't be leased from is said to be so, and nothing of it is: where no terms are configured, and where there are as many
/// subnets as can be, of which one with a reservation takes two.
#[test]
fn what_cannot_be_assigned() {
    let mut lab = Lab::new(config());
    assert_eq!(lab.server.assign(SUBNET.0, SUBNET.1, lab.now + DAY, None), Err(AssignError::Unconfigured));

    let mut config = template();
    let first = u32::from(Ipv4Addr::new(10, 64, 0, 0));
    let held = (0..u32::from(u16::MAX) - 1).map(|number| (Ipv4Addr::from(first + number), 32));
    config.delegated.as_mut().unwrap().held = held.collect();
    config.reservations = vec![Reservation { mac: Some([2; 6]), ..Reservation::new(ip(2)) }];
    let mut lab = Lab::new(config);
    assert_eq!(lab.server.assign(SUBNET.0, SUBNET.1, lab.now + DAY, None), Err(AssignError::TooMany));
    assert_eq!(lab.server.occupancy(SUBNET.0, SUBNET.1), None);
    let other = (Ipv4Addr::new(10, 9, 1, 0), 29);
    assign(&mut lab, other, DAY);
    assert_eq!(lab.server.assign(Ipv4Addr::new(10, 9, 2, 0), 29, lab.now + DAY, None), Err(AssignError::TooMany));
    lab.server.remove(other.0, other.1);
    assign(&mut lab, other, DAY);
}

/// Leases of a subnet that was lost before they had ended, when no process was there any more to see it, go from the disk when they
/// are over; what the configuration had stays.
#[test]
fn records_of_a_lost_subnet() {
    let leases = |lab: &Lab| lab.disk.keys().filter(|key| key[0] == b'l').count();
    let mut lab = Lab::new(template());
    assign(&mut lab, SUBNET, DAY);
    for number in 1..=3 {
        lab.login(&cpe(number)).unwrap();
    }
    lab.crash();
    assert_eq!(leases(&lab), 3, "they last, and the subnet may come back");
    lab.wait(Duration::from_secs(4000));
    lab.crash();
    assert_eq!(leases(&lab), 0);

    let mut lab = Lab::new(config());
    lab.login(&cpe(1)).unwrap();
    lab.wait(Duration::from_secs(4000));
    for delegated in [None, template().delegated] {
        lab.config.delegated = delegated;
        lab.crash();
        assert_eq!(leases(&lab), 1);
    }
    lab.config.delegated = None;
    lab.config.subnets.remove(0);
    lab.crash();
    assert_eq!(leases(&lab), 1);
}
