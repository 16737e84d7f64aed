//! What the server tells its operator: counters, a snapshot, and events worth a line in the log.

use core::net::Ipv4Addr;

use gateway_core::scope::{DeviceId, Epoch, Scope};

use crate::load::{Fill, Latency};
use crate::subnets::Tally;
use crate::v6;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Messages and what became of them, since start.
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub struct Counters { $($(#[$doc])* pub $name: u64),* }

        impl Counters {
            /// Every counter by name, for metrics.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}
pub(crate) use counters;

counters! {
    /// DISCOVER received.
    discover,
    /// OFFER sent.
    offer,
    /// REQUEST received.
    request,
    /// ACK sent, INFORM's included.
    ack,
    /// NAK sent.
    nak,
    /// DECLINE received.
    decline,
    /// RELEASE of one lease received.
    release,
    /// INFORM received.
    inform,
    /// LEASEQUERY received.
    leasequery,
    /// LEASEQUERYs of somebody who may not ask. Not answered.
    leasequery_refused,
    /// Single logouts and probes received.
    bulk_release,
    /// Single logouts refused or dropped, for any reason.
    bulk_release_refused,
    /// Leases ended by single logouts.
    bulk_released,
    /// Not a DHCP message, or cut.
    malformed,
    /// A message of a kind that is not the server's business.
    unexpected,
    /// BOOTP: a request without a message type. Not answered.
    bootp,
    /// DISCOVER answered with an ACK at once (rapid commit).
    rapid_commit,
    /// Addresses taken out of use because somebody unknown uses them.
    conflict,
    /// DECLINEs of lines that declined too much: the lease ended, the address stays in use.
    decline_ignored,
    /// Addresses asked before they were offered.
    probe,
    /// Addresses offered unasked because too many were being asked.
    probe_skipped,
    /// FORCERENEW sent.
    forcerenew,
    /// A client with a reservation got none, or another address, because somebody else has the reserved one.
    reserved_in_use,
    /// No subnet serves the link the message came from.
    no_subnet,
    /// No address was left.
    exhausted,
    /// Authentication missing where it is required, wrong, or of an unknown key.
    authentication,
    /// Authentic, but seen before.
    replayed,
    /// A REQUEST, RELEASE or DECLINE for another server.
    other_server,
    /// A RELEASE or DECLINE of a lease that its sender doesn't hold (any more).
    not_held,
    /// Clients that went on with a lease that this server had forgotten.
    remembered,
    /// Replies without option 82 because it did not fit.
    option82_too_long,
}

/// A snapshot.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Status {
    /// Leases in force.
    pub active: u64,
    /// Lease records kept in memory, past ones included.
    pub known: u64,
    /// Addresses in all pools.
    pub capacity: u64,
    /// Scopes with at least one login, or with a recorded logout.
    pub scopes: u64,
    /// Whether the store takes writes. While it does not, the server is silent.
    pub store_ok: bool,
    /// Where leases are kept, in words without a password.
    pub store: String,
    /// How full its subnets are, the first few hundred, in the order of the configuration.
    pub fills: Vec<Fill>,
    /// How long its acknowledgements take, of either version.
    pub latency: Latency,
    /// Counters.
    pub counters: Counters,
    /// The half for DHCPv6, where there is one.
    pub six: Option<v6::Status>,
    /// Subnets from and for other servers, where there may be any.
    pub subnets: Option<Tally>,
}

/// Something an operator wants to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A single logout was carried out (the audit trail H-BR-13 asks for).
    BulkReleased {
        /// Relay it came from.
        relay: Ipv4Addr,
        /// Key it was signed with; `None` when unauthenticated ones are allowed.
        key_id: Option<u32>,
        /// What it covered.
        scope: Scope,
        /// Transaction number.
        txid: u64,
        /// Leases ended.
        released: u32,
        /// Leases of the scope that were left alone as newer.
        skipped: u32,
    },
    /// A single logout was not carried out.
    BulkRefused {
        /// Relay it came from.
        relay: Ipv4Addr,
        /// Device it was for, when it said so.
        device: Option<DeviceId>,
        /// Why.
        reason: Refusal,
    },
    /// No address is left for clients of this link.
    Exhausted {
        /// giaddr, or whatever named the link.
        link: Ipv4Addr,
    },
    /// Somebody unknown uses an address, a static one perhaps. It is leased to nobody for a while.
    Conflict {
        /// The address.
        address: Ipv4Addr,
        /// How that is known.
        evidence: Evidence,
        /// MAC of the client that it was for.
        client: Option<[u8; 6]>,
    },
    /// A reserved address can't be given to its client.
    ReservedInUse {
        /// The address.
        address: Ipv4Addr,
        /// MAC of the client that has it; none when somebody unknown was found to use it.
        holder: Option<[u8; 6]>,
    },
    /// A login carries an epoch that a single logout has already ended. The gateway's epoch store may be behind.
    StaleEpoch {
        /// Scope of the login.
        scope: Scope,
        /// Last epoch ended in this scope.
        ended: Epoch,
    },
}

/// How it is known that somebody uses an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// It answered a ping.
    Echo,
    /// The client found out, and declined it.
    Declined,
    /// It is a relay's: its giaddr.
    Relay,
}

/// Why a single logout was refused or dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Switched off.
    Disabled,
    /// No key is configured, and unauthenticated ones are not allowed.
    NoKey,
    /// No authentication, or it is wrong.
    Unauthenticated,
    /// The counter was not new.
    Replayed,
    /// giaddr is not the source of the datagram.
    Source,
    /// The relay is not on the list.
    Relay,
    /// The key may not speak for this device.
    Device,
    /// An address scope that is neither giaddr nor registered for the device.
    Address,
    /// More scopes than allowed, or none.
    Scopes,
    /// Too many in a short time.
    Rate,
    /// Not readable.
    Malformed,
}
