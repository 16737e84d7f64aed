//! A client's or server's message, read where it lies.

use super::{Duid, HEADER, Ia, Malformed, Options, Requested, Status, code, kind};

/// A message whose options' lengths were checked. It borrows the octets and copies nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    octets: &'a [u8],
    options: Options<'a>,
}

impl<'a> Message<'a> {
    /// Checks the size (4 octets or more), that it is no relay message, and that options fill the rest. A type that is not
    /// known is accepted (RFC 8415 section 16: what to do with it is the receiver's business).
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse_at(octets, 0)
    }

    /// The same for a message that begins `base` octets into another.
    pub fn parse_at(octets: &'a [u8], base: usize) -> Result<Self, Malformed> {
        let Some((header, options)) = octets.split_first_chunk::<HEADER>() else {
            return Err(Malformed::Short { length: octets.len(), least: HEADER });
        };
        if kind::is_relayed(header[0]) {
            return Err(Malformed::Kind(header[0]));
        }
        Ok(Self { octets, options: Options::parse_at(options, base + HEADER)? })
    }

    /// The whole message, as received.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Message type.
    pub fn kind(&self) -> u8 {
        self.octets[0]
    }

    /// Transaction id, 24 bits.
    pub fn xid(&self) -> u32 {
        let octets = self.octets;
        u32::from_be_bytes([0, octets[1], octets[2], octets[3]])
    }

    /// Everything behind the header.
    pub fn options(&self) -> Options<'a> {
        self.options
    }

    /// Option 1.
    pub fn client_id(&self) -> Result<Option<Duid<'a>>, Malformed> {
        self.options.duid(code::CLIENT_ID)
    }

    /// Option 2.
    pub fn server_id(&self) -> Result<Option<Duid<'a>>, Malformed> {
        self.options.duid(code::SERVER_ID)
    }

    /// Options 3, 4 and 25 in order; see [`Options::ias`].
    pub fn ias(&self) -> Result<Vec<Ia<'a>>, Malformed> {
        self.options.ias()
    }

    /// Option 13 of the message itself.
    pub fn status(&self) -> Result<Option<Status<'a>>, Malformed> {
        self.options.status()
    }

    /// Whether option 14 is there.
    pub fn rapid_commit(&self) -> Result<bool, Malformed> {
        self.options.flag(code::RAPID_COMMIT)
    }

    /// Option 8, in hundredths of a second since the client began.
    pub fn elapsed(&self) -> Result<Option<u16>, Malformed> {
        self.options.u16(code::ELAPSED_TIME)
    }

    /// Option 6; nothing when it is absent.
    pub fn requested(&self) -> Result<Requested<'a>, Malformed> {
        self.options.requested()
    }

    /// Whether option 20 is there: the client takes a RECONFIGURE.
    pub fn reconfigure_accept(&self) -> Result<bool, Malformed> {
        self.options.flag(code::RECONF_ACCEPT)
    }

    /// Option 19: with which message a client shall answer a RECONFIGURE. [`kind::RENEW`], [`kind::REBIND`] or
    /// [`kind::INFORMATION_REQUEST`] (RFC 8415 section 21.19).
    pub fn reconfigure_message(&self) -> Result<Option<u8>, Malformed> {
        self.options.u8(code::RECONF_MSG)
    }

    /// Option 11, opaque.
    pub fn authentication(&self) -> Result<Option<&'a [u8]>, Malformed> {
        self.options.value(code::AUTH)
    }
}
