//! What the DHCPv6 server tells its operator.

use core::net::Ipv6Addr;

use gateway_core::scope::{Epoch, Scope};
use gateway_core::wire::dhcp6::DuidBuf;

use crate::event::counters;
use crate::load::Fill;

counters! {
    /// SOLICIT received.
    solicit,
    /// ADVERTISE sent.
    advertise,
    /// REQUEST received.
    request,
    /// CONFIRM received.
    confirm,
    /// RENEW received.
    renew,
    /// REBIND received.
    rebind,
    /// REPLY sent.
    reply,
    /// RELEASE received.
    release,
    /// DECLINE received.
    decline,
    /// INFORMATION-REQUEST received.
    information_request,
    /// LEASEQUERY received.
    leasequery,
    /// RELEASE-REQUEST received.
    release_request,
    /// RELEASE-REQUESTs dropped or refused as a whole, for any reason.
    release_request_refused,
    /// Leases ended by RELEASE-REQUESTs.
    relay_released,
    /// Leases left alone by RELEASE-REQUESTs because they are newer than the relay's decision, or another relay's.
    relay_spared,
    /// What a RELEASE-REQUEST named and nobody has.
    relay_no_binding,
    /// Single logouts received.
    single_logout,
    /// Single logouts refused, for any reason.
    single_logout_refused,
    /// Leases ended by single logouts.
    single_logout_released,
    /// Not a DHCPv6 message, or one whose options lie.
    malformed,
    /// A message that is not a server's business, or without what its type must have.
    unexpected,
    /// A client's message without a relay's header (RFC 8415 sections 16 and 18.4).
    unicast,
    /// No subnet serves the link the message came from.
    no_subnet,
    /// No address or prefix was left for an IA.
    exhausted,
    /// Addresses kept from everybody because their client said that somebody else has them.
    conflict,
    /// Declined addresses that stay in use: the line, or the pool, had declined too much.
    decline_ignored,
    /// For another server.
    other_server,
    /// A RELEASE or DECLINE of a lease that its sender doesn't hold (any more).
    not_held,
}

/// A snapshot.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Status {
    /// Leases in force, addresses and prefixes.
    pub active: u64,
    /// Leases kept in memory, past ones included.
    pub known: u64,
    /// Addresses and prefixes in all pools.
    pub capacity: u128,
    /// Scopes that leases are tagged with, or that were released.
    pub scopes: u64,
    /// Whether the store takes writes. While it does not, the server is silent.
    pub store_ok: bool,
    /// How full its pools are, the first few hundred, in the order of the configuration.
    pub fills: Vec<Fill>,
    /// Counters.
    pub counters: Counters,
}

/// Something an operator wants to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A RELEASE-REQUEST was carried out.
    Released {
        /// Who asked.
        relay: DuidBuf,
        /// Its address.
        peer: Ipv6Addr,
        /// Clients that it named.
        clients: usize,
        /// Leases ended.
        released: u64,
        /// Leases left alone: newer, or another relay's.
        spared: u64,
        /// Named, and nobody's.
        no_binding: u64,
    },
    /// A RELEASE-REQUEST was not carried out.
    ReleaseRefused {
        /// The address it came from.
        peer: Ipv6Addr,
        /// Why.
        reason: Refusal,
    },
    /// A single logout was carried out.
    Reset {
        /// The address it came from.
        peer: Ipv6Addr,
        /// What it named.
        scope: Scope,
        /// Its transaction.
        txid: u64,
        /// Leases ended.
        released: u32,
        /// Leases left alone: of a later epoch, or with a transaction after the decision.
        skipped: u32,
    },
    /// A login carries an epoch that a single logout has ended already.
    StaleEpoch {
        /// Its tag.
        scope: Scope,
        /// The last epoch that was ended.
        ended: Epoch,
    },
    /// A client says that somebody else uses its address: nobody gets it for a while.
    Conflict {
        /// What was declined.
        address: Ipv6Addr,
        /// Its client.
        client: DuidBuf,
    },
    /// Nothing is left for clients of this link.
    Exhausted {
        /// The link-address.
        link: Ipv6Addr,
    },
}

/// Why a RELEASE-REQUEST or a single logout was refused or dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Switched off (RR-46).
    Off,
    /// The sender is no configured relay (RR-47, RR-63).
    Relay,
    /// The headers name a configured relay, but the datagram came from an address that none has (RR-59).
    Source,
    /// It came from a link-local address: a client wrote it (H-RR-8).
    LinkLocal,
    /// The relay-id is not the one registered for the sender (RR-61).
    RelayId,
    /// Not readable, incomplete, or for another server (RR-34 to RR-37).
    Malformed,
    /// A single logout of no scope, of too many, or of another relay's.
    Scope,
    /// Too many single logouts of one relay.
    Rate,
}
