//! The 32 octets that every datagram begins with.

use super::fields::Fields;
use super::message::Header;
use super::refused::Refused;
use crate::member::Term;

pub(super) const LENGTH: usize = 32;
const MAGIC: [u8; 4] = *b"GWC1";
const VERSION: u8 = 1;

/// The identity of a cluster in headers: CRC-32C (RFC 3720 appendix B.4) of its name.
pub const fn cluster_id(name: &str) -> u32 {
    let (octets, mut crc, mut at) = (name.as_bytes(), u32::MAX, 0);
    while at < octets.len() {
        crc ^= octets[at] as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        at += 1;
    }
    !crc
}

/// Appends a header.
pub(super) fn put(header: &Header, kind: u8, body_length: u16, out: &mut Vec<u8>) {
    out.extend(MAGIC);
    out.extend([VERSION, kind, 0, 0]);
    out.extend(header.cluster.to_be_bytes());
    out.extend(u32::from(header.sender.get()).to_be_bytes());
    out.extend(header.term.0.to_be_bytes());
    out.extend(header.seq.to_be_bytes());
    out.extend(body_length.to_be_bytes());
    out.extend([0, 0]);
}

/// Reads a header: the message's type and the length of its body too.
pub(super) fn get(cluster: u32, fields: &mut Fields<'_>) -> Result<(Header, u8, usize), Refused> {
    if fields.left() < LENGTH {
        return Err(Refused::Length);
    }
    if fields.u32()?.to_be_bytes() != MAGIC {
        return Err(Refused::Magic);
    }
    let version = fields.u8()?;
    if version != VERSION {
        return Err(Refused::Version(version));
    }
    let (kind, flags, named) = (fields.u8()?, fields.u16()?, fields.u32()?);
    if named != cluster {
        return Err(Refused::OtherCluster(named));
    }
    let sender = fields.long_member()?;
    let header = Header { cluster, sender, term: Term(fields.u32()?), seq: fields.u64()? };
    let (length, reserved) = (fields.u16()?, fields.u16()?);
    if flags != 0 || reserved != 0 {
        return Err(Refused::Reserved);
    }
    Ok((header, kind, usize::from(length)))
}
