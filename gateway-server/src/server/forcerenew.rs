//! FORCERENEW (RFC 3203): telling a client to renew now, with the nonce that it was told (RFC 6704).
//!
//! A nonce is made of a secret on disk, the address and a number. The number is on disk with the lease, so a nonce
//! outlives a restart, and no two clients of an address have the same. With it is the transaction number of the client's last
//! exchange: dhcpcd takes no message with another one, even if it began none.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::HashMap;

use gateway_core::time::{Duration, Instant};
use gateway_core::wire::agent::sub;
use gateway_core::wire::dhcp4::{Builder, REPLY, code, kind};
use gateway_core::wire::forcerenew::{self, HMAC_MD5, Nonce};
use thiserror::Error;

use super::request::{self, Request};
use super::{Command, Server};
use crate::leases::{Slot, State};
use crate::record::{self, Now};

/// Why a client can't be told to renew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RenewError {
    /// Nobody has a lease of the address.
    #[error("{0} is not leased")]
    NoLease(Ipv4Addr),
    /// It did not say that it understands, or has not logged in since the server does.
    #[error("the client of {0} does not take it: it has never asked for a nonce (option 145)")]
    NoNonce(Ipv4Addr),
}

/// Which clients have a nonce.
#[derive(Default, Debug)]
pub(super) struct Nonces {
    secret: Option<[u8; 32]>,
    told: HashMap<Ipv4Addr, Told>,
}

/// What is known of a client's nonce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    /// Number of the nonce.
    pub(crate) number: u64,
    /// The client's last transaction number.
    pub(crate) xid: u32,
}

impl Nonces {
    pub(super) fn restore_secret(&mut self, secret: [u8; 32]) {
        self.secret = Some(secret);
    }

    pub(super) fn restore(&mut self, address: Ipv4Addr, told: Told) {
        self.told.insert(address, told);
    }

    pub(super) fn forget(&mut self, address: Ipv4Addr) {
        self.told.remove(&address);
    }

    fn of(&self, address: Ipv4Addr) -> Option<(Nonce, u32)> {
        let Told { number, xid } = *self.told.get(&address)?;
        Some((Nonce::derive(self.secret.as_ref()?, address, number), xid))
    }
}

/// Whether a client says that it takes a FORCERENEW that is authenticated so.
fn asks(request: &Request<'_>) -> bool {
    request.message.option(code::FORCERENEW_NONCE).is_some_and(|algorithms| algorithms.contains(&HMAC_MD5))
}

impl Server {
    /// Random octets for the nonces of clients, of which those on disk are kept. Without any no client is told a nonce.
    pub fn seed(&mut self, octets: [u8; 32]) {
        if self.nonces.secret.is_none() {
            self.nonces.secret = Some(octets);
            self.commands.push_back(Command::Persist { key: record::SECRET.to_vec(), value: octets.to_vec() });
        }
    }

    /// To an OFFER: that the server would tell a nonce (RFC 6704 section 3.1.1).
    pub(super) fn offer_nonce(&self, request: &Request<'_>, offer: Builder) -> Builder {
        match asks(request) && self.nonces.secret.is_some() {
            true => offer.option(code::FORCERENEW_NONCE, &[HMAC_MD5]),
            false => offer,
        }
    }

    /// Before a lease is granted: the value of option 90 for its ACK, if the client is to be told a nonce. A client that renews
    /// keeps the one that it has, so that it goes over the wire as seldom as can be (RFC 6704 section 3.1.3). One that says the
    /// same again has had no answer, and perhaps that one told it its nonce: it is told so again.
    pub(super) fn renew_nonce(&mut self, slot: Slot, request: &Request<'_>) -> Option<Vec<u8>> {
        let lease = self.leases.get(slot);
        let address = lease.address;
        let xid = request.message.xid();
        let continues =
            lease.state == State::Active && self.is_of(slot, request) && request.message.ciaddr() == address;
        if let Some(told) = self.nonces.told.get(&address).copied().filter(|_| continues) {
            if told.xid == xid && asks(request) {
                return Some(self.nonces.of(address)?.0.told(told.number));
            }
            self.note(address, Told { xid, ..told });
            return None;
        }
        if !asks(request) || self.nonces.secret.is_none() {
            self.forget_nonce(address);
            return None;
        }
        let (number, reserve) = self.counter.next();
        self.commands.extend(reserve);
        self.note(address, Told { number, xid });
        Some(self.nonces.of(address)?.0.told(number))
    }

    fn note(&mut self, address: Ipv4Addr, told: Told) {
        if self.nonces.told.insert(address, told) != Some(told) {
            let (key, value) = (record::nonce_key(address), record::told_value(told));
            self.commands.push_back(Command::Persist { key, value });
        }
    }

    /// Nobody who has this address knows a nonce.
    pub(super) fn forget_nonce(&mut self, address: Ipv4Addr) {
        if self.nonces.told.remove(&address).is_some() {
            self.commands.push_back(Command::Forget { key: record::nonce_key(address) });
        }
    }

    /// An operator wants the client of this address to renew now.
    ///
    /// # Errors
    /// When nobody has the address, or its client has no nonce.
    pub fn force_renew(&mut self, address: Ipv4Addr, now: Instant, unix: Duration) -> Result<(), RenewError> {
        let now = Now { at: now, unix };
        let slot = self.leases.by_address(address, &now);
        let slot = slot.filter(|slot| self.leases.get(*slot).state == State::Active);
        let slot = slot.ok_or(RenewError::NoLease(address))?;
        let (nonce, xid) = self.nonces.of(address).ok_or(RenewError::NoNonce(address))?;
        if self.is_shared {
            self.counter.advance(unix);
        }
        let (number, reserve) = self.counter.next();
        self.commands.extend(reserve);
        let lease = self.leases.get(slot);
        // By the name under which the client knows this server.
        let stored = request::sub_option(lease.agent_information(), sub::SERVER_ID_OVERRIDE);
        let identifier = stored.and_then(request::address).unwrap_or(self.config.listen);
        let message = Builder::new(REPLY)
            .hardware(lease.hardware)
            .xid(xid)
            .kind(kind::FORCERENEW)
            .address(code::SERVER_ID, identifier);
        let message = match lease.client().id {
            Some(id) => message.option(code::CLIENT_ID, id),
            None => message,
        };
        let mut payload = message.option(code::AUTHENTICATION, &forcerenew::placeholder(number)).padded().finish();
        nonce.sign(&mut payload);
        self.counters.forcerenew += 1;
        let to = SocketAddrV4::new(address, self.config.ports.client);
        self.commands.push_back(Command::Send { to, payload, waits: true });
        Ok(())
    }
}
