//! Vector V-4, and what a signature survives and does not.

use proptest::prelude::*;

use super::*;
use crate::wire::agent::AgentBuilder;
use crate::wire::arbitrary::{damaged, message, octets};
use crate::wire::bulk_release::tests::{hex, key, signed_release};
use crate::wire::dhcp4::{Builder, REQUEST, code, kind, relay_up};

const REPLAY_COUNTER: u64 = 0x65f0_0000_0000_0001;

fn mac_of(octets: &[u8]) -> &[u8] {
    &octets[octets.len() - 21..octets.len() - 1]
}

/// V-4: the MAC with the key-id kept, and with it zeroed as well. Both verify.
/// H-BR-13
#[test]
fn both_readings_of_rfc_4030() {
    let vector = signed_release();
    assert_eq!(mac_of(&vector), hex("f1f7a2877cc46013b72d19c2e1e646391d302ef1"));
    let mut zeroed = vector.clone();
    sign(&mut zeroed, &Key { zero_key_id: true, ..key() }).unwrap();
    assert_eq!(mac_of(&zeroed), hex("6e8570a43aad75e62c427279c96feeba7e270d9b"));
    let mut kept = zeroed.clone();
    sign(&mut kept, &key()).unwrap();
    assert_eq!(kept, vector);
    for (octets, zero_key_id) in [(&vector, false), (&vector, true), (&zeroed, false), (&zeroed, true)] {
        let verified = verify(octets, &[Key { zero_key_id, ..key() }]);
        assert_eq!(verified, Ok(Verified { key_id: 5, relay: 0, replay: REPLAY_COUNTER }));
    }
}

/// Hops and giaddr are not covered; every other octet is.
/// H-BR-13 H-BR-25
#[test]
fn what_the_mac_covers() {
    let vector = signed_release();
    for at in 0..vector.len() {
        let mut changed = vector.clone();
        changed[at] ^= 0x01;
        let free = at == field::HOPS || (field::GIADDR..field::CHADDR).contains(&at);
        assert_eq!(verify(&changed, &[key()]).is_ok(), free, "octet {at}");
    }
    let passed = relay_up(&Message::parse(&vector).unwrap(), [10, 1, 2, 3].into(), 200, None);
    assert!(verify(&passed, &[key()]).is_ok());
}

/// Missing, unknown, wrong, twice: each by its name.
/// H-BR-13
#[test]
fn what_is_not_authentic() {
    let vector = signed_release();
    let bare = Builder::new(REQUEST).kind(kind::RELEASE);
    let with = |value: &[u8]| verify(&bare.clone().option(code::AGENT_INFORMATION, value).finish(), &[key()]);
    assert_eq!(verify(&bare.clone().finish(), &[key()]), Err(AuthError::Missing));
    assert_eq!(with(b"\x01\x01x"), Err(AuthError::Missing));
    assert_eq!(with(b"\x01\x02x"), Err(AuthError::Malformed));
    assert_eq!(verify(b"", &[key()]), Err(AuthError::Malformed));
    assert_eq!(verify(&vector, &[]), Err(AuthError::UnknownKey(5)));
    assert_eq!(verify(&vector, &[Key { id: 6, ..key() }]), Err(AuthError::UnknownKey(5)));
    let sha256 = Key { algorithm: Algorithm::HmacSha256, ..key() };
    assert_eq!(verify(&vector, &[sha256]), Err(AuthError::UnknownKey(5)), "not the algorithm of this key");
    assert_eq!(verify(&vector, &[Key { secret: b"x".to_vec().into(), ..key() }]), Err(AuthError::BadMac));

    let value = placeholder(&key(), 1);
    let twice = AgentBuilder::new().sub(sub::AUTHENTICATION, &value).sub(sub::AUTHENTICATION, &value).finish().unwrap();
    assert_eq!(with(&twice), Err(AuthError::Malformed));
    for (at, octet) in [(0, 2), (1, 0)] {
        let mut wrong = value.clone();
        wrong[at] = octet;
        let option = AgentBuilder::new().sub(sub::AUTHENTICATION, &wrong).finish().unwrap();
        assert_eq!(with(&option), Err(AuthError::Malformed), "algorithm or replay detection method");
    }
    let split = bare.clone().option(code::AGENT_INFORMATION, b"").option(code::AGENT_INFORMATION, b"");
    assert_eq!(verify(&split.finish(), &[key()]), Err(AuthError::Malformed));
}

/// The private algorithm: 32 octets of MAC.
/// H-BR-15
#[test]
fn sha_256() {
    let key = Key { algorithm: Algorithm::HmacSha256, ..key() };
    let unsigned = Builder::new(REQUEST).kind(kind::RELEASE).option(code::AGENT_INFORMATION, b"\x0c\x01b").finish();
    let signed = append_and_sign(&unsigned, &key, 9).unwrap();
    assert_eq!(signed.len(), unsigned.len() + 52);
    assert_eq!(verify(&signed, core::slice::from_ref(&key)), Ok(Verified { key_id: 5, relay: 0, replay: 9 }));
    let mut changed = signed;
    changed[8] ^= 1;
    assert_eq!(verify(&changed, &[key]), Err(AuthError::BadMac));
}

/// No room in option 82, or no option 82.
/// H-BR-22
#[test]
fn what_cannot_be_signed() {
    let bare = Builder::new(REQUEST).kind(kind::RELEASE);
    assert_eq!(append_and_sign(&bare.clone().finish(), &key(), 1), Err(NotSignable));
    let full = AgentBuilder::new().sub(1, &[0; 214]).finish().unwrap();
    assert_eq!(append_and_sign(&bare.clone().option(82, &full).finish(), &key(), 1), Err(NotSignable));
    let fits = AgentBuilder::new().sub(1, &[0; 213]).finish().unwrap();
    assert!(append_and_sign(&bare.option(82, &fits).finish(), &key(), 1).is_ok());
    let mut other = signed_release();
    assert_eq!(sign(&mut other, &Key { algorithm: Algorithm::HmacSha256, ..key() }), Err(NotSignable));
}

/// The strict window: only what is newer than everything accepted. Asking changes nothing.
/// H-BR-16
#[test]
fn a_strict_window() {
    let mut window = ReplayWindow::strict(Some(10));
    assert_eq!(window.check(10), Err(Replayed(10)));
    assert_eq!((window.check(12), window.check(11)), (Ok(()), Ok(())));
    window.accept(12);
    assert_eq!((window.check(11), window.check(12), window.check(13)), (Err(Replayed(11)), Err(Replayed(12)), Ok(())));
    assert_eq!(window.last(), Some(12));
    assert_eq!(ReplayWindow::strict(None).check(0), Ok(()));
}

/// Why a key is never printed.
#[test]
fn a_key_keeps_its_secret() {
    assert_eq!(format!("{:?}", key()), "Key { id: 5, algorithm: HmacSha1, .. }");
}

proptest! {
    /// The sliding window against its definition: each of the last 64 once, nothing older; a remembered counter and
    /// everything before it counts as seen.
    /// H-BR-16
    #[test]
    fn a_sliding_window(
        start in proptest::option::of(1000u64..1100),
        counters in proptest::collection::vec(prop_oneof![950u64..1200, Just(0), Just(u64::MAX)], 0..60),
    ) {
        let mut window = ReplayWindow::sliding(start);
        let mut accepted: Vec<u64> = Vec::new();
        for counter in counters {
            let newest = accepted.iter().copied().chain(start).max();
            let old = newest.is_some_and(|newest| newest.saturating_sub(counter) >= 64);
            let before_start = start.is_some_and(|start| counter <= start);
            let fresh = !old && !before_start && !accepted.contains(&counter);
            prop_assert_eq!(window.check(counter).is_ok(), fresh, "{} after {:?}", counter, accepted);
            if fresh {
                window.accept(counter);
                accepted.push(counter);
            }
        }
    }

    /// No octets make the verifier panic, and none verify under a key that did not sign them.
    #[test]
    fn verifying_never_panics(octets in prop_oneof![octets(), damaged(), message()]) {
        prop_assert!(verify(&octets, &[key()]).is_err());
        let mut copy = octets;
        let _ = sign(&mut copy, &key());
        let _ = append_and_sign(&copy, &key(), 7);
    }

    /// Whatever can be signed verifies, and a relay on the way does not hurt.
    /// H-BR-25
    #[test]
    fn signed_is_verified(octets in message(), hops: u8, giaddr: [u8; 4], replay: u64) {
        if let Ok(signed) = append_and_sign(&octets, &key(), replay) {
            prop_assert_eq!(verify(&signed, &[key()]), Ok(Verified { key_id: 5, relay: 0, replay }));
            let passed = relay_up(&Message::parse(&signed).unwrap(), giaddr.into(), hops, None);
            prop_assert_eq!(verify(&passed, &[key()]), Ok(Verified { key_id: 5, relay: 0, replay }));
        }
    }
}
