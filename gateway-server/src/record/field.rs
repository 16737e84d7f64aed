//! The fields of keys and values.

use core::net::Ipv4Addr;

use gateway_core::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};
use gateway_core::wire::bulk_release::scope_value;

/// Reads from the front, never past the end.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn counted(&mut self) -> Option<&'a [u8]> {
        let [length] = self.array()?;
        self.take(usize::from(length))
    }
}

/// A scope, as it is on the wire.
pub(crate) fn encode_scope(scope: &Scope, out: &mut Vec<u8>) {
    scope_value(out, &scope.device, &scope.kind, scope.epoch);
}

pub(crate) fn decode_scope(octets: &[u8]) -> Option<Scope> {
    let mut reader = Reader(octets);
    let [kind, id_type] = reader.array()?;
    let id_type = match id_type {
        1 => DeviceIdType::Opaque,
        2 => DeviceIdType::Duid,
        3 => DeviceIdType::Uuid,
        _ => return None,
    };
    let device = DeviceId::new(id_type, reader.counted()?)?;
    let epoch = Epoch(u32::from_be_bytes(reader.array()?));
    let kind = match kind {
        1 => ScopeKind::Address(Ipv4Addr::from(<[u8; 4]>::try_from(reader.0).ok()?)),
        2 => ScopeKind::Group(GroupId::new(reader.counted().filter(|_| reader.0.is_empty())?)?),
        3 if reader.0.is_empty() => ScopeKind::Device,
        _ => return None,
    };
    Some(Scope { device, kind, epoch })
}
