//! Message types.
#![expect(missing_docs, reason = "the names of the IANA registry")]

pub const SOLICIT: u8 = 1;
pub const ADVERTISE: u8 = 2;
pub const REQUEST: u8 = 3;
pub const CONFIRM: u8 = 4;
pub const RENEW: u8 = 5;
pub const REBIND: u8 = 6;
pub const REPLY: u8 = 7;
pub const RELEASE: u8 = 8;
pub const DECLINE: u8 = 9;
pub const RECONFIGURE: u8 = 10;
pub const INFORMATION_REQUEST: u8 = 11;
pub const RELAY_FORW: u8 = 12;
pub const RELAY_REPL: u8 = 13;
pub const LEASEQUERY: u8 = 14;
pub const LEASEQUERY_REPLY: u8 = 15;
pub const LEASEQUERY_DONE: u8 = 16;
pub const LEASEQUERY_DATA: u8 = 17;
pub const RECONFIGURE_REQUEST: u8 = 18;
pub const RECONFIGURE_REPLY: u8 = 19;
pub const DHCPV4_QUERY: u8 = 20;
pub const DHCPV4_RESPONSE: u8 = 21;
/// The last type that the registry had assigned on 2026-05-29 (ADDR-REG-REPLY).
pub const LAST_ASSIGNED: u8 = 37;

/// Whether only servers send it: what must not come in from a subscriber. RELAY-REPL is among them; the answer to a
/// RELEASE-REQUEST, whose type is configured, is not.
pub fn only_from_servers(kind: u8) -> bool {
    matches!(
        kind,
        ADVERTISE
            | REPLY
            | RECONFIGURE
            | RELAY_REPL
            | LEASEQUERY_REPLY
            | LEASEQUERY_DONE
            | LEASEQUERY_DATA
            | RECONFIGURE_REPLY
            | DHCPV4_RESPONSE
    )
}

/// Whether a client sends it, and no server may take it without a Client Identifier (RFC 8415 sections 16.2 to 16.9).
pub fn names_its_client(kind: u8) -> bool {
    matches!(kind, SOLICIT | REQUEST | CONFIRM | RENEW | REBIND | RELEASE | DECLINE)
}

/// Whether it has a relay's header.
pub fn is_relayed(kind: u8) -> bool {
    matches!(kind, RELAY_FORW | RELAY_REPL)
}
