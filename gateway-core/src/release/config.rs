//! What the operator may choose.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use crate::capability::TRIAL;
use crate::scope::DeviceId;
use crate::time::Duration;
use crate::wire::bulk_release::CodePoints;
use crate::wire::relay_auth::Key;

/// How it is checked that an individual RELEASE, which nothing acknowledges, did its work (H-BR-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verify {
    /// By leasequery when the server turns out to answer it, else not at all.
    #[default]
    Auto,
    /// By leasequery; a login that no answer confirms is orphaned.
    Leasequery,
    /// Not at all: what was sent counts as released, and is reported as unverified.
    Nothing,
}

/// One server's part of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerConfig {
    /// Individual RELEASEs per second at most; 100. The rate falls below it while the server loses some.
    pub rate: u32,
    /// Individual RELEASEs that may leave at once; 20.
    pub burst: u32,
    /// How they are verified.
    pub verify: Verify,
    /// With [`Verify::Auto`]: how long it is tried whether a server of which that is not known answers leasequery; 2.5 s.
    pub trial: Duration,
    /// Whether a lease is released whose client was given another address.
    pub replaced: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { rate: 100, burst: 20, verify: Verify::Auto, trial: TRIAL, replaced: true }
    }
}

/// Settings of all releases.
#[derive(Clone, Debug)]
pub struct ReleaseConfig {
    /// The gateway's identity, in every scope.
    pub device: DeviceId,
    /// Whether the single logout is used at all. Off: everything is released individually.
    pub enabled: bool,
    /// Encoding and numbers.
    pub code_points: CodePoints,
    /// Signs what is sent, and what is received must be signed with it (RFC 4030).
    pub key: Option<Key>,
    /// Without a key: send bulk releases and believe their replies all the same (H-BR-13). Without this and without a
    /// key, everything is released individually.
    pub allow_unauthenticated: bool,
    /// Ask a server of unknown capability with a PROBE before falling back to individual RELEASEs.
    pub probe_unknown: bool,
    /// A restart may proceed after this, finished or not; 5 s.
    pub restart_hold: Duration,
    /// Names of the line cards, by [`crate::line::FpcId`]. The journal refers to names, so that a reordered
    /// configuration still finds its unfinished releases.
    pub fpcs: Vec<String>,
    /// Settings per server; one that is not listed has the defaults.
    pub servers: BTreeMap<Ipv4Addr, ServerConfig>,
}

impl ReleaseConfig {
    /// The defaults, for a device with or without a key.
    pub fn new(device: DeviceId, key: Option<Key>) -> Self {
        Self {
            device,
            enabled: true,
            code_points: CodePoints::default(),
            key,
            allow_unauthenticated: false,
            probe_unknown: false,
            restart_hold: Duration::from_secs(5),
            fpcs: Vec::new(),
            servers: BTreeMap::new(),
        }
    }
}
