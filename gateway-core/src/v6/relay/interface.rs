//! Our Interface-Id: written into what goes up, recognised in what comes down.
//!
//! ```text
//! text (the template)   line: port u16, outer tag u16, inner tag u16, epoch u32   mac 6   check 8
//! ```
//!
//! It is the one thing that a server has to send back (RFC 8415 section 21.18), so it carries all a reply needs: where the
//! client is, the MAC its frames come with, and in which epoch of the FPC it asked. The check is an HMAC-SHA-256 over
//! everything before it and our Relay-Id, cut to 64 bits: another gateway's Interface-Id is not ours, and with a secret
//! nobody can send a reply to a line that no request came from.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::RelayConfig;
use crate::line::{HardwareAddress, Line};
use crate::relay::{LINE_OCTETS, Subject, line_octets, read_line};
use crate::scope::Epoch;

const CHECK: usize = 8;
/// Octets behind the text.
const TAIL: usize = LINE_OCTETS + 6 + CHECK;

/// Where a message came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    pub(super) line: Line,
    pub(super) epoch: Epoch,
    pub(super) mac: [u8; 6],
}

/// Makes Interface-Ids and knows them again.
#[derive(Clone)]
pub(super) struct Stamp(Hmac<Sha256>);

impl core::fmt::Debug for Stamp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Stamp(..)") // a key
    }
}

impl Stamp {
    pub(super) fn new(config: &RelayConfig) -> Self {
        let mut mac = Hmac::new_from_slice(&config.secret).unwrap_or_else(|_| unreachable!("a key of any length"));
        mac.update(config.duid.as_duid().octets());
        Self(mac)
    }

    /// Appends the value of option 18.
    pub(super) fn write(&self, out: &mut Vec<u8>, config: &RelayConfig, origin: &Origin) {
        let start = out.len();
        render(out, config, origin, &config.interface_id);
        out.extend(line_octets(origin.line, origin.epoch));
        out.extend(origin.mac);
        let check = self.check(&out[start..]);
        out.extend(check);
    }

    /// Reads the value of option 18; `None` when it is not one of ours.
    pub(super) fn read(&self, value: &[u8]) -> Option<Origin> {
        let (claim, check) = value.split_last_chunk::<CHECK>()?;
        let (line, mac) = claim.get(claim.len().checked_sub(TAIL - CHECK)?..)?.split_at_checked(LINE_OCTETS)?;
        // Whoever measures how long this takes has sent a datagram with a server's address first.
        if self.check(claim) != *check {
            return None;
        }
        let (line, epoch) = read_line(line)?;
        Some(Origin { line, epoch, mac: mac.try_into().ok()? })
    }

    /// The text of an Interface-Id of ours and what it says, without looking at its check.
    pub(super) fn claim(value: &[u8]) -> Option<(&[u8], Origin)> {
        let (text, tail) = value.split_at_checked(value.len().checked_sub(TAIL)?)?;
        let (line, rest) = tail.split_at_checked(LINE_OCTETS)?;
        let (line, epoch) = read_line(line)?;
        Some((text, Origin { line, epoch, mac: *rest.first_chunk()? }))
    }

    fn check(&self, claim: &[u8]) -> [u8; CHECK] {
        let digest = self.0.clone().chain_update(claim).finalize().into_bytes();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// Appends a template's text for where a message came from.
pub(super) fn render(out: &mut Vec<u8>, config: &RelayConfig, origin: &Origin, template: &crate::relay::Template) {
    let Some(port) = config.port(origin.line.port) else { return };
    let Some(fpc) = config.fpc(port.fpc) else { return };
    let hardware = HardwareAddress::ethernet(origin.mac);
    let (tags, giaddr) = (origin.line.tags, fpc.link_address.into());
    template.render(out, &Subject { port: &port.name, fpc: &fpc.name, tags, hardware, giaddr });
}
