//! RELEASE-REQUESTs of as many clients as fit.

use core::iter::Peekable;
use core::net::Ipv6Addr;

use super::ReleaseTypes;
use crate::wire::dhcp6::{Binding, Builder, Duid, HEADER, IaKind, OPTION_HEADER, Options, Prefix, RELAY_HEADER, code};

/// Octets that a request and the longest reply to it may have (H-RR-10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Of the request.
    pub request: usize,
    /// Of the reply.
    pub reply: usize,
}

impl Budget {
    /// UDP payload that passes every IPv6 link in one piece: 1280 less 40 for IPv6 and 8 for UDP.
    pub const UDP_PAYLOAD: usize = 1232;

    /// What is left of such a payload after as many relay headers, our own included, with option 9 in each, and
    /// `options` octets of other options in all of them.
    pub fn over_hops(hops: usize, options: usize) -> Self {
        let around = hops.saturating_mul(RELAY_HEADER + OPTION_HEADER).saturating_add(options);
        let left = Self::UDP_PAYLOAD.saturating_sub(around);
        Self { request: left, reply: left }
    }
}

/// What is the same for all clients of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleaseHead<'a> {
    /// Message types.
    pub types: ReleaseTypes,
    /// Transaction id, new for each message and the same when it is sent again (RR-21).
    pub xid: u32,
    /// Whose leases they are.
    pub server_id: Duid<'a>,
    /// Who we are.
    pub relay_id: Duid<'a>,
    /// Option 18 within the message. RFC 8415 wants it in relay messages only, so by default there is none (H-RR-3).
    pub interface_id: Option<&'a [u8]>,
    /// Hundredths of a second since the decision; see [`set_elapsed`].
    pub elapsed: u16,
}

/// An IA to release, or a lease without one. There is no IA_TA: none is originated (H-RR-20).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReleaseIa {
    /// IA_NA.
    Addresses {
        /// IAID.
        iaid: u32,
        /// What is released in it.
        addresses: Vec<Ipv6Addr>,
    },
    /// IA_PD.
    Prefixes {
        /// IAID.
        iaid: u32,
        /// What is released in it.
        prefixes: Vec<Prefix>,
    },
    /// One address or prefix, whose IAID nobody has told (H-RR-2).
    Bare(Binding),
}

impl ReleaseIa {
    /// Which of the IAs, and its IAID; `None` when it is none.
    pub fn name(&self) -> Option<(IaKind, u32)> {
        match self {
            Self::Addresses { iaid, .. } => Some((IaKind::Na, *iaid)),
            Self::Prefixes { iaid, .. } => Some((IaKind::Pd, *iaid)),
            Self::Bare(_) => None,
        }
    }

    /// What is released in it.
    pub fn bindings(&self) -> Vec<Binding> {
        match self {
            Self::Addresses { addresses, .. } => addresses.iter().copied().map(Binding::Address).collect(),
            Self::Prefixes { prefixes, .. } => prefixes.iter().copied().map(Binding::Prefix).collect(),
            Self::Bare(binding) => vec![*binding],
        }
    }

    /// Appends it, with lifetimes and times of zero.
    pub fn write(&self, out: &mut Builder) {
        let leases = |out: &mut Builder| {
            for binding in self.bindings() {
                out.lease(binding, [0, 0], |_| {});
            }
        };
        match self.name() {
            Some((kind, iaid)) => {
                out.ia(kind, iaid, [0, 0], leases);
            }
            None => leases(out),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Addresses { addresses, .. } => IA + addresses.len() * ADDRESS,
            Self::Prefixes { prefixes, .. } => IA + prefixes.len() * PREFIX,
            Self::Bare(Binding::Address(_)) => ADDRESS,
            Self::Bare(Binding::Prefix(_)) => PREFIX,
        }
    }

    /// Octets of the longest that a reply says of it.
    fn reply_size(&self) -> usize {
        STATUS + if self.name().is_some() { IA } else { self.size() }
    }
}

/// A client to release.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReleaseClient<'a> {
    /// As the client gave it when it leased (RR-17).
    pub client_id: Duid<'a>,
    /// Written where it differs from the message's (RR-20).
    pub interface_id: Option<&'a [u8]>,
    /// What it loses; none: everything that it has (RR-19).
    pub ias: Vec<ReleaseIa>,
}

/// What became of a client that was to be put in a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Push {
    /// It is in.
    Added,
    /// It belongs in the next message: there is no room for it, or the client is in this one already and the statuses
    /// of both could not be told apart (H-RR-9).
    Full,
    /// No message of this budget can hold it.
    Oversized,
}

/// A RELEASE-REQUEST in the making.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    head: ReleaseHead<'a>,
    budget: Budget,
    out: Builder,
    /// Octets of a request and of a reply without clients.
    empty: [usize; 2],
    /// Octets of the longest reply so far.
    reply: usize,
    clients: Vec<Duid<'a>>,
}

impl<'a> Batch<'a> {
    /// Without clients.
    pub fn new(head: ReleaseHead<'a>, budget: Budget) -> Self {
        let mut out = Builder::message(head.types.request(), head.xid);
        out.duid(code::SERVER_ID, head.server_id).duid(code::RELAY_ID, head.relay_id);
        if let Some(interface_id) = head.interface_id {
            out.option(code::INTERFACE_ID, interface_id);
        }
        out.u16(code::ELAPSED_TIME, head.elapsed);
        let interface_id = head.interface_id.map_or(0, |id| OPTION_HEADER + id.len());
        let reply = HEADER + OPTION_HEADER + head.server_id.octets().len() + STATUS + interface_id;
        let empty = [out.length(), reply];
        // no option can be longer than its length field tells when the whole is not
        let limit = usize::from(u16::MAX);
        let budget = Budget { request: budget.request.min(limit), reply: budget.reply.min(limit) };
        Self { head, budget, out, empty, reply, clients: Vec::new() }
    }

    /// Adds a client when request and reply keep to the budget with it.
    pub fn push(&mut self, client: &ReleaseClient<'a>) -> Push {
        let interface_id = client.interface_id.filter(|id| Some(*id) != self.head.interface_id);
        let name = OPTION_HEADER + OPTION_HEADER + client.client_id.octets().len();
        let request = name
            + interface_id.map_or(0, |id| OPTION_HEADER + id.len())
            + client.ias.iter().map(ReleaseIa::size).sum::<usize>();
        let reply = name + STATUS.max(client.ias.iter().map(ReleaseIa::reply_size).sum());
        let fits =
            |before: [usize; 2]| before[0] + request <= self.budget.request && before[1] + reply <= self.budget.reply;
        if !fits(self.empty) {
            return Push::Oversized;
        }
        if !fits([self.out.length(), self.reply]) || self.clients.contains(&client.client_id) {
            return Push::Full;
        }
        self.out.nest(code::CLIENT_DATA, &[], |out| {
            out.duid(code::CLIENT_ID, client.client_id);
            if let Some(interface_id) = interface_id {
                out.option(code::INTERFACE_ID, interface_id);
            }
            client.ias.iter().for_each(|ia| ia.write(out));
        });
        self.reply += reply;
        self.clients.push(client.client_id);
        Push::Added
    }

    /// The message; `None` without a client (RR-13).
    pub fn finish(mut self) -> Option<Vec<u8>> {
        if self.clients.is_empty() { None } else { self.out.finish().ok() }
    }
}

/// Octets of a status code option without text…
const STATUS: usize = OPTION_HEADER + 2;
/// …of an IA with nothing in it, of an address, and of a prefix.
const IA: usize = OPTION_HEADER + 12;
const ADDRESS: usize = OPTION_HEADER + 24;
const PREFIX: usize = OPTION_HEADER + 25;

/// What [`pack`] made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packed<'a> {
    /// The message; `None` when no client is in it.
    pub message: Option<Vec<u8>>,
    /// The clients in it, in its order.
    pub clients: Vec<ReleaseClient<'a>>,
    /// Clients that no message of this budget can hold. They are to be released another way.
    pub oversized: Vec<ReleaseClient<'a>>,
}

/// Takes as many clients as fit one message. What does not is left in the iterator for the next.
pub fn pack<'a, I>(head: ReleaseHead<'a>, budget: Budget, clients: &mut Peekable<I>) -> Packed<'a>
where
    I: Iterator<Item = ReleaseClient<'a>>,
{
    let mut batch = Batch::new(head, budget);
    let (mut packed, mut oversized) = (Vec::new(), Vec::new());
    while let Some(client) = clients.peek() {
        match batch.push(client) {
            Push::Added => packed.extend(clients.next()),
            Push::Oversized => oversized.extend(clients.next()),
            Push::Full => break,
        }
    }
    Packed { message: batch.finish(), clients: packed, oversized }
}

/// Writes the elapsed time of a request that is sent again, in hundredths of a second; nothing else changes. `false` when
/// there is none in it.
pub fn set_elapsed(message: &mut [u8], hundredths: u16) -> bool {
    let options = message.get(HEADER..).and_then(|options| Options::parse_at(options, HEADER).ok());
    let found = options.and_then(|options| options.find(code::ELAPSED_TIME)).filter(|option| option.value.len() == 2);
    let Some(at) = found.map(|option| option.at + OPTION_HEADER) else { return false };
    message[at..at + 2].copy_from_slice(&hundredths.to_be_bytes());
    true
}
