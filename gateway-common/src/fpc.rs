//! Cohorts: the logins of an FPC that end together.
//!
//! One single logout ends the logins of one FPC at one server that were tagged with one scope. Those logins are a
//! cohort. A route names its cohort and the epoch it was made in; the cohort holds the least epoch still valid, so
//! one map write ends the forwarding of a whole card and leaves later logins untouched.

/// FPCs a gateway may have.
pub const MAX_FPCS: u16 = 1024;

/// Entries of the `COHORTS` array.
pub const MAX_COHORTS: u32 = 16384;

/// The first cohort of DHCPv6 leases, which share the `COHORTS` array with those of DHCPv4.
pub const FIRST_COHORT6: u32 = MAX_COHORTS / 2;

/// Value of the `COHORTS` array.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cohort {
    /// Routes of a lesser epoch are dead.
    pub least_epoch: u32,
    /// The FPC, for whoever reads the map by hand.
    pub fpc: u32,
}
