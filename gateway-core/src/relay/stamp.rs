//! Our option 82: written into what goes up, recognised in what comes down.
//!
//! It carries all a reply needs, so the relay itself need not remember: { 1 circuit-id, 2 remote-id, \[5 link\],
//! 10 flags, \[11 override\], 12 relay-id, CAP, SCOPE, LINE }, and 8 behind it when it is signed. LINE is ours alone:
//! port, tags and epoch. Servers echo it as they echo the rest.

use core::net::Ipv4Addr;

use gateway_common::vlan::{VlanTag, VlanTags};

use super::config::{ConfigError, FpcConfig, RelayConfig};
use super::template::Subject;
use crate::line::{FpcId, HardwareAddress, Line, PortId};
use crate::scope::{Epoch, ScopeKind};
use crate::wire::agent::{AgentInformation, sub};
use crate::wire::bulk_release::{BulkRelease, Capability, CodePoints, Element, Encoding, elements, scope_value};

/// Octets of LINE with its code and length.
const LINE: usize = 2 + LINE_OCTETS;
/// Octets of a line with its epoch.
pub(crate) const LINE_OCTETS: usize = 10;
/// Sub-option 10, bit 0: the message came by unicast (RFC 5010).
const UNICAST: u8 = 0x80;

/// What the relay knows of an FPC beyond its configuration, with the parts of its option 82 that change with its
/// epoch only.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) giaddr: Ipv4Addr,
    pub(super) scope: ScopeKind,
    pub(super) epoch: Epoch,
    pub(super) frozen: bool,
    /// Sub-option 5, if any.
    before_flags: Vec<u8>,
    /// Everything behind the flags, up to LINE.
    after_flags: Vec<u8>,
    /// The value of SCOPE.
    scope_value: Vec<u8>,
}

impl Card {
    pub(super) fn new(config: &RelayConfig, fpc: &FpcConfig, scope: ScopeKind, epoch: Epoch, frozen: bool) -> Self {
        let mut before_flags = Vec::new();
        if let Some(link) = fpc.link_selection {
            put(&mut before_flags, sub::LINK_SELECTION, &link.octets());
        }
        let mut after_flags = Vec::new();
        if fpc.server_id_override {
            put(&mut after_flags, sub::SERVER_ID_OVERRIDE, &fpc.giaddr.octets());
        }
        put(&mut after_flags, sub::RELAY_ID, config.device.octets());

        let mut value = Vec::new();
        scope_value(&mut value, &config.device, &scope, epoch);
        let encoding = config.points.encoding;
        let mut listed = Vec::new();
        if config.bulk_release {
            put(&mut listed, encoding.code(Element::Capability), &Capability::RELAY.encode());
            put(&mut listed, encoding.code(Element::Scope), &value);
        }
        if let Encoding::Vsi { pen } = encoding {
            let length = (listed.len() + LINE) as u8; // 6 + 106 + 12 at most
            after_flags.extend_from_slice(&[sub::VENDOR, 5 + length]);
            after_flags.extend_from_slice(&pen.to_be_bytes());
            after_flags.push(length);
        }
        after_flags.extend_from_slice(&listed);
        Self { giaddr: fpc.giaddr, scope, epoch, frozen, before_flags, after_flags, scope_value: value }
    }

    /// Appends the value of option 82 for one client. `config` is the one that [`Self::check`] accepted.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        config: &RelayConfig,
        line: Line,
        hardware: HardwareAddress,
        unicast: bool,
    ) {
        let Some(port) = config.port(line.port) else { return };
        let Some(fpc) = config.fpc(port.fpc) else { return };
        let subject =
            Subject { port: &port.name, fpc: &fpc.name, tags: line.tags, hardware, giaddr: self.giaddr.into() };
        for (code, template) in
            [(sub::CIRCUIT_ID, Some(&config.circuit_id)), (sub::REMOTE_ID, config.remote_id.as_ref())]
        {
            let Some(template) = template else { continue };
            let at = out.len();
            out.extend_from_slice(&[code, 0]);
            template.render(out, &subject);
            // a hardware address over 6 octets can exceed what check() reckoned with
            out[at + 1] = u8::try_from(out.len() - at - 2).unwrap_or(u8::MAX);
            out.truncate(at + 2 + usize::from(out[at + 1]));
        }
        out.extend_from_slice(&self.before_flags);
        put(out, sub::RELAY_FLAGS, &[if unicast { UNICAST } else { 0 }]);
        out.extend_from_slice(&self.after_flags);
        put(out, config.points.encoding.code(Element::Line), &line_octets(line, self.epoch));
    }

    /// Whether the option 82 of every port of this FPC fits, signature included.
    pub(super) fn check(&self, config: &RelayConfig, fpc: FpcId) -> Result<(), ConfigError> {
        let signature = config.authentication.as_ref().map_or(0, |auth| 2 + auth.key.algorithm.value_length());
        let Some(card) = config.fpc(fpc) else { return Ok(()) };
        for port in config.ports.iter().filter(|port| port.fpc == fpc) {
            let longest = |template: &super::Template| 2 + template.longest(&port.name, &card.name);
            let length = longest(&config.circuit_id)
                + config.remote_id.as_ref().map_or(0, longest)
                + self.before_flags.len()
                + 3
                + self.after_flags.len()
                + LINE
                + signature;
            if length > 255 {
                return Err(ConfigError::AgentInformation { port: port.name.clone(), length });
            }
        }
        Ok(())
    }

    /// The scope a server stored, from the SCOPE it sent back; `None` when that is not one of ours.
    pub(super) fn echoed_scope(&self, echo: &Echo<'_>, config: &RelayConfig) -> Option<ScopeKind> {
        if echo.scope? == self.scope_value {
            return Some(self.scope.clone());
        }
        // the FPC's scope changed while the request was on its way: the server stored what was sent (H-BR-11)
        let agent = AgentInformation::parse(echo.value).ok()?;
        let [scope] = BulkRelease::decode(&agent, &config.points).ok()??.scopes.try_into().ok()?;
        (scope.device == config.device && scope.epoch == self.epoch).then_some(scope.kind)
    }
}

/// What is found in an option 82 that came back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Echo<'a> {
    value: &'a [u8],
    /// The relay-id is ours.
    pub(super) ours: bool,
    pub(super) line: Option<(Line, Epoch)>,
    pub(super) capability: Option<Capability>,
    scope: Option<&'a [u8]>,
    /// Sub-option 10 said unicast.
    pub(super) unicast: bool,
}

impl<'a> Echo<'a> {
    /// `None` when the value is not well formed: then nothing in it can be relied on.
    pub(super) fn read(value: &'a [u8], config: &RelayConfig) -> Option<Self> {
        let agent = AgentInformation::parse(value).ok()?;
        let ours = agent.get(sub::RELAY_ID) == Some(config.device.octets());
        let unicast = agent.get(sub::RELAY_FLAGS).is_some_and(|flags| flags.first().is_some_and(|f| f & UNICAST != 0));
        let mut echo = Self { value, ours, line: None, capability: None, scope: None, unicast };
        for (element, value) in elements(&agent, &config.points).map_while(Result::ok) {
            match element {
                Element::Line => echo.line = read_line(value),
                Element::Capability => echo.capability = Capability::decode(value),
                Element::Scope => echo.scope = Some(value),
                Element::Transaction | Element::Result => {}
            }
        }
        Some(echo)
    }
}

/// Whether an option 82 from below carries what only a single logout does.
pub(super) fn has_transaction(agent: &AgentInformation<'_>, points: &CodePoints) -> bool {
    let is_transaction = |(element, _)| matches!(element, Element::Transaction | Element::Result);
    elements(agent, points).map_while(Result::ok).any(is_transaction)
}

/// Port, tags and epoch, which only we read again.
pub(crate) fn line_octets(line: Line, epoch: Epoch) -> [u8; LINE_OCTETS] {
    let [[p, q], [a, b], [c, d]] =
        [line.port.0, packed(line.tags.outer), packed(line.tags.inner)].map(u16::to_be_bytes);
    let [e, f, g, h] = epoch.0.to_be_bytes();
    [p, q, a, b, c, d, e, f, g, h]
}

/// Inverse of [`line_octets`].
pub(crate) fn read_line(value: &[u8]) -> Option<(Line, Epoch)> {
    let value: &[u8; LINE_OCTETS] = value.try_into().ok()?;
    let word = |at: usize| u16::from_be_bytes([value[at], value[at + 1]]);
    let tags = VlanTags { outer: unpacked(word(2))?, inner: unpacked(word(4))? };
    let epoch = Epoch(u32::from_be_bytes([value[6], value[7], value[8], value[9]]));
    Some((Line { port: PortId(word(0)), tags }, epoch))
}

/// A tag in 16 bits: which TPID, and the VLAN number.
fn packed(tag: VlanTag) -> u16 {
    let kind = match tag.tpid {
        0 => 0,
        0x88a8 => 2,
        _ => 1,
    };
    kind << 12 | (tag.vid & 0x0fff)
}

fn unpacked(tag: u16) -> Option<VlanTag> {
    let tpid = match tag >> 12 {
        0 => 0,
        1 => 0x8100,
        2 => 0x88a8,
        _ => return None,
    };
    Some(VlanTag { tpid, vid: tag & 0x0fff })
}

/// `value` is at most 255 octets: an address, a DeviceId, a scope.
fn put(out: &mut Vec<u8>, code: u8, value: &[u8]) {
    out.extend_from_slice(&[code, value.len() as u8]);
    out.extend_from_slice(value);
}
