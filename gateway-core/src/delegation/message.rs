//! The messages (RFC 6656 section 4; SN-18), and what is read of them.
//!
//! A requester's answers go to its giaddr, port 67; a renewal has its address as ciaddr and no giaddr (H-SN-19). yiaddr is
//! zero throughout.

use core::net::Ipv4Addr;

use super::Delegation;
use super::command::{Command, Proof};
use super::words::ServerId;
use crate::time::Duration;
use crate::wire::dhcp4::{Builder, Message, REPLY, REQUEST, code, kind};
use crate::wire::subnet_allocation::{
    AllocationBuilder, Block, Information, InformationFlags, ORIGINS, OriginId, Request, askers_value, origins_value,
    read_asker,
};

/// Seconds as on the wire; never all ones, which would mean "for ever".
pub(super) fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX).min(u32::MAX - 1)
}

/// Where an answer to this message goes. A signature does not cover giaddr, which anybody on the way could alter (RFC 3118 section
/// 2); so where the message is proven, what else it says counts more.
pub(super) fn answer_to(message: &Message<'_>, from: Ipv4Addr, proven: bool) -> Ipv4Addr {
    let (giaddr, ciaddr) = (message.giaddr(), message.ciaddr());
    let said = read_asker(message).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let places = if proven { [ciaddr, said, giaddr] } else { [giaddr, ciaddr, Ipv4Addr::UNSPECIFIED] };
    places.into_iter().find(|address| !address.is_unspecified()).unwrap_or(from)
}

/// What a provider answers with.
pub(super) struct Answer<'a> {
    pub(super) kind: u8,
    pub(super) to: Ipv4Addr,
    pub(super) peer: &'a ServerId,
    pub(super) flags: InformationFlags,
    /// For each Subnet-Information its blocks; the flags are those of the last.
    pub(super) blocks: &'a [Vec<Block>],
    /// The lease of all of them; `None` in NAK.
    pub(super) lease: Option<Duration>,
    pub(super) origins: &'a [OriginId],
}

impl Delegation {
    /// SN-19: asks everybody for a subnet. Who lacks it is said, so that the question does not go round (H-SN-7).
    pub(super) fn discover(&self, xid: u32, prefix: u8, askers: &[OriginId]) -> Vec<u8> {
        let request = Request { delegate: self.config.reserve.is_none(), earlier: false, prefix };
        let allocation = AllocationBuilder::new().request(request).finish().unwrap_or_default();
        let builder = self.asking(xid, kind::DISCOVER, askers).option(code::SUBNET_ALLOCATION, &allocation);
        self.wanting(builder).finish()
    }

    /// Asks for what was allocated earlier; `last` is the page before. Both sub-options are in it, because the RFC asks for
    /// the first in one place and leaves it out in another (H-SN-13).
    pub(super) fn discover_earlier(&self, xid: u32, last: Option<&Information>) -> Vec<u8> {
        let request = Request { delegate: true, earlier: true, prefix: 0 };
        let mut allocation = AllocationBuilder::new().request(request);
        if let Some(last) = last {
            allocation = allocation.information(last.flags, &last.blocks);
        }
        let allocation = allocation.finish().unwrap_or_default();
        self.asking(xid, kind::DISCOVER, &[]).option(code::SUBNET_ALLOCATION, &allocation).finish()
    }

    /// SN-30: accepts what `server` offered.
    pub(super) fn accept(&self, xid: u32, server: Ipv4Addr, offered: &[Information]) -> Vec<u8> {
        let allocation = offered
            .iter()
            .fold(AllocationBuilder::new(), |allocation, offer| allocation.information(offer.flags, &offer.blocks));
        let allocation = allocation.finish().unwrap_or_default();
        let builder = self.asking(xid, kind::REQUEST, &[]).address(code::SERVER_ID, server);
        self.wanting(builder.option(code::SUBNET_ALLOCATION, &allocation)).finish()
    }

    /// SN-40: renews subnets.
    pub(super) fn renew(&self, xid: u32, blocks: &[Block]) -> Vec<u8> {
        let builder = self.of_ours(xid, kind::REQUEST).ciaddr(self.config.address);
        self.wanting(builder.option(code::SUBNET_ALLOCATION, &information(blocks))).finish()
    }

    /// SN-49: gives subnets back.
    pub(super) fn release(&self, xid: u32, server: Ipv4Addr, blocks: &[Block]) -> Vec<u8> {
        let builder = self.of_ours(xid, kind::RELEASE).ciaddr(self.config.address).address(code::SERVER_ID, server);
        builder.option(code::SUBNET_ALLOCATION, &information(blocks)).finish()
    }

    /// SN-50: asks a lessee to renew subnets now.
    pub(super) fn force_renew(&self, xid: u32, blocks: &[Block]) -> Vec<u8> {
        let builder = Builder::new(REPLY).xid(xid).kind(kind::FORCERENEW).address(code::SERVER_ID, self.config.address);
        builder.option(code::SUBNET_ALLOCATION, &information(blocks)).finish()
    }

    /// SN-26, SN-34, SN-43: answers a requester.
    pub(super) fn answer(&mut self, question: &Message<'_>, answer: &Answer<'_>) {
        let last = answer.blocks.len().saturating_sub(1);
        let mut allocation = AllocationBuilder::new();
        for (index, blocks) in answer.blocks.iter().enumerate() {
            let flags = InformationFlags { more: answer.flags.more && index == last, ..answer.flags };
            allocation = allocation.information(flags, blocks);
        }
        if let Some(suggested) = self.config.policy.suggested_lease.filter(|_| answer.lease.is_some()) {
            allocation = allocation.suggested_lease(seconds(suggested));
        }
        let mut builder = Builder::reply(question).kind(answer.kind).address(code::SERVER_ID, self.config.address);
        if let Some(lease) = answer.lease {
            let renew = lease / 1000 * u32::from(self.config.policy.renew_after_permille);
            builder = builder.number(code::LEASE_TIME, seconds(lease)).number(code::T1, seconds(renew));
        }
        builder = builder.option(code::CLIENT_ID, answer.peer.octets()); // RFC 6842
        builder = builder.option(code::SUBNET_ALLOCATION, &allocation.finish().unwrap_or_default());
        if !answer.origins.is_empty() {
            builder = builder.option(ORIGINS, &origins_value(answer.origins));
        }
        let proof = if answer.kind == kind::ACK { Proof::Nonce } else { Proof::None };
        self.send(answer.to, Some(answer.peer.clone()), builder.finish(), proof);
    }

    pub(super) fn send(&mut self, to: Ipv4Addr, peer: Option<ServerId>, message: Vec<u8>, proof: Proof) {
        self.commands.push_back(Command::Send { to, peer, message, proof });
    }

    /// To all whom we ask.
    pub(super) fn send_to_providers(&mut self, message: &[u8]) {
        for to in self.config.providers.clone() {
            self.send(to, None, message.to_vec(), Proof::Welcome);
        }
    }

    /// Where we are is said twice: what is signed says it where no relay agent may alter it.
    fn asking(&self, xid: u32, kind: u8, askers: &[OriginId]) -> Builder {
        let builder = self.of_ours(xid, kind).giaddr(self.config.address);
        builder.option(ORIGINS, &askers_value(askers, self.config.address))
    }

    /// SN-20: says how long a lease we want.
    fn wanting(&self, builder: Builder) -> Builder {
        match self.config.policy.wanted_lease {
            Some(wanted) => builder.number(code::LEASE_TIME, seconds(wanted)),
            None => builder,
        }
    }

    fn of_ours(&self, xid: u32, kind: u8) -> Builder {
        let builder = Builder::new(REQUEST).xid(xid).kind(kind).option(code::CLIENT_ID, self.config.me.octets());
        let builder = match &self.config.class {
            Some(class) => builder.option(code::CLASS_ID, class),
            None => builder,
        };
        match self.config.reserve {
            Some(relay) => builder.address(code::SUBNET_SELECTION, relay), // RFC 3011
            None => builder,
        }
    }
}

/// At most eight blocks, so it fits.
fn information(blocks: &[Block]) -> Vec<u8> {
    let allocation = AllocationBuilder::new().information(InformationFlags::default(), blocks);
    allocation.finish().unwrap_or_default()
}
