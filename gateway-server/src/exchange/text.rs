//! How octets, times and scopes are written.

use core::net::Ipv4Addr;

use gateway_core::hex;
use gateway_core::line::HardwareAddress;
use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::NEVER;

/// Octets written as hexadecimal digits: two for each with or without colons between, or one or two between colons.
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    if text.contains(':') {
        let octet = |part: &str| if part.len() > 2 { None } else { digits(part) };
        return text.split(':').map(octet).collect();
    }
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| digits(text.get(at..at + 2)?)).collect()
}

fn digits(text: &str) -> Option<u8> {
    // from_str_radix takes a sign, too.
    text.bytes().all(|octet| octet.is_ascii_hexdigit()).then(|| u8::from_str_radix(text, 16).ok())?
}

/// Octets with colons between.
pub(super) fn colons(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

/// A hardware address; before a type that is not Ethernet's there is its number: `6/02:00:00:00:00:01`.
pub(super) fn hardware(hardware: &HardwareAddress) -> String {
    match hardware.htype() {
        1 => hardware.to_string(),
        htype => format!("{htype}/{hardware}"),
    }
}

pub(super) fn read_hardware(text: &str) -> Option<HardwareAddress> {
    let (htype, address) = match text.split_once('/') {
        Some((htype, address)) => (htype.parse().ok()?, address),
        None => (1, text),
    };
    hardware_of(htype, &octets(address)?)
}

pub(super) fn hardware_of(htype: u8, address: &[u8]) -> Option<HardwareAddress> {
    let mut chaddr = [0; 16];
    chaddr.get_mut(..address.len())?.copy_from_slice(address);
    HardwareAddress::new(htype, u8::try_from(address.len()).ok()?, chaddr)
}

/// RFC 3339 in UTC, or `never`. Beyond the year 9999 nothing is ever.
pub(super) fn utc(unix: u64) -> String {
    let at = i64::try_from(unix).ok().and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "never".to_owned())
}

pub(super) fn read_utc(text: &str) -> Option<u64> {
    if text == "never" {
        return Some(NEVER);
    }
    u64::try_from(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp()).ok()
}

/// `device/kind/epoch`: `BNG-0042/address:100.64.0.1/1795178624`.
pub(super) fn scope(scope: &Scope) -> String {
    format!("{}/{}/{}", device(&scope.device), kind(&scope.kind), scope.epoch.0)
}

fn device(device: &DeviceId) -> String {
    match device.id_type() {
        DeviceIdType::Opaque => plain(device.octets()),
        DeviceIdType::Duid => format!("duid:{}", hex(device.octets())),
        DeviceIdType::Uuid => format!("uuid:{}", hex(device.octets())),
    }
}

fn kind(kind: &ScopeKind) -> String {
    match kind {
        ScopeKind::Address(address) => format!("address:{address}"),
        ScopeKind::Group(group) => format!("group:{}", plain(group.octets())),
        ScopeKind::Device => "device".to_owned(),
    }
}

/// Text where it is some and can't be taken for anything else.
fn plain(octets: &[u8]) -> String {
    match core::str::from_utf8(octets) {
        Ok(text)
            if text.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'/' | b':' | b',' | b'"')) =>
        {
            text.to_owned()
        }
        _ => format!("hex:{}", hex(octets)),
    }
}

fn read_plain(text: &str) -> Option<Vec<u8>> {
    text.strip_prefix("hex:").map_or_else(|| Some(text.as_bytes().to_vec()), octets)
}

pub(super) fn read_scope(text: &str) -> Option<Scope> {
    let mut parts = text.split('/');
    let (device, kind, epoch) = (parts.next()?, parts.next()?, parts.next()?);
    let device = match device.split_once(':') {
        Some(("duid", id)) => DeviceId::new(DeviceIdType::Duid, &octets(id)?),
        Some(("uuid", id)) => DeviceId::new(DeviceIdType::Uuid, &octets(id)?),
        _ => DeviceId::new(DeviceIdType::Opaque, &read_plain(device)?),
    };
    let kind = match kind.split_once(':') {
        None if kind == "device" => ScopeKind::Device,
        Some(("address", address)) => ScopeKind::Address(address.parse::<Ipv4Addr>().ok()?),
        Some(("group", group)) => ScopeKind::Group(GroupId::new(&read_plain(group)?)?),
        _ => return None,
    };
    let epoch = Epoch(epoch.parse().ok()?);
    parts.next().is_none().then_some(Scope { device: device?, kind, epoch })
}

/// Whether a part of a scope is that.
pub(super) fn scope_has(scope: &Scope, wanted: &str) -> bool {
    let (device, kind) = (device(&scope.device), kind(&scope.kind));
    let id = kind.split_once(':').map_or("", |(_, id)| id);
    [device.as_str(), kind.as_str(), id].contains(&wanted) || self::scope(scope) == wanted
}

/// Which logins of its device a scope covers, in a word.
pub(super) fn scope_for_people(scope: &Scope) -> String {
    let kind = kind(&scope.kind);
    kind.split_once(':').map_or(kind.clone(), |(_, id)| id.to_owned())
}
