//! What the operator may choose.

use core::net::Ipv6Addr;

use crate::line::FpcId;
use crate::time::Duration;
use crate::wire::dhcp6::DuidBuf;
use crate::wire::dhcp6::release::ReleaseTypes;

/// Why a client is released (RR-1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// An operator said so.
    Admin,
    /// Another client took its place: the same device on the same line under another DUID.
    Replaced,
    /// It appeared on another line.
    Moved,
    /// It does not answer any more.
    Unavailable,
    /// Its line card restarts.
    Restart,
}

impl Cause {
    /// Every cause, in the order of its number in the journal.
    pub const ALL: [Self; 5] = [Self::Admin, Self::Replaced, Self::Moved, Self::Unavailable, Self::Restart];

    /// For the log and the CLI.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Replaced => "replaced",
            Self::Moved => "moved",
            Self::Unavailable => "unavailable",
            Self::Restart => "restart",
        }
    }
}

/// For which causes a release is originated (RR-5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Causes {
    /// An operator's word.
    pub admin: bool,
    /// Another client in its place.
    pub replaced: bool,
    /// On another line.
    pub moved: bool,
    /// Silent. Off: where the loss of a link can't be told from the loss of a client it must be (RR-8).
    pub unavailable: bool,
    /// Restart of its line card.
    pub restart: bool,
}

impl Default for Causes {
    fn default() -> Self {
        Self { admin: true, replaced: true, moved: true, unavailable: false, restart: true }
    }
}

impl Causes {
    /// No releases at all (RR-4).
    pub const NONE: Self = Self { admin: false, replaced: false, moved: false, unavailable: false, restart: false };

    /// Whether this one is among them.
    pub fn allow(&self, cause: Cause) -> bool {
        match cause {
            Cause::Admin => self.admin,
            Cause::Replaced => self.replaced,
            Cause::Moved => self.moved,
            Cause::Unavailable => self.unavailable,
            Cause::Restart => self.restart,
        }
    }
}

/// How a RELEASE-REQUEST travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wrap {
    /// In a RELAY-FORW of our own: the answer comes back as a RELAY-REPL, port 547.
    #[default]
    Always,
    /// As it is. The answer may come to port 546.
    Never,
}

/// What becomes of leases whose server never answered (H-RR-14).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnTimeout {
    /// They stay, marked, until their time is over or a later attempt succeeds.
    #[default]
    Keep,
    /// They end. That is never counted as a success.
    Clear,
}

/// When clients are released one by one, by a RELEASE each, instead of by RELEASE-REQUESTs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fallback {
    /// Never.
    Never,
    /// Where the server has never answered a RELEASE-REQUEST: it does not know the message (RR-45).
    #[default]
    Unanswered,
    /// Where it refuses them all, too. Without this a refusal keeps everything (H-RR-5): a server that doesn't trust this
    /// relay (RR-47, RR-63) is not to lose its leases all the same.
    Refused,
}

/// Settings of all releases.
#[derive(Clone, Debug)]
pub struct ReleaseConfig {
    /// For which causes they are made.
    pub causes: Causes,
    /// What a client that logs in is said to have left behind counts as left only if nothing was heard of it for so long
    /// before. Zero: always, which lets whoever forges a DUID and a MAC log their owner out.
    pub silent_for: Duration,
    /// How a RELEASE-REQUEST travels.
    pub wrap: Wrap,
    /// Whether everything that a client has is released without naming it (RR-19). Off: exactly what is known (H-RR-1).
    pub release_all: bool,
    /// Transmissions in all (RFC 8415: 4, RFC 3315: 5).
    pub transmissions: u8,
    /// What silence does.
    pub on_timeout: OnTimeout,
    /// After a server refused as a whole it is not asked again for this long (H-RR-5).
    pub refusal_hold: Duration,
    /// When clients are released one by one instead.
    pub fallback: Fallback,
    /// RELEASE-REQUESTs that may be unanswered at one server (H-RR-15).
    pub window: usize,
    /// RELEASE-REQUESTs per second and server (H-RR-15).
    pub rate: u32,
    /// RELEASEs of single clients per second and server; a fifth of a second's may leave at once.
    pub individual_rate: u32,
    /// Relays between this one and the server, this one included: their headers have to fit too (H-RR-10).
    pub hops: usize,
    /// A restart may proceed after this, finished or not; the same as for DHCPv4.
    pub restart_hold: Duration,
}

impl Default for ReleaseConfig {
    fn default() -> Self {
        Self {
            causes: Causes::default(),
            silent_for: Duration::from_secs(10),
            wrap: Wrap::Always,
            release_all: false,
            transmissions: 4,
            on_timeout: OnTimeout::Keep,
            refusal_hold: Duration::from_secs(300),
            fallback: Fallback::default(),
            window: 2,
            rate: 20,
            individual_rate: 100,
            hops: 1,
            restart_hold: Duration::from_secs(5),
        }
    }
}

/// Who we are, out of the relay's configuration.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The Relay-Id (RR-22).
    pub duid: DuidBuf,
    /// Message types.
    pub types: ReleaseTypes,
    /// Enterprise number of the single logout, where it is used.
    pub single_logout: Option<u32>,
    /// Link-addresses by [`FpcId`]; one at least.
    pub links: Vec<Ipv6Addr>,
    /// Names by [`FpcId`], those of former cards included: the journal refers to names.
    pub fpcs: Vec<String>,
}

impl Identity {
    /// Where messages about a card's clients come from; the first card's address for one that is no longer there.
    pub(super) fn link(&self, fpc: FpcId) -> Ipv6Addr {
        let link = self.links.get(usize::from(fpc.0)).or(self.links.first());
        link.copied().unwrap_or(Ipv6Addr::UNSPECIFIED)
    }
}
