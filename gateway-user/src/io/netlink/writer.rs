//! Kernel routes, written by a thread of their own.
//!
//! A route and a neighbour cost the kernel more than a session costs in everything else, and nobody waits for them: the
//! maps forward. So the loop only says what it wants; one queue keeps the order.

use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context;
use gateway_core::subnet::Subnet;
use gateway_core::time::{Duration, Instant};
use gateway_core::wire::dhcp6::Prefix;

use super::route::{KernelRoute, Routes};
use super::route6::KernelRoute6;

/// How long changes may wait for others. By the hundred they cost much less than by the dozen: the thread wakes up seldom, and
/// the kernel's tree of routes stays in the cache.
const WAIT: Duration = Duration::from_millis(250);
/// Batches that may wait for the thread. While it does not keep up, changes gather here.
const BATCHES: usize = 16;
/// Changes that may gather; then the loop waits for the thread.
const MOST: usize = 1 << 16;

enum Change {
    Add(KernelRoute),
    Remove(Ipv4Addr, u32),
    Add6(KernelRoute6),
    Remove6(Prefix, Option<u32>),
    AddAggregate(Subnet),
    RemoveAggregate(Subnet),
    /// Everything before is written: say so.
    Reached(SyncSender<()>),
}

/// Has kernel routes written. Who drops it without [`Self::finish`] loses what is queued; the next start makes that good.
pub(crate) struct RouteWriter {
    queue: Vec<Change>,
    /// Since when some are queued, as far as [`Self::flush_late`] has seen.
    waiting: Option<Instant>,
    held: bool,
    /// The thread has ended, which it never does by itself; told once.
    ended: bool,
    batches: SyncSender<Vec<Change>>,
    thread: JoinHandle<Routes>,
}

impl RouteWriter {
    /// Needs CAP_NET_ADMIN.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let routes = Routes::open()?;
        let (batches, receiver) = sync_channel(BATCHES);
        let thread = std::thread::Builder::new()
            .name("kernel-routes".to_owned())
            .spawn(move || write(routes, receiver))
            .context("start a thread for kernel routes")?;
        Ok(Self::with(batches, thread))
    }

    fn with(batches: SyncSender<Vec<Change>>, thread: JoinHandle<Routes>) -> Self {
        Self { queue: Vec::new(), waiting: None, held: false, ended: false, batches, thread }
    }

    /// Queues the route and the neighbour, replacing what was there.
    pub(crate) fn add(&mut self, route: KernelRoute) {
        self.push(Change::Add(route));
    }

    /// Queues their removal.
    pub(crate) fn remove(&mut self, address: Ipv4Addr, ifindex: u32) {
        self.push(Change::Remove(address, ifindex));
    }

    /// The same for IPv6.
    pub(crate) fn add6(&mut self, route: KernelRoute6) {
        self.push(Change::Add6(route));
    }

    /// Queues their removal.
    pub(crate) fn remove6(&mut self, prefix: Prefix, ifindex: Option<u32>) {
        self.push(Change::Remove6(prefix, ifindex));
    }

    /// Queues the route of a whole subnet.
    pub(crate) fn add_aggregate(&mut self, subnet: Subnet) {
        self.push(Change::AddAggregate(subnet));
    }

    /// Queues its removal.
    pub(crate) fn remove_aggregate(&mut self, subnet: Subnet) {
        self.push(Change::RemoveAggregate(subnet));
    }

    fn push(&mut self, change: Change) {
        self.queue.push(change);
        if self.queue.len() >= MOST {
            self.flush();
        }
    }

    /// While held, changes only gather: something more urgent needs the processors. They take as much memory as there are
    /// changes meanwhile.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
        self.flush();
    }

    /// Gives away what has been queued for a while. A wake-up of the thread is worth more than one change.
    pub(crate) fn flush_late(&mut self, now: Instant) {
        if !self.queue.is_empty() && now.since(*self.waiting.get_or_insert(now)) >= WAIT {
            self.flush();
        }
    }

    /// Gives away what is queued. When the thread has enough to do, it stays for the next time.
    pub(crate) fn flush(&mut self) {
        if self.held || self.queue.is_empty() {
            return;
        }
        self.waiting = None;
        let batch = std::mem::take(&mut self.queue);
        let outcome = if batch.len() < MOST {
            self.batches.try_send(batch)
        } else {
            self.batches.send(batch).map_err(|error| TrySendError::Disconnected(error.0))
        };
        match outcome {
            Ok(()) => {}
            Err(TrySendError::Full(batch)) => self.queue = batch,
            Err(TrySendError::Disconnected(_)) if self.ended => {}
            Err(TrySendError::Disconnected(_)) => {
                self.ended = true;
                tracing::error!(
                    "the thread that writes kernel routes has ended: there are no more until the next start"
                );
            }
        }
    }

    /// Waits until everything is written that was queued before.
    pub(crate) fn wait(&mut self) -> anyhow::Result<()> {
        let (say, reached) = sync_channel(1);
        self.queue.push(Change::Reached(say));
        // When the thread has ended, it won't say so.
        let _ = self.batches.send(std::mem::take(&mut self.queue));
        reached.recv().context("the thread that writes kernel routes has ended")
    }

    /// Waits until everything is written, and ends the thread.
    pub(crate) fn finish(self) -> anyhow::Result<Routes> {
        let Self { queue, batches, thread, .. } = self;
        // One that has ended is found out next.
        let _ = batches.send(queue);
        drop(batches);
        thread.join().map_err(|_| anyhow::anyhow!("the thread that writes kernel routes panicked"))
    }
}

fn write(mut routes: Routes, batches: Receiver<Vec<Change>>) -> Routes {
    for batch in batches {
        for change in batch {
            match change {
                Change::Add(route) => routes.add(&route),
                Change::Remove(address, ifindex) => routes.remove(address, ifindex),
                Change::Add6(route) => routes.add6(&route),
                Change::Remove6(prefix, ifindex) => routes.remove6(prefix, ifindex),
                Change::AddAggregate(subnet) => routes.add_aggregate(subnet),
                Change::RemoveAggregate(subnet) => routes.remove_aggregate(subnet),
                Change::Reached(say) => {
                    routes.flush();
                    // Whoever asked waits for it.
                    let _ = say.send(());
                }
            }
        }
        routes.flush();
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(batches: SyncSender<Vec<Change>>) -> RouteWriter {
        RouteWriter::with(batches, std::thread::spawn(|| Routes::open().expect("a netlink socket needs no privilege")))
    }

    fn removed(batch: Vec<Change>) -> Vec<u32> {
        let number = |change| match change {
            Change::Remove(_, number) => number,
            _ => panic!("only removals were queued"),
        };
        batch.into_iter().map(number).collect()
    }

    /// Changes go in their order, none is lost while the thread is busy, and none goes while they are held.
    #[test]
    fn keeps_the_order() {
        let (batches, receiver) = sync_channel(1);
        let mut writer = writer(batches);
        let start = Instant::from_nanos(1_000_000_000);
        writer.hold(true);
        writer.remove(Ipv4Addr::LOCALHOST, 1);
        writer.flush();
        assert!(receiver.try_recv().is_err(), "held");
        writer.hold(false);
        writer.remove(Ipv4Addr::LOCALHOST, 2);
        writer.flush();
        assert_eq!(removed(receiver.recv().unwrap()), [1]);
        writer.remove(Ipv4Addr::LOCALHOST, 3);
        writer.flush_late(start);
        assert!(receiver.try_recv().is_err(), "others may come");
        writer.flush_late(start + WAIT);
        assert_eq!(removed(receiver.recv().unwrap()), [2, 3]);
        assert!(receiver.try_recv().is_err());
    }

    /// A thread that does not keep up makes changes gather, in their order; when there are very many, the loop waits for it.
    #[test]
    fn waits_for_a_slow_thread() {
        let (batches, receiver) = sync_channel(1);
        let mut writer = writer(batches);
        for number in 0..3 {
            writer.remove(Ipv4Addr::LOCALHOST, number);
            writer.flush();
        }
        assert_eq!(writer.queue.len(), 2, "one batch waits for the thread, and what came later for its turn");
        let most = MOST as u32;
        let slow = std::thread::spawn(move || receiver.into_iter().flat_map(removed).collect::<Vec<_>>());
        (3..2 * most).for_each(|number| writer.remove(Ipv4Addr::LOCALHOST, number));
        assert!(writer.queue.len() < MOST);
        writer.finish().expect("it ends");
        assert_eq!(slow.join().expect("no panic"), (0..2 * most).collect::<Vec<_>>());
    }

    /// Whoever waits is told when it is in vain, and the others go on.
    #[test]
    fn survives_its_thread() {
        let (batches, receiver) = sync_channel(1);
        let mut writer = writer(batches);
        drop(receiver);
        writer.remove(Ipv4Addr::LOCALHOST, 1);
        writer.flush();
        assert!(writer.ended && writer.queue.is_empty());
        assert!(writer.wait().is_err());
    }

    /// What is waited for is written, also what was held; and nothing is left when it ends. A removal of what is not there is
    /// no error.
    #[test]
    fn is_done_when_it_says_so() {
        let mut writer = RouteWriter::start().expect("a netlink socket needs no privilege");
        writer.hold(true);
        writer.remove(Ipv4Addr::LOCALHOST, u32::MAX);
        writer.wait().expect("the thread answers");
        assert!(writer.queue.is_empty());
        writer.remove(Ipv4Addr::LOCALHOST, u32::MAX);
        writer.finish().expect("the thread ends");
    }
}
