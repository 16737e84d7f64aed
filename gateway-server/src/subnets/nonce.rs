//! Nonces between servers that share no key (RFC 6704), so that a lessee that is asked for an early renewal knows by whom.
//!
//! ```text
//!  lessee                                          provider
//!    DISCOVER, REQUEST: 145 (a nonce is welcome) ──▶   notes it
//!    ◀── ACK: 90 (the nonce), once                     makes it of a secret on disk and of who the lessee is
//!    ◀── FORCERENEW: 90 (HMAC)
//! ```
//! A lessee keeps nonces in memory and says again that one is welcome when it starts, and when a FORCERENEW does not fit. The
//! nonce goes over the wire as it is: it keeps those out who do not see that wire, and nobody else. A shared key does more.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use gateway_core::delegation::ServerId;
use gateway_core::wire::dhcp4::{Message, code};
use gateway_core::wire::forcerenew::{HMAC_MD5, Nonce, placeholder};

use super::guard::RECORD_PREFIX;
use crate::server::Command;

/// Key of the secret's record.
const SECRET: [u8; 2] = [RECORD_PREFIX, b's'];
/// Lessees whose wish is remembered at once: each is forgotten when it is answered.
const WISHES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Nonces {
    secret: Option<[u8; 32]>,
    /// Lessees that would have a nonce.
    wishes: BTreeSet<ServerId>,
    /// Providers that were told that one is welcome.
    asked: BTreeSet<Ipv4Addr>,
    /// What they told, with the counter of the last message that was believed.
    heard: BTreeMap<Ipv4Addr, (Nonce, u64)>,
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

    /// A requester's message: whether a nonce is welcome.
    pub(super) fn note_wish(&mut self, message: &Message<'_>) {
        let wishes = message.option(code::FORCERENEW_NONCE).is_some_and(|algorithms| algorithms.contains(&HMAC_MD5));
        let who = message.option(code::CLIENT_ID).and_then(|id| ServerId::new(&id));
        if let Some(who) = who.filter(|_| wishes && self.wishes.len() < WISHES) {
            self.wishes.insert(who);
        }
    }

    /// Whether a lessee would have a nonce.
    pub(super) fn is_wished(&self, peer: &ServerId) -> bool {
        self.wishes.contains(peer)
    }

    /// To a provider: that a nonce is welcome, unless we have one of it.
    pub(super) fn welcome(&mut self, to: Ipv4Addr, message: &mut Vec<u8>) {
        if !self.heard.contains_key(&to) && append(message, code::FORCERENEW_NONCE, &[HMAC_MD5]) {
            self.asked.insert(to);
        }
    }

    /// To a lessee: the nonce, if it is welcome. Whether it was told.
    pub(super) fn tell(&mut self, to: Ipv4Addr, peer: &ServerId, message: &mut Vec<u8>, replay: u64) -> bool {
        let Some(nonce) = self.of(to, peer) else { return false };
        self.wishes.remove(peer) && append(message, code::AUTHENTICATION, &nonce.told(replay))
    }

    /// Signs a FORCERENEW. Whether it was signed; if the lessee never heard of the nonce it does not heed it.
    pub(super) fn sign(&self, to: Ipv4Addr, peer: &ServerId, message: &mut Vec<u8>, replay: u64) -> bool {
        let Some(nonce) = self.of(to, peer) else { return false };
        let is_there = append(message, code::AUTHENTICATION, &placeholder(replay));
        nonce.sign(message);
        is_there
    }

    /// A provider's ACK: the nonce in it, if we asked for one.
    pub(super) fn hear(&mut self, server: Ipv4Addr, message: &Message<'_>) {
        if let Some(told) = Nonce::read(message)
            && self.asked.remove(&server)
        {
            self.heard.insert(server, told);
        }
    }

    /// Whether a FORCERENEW is from this provider, and new. One that does not fit is forgotten with its nonce: the provider may
    /// have lost its secret.
    pub(super) fn verify(&mut self, server: Ipv4Addr, payload: &[u8]) -> bool {
        let Some((nonce, last)) = self.heard.get_mut(&server) else { return false };
        match nonce.verify(payload) {
            Some(replay) if replay > *last => {
                *last = replay;
                true
            }
            Some(_) => false,
            None => {
                self.heard.remove(&server);
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
    use gateway_core::wire::dhcp4::{Builder, REPLY, REQUEST, kind};

    const LESSEE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
    const PROVIDER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    fn of(kind: u8) -> Vec<u8> {
        Builder::new(if kind == kind::REQUEST { REQUEST } else { REPLY })
            .kind(kind)
            .option(code::CLIENT_ID, b"west")
            .finish()
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
            provider.note_wish(&Message::parse(&request).unwrap());
            let mut ack = of(kind::ACK);
            let told = provider.tell(LESSEE, &west, &mut ack, replay);
            lessee.hear(PROVIDER, &Message::parse(&ack).unwrap());
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
        assert!(exchange(&mut other, &mut lessee, 7), "it asks again");
        assert!(lessee.verify(PROVIDER, &force(&other, 8)));
        assert!(!lessee.verify(PROVIDER, &of(kind::FORCERENEW)), "unsigned");
    }

    /// Nobody tells what was not asked for.
    #[test]
    fn unasked() {
        let west = ServerId::new(b"west").unwrap();
        let (mut provider, mut lessee) = (Nonces::default(), Nonces::default());
        provider.seed([7; 32]);
        let mut ack = of(kind::ACK);
        assert!(!provider.tell(LESSEE, &west, &mut ack, 1));
        provider.wishes.insert(west.clone());
        assert!(provider.tell(LESSEE, &west, &mut ack, 1));
        lessee.hear(PROVIDER, &Message::parse(&ack).unwrap());
        assert!(lessee.heard.is_empty());
        assert!(!Nonces::default().tell(LESSEE, &west, &mut of(kind::ACK), 1), "without a secret");
    }
}
