//! One lease, as small as it can be: there may be a million.

use core::net::Ipv4Addr;

use gateway_core::line::HardwareAddress;
use gateway_core::time::Instant;

use super::generation::Tagged;
use super::list::{Linked, Links};
use crate::record::Moment;

/// Who a client is: by option 61 if it sent one, else by hardware address (RFC 2131 section 2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    /// Option 61, 1 to 255 octets.
    pub(crate) id: Option<&'a [u8]>,
    /// chaddr with its type.
    pub(crate) hardware: HardwareAddress,
}

impl Client<'_> {
    /// The octets that tell this client from others, and what kind of octets they are.
    pub(crate) fn key(&self) -> (u8, u8, &[u8]) {
        match self.id {
            Some(id) => (1, 0, id),
            None => (0, self.hardware.htype(), self.hardware.address()),
        }
    }
}

/// What is done with an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Kept for a client for a few seconds. Not on disk.
    Offered,
    /// Leased.
    Active,
    /// Kept from clients for a while.
    Held,
    /// Free, with the memory of its last client.
    Free,
}

/// Why a lease is not in force; the numbers are those of option 156 (RFC 6926).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// Never leased, only offered.
    Available = 1,
    /// Its time ran out.
    Expired = 3,
    /// Released by its client or on its behalf.
    Released = 4,
    /// Declined.
    Abandoned = 5,
    /// Released by a single logout.
    Reset = 6,
}

/// An address with its client. An address once leased keeps its slot for ever; the slot's client changes.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Number of the last transaction; rises over all leases, so that order survives a restart and a clock step.
    pub(crate) sequence: u64,
    /// When that was.
    pub(crate) last: Moment,
    /// End of what [`State`] says; of [`State::Free`] the end of the lease before, if that has expired, else [`Instant::NEVER`] as of
    /// an infinite lease.
    pub(crate) expires: Instant,
    /// Option 61, then option 82, of the last client.
    detail: Box<[u8]>,
    /// The address.
    pub(crate) address: Ipv4Addr,
    /// The relay the last message came through; unspecified when it came directly.
    pub(crate) relay: Ipv4Addr,
    /// Generation it was tagged with.
    pub(super) generation: u32,
    /// Neighbours: in the generation's list or the pool's free list, and in the wheel.
    pub(super) links: [Links; 2],
    /// Hardware address of the last client.
    pub(crate) hardware: HardwareAddress,
    client_len: u8,
    /// What is done with it.
    pub(crate) state: State,
    /// Why it is not in force.
    pub(crate) ended: Ended,
    /// Index of its subnet in the configuration.
    pub(crate) subnet: u16,
}

impl Linked for Lease {
    fn links(&self) -> &[Links; 2] {
        &self.links
    }

    fn links_mut(&mut self) -> &mut [Links; 2] {
        &mut self.links
    }
}

impl Tagged for Lease {
    fn last(&self) -> Moment {
        self.last
    }

    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn enter(&mut self, generation: u32) {
        self.generation = generation;
    }
}

impl Lease {
    /// A free address that nobody ever had.
    pub(crate) fn fresh(address: Ipv4Addr, subnet: u16) -> Self {
        Self {
            sequence: 0,
            last: Moment::default(),
            expires: Instant::NEVER,
            detail: Box::default(),
            address,
            relay: Ipv4Addr::UNSPECIFIED,
            generation: super::list::NONE,
            links: [Links::NONE; 2],
            hardware: HardwareAddress::NONE,
            client_len: 0,
            state: State::Free,
            ended: Ended::Available,
            subnet,
        }
    }

    /// Its last client.
    pub(crate) fn client(&self) -> Client<'_> {
        let id = &self.detail[..usize::from(self.client_len)];
        Client { id: (!id.is_empty()).then_some(id), hardware: self.hardware }
    }

    /// Whether it has had a client at all.
    pub(crate) fn has_client(&self) -> bool {
        self.client_len > 0 || self.hardware.hlen() > 0
    }

    /// The last option 82 its client's messages carried; empty when none.
    pub(crate) fn agent_information(&self) -> &[u8] {
        &self.detail[usize::from(self.client_len)..]
    }

    /// Replaces client and option 82. An identifier over 255 octets never gets here.
    pub(super) fn describe(&mut self, client: Client<'_>, agent_information: &[u8]) {
        let id = client.id.unwrap_or_default();
        self.hardware = client.hardware;
        if id == &self.detail[..usize::from(self.client_len)] && agent_information == self.agent_information() {
            return;
        }
        self.client_len = u8::try_from(id.len()).unwrap_or(u8::MAX);
        self.detail = [&id[..usize::from(self.client_len)], agent_information].concat().into_boxed_slice();
    }
}
