//! `[[dhcp_server.class]]` and `[[dhcp_server.reservation]]`.

use std::net::Ipv4Addr;

use gateway_core::wire::agent::sub;
use gateway_server::{Class, Pattern, Reservation};

use super::dhcp_terms::{self, Look, MacPrefix, Octets};
use super::reader::{At, Place, Reader, Section};
use super::value::{Mac, Name, Prefix};

/// The keys that say what a class's clients have in option 82.
const AGENT: [(&str, u8); 4] = [
    ("circuit_id", sub::CIRCUIT_ID),
    ("remote_id", sub::REMOTE_ID),
    ("subscriber_id", sub::SUBSCRIBER_ID),
    ("relay_id", sub::RELAY_ID),
];

/// All classes, those with mistakes too, so that their names are known.
pub(super) fn classes(reader: &Reader<'_>, section: &Section<'_, '_>) -> Vec<Class> {
    let tables = section.tables("class");
    let mut names: Vec<(String, Place)> = Vec::new();
    let mut classes = Vec::new();
    for table in &tables {
        let name = table.required::<Name>("name").map(|At { value, place }| (value.0, place));
        let looks = |key| table.list::<Look>(key).into_iter().map(|at| at.value.0).collect::<Vec<Pattern>>();
        let agent = AGENT.map(|(key, code)| (code, looks(key)));
        classes.push(Class {
            name: name.as_ref().map_or_else(String::new, |(name, _)| name.clone()),
            vendor_class: looks("vendor_class"),
            user_class: looks("user_class"),
            mac: table.list::<MacPrefix>("mac").into_iter().map(|at| at.value.0).collect(),
            agent: agent.into_iter().filter(|(_, looks)| !looks.is_empty()).collect(),
            terms: dhcp_terms::read(reader, table),
        });
        names.extend(name);
    }
    super::cross::unique(reader, names.iter().map(|(name, place)| (name, place)), "a name of its own for each class");
    classes
}

/// The classes that `class` names, by their places.
pub(super) fn named(reader: &Reader<'_>, section: &Section<'_, '_>, classes: &[Class]) -> Vec<u16> {
    section.require("class", "the classes that it is for, such as [\"stb\"]");
    let mut named = Vec::new();
    for At { value: Name(name), place } in section.list::<Name>("class") {
        match (0..).zip(classes).find(|(_, class)| class.name == name) {
            Some((index, _)) => named.push(index),
            None => {
                reader.wrong_because(&place, "which is no class", "a [[dhcp_server.class]] of this name".to_owned())
            }
        }
    }
    named
}

/// All reservations. Each must be for somebody, and in a subnet.
pub(super) fn reservations(reader: &Reader<'_>, section: &Section<'_, '_>, prefixes: &[Prefix]) -> Vec<Reservation> {
    let mut places: Vec<(Ipv4Addr, Place)> = Vec::new();
    let mut reservations = Vec::new();
    for table in section.tables("reservation") {
        let address = table.required::<Ipv4Addr>("address");
        let octets = |key| table.optional::<Octets>(key).map(|at| at.value.0);
        let (client_id, circuit_id, remote_id) = (octets("client_id"), octets("circuit_id"), octets("remote_id"));
        let mac = table.optional::<Mac>("mac").map(|at| at.value.0);
        let terms = dhcp_terms::read(reader, &table);
        table.require_either(
            "mac",
            &["mac", "client_id", "circuit_id", "remote_id"],
            "whom it is for: mac, client_id, circuit_id or remote_id",
        );
        let Some(At { value: address, place }) = address else { continue };
        match prefixes.iter().find(|prefix| prefix.contains(address)) {
            None => reader.wrong_because(&place, "which is in no subnet", "an address of a [[dhcp_server.subnet]]"),
            Some(prefix) if prefix.len <= 30 && (address == prefix.address || address == prefix.last()) => {
                reader.wrong_because(&place, format!("which no host of {prefix} can have"), "another address of it");
            }
            Some(_) => {}
        }
        places.push((address, place));
        reservations.push(Reservation { address, client_id, mac, circuit_id, remote_id, terms });
    }
    super::cross::unique(reader, places.iter().map(|(address, place)| (*address, place)), "each address once");
    reservations
}
