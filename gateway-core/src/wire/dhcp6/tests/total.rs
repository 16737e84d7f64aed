//! No octets make a reader panic, and every accessor works on what it accepts.

use core::net::Ipv6Addr;

use proptest::prelude::*;

use crate::wire::dhcp6::arbitrary::{damaged, message, nest, octets};
use crate::wire::dhcp6::*;

fn read_options(options: Options<'_>) {
    let _ = (options.status(), options.requested(), options.remote_id(), options.client_link_layer());
    let _ = (options.relay_supplied(), options.ias(), options.bare_leases());
    for code in 0..140 {
        let _ = (options.duid(code).map(|duid| duid.map(|duid| (duid.kind(), duid.mac()))), options.flag(code));
        let _ = (options.u8(code), options.u16(code), options.u32(code), options.address(code));
    }
    for ia in options.ias().unwrap_or_default() {
        assert!(ia.leases().count() <= ia.options.iter().count());
    }
}

proptest! {
    /// Options fill what they are in, whatever was accepted.
    #[test]
    fn reading_a_message(octets in prop_oneof![octets(), message(), damaged(message())]) {
        let Ok(message) = Message::parse(&octets) else { return Ok(()) };
        let total: usize = message.options().iter().map(|option| option.range().len()).sum();
        prop_assert_eq!(HEADER + total, octets.len());
        let _ = (message.client_id(), message.server_id(), message.elapsed(), message.reconfigure_message());
        read_options(message.options());
    }

    /// Nests of any depth, broken anywhere.
    #[test]
    fn reading_a_nest(octets in prop_oneof![octets(), nest(1..=NEST_MAX), damaged(nest(1..=4)), damaged(nest(9..=12))]) {
        let any = Ipv6Addr::UNSPECIFIED;
        let _ = (relay_forward(&octets, any, any, &[]), RelayMessage::parse(&octets).map(|relay| relay.inner()));
        let Ok(nest) = Nest::walk(&octets) else { return Ok(()) };
        prop_assert!((1..=NEST_MAX).contains(&nest.depth()));
        nest.relays().for_each(|relay| read_options(relay.options()));
        prop_assert!(nest.reply(nest.message()).is_ok());
    }
}
