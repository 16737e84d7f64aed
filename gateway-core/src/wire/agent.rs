//! Option 82, the relay agent information (RFC 3046): sub-options in the order in which they stand.

use super::Malformed;
use super::tlv::PlainWalk;

/// Sub-option codes.
pub mod sub {
    #![expect(missing_docs, reason = "the names of the IANA registry")]
    pub const CIRCUIT_ID: u8 = 1;
    pub const REMOTE_ID: u8 = 2;
    pub const LINK_SELECTION: u8 = 5;
    pub const SUBSCRIBER_ID: u8 = 6;
    pub const AUTHENTICATION: u8 = 8;
    pub const VENDOR: u8 = 9;
    pub const RELAY_FLAGS: u8 = 10;
    pub const SERVER_ID_OVERRIDE: u8 = 11;
    pub const RELAY_ID: u8 = 12;
    pub const SOURCE_PORT: u8 = 19;
}

/// The value of an option 82 whose sub-options all lie within it.
#[derive(Clone, Copy, Debug)]
pub struct AgentInformation<'a>(&'a [u8]);

impl<'a> AgentInformation<'a> {
    /// Checks that the sub-options fill the value exactly. There is neither pad nor end inside (RFC 3046 2.0), and
    /// a sub-option may be empty.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let mut walk = PlainWalk::new(value);
        while walk.step()?.is_some() {}
        Ok(Self(value))
    }

    /// The whole value.
    pub fn octets(&self) -> &'a [u8] {
        self.0
    }

    /// Every (code, value) in order, repeats apart.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut walk = PlainWalk::new(self.0);
        core::iter::from_fn(move || walk.step().ok().flatten()).map(|triple| (triple.code, triple.value))
    }

    /// The first sub-option of this code.
    pub fn get(&self, sub: u8) -> Option<&'a [u8]> {
        self.iter().find(|(code, _)| *code == sub).map(|(_, value)| value)
    }
}

/// Builds the value of an option 82.
#[derive(Clone, Debug, Default)]
pub struct AgentBuilder {
    octets: Vec<u8>,
    overlong: bool,
}

impl AgentBuilder {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues a value that exists, for example to add a sub-option to it.
    pub fn from_value(value: &[u8]) -> Self {
        Self { octets: value.to_vec(), overlong: false }
    }

    /// Appends a sub-option.
    pub fn sub(mut self, code: u8, value: &[u8]) -> Self {
        self.push(code, value);
        self
    }

    /// Appends a sub-option.
    pub fn push(&mut self, code: u8, value: &[u8]) {
        match u8::try_from(value.len()) {
            Ok(length) => {
                self.octets.extend_from_slice(&[code, length]);
                self.octets.extend_from_slice(value);
            }
            Err(_) => self.overlong = true,
        }
    }

    /// The value; `None` when it is over 255 octets (H-BR-22).
    pub fn finish(self) -> Option<Vec<u8>> {
        (!self.overlong && self.octets.len() <= 255).then_some(self.octets)
    }
}
