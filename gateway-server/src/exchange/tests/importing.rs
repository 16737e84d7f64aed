//! What of a file goes into a store.

use gateway_core::line::HardwareAddress;
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp6::{DuidBuf, Prefix};

use super::super::*;
use crate::{Config, Server, Subnet};

/// What a report counts of something.
type Count = fn(&Report) -> u64;

const NOW: u64 = 1_795_305_600;

fn config() -> Config {
    let address = |text: &str| text.parse().unwrap();
    let subnet =
        Subnet::new(address("10.0.0.0"), 24, (address("10.0.0.10"), address("10.0.0.99")), address("10.0.0.1"));
    let other =
        Subnet::new(address("10.0.1.0"), 24, (address("10.0.1.10"), address("10.0.1.99")), address("10.0.1.10"));
    let listen = "2001:db8::1".parse().unwrap();
    let mut six = crate::v6::Config::new(listen, DuidBuf::link_layer([2, 0, 0, 0, 0, 9]));
    let mut subnet6 = crate::v6::config::Subnet::new(Prefix::new("2001:db8:1::".parse().unwrap(), 64).unwrap());
    subnet6.addresses = vec![("2001:db8:1::10".parse().unwrap(), "2001:db8:1::ff".parse().unwrap())];
    let delegated = Prefix::new("2001:db8:8000::".parse().unwrap(), 40).unwrap();
    subnet6.prefixes = vec![crate::v6::config::PrefixPool { prefix: delegated, delegated: 56 }];
    six.subnets = vec![subnet6];
    Config { subnets: vec![subnet, other], v6: Some(six), ..Config::new(address("10.0.0.1"), "unused") }
}

/// A lease of the client whose MAC ends so: its last transaction and its end, as seconds from now.
fn lease(address: &str, mac: u8, last: i64, expires: i64) -> Lease {
    Lease {
        hardware: HardwareAddress::ethernet([2, 0, 0, 0, 0, mac]),
        last: NOW.saturating_add_signed(last),
        expires: NOW.saturating_add_signed(expires),
        client: if address.contains(':') { vec![0, 3, 0, 1, mac] } else { Vec::new() },
        ..Lease::new(address.parse().unwrap())
    }
}

fn in_state(state: State, lease: Lease) -> Lease {
    Lease { state, ..lease }
}

/// Imports into a store with these records.
fn import(stored: &[Written], file: &[Lease]) -> (Report, Vec<Written>) {
    let config = config();
    let mut import = Import::new(&config, Duration::from_secs(NOW));
    for (key, value) in stored {
        import.stored(key, value).unwrap();
    }
    for (lease, line) in file.iter().zip(1..) {
        import.take((0, line), lease.clone());
    }
    let (report, written) = import.finish();
    let counted = [report.repeated, report.taken(), report.over, report.outside, report.older, report.moved];
    assert_eq!(counted.iter().sum::<u64>(), report.read, "every lease is counted once: {report:?}");
    (report, written)
}

/// What a store has after a change.
fn after(stored: &[Written], written: Vec<Written>) -> Vec<Written> {
    stored.iter().cloned().chain(written).collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
}

/// Leases that a server with these records has in force.
fn active(records: &[Written]) -> u64 {
    let (now, unix) = (Instant::from_nanos(1), Duration::from_secs(NOW));
    let (six, four): (Vec<_>, Vec<_>) =
        records.iter().cloned().partition(|(key, _)| key[0] == crate::v6::record::CLASS);
    let server = Server::new(config(), four, now, unix).unwrap();
    let six = crate::v6::Server::new(config().v6.unwrap(), six, now, unix).unwrap();
    server.status().active + six.status().active
}

/// Each rule by itself, into an empty store.
#[test]
fn what_is_taken() {
    let empty = |count: Count, expected: u64, file: &[Lease], in_force: u64| {
        let (report, written) = import(&[], file);
        assert_eq!(count(&report), expected, "{file:?}: {report:?}");
        assert_eq!(active(&written), in_force, "{file:?}: {report:?}");
    };
    empty(|r| r.active, 1, &[lease("10.0.0.10", 1, -60, 3600)], 1);
    empty(|r| r.active, 1, &[Lease { expires: NEVER, ..lease("10.0.0.10", 1, -60, 0) }], 1);
    empty(|r| r.active, 2, &[lease("2001:db8:1::10", 1, -60, 3600), lease("2001:db8:8000::/56", 1, -60, 3600)], 2);
    empty(|r| r.abandoned, 1, &[in_state(State::Abandoned, lease("10.0.0.10", 0, -60, 3600))], 0);
    empty(|r| r.remembered, 1, &[lease("10.0.0.10", 1, -7200, -3600)], 0);
    empty(|r| r.remembered, 1, &[in_state(State::Released, lease("10.0.0.10", 1, -60, 3600))], 0);
    empty(|r| r.over, 1, &[in_state(State::Released, Lease::new("10.0.0.10".parse().unwrap()))], 0);
    empty(|r| r.repeated, 1, &[lease("10.0.0.10", 1, -60, 3600), lease("10.0.0.10", 2, -90, 3600)], 1);
    for outside in
        ["10.0.0.9", "10.0.0.100", "10.0.1.10", "10.9.0.1", "2001:db8:1::1", "2001:db8:8000::/60", "2001:db8::/56"]
    {
        empty(|r| r.outside, 1, &[lease(outside, 1, -60, 3600)], 0);
    }
    let twice = [lease("10.0.0.10", 1, -60, 3600), lease("10.0.0.11", 1, -30, 3600)];
    empty(|r| r.moved, 1, &twice, 1);
    empty(|r| r.active, 2, &[lease("10.0.0.10", 1, -60, 3600), lease("10.0.1.11", 1, -30, 3600)], 2);
    empty(|r| r.over, 1, &[lease("10.0.0.10", 1, -60, 3600), lease("10.0.0.11", 1, -30, -10)], 1);
    let (report, _) = import(&[], &twice);
    assert_eq!(report.notes[0].to_string(), "line 1: 10.0.0.10 is a client's that has 10.0.0.11 since, not taken");
}

/// A reserved address is leased though it is in no pool, an excluded one is not though it is in one.
#[test]
fn reserved_and_excluded() {
    let mut config = config();
    config.excluded = vec!["10.0.0.50".parse().unwrap(), "10.0.0.12".parse().unwrap()];
    let mac = Some([2, 0, 0, 0, 0, 1]);
    config.reservations = vec![crate::Reservation { mac, ..crate::Reservation::new("10.0.0.5".parse().unwrap()) }];
    let mut import = Import::new(&config, Duration::from_secs(NOW));
    for (address, line) in ["10.0.0.5", "10.0.0.6", "10.0.0.12", "10.0.0.13", "10.0.0.50"].into_iter().zip(1..) {
        import.take((0, line), lease(address, u8::try_from(line).unwrap(), -60, 3600));
    }
    let (report, _) = import.finish();
    assert_eq!((report.active, report.outside), (2, 3), "{report:?}");
    let left: Vec<_> = report.notes.iter().map(|note| note.address.as_str()).collect();
    assert_eq!(left, ["10.0.0.6", "10.0.0.12", "10.0.0.50"]);
}

/// The store's leases and the file's: the later transaction wins, and what is over displaces nothing.
#[test]
fn beside_what_is_there() {
    let (_, stored) = import(&[], &[lease("10.0.0.10", 1, -100, 3600), lease("10.0.0.11", 2, -100, 3600)]);
    let table: [(Lease, Count, u64); 7] = [
        (lease("10.0.0.10", 1, -100, 3600), |r| r.older, 2), // again the same
        (lease("10.0.0.10", 3, -200, 3600), |r| r.older, 2),
        (lease("10.0.0.10", 3, -50, 3600), |r| r.active.min(r.replaced), 2),
        (in_state(State::Released, lease("10.0.0.10", 1, -50, 3600)), |r| r.over, 2),
        (lease("10.0.0.20", 1, -200, 3600), |r| r.moved, 2),
        (lease("10.0.0.20", 1, -50, 3600), |r| r.active.min(r.replaced), 2),
        (lease("10.0.0.20", 3, -50, 3600), |r| r.active, 3),
    ];
    for (new, count, in_force) in table {
        let (report, written) = import(&stored, std::slice::from_ref(&new));
        assert_eq!(count(&report), 1, "{new:?}: {report:?}");
        assert_eq!(active(&after(&stored, written)), in_force, "{new:?}: {report:?}");
    }
    let (report, _) = import(&stored, &[lease("10.0.0.10", 3, -50, 3600)]);
    assert_eq!(report.notes[0].to_string(), "line 1: 10.0.0.10 replaces the store's earlier lease");
    let (report, _) = import(&stored, &[lease("10.0.0.20", 1, -50, 3600)]);
    assert_eq!(
        report.notes[0].to_string(),
        "line 1: 10.0.0.20 ends its client's earlier lease of 10.0.0.10 in the store"
    );
}

/// The same file twice changes nothing the second time, whatever is in it.
#[test]
fn twice_is_once() {
    for (format, text) in [(Format::Isc, super::files::DHCPD), (Format::Kea, super::files::KEA4)] {
        let file = text.replace("100.64.0.", "10.0.0.");
        let leases: Vec<Lease> =
            read(format, file.as_bytes()).unwrap().leases.into_iter().map(|(_, lease)| lease).collect();
        let (first, written) = import(&[], &leases);
        assert_eq!((first.active, first.abandoned), (2, 1), "{first:?}");
        let (second, again) = import(&after(&[], written), &leases);
        assert_eq!((second.taken(), again.len()), (0, 0), "{second:?}");
    }
}

/// A scope comes along, so that a single logout ends what was imported; a cut-off that the store remembers does not.
#[test]
fn numbered_behind_all_that_was() {
    let (_, first) = import(&[], &[lease("10.0.0.10", 1, -100, 3600)]);
    let (_, second) = import(&first, &[lease("10.0.0.11", 2, -200, 3600)]);
    let sequence = |records: &[Written]| {
        let now = crate::record::Now { at: Instant::from_nanos(1), unix: Duration::from_secs(NOW) };
        let record = crate::record::LeaseRecord::decode(&records[0].1, &now).unwrap();
        record.sequence
    };
    assert!(sequence(&second) > sequence(&first));
}

/// A record that can't be read stops it: a server would not start with it.
#[test]
fn a_damaged_store() {
    let config = config();
    let mut import = Import::new(&config, Duration::from_secs(NOW));
    let error = import.stored(b"l\x0a\x00\x00\x0a", b"nonsense").unwrap_err();
    assert_eq!(error, "the lease of 10.0.0.10 can't be read: it is damaged, or a later version wrote it");
}

/// H-BR-7: leases of a file come between those of the store by their times, also where a single logout tells them apart by the order of
/// their numbers: what was renewed after its decision lives, whichever of the two it came from. What an earlier one has ended stays
/// so.
#[test]
fn numbered_by_their_times() {
    let scope = |epoch| gateway_core::scope::Scope {
        device: gateway_core::scope::DeviceId::new(gateway_core::scope::DeviceIdType::Opaque, b"BNG").unwrap(),
        kind: gateway_core::scope::ScopeKind::Address("10.0.0.1".parse().unwrap()),
        epoch: gateway_core::scope::Epoch(epoch),
    };
    let tagged = |lease: Lease| Lease { scope: Some(scope(7)), ..lease };
    let cut = Lease { scope: Some(scope(6)), ..lease("10.0.0.14", 4, -500, 3600) };
    let there = [tagged(lease("10.0.0.10", 1, -10, 3600)), tagged(lease("10.0.0.11", 2, -90, 3600)), cut];
    let (_, mut stored) = import(&[], &there);
    let now = crate::record::Now { at: Instant::from_nanos(1), unix: Duration::from_secs(NOW) };
    let of_cut = stored.iter().find(|(key, _)| key.ends_with(&[10, 0, 0, 14])).unwrap();
    let sequence = crate::record::LeaseRecord::decode(&of_cut.1, &now).unwrap().sequence;
    let cutoff = crate::record::Cutoff { epoch: scope(6).epoch, sequence, free_from: Instant::ZERO };
    stored.push((crate::record::cutoff_key(&scope(6)), cutoff.encode(&now)));

    let (_, written) =
        import(&stored, &[tagged(lease("10.0.0.12", 3, -60, 3600)), tagged(lease("10.0.0.13", 5, -5, 3600))]);
    let records: Vec<Written> = after(&stored, written);
    assert_eq!(active(&records), 4, "what was ended lives again");
    let (at, unix) = (Instant::from_nanos(1_000_000_000_000), Duration::from_secs(NOW));
    let mut leases = crate::leases::Restore::new(&config().subnets, 0);
    let now = crate::record::Now { at, unix };
    for (key, value) in &records {
        match crate::record::Record::decode(key, value, &now) {
            Some(crate::record::Record::Lease(address, lease)) => _ = leases.lease(address, lease, &now),
            Some(crate::record::Record::Cutoff(scope, cutoff)) => leases.cutoff(&scope, cutoff),
            other => panic!("{other:?}"),
        }
    }
    // Decided half a minute ago: two are older, two newer.
    let mut leases = leases.finish();
    let (outcome, ..) = leases.bulk_release(&scope(7), now.before(Duration::from_secs(30)), at);
    assert_eq!((outcome.released, outcome.skipped), (2, 2));
}
