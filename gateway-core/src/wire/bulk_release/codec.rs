//! Elements to octets and back.

use core::net::Ipv4Addr;

use super::{BulkRelease, Capability, CodePoints, Element, Encoding, Operation, ScopeResult, Transaction};
use crate::scope::{DeviceId, DeviceIdType, Epoch, GroupId, Scope, ScopeKind};
use crate::wire::Malformed;
use crate::wire::agent::{AgentInformation, sub};
use crate::wire::tlv::{PlainWalk, array};

/// Most octets a scope's value takes: an identity of 64 and a group of 32 octets.
pub const ELEMENT_SCOPE_MAX: usize = 3 + 64 + 4 + 1 + 32;

/// Every element with its value, in order. Unknown ones are skipped, so are other enterprises' data.
pub fn elements<'a>(
    agent: &AgentInformation<'a>,
    points: &CodePoints,
) -> impl Iterator<Item = Result<(Element, &'a [u8]), Malformed>> + use<'a> {
    let encoding = points.encoding;
    let mut outer = agent.iter();
    let mut block = PlainWalk::new(&[]);
    let mut blocks: &'a [u8] = &[];
    core::iter::from_fn(move || {
        loop {
            // inside an enterprise's block
            match block.step() {
                Ok(Some(triple)) => match encoding.element(triple.code) {
                    Some(element) => return Some(Ok((element, triple.value))),
                    None => continue,
                },
                Ok(None) => {}
                Err(error) => {
                    (block, blocks) = (PlainWalk::new(&[]), &[]);
                    return Some(Err(error));
                }
            }
            // the next block of the same sub-option: enterprise number u32, length u8, data (RFC 4243 section 3)
            if !blocks.is_empty() {
                let Some((number, data, rest)) = enterprise(blocks) else {
                    blocks = &[];
                    return Some(Err(Malformed::Value(sub::VENDOR)));
                };
                blocks = rest;
                if matches!(encoding, Encoding::Vsi { pen } if pen == number) {
                    block = PlainWalk::new(data);
                }
                continue;
            }
            let (code, value) = outer.next()?;
            match encoding {
                Encoding::Vsi { .. } if code == sub::VENDOR => blocks = value,
                Encoding::Vsi { .. } => {}
                Encoding::Raw { .. } => {
                    if let Some(element) = encoding.element(code) {
                        return Some(Ok((element, value)));
                    }
                }
            }
        }
    })
}

fn enterprise(blocks: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let number = u32::from_be_bytes(array(blocks, 0)?);
    let length = usize::from(*blocks.get(4)?);
    Some((number, blocks.get(5..5 + length)?, &blocks[5 + length..]))
}

/// Changes the capability where it stands in an option 82 and leaves every other octet alone: what a supporting
/// server does to its echo. `false` when there is no capability of version 1 in it.
pub fn rewrite_capability(agent: &mut [u8], points: &CodePoints, flags: u8, max_scopes: u16) -> bool {
    let base = agent.as_ptr() as usize;
    let Ok(parsed) = AgentInformation::parse(agent) else { return false };
    let found = elements(&parsed, points).map_while(Result::ok).find_map(|(element, value)| {
        (element == Element::Capability && value.len() >= 4 && value[0] == Capability::VERSION)
            .then(|| value.as_ptr() as usize - base)
    });
    let Some(at) = found else { return false };
    agent[at + 1] = flags;
    agent[at + 2..at + 4].copy_from_slice(&max_scopes.to_be_bytes());
    true
}

/// Appends a scope's value to `out`. The relay writes one per message: no allocation.
pub fn scope_value(out: &mut Vec<u8>, device: &DeviceId, kind: &ScopeKind, epoch: Epoch) {
    let number = match kind {
        ScopeKind::Address(_) => 1,
        ScopeKind::Group(_) => 2,
        ScopeKind::Device => 3,
    };
    let id = device.octets();
    out.extend_from_slice(&[number, device.id_type() as u8, id.len() as u8]); // a DeviceId has at most 64 octets
    out.extend_from_slice(id);
    out.extend_from_slice(&epoch.0.to_be_bytes());
    match kind {
        ScopeKind::Address(address) => out.extend_from_slice(&address.octets()),
        ScopeKind::Group(group) => {
            out.push(group.octets().len() as u8); // a GroupId has at most 32 octets
            out.extend_from_slice(group.octets());
        }
        ScopeKind::Device => {}
    }
}

fn scope(value: &[u8]) -> Option<Scope> {
    let [kind, id_type, id_length] = array(value, 0)?;
    let id_type = match id_type {
        1 => DeviceIdType::Opaque,
        2 => DeviceIdType::Duid,
        3 => DeviceIdType::Uuid,
        _ => return None,
    };
    let (id, rest) = value[3..].split_at_checked(usize::from(id_length))?;
    let device = DeviceId::new(id_type, id)?;
    let (epoch, rest) = rest.split_first_chunk::<4>()?;
    let kind = match (kind, rest) {
        (1, rest) => ScopeKind::Address(Ipv4Addr::from(<[u8; 4]>::try_from(rest).ok()?)),
        (2, [length, group @ ..]) if usize::from(*length) == group.len() => ScopeKind::Group(GroupId::new(group)?),
        (3, []) => ScopeKind::Device,
        _ => return None,
    };
    Some(Scope { device, kind, epoch: Epoch(u32::from_be_bytes(*epoch)) })
}

impl Capability {
    /// From an element's value, which a later version may lengthen.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let [version, flags, high, low] = array(value, 0)?;
        Some(Self { version, flags, max_scopes: u16::from_be_bytes([high, low]) })
    }

    /// The element's value.
    pub fn encode(&self) -> [u8; 4] {
        let [high, low] = self.max_scopes.to_be_bytes();
        [self.version, self.flags, high, low]
    }
}

impl Transaction {
    const FINAL: u8 = 0x01;

    fn decode(value: &[u8]) -> Option<Self> {
        let value: &[u8; 14] = value.try_into().ok()?;
        let operation = match value[0] {
            1 => Operation::Release,
            2 => Operation::Result,
            3 => Operation::Probe,
            _ => return None,
        };
        Some(Self {
            operation,
            final_: value[1] & Self::FINAL != 0,
            txid: u64::from_be_bytes(array(value, 2)?),
            count: u32::from_be_bytes(array(value, 10)?),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.operation as u8, if self.final_ { Self::FINAL } else { 0 }];
        out.extend_from_slice(&self.txid.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        out
    }
}

impl ScopeResult {
    fn decode(value: &[u8]) -> Option<Self> {
        let value: &[u8; 18] = value.try_into().ok()?;
        let number = |at| array(value, at).map(u32::from_be_bytes);
        Some(Self {
            index: value[0],
            status: value[1],
            released: number(2)?,
            skipped: number(6)?,
            failed: number(10)?,
            highest_epoch: number(14)?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.index, self.status];
        for number in [self.released, self.skipped, self.failed, self.highest_epoch] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out
    }
}

impl BulkRelease {
    /// Reads the elements of an option 82. `Ok(None)` when it carries none; an element of the wrong form is an
    /// error, because a release that is half understood must not be carried out.
    pub fn decode(agent: &AgentInformation<'_>, points: &CodePoints) -> Result<Option<Self>, Malformed> {
        let mut found = Self::default();
        for element in elements(agent, points) {
            let (element, value) = element?;
            let wrong = Malformed::Value(points.encoding.code(element));
            match element {
                Element::Capability => found.capability = Some(Capability::decode(value).ok_or(wrong)?),
                Element::Transaction => found.transaction = Some(Transaction::decode(value).ok_or(wrong)?),
                Element::Scope => found.scopes.push(scope(value).ok_or(wrong)?),
                Element::Result => found.results.push(ScopeResult::decode(value).ok_or(wrong)?),
                Element::Line => {}
            }
        }
        Ok((found != Self::default()).then_some(found))
    }

    /// The sub-options of option 82 to append, in order. With the vsi encoding it is one sub-option, whose value is
    /// over 255 octets when there are too many scopes; [`super::super::agent::AgentBuilder`] then refuses it and the
    /// release must be split (H-BR-22).
    pub fn encode(&self, points: &CodePoints) -> Vec<(u8, Vec<u8>)> {
        let mut list: Vec<(Element, Vec<u8>)> = Vec::new();
        let scopes = self.scopes.iter().map(|scope| {
            let mut value = Vec::with_capacity(ELEMENT_SCOPE_MAX);
            scope_value(&mut value, &scope.device, &scope.kind, scope.epoch);
            (Element::Scope, value)
        });
        let transaction = self.transaction.map(|transaction| (Element::Transaction, transaction.encode()));
        list.extend(self.capability.map(|capability| (Element::Capability, capability.encode().to_vec())));
        if matches!(self.transaction, Some(Transaction { operation: Operation::Result, .. })) {
            list.extend(transaction);
            list.extend(scopes);
        } else {
            list.extend(scopes);
            list.extend(transaction);
        }
        list.extend(self.results.iter().map(|result| (Element::Result, result.encode())));

        let coded = list.into_iter().map(|(element, value)| (points.encoding.code(element), value));
        match points.encoding {
            Encoding::Raw { .. } => coded.collect(),
            Encoding::Vsi { pen } => {
                let data: Vec<u8> = coded
                    .flat_map(|(code, value)| [vec![code, value.len() as u8], value].concat()) // at most 104 octets
                    .collect();
                if data.is_empty() {
                    return Vec::new();
                }
                let length = u8::try_from(data.len()).unwrap_or(u8::MAX); // refused by AgentBuilder when it saturates
                vec![(sub::VENDOR, [&pen.to_be_bytes()[..], &[length], &data].concat())]
            }
        }
    }
}
