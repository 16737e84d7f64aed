//! A RELEASE-REQUEST-REPLY from scratch.

use super::{Part, ReleaseRequest, ReleaseTypes};
use crate::wire::dhcp6::{Builder, Duid, code, status};

/// A status to tell, and its reason for people. Of the text the first 255 octets are told, less when room is scarce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict<'a> {
    /// Status code.
    pub code: u16,
    /// Why.
    pub text: &'a str,
}

impl<'a> Verdict<'a> {
    /// Released.
    pub const SUCCESS: Verdict<'static> = Verdict { code: status::SUCCESS, text: "" };

    /// A status without a text.
    pub fn new(code: u16) -> Self {
        Self { code, text: "" }
    }

    fn failed(&self) -> bool {
        self.code != status::SUCCESS
    }
}

/// What became of one client of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientAnswer<'a> {
    /// As the request has it.
    pub client_id: Duid<'a>,
    /// Of the client as a whole. When that is a failure, `parts` are not told.
    pub whole: Verdict<'a>,
    /// Of each of its IAs and bare leases that the request lists, those released included.
    pub parts: Vec<(Part, Verdict<'a>)>,
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReleaseAnswer<'a> {
    types: ReleaseTypes,
    xid: u32,
    server_id: Duid<'a>,
    interface_id: Option<&'a [u8]>,
    /// In the order of the request.
    pub clients: Vec<ClientAnswer<'a>>,
}

impl<'a> ReleaseAnswer<'a> {
    /// To a request; transaction id, server-id and interface-id are the request's.
    pub fn to(request: &ReleaseRequest<'a>, types: ReleaseTypes) -> Self {
        let (xid, server_id, interface_id) = (request.xid, request.server_id, request.interface_id);
        Self { types, xid, server_id, interface_id, clients: Vec::new() }
    }

    /// The reply that nothing was done, and why: NotConfigured (RR-46), NotAllowed (RR-47).
    pub fn refuse(&self, why: Verdict<'_>) -> Vec<u8> {
        self.head(why, Detail::Text).finish().unwrap_or_default() // nothing in it can be too long
    }

    /// The reply with at most `budget` octets: Success, and the clients that something failed for.
    ///
    /// What is too long loses its texts first, then tells one status per client: NoBinding where nothing worse happened, the
    /// common status, or UnspecFail. What is too long even so is UnspecFail as a whole, which keeps the relay from
    /// taking silence for success, and lists clients in the order of the request as far as they fit (H-RR-11).
    pub fn encode(&self, budget: usize) -> Vec<u8> {
        let success = Verdict::new(status::SUCCESS);
        for detail in [Detail::Text, Detail::Parts, Detail::Clients] {
            let mut out = self.head(success, detail);
            for client in self.clients.iter().filter(|client| client.failed()) {
                client.write(&mut out, detail);
            }
            match out.finish() {
                Ok(octets) if octets.len() <= budget => return octets,
                _ => {} // the next says less
            }
        }
        let mut out = self.head(Verdict::new(status::UNSPEC_FAIL), Detail::Clients);
        for client in &self.clients {
            if out.length() + client.least_size() > budget {
                break;
            }
            client.write(&mut out, Detail::Clients);
        }
        out.finish().unwrap_or_default()
    }

    fn head(&self, overall: Verdict<'_>, detail: Detail) -> Builder {
        let mut out = Builder::message(self.types.reply(), self.xid);
        out.duid(code::SERVER_ID, self.server_id);
        detail.status(&mut out, overall);
        if let Some(interface_id) = self.interface_id {
            out.option(code::INTERFACE_ID, interface_id);
        }
        out
    }
}

impl ClientAnswer<'_> {
    fn failed(&self) -> bool {
        self.whole.failed() || self.parts.iter().any(|(_, verdict)| verdict.failed())
    }

    fn write(&self, out: &mut Builder, detail: Detail) {
        out.nest(code::CLIENT_DATA, &[], |out| {
            out.duid(code::CLIENT_ID, self.client_id);
            if self.whole.failed() {
                return detail.status(out, self.whole);
            }
            if detail == Detail::Clients {
                return detail.status(out, Verdict::new(self.common()));
            }
            for (part, verdict) in self.parts.iter().filter(|(_, verdict)| verdict.failed()) {
                match *part {
                    Part::Ia(kind, iaid) => out.ia(kind, iaid, [0, 0], |out| detail.status(out, *verdict)),
                    Part::Bare(binding) => out.lease(binding, [0, 0], |out| detail.status(out, *verdict)),
                };
            }
        });
    }

    /// One status for all parts: the worst that they have in common.
    fn common(&self) -> u16 {
        let codes = || self.parts.iter().map(|(_, verdict)| verdict.code);
        let cleared = |code| matches!(code, status::SUCCESS | status::NO_BINDING);
        match codes().find(|code| !cleared(*code)) {
            None if codes().any(|code| code == status::NO_BINDING) => status::NO_BINDING,
            None => status::SUCCESS,
            Some(first) if codes().all(|code| code == first) => first,
            Some(_) => status::UNSPEC_FAIL,
        }
    }

    /// Octets with a status for the client as a whole.
    fn least_size(&self) -> usize {
        4 + 4 + self.client_id.octets().len() + 6
    }
}

/// How much a reply says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Every part, with texts.
    Text,
    /// Every part.
    Parts,
    /// Every client.
    Clients,
}

impl Detail {
    fn status(self, out: &mut Builder, verdict: Verdict<'_>) {
        let whole = |length: &usize| verdict.text.is_char_boundary(*length);
        let length = if self == Self::Text { verdict.text.len().min(255) } else { 0 };
        let length = (0..=length).rev().find(whole).unwrap_or(0);
        out.status(verdict.code, &verdict.text[..length]);
    }
}
