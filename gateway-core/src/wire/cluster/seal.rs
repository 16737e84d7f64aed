//! The authenticator: who said it, and that it is new (H-CL-10).
//!
//! Each member has a key of its own, made at its start and told to the others on their TLS connections. So nobody speaks
//! for another, and what an earlier life of a member said is not taken for this one's.

use core::fmt;

use hashbrown::HashMap;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::fields::Fields;
use super::message::{Body, Header};
use super::refused::{Refused, Unencodable};
use super::{body, header};
use crate::member::{Boot, MemberId, Secret, Term};

/// Octets after the body: key-id, algorithm, MAC.
pub(super) const AUTHENTICATOR: usize = 4 + MAC;
const MAC: usize = 32;
const HMAC_SHA_256: u16 = 1;

/// What a member signs its datagrams with.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Tells the keys of a member's lives apart for a clear reason in the log.
    pub id: u16,
    /// 32 random octets.
    pub secret: [u8; 32],
}

impl Key {
    /// The key of one life of a member: its number is the low half of that life's.
    pub const fn of(boot: Boot, secret: Secret) -> Self {
        Self { id: boot.0 as u16, secret: secret.0 }
    }

    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.secret).expect("HMAC takes keys of any length")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key {{ id: {}, .. }}", self.id) // never the secret
    }
}

/// A datagram, signed.
///
/// # Errors
/// A message that [`Received::verify`] would refuse is none: more entries than fit, or a value out of its range.
pub fn encode(head: &Header, message: &Body, key: &Key) -> Result<Vec<u8>, Unencodable> {
    let kind = body::kind(message);
    let mut octets = Vec::new();
    body::put(message, &mut octets);
    // What the other side would read, since only that counts.
    let length = u16::try_from(octets.len()).map_err(|_| Unencodable(kind))?;
    if body::longest(kind).is_none_or(|longest| octets.len() > longest)
        || body::get(kind, &octets).as_ref() != Ok(message)
    {
        return Err(Unencodable(kind));
    }
    let mut out = Vec::with_capacity(header::LENGTH + octets.len() + AUTHENTICATOR);
    header::put(head, kind, length, &mut out);
    out.extend(octets);
    out.extend(key.id.to_be_bytes());
    out.extend(HMAC_SHA_256.to_be_bytes());
    let mac = key.mac().chain_update(&out).finalize().into_bytes();
    out.extend(mac);
    Ok(out)
}

/// Numbers and signs what this member says.
#[derive(Debug)]
pub struct Sealer {
    cluster: u32,
    sender: MemberId,
    key: Key,
    seq: u64,
}

impl Sealer {
    /// `cluster` is the [`cluster_id`](super::cluster_id) of its name. The key is used by no other sealer, before or after.
    pub fn new(cluster: u32, sender: MemberId, key: Key) -> Self {
        Self { cluster, sender, key, seq: 0 }
    }

    /// The key, to tell it to the others.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The next datagram.
    ///
    /// # Errors
    /// See [`encode`]; no number is used up.
    pub fn seal(&mut self, term: Term, message: &Body) -> Result<Vec<u8>, Unencodable> {
        let seq = self.seq + 1;
        let head = Header { cluster: self.cluster, sender: self.sender, term, seq };
        let octets = encode(&head, message, &self.key)?;
        self.seq = seq;
        Ok(octets)
    }
}

/// What was accepted from one sender under one key: numbers only ever grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ReplayWindow {
    last: Option<u64>,
}

impl ReplayWindow {
    fn check(&self, head: &Header) -> Result<(), Refused> {
        match self.last {
            Some(last) if head.seq <= last => Err(Refused::Replayed { sender: head.sender, seq: head.seq, last }),
            _ => Ok(()),
        }
    }
}

/// A datagram whose form is right and whose origin is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    head: Header,
    kind: u8,
    body: &'a [u8],
    key_id: u16,
    signed: &'a [u8],
    mac: &'a [u8],
}

impl<'a> Received<'a> {
    /// Looks at what costs nothing: is it a control message of this cluster, as long as it says?
    pub fn parse(cluster: u32, octets: &'a [u8]) -> Result<Self, Refused> {
        let mut fields = Fields::new(octets);
        let (head, kind, length) = header::get(cluster, &mut fields)?;
        let longest = body::longest(kind).ok_or(Refused::Type(kind))?;
        if length > longest || fields.left() != length + AUTHENTICATOR {
            return Err(Refused::Length);
        }
        let (body, rest) = fields.rest().split_at(length);
        let (signed, mac) = octets.split_at(octets.len() - MAC);
        let mut fields = Fields::new(rest);
        let (key_id, algorithm) = (fields.u16()?, fields.u16()?);
        if algorithm != HMAC_SHA_256 {
            return Err(Refused::Algorithm(algorithm));
        }
        Ok(Self { head, kind, body, key_id, signed, mac })
    }

    /// Who is said to have sent it.
    pub fn sender(&self) -> MemberId {
        self.head.sender
    }

    /// What it says, if its sender said it and it is new. The number is looked at first, the MAC in constant time, and what
    /// it says only then.
    pub fn verify(&self, key: &Key, window: &mut ReplayWindow) -> Result<(Header, Body), Refused> {
        let sender = self.head.sender;
        window.check(&self.head)?;
        if self.key_id != key.id {
            return Err(Refused::OtherKey { sender, found: self.key_id, wanted: key.id });
        }
        key.mac().chain_update(self.signed).verify_slice(self.mac).map_err(|_| Refused::Forged(sender))?;
        window.last = Some(self.head.seq);
        Ok((self.head, body::get(self.kind, self.body)?))
    }
}

/// The keys that the other members told, and what was accepted under each.
#[derive(Debug)]
pub struct Keyring {
    cluster: u32,
    voices: HashMap<MemberId, Voice>,
}

#[derive(Debug)]
struct Voice {
    key: Key,
    window: ReplayWindow,
    connected: bool,
}

impl Keyring {
    /// Of the cluster with this [`cluster_id`](super::cluster_id).
    pub fn new(cluster: u32) -> Self {
        Self { cluster, voices: HashMap::new() }
    }

    /// A member told its key on its TLS connection. Told the same again, it goes on counting where it was: what was said
    /// before its connection was lost and made again stays said.
    pub fn insert(&mut self, member: MemberId, key: Key) {
        let window = match self.voices.get(&member) {
            Some(known) if known.key == key => known.window,
            _ => ReplayWindow::default(),
        };
        self.voices.insert(member, Voice { key, window, connected: true });
    }

    /// The member's TLS connection is gone: its datagrams are refused until it has one again.
    pub fn remove(&mut self, member: MemberId) {
        if let Some(voice) = self.voices.get_mut(&member) {
            voice.connected = false;
        }
    }

    /// What a datagram says, and who says it under which mastership.
    pub fn open(&mut self, octets: &[u8]) -> Result<(Header, Body), Refused> {
        let received = Received::parse(self.cluster, octets)?;
        let sender = received.sender();
        let voice = self.voices.get_mut(&sender).filter(|voice| voice.connected);
        let Voice { key, window, .. } = voice.ok_or(Refused::UnknownSender(sender))?;
        received.verify(key, window)
    }
}
