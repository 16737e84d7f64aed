//! Whatever octets a file has.

use proptest::prelude::*;

use super::super::{Format, read};
use super::files::{DHCPD, DHCPD6, KEA4, KEA6};

const FORMATS: [Format; 4] = [Format::Isc, Format::Kea, Format::Csv, Format::Json];

proptest! {
    /// Nothing panics, and nothing takes for ever.
    #[test]
    fn any_octets(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        FORMATS.into_iter().for_each(|format| drop(read(format, &octets)));
    }

    /// Words that mean something, in any order.
    #[test]
    fn any_words(words in proptest::collection::vec(
        proptest::sample::select(vec!["lease", "ia-na", "\"\\001\"", "10.0.0.1", "{", "}", ";", "\n", "\"", "#", "starts",
            "epoch", "5", "2026/11/22", "11:00:00", "binding", "state", "active", "hardware", "ethernet", "\\", "iaaddr",
            "2001:db8::1", "[", "{\"address\":", ",", "never", "\u{e9}"]), 0..60)) {
        let text = words.join(" ");
        FORMATS.into_iter().for_each(|format| drop(read(format, text.as_bytes())));
    }

    /// A file in which something is overwritten: what is still read of it is not more than there was, and a lease that was
    /// not touched is there as before when it comes first.
    #[test]
    fn an_octet_changed(which in 0usize..4, at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let (format, text) = [(Format::Isc, DHCPD), (Format::Isc, DHCPD6), (Format::Kea, KEA4), (Format::Kea, KEA6)][which];
        let whole = read(format, text.as_bytes()).expect("a good file");
        let mut octets = text.as_bytes().to_vec();
        let at = at.index(octets.len());
        octets[at] = octet;
        if let Ok(read) = read(format, &octets) {
            prop_assert!(read.leases.len() <= whole.leases.len() + 1);
            let line = 1 + text[..at].matches('\n').count() as u64;
            let before = whole.leases.windows(2).take_while(|pair| pair[1].0 < line).count();
            // Not where the heading was changed, which says what the lines mean.
            if line > 3 {
                prop_assert_eq!(&read.leases[..before.min(read.leases.len())], &whole.leases[..before]);
            }
        }
    }
}
