//! What the value of an option means. Each method reads one that may be there once.

use core::net::Ipv6Addr;

use super::{Duid, Malformed, Opt, Options, Status, code};

impl<'a> Options<'a> {
    /// A DUID: options 1, 2 and 53 (RFC 8415 sections 21.2 and 21.3, RFC 5460 section 5.4.1).
    pub fn duid(&self, code: u16) -> Result<Option<Duid<'a>>, Malformed> {
        self.read(code, |option| Duid::new(option.value).ok_or(option.wrong()))
    }

    /// Option 13. Where it may be and is not, the status is Success (RFC 8415 section 21.13).
    pub fn status(&self) -> Result<Option<Status<'a>>, Malformed> {
        self.read(code::STATUS_CODE, |option| {
            let (status, text) = option.value.split_first_chunk().ok_or(option.wrong())?;
            Ok(Status { code: u16::from_be_bytes(*status), text })
        })
    }

    /// The value as it stands: 11, 18, 38 and everything opaque.
    pub fn value(&self, code: u16) -> Result<Option<&'a [u8]>, Malformed> {
        self.read(code, |option| Ok(option.value))
    }

    /// An octet: 7 and 19.
    pub fn u8(&self, code: u16) -> Result<Option<u8>, Malformed> {
        self.read(code, |option| option.array().map(|[octet]| octet))
    }

    /// A number of two octets: 8 and 135.
    pub fn u16(&self, code: u16) -> Result<Option<u16>, Malformed> {
        self.read(code, |option| option.array().map(u16::from_be_bytes))
    }

    /// A number of four octets: 32, 46, 82 and 83.
    pub fn u32(&self, code: u16) -> Result<Option<u32>, Malformed> {
        self.read(code, |option| option.array().map(u32::from_be_bytes))
    }

    /// An address: 12 and 80.
    pub fn address(&self, code: u16) -> Result<Option<Ipv6Addr>, Malformed> {
        self.read(code, |option| option.array::<16>().map(Ipv6Addr::from))
    }

    /// Whether an option without a value is there: 14 and 20.
    pub fn flag(&self, code: u16) -> Result<bool, Malformed> {
        Ok(self.read(code, |option| option.array::<0>())?.is_some())
    }

    /// Option 6 (RFC 8415 section 21.7).
    pub fn requested(&self) -> Result<Requested<'a>, Malformed> {
        let requested = self.read(code::ORO, |option| match option.value.as_chunks() {
            (codes, []) => Ok(Requested(codes)),
            _ => Err(option.wrong()),
        })?;
        Ok(requested.unwrap_or(Requested(&[])))
    }

    /// Option 37 (RFC 4649 section 3).
    pub fn remote_id(&self) -> Result<Option<RemoteId<'a>>, Malformed> {
        self.read(code::REMOTE_ID, |option| {
            let (enterprise, id) = option.value.split_first_chunk().ok_or(option.wrong())?;
            Ok(RemoteId { enterprise: u32::from_be_bytes(*enterprise), id })
        })
    }

    /// Option 79 (RFC 6939 section 4).
    pub fn client_link_layer(&self) -> Result<Option<ClientLinkLayer<'a>>, Malformed> {
        self.read(code::CLIENT_LINKLAYER_ADDR, |option| {
            let (hardware, address) = option.value.split_first_chunk().ok_or(option.wrong())?;
            Ok(ClientLinkLayer { hardware: u16::from_be_bytes(*hardware), address })
        })
    }

    /// The options within option 66, which a relay offers the server for the client (RFC 6422 section 4).
    pub fn relay_supplied(&self) -> Result<Option<Options<'a>>, Malformed> {
        self.read(code::RSOO, |option| option.container::<0>().map(|(_, options)| options))
    }

    fn read<T>(&self, code: u16, read: impl FnOnce(Opt<'a>) -> Result<T, Malformed>) -> Result<Option<T>, Malformed> {
        self.once(code)?.map(read).transpose()
    }
}

/// The codes that option 6 asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Requested<'a>(&'a [[u8; 2]]);

impl<'a> Requested<'a> {
    /// The codes in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.iter().map(|code| u16::from_be_bytes(*code))
    }

    /// Whether a code is among them.
    pub fn contains(&self, code: u16) -> bool {
        self.0.contains(&code.to_be_bytes())
    }
}

/// Who is on the line, in the words of the enterprise that named it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RemoteId<'a> {
    /// Enterprise number.
    pub enterprise: u32,
    /// Opaque.
    pub id: &'a [u8],
}

impl RemoteId<'_> {
    /// The value of option 37.
    pub fn encode(&self) -> Vec<u8> {
        [&self.enterprise.to_be_bytes()[..], self.id].concat()
    }
}

/// The client's address on the link, as its first relay saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientLinkLayer<'a> {
    /// Hardware type; 1 is Ethernet.
    pub hardware: u16,
    /// The address.
    pub address: &'a [u8],
}

impl ClientLinkLayer<'_> {
    /// The Ethernet address, when it is one.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.address.try_into().ok().filter(|_| self.hardware == super::duid::ETHERNET)
    }

    /// The value of option 79 for an Ethernet address.
    pub fn ethernet(mac: [u8; 6]) -> [u8; 8] {
        let [a, b, c, d, e, f] = mac;
        let [high, low] = super::duid::ETHERNET.to_be_bytes();
        [high, low, a, b, c, d, e, f]
    }
}
