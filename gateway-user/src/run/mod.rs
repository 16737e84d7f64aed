//! `gateway run`: the loop that owns the node.
//!
//! ```text
//!   punt ring ─┐                                 ┌─▶ store (one commit)
//!  event ring ─┤                                 ├─▶ maps
//!     netlink ─┼─▶ Node::handle_*  ─▶ commands ──┤
//!  UDP, timer ─┤                                 ├─▶ servers, clients
//!     control ─┘                                 └─▶ log, watchers
//! ```
//!
//! One task does all of this, so that nothing in it needs a lock. Inputs are taken in batches: under load a wake-up, a
//! commit and a system call for each kind of output serve many packets.

mod aggregates;
mod announcing;
mod answers;
mod answers6;
mod answers_recovery;
mod calls;
mod cluster;
mod dhcp;
mod failed;
mod gather;
mod inputs;
mod links;
mod locals;
mod log;
mod outbox;
mod ports;
mod probes;
mod recent;
mod reconcile;
mod reconcile6;
mod releases;
mod routers;
mod settings;
mod settings6;
mod start;
mod throttle;
mod views;
mod words;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use gateway_common::unit::Unit;
use gateway_core::line::FpcId;
use gateway_core::node::{Event, Node};
use gateway_core::scope::Epoch;
use gateway_core::time::Instant;
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::dataplane::Dataplane;
use crate::io::clock;
use crate::io::end::End;
use crate::io::netlink::{Routes, Tables6};
use announcing::Announcing;
use cluster::membership::Membership;
use dhcp::Embedded;
use gather::{Gather, Next, Taken};
use inputs::Inputs;
use outbox::Outbox;
use ports::Ports;
use recent::Lately;
use routers::Reminders;
pub(crate) use throttle::Throttle;

/// Time between looks at what does not announce itself: the wall clock, summer time, a store that was full.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Housekeepings between syncs of the store.
const SYNC_EVERY: u32 = 5;
/// Time before an input that failed is waited for again.
const INPUT_RETRY: Duration = Duration::from_millis(100);
/// How far the wall clock may drift before the node is told that it was set.
const CLOCK_SET: Duration = Duration::from_millis(500);

/// Restarts whose cause is remembered.
const CAUSES: usize = 4096;

/// How to start and to end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Replace a pinned data plane instead of adopting it. Forwarding stops until the new one is attached.
    pub reset: bool,
    /// At the end detach and unpin, so that forwarding stops. Without it forwarding goes on.
    pub detach: bool,
}

/// Runs the gateway until SIGINT or SIGTERM.
///
/// # Errors
/// When it can't start; the message says what to do. Once it serves, it does not end by an error; with
/// [`Options::detach`] the end itself may fail.
pub fn run(config: Config, options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let (mut gateway, mut inputs) = start::start(config, options).await?;
        gateway.serve(&mut inputs).await?;
        gateway.end(options)
    })
}

/// What the loop owns.
struct Gateway {
    config: Config,
    node: Node,
    dataplane: Dataplane,
    ports: Ports,
    /// The host's own addresses.
    locals: BTreeSet<IpAddr>,
    /// By which tables the kernel routes IPv6.
    tables6: Tables6,
    outbox: Outbox,
    /// Wall clock minus time since boot, as the node knows it.
    clock_offset: Duration,
    /// Local time minus UTC in seconds, as the node knows it.
    utc_offset: i64,
    housekeepings: u32,
    /// When the controller started.
    began: Instant,
    recent: Lately,
    /// Why releases began.
    causes: BTreeMap<(FpcId, Epoch), String>,
    embedded: Option<Embedded>,
    /// Subscribers without IPv4 when they were last counted, and until when that will do.
    counted: RefCell<(Arc<[u32]>, Instant)>,
    /// Who is told next that the gateway is its router.
    reminders: Reminders,
    /// Which tagged lines are told next where the shared addresses are.
    announcing: Announcing,
    /// Our side of the cluster, when there is one.
    membership: Option<Membership>,
    /// Units whose logins are to stop here once what was punted before is handled.
    flushing: Vec<Unit>,
    refused: Throttle,
    /// Frames that were to be held, and are lost.
    held_lost: u64,
    /// Frames that were to be held, and came faster than the cluster's thread takes them.
    held_overrun: u64,
    /// DHCP frames that came when this member's units were no longer its own.
    fenced_frames: u64,
}

impl Gateway {
    async fn serve(&mut self, inputs: &mut Inputs) -> anyhow::Result<()> {
        let mut end = End::watch()?;
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let timeout = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(timeout);
        let mut armed = None;
        let mut gather = Gather::default();
        let mut failed_inputs = Throttle::new("waiting for input failed; trying again");
        // When it ends although the others have not taken over.
        let mut leaving: Option<tokio::time::Instant> = None;
        loop {
            let next = gather.gather(inputs.hurry);
            if next == Next::Take {
                gather.took(self.batch(inputs));
                continue;
            }
            if next == Next::Wait {
                self.outbox.settle();
            }
            inputs.hurry |= next == Next::Look;
            let wanted = self.poll_timeout();
            if wanted != armed {
                armed = wanted;
                if let Some(at) = wanted {
                    timeout.as_mut().reset(tokio::time::Instant::now() + at.since(clock::now()));
                }
            }
            tokio::select! {
                biased;
                () = end.asked() => {
                    // Who asks twice does not want to wait.
                    if leaving.is_some() || !self.leave() {
                        return Ok(());
                    }
                    leaving = Some(tokio::time::Instant::now() + cluster::leave::PATIENCE);
                }
                () = async { tokio::time::sleep_until(leaving.expect("there")).await }, if leaving.is_some() => {
                    tracing::warn!("the others have not taken this member's units; ending all the same");
                    return Ok(());
                }
                _ = housekeeping.tick() => self.keep_house(inputs).await,
                result = inputs.wait() => if let Err(error) = result {
                    failed_inputs.warn(error, clock::now());
                    tokio::time::sleep(INPUT_RETRY).await;
                },
                () = &mut timeout, if armed.is_some() => armed = None,
            }
            if inputs.has_lost_cluster() {
                // Without it this process answers nobody's keepalives, and would look alive to whoever started it.
                anyhow::bail!("the cluster's thread has ended: see the log before this; start the gateway again");
            }
            gather.took(self.batch(inputs));
            if self.membership.is_some() {
                // What is for other members leaves now and not after packets have gathered: replies wait for their answers.
                tokio::task::yield_now().await;
            }
            if leaving.is_some() && self.has_left() {
                return Ok(());
            }
        }
    }

    /// Takes what has come and does what follows from it; returns what was among it.
    fn batch(&mut self, inputs: &mut Inputs) -> Taken {
        let now = clock::now();
        if !self.acts() {
            // Before the core says so: a process that stood still goes on with all its threads at once.
            self.node.handle_keeper(false, now);
        }
        let applied = self.applied();
        let packets = self.take(inputs, now);
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
        }
        if let Some(membership) = &mut self.membership {
            membership.sharing.handle_timeout(now);
        }
        self.announce_on_lines(now);
        self.carry_out(now);
        self.replicate(now);
        if !inputs.hurry && !self.flushing.is_empty() {
            self.flushed();
        }
        Taken { packets, changes: (self.applied() - applied) as usize }
    }

    /// Changes of other members that were taken in so far.
    fn applied(&self) -> u64 {
        self.membership.as_ref().map_or(0, |membership| membership.sharing.replication.counters().applied)
    }

    /// When something is due without an input.
    fn poll_timeout(&self) -> Option<Instant> {
        let sharing = self.membership.as_ref().and_then(|membership| membership.sharing.poll_timeout());
        [self.node.poll_timeout(), sharing, self.announcing.poll_timeout()].into_iter().flatten().min()
    }

    /// Carries out what the node wants done.
    fn carry_out(&mut self, now: Instant) {
        let (config, recent, causes) = (&self.config, &mut self.recent, &mut self.causes);
        let tell = |event| {
            log::event(config, &event);
            if let Event::Restart { fpc, cause, cutoff: Some(cutoff), .. } = &event {
                causes.insert((*fpc, *cutoff), cause.to_string());
                if causes.len() > CAUSES {
                    causes.pop_first();
                }
            }
            recent.event(event, now);
        };
        let sharing = self.membership.as_mut().map(|membership| &mut membership.sharing);
        self.outbox.carry_out(&mut self.node, &self.dataplane, &self.ports, sharing, now, tell);
    }

    async fn keep_house(&mut self, inputs: &mut Inputs) {
        let now = clock::now();
        self.outbox.store.recover();
        self.housekeepings = self.housekeepings.wrapping_add(1);
        if self.housekeepings.is_multiple_of(SYNC_EVERY) {
            self.outbox.store.sync_soon();
        }
        let offset = clock_offset();
        if offset.abs_diff(self.clock_offset) > CLOCK_SET {
            tracing::info!("the wall clock was set");
            self.clock_offset = offset;
            self.node.handle_clock(now, clock::unix().as_nanos() as u64);
        }
        let utc_offset = clock::utc_offset();
        if utc_offset != self.utc_offset {
            tracing::info!(seconds = utc_offset - self.utc_offset, "local time moved against UTC");
            self.node.handle_local_time(utc_offset - self.utc_offset, now);
            self.utc_offset = utc_offset;
        }
        self.outbox.retry(&self.node, &self.dataplane, &self.ports, now);
        self.tend_aggregates();
        self.remind(now);
        self.tell_load();
        self.tell_moves(now);
        self.retry_attachments(inputs, now).await;
    }

    fn end(mut self, options: Options) -> anyhow::Result<()> {
        if let Some(embedded) = self.embedded.take() {
            embedded.stop();
        }
        self.outbox.store.sync();
        self.outbox.finish_kernel_routes(options.detach)?;
        if options.detach {
            let mut locals = Routes::open()?;
            self.config.fpcs.iter().for_each(|fpc| locals.remove_local(fpc.giaddr));
            self.config.fpcs.iter().filter_map(|fpc| fpc.link_address6).for_each(|link| locals.remove_local6(link));
            locals.flush();
            self.dataplane.detach()?;
            tracing::info!("detached: nothing is forwarded any more");
        } else if self.membership.is_some() {
            tracing::info!("ended; the other members forward");
        } else {
            tracing::info!("ended; forwarding goes on with what is pinned");
        }
        Ok(())
    }
}

/// Wall clock minus time since boot.
fn clock_offset() -> Duration {
    clock::unix().saturating_sub(Duration::from_nanos(clock::now().as_nanos()))
}
