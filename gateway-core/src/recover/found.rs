//! What a server tells of a lease.

use core::net::Ipv4Addr;

use crate::line::HardwareAddress;
use crate::wire::dhcp6::leasequery::{ClientData, RelayData};
use crate::wire::dhcp6::{Binding, Duid, DuidBuf, IaKind, Lease, Malformed, Prefix};
use crate::wire::leasequery::LeaseAnswer;

/// A lease, or a client's leases, as a server tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A DHCPv4 lease.
    Four(Found4),
    /// What a DHCPv6 client has on a link.
    Six(Found6),
}

/// A DHCPv4 lease in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found4 {
    /// The leased address.
    pub address: Ipv4Addr,
    /// Who has it.
    pub hardware: HardwareAddress,
    /// Option 61 of the lease.
    pub client_id: Option<Vec<u8>>,
    /// Option 82 as the server stored it.
    pub agent_information: Vec<u8>,
    /// Seconds that are left (option 51).
    pub remaining: u32,
    /// Seconds since the client last spoke (option 91).
    pub since: Option<u32>,
    /// Option 54 of the answer.
    pub server_identifier: Option<Ipv4Addr>,
}

impl Found4 {
    /// `None` when it is no lease in force.
    pub(super) fn new(answer: LeaseAnswer, server_identifier: Option<Ipv4Addr>) -> Option<Self> {
        let LeaseAnswer::Active { address, hardware, client_id, remaining, last_transaction, agent_information } =
            answer
        else {
            return None;
        };
        Some(Self {
            address,
            hardware: hardware.trimmed(),
            client_id: client_id.filter(|id| !id.is_empty()),
            agent_information: agent_information.unwrap_or_default(),
            remaining: remaining.filter(|remaining| *remaining > 0)?,
            since: last_transaction,
            server_identifier,
        })
    }
}

/// One lease of a DHCPv6 client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leased {
    /// What is leased; an address has 128 bits.
    pub prefix: Prefix,
    /// In which sort of IA, as far as that is told.
    pub kind: IaKind,
    /// What the client calls that IA; RFC 5007 does not say, but our own server does.
    pub iaid: Option<u32>,
    /// Seconds that are left of the valid lifetime.
    pub valid: u32,
}

/// What a DHCPv6 client has on a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found6 {
    /// Option 1: the client.
    pub client: DuidBuf,
    /// Option 2: the server.
    pub server_id: DuidBuf,
    /// Its leases; those that are over are left out.
    pub leases: Vec<Leased>,
    /// Seconds since the server last spoke with it (option 46).
    pub since: Option<u32>,
    /// The RELAY-FORW that brought its last message, without what the client said; empty when the server does not tell.
    pub path: Vec<u8>,
}

impl Found6 {
    /// `None` when it says nothing of a client.
    pub(super) fn read(data: &ClientData<'_>, server_id: Duid<'_>) -> Result<Option<Self>, Malformed> {
        let Some(client) = data.client_id else { return Ok(None) };
        let ias = data.options.ias()?;
        let leased = |lease: &Lease<'_>| {
            let same = |other: &Lease<'_>| other.binding == lease.binding;
            let ia = ias.iter().find(|ia| ia.leases().any(|other| same(&other)));
            let kind = match lease.binding {
                Binding::Address(_) => IaKind::Na,
                Binding::Prefix(_) => IaKind::Pd,
            };
            Leased {
                prefix: lease.binding.prefix(),
                kind: ia.map_or(kind, |ia| ia.kind),
                iaid: ia.map(|ia| ia.iaid),
                valid: lease.valid,
            }
        };
        let leases: Vec<Leased> = data.leases.iter().filter(|lease| lease.valid > 0).map(leased).collect();
        let path = data.relay.map_or(&[][..], |RelayData { message, .. }| message);
        let (client, server_id) = (client.to_owned(), server_id.to_owned());
        Ok((!leases.is_empty()).then(|| Self { client, server_id, leases, since: data.since, path: path.to_vec() }))
    }
}
