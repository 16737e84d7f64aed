//! Clients that are released on their own.

use super::*;

/// RR-1, RR-4, RR-5, RR-8: each cause has its switch, and only the silent client's is off unless the operator says
/// otherwise.
#[test]
fn causes() {
    let all = Causes { admin: true, replaced: true, moved: true, unavailable: true, restart: true };
    for cause in Cause::ALL {
        assert_eq!(Causes::default().allow(cause), cause != Cause::Unavailable);
        assert!(all.allow(cause) && !Causes::NONE.allow(cause));
        for causes in [all, Causes::NONE] {
            let mut bench = Bench::with(ReleaseConfig { causes, ..ReleaseConfig::default() }, 2);
            assert_eq!(bench.release(1, cause), causes == all);
            assert_eq!(bench.sent.len(), usize::from(causes == all));
            bench.serve(|_| status::SUCCESS);
            assert_eq!(bench.table.count(), if causes == all { 2 } else { 4 });
            if causes == all {
                let told = Event::Client { client: client(1), cause, ending: Ending::Released };
                assert!(bench.events.contains(&told) && bench.table.get(address(1)).is_none());
            }
            assert!(bench.store.is_empty());
        }
    }
}

/// Endings are told: kept by the server, cancelled by the client, silent.
#[test]
fn endings() {
    let ending = |play: fn(&mut Bench)| {
        let mut bench = Bench::with(ReleaseConfig { fallback: Fallback::Never, ..ReleaseConfig::default() }, 1);
        bench.release(0, Cause::Admin);
        play(&mut bench);
        assert_eq!(bench.store.len(), 0);
        let told = bench.events.iter().find_map(|event| match event {
            Event::Client { ending, .. } => Some(*ending),
            _ => None,
        });
        (told.unwrap(), bench.table.count(), bench.table.iter_from(0).filter(|(_, lease, _)| lease.orphaned).count())
    };
    assert_eq!(ending(|bench| bench.serve(|_| status::UNSPEC_FAIL)), (Ending::Kept, 2, 2));
    assert_eq!(ending(|bench| bench.spoke(0, 0)), (Ending::Cancelled, 2, 0));
    assert_eq!(ending(|bench| bench.wait(60_000)), (Ending::Silent, 2, 2));
}

/// H-RR-6, H-RR-7: what a client says on its new line does not save what it left on the old one, and does so in every other
/// case: the message may be a repetition that the new relay's server sees late.
#[test]
fn a_moved_client_speaks() {
    for (cause, saved) in [(Cause::Moved, 0), (Cause::Admin, 1)] {
        let mut bench = Bench::with(ReleaseConfig::default(), 1);
        bench.release(0, cause);
        bench.spoke(0, 3);
        assert_eq!(bench.releases.counters().cancelled, saved);
    }
    let mut bench = Bench::with(ReleaseConfig::default(), 1);
    bench.release(0, Cause::Moved);
    bench.spoke(0, 0);
    assert_eq!(bench.releases.counters().cancelled, 1);
}

/// A client that is under way is not begun again; a restart counts it as none of its own.
#[test]
fn twice() {
    let mut bench = Bench::with(ReleaseConfig::default(), 2);
    assert!(bench.release(0, Cause::Admin));
    assert!(!bench.release(0, Cause::Unavailable) && !bench.release(0, Cause::Moved));
    bench.wait(10);
    bench.restart(CUTOFF.0);
    bench.serve(|_| status::SUCCESS);
    assert_eq!((bench.table.count(), bench.store.len()), (0, 0));
    assert!(matches!(bench.finished(), Some(Event::Finished { released: 2, .. })), "{:?}", bench.finished());
}

/// H-RR-20: nothing is said of temporary addresses; they end with their time.
#[test]
fn temporary_addresses() {
    let mut bench = Bench::with(ReleaseConfig::default(), 0);
    let login =
        Login { granted: vec![Grant { kind: IaKind::Ta, ..grant(address(0)) }, grant(delegated(0))], ..bench_login() };
    bench.table.bind(login, bench.now).unwrap();
    bench.release(0, Cause::Admin);
    let request = ReleaseRequest::parse(&bench.sent[0].inner, ReleaseTypes::default()).unwrap();
    assert_eq!(request.clients[0].ias.iter().map(|ia| ia.kind).collect::<Vec<_>>(), [IaKind::Pd]);
    bench.serve(|_| status::SUCCESS);
    assert_eq!(bench.table.iter_from(0).map(|(_, lease, _)| lease.prefix).collect::<Vec<_>>(), [address(0)]);
}

/// H-RR-2, RR-57: a lease whose IAID nobody has told is named without an IA; a RELEASE has no way to name it, and then it is
/// kept and not taken for released.
#[test]
fn an_iaid_that_nobody_knows() {
    let unnamed = |prefix| Grant { iaid: None, ..grant(prefix) };
    let with = |granted: Vec<Grant>, ignoring: bool| {
        let mut bench = Bench::new(ReleaseConfig::default());
        bench.table.bind(Login { granted, ..bench_login() }, bench.now).unwrap();
        bench.release(0, Cause::Admin);
        if ignoring {
            bench.wait(16_000); // it answers no request, so RELEASEs follow
            bench.sent.retain(|sent| Message::parse(&sent.inner).unwrap().kind() == kind::RELEASE);
        }
        bench
    };
    let mut bench = with(vec![unnamed(address(0)), unnamed(delegated(0)), grant(address(9))], false);
    let request = ReleaseRequest::parse(&bench.sent[0].inner, ReleaseTypes::default()).unwrap();
    let named = |ia: &crate::wire::dhcp6::Ia<'_>| (ia.iaid, ia.leases().map(|lease| lease.binding.prefix()).collect());
    assert_eq!(request.clients[0].ias.iter().map(named).collect::<Vec<_>>(), [(1, vec![address(9)])]);
    let bare: Vec<_> = request.clients[0].bare.iter().map(|lease| lease.binding.prefix()).collect();
    assert_eq!(bare, [address(0), delegated(0)]);
    bench.serve(|_| status::SUCCESS);
    assert_eq!((bench.table.count(), bench.store.len()), (0, 0));

    let left = |bench: &Bench| bench.table.iter_from(0).map(|(_, lease, _)| lease.prefix).collect::<Vec<_>>();
    let mut bench = with(vec![unnamed(address(0)), grant(delegated(0))], true);
    let release = bench.sent.first().expect("a RELEASE");
    let ias = Message::parse(&release.inner).unwrap().ias().unwrap();
    assert_eq!(ias.iter().map(|ia| (ia.kind, ia.iaid)).collect::<Vec<_>>(), [(IaKind::Pd, 1)]);
    bench.serve(|_| status::SUCCESS);
    assert_eq!((left(&bench), bench.store.len()), (vec![address(0)], 0));

    let bench = with(vec![unnamed(address(0))], true);
    assert_eq!((bench.sent.len(), left(&bench), bench.store.len()), (0, vec![address(0)], 0));
    let told = Event::Client { client: client(0), cause: Cause::Admin, ending: Ending::Kept };
    assert!(bench.events.contains(&told));
}

/// A server that is asked for everything and keeps some of it names IAs: what is in one that is not known may be kept.
#[test]
fn everything_but_an_ia() {
    let mut bench = Bench::new(ReleaseConfig { release_all: true, ..ReleaseConfig::default() });
    let unnamed = Grant { iaid: None, ..grant(address(0)) };
    bench.table.bind(Login { granted: vec![unnamed, grant(delegated(0))], ..bench_login() }, bench.now).unwrap();
    bench.release(0, Cause::Admin);
    let request = ReleaseRequest::parse(&bench.sent[0].inner, ReleaseTypes::default()).unwrap();
    assert!(request.clients[0].everything());
    let verdict = |code| Verdict { code, text: "" };
    let parts = vec![
        (Part::Ia(IaKind::Na, 6), verdict(status::NO_BINDING)),
        (Part::Ia(IaKind::Na, 7), verdict(status::UNSPEC_FAIL)),
    ];
    let mut answer = ReleaseAnswer::to(&request, ReleaseTypes::default());
    answer.clients.push(ClientAnswer { client_id: request.clients[0].client_id, whole: Verdict::SUCCESS, parts });
    let answer = answer.encode(1232);
    assert!(bench.hears(&answer));
    assert_eq!(bench.table.iter_from(0).map(|(_, lease, _)| lease.prefix).collect::<Vec<_>>(), [address(0)]);
}

fn bench_login() -> Login {
    Login {
        client: client(0),
        line: line(0),
        mac: mac(0),
        relayed: false,
        peer: ip("fe80::1"),
        fpc: FpcId(0),
        epoch: CUTOFF,
        server: server(),
        server_id: server_id(),
        tagged: false,
        granted: Vec::new(),
        at: at(0),
    }
}
