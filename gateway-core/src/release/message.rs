//! The messages of the individual way: RELEASE (RFC 2131 4.4.6) and leasequery (RFC 4388).

use super::config::ReleaseConfig;
use super::logins::Individual;
use crate::scope::DeviceId;
use crate::wire::agent::{AgentBuilder, AgentInformation, sub};
use crate::wire::dhcp4::{Builder, Message, REQUEST, code, kind, relay_up};
use crate::wire::leasequery;

/// The RELEASE that the client would have sent through the relay: server identifier, client-id, hardware address,
/// `ciaddr`, `giaddr` and option 82 as at login, and nothing else (never 50, 51, 55 or 57).
///
/// Returned with whether it is ours to sign: an option 82 that an access node inserted is never altered (H-BR-5). The
/// authentication of a login is stale by now, so it is taken out of our own.
pub(super) fn individual(login: &Individual, device: &DeviceId, xid: u32) -> (Vec<u8>, bool) {
    let mut builder = Builder::new(REQUEST)
        .hardware(login.hardware)
        .xid(xid)
        .ciaddr(login.address)
        .giaddr(login.giaddr)
        .kind(kind::RELEASE)
        .address(code::SERVER_ID, login.server_identifier);
    if let Some(client_id) = &login.client_id {
        builder = builder.option(code::CLIENT_ID, client_id);
    }
    let mut ours = false;
    if !login.agent_information.is_empty() {
        let mut value = login.agent_information.to_vec();
        if let Ok(agent) = AgentInformation::parse(&login.agent_information) {
            ours = agent.get(sub::RELAY_ID) == Some(device.octets());
            if ours && agent.get(sub::AUTHENTICATION).is_some() {
                let kept = agent.iter().filter(|(code, _)| *code != sub::AUTHENTICATION);
                let kept = kept.fold(AgentBuilder::new(), |builder, (code, value)| builder.sub(code, value));
                value = kept.finish().unwrap_or(value);
            }
        }
        builder = builder.option(code::AGENT_INFORMATION, &value);
    }
    (builder.padded().finish(), ours)
}

/// The question whether the server still holds the lease. With a key it carries an option 82 to be signed in, because a
/// server may drop whatever a relay sends unauthenticated (RFC 4030 section 5).
pub(super) fn query(login: &Individual, config: &ReleaseConfig, xid: u32) -> Vec<u8> {
    let plain = leasequery::by_address(login.address, login.giaddr, xid);
    let agent = AgentBuilder::new().sub(sub::RELAY_ID, config.device.octets()).finish();
    match (Message::parse(&plain), agent.filter(|_| config.key.is_some())) {
        (Ok(message), Some(agent)) => relay_up(&message, login.giaddr, 0, Some(&agent)),
        _ => plain,
    }
}
