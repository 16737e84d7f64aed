//! The tables of user space, seen by packets: what is installed lets traffic through, and no more.

use std::net::Ipv6Addr;
use std::path::Path;

use gateway_common::Ip6;
use gateway_common::maps;
use gateway_common::route::AccessRoute;
use gateway_common::route6::Prefixes;
use gateway_common::unit::UnitState;
use gateway_common::verdict::{Program, Verdict};
use gateway_core::time::Instant;
use gateway_tests::packets::frame::{IPV6, ipv6, solicitation, udp};
use gateway_tests::packets::{CAPACITY, INGRESS, Lent, Plane, namespace};
use gateway_user::dataplane::routes6::{Route6, Routes6};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::world::*;
use crate::world6::{HOST6, LINK_LOCAL, served};

/// A plane whose maps are pinned in a bpffs that only this thread sees, and the tables opened from there.
fn new() -> (Lent, Routes6, Bpffs) {
    namespace::enter().unwrap();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    let bpffs = Bpffs(tempfile::tempdir().unwrap());
    mount(Some("bpf"), bpffs.path(), Some("bpf"), MsFlags::empty(), None::<&str>).unwrap();
    let mut plane = Plane::lend().unwrap();
    plane.pin(bpffs.path()).unwrap();
    plane.own_all(UnitState::OWN).unwrap();
    plane.cohort(3, 5).unwrap();
    plane.port(INGRESS, access_port(GATEWAY_MAC), false).unwrap();
    plane.settings(served()).unwrap();
    let tables = Routes6::open(bpffs.path()).unwrap();
    (plane, tables, bpffs)
}

/// A bpffs mounted at a directory of its own.
struct Bpffs(tempfile::TempDir);

impl Bpffs {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        let _ = umount2(self.path(), MntFlags::MNT_DETACH);
    }
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn lease(prefix: &str, length: u8, slot: u32) -> Route6 {
    let route = AccessRoute { slot, ..PLAIN.route() };
    Route6 { prefix: ip(prefix), length, route, expires_ns: now() + 3_600_000_000_000, fresh: true }
}

fn verdict(plane: &mut Plane, from: &str) -> Verdict {
    let packet = ipv6(17, 64, ip(from), HOST6, &udp(1, 2, b"data"));
    plane.run(Program::Access, &PLAIN.ether().frame(IPV6, &packet)).unwrap().verdict
}

/// Installed, expired by a store to memory, begun anew, removed; for addresses and prefixes of any length.
#[test]
fn life_of_a_lease() {
    let (mut plane, mut tables, bpffs) = new();
    assert_eq!(tables.capacity(), CAPACITY);
    let leases = [
        lease("2001:db8:1::5", 128, 0),
        // Bits behind the length don't count.
        lease("2001:db8:2:3::9", 48, 1),
        lease("2001:db8:3:f0::", 60, 2),
    ];
    tables.install(&leases).unwrap();
    assert_eq!(tables.lengths(), [128, 48, 60]);
    let sources = ["2001:db8:1::5", "2001:db8:2:ffff::1", "2001:db8:3:ff::1"];
    for source in sources {
        assert_eq!(verdict(&mut plane, source), Verdict::PassedSlow, "{source}: no router here");
    }
    for source in ["2001:db8:1::6", "2001:db8:4::1", "2001:db8:3:100::1", "2001:db8:3:ef::1"] {
        assert_eq!(verdict(&mut plane, source), Verdict::NoSession, "{source}");
    }
    for slot in 0..3 {
        assert_eq!(tables.read(slot).unwrap().up_packets, 1);
        tables.set_expires(slot, 1);
        assert_eq!(verdict(&mut plane, sources[slot as usize]), Verdict::Expired);
    }
    assert_eq!(tables.read(CAPACITY), None);

    // Known already: its counters go on. Fresh: they begin.
    tables.install(&[Route6 { fresh: false, ..leases[1] }]).unwrap();
    assert_eq!(verdict(&mut plane, sources[1]), Verdict::PassedSlow);
    assert_eq!(tables.read(1).unwrap().up_packets, 2);
    tables.install(&leases[1..2]).unwrap();
    assert_eq!(tables.read(1).unwrap().up_packets, 0);

    assert_eq!(tables.get(ip("2001:db8:2::77"), 48).unwrap().unwrap().slot, 1);
    assert_eq!(tables.get(ip("2001:db8:2::77"), 128).unwrap(), None);
    assert_eq!(tables.remove(&[(ip("2001:db8:2::"), 48), (ip("2001:db8:9::"), 48)]).unwrap(), 1);
    assert_eq!(verdict(&mut plane, sources[1]), Verdict::NoSession);

    // Who opens the tables again finds what is pinned.
    let again = Routes6::open(bpffs.path()).unwrap();
    assert_eq!(again.lengths(), [128, 48, 60]);
    let mut found = Vec::new();
    again.for_each(|prefix, length, route| found.push((prefix, length, route.slot))).unwrap();
    found.sort_unstable();
    assert_eq!(found, [(ip("2001:db8:1::5"), 128, 0), (ip("2001:db8:3:f0::"), 60, 2)]);
}

/// The order of lengths: as told, or by use; what is in use stays found, and a ninth length is refused with the number of
/// routes before it.
#[test]
fn lengths() {
    let (mut plane, mut tables, _bpffs) = new();
    let leases: Vec<_> =
        (0..6).map(|n| lease(&format!("2001:db8:{n:x}00::"), [56, 60, 60, 60, 128, 56][n as usize], n)).collect();
    tables.install(&leases).unwrap();
    assert_eq!(tables.lengths(), [56, 60, 128]);
    tables.set_lengths(&[60, 128, 64]).unwrap();
    assert_eq!(tables.lengths(), [60, 128, 56]);
    let found = |plane: &mut Plane| {
        for n in 0..6 {
            assert_eq!(verdict(plane, &format!("2001:db8:{n:x}00::")), Verdict::PassedSlow, "{n}");
        }
    };
    found(&mut plane);
    tables.arrange().unwrap();
    assert_eq!(tables.lengths(), [128, 60, 56]);
    found(&mut plane);

    let many: Vec<_> = (0..7).map(|n| lease("2001:db8:f000::", 40 + n, 10 + u32::from(n))).collect();
    let (installed, error) = tables.install(&many).unwrap_err();
    assert_eq!((installed, error.kind()), (5, std::io::ErrorKind::InvalidInput));
    assert!(error.to_string().starts_with("/45"), "{error}");
    assert!(tables.get(ip("2001:db8:f000::"), 44).unwrap().is_some());
    assert!(tables.get(ip("2001:db8:f000::"), 45).unwrap().is_none());
    for length in [0, 129] {
        assert_eq!(tables.install(&[lease("2001:db8::", length, 9)]).unwrap_err().0, 0);
    }
    let gone: Vec<_> = many.iter().take(5).map(|route| (route.prefix, route.length)).collect();
    assert_eq!(tables.remove(&gone).unwrap(), 5);
    assert_eq!(tables.lengths().len(), 8, "a length stays known");
    tables.arrange().unwrap();
    assert_eq!(tables.lengths(), [128, 60, 56], "until the tables are arranged");
    found(&mut plane);
}

/// A prefix of a ninth length gets its route as soon as a length is in nothing's use any more: the lengths are arranged for
/// it, once a second at most, since that reads all routes.
#[test]
fn a_ninth_length() {
    let (mut plane, mut tables, _bpffs) = new();
    let many: Vec<_> = (0..8).map(|n| lease("2001:db8:f000::", 40 + n, u32::from(n))).collect();
    let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
    tables.install_or_arrange(&many, at(0)).unwrap();
    let more = [lease("2001:db8:f000::", 47, 7), lease("2001:db8:1::", 56, 9), lease("2001:db8:f000::", 46, 6)];
    let (installed, error) = tables.install_or_arrange(&more, at(0)).unwrap_err();
    assert_eq!((installed, error.kind()), (1, std::io::ErrorKind::InvalidInput), "all lengths are in use: {error}");
    assert_eq!(verdict(&mut plane, "2001:db8:1::1"), Verdict::NoSession);
    tables.remove(&[(ip("2001:db8:f000::"), 40)]).unwrap();
    assert_eq!(tables.install_or_arrange(&more[1..], at(999)).unwrap_err().0, 0, "not so soon");
    tables.install_or_arrange(&more[1..], at(1000)).unwrap();
    assert_eq!(verdict(&mut plane, "2001:db8:1::1"), Verdict::PassedSlow);
    assert!(!tables.lengths().contains(&40));
}

/// A full map refuses, and says how many it took.
#[test]
fn full() {
    let (_plane, mut tables, _bpffs) = new();
    let leases: Vec<_> = (0..CAPACITY + 8).map(|n| lease(&format!("2001:db8::{n:x}"), 128, n)).collect();
    let (installed, error) = tables.install(&leases).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::E2BIG));
    let mut found = 0;
    tables.for_each(|_, _, _| found += 1).unwrap();
    assert_eq!(found, installed);
    assert!(found >= CAPACITY as usize);
}

/// Own addresses: what is said replaces what was.
#[test]
fn locals() {
    let (mut plane, tables, _bpffs) = new();
    let from = PLAIN.link_local();
    let mut ask = |target: Ipv6Addr| {
        let packet = solicitation(from, target, target, &[]);
        plane.run(Program::Access, &PLAIN.ether().frame(IPV6, &packet)).unwrap().verdict
    };
    assert_eq!(ask(LINK_LOCAL), Verdict::PassedNd);
    tables.set_locals(&[(LINK_LOCAL, false), (ip("fe80::2"), true)]).unwrap();
    assert_eq!((ask(LINK_LOCAL), ask(ip("fe80::2"))), (Verdict::NdAnswered, Verdict::NdNotMaster));
    tables.set_locals(&[(ip("fe80::2"), false), (ip("fe80::3"), false)]).unwrap();
    assert_eq!(
        (ask(LINK_LOCAL), ask(ip("fe80::2")), ask(ip("fe80::3"))),
        (Verdict::PassedNd, Verdict::NdAnswered, Verdict::NdAnswered)
    );
}

/// Maps of another layout are not opened.
#[test]
fn other_layout() {
    let (_plane, _tables, bpffs) = new();
    std::fs::remove_file(bpffs.path().join(maps::PREFIXES)).unwrap();
    assert!(Routes6::open(bpffs.path()).is_err());
    std::fs::rename(bpffs.path().join(maps::UNITS), bpffs.path().join(maps::PREFIXES)).unwrap();
    let error = Routes6::open(bpffs.path()).err().unwrap();
    assert!(error.to_string().contains("were expected"), "{error:#}");
    assert_eq!((size_of::<Prefixes>(), size_of::<Ip6>()), (448, 16));
}
