//! The raw layer: walking, finding, building, splicing.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::dhcp6::arbitrary::{built, options};
use crate::wire::dhcp6::*;

/// Each way in which an option's length can lie, and where it is said to do so.
#[test]
fn lengths_that_lie() {
    let good = built(|out| {
        out.option(18, b"eth0").option(8, &[0, 1]).option(14, &[]);
    });
    assert_eq!(Options::parse(&good).unwrap().iter().count(), 3);
    let ends = [0, 8, 14, 18];
    for length in 0..=good.len() {
        let result = Options::parse(&good[..length]);
        let at = *ends.iter().rev().find(|end| **end <= length).unwrap();
        match length - at {
            0 => assert!(result.is_ok()),
            rest @ 1..4 => assert_eq!(result.unwrap_err(), Malformed::Trailing { at, length: rest }),
            _ => assert_eq!(result.unwrap_err(), Malformed::CutOption { code: if at == 0 { 18 } else { 8 }, at }),
        }
    }
    let mut longer = good.clone();
    longer[11] = 255;
    assert_eq!(Options::parse(&longer).unwrap_err(), Malformed::CutOption { code: 8, at: 8 });
    let mut shorter = good;
    shorter[3] = 3; // "0" and the next code are then a code
    assert_eq!(Options::parse(&shorter).unwrap_err(), Malformed::CutOption { code: 0x3000, at: 7 });
    assert_eq!(Options::parse(&[0, 9, 255, 255]).unwrap_err(), Malformed::CutOption { code: 9, at: 0 });
}

/// An option deep inside tells its offset in the message.
#[test]
fn offsets_count_from_the_message() {
    let octets = Builder::message(kind::REPLY, 1)
        .option(code::PREFERENCE, &[7])
        .ia(IaKind::Na, 9, [0, 0], |out| {
            out.lease(Binding::Address("2001:db8::1".parse().unwrap()), [1, 2], |out| {
                out.status(status::NO_BINDING, "gone");
            });
        })
        .finish()
        .unwrap();
    let message = Message::parse(&octets).unwrap();
    let ias = message.ias().unwrap();
    let lease = ias[0].leases().next().unwrap();
    let inner = lease.options.find(code::STATUS_CODE).unwrap();
    assert_eq!((ias[0].at, lease.at, inner.at), (9, 25, 53));
    assert_eq!(octets[inner.range()], *b"\x00\x0d\x00\x06\x00\x03gone");
    let mut lies = octets.clone();
    lies[56] = 99;
    let message = Message::parse(&lies).unwrap();
    assert_eq!(message.ias().unwrap_err(), Malformed::CutOption { code: 13, at: 53 });
}

/// Unlike DHCPv4's, codes 0 and the last are options like others, and an end is where the octets end.
#[test]
fn no_pads_and_no_end() {
    let octets = [0, 0, 0, 0, 255, 255, 0, 1, 7, 0, 255, 0, 0];
    let codes: Vec<_> = Options::parse(&octets).unwrap().iter().map(|option| option.code).collect();
    assert_eq!(codes, [0, 65535, 255]);
    assert_eq!(Options::parse(&octets[..10]).unwrap_err(), Malformed::Trailing { at: 9, length: 1 });
}

#[test]
fn finding() {
    let octets = built(|out| {
        out.option(18, b"a").option(37, b"b").option(18, b"c");
    });
    let options = Options::parse(&octets).unwrap();
    assert_eq!(options.find(18).unwrap().value, b"a");
    assert_eq!(options.find(19), None);
    assert_eq!(options.all(18).map(|option| option.value).collect::<Vec<_>>(), [b"a", b"c"]);
    assert_eq!(options.once(37).unwrap().unwrap().value, b"b");
    assert_eq!(options.once(19), Ok(None));
    assert_eq!(options.once(18), Err(Malformed::Repeated { code: 18, at: 10 }));
    assert_eq!(options.value(18), Err(Malformed::Repeated { code: 18, at: 10 }));
}

/// A length field holds 65535 and no more, however deep; what is built after a failure is built anew.
#[test]
fn what_is_too_long() {
    assert_eq!(Builder::options().option(18, &[0; 65535]).finish().unwrap().len(), 65539);
    assert_eq!(Builder::options().option(18, &[0; 65536]).finish(), Err(TooLong(18)));
    let nested = |length| {
        Builder::options()
            .nest(45, &[], |out| {
                out.option(1, &vec![0; length]);
            })
            .finish()
    };
    assert!(nested(65531).is_ok());
    assert_eq!(nested(65532), Err(TooLong(45)));
    assert_eq!(nested(70000), Err(TooLong(1)));
}

/// One option of a delegated prefix goes, another grows; the lengths around them follow.
#[test]
fn splicing_inside_an_ia() {
    let prefix = |text: &str| Binding::Prefix(Prefix::new(text.parse().unwrap(), 56).unwrap());
    let build = |first: &str| {
        Builder::message(kind::REPLY, 7)
            .ia(IaKind::Pd, 1, [100, 200], |out| {
                out.lease(prefix("2001:db8::"), [300, 400], |out| {
                    out.status(0, first);
                });
                out.lease(prefix("2001:db8:1::"), [300, 400], |_| {});
            })
            .option(code::RECONF_ACCEPT, &[])
            .finish()
            .unwrap()
    };
    let mut octets = build("fine");
    let message = octets.clone();
    let message = Message::parse(&message).unwrap();
    let ia = message.ias().unwrap()[0];
    let lease = ia.leases().next().unwrap();
    let at = lease.options.find(code::STATUS_CODE).unwrap().at;
    let longer = built(|out| {
        out.status(0, "much better");
    });
    splice(&mut octets, &[ia.at, lease.at, at], &longer).unwrap();
    assert_eq!(octets, build("much better"));
    splice(&mut octets, &[ia.at, lease.at], &[]).unwrap();
    let message = Message::parse(&octets).unwrap();
    let left: Vec<_> = message.ias().unwrap()[0].leases().map(|lease| lease.binding).collect();
    assert_eq!(left, [prefix("2001:db8:1::")]);
    assert!(message.reconfigure_accept().unwrap());
}

/// A path that is none, and a length that would outgrow its field, change nothing.
#[test]
fn splicing_refused() {
    let before = built(|out| {
        out.nest(45, &[], |out| {
            out.option(1, b"client");
        })
        .option(18, b"x");
    });
    let mut octets = before.clone();
    assert_eq!(splice(&mut octets, &[0, 14], &[]), Err(Malformed::CutOption { code: 18, at: 14 }), "18 is not in 45");
    assert_eq!(splice(&mut octets, &[4, 0], &[]), Err(Malformed::CutOption { code: 45, at: 0 }), "inside out");
    assert!(splice(&mut octets, &[99], &[]).is_err());
    assert!(splice(&mut octets, &[usize::MAX], &[]).is_err());
    assert_eq!(splice(&mut octets, &[0, 4], &vec![0; 65536]), Err(Malformed::Value { code: 45, at: 0 }));
    assert_eq!(splice(&mut octets, &[], b"y"), Ok(()));
    assert_eq!(octets, before);
}

proptest! {
    /// What is walked is all there is: put together again it is what it was.
    #[test]
    fn options_round_trip(octets in options()) {
        let options = Options::parse(&octets).unwrap();
        let again = built(|out| options.iter().for_each(|option| {
            out.option(option.code, option.value);
        }));
        prop_assert_eq!(&again, &octets);
        for option in options {
            prop_assert_eq!(&octets[option.range()][4..], option.value);
        }
    }

    /// A splice changes one option and nothing else.
    #[test]
    fn splicing_changes_one(octets in options(), which: prop::sample::Index, with in vec(any::<u8>(), 0..30)) {
        let before: Vec<_> = Options::parse(&octets).unwrap().iter().collect();
        if before.is_empty() {
            return Ok(());
        }
        let index = which.index(before.len());
        let with = built(|out| {
out.option(4711, &with);
});
        let mut changed = octets.clone();
        splice(&mut changed, &[before[index].at], &with).unwrap();
        let range = before[index].range();
        prop_assert_eq!(&changed[..range.start], &octets[..range.start]);
        prop_assert_eq!(&changed[range.start..range.start + with.len()], &with[..]);
        prop_assert_eq!(&changed[range.start + with.len()..], &octets[range.end..]);
    }

    /// Whatever the path and whatever the octets: no panic, and no change when it is refused.
    #[test]
    fn splicing_is_total(octets in vec(any::<u8>(), 0..40), path in vec(0usize..50, 0..4), with in vec(any::<u8>(), 0..9)) {
        let mut changed = octets.clone();
        if splice(&mut changed, &path, &with).is_err() {
            prop_assert_eq!(changed, octets);
        }
    }
}
