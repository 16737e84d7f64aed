//! The messages: RELEASE-REQUEST for many clients, RELEASE for one, and the RELAY-FORW around either.

use core::net::Ipv6Addr;

use super::config::{Identity, ReleaseConfig, Wrap};
use super::item::Item;
use crate::wire::dhcp6::release::{Budget, ReleaseClient, ReleaseHead, pack};
use crate::wire::dhcp6::{Builder, OPTION_HEADER, code, kind, relay_forward};

/// The most that the elapsed time of a request says, in hundredths of a second. One more stands for "or longer", of which a
/// server could not tell what is newer.
const ELAPSED_MOST: u16 = u16::MAX - 1;

/// Hundredths of a second.
pub(super) fn hundredths(age: crate::time::Duration) -> u16 {
    u16::try_from(age.as_millis() / 10).unwrap_or(u16::MAX).min(ELAPSED_MOST)
}

/// A RELEASE-REQUEST.
#[derive(Debug)]
pub(super) struct Request {
    /// `None` when no client fits.
    pub(super) message: Option<Vec<u8>>,
    /// How many of the items were looked at; which of them are in it.
    pub(super) packed: Vec<bool>,
}

/// As many of `items` as fit, from the first one on. They have the same server and the same decision.
pub(super) fn request(
    items: &[Item],
    xid: u32,
    elapsed: u16,
    config: &ReleaseConfig,
    identity: &Identity,
) -> Option<Request> {
    let head = ReleaseHead {
        types: identity.types,
        xid,
        server_id: items.first()?.client.server_id.as_duid(),
        relay_id: identity.duid.as_duid(),
        interface_id: None,
        elapsed,
    };
    let clients: Vec<_> = items.iter().map(|item| asked(item, config)).collect();
    let mut rest = clients.iter().cloned().peekable();
    let packed = pack(head, budget(config, identity), &mut rest);
    let looked_at = packed.clients.len() + packed.oversized.len();
    let fits = |client: &ReleaseClient<'_>| !packed.oversized.contains(client);
    Some(Request { message: packed.message, packed: clients[..looked_at].iter().map(fits).collect() })
}

/// One client as a request has it.
pub(super) fn asked<'a>(item: &'a Item, config: &ReleaseConfig) -> ReleaseClient<'a> {
    ReleaseClient { client_id: item.client.client.as_duid(), interface_id: None, ias: item.ias(config) }
}

fn budget(config: &ReleaseConfig, identity: &Identity) -> Budget {
    match config.wrap {
        Wrap::Always => Budget::over_hops(config.hops.max(1), OPTION_HEADER + identity.duid.as_duid().octets().len()),
        Wrap::Never => Budget::over_hops(config.hops.saturating_sub(1), 0),
    }
}

/// The RELEASE that the client would have sent (RFC 8415 section 18.2.7), with all its leases whose IA has a name.
pub(super) fn release(item: &Item, xid: u32, elapsed: u16) -> Vec<u8> {
    let mut out = Builder::message(kind::RELEASE, xid);
    out.duid(code::CLIENT_ID, item.client.client.as_duid());
    out.duid(code::SERVER_ID, item.client.server_id.as_duid());
    out.u16(code::ELAPSED_TIME, elapsed);
    item.listed().iter().filter(|ia| ia.name().is_some()).for_each(|ia| ia.write(&mut out));
    out.finish().unwrap_or_default() // no option here is as long as a length field can tell
}

/// What leaves for the server. A RELEASE is always wrapped: a server takes it from a relay only.
pub(super) fn wrapped(message: &[u8], link: Ipv6Addr, config: &ReleaseConfig, identity: &Identity) -> Vec<u8> {
    if config.wrap == Wrap::Never && message.first() != Some(&kind::RELEASE) {
        return message.to_vec();
    }
    let relay_id = identity.duid.as_duid().octets();
    relay_forward(message, link, link, &[(code::RELAY_ID, relay_id)]).unwrap_or_default()
}
