//! Releases and restarts in the answers.

use serde::{Deserialize, Serialize};

/// The release of one FPC's logins.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Release {
    /// Line card.
    pub fpc: String,
    /// Why: `link down`, `interface removed`, `operator`, `schedule`, `resumed`.
    pub cause: String,
    /// Logins up to this epoch.
    pub cutoff: u32,
    /// Seconds since it was decided.
    pub age: f64,
    /// Seconds it took; none while it runs.
    pub took: Option<f64>,
    /// Logins when it was decided.
    pub total: u64,
    /// Of these, released and confirmed (or, where nothing can confirm it, sent).
    pub released: u64,
    /// Of these, given up for now and retried later.
    pub orphaned: u64,
    /// Single logouts sent, retransmissions included.
    pub single_logouts: u64,
    /// Individual RELEASEs sent.
    pub individual: u64,
    /// Leases of DHCPv6 that are released in the same plan; none where there are none.
    pub leases6: Option<ReleaseOf6>,
    /// What goes on at each server.
    pub servers: Vec<ReleaseAtServer>,
}

/// The DHCPv6 half of a release, in leases.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReleaseOf6 {
    /// Leases when it was decided.
    pub total: u64,
    /// Of these, ended, or left alone because they are newer.
    pub released: u64,
    /// Of these, given up for now or kept by their server.
    pub orphaned: u64,
    /// Single logouts sent, retransmissions included.
    pub single_logouts: u64,
    /// RELEASE-REQUESTs for many clients sent, retransmissions included.
    pub requests: u64,
    /// RELEASEs of single clients sent, retransmissions included.
    pub individual: u64,
}

/// The part of a release that concerns one server.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ReleaseAtServer {
    /// The server.
    pub server: String,
    /// What is being done, such as `single logout, attempt 2` or `individual RELEASEs`.
    pub phase: String,
    /// Logins at it; leases at one of DHCPv6.
    pub total: u64,
    /// Of these, released.
    pub released: u64,
}

impl Release {
    /// Released part of all, 0 to 1.
    pub fn progress(&self) -> f64 {
        let six = self.leases6.unwrap_or_default();
        match (self.took, self.total + six.total) {
            (Some(_), _) | (None, 0) => 1.0,
            (None, total) => {
                let done = self.released + self.orphaned + six.released + six.orphaned;
                done.min(total) as f64 / total as f64
            }
        }
    }
}

/// What an ordered restart means.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Restart {
    /// The card.
    pub fpc: String,
    /// Sessions concerned.
    pub sessions: u64,
    /// Leases of DHCPv6 concerned; none where it is not served.
    pub leases6: Option<u64>,
    /// Whether they are logged out (else maintained).
    pub logout: bool,
    /// Milliseconds after which the restart may go on, whatever became of the logout.
    pub hold_ms: u64,
}
