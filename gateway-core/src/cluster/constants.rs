//! Every constant of the cluster, in two profiles.

use crate::time::Duration;

/// All times and bounds of a cluster (section 7.2 of the wire reference).
#[derive(Clone, PartialEq, Debug)]
pub struct Constants {
    /// A member or master that was not heard for so long is inoperative (CL-14, CL-31).
    pub watchdog: Duration,
    /// Keepalive intervals by which the master is more patient with its members than the watchdog says. While the
    /// interval changes it is one at least (H-CL-5).
    pub patience: u32,
    /// So long after a sign of its master a member supports no other; so long after it said what a majority has heard a
    /// master may go on (H-CL-6). At least the watchdog, so that the election goes on meanwhile. Only with a quorum.
    pub support: Duration,
    /// So long after it said what its master has heard a member may go on; so long after the last sign of a member its
    /// units may be given to others (H-CL-20). `None`: nobody fences itself (the source document).
    pub fencing: Option<Duration>,
    /// Who waits for another to have stopped waits for so much longer: clocks differ in speed, and threads wake late.
    pub margin: Duration,
    /// A member that did nothing for longer steps down before it acts (H-CL-27). `None`: it does not look.
    pub pause_limit: Option<Duration>,
    /// How long a unit looks for a master before it offers itself (CL-17).
    pub join_wait: Duration,
    /// How often it asks.
    pub join_retry: Duration,
    /// How long applications may think about a unit that wants to join (H-CL-28).
    pub join_limit: Duration,
    /// When a refused unit asks again.
    pub refused_retry: Duration,
    /// Offers begin after a random time up to this (H-CL-8).
    pub offer_jitter: Duration,
    /// An offer without response for so long makes a master (CL-19).
    pub offer_wait: Duration,
    /// Offers are repeated so often meanwhile.
    pub offer_repeat: Duration,
    /// Terms decide between masters before the number of members does (H-CL-7).
    pub term_first: bool,
    /// How the loss of keepalives is estimated (H-CL-1).
    pub estimator: Estimator,
    /// A new gap moves the average of lost keepalives by one in this many (CL-74).
    pub smoothing: u32,
    /// A longer gap is counted as this one: it is no packet loss (H-CL-1).
    pub gap_max: u32,
    /// Range of n, the keepalives in a watchdog interval; within 2 to 20 (CL-76).
    pub n_min: u8,
    /// Its greatest.
    pub n_max: u8,
    /// K: n is the least with n·Pⁿ < 1/K (CL-76, H-CL-3).
    pub intervals_per_failure: f64,
    /// Least slowness of the master's own keepalives: watchdog divided by this (H-CL-4).
    pub master_keepalives: u32,
    /// A part of the unit table goes with every so many keepalives even if nothing changed (H-CL-29).
    pub table_every: u32,
    /// The master looks at units that are on their way so often.
    pub tick: Duration,
    /// What was not acknowledged is said again after this.
    pub resend: Duration,
    /// Unassigned units given to members in each tick; 0: only when a packet for them arrives (CL-37, H-CL-21).
    pub pool_per_tick: usize,
    /// A new owner that has not applied its predecessor's changes for so long starts without them.
    pub apply_limit: Duration,
    /// How often the load balance is evaluated (CL-32).
    pub balance_every: Duration,
    /// Moves begun in one evaluation (H-CL-22).
    pub moves_per_balance: usize,
    /// Units of drained members on their way at the same time.
    pub drain_moves: usize,
    /// Loads that differ by less, in percent of the mean, are equal (H-CL-22).
    pub hysteresis_percent: u32,
    /// Whether load decides between members with as many units.
    pub weigh_load: bool,
    /// Nothing is rebalanced for so long after a member joined (H-CL-22).
    pub freeze: Duration,
    /// Packets held for one unit (H-CL-19).
    pub hold_per_unit: usize,
    /// Packets held in all.
    pub hold_total: usize,
    /// How long a packet is held.
    pub hold_time: Duration,
    /// The cluster's addresses are announced at these times after a member became master (H-CL-12).
    pub announce: [Duration; 5],
    /// And again so often.
    pub announce_every: Duration,
}

/// How the loss of keepalives is estimated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Estimator {
    /// The average of gaps is the loss (CL-74, CL-75).
    Document,
    /// The average of gaps is p/(1−p), since only what arrives is counted (H-CL-1).
    Corrected,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Constants {
    /// As in the source document (WO 00/31945), with nothing corrected.
    pub const fn document() -> Self {
        Self {
            watchdog: ms(200),
            patience: 0,
            support: ms(200),
            fencing: None,
            margin: ms(0),
            pause_limit: None,
            join_wait: ms(100),
            join_retry: ms(50),
            join_limit: ms(2000),
            refused_retry: ms(500),
            offer_jitter: ms(0),
            offer_wait: ms(100),
            offer_repeat: ms(100),
            term_first: false,
            estimator: Estimator::Document,
            smoothing: 128,
            gap_max: 64,
            n_min: 2,
            n_max: 20,
            intervals_per_failure: 3600.0,
            master_keepalives: 4,
            table_every: 10,
            tick: ms(10),
            resend: ms(50),
            pool_per_tick: 0,
            apply_limit: ms(1000),
            balance_every: ms(2000),
            moves_per_balance: usize::MAX,
            drain_moves: 64,
            hysteresis_percent: 0,
            weigh_load: false,
            freeze: ms(0),
            hold_per_unit: 64,
            hold_total: 4096,
            hold_time: ms(500),
            announce: [ms(0), ms(100), ms(500), ms(1000), ms(2000)],
            announce_every: ms(60_000),
        }
    }

    /// With the corrections of the hazards table. K is a week of watchdog intervals.
    pub const fn production() -> Self {
        Self {
            patience: 1,
            support: ms(300),
            fencing: Some(ms(500)),
            margin: ms(10),
            pause_limit: Some(ms(200)),
            join_wait: ms(0),
            join_retry: ms(25),
            offer_jitter: ms(50),
            offer_repeat: ms(25),
            term_first: true,
            estimator: Estimator::Corrected,
            intervals_per_failure: 3_024_000.0,
            resend: ms(20),
            pool_per_tick: 64,
            moves_per_balance: 32,
            hysteresis_percent: 5,
            weigh_load: true,
            freeze: ms(10_000),
            ..Self::document()
        }
    }
}

impl Default for Constants {
    fn default() -> Self {
        Self::production()
    }
}
