//! A client's life as transcripts.

use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const ADDRESS: Ipv4Addr = Ipv4Addr::new(100, 64, 1, 9);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const ROUTER: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);

fn cpe() -> Cpe {
    let identity = Identity { mac: MAC, tags: VlanTags::NONE, client_id: None, broadcast: false, lease: None };
    Cpe::new(identity, Backoff::default())
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn answer(kind: u8, xid: u32) -> Vec<u8> {
    Builder::new(gateway_core::wire::dhcp4::REPLY)
        .hardware(HardwareAddress::ethernet(MAC))
        .xid(xid)
        .yiaddr(ADDRESS)
        .kind(kind)
        .address(code::SERVER_ID, SERVER)
        .address(code::ROUTER, ROUTER)
        .number(code::LEASE_TIME, 800)
        .finish()
}

/// Hears an answer at a second.
fn hear(cpe: &mut Cpe, kind: u8, xid: u32, second: u64) -> Heard {
    cpe.handle(&Message::parse(&answer(kind, xid)).unwrap(), at(second), 77)
}

fn kind_of(outgoing: &Outgoing) -> u8 {
    Message::parse(&outgoing.payload).unwrap().kind().unwrap()
}

fn bound() -> Cpe {
    let mut cpe = cpe();
    cpe.start(at(0), 5);
    hear(&mut cpe, kind::OFFER, 5, 0);
    assert_eq!(hear(&mut cpe, kind::ACK, 5, 0), Heard::Ack);
    cpe
}

/// DISCOVER, OFFER, REQUEST, ACK: what RFC 2131 table 5 wants in each message.
#[test]
fn login() {
    let mut cpe = cpe();
    let discover = cpe.start(at(0), 5);
    let message = Message::parse(&discover.payload).unwrap();
    assert_eq!((message.kind(), message.xid(), message.broadcast()), (Some(kind::DISCOVER), 5, false));
    assert_eq!((discover.source, discover.destination), ("0.0.0.0:68".parse().unwrap(), EVERYBODY));
    assert_eq!(hear(&mut cpe, kind::OFFER, 6, 0), Heard::Nothing, "another exchange");
    let Heard::Offer(request) = hear(&mut cpe, kind::OFFER, 5, 0) else { panic!("no request") };
    let message = Message::parse(&request.payload).unwrap();
    assert_eq!((message.kind(), message.xid(), message.ciaddr()), (Some(kind::REQUEST), 5, Ipv4Addr::UNSPECIFIED));
    let named = [code::REQUESTED_IP, code::SERVER_ID].map(|code| message.address_option(code));
    assert_eq!(named, [Some(ADDRESS), Some(SERVER)]);
    assert_eq!(hear(&mut cpe, kind::OFFER, 5, 0), Heard::Nothing, "the first offer was taken");
    assert_eq!(hear(&mut cpe, kind::ACK, 5, 0), Heard::Ack);
    assert_eq!((cpe.state(), cpe.address()), (State::Bound, Some(ADDRESS)));
    assert_eq!(cpe.lease().unwrap().times, [at(400), at(700), at(800)]);
    assert_eq!(cpe.lease().unwrap().router, Some(ROUTER));
}

/// Nobody answers: 4, 8, 16, 32, 64, 64 seconds, each off by at most one.
#[test]
fn back_off() {
    for random in [0, 512, 1023, u32::MAX] {
        let mut cpe = cpe();
        cpe.start(at(0), random);
        let mut now = at(0);
        for expected in [4, 8, 16, 32, 64, 64] {
            let due = cpe.deadline().unwrap();
            assert!(due.since(now).abs_diff(Duration::from_secs(expected)) <= Duration::from_secs(1));
            assert_eq!(cpe.handle_timeout(now, random), None, "not before it is due");
            now = due;
            assert_eq!(kind_of(&cpe.handle_timeout(now, random).unwrap()), kind::DISCOVER);
        }
    }
}

/// A REQUEST that nobody answers is sent four times, then it starts over.
#[test]
fn a_request_in_vain() {
    let mut cpe = cpe();
    cpe.start(at(0), 5);
    hear(&mut cpe, kind::OFFER, 5, 0);
    let mut sent = Vec::new();
    for _ in 0..4 {
        let due = cpe.deadline().unwrap();
        sent.push(kind_of(&cpe.handle_timeout(due, 6).unwrap()));
    }
    assert_eq!(sent, [kind::REQUEST, kind::REQUEST, kind::REQUEST, kind::DISCOVER]);
}

/// T1: unicast to the server; then at half of what is left; T2: to everybody; the end: from the start.
#[test]
fn renewing_rebinding_and_the_end() {
    let mut cpe = bound();
    let renew = cpe.handle_timeout(at(400), 8).unwrap();
    assert_eq!((renew.source, renew.destination), (SocketAddrV4::new(ADDRESS, 68), SocketAddrV4::new(SERVER, 67)));
    let message = Message::parse(&renew.payload).unwrap();
    assert_eq!((message.kind(), message.ciaddr(), message.xid()), (Some(kind::REQUEST), ADDRESS, 8));
    assert!(message.option(code::SERVER_ID).is_none() && message.option(code::REQUESTED_IP).is_none());
    assert_eq!(cpe.deadline(), Some(at(550)));
    assert!(cpe.handle_timeout(at(550), 9).is_some());
    assert_eq!(cpe.deadline(), Some(at(625)));
    let rebind = cpe.handle_timeout(at(700), 10).unwrap();
    assert_eq!((rebind.destination, cpe.state()), (EVERYBODY, State::Rebinding));
    let again = cpe.handle_timeout(at(800), 11).unwrap();
    assert_eq!((kind_of(&again), cpe.state(), cpe.address()), (kind::DISCOVER, State::Selecting, None));

    let mut cpe = bound();
    cpe.handle_timeout(at(400), 8).unwrap();
    assert_eq!(hear(&mut cpe, kind::ACK, 8, 401), Heard::Ack);
    assert_eq!(cpe.lease().unwrap().times[2], at(1200), "extended from when it asked");
}

/// A NAK sends it back to the start from wherever it is.
#[test]
fn refused() {
    for step in 0..4 {
        let mut cpe = bound();
        let xid = 8;
        match step {
            0 => drop(cpe.renew(at(10), xid)),
            1 => drop(cpe.rebind(at(10), xid)),
            2 => {
                cpe.power_off();
                let reboot = cpe.reboot(at(10), xid);
                let message = Message::parse(&reboot.payload).unwrap();
                assert_eq!(message.address_option(code::REQUESTED_IP), Some(ADDRESS));
                assert_eq!((message.option(code::SERVER_ID), message.ciaddr()), (None, Ipv4Addr::UNSPECIFIED));
            }
            _ => {
                cpe.start(at(10), xid);
                hear(&mut cpe, kind::OFFER, xid, 10);
            }
        }
        let Heard::Nak(discover) = hear(&mut cpe, kind::NAK, xid, 11) else { panic!("step {step}") };
        assert_eq!((kind_of(&discover), cpe.address()), (kind::DISCOVER, None));
    }
    assert_eq!(hear(&mut bound(), kind::NAK, 5, 1), Heard::Nothing, "a bound client has asked for nothing");
}

/// INIT-REBOOT gets its address back with one exchange.
#[test]
fn reboot() {
    let mut cpe = bound();
    cpe.power_off();
    assert_eq!((cpe.state(), cpe.address(), cpe.deadline()), (State::Idle, None, None));
    cpe.reboot(at(50), 8);
    assert_eq!(hear(&mut cpe, kind::ACK, 8, 50), Heard::Ack);
    assert_eq!(cpe.address(), Some(ADDRESS));
}

/// RELEASE and DECLINE name server and address and end everything; INFORM ends nothing.
#[test]
fn release_decline_inform() {
    let release = bound().release(9).unwrap();
    let message = Message::parse(&release.payload).unwrap();
    assert_eq!((message.kind(), message.ciaddr()), (Some(kind::RELEASE), ADDRESS));
    assert_eq!(message.address_option(code::SERVER_ID), Some(SERVER));
    assert_eq!(release.destination, SocketAddrV4::new(SERVER, 67));
    let mut forbidden = [code::REQUESTED_IP, code::LEASE_TIME, code::PARAMETER_LIST].into_iter();
    assert!(forbidden.all(|code| message.option(code).is_none()), "RFC 2131 table 5");

    let mut cpe = bound();
    let decline = cpe.decline(9).unwrap();
    let message = Message::parse(&decline.payload).unwrap();
    assert_eq!((message.kind(), message.ciaddr()), (Some(kind::DECLINE), Ipv4Addr::UNSPECIFIED));
    assert_eq!((decline.source.ip(), cpe.state()), (&Ipv4Addr::UNSPECIFIED, State::Idle));
    assert_eq!((cpe.release(1), cpe.decline(1), cpe.inform(1), cpe.renew(at(1), 1)), (None, None, None, None));

    let mut cpe = bound();
    let inform = cpe.inform(9).unwrap();
    assert_eq!(kind_of(&inform), kind::INFORM);
    assert_eq!(hear(&mut cpe, kind::ACK, 9, 1), Heard::Informed);
    assert_eq!(cpe.address(), Some(ADDRESS));
}
