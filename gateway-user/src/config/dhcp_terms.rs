//! What clients are told, as a subnet, a class or a reservation of `[dhcp_server]` says it.

use std::net::Ipv4Addr;
use std::time::Duration;

use gateway_server::{Pattern, Subnet, Terms};
use toml::de::DeValue;

use super::reader::{At, Reader, Section};
use super::value::{Hex, Value, hex};

/// Octets: a text, or in hexadecimal behind `hex:`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Octets(pub(super) Vec<u8>);

impl Value for Octets {
    const WOULD_DO: &'static str = "a text of at most 255 octets, or \"hex:\" and octets such as \"hex:01:02\"";
    fn read(raw: &DeValue<'_>) -> Option<Self> {
        octets(raw.as_str()?).map(Self)
    }
}

/// Octets, or with `*` at the end all that begin so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Look(pub(super) Pattern);

impl Value for Look {
    const WOULD_DO: &'static str = "a text, \"hex:\" and octets, or the beginning of it and `*`, such as \"eth1:*\"";
    fn read(raw: &DeValue<'_>) -> Option<Self> {
        let text = raw.as_str()?;
        match text.strip_suffix('*') {
            Some("" | "hex:") => Some(Self(Pattern::beginning(""))),
            Some(text) => octets(text).map(|octets| Self(Pattern::beginning(octets))),
            None => octets(text).map(|octets| Self(Pattern::exactly(octets))),
        }
    }
}

/// An Ethernet address or its first octets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MacPrefix(pub(super) Pattern);

impl Value for MacPrefix {
    const WOULD_DO: &'static str = "1 to 6 octets of a MAC address, such as \"00:04:f2\"";
    fn read(raw: &DeValue<'_>) -> Option<Self> {
        let octets = hex(raw.as_str()?).filter(|octets| octets.len() <= 6)?;
        Some(Self(Pattern::beginning(octets)))
    }
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let octets = match text.strip_prefix("hex:") {
        Some(digits) => hex(digits)?,
        None => text.as_bytes().to_vec(),
    };
    (1..=255).contains(&octets.len()).then_some(octets)
}

/// What a class or a reservation says.
pub(super) fn read(reader: &Reader<'_>, section: &Section<'_, '_>) -> Terms {
    let addresses = |key| section.list::<Ipv4Addr>(key).into_iter().map(|at| at.value).collect::<Vec<_>>();
    let router = section.optional::<Ipv4Addr>("router").map(|at| vec![at.value]);
    let dns = section.has(&["dns"]).then(|| addresses("dns"));
    let times = lease_times(reader, section, None);
    let (renew, rebind) = percents(reader, section, None);
    let (options, always) = options(reader, section);
    Terms {
        routers: router,
        dns,
        lease: times.lease,
        min_lease: times.min,
        max_lease: times.max,
        renew_percent: renew,
        rebind_percent: rebind,
        options,
        always,
    }
}

/// What a subnet says to its clients, and through which relays it serves them; which addresses it has is for the caller to say.
pub(super) fn subnet(reader: &Reader<'_>, section: &Section<'_, '_>) -> Subnet {
    let addresses = |key| section.list::<Ipv4Addr>(key).into_iter().map(|at| at.value).collect();
    let hour = Duration::from_secs(3600);
    let times = lease_times(reader, section, Some(hour));
    let (renew, rebind) = percents(reader, section, Some((50, 87)));
    let (options, always) = options(reader, section);
    let nowhere = Ipv4Addr::UNSPECIFIED;
    Subnet {
        pools: Vec::new(),
        relays: addresses("relays"),
        routers: Vec::new(),
        dns: addresses("dns"),
        lease: times.lease.unwrap_or(hour),
        min_lease: times.min.unwrap_or(Duration::from_secs(1)),
        max_lease: times.max,
        renew_percent: renew.unwrap_or(50),
        rebind_percent: rebind.unwrap_or(87),
        options,
        always,
        rapid_commit: section.or("rapid_commit", false),
        ..Subnet::new(nowhere, 32, (nowhere, nowhere), nowhere)
    }
}

/// Lease times that are given.
pub(super) struct LeaseTimes {
    pub(super) lease: Option<Duration>,
    pub(super) min: Option<Duration>,
    pub(super) max: Option<Duration>,
}

/// `lease` and its bounds. `default` is what holds where `lease` is absent, if that is known.
pub(super) fn lease_times(reader: &Reader<'_>, section: &Section<'_, '_>, default: Option<Duration>) -> LeaseTimes {
    let [lease, min, max] = ["lease", "min_lease", "max_lease"].map(|key| {
        section.read(key, "a duration from 1s to 3650d, such as \"1h\", or \"infinite\"", |raw| {
            if raw.as_str() == Some("infinite") {
                return Some(Duration::MAX);
            }
            Duration::read(raw).filter(|lease| (1..=3650 * 86_400).contains(&lease.as_secs()))
        })
    });
    let usual = lease.as_ref().map(|at| at.value).or(default);
    if let (Some(min), Some(usual)) = (&min, usual)
        && min.value > usual
    {
        reader.wrong_because(&min.place, "which is more than lease", "at most what lease is");
    }
    if let (Some(max), Some(usual)) = (&max, usual)
        && max.value < usual
    {
        reader.wrong_because(&max.place, "which is less than lease", "at least what lease is");
    }
    let [lease, min, max] = [lease, min, max].map(|at| at.map(|at| at.value));
    LeaseTimes { lease, min, max }
}

/// T1 and T2 in hundredths of the lease (RFC 2131 4.4.5). `defaults` hold where one is absent, if they are known.
pub(super) fn percents(
    reader: &Reader<'_>,
    section: &Section<'_, '_>,
    defaults: Option<(u8, u8)>,
) -> (Option<u8>, Option<u8>) {
    let percent =
        |key| section.read(key, "a number from 1 to 100", |raw| u8::read(raw).filter(|n| (1..=100).contains(n)));
    let (renew, rebind) = (percent("renew_percent"), percent("rebind_percent"));
    let first = renew.as_ref().map(|at| at.value).or(defaults.map(|(renew, _)| renew));
    let second = rebind.as_ref().map(|at| at.value).or(defaults.map(|(_, rebind)| rebind));
    if let (Some(first), Some(second)) = (first, second)
        && first > second
        && let Some(late) = renew.or(rebind)
    {
        let why = format!("where clients renew at {first} and rebind at {second} percent of the lease");
        reader.wrong_because(&late.place, why, "renew_percent of at most rebind_percent");
    }
    (first, second)
}

/// Options that the server makes by itself, or that only clients send.
const OWN: [u8; 18] = [0, 1, 50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 80, 82, 90, 118, 145, 255];

/// Further options, and which of them are sent in any case.
pub(super) fn options(reader: &Reader<'_>, section: &Section<'_, '_>) -> (Vec<(u8, Vec<u8>)>, Vec<u8>) {
    let (mut options, mut always): (Vec<(u8, Vec<u8>)>, Vec<u8>) = Default::default();
    for table in section.tables("option") {
        let code = table.required::<u8>("code");
        let text = table.optional::<String>("text").map(|at| at.value.into_bytes());
        let octets = table.optional::<Hex>("hex").map(|at| at.value.0);
        let listed = table.has(&["addresses"]).then(|| table.list::<Ipv4Addr>("addresses"));
        let listed = listed.map(|list| list.iter().flat_map(|at| at.value.octets()).collect::<Vec<u8>>());
        let in_any_case = table.or("always", false);
        let keys = ["text", "hex", "addresses"];
        if keys.iter().filter(|key| table.has(&[*key])).count() > 1 {
            reader.wrong_because(&table.place(), "with more than one value", "one of text, hex and addresses");
        }
        table.require_either("text", &keys, "text = …, hex = \"0104\" or addresses = [\"192.0.2.1\"]");
        let value = text.or(octets).or(listed);
        let (Some(At { value: code, place }), Some(value)) = (code, value) else { continue };
        if OWN.contains(&code) {
            reader.wrong_because(&place, "which the server sets itself, or only clients send", "another option");
        } else if let Some(key) = [(3, "router"), (6, "dns")].iter().find(|(own, _)| *own == code).map(|(_, key)| key) {
            reader.wrong_because(&place, "which has a key of its own", format!("{key} = …"));
        } else if options.iter().any(|(other, _)| *other == code) {
            reader.wrong_because(&place, "which is there twice", "each option once, with its whole value");
        }
        if in_any_case {
            always.push(code);
        }
        options.push((code, value));
    }
    (options, always)
}
