//! Prefixes that overlap another subscriber's, be they around it, within it, or the same.

use std::net::Ipv6Addr;

use gateway_core::wire::dhcp6::{Prefix, kind};

use crate::Target;
use crate::home::{Home, duid, overlap, reply};
use crate::input::Input;

pub(crate) const TARGET: Target =
    Target { name: "overlaps", what: "prefixes that overlap another subscriber's", run, seeds };

const CLIENTS: u8 = 6;
const STEPS: usize = 24;

/// One of few prefixes, of which many overlap.
fn prefix(input: &mut Input<'_>) -> Prefix {
    let (length, which) = (input.octet(), input.octet());
    let length = [48, 52, 56, 60, 64, 128][usize::from(length) % 6];
    // Four bits each below 48, 52, 56 and 60.
    let bits = Ipv6Addr::new(0x2001, 0xdb8, 0x100, u16::from(which) << 8 | u16::from(which), 0, 0, 0, 0).to_bits();
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or_default();
    Prefix::new(Ipv6Addr::from_bits(bits & mask), length).expect("a length that there is")
}

fn run(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mut home = Home::new();
    for _ in 0..STEPS {
        if input.is_over() {
            break;
        }
        let (client, port) = (1 + input.below(CLIENTS), u16::from(input.below(4)));
        let kind = if input.chance() { kind::RENEW } else { kind::REQUEST };
        let leases: Vec<Prefix> = (0..1 + input.below(3)).map(|_| prefix(&mut input)).collect();
        let valid = [0, 60, 3600, 100_000][usize::from(input.below(4))];
        let before = home.held();
        if let Some(sent) = home.asks(client, port, kind, &leases) {
            let heard = home.answers(&sent, &reply(client, &leases, valid));
            let others = before.iter().filter(|(holder, _)| *holder != duid(client));
            let clash =
                others.into_iter().any(|(_, held)| leases.iter().any(|lease| lease != held && overlap(*lease, *held)));
            assert!(!(clash && heard && valid > 0), "{leases:?} among {before:?}");
            assert!(heard || home.held() == before, "a REPLY that is refused is refused as a whole");
        } else {
            assert_eq!(home.held(), before);
        }
        home.waits(u64::from(input.octet()) * 500);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    // Client, port, message, how many, then length and which of each, how long, and what passes.
    vec![
        vec![0, 0, 0, 0, 2, 16, 2, 0, 1, 1, 0, 0, 0, 16, 2, 0],
        vec![0, 0, 0, 0, 0, 16, 2, 0, 1, 1, 0, 0, 4, 17, 2, 0],
        vec![0, 0, 0, 1, 5, 3, 4, 3, 2, 0, 1, 2, 0, 1, 5, 3, 1, 9, 2, 0],
        vec![0, 0, 0, 0, 2, 16, 1, 255, 1, 1, 0, 0, 1, 16, 2, 0, 0, 0, 1, 0, 2, 16, 2, 0],
    ]
}
