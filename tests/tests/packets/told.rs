//! Events and samples of what was dropped.

use gateway_common::bucket::Rate;
use gateway_common::event::{EventKind, SAMPLE_OCTETS};
use gateway_common::settings::Settings;
use gateway_common::unit::UnitState;
use gateway_common::verdict::{Program, Verdict};
use gateway_tests::packets::INGRESS;
use gateway_tests::packets::frame::{IPV4, Ip, udp};

use crate::world::{self, *};

/// Each kind of bad source is told with who it was, and a scan from one MAC is told once per token.
#[test]
fn events() {
    let mut plane = world::new();
    let datagram = udp(1, 2, b"");
    let ip = |from: [u8; 4]| Ip::new(from, HOST).packet(&datagram);
    let stranger = TAGGED.ether().frame(IPV4, &ip([100, 64, 7, 7]));
    let thief = TAGGED.ether().frame(IPV4, &ip(PLAIN.address.octets()));
    let late = PLAIN.ether().frame(IPV4, &ip(PLAIN.address.octets()));
    plane.route(PLAIN.address, PLAIN.route(), 1).unwrap();
    for frame in [&stranger, &thief, &late] {
        plane.run(Program::Access, frame).unwrap();
    }
    let events = plane.events().unwrap();
    let told: Vec<_> = events.iter().map(|e| (EventKind::from_u32(e.kind), e.verdict, e.mac, e.tags)).collect();
    assert_eq!(
        told,
        [
            (Some(EventKind::UnknownSource), Verdict::NoSession as u32, TAGGED.mac(), TAGGED.tags),
            (Some(EventKind::Spoofed), Verdict::WrongVlan as u32, TAGGED.mac(), TAGGED.tags),
            (Some(EventKind::Expired), Verdict::Expired as u32, PLAIN.mac(), PLAIN.tags),
        ]
    );
    assert_eq!(events[0].address, std::net::Ipv4Addr::new(100, 64, 7, 7).into());
    assert_eq!(events[0].ifindex, INGRESS);

    plane.settings(Settings { event: Rate::new(1, 3), ..Settings::default() }).unwrap();
    for n in 0..=255 {
        let frame = TAGGED.ether().frame(IPV4, &ip([100, 64, 8, n]));
        plane.run(Program::Access, &frame).unwrap();
    }
    let told = plane.events().unwrap().len();
    assert!((3..=4).contains(&told), "{told} events of a burst of 3 and at most a second");
}

/// Every drop is sampled when asked for, with the start of the frame; a foreign frame never.
#[test]
fn drop_samples() {
    let mut plane = world::new();
    let frame =
        |octets: usize| PLAIN.ether().frame(IPV4, &Ip::new([9, 9, 9, 9], HOST).packet(&udp(1, 2, &vec![7; octets])));
    plane.run(Program::Access, &frame(50)).unwrap();
    assert_eq!(plane.dropped().unwrap().len(), 0, "sampling is off");

    plane.settings(Settings { drop_sample: 1, ..Settings::default() }).unwrap();
    for octets in [0, 50, 86, 87, 1000] {
        let frame = frame(octets);
        plane.run(Program::Access, &frame).unwrap();
        let samples = plane.dropped().unwrap();
        assert_eq!(samples.len(), 1);
        assert_eq!((samples[0].verdict, samples[0].ifindex), (Verdict::NoSession, INGRESS));
        assert_eq!(samples[0].frame_len, frame.len() as u32);
        assert_eq!(samples[0].octets, frame[..frame.len().min(SAMPLE_OCTETS)]);
    }
    plane.own_all(UnitState::FOREIGN).unwrap();
    plane.run(Program::Access, &frame(50)).unwrap();
    assert_eq!(plane.dropped().unwrap().len(), 0, "a foreign frame");

    plane.own_all(UnitState::OWN).unwrap();
    plane.settings(Settings { drop_sample: 10, ..Settings::default() }).unwrap();
    for _ in 0..5000 {
        plane.run(Program::Access, &frame(0)).unwrap();
    }
    let sampled = plane.dropped().unwrap().len();
    assert!((350..650).contains(&sampled), "{sampled} of 5000, one in ten");
}
