//! Names of the maps and programs, as pinned below the gateway's bpffs directory.

/// Hash: [`crate::Ip4`] → [`crate::route::AccessRoute`]. Capacity from the configuration.
pub const ROUTES: &str = "ROUTES";
/// Memory-mapped array: slot → [`crate::route::Subscriber`]. Same capacity.
pub const SUBSCRIBERS: &str = "SUBSCRIBERS";
/// Array: cohort → [`crate::fpc::Cohort`].
pub const COHORTS: &str = "COHORTS";
/// Array: unit → [`crate::unit::UnitState`].
pub const UNITS: &str = "UNITS";
/// Hash: interface index → [`crate::port::Port`].
pub const PORTS: &str = "PORTS";
/// Hash: [`crate::Ip4`] of the gateway's own → u32 (1).
pub const LOCALS: &str = "LOCALS";
/// Device map by interface index: where the programs may redirect to.
pub const DEVICES: &str = "DEVICES";
/// One-cell array: [`crate::settings::Settings`].
pub const SETTINGS: &str = "SETTINGS";
/// LRU hash: [`crate::bucket::BucketKey`] → u64, the bucket's theoretical arrival time.
pub const BUCKETS: &str = "BUCKETS";
/// Per-CPU array: [`crate::verdict::Verdict::counter`] → [`crate::verdict::Counter`].
pub const COUNTERS: &str = "COUNTERS";
/// Ring buffer of punt records, see [`crate::punt`].
pub const PUNT: &str = "PUNT";
/// Ring buffer of [`crate::event::Event`].
pub const EVENTS: &str = "EVENTS";
/// Ring buffer of [`crate::event::DropSample`].
pub const DROPS: &str = "DROPS";

/// All maps that are pinned.
pub const ALL: &[&str] =
    &[ROUTES, SUBSCRIBERS, COHORTS, UNITS, PORTS, LOCALS, DEVICES, SETTINGS, BUCKETS, COUNTERS, PUNT, EVENTS, DROPS];

/// Program for ports toward subscribers.
pub const ACCESS: &str = "access";
/// Program for ports toward servers and the internet.
pub const UPSTREAM: &str = "upstream";

/// Subscribers a gateway holds unless configured otherwise.
pub const DEFAULT_CAPACITY: u32 = 1 << 20;
/// Entries of `PORTS` and `DEVICES`.
pub const MAX_PORTS: u32 = 4096;
/// Entries of `LOCALS`.
pub const MAX_LOCALS: u32 = 4096;
/// Entries of `BUCKETS`.
pub const MAX_BUCKETS: u32 = 1 << 17;
/// Octets of the `EVENTS` ring.
pub const EVENT_RING_OCTETS: u32 = 1 << 20;
/// Octets of the `DROPS` ring.
pub const DROP_RING_OCTETS: u32 = 1 << 20;
