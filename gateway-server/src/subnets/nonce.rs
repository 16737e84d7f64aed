//! Nonces between servers that share no key (RFC 6704), so that a lessee that is asked for an early renewal knows by whom.
//!
//! ```text
//!  lessee                                          provider
//!    DISCOVER, REQUEST: 145 (a nonce is welcome) ──▶   notes it
//!    ◀── ACK: 90 (the nonce), once                     makes it of a secret on disk and of who the lessee is
//!    ◀── FORCERENEW: 90 (HMAC)
//! ```
//! A lessee keeps nonces in memory and says again that one is welcome when it starts, and when a FORCERENEW does not fit. Only the
//! messages of servers count, as far as the delegation knows them: subscribers may say that nonces are welcome to them, too. The
//! nonce goes over the wire as it is: it keeps those out who do not see that wire, and nobody else. A shared key does more.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gateway_core::delegation::{Proven, ServerId};
use gateway_core::wire::dhcp4::{Message, REPLY, REQUEST, code, kind};
use gateway_core::wire::forcerenew::{HMAC_MD5, Nonce, placeholder};

use super::guard::RECORD_PREFIX;
use crate::server::Command;

/// Key of the secret's record.
const SECRET: [u8; 2] = [RECORD_PREFIX, b's'];
/// Lessees whose wish is remembered at once: each is forgotten when it is answered, or when there are so many newer ones.
const WISHES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Nonces {
    secret: Option<[u8; 32]>,
    /// Lessees that would have a nonce, the newest wish last.
    wishes: VecDeque<ServerId>,
    /// Providers that were told that one is welcome.
    asked: BTreeSet<Ipv4Addr>,
    /// What they told.
    heard: BTreeMap<Ipv4Addr, Heard>,
}

#[derive(Debug)]
struct Heard {
    nonce: Nonce,
    /// The counter of the last message that was believed.
    last: u64,
    /// Something came in the provider's name that does not fit: it may have another nonce by now.
    doubted: bool,
}

impl Nonces {
    pub(super) fn restore<'r>(records: impl Iterator<Item = (&'r [u8], &'r [u8])>) -> Self {
        let secret = records.filter(|(key, _)| *key == SECRET).find_map(|(_, value)| value.try_into().ok());
        Self { secret, ..Self::default() }
    }

    /// Random octets, of which those on disk are kept.
    pub(super) fn seed(&mut self, octets: [u8; 32]) -> Option<Command> {
        if self.secret.is_some() {
            return None;
        }
        self.secret = Some(octets);
        Some(Command::Persist { key: SECRET.to_vec(), value: octets.to_vec() })
    }

    /// Whether a message is from whom it says: a provider that tells us to renew.
    pub(super) fn prove(&mut self, payload: &[u8]) -> Proven {
        let Ok(message) = Message::parse(payload) else { return Proven::No };
        let server = message.address_option(code::SERVER_ID).filter(|_| message.op() == REPLY);
        match (message.kind(), server) {
            (Some(kind::FORCERENEW), Some(server)) if self.verify(server, payload) => Proven::Yes,
            _ => Proven::No,
        }
    }

    /// What a message that was heeded says of nonces.
    pub(super) fn note(&mut self, from: Ipv4Addr, payload: &[u8]) {
        let Ok(message) = Message::parse(payload) else { return };
        match (message.op(), message.kind(), message.address_option(code::SERVER_ID)) {
            (REPLY, Some(kind::ACK), Some(server)) if server == from => self.hear(server, &message),
            (REQUEST, ..) => self.note_wish(&message),
            _ => {}
        }
    }

    /// A requester's message: whether a nonce is welcome.
    fn note_wish(&mut self, message: &Message<'_>) {
        let wishes = message.option(code::FORCERENEW_NONCE).is_some_and(|algorithms| algorithms.contains(&HMAC_MD5));
        let who = message.option(code::CLIENT_ID).and_then(|id| ServerId::new(&id));
        if let Some(who) = who.filter(|_| wishes) {
            self.wishes.retain(|other| *other != who);
            self.wishes.push_back(who);
            if self.wishes.len() > WISHES {
                self.wishes.pop_front();
            }
        }
    }

    /// Whether a lessee would have a nonce.
    pub(super) fn is_wished(&self, peer: &ServerId) -> bool {
        self.wishes.contains(peer)
    }

    /// To a provider: that a nonce is welcome, unless we have one of it that is not doubted.
    pub(super) fn welcome(&mut self, to: Ipv4Addr, message: &mut Vec<u8>) {
        let is_known = self.heard.get(&to).is_some_and(|heard| !heard.doubted);
        if !is_known && append(message, code::FORCERENEW_NONCE, &[HMAC_MD5]) {
            self.asked.insert(to);
        }
    }

    /// To a lessee: the nonce, if it is welcome. Whether it was told.
    pub(super) fn tell(&mut self, to: Ipv4Addr, peer: &ServerId, message: &mut Vec<u8>, replay: u64) -> bool {
        let Some(nonce) = self.of(to, peer) else { return false };
        let before = self.wishes.len();
        self.wishes.retain(|wish| wish != peer);
        self.wishes.len() < before && append(message, code::AUTHENTICATION, &nonce.told(replay))
    }

    /// Signs a FORCERENEW. Whether it was signed; if the lessee never heard of the nonce it does not heed it.
    pub(super) fn sign(&self, to: Ipv4Addr, peer: &ServerId, message: &mut Vec<u8>, replay: u64) -> bool {
        let Some(nonce) = self.of(to, peer) else { return false };
        let is_there = append(message, code::AUTHENTICATION, &placeholder(replay));
        nonce.sign(message);
        is_there
    }

    /// A provider's ACK: the nonce in it, if we asked for one.
    fn hear(&mut self, server: Ipv4Addr, message: &Message<'_>) {
        if let Some((nonce, last)) = Nonce::read(message)
            && self.asked.remove(&server)
        {
            self.heard.insert(server, Heard { nonce, last, doubted: false });
        }
    }

    /// Whether a FORCERENEW is from this provider, and new. When one does not fit, another nonce is welcome, since the provider may
    /// have lost its secret; anybody may have sent it, so the one that we have stays until then.
    fn verify(&mut self, server: Ipv4Addr, payload: &[u8]) -> bool {
        let Some(heard) = self.heard.get_mut(&server) else { return false };
        match heard.nonce.verify(payload) {
            Some(replay) if replay > heard.last => {
                heard.last = replay;
                true
            }
            Some(_) => false,
            None => {
                heard.doubted = true;
                false
            }
        }
    }

    fn of(&self, to: Ipv4Addr, peer: &ServerId) -> Option<Nonce> {
        Some(Nonce::derive(self.secret.as_ref()?, to, u64::from_be_bytes(peer.origin().octets())))
    }
}

/// Adds an option of at most 255 octets at the end; `false`: it is no message.
fn append(message: &mut Vec<u8>, code: u8, value: &[u8]) -> bool {
    let Some(at) = Message::parse(message).ok().map(|message| message.end()) else { return false };
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    message.splice(at..at, [&[code, length][..], &value[..usize::from(length)]].concat());
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::wire::dhcp4::Builder;

    const LESSEE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
    const PROVIDER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    fn of(kind: u8) -> Vec<u8> {
        let builder = Builder::new(if kind == kind::REQUEST { REQUEST } else { REPLY }).kind(kind);
        let builder = if kind == kind::REQUEST { builder } else { builder.address(code::SERVER_ID, PROVIDER) };
        builder.option(code::CLIENT_ID, b"west").finish()
    }

    /// SN-50, H-SN-20: a lessee that was told a nonce knows whose FORCERENEW it is, each once; it is told only when it asked, and
    /// whoever does not know the nonce is not heeded. A provider that lost its secret tells another one.
    #[test]
    fn a_nonce_is_told_and_used() {
        let west = ServerId::new(b"west").unwrap();
        let (mut provider, mut lessee) = (Nonces::default(), Nonces::default());
        let Some(Command::Persist { key, value }) = provider.seed([7; 32]) else { panic!("it is on disk") };
        let exchange = |provider: &mut Nonces, lessee: &mut Nonces, replay: u64| {
            let mut request = of(kind::REQUEST);
            lessee.welcome(PROVIDER, &mut request);
            provider.note(LESSEE, &request);
            let mut ack = of(kind::ACK);
            let told = provider.tell(LESSEE, &west, &mut ack, replay);
            lessee.note(PROVIDER, &ack);
            told
        };
        assert!(exchange(&mut provider, &mut lessee, 1));
        assert!(!exchange(&mut provider, &mut lessee, 2), "it has one");
        let force = |provider: &Nonces, replay: u64| {
            let mut message = of(kind::FORCERENEW);
            assert!(provider.sign(LESSEE, &ServerId::new(b"west").unwrap(), &mut message, replay));
            message
        };
        let first = force(&provider, 3);
        assert!(lessee.verify(PROVIDER, &first));
        assert!(!lessee.verify(PROVIDER, &first), "again");
        assert!(!lessee.verify(LESSEE, &force(&provider, 4)), "another's");
        let again = Nonces::restore([(&key[..], &value[..])].into_iter());
        assert!(lessee.verify(PROVIDER, &force(&again, 5)), "the secret outlives a start");

        let mut other = Nonces::default();
        other.seed([8; 32]);
        assert!(!lessee.verify(PROVIDER, &force(&other, 6)));
        assert!(lessee.verify(PROVIDER, &force(&provider, 6)), "anybody may have sent that");
        assert!(exchange(&mut other, &mut lessee, 7), "it asks again");
        assert!(lessee.verify(PROVIDER, &force(&other, 8)));
        assert!(!lessee.verify(PROVIDER, &force(&provider, 9)));
        assert!(!lessee.verify(PROVIDER, &of(kind::FORCERENEW)), "unsigned");
    }

    /// H-SN-20: a wish is kept until it is answered, or until there are so many newer ones.
    #[test]
    fn many_wishes() {
        let mut provider = Nonces::default();
        provider.seed([7; 32]);
        let id = |number: u16| ServerId::new(&number.to_be_bytes()).unwrap();
        for number in 0..3000_u16 {
            let request = Builder::new(REQUEST).kind(kind::REQUEST).option(code::CLIENT_ID, id(number).octets());
            provider.note(LESSEE, &request.option(code::FORCERENEW_NONCE, &[HMAC_MD5]).finish());
        }
        assert_eq!(provider.wishes.len(), WISHES);
        assert!(provider.tell(LESSEE, &id(2999), &mut of(kind::ACK), 1));
        assert!(!provider.tell(LESSEE, &id(2999), &mut of(kind::ACK), 2));
        assert!(!provider.is_wished(&id(0)));
    }

    /// Nobody tells what was not asked for.
    #[test]
    fn unasked() {
        let west = ServerId::new(b"west").unwrap();
        let (mut provider, mut lessee) = (Nonces::default(), Nonces::default());
        provider.seed([7; 32]);
        let mut ack = of(kind::ACK);
        assert!(!provider.tell(LESSEE, &west, &mut ack, 1));
        provider.wishes.push_back(west.clone());
        assert!(provider.tell(LESSEE, &west, &mut ack, 1));
        lessee.note(PROVIDER, &ack);
        assert!(lessee.heard.is_empty());
        lessee.welcome(PROVIDER, &mut of(kind::REQUEST));
        lessee.note(LESSEE, &ack);
        assert!(lessee.heard.is_empty(), "it comes from another address");
        lessee.note(PROVIDER, &ack);
        assert!(!lessee.heard.is_empty());
        assert!(!Nonces::default().tell(LESSEE, &west, &mut of(kind::ACK), 1), "without a secret");
    }
}
