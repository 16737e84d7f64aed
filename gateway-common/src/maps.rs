//! Names of the maps and programs, as pinned below the gateway's bpffs directory.

/// Hash: [`crate::Ip4`] → [`crate::route::AccessRoute`]. Capacity from the configuration.
pub const ROUTES: &str = "ROUTES";
/// Memory-mapped array: slot → [`crate::route::Subscriber`]. Same capacity.
pub const SUBSCRIBERS: &str = "SUBSCRIBERS";
/// Hash: [`crate::route6::Route6Key`] → [`crate::route::AccessRoute`]. A capacity of its own.
pub const ROUTES6: &str = "ROUTES6";
/// Memory-mapped array: slot → [`crate::route::Subscriber`], one for each entry of `ROUTES6`. Same capacity as that.
pub const SUBSCRIBERS6: &str = "SUBSCRIBERS6";
/// One-cell array: [`crate::route6::Prefixes`].
pub const PREFIXES: &str = "PREFIXES";
/// Array: cohort → [`crate::fpc::Cohort`].
pub const COHORTS: &str = "COHORTS";
/// Array: unit → [`crate::unit::UnitState`].
pub const UNITS: &str = "UNITS";
/// One-cell array: [`crate::cluster::Role`].
pub const CLUSTER: &str = "CLUSTER";
/// Hash: [`crate::cluster::MemberKey`] → [`crate::cluster::MemberMac`].
pub const MEMBERS: &str = "MEMBERS";
/// Hash: [`crate::cluster::PeerKey`] → u32, the member's number.
pub const PEERS: &str = "PEERS";
/// Array: [`crate::port::Port::place`] → interface index of the access port; 0 while there is none.
pub const PLACES: &str = "PLACES";
/// Hash: interface index → [`crate::port::Port`].
pub const PORTS: &str = "PORTS";
/// Hash: [`crate::Ip4`] of the gateway's own → u32: [`LOCAL_OWN`] or [`LOCAL_SHARED`], perhaps with [`LOCAL_SERVER`].
pub const LOCALS: &str = "LOCALS";
/// Hash: [`crate::Ip6`] of the gateway's own → u32 as in `LOCALS`. The link-local addresses of all ports are among them.
pub const LOCALS6: &str = "LOCALS6";
/// Device map by interface index: where the programs may redirect to.
pub const DEVICES: &str = "DEVICES";
/// One-cell array: [`crate::settings::Settings`].
pub const SETTINGS: &str = "SETTINGS";
/// LRU hash: [`crate::bucket::BucketKey`] → u64, the bucket's theoretical arrival time.
pub const BUCKETS: &str = "BUCKETS";
/// Per-CPU array: [`crate::verdict::Verdict::counter`] → [`crate::verdict::Counter`].
pub const COUNTERS: &str = "COUNTERS";
/// Per-CPU array: [`crate::sctp::Chunk::counter`] → u64, chunks that were counted.
pub const CHUNKS: &str = "CHUNKS";
/// Ring buffer of punt records, see [`crate::punt`].
pub const PUNT: &str = "PUNT";
/// Ring buffer of [`crate::event::Event`].
pub const EVENTS: &str = "EVENTS";
/// Ring buffer of [`crate::event::DropSample`].
pub const DROPS: &str = "DROPS";

/// All maps that are pinned.
pub const ALL: &[&str] = &[
    ROUTES,
    SUBSCRIBERS,
    ROUTES6,
    SUBSCRIBERS6,
    PREFIXES,
    COHORTS,
    UNITS,
    CLUSTER,
    MEMBERS,
    PEERS,
    PLACES,
    PORTS,
    LOCALS,
    LOCALS6,
    DEVICES,
    SETTINGS,
    BUCKETS,
    COUNTERS,
    CHUNKS,
    PUNT,
    EVENTS,
    DROPS,
];

/// Value in `LOCALS` of an address that is this host's alone.
pub const LOCAL_OWN: u32 = 1;
/// Value in `LOCALS` of an address that all members of a cluster have, and for which the master answers.
pub const LOCAL_SHARED: u32 = 2;
/// Bit in `LOCALS` of the address that the DHCP server beside the relay listens at: what servers send there is for it.
pub const LOCAL_SERVER: u32 = 4;

/// Program for ports toward subscribers.
pub const ACCESS: &str = "access";
/// Program for ports toward servers and the internet.
pub const UPSTREAM: &str = "upstream";

/// Subscribers a gateway holds unless configured otherwise.
pub const DEFAULT_CAPACITY: u32 = 1 << 20;
/// Entries of `ROUTES6` and `SUBSCRIBERS6` where IPv6 is not served: a map has one at least.
pub const UNSERVED_CAPACITY: u32 = 1;
/// Entries of `PORTS`, `PLACES` and `DEVICES`.
pub const MAX_PORTS: u32 = 4096;
/// Entries of `MEMBERS` and `PEERS`.
pub const MAX_MEMBERS: u32 = 8192;
/// Entries of `LOCALS`, and of `LOCALS6`.
pub const MAX_LOCALS: u32 = 4096;
/// Entries of `BUCKETS`.
pub const MAX_BUCKETS: u32 = 1 << 17;
/// Octets of the `EVENTS` ring.
pub const EVENT_RING_OCTETS: u32 = 1 << 20;
/// Octets of the `DROPS` ring.
pub const DROP_RING_OCTETS: u32 = 1 << 20;
