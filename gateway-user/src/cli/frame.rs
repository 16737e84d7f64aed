//! One line about a sampled frame.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What the start of a frame, given in hexadecimal, is: addresses, tags, protocol and ports as far as they go.
pub(crate) fn summary(hex: &str) -> String {
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    match hex.as_bytes().chunks(2).map(octet).collect::<Option<Vec<u8>>>() {
        Some(frame) => describe(&frame).unwrap_or_else(|| format!("{} octets", frame.len())),
        None => "not hexadecimal".to_owned(),
    }
}

fn describe(frame: &[u8]) -> Option<String> {
    let source: Vec<String> = frame.get(6..12)?.iter().map(|octet| format!("{octet:02x}")).collect();
    let mut text = source.join(":");
    let (mut at, mut kind) = (14, word(frame, 12)?);
    let mut tags = Vec::new();
    while matches!(kind, 0x8100 | 0x88a8) && tags.len() < 2 {
        tags.push((word(frame, at)? & 0xfff).to_string());
        kind = word(frame, at + 2)?;
        at += 4;
    }
    if !tags.is_empty() {
        text = format!("{text} {}", tags.join("."));
    }
    let payload = frame.get(at..)?;
    let rest = match kind {
        0x0800 => ipv4(payload),
        0x0806 => arp(payload),
        0x86dd => ipv6(payload),
        _ => Some(format!("ethertype {kind:04x}")),
    };
    Some(format!("{text} {}", rest.unwrap_or_else(|| format!("ethertype {kind:04x}, cut"))))
}

fn word(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

fn address(octets: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets.get(at..at + 4)?).ok()?))
}

fn arp(packet: &[u8]) -> Option<String> {
    Some(format!("ARP {} asks for {}", address(packet, 14)?, address(packet, 24)?))
}

fn ipv4(packet: &[u8]) -> Option<String> {
    let (source, destination) = (address(packet, 12)?, address(packet, 16)?);
    let first_fragment = word(packet, 6)? & 0x1fff == 0;
    let payload = packet.get(usize::from(packet[0] & 15) * 4..).filter(|_| first_fragment).unwrap_or(&[]);
    Some(transport(&source.to_string(), &destination.to_string(), packet[9], payload))
}

fn ipv6(packet: &[u8]) -> Option<String> {
    let at = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
    Some(transport(&format!("[{}]", at(8)?), &format!("[{}]", at(24)?), packet[6], packet.get(40..).unwrap_or(&[])))
}

fn transport(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> String {
    let name = match protocol {
        1 => "ICMP".to_owned(),
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        58 => "ICMPv6".to_owned(),
        132 => "SCTP".to_owned(),
        other => format!("protocol {other}"),
    };
    match (protocol, word(payload, 0), word(payload, 2)) {
        (6 | 17 | 132, Some(from), Some(to)) => format!("{name} {source}:{from} → {destination}:{to}"),
        _ => format!("{name} {source} → {destination}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETHERNET: &str = "ffffffffffff020000000001";

    #[test]
    fn summaries() {
        let ip = "450000200000000040110000640000020808080815b30035000c0000";
        let table = [
            (format!("{ETHERNET}0800{ip}"), "02:00:00:00:00:01 UDP 100.0.0.2:5555 → 8.8.8.8:53"),
            (
                format!("{ETHERNET}88a8006481000007{}{ip}", "0800"),
                "02:00:00:00:00:01 100.7 UDP 100.0.0.2:5555 → 8.8.8.8:53",
            ),
            (
                format!("{ETHERNET}0806{}", "0001080006040001020000000001640000020000000000006400000a"),
                "02:00:00:00:00:01 ARP 100.0.0.2 asks for 100.0.0.10",
            ),
            (format!("{ETHERNET}88cc0207"), "02:00:00:00:00:01 ethertype 88cc"),
            (format!("{ETHERNET}080045"), "02:00:00:00:00:01 ethertype 0800, cut"),
            ("0200".to_owned(), "2 octets"),
        ];
        for (frame, expected) in table {
            assert_eq!(summary(&frame), expected);
        }
    }
}
