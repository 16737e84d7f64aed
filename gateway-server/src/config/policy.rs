//! Who may send a single logout, and who may ask what is leased.

use core::net::Ipv4Addr;

use gateway_core::scope::DeviceId;
use gateway_core::time::Duration;
use gateway_core::wire::bulk_release::CodePoints;
use gateway_core::wire::relay_auth::Key;

/// Who may send a single logout, and what follows from it.
#[derive(Clone, Debug)]
pub struct BulkReleasePolicy {
    /// Off: the server says SERVER_REFUSED to relays that are capable.
    pub enabled: bool,
    /// How it is carried.
    pub code_points: CodePoints,
    /// Scopes one message may name; in `raw` encoding it is always one.
    pub max_scopes: u16,
    /// Keys (RFC 4030), each with the devices it may speak for. Without a key a single logout is refused.
    pub keys: Vec<Permitted>,
    /// Accept a single logout without authentication (H-BR-13: only where nobody else can reach the server).
    pub allow_unauthenticated: bool,
    /// Drop every relayed message that carries no valid authentication (RFC 4030 section 5 asks for this switch).
    pub require_authentication: bool,
    /// Accept counters up to 64 behind the newest, each once (H-BR-16); off: strictly increasing, as RFC 4030 says.
    pub replay_window: bool,
    /// The relays (giaddr) that may send one; empty: any whose giaddr is the datagram's source.
    pub relays: Vec<Ipv4Addr>,
    /// Addresses a device may name in an ADDR scope though they are not the giaddr of its message.
    pub registered: Vec<(DeviceId, Ipv4Addr)>,
    /// How long a released address is kept from other clients than its last one. The default is zero: the gateway
    /// binds every address to MAC, line and port, so a client that still believes in its lease can't disturb the
    /// next one (H-BR-24); and fresh addresses are given out before used ones anyway.
    pub quarantine: Duration,
    /// Single logouts a device may send per second, sustained; 0 is no limit.
    pub rate: u32,
    /// Single logouts a device may send at once.
    pub burst: u32,
}

impl Default for BulkReleasePolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            code_points: CodePoints::default(),
            max_scopes: 8,
            keys: Vec::new(),
            allow_unauthenticated: false,
            require_authentication: false,
            replay_window: false,
            relays: Vec::new(),
            registered: Vec::new(),
            quarantine: Duration::ZERO,
            rate: 10,
            burst: 50,
        }
    }
}

/// A key and whom it speaks for.
#[derive(Clone, Debug)]
pub struct Permitted {
    /// The key.
    pub key: Key,
    /// The devices that may use it; empty: any.
    pub devices: Vec<DeviceId>,
}

/// Who may ask what is leased.
#[derive(Clone, Debug)]
pub struct LeasequeryPolicy<A> {
    /// Off: NotAllowed.
    pub enabled: bool,
    /// Addresses that may ask, by TCP or in a datagram of their own. Nobody else may: the answers tell who everybody
    /// is, and where.
    pub requestors: Vec<A>,
    /// TCP connections at once (RFC 5460 section 6.4: BULK_LQ_MAX_CONNS).
    pub max_connections: usize,
    /// TCP connections at once from one address, so that none keeps the others out.
    pub max_connections_per_peer: usize,
    /// How long a connection may be without a message or a reader (RFC 5460 section 6.4: BULK_LQ_DATA_TIMEOUT).
    pub idle: Duration,
}

impl<A> Default for LeasequeryPolicy<A> {
    fn default() -> Self {
        Self {
            enabled: true,
            requestors: Vec::new(),
            max_connections: 10,
            max_connections_per_peer: 4,
            idle: Duration::from_secs(300),
        }
    }
}

impl<A: Copy + PartialEq> LeasequeryPolicy<A> {
    /// Whether this address may ask.
    pub(crate) fn permits(&self, requestor: A) -> bool {
        self.enabled && self.requestors.contains(&requestor)
    }
}
