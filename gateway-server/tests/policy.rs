//! Who gets which address on which terms: classes, reservations, and what they are told.

mod common;

use std::net::Ipv4Addr;

use common::*;
use gateway_core::time::Duration;
use gateway_core::wire::agent::sub;
use gateway_core::wire::dhcp4::{Builder, code, kind};
use gateway_server::{
    Admits, Class, Config, ConfigError, Event, Pattern, Reservation, Server, StartError, Subnet, Terms,
};

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(octet: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, octet)
}

fn with_sub(number: u32, code: u8, value: &[u8]) -> Cpe {
    let mut client = cpe(number).tagged(None);
    client.subs.push((code, value.to_vec()));
    client
}

/// What the DISCOVER of a client is answered with.
fn offer(lab: &mut Lab, client: &Cpe, with: impl FnOnce(Builder) -> Builder) -> Option<Reply> {
    let discover = client.message(kind::DISCOVER, with);
    lab.relayed(client, &discover)
}

fn reserve(address: Ipv4Addr, with: impl FnOnce(&mut Reservation)) -> Reservation {
    let mut reservation = Reservation::new(address);
    with(&mut reservation);
    reservation
}

fn reserving(reservations: Vec<Reservation>) -> Lab {
    Lab::new(Config { reservations, ..config() })
}

/// Each way to tell a client from others finds its reservation, in the pool and outside of it; what is given must all fit.
#[test]
fn a_reservation_goes_by_what_it_names() {
    let of_mac = |number| cpe(number).mac;
    let mut lab = reserving(vec![
        reserve(at(3), |one| one.mac = Some(of_mac(1))),
        reserve(at(200), |one| one.client_id = Some(b"\x00shop".to_vec())),
        reserve(at(201), |one| one.circuit_id = Some(b"ge-0/0/1:100".to_vec())),
        reserve(at(202), |one| one.remote_id = Some(b"house 7".to_vec())),
        reserve(at(203), |one| (one.mac, one.remote_id) = (Some(of_mac(5)), Some(b"house 8".to_vec()))),
    ]);
    let shop = Cpe { client_id: Some(b"\x00shop".to_vec()), ..cpe(1) };
    let cases = [
        ("by client-id, before the MAC of another reservation", shop, Some(at(200))),
        ("by MAC, within the pool", cpe(1), Some(at(3))),
        ("by all of MAC and remote-id", with_sub(5, sub::REMOTE_ID, b"house 8"), Some(at(203))),
        ("by remote-id alone, behind the circuit-id", with_sub(6, sub::REMOTE_ID, b"house 7"), Some(at(201))),
    ];
    for (what, client, address) in cases {
        assert_eq!(lab.login(&client), address, "{what}");
        assert_eq!(lab.login(&client), address, "{what}, once more");
    }
    let shop = Cpe { client_id: Some(b"\x00shop".to_vec()), ..cpe(1) };
    lab.crash();
    assert!(lab.is_leased(at(200)) && lab.is_leased(at(3)), "as durable as any other lease");
    let direct = Cpe { direct: true, ..shop };
    assert_eq!(lab.relayed(&direct, &direct.renew(at(200))).unwrap().kind(), kind::ACK);
}

/// A reserved address is nobody else's: not by turn, not by asking for it, not when all others are taken, and not when its
/// client has released it.
#[test]
fn a_reserved_address_is_never_leased_to_others() {
    let mut lab = reserving(vec![
        reserve(at(4), |one| one.mac = Some(cpe(1).mac)),
        reserve(at(99), |one| one.mac = Some(cpe(2).mac)),
    ]);
    assert_eq!(lab.login(&cpe(1)), Some(at(4)));
    lab.relayed(&cpe(1), &cpe(1).release(at(4)));
    let mut given = Vec::new();
    for number in 10..30 {
        let asks = offer(&mut lab, &cpe(number), |builder| builder.address(code::REQUESTED_IP, at(4)));
        given.extend(asks.map(|offer| offer.yiaddr()));
        given.extend(lab.login(&cpe(number)));
    }
    assert!(!given.contains(&at(4)) && !given.contains(&at(99)), "{given:?}");
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 9, "the other nine of the pool's ten");
    for address in [at(4), at(99)] {
        assert_eq!(lab.relayed(&cpe(40), &cpe(40).select(address)).unwrap().kind(), kind::NAK);
        assert_eq!(lab.relayed(&cpe(40), &cpe(40).reboot(address)).unwrap().kind(), kind::NAK);
    }
    assert_eq!(lab.login(&cpe(1)), Some(at(4)));
    assert_eq!(lab.login(&cpe(2)), Some(at(99)));
}

/// A reservation counts on the links that its subnet serves; elsewhere its client is one like any other.
#[test]
fn a_reservation_on_another_link() {
    let mut lab = reserving(vec![
        reserve(at(50), |one| one.mac = Some(cpe(1).mac)),
        reserve(ip("10.1.0.60"), |one| one.mac = Some(cpe(1).mac)),
        reserve(ip("10.1.0.61"), |one| one.mac = Some(cpe(2).mac)),
        reserve(ip("172.16.0.9"), |one| one.mac = Some(cpe(3).mac)),
    ]);
    assert_eq!(lab.login(&cpe(1)), Some(at(50)));
    assert_eq!(lab.login(&cpe(1).at(OTHER_RELAY)), Some(ip("10.1.0.60")));
    assert_eq!(lab.login(&cpe(2)), Some(at(2)));
    assert_eq!(lab.login(&cpe(3)), Some(at(3)), "its subnet is not here, or not yet");
}

/// A client that has a reservation since the last start leaves its former address: refused when it renews, reboots or asks
/// for it, and given the reserved one. The former address is free at once.
#[test]
fn a_client_moves_to_its_reservation() {
    for way in ["renews", "rebinds", "reboots", "selects"] {
        let mut lab = Lab::new(config());
        let client = cpe(1);
        let former = lab.login(&client).unwrap();
        lab.config.reservations = vec![reserve(at(77), |one| one.mac = Some(client.mac))];
        lab.crash();
        let direct = Cpe { direct: true, ..client.clone() };
        let answer = match way {
            "renews" => lab.relayed(&direct, &direct.renew(former)),
            "rebinds" => lab.relayed(&client, &client.renew(former)),
            "reboots" => lab.relayed(&client, &client.reboot(former)),
            _ => lab.relayed(&client, &client.select(former)),
        };
        assert_eq!(answer.unwrap().kind(), kind::NAK, "{way}");
        assert_eq!(lab.is_leased(former), way == "selects", "{way}: who selects has not used it");
        assert_eq!(lab.login(&client), Some(at(77)), "{way}");
    }
}

/// An address that somebody had before it was reserved: its client gets another one as long as that lease lasts, which is
/// told and counted. The holder is refused when it renews, and then it is free.
#[test]
fn a_reserved_address_that_somebody_has() {
    let mut lab = Lab::new(config());
    let (holder, client) = (cpe(1), cpe(2));
    let address = lab.login(&holder).unwrap();
    lab.config.reservations = vec![reserve(address, |one| one.mac = Some(client.mac))];
    lab.crash();
    assert!(lab.is_leased(address));
    let meanwhile = lab.login(&client).unwrap();
    assert_ne!(meanwhile, address);
    assert_eq!(lab.events.last(), Some(&Event::ReservedInUse { address, holder: Some(holder.mac) }));
    assert!(lab.server.status().counters.reserved_in_use > 0);
    assert_eq!(lab.relayed(&holder, &holder.renew(address)).unwrap().kind(), kind::NAK);
    assert!(!lab.is_leased(address));
    assert_eq!(lab.relayed(&client, &client.renew(meanwhile)).unwrap().kind(), kind::NAK);
    assert_eq!(lab.login(&client), Some(address));
}

/// What is reserved for a line is for the device that is on it: a new one has it at once, the old one is refused. That holds
/// for a direct renewal, too, whose message does not name the line.
#[test]
fn a_line_with_another_device() {
    let mut lab = reserving(vec![reserve(at(42), |one| one.circuit_id = Some(b"ge-0/0/1:100".to_vec()))]);
    let (old, new) = (cpe(1), cpe(2));
    assert_eq!(lab.login(&old), Some(at(42)));
    let direct = Cpe { direct: true, ..old.clone() };
    assert_eq!(lab.relayed(&direct, &direct.renew(at(42))).unwrap().kind(), kind::ACK);
    assert_eq!(offer(&mut lab, &new, |builder| builder).unwrap().yiaddr(), at(42));
    assert_eq!(lab.relayed(&direct, &direct.renew(at(42))).unwrap().kind(), kind::ACK, "an offer takes nothing away");
    assert_eq!(lab.login(&new), Some(at(42)));
    assert_eq!(lab.relayed(&direct, &direct.renew(at(42))).unwrap().kind(), kind::NAK);
    lab.crash();
    let direct = Cpe { direct: true, ..new };
    assert_eq!(lab.relayed(&direct, &direct.renew(at(42))).unwrap().kind(), kind::ACK);
}

/// A declined reserved address is left alone like any other.
#[test]
fn a_reserved_address_that_was_declined() {
    let mut lab = reserving(vec![reserve(at(42), |one| one.mac = Some(cpe(1).mac))]);
    assert_eq!(lab.login(&cpe(1)), Some(at(42)));
    lab.relayed(&cpe(1), &cpe(1).decline(at(42)));
    assert_eq!(lab.login(&cpe(1)), Some(at(2)));
    assert_eq!(lab.events.last(), Some(&Event::ReservedInUse { address: at(42), holder: None }));
    lab.rest(Duration::from_secs(3601));
    assert_eq!(lab.login(&cpe(1)), Some(at(42)));
}

/// A static address in the middle of a pool.
#[test]
fn excluded_addresses_are_leased_to_nobody() {
    let mut lab = Lab::new(Config { excluded: vec![at(7), at(2)], ..config() });
    let given: Vec<_> = (0..20).filter_map(|number| lab.login(&cpe(number))).collect();
    assert_eq!(given.len(), 8);
    assert!(!given.contains(&at(2)) && !given.contains(&at(7)));
    assert_eq!(lab.relayed(&cpe(30), &cpe(30).select(at(7))).unwrap().kind(), kind::NAK);
}

/// Every condition of a class, alone and together.
#[test]
fn who_is_of_a_class() {
    let class = |with: fn(&mut Class)| {
        let mut class = Class { name: "c".to_owned(), ..Class::default() };
        class.terms.dns = Some(vec![ip("1.1.1.1")]);
        with(&mut class);
        class
    };
    let option = |code: u8, value: &'static [u8]| move |builder: Builder| builder.option(code, value);
    type Case = (&'static str, fn(&mut Class), Cpe, (u8, &'static [u8]), bool);
    let cases: [Case; 13] = [
        ("no condition", |_| {}, cpe(1), (0, b""), true),
        ("vendor class", |c| c.vendor_class = vec![Pattern::exactly("stb")], cpe(1), (60, b"stb"), true),
        (
            "more than the vendor class",
            |c| c.vendor_class = vec![Pattern::exactly("stb")],
            cpe(1),
            (60, b"stb2"),
            false,
        ),
        ("its beginning", |c| c.vendor_class = vec![Pattern::beginning("stb")], cpe(1), (60, b"stb2"), true),
        ("no vendor class", |c| c.vendor_class = vec![Pattern::beginning("")], cpe(1), (0, b""), false),
        (
            "one of two",
            |c| c.vendor_class = vec![Pattern::exactly("a"), Pattern::exactly("b")],
            cpe(1),
            (60, b"b"),
            true,
        ),
        ("user class, plain", |c| c.user_class = vec![Pattern::exactly("gold")], cpe(1), (77, b"gold"), true),
        (
            "user class, the second instance",
            |c| c.user_class = vec![Pattern::exactly("gold")],
            cpe(1),
            (77, b"\x03old\x04gold"),
            true,
        ),
        ("user class, cut", |c| c.user_class = vec![Pattern::exactly("gold")], cpe(1), (77, b"\x05gold"), false),
        ("MAC prefix", |c| c.mac = vec![Pattern::beginning([2, 0, 0, 0, 0])], cpe(1), (0, b""), true),
        ("another's MAC prefix", |c| c.mac = vec![Pattern::beginning([2, 0, 0, 0, 0])], cpe(256), (0, b""), false),
        ("circuit-id", |c| c.agent = vec![(sub::CIRCUIT_ID, vec![Pattern::beginning("ge-")])], cpe(1), (0, b""), true),
        (
            "one of two conditions",
            |c| {
                c.agent = vec![(sub::CIRCUIT_ID, vec![Pattern::beginning("ge-")])];
                c.vendor_class = vec![Pattern::exactly("stb")];
            },
            cpe(1),
            (60, b"other"),
            false,
        ),
    ];
    for (what, with, client, (code, value), is_of) in cases {
        let mut lab = Lab::new(Config { classes: vec![class(with)], ..config() });
        let offer = offer(&mut lab, &client, option(code, value)).unwrap();
        assert_eq!(offer.message().address_option(code::DNS) == Some(ip("1.1.1.1")), is_of, "{what}");
    }
}

/// The first word on an option counts: reservation, classes in their order, subnet. What nobody asked for is sent only when
/// it is sent in any case.
#[test]
fn terms_by_reservation_class_and_subnet() {
    let options =
        |options: &[(u8, &str)]| options.iter().map(|(code, value)| (*code, value.as_bytes().to_vec())).collect();
    let class = |name: &str, terms: Terms| Class { name: name.to_owned(), terms, ..Class::default() };
    let mut config = config();
    config.subnets[0].options = options(&[(15, "subnet"), (66, "subnet"), (67, "subnet"), (42, "subnet")]);
    config.subnets[0].always = vec![42];
    config.classes = vec![
        class("one", Terms { options: options(&[(15, "one"), (66, "one")]), ..Terms::default() }),
        class("two", Terms { options: options(&[(66, "two"), (43, "two")]), always: vec![43], ..Terms::default() }),
    ];
    let terms = Terms { options: options(&[(15, "mine")]), routers: Some(vec![]), ..Terms::default() };
    config.reservations = vec![reserve(at(42), |one| (one.mac, one.terms) = (Some(cpe(1).mac), terms))];
    let mut lab = Lab::new(config);
    let said = |reply: Reply| {
        let message = reply.message();
        let text = |code| message.option(code).map(|value| String::from_utf8_lossy(&value).into_owned());
        [15, 66, 67, 43, 42].map(text)
    };
    let some = |texts: [&str; 5]| texts.map(|text| (!text.is_empty()).then(|| text.to_owned()));
    assert_eq!(said(offer(&mut lab, &cpe(2), |b| b).unwrap()), some(["one", "one", "subnet", "two", "subnet"]));
    assert_eq!(said(offer(&mut lab, &cpe(1), |b| b).unwrap()), some(["mine", "one", "subnet", "two", "subnet"]));
    let asked = |b: Builder| b.option(code::PARAMETER_LIST, &[15]);
    assert_eq!(said(offer(&mut lab, &cpe(2), asked).unwrap()), some(["one", "", "", "two", "subnet"]));
    let reserved = offer(&mut lab, &cpe(1), |b| b).unwrap();
    assert_eq!(reserved.message().option(code::ROUTER), None, "no router is a word, too");
}

/// Lease times: what a client asks for within bounds, the default for who asks for nothing; a class may move each of them.
#[test]
fn lease_times_within_bounds() {
    let stb = || Class { vendor_class: vec![Pattern::exactly("stb")], ..Class::default() };
    let terms = |with: fn(&mut Terms)| {
        let mut terms = Terms::default();
        with(&mut terms);
        terms
    };
    let cases: [(&str, Terms, Option<u32>, [u32; 3]); 9] = [
        ("default", Terms::default(), None, [3600, 1800, 3132]),
        ("shorter", Terms::default(), Some(1000), [1000, 500, 870]),
        ("too short", Terms::default(), Some(5), [600, 300, 522]),
        ("zero", Terms::default(), Some(0), [600, 300, 522]),
        ("longer", Terms::default(), Some(7000), [7000, 3500, 6090]),
        ("too long", Terms::default(), Some(u32::MAX), [7200, 3600, 6264]),
        ("class beyond the subnet", terms(|t| t.lease = Some(seconds(86_400))), None, [86_400, 43_200, 75_168]),
        (
            "class short",
            terms(|t| (t.lease, t.max_lease) = (Some(seconds(60)), Some(seconds(90)))),
            Some(100),
            [90, 45, 78],
        ),
        ("class T1 beyond T2", terms(|t| t.renew_percent = Some(95)), None, [3600, 3132, 3132]),
    ];
    for (what, terms, wanted, expected) in cases {
        let mut config = Config { classes: vec![Class { terms, ..stb() }], ..config() };
        (config.subnets[0].min_lease, config.subnets[0].max_lease) = (seconds(600), Some(seconds(7200)));
        let mut lab = Lab::new(config);
        let offer = offer(&mut lab, &cpe(1), |builder| {
            let builder = builder.option(code::CLASS_ID, b"stb");
            wanted.into_iter().fold(builder, |builder, wanted| builder.number(code::LEASE_TIME, wanted))
        });
        let times =
            [code::LEASE_TIME, code::T1, code::T2].map(|code| offer.as_ref().unwrap().message().u32_option(code));
        assert_eq!(times, expected.map(Some), "{what}");
    }
}

/// Pools for a class: its clients get from there first, from the common one when it is full, nobody else gets from there,
/// and a client that is no longer of the class leaves.
#[test]
fn pools_of_a_class() {
    let mut config = config();
    config.classes = vec![Class { vendor_class: vec![Pattern::exactly("stb")], ..Class::default() }];
    let pools = vec![(at(100), at(101))];
    config.subnets.push(Subnet { pools, admits: Admits::Classes(vec![0]), ..config.subnets[0].clone() });
    let mut lab = Lab::new(config);
    let log_in = |lab: &mut Lab, client: &Cpe, class: &[u8]| -> Option<Ipv4Addr> {
        let offer = offer(lab, client, |builder| builder.option(code::CLASS_ID, class))?;
        let request = client.message(kind::REQUEST, |builder| {
            let builder = builder.option(code::CLASS_ID, class).address(code::SERVER_ID, SERVER);
            builder.address(code::REQUESTED_IP, offer.yiaddr())
        });
        let ack = lab.relayed(client, &request)?;
        assert_eq!((ack.kind(), ack.yiaddr()), (kind::ACK, offer.yiaddr()));
        Some(ack.yiaddr())
    };
    assert_eq!(log_in(&mut lab, &cpe(1), b"phone"), Some(at(2)));
    assert_eq!(log_in(&mut lab, &cpe(2), b"stb"), Some(at(100)));
    assert_eq!(log_in(&mut lab, &cpe(3), b"stb"), Some(at(101)));
    assert_eq!(log_in(&mut lab, &cpe(4), b"stb"), Some(at(3)), "the class's are all leased");
    assert_eq!(log_in(&mut lab, &cpe(2), b"stb"), Some(at(100)));
    assert_eq!(lab.relayed(&cpe(5), &cpe(5).select(at(101))).unwrap().kind(), kind::NAK, "not of the class");
    assert_eq!(lab.relayed(&cpe(2), &cpe(2).renew(at(100))).unwrap().kind(), kind::NAK, "not of it any more");
    assert!(!lab.is_leased(at(100)));
    assert_eq!(log_in(&mut lab, &cpe(6), b"stb"), Some(at(100)));
    assert_eq!(lab.server.status().capacity, 10 + 10 + 2, "pools as they are written, but for who may ask");
}

/// A class by circuit-id holds for a renewal past the relay, which does not say it.
#[test]
fn a_class_of_the_line_for_a_direct_renewal() {
    let mut config = config();
    let agent = vec![(sub::CIRCUIT_ID, vec![Pattern::exactly("ge-0/0/1:100")])];
    let terms = Terms { lease: Some(Duration::from_secs(120)), ..Terms::default() };
    config.classes = vec![Class { agent, terms, ..Class::default() }];
    let pools = vec![(at(100), at(110))];
    config.subnets.push(Subnet { pools, admits: Admits::Classes(vec![0]), ..config.subnets[0].clone() });
    let mut lab = Lab::new(config);
    let address = lab.login(&cpe(1)).unwrap();
    assert_eq!(address, at(100));
    let direct = Cpe { direct: true, ..cpe(1) };
    let ack = lab.relayed(&direct, &direct.renew(address)).unwrap();
    assert_eq!((ack.kind(), ack.message().u32_option(code::LEASE_TIME)), (kind::ACK, Some(120)));
}

/// RFC 4039: one exchange where the subnet says so, for who asks for it, durable before it is answered; also of a reserved
/// address.
#[test]
fn rapid_commit() {
    let mut config = config();
    config.reservations = vec![reserve(at(42), |one| one.mac = Some(cpe(3).mac))];
    config.subnets[0].rapid_commit = true;
    let mut lab = Lab::new(config);
    let rapid = |builder: Builder| builder.option(code::RAPID_COMMIT, &[]);
    for (number, address) in [(1, at(2)), (3, at(42))] {
        let ack = offer(&mut lab, &cpe(number), rapid).unwrap();
        assert_eq!((ack.kind(), ack.yiaddr()), (kind::ACK, address));
        assert_eq!(ack.message().option(code::RAPID_COMMIT).as_deref(), Some(&[][..]));
        lab.crash();
        assert!(lab.is_leased(address));
    }
    let plain = offer(&mut lab, &cpe(2), |builder| builder).unwrap();
    assert_eq!(plain.kind(), kind::OFFER, "not asked for");
    let odd = offer(&mut lab, &cpe(2), |builder| builder.option(code::RAPID_COMMIT, &[1])).unwrap();
    assert_eq!(odd.kind(), kind::OFFER, "the option has no value");
    let elsewhere = cpe(4).at(OTHER_RELAY);
    let offered = offer(&mut lab, &elsewhere, rapid).unwrap();
    assert_eq!(offered.kind(), kind::OFFER, "not where it is off");
    assert_eq!(offered.message().option(code::RAPID_COMMIT), None);
    let ack = lab.relayed(&cpe(2), &cpe(2).select(plain.yiaddr())).unwrap();
    assert_eq!(ack.message().option(code::RAPID_COMMIT), None, "an exchange of four messages says nothing of it");
}

/// RFC 3011: whoever relays for itself selects its subnet and is told so; a client behind a relay with option 82 only where
/// the operator lets it. The relay's own selection (RFC 3527) goes first.
#[test]
fn subnet_selection() {
    let select = |builder: Builder| builder.address(code::SUBNET_SELECTION, ip("10.1.0.0"));
    let itself = |number: u32| {
        let builder = Builder::new(1).hardware(gateway_core::line::HardwareAddress::ethernet(cpe(number).mac));
        select(builder.kind(kind::DISCOVER).giaddr(RELAY)).finish()
    };
    let mut lab = Lab::new(config());
    let offered = lab.relayed(&cpe(1), &itself(1)).unwrap();
    assert_eq!((offered.yiaddr(), offered.to), (ip("10.1.0.2"), "10.0.0.1:67".parse().unwrap()));
    assert_eq!(offered.message().address_option(code::SUBNET_SELECTION), Some(ip("10.1.0.0")));
    let subscriber = offer(&mut lab, &cpe(2), select).unwrap();
    assert_eq!(subscriber.yiaddr(), at(2), "a subscriber does not choose");
    assert_eq!(subscriber.message().option(code::SUBNET_SELECTION), None);

    let mut lab = Lab::new(Config { subnet_selection: true, ..config() });
    assert_eq!(offer(&mut lab, &cpe(2), select).unwrap().yiaddr(), ip("10.1.0.2"));
    let linked = with_sub(3, sub::LINK_SELECTION, &at(0).octets());
    assert_eq!(offer(&mut lab, &linked, select).unwrap().yiaddr(), at(2));
}

/// BOOTP is no DHCP: counted, not answered, and no address is spent on it.
#[test]
fn bootp_is_ignored() {
    let mut lab = Lab::new(config());
    let hardware = gateway_core::line::HardwareAddress::ethernet(cpe(1).mac);
    let bootp = Builder::new(1).hardware(hardware).giaddr(RELAY).padded().finish();
    assert!(lab.relayed(&cpe(1), &bootp).is_none());
    let unclear = Builder::new(1).hardware(hardware).giaddr(RELAY).option(code::MESSAGE_TYPE, &[1, 1]).finish();
    assert!(lab.relayed(&cpe(1), &unclear).is_none());
    let status = lab.server.status();
    assert_eq!((status.counters.bootp, status.counters.unexpected, status.known), (1, 1, 0));
}

/// A renewal through a relay of another network, or on another line, is refused and nothing more: anybody can write a
/// client's name (RFC 2131 section 4.3.2). By its own line a client that is refused has lost its lease.
#[test]
fn a_rebind_from_another_network() {
    let mut lab = Lab::new(config());
    let address = lab.login(&cpe(1)).unwrap();
    let moved = cpe(1).at(OTHER_RELAY);
    assert_eq!(lab.relayed(&moved, &moved.renew(address)).unwrap().kind(), kind::NAK);
    assert!(lab.is_leased(address), "whoever it was");
    let elsewhere = Cpe { subs: vec![(sub::REMOTE_ID, b"other".to_vec())], ..cpe(1) };
    lab.config.subnets[0].admits = Admits::Classes(vec![0]);
    lab.config.classes = vec![Class { vendor_class: vec![Pattern::exactly("stb")], ..Class::default() }];
    lab.crash();
    assert_eq!(lab.relayed(&elsewhere, &elsewhere.renew(address)).unwrap().kind(), kind::NAK);
    assert!(lab.is_leased(address));
    // By its own line it was its client, whose network this is no more.
    assert_eq!(lab.relayed(&cpe(1), &cpe(1).renew(address)).unwrap().kind(), kind::NAK);
    assert!(!lab.is_leased(address));
}

/// What can't work is refused at the start.
#[test]
fn configurations_that_contradict_themselves() {
    type Mistake = (fn(&mut Config), ConfigError);
    let cases: [Mistake; 6] = [
        (|c| c.reservations = vec![Reservation::new(at(9))], ConfigError::ReservedForNobody(at(9))),
        (
            |c| {
                let one = reserve(at(9), |one| one.mac = Some([2; 6]));
                c.reservations = vec![one.clone(), one];
            },
            ConfigError::ReservedTwice(at(9)),
        ),
        (|c| c.reservations = vec![reserve(at(1), |one| one.mac = Some([2; 6]))], ConfigError::ReservedRouter(at(1))),
        (|c| c.subnets[0].admits = Admits::Classes(vec![3]), ConfigError::NoClass(3)),
        (|c| c.subnets[0].min_lease = Duration::from_secs(3601), ConfigError::LeaseBounds((at(0), 16))),
        (|c| c.subnets[0].max_lease = Some(Duration::from_secs(3599)), ConfigError::LeaseBounds((at(0), 16))),
    ];
    for (with, error) in cases {
        let mut config = config();
        with(&mut config);
        let lab = Lab::new(common::config());
        assert_eq!(Server::new(config, [], lab.now, lab.unix).unwrap_err(), StartError::Config(error));
    }
}
