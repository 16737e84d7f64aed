//! The elements in DHCPv6: option 17 (RFC 8415 section 21.17) under our enterprise number, one sub-option for each, with the
//! codes and the values that they have under the same number in option 82.

use super::{BulkRelease, CodePoints, Element, Encoding};
use crate::wire::Malformed;
use crate::wire::agent::{AgentBuilder, AgentInformation};
use crate::wire::dhcp6::{Builder, Options};

/// Where the elements are while they are no longer, or not yet, in an option 82.
fn raw() -> CodePoints {
    CodePoints { encoding: Encoding::RAW, ..CodePoints::default() }
}

impl BulkRelease {
    /// The value of an option 17.
    pub fn encode_option_17(&self, pen: u32) -> Vec<u8> {
        let mut out = Builder::options();
        out.raw(&pen.to_be_bytes());
        for (code, value) in self.encode(&raw()) {
            if let Some(element) = Encoding::RAW.element(code) {
                out.option(Encoding::Vsi { pen }.code(element).into(), &value);
            }
        }
        out.finish().unwrap_or_default() // no element is as long as a length field can tell
    }

    /// Reads the value of an option 17. `Ok(None)` when it is another enterprise's, or carries no element; an element of the
    /// wrong form is an error, because a release that is half understood must not be carried out.
    pub fn decode_option_17(value: &[u8], pen: u32) -> Result<Option<Self>, Malformed> {
        let Some((number, options)) = value.split_first_chunk() else { return Ok(None) };
        if u32::from_be_bytes(*number) != pen {
            return Ok(None);
        }
        let wrong = Malformed::Value(Encoding::RAW.code(Element::Capability));
        let options = Options::parse_at(options, 0).map_err(|_| wrong)?;
        let mut elements = AgentBuilder::new();
        for option in options.iter() {
            let element = u8::try_from(option.code).ok().and_then(|code| Encoding::Vsi { pen }.element(code));
            if let Some(element) = element {
                elements = elements.sub(Encoding::RAW.code(element), option.value);
            }
        }
        let elements = elements.finish().ok_or(wrong)?;
        Self::decode(&AgentInformation::parse(&elements)?, &raw())
    }
}
