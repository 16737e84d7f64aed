//! The single logout: capability, what it ends, what it leaves alone, and that it costs the same at any size.

mod common;

use std::net::Ipv4Addr;

use common::*;
use gateway_core::scope::{Epoch, Scope, ScopeKind};
use gateway_core::time::Duration;
use gateway_core::wire::bulk_release::{Capability, Operation};
use gateway_core::wire::dhcp4::{code, kind};
use gateway_server::{Config, Event};

fn open() -> Config {
    let mut config = config();
    config.bulk_release.allow_unauthenticated = true;
    config
}

fn lab() -> Lab {
    Lab::new(open())
}

fn capability(lab: &mut Lab, client: &Cpe) -> Capability {
    lab.relayed(client, &client.discover()).unwrap().release().capability.unwrap()
}

/// The server sets a bit that no relay sets, in place, and says whether it would carry a single logout out.
///
/// BR-9 BR-23 H-BR-2
#[test]
fn the_server_says_what_it_can_do() {
    let client = cpe(1);
    let found = capability(&mut lab(), &client);
    assert_eq!(found.flags, Capability::RELAY_CAPABLE | Capability::SERVER_CAPABLE | Capability::WILL_REPLY);
    assert_eq!(found.max_scopes, 8);

    let mut disabled = open();
    disabled.bulk_release.enabled = false;
    let mut keyless = config();
    keyless.bulk_release.keys.clear();
    for refusing in [disabled, keyless, config()] {
        let found = capability(&mut Lab::new(refusing), &client);
        assert_eq!(found.flags, Capability::RELAY_CAPABLE | Capability::SERVER_REFUSED);
    }
}

/// The echo differs from what was sent in the capability's flags and number, in OFFER and ACK, and in nothing else: an
/// option 82 without our capability, as an access node inserts it, comes back untouched.
///
/// BR-9 H-BR-5
#[test]
fn nothing_but_the_capability_is_altered() {
    let mut lab = lab();
    let client = cpe(1);
    let (sent, offer) = (client.agent(), lab.relayed(&client, &client.discover()).unwrap());
    let ack = lab.relayed(&client, &client.select(offer.yiaddr())).unwrap();
    for reply in [&offer, &ack] {
        let got = reply.agent();
        let differing: Vec<usize> = (0..sent.len()).filter(|at| sent[*at] != got[*at]).collect();
        assert_eq!((got.len(), differing.len()), (sent.len(), 2), "flags and the low octet of max-scopes");
    }
    let downstream = cpe(2).tagged(None);
    let offer = lab.relayed(&downstream, &downstream.discover()).unwrap();
    assert_eq!(offer.agent(), downstream.agent());
}

/// One message ends every login of the scope, and only those; one message answers it.
///
/// BR-24 BR-25 BR-27
#[test]
fn one_message_ends_the_logins_of_an_address() {
    let mut lab = lab();
    let inside: Vec<Ipv4Addr> = (0..5).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    let elsewhere = lab.login(&cpe(50).at(OTHER_RELAY)).unwrap();
    let untagged = lab.login(&cpe(60).tagged(None)).unwrap();
    let grouped = lab.login(&cpe(61).tagged(Some(group("fpc3", 7)))).unwrap();
    let mut other = scope(RELAY, 7);
    other.device = gateway_core::scope::DeviceId::new(other.device.id_type(), b"BNG-0043").unwrap();
    let other_device = lab.login(&cpe(62).tagged(Some(other))).unwrap();

    let reply = lab.logout(&logout(scope(RELAY, 7), 1)).unwrap();
    assert_eq!((reply.kind(), reply.to), (kind::BULK_RELEASE_REPLY, "10.0.0.1:67".parse().unwrap()));
    assert_eq!(reply.message().xid(), 0xa1b2_c3d4);
    assert_eq!(reply.message().option(code::STATUS_CODE), None, "success");
    assert_eq!(reply.counts(), (5, 0, 7));
    let transaction = reply.release().transaction.unwrap();
    assert_eq!(
        (transaction.operation, transaction.final_, transaction.txid, transaction.count),
        (Operation::Result, true, 1, 5)
    );

    for address in inside {
        assert_eq!(lab.query(address), kind::LEASEUNASSIGNED);
    }
    for address in [elsewhere, untagged, grouped, other_device] {
        assert!(lab.is_leased(address), "{address}");
    }
}

/// The same by group, where several line cards share a giaddr.
///
/// BR-26 BR-27 H-BR-10
#[test]
fn one_message_ends_the_logins_of_a_group() {
    let mut lab = lab();
    let of = |name: &str, number| cpe(number).tagged(Some(group(name, 7)));
    let first: Vec<Ipv4Addr> = (0..3).map(|number| lab.login(&of("fpc1", number)).unwrap()).collect();
    let second: Vec<Ipv4Addr> = (3..6).map(|number| lab.login(&of("fpc2", number)).unwrap()).collect();
    assert_eq!(lab.logout(&logout(group("fpc1", 7), 1)).unwrap().counts(), (3, 0, 7));
    assert!(first.into_iter().all(|address| !lab.is_leased(address)));
    assert!(second.into_iter().all(|address| lab.is_leased(address)));
}

/// DEVICE covers every scope of the device and of no other; several scopes in one message are answered in order.
#[test]
fn the_whole_device_and_several_scopes_at_once() {
    let mut lab = lab();
    let addressed = lab.login(&cpe(1)).unwrap();
    let grouped = lab.login(&cpe(2).tagged(Some(group("fpc3", 9)))).unwrap();
    let untagged = lab.login(&cpe(3).tagged(None)).unwrap();
    let whole = Scope { kind: ScopeKind::Device, ..scope(RELAY, 9) };
    let mut several = logout(group("fpc3", 9), 1);
    several.scopes.push(scope(RELAY, 7));
    several.operation = Operation::Probe;
    let reply = lab.logout(&several).unwrap();
    let released: Vec<u32> = reply.release().results.iter().map(|result| result.released).collect();
    assert_eq!((released, reply.release().scopes), (vec![1, 1], several.scopes));
    assert_eq!(lab.logout(&logout(whole, 2)).unwrap().counts(), (2, 0, 9));
    assert!(!lab.is_leased(addressed) && !lab.is_leased(grouped) && lab.is_leased(untagged));
    lab.crash();
    assert!(!lab.is_leased(addressed) && !lab.is_leased(grouped) && lab.is_leased(untagged));
}

/// Its addresses can be leased to others at once, without waiting for anything to be tidied up.
///
/// BR-31
#[test]
fn ended_leases_are_allocatable_at_once() {
    let mut lab = lab();
    let before: Vec<Ipv4Addr> = (0..10).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    assert_eq!(lab.login(&cpe(100)), None, "the pool is used up");
    lab.logout(&logout(scope(RELAY, 7), 1)).unwrap();
    let newcomer = |number| cpe(number).tagged(Some(scope(RELAY, 8)));
    let mut after: Vec<Ipv4Addr> = (100..110).map(|number| lab.login(&newcomer(number)).unwrap()).collect();
    after.sort_unstable();
    assert_eq!(after, before);
    assert_eq!(lab.login(&newcomer(110)), None);
    lab.crash();
    assert_eq!(lab.active(), 10);
}

/// With a quarantine configured an address is kept from others, and not from its last client; a restart is no way around it.
///
/// H-BR-24
#[test]
fn quarantine() {
    let mut config = open();
    config.bulk_release.quarantine = Duration::from_secs(60);
    let mut lab = Lab::new(config);
    let before: Vec<Ipv4Addr> = (0..10).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    lab.relayed(&cpe(5), &cpe(5).release(before[5]));
    assert_eq!(lab.login(&cpe(100)), None, "released");
    lab.crash();
    assert_eq!(lab.login(&cpe(100)), None, "after a restart");
    lab.logout(&logout(scope(RELAY, 7), 1)).unwrap();
    assert_eq!(lab.login(&cpe(100)), None);
    lab.crash();
    assert_eq!(lab.login(&cpe(100)), None, "after a restart");
    assert_eq!(lab.login(&cpe(4)), Some(before[4]));
    lab.rest(Duration::from_secs(61));
    assert!(lab.login(&cpe(100)).is_some());
    assert!(lab.is_leased(before[4]));
}

/// A client that still believes in its lease and renews past the relay is told that it is over; through the relay, which
/// then knows of it, it gets the lease back.
///
/// H-BR-24
#[test]
fn a_renewal_after_the_logout() {
    let mut lab = lab();
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    lab.logout(&logout(scope(RELAY, 7), 1)).unwrap();
    let direct = Cpe { direct: true, ..client.clone() };
    assert_eq!(lab.relayed(&direct, &direct.renew(address)).unwrap().kind(), kind::NAK);
    let again = client.tagged(Some(scope(RELAY, 8)));
    assert_eq!(lab.relayed(&again, &again.renew(address)).unwrap().kind(), kind::ACK);
}

/// Logins made after the restart carry a later epoch and survive every repetition, delay and replay of the release.
///
/// H-BR-6 BR-27
#[test]
fn a_late_or_repeated_release_never_touches_a_newer_epoch() {
    let mut lab = lab();
    let old = lab.login(&cpe(1)).unwrap();
    let release = logout(scope(RELAY, 7), 0x55);
    let first = lab.logout(&release).unwrap();
    assert_eq!(first.counts(), (1, 0, 7));
    let new = lab.login(&cpe(1).tagged(Some(scope(RELAY, 8)))).unwrap();
    assert_eq!(new, old, "the same client, the same address");
    let second = lab.logout(&release).unwrap();
    assert_eq!(second.release().results, first.release().results, "the repetition is answered alike");
    let late = lab.logout(&logout(scope(RELAY, 7), 0x56)).unwrap();
    assert_eq!(late.counts(), (0, 1, 8), "and says that a later epoch is known");
    assert!(lab.is_leased(new));
    lab.crash();
    assert!(lab.is_leased(new));
}

/// Results are kept for 600 s, on disk too: the answer to a repetition is the same after a crash.
#[test]
fn the_result_of_a_transaction_survives_a_crash_and_is_forgotten_later() {
    let mut lab = lab();
    lab.login(&cpe(1)).unwrap();
    let release = logout(scope(RELAY, 7), 0x55);
    let first = lab.logout(&release).unwrap();
    lab.crash();
    lab.rest(Duration::from_secs(599));
    let records = lab.disk.len();
    assert_eq!(lab.logout(&release).unwrap().release().results, first.release().results);
    lab.rest(Duration::from_secs(2));
    assert_eq!(lab.disk.len(), records - 1);
    assert_eq!(lab.logout(&release).unwrap().counts(), (0, 0, 7));
}

/// A client that renewed past the relay, without a tag, after the relay had decided: its login is newer. Only those cost
/// work. One second is allowed for rounding.
///
/// H-BR-7
#[test]
fn renewed_after_the_decision_is_newer() {
    let mut lab = lab();
    let addresses: Vec<Ipv4Addr> = (0..4).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    lab.wait(Duration::from_secs(100)); // the relay decides here
    lab.wait(Duration::from_secs(5));
    for number in [1, 3] {
        let direct = Cpe { direct: true, ..cpe(number) };
        assert_eq!(lab.relayed(&direct, &direct.renew(addresses[number as usize])).unwrap().kind(), kind::ACK);
    }
    lab.wait(Duration::from_secs(5));
    let reply = lab.logout(&Logout { secs: 10, ..logout(scope(RELAY, 7), 1) }).unwrap();
    assert_eq!(reply.counts(), (2, 2, 7));
    for crashed in [false, true] {
        if crashed {
            lab.crash();
        }
        let leased: Vec<bool> = addresses.iter().map(|address| lab.is_leased(*address)).collect();
        assert_eq!(leased, [false, true, false, true], "crashed: {crashed}");
    }
    let reply = lab.logout(&Logout { secs: 7, ..logout(scope(RELAY, 7), 2) }).unwrap();
    assert_eq!(reply.counts(), (0, 2, 7), "renewed 5 s ago, decided 7 s ago");
    let reply = lab.logout(&Logout { secs: 6, ..logout(scope(RELAY, 7), 3) }).unwrap();
    assert_eq!(reply.counts(), (2, 0, 7), "within the tolerance");
}

/// A relayed renewal moves a login to the epoch and the device it came through last; what names the former ones misses
/// it.
///
/// H-BR-11 H-BR-12
#[test]
fn the_latest_relayed_message_decides_the_tag() {
    let mut lab = lab();
    let client = cpe(1);
    let address = lab.login(&client).unwrap();
    let moved = client.clone().tagged(Some(group("fpc3", 4)));
    lab.relayed(&moved, &moved.renew(address)).unwrap();
    assert_eq!(lab.logout(&logout(scope(RELAY, 7), 1)).unwrap().counts(), (0, 0, 7));
    let untagged = client.clone().tagged(None);
    lab.relayed(&untagged, &untagged.renew(address)).unwrap();
    assert_eq!(lab.logout(&logout(group("fpc3", 4), 2)).unwrap().counts(), (0, 0, 4));
    assert!(lab.is_leased(address));
}

/// A RELEASE for the login before this one that comes late is not taken for this one's.
///
/// H-BR-6
#[test]
fn a_late_individual_release_of_the_former_login() {
    let mut lab = lab();
    let (old, new) = (cpe(1), cpe(1).tagged(Some(scope(RELAY, 8))));
    let address = lab.login(&old).unwrap();
    lab.logout(&logout(scope(RELAY, 7), 1)).unwrap();
    assert_eq!(lab.login(&new), Some(address));
    lab.relayed(&old, &old.release(address));
    assert!(lab.is_leased(address));
    lab.relayed(&new, &new.release(address));
    assert!(!lab.is_leased(address));
}

/// The relay lost its epochs: the answer tells the highest one the server knows, also of scopes that are empty.
///
/// H-BR-8
#[test]
fn the_answer_tells_the_highest_epoch() {
    let mut lab = lab();
    lab.login(&cpe(1).tagged(Some(scope(RELAY, 41)))).unwrap();
    assert_eq!(lab.logout(&logout(scope(RELAY, 3), 1)).unwrap().counts(), (0, 1, 41));
    assert_eq!(lab.logout(&logout(scope(RELAY, 50), 2)).unwrap().counts(), (1, 0, 50));
    lab.crash();
    assert_eq!(lab.logout(&logout(scope(RELAY, 3), 3)).unwrap().counts(), (0, 0, 50));
    let stale = cpe(2).tagged(Some(scope(RELAY, 12)));
    lab.login(&stale).unwrap();
    let told = Event::StaleEpoch { scope: scope(RELAY, 12), ended: Epoch(50) };
    assert!(lab.events.contains(&told), "the operator is told, the subscriber served");
}

/// A probe counts and changes nothing.
#[test]
fn probe() {
    let mut lab = lab();
    let addresses: Vec<Ipv4Addr> = (0..3).map(|number| lab.login(&cpe(number)).unwrap()).collect();
    let (disk, writes) = (lab.disk.clone(), lab.writes);
    let probe = Logout { operation: Operation::Probe, ..logout(scope(RELAY, 7), 1) };
    for _ in 0..2 {
        let reply = lab.send("10.0.0.1:67".parse().unwrap(), &probe.unsigned()).unwrap();
        assert_eq!((reply.kind(), reply.counts()), (kind::BULK_RELEASE_REPLY, (3, 0, 7)));
    }
    assert_eq!((&lab.disk, lab.writes), (&disk, writes));
    assert!(addresses.into_iter().all(|address| lab.is_leased(address)));
}

/// The work is the same for two leases and for two thousand: the same number of records and messages, and nothing left
/// over for the disk afterwards. It is one record or none, so nothing fails in part and no interim reply is needed.
///
/// BR-24 BR-29 BR-30 H-BR-17 H-BR-21
#[test]
fn constant_work() {
    let mut cost = Vec::new();
    for size in [2, 2000] {
        let mut lab = Lab::new(wide(open(), 4000));
        (0..size).for_each(|number| assert!(lab.login(&cpe(number)).is_some()));
        let writes = lab.writes;
        let unsigned = logout(scope(RELAY, 7), 1).unsigned();
        let reply = lab.send("10.0.0.1:67".parse().unwrap(), &unsigned).unwrap();
        assert_eq!(reply.counts(), (size, 0, 7));
        assert_eq!(reply.release().results[0].failed, 0);
        assert_eq!(lab.active(), 0);
        lab.rest(Duration::from_secs(60));
        cost.push(lab.writes - writes);
    }
    assert_eq!(cost, [2, 2], "cut-off and result");
}

/// Crash after each command of a single logout: either it never was, or all of it was; the answer is out only if it was.
///
/// H-BR-17 H-BR-20
#[test]
fn a_crash_in_the_middle_of_a_logout() {
    for survive in 0..4 {
        let mut lab = lab();
        let addresses: Vec<Ipv4Addr> = (0..3).map(|number| lab.login(&cpe(number)).unwrap()).collect();
        let release = logout(scope(RELAY, 7), 1);
        lab.server.handle_message("10.0.0.1:67".parse().unwrap(), &release.unsigned(), lab.now, lab.unix);
        let mut answered = false;
        for _ in 0..survive {
            match lab.server.poll_command() {
                Some(gateway_server::Command::Persist { key, value }) => drop(lab.disk.insert(key, value)),
                Some(gateway_server::Command::Send { .. }) => answered = true,
                _ => {}
            }
        }
        lab.crash();
        let ended = addresses.iter().filter(|address| !lab.is_leased(**address)).count();
        assert!(ended == 0 || ended == 3, "{ended} of 3 ended after {survive} commands");
        assert!(!answered || ended == 3);
        let reply = lab.logout(&release).unwrap();
        assert!(reply.counts().0 == 3 || ended == 3, "repeated, it does what is left to do");
        assert!(addresses.iter().all(|address| !lab.is_leased(*address)));
    }
}
