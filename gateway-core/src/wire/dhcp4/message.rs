//! A received message, read where it lies.

use core::net::Ipv4Addr;
use core::ops::Range;
use std::borrow::Cow;

use super::{BROADCAST, COOKIE, HEADER, REPLY, REQUEST, code, field};
use crate::line::HardwareAddress;
use crate::wire::Malformed;
use crate::wire::tlv::{OptionWalk, array};

/// A DHCPv4 message whose fixed part and option lengths were checked. It borrows the octets and copies nothing.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    octets: &'a [u8],
    /// Offset of the end option; the length of the message when there is none.
    end: usize,
    /// Option 52, 0 to 3.
    overload: u8,
    /// Option 53, when there is exactly one octet of it.
    kind: Option<u8>,
    /// How often option 82 occurs, in all three fields.
    agents: usize,
    /// Where the value of the only option 82 is, when it lies in the options field.
    agent: Option<Range<usize>>,
}

impl<'a> Message<'a> {
    /// Checks the size (240 octets or more), the magic cookie, `op`, `hlen` and that every option lies within its
    /// field; for sname and file only when option 52 says that they carry options. A missing end option is
    /// accepted, and what follows the end option is not looked at.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        if octets.len() < HEADER {
            return Err(Malformed::Short { length: octets.len(), least: HEADER });
        }
        if octets[field::MAGIC..HEADER] != COOKIE {
            return Err(Malformed::Cookie);
        }
        if !matches!(octets[field::OP], REQUEST | REPLY) {
            return Err(Malformed::Op(octets[field::OP]));
        }
        if octets[field::HLEN] > 16 {
            return Err(Malformed::HardwareLength(octets[field::HLEN]));
        }
        let mut message = Self { octets, end: octets.len(), overload: 0, kind: None, agents: 0, agent: None };
        let mut kinds = Kinds::default();
        let mut walk = OptionWalk::new(&octets[HEADER..]);
        while let Some(triple) = walk.step()? {
            match triple.code {
                code::MESSAGE_TYPE => kinds.add(triple.value),
                code::OVERLOAD => message.overload |= triple.value.first().copied().unwrap_or(0) & 3,
                code::AGENT_INFORMATION => {
                    let start = HEADER + triple.at + 2;
                    message.agent = (message.agents == 0).then(|| start..start + triple.value.len());
                    message.agents += 1;
                }
                _ => {}
            }
        }
        message.end = HEADER + walk.position();
        for overloaded in message.overloaded() {
            let mut walk = OptionWalk::new(overloaded);
            while let Some(triple) = walk.step()? {
                match triple.code {
                    code::MESSAGE_TYPE => kinds.add(triple.value),
                    code::AGENT_INFORMATION => {
                        message.agent = None;
                        message.agents += 1;
                    }
                    _ => {}
                }
            }
        }
        message.kind = kinds.only();
        Ok(message)
    }

    /// The whole message, as received.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// 1 from a client, 2 from a server.
    pub fn op(&self) -> u8 {
        self.octets[field::OP]
    }

    /// Hardware type.
    pub fn htype(&self) -> u8 {
        self.octets[field::HTYPE]
    }

    /// Relays passed.
    pub fn hops(&self) -> u8 {
        self.octets[field::HOPS]
    }

    /// Transaction number.
    pub fn xid(&self) -> u32 {
        u32::from_be_bytes(self.fixed(field::XID))
    }

    /// Seconds since the client began.
    pub fn secs(&self) -> u16 {
        u16::from_be_bytes(self.fixed(field::SECS))
    }

    /// The flags field.
    pub fn flags(&self) -> u16 {
        u16::from_be_bytes(self.fixed(field::FLAGS))
    }

    /// Whether the client wants its answer by broadcast.
    pub fn broadcast(&self) -> bool {
        self.flags() & BROADCAST != 0
    }

    /// Address the client has.
    pub fn ciaddr(&self) -> Ipv4Addr {
        self.address(field::CIADDR)
    }

    /// Address the client gets.
    pub fn yiaddr(&self) -> Ipv4Addr {
        self.address(field::YIADDR)
    }

    /// Next server.
    pub fn siaddr(&self) -> Ipv4Addr {
        self.address(field::SIADDR)
    }

    /// Address of the first relay.
    pub fn giaddr(&self) -> Ipv4Addr {
        self.address(field::GIADDR)
    }

    /// `htype`, `hlen` and `chaddr`.
    pub fn hardware(&self) -> HardwareAddress {
        HardwareAddress::new(self.htype(), self.octets[field::HLEN], self.fixed(field::CHADDR))
            .unwrap_or(HardwareAddress::NONE) // parse() refused a longer hlen
    }

    /// Option 53. `None` when it is absent, repeated or not one octet long.
    pub fn kind(&self) -> Option<u8> {
        self.kind
    }

    /// An option's value: repeated codes concatenated in the order options, file, sname (RFC 3396 section 5).
    pub fn option(&self, code: u8) -> Option<Cow<'a, [u8]>> {
        let overloaded = self.overloaded().map(|field| Options(OptionWalk::new(field)));
        let mut found: Option<Cow<'a, [u8]>> = None;
        for (_, value) in self.options().chain(overloaded.into_iter().flatten()).filter(|(c, _)| *c == code) {
            match &mut found {
                None => found = Some(Cow::Borrowed(value)),
                Some(so_far) => so_far.to_mut().extend_from_slice(value),
            }
        }
        found
    }

    /// An option of exactly four octets, as an address.
    pub fn address_option(&self, code: u8) -> Option<Ipv4Addr> {
        self.u32_option(code).map(Ipv4Addr::from_bits)
    }

    /// An option of exactly four octets, as a number.
    pub fn u32_option(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.option(code)?.as_ref().try_into().ok()?))
    }

    /// The options field as it stands: every (code, value) before the end option, repeats apart.
    pub fn options(&self) -> Options<'a> {
        Options(OptionWalk::new(&self.octets[HEADER..]))
    }

    /// The value of option 82 as it stands. `None` when it is absent, split over several, or hidden in sname or
    /// file, where it must not be (RFC 3046 section 2.1).
    pub fn agent_information(&self) -> Option<&'a [u8]> {
        self.octets.get(self.agent.clone()?)
    }

    /// Where the value that [`Self::agent_information`] returns lies in the message.
    pub fn agent_range(&self) -> Option<Range<usize>> {
        self.agent.clone()
    }

    /// How many options 82 there are, in the options field and in overloaded ones.
    pub fn agent_count(&self) -> usize {
        self.agents
    }

    /// Offset of the end option, or the message's length when it has none.
    pub fn end(&self) -> usize {
        self.end
    }

    /// The fields that option 52 lends to options: file before sname (RFC 2131 section 4.1).
    fn overloaded(&self) -> [&'a [u8]; 2] {
        let file = if self.overload & 1 != 0 { &self.octets[field::FILE..field::MAGIC] } else { &[] };
        let sname = if self.overload & 2 != 0 { &self.octets[field::SNAME..field::FILE] } else { &[] };
        [file, sname]
    }

    fn address(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::from(self.fixed::<4>(at))
    }

    /// `at` is a field of the fixed part, whose presence parse() checked.
    fn fixed<const N: usize>(&self, at: usize) -> [u8; N] {
        array(self.octets, at).unwrap_or([0; N])
    }
}

/// Iterator over (code, value) in place; see [`Message::options`].
#[derive(Clone, Debug)]
pub struct Options<'a>(OptionWalk<'a>);

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.step().ok().flatten().map(|triple| (triple.code, triple.value))
    }
}

/// Option 53 seen so far. A message of two kinds has none: two readers could disagree on which.
#[derive(Default)]
struct Kinds {
    octets: usize,
    kind: u8,
}

impl Kinds {
    fn add(&mut self, value: &[u8]) {
        self.octets += value.len();
        self.kind = value.first().copied().unwrap_or(self.kind);
    }

    fn only(&self) -> Option<u8> {
        (self.octets == 1).then_some(self.kind)
    }
}
