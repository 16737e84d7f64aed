//! A member's machine: its process, its clock, its data plane.

use std::collections::{BTreeMap, VecDeque};

use super::network::Micros;
use super::shell::{Input, Shell};
use super::tables::Disk;
use crate::cluster::{Cluster, Disposition};
use crate::seeds::Random;
use crate::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Node {
    /// `None`: it is dead.
    pub(super) cluster: Option<Cluster>,
    /// Its life.
    pub(super) boot: u64,
    /// Number of its last datagram.
    pub(super) seq: u64,
    /// Its packet loop, beside the core.
    pub(super) shell: Option<Shell>,
    /// What the loop has told the core, on its way.
    pub(super) inputs: VecDeque<Input>,
    /// While it is dead: what it has stored, and the sessions among that.
    pub(super) disk: Disk,
    pub(super) stored: BTreeMap<usize, u64>,
    /// Milliseconds by which its wall clock is ahead.
    pub(super) skew: u64,
    /// Which turn of its loop was the last.
    pub(super) turn: u64,
    /// Of other members: the life whose key it has, and the last number.
    pub(super) heard: BTreeMap<usize, (u64, u64)>,
    /// It stands still until then.
    pub(super) paused: Option<Micros>,
    /// The data plane: of data, of DHCP.
    pub(super) rules: Vec<(Disposition, Disposition)>,
    pub(super) fenced: bool,
    pub(super) answers: bool,
    pub(super) keeper: Option<crate::member::MemberId>,
    /// Which of its wake-ups counts.
    pub(super) wakeup: u64,
    /// Its clock at the beginning, and how fast it runs, in millionths.
    clock: (u64, i64),
}

impl Node {
    pub(super) fn new(random: &mut Random) -> Self {
        let clock = (random.range(1, 1_000_000_000), random.range(0, 400) as i64 - 200);
        Self {
            cluster: None,
            boot: 0,
            seq: 0,
            shell: None,
            inputs: VecDeque::new(),
            disk: Disk::new(),
            stored: BTreeMap::new(),
            skew: random.range(0, 300),
            turn: 0,
            heard: BTreeMap::new(),
            paused: None,
            rules: vec![Default::default(); 1024],
            fenced: true,
            answers: false,
            keeper: None,
            wakeup: 0,
            clock,
        }
    }

    /// What its clock shows.
    pub(super) fn clock(&self, now: Micros) -> Instant {
        let drift = now as i64 * self.clock.1 / 1_000_000;
        Instant::ZERO + Duration::from_micros(self.clock.0 + (now as i64 + drift) as u64)
    }

    /// When its clock will show that.
    pub(super) fn when(&self, clock: Instant) -> Micros {
        let shown = (clock.as_nanos().div_ceil(1000)).saturating_sub(self.clock.0) as i64;
        (shown - shown * self.clock.1 / 1_000_000 + 1) as Micros
    }

    /// The lease that it knows a client to have.
    pub(super) fn lease(&self, client: usize) -> Option<u64> {
        match &self.shell {
            Some(shell) => shell.lease(client),
            None => self.stored.get(&client).copied(),
        }
    }

    pub(super) fn acts(&self) -> bool {
        self.cluster.is_some() && self.paused.is_none()
    }
}
