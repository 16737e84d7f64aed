//! Times in which this machine stood still: an emulated one on a busy host does, and whatever is timed in it stands still as well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// What each watcher sleeps.
const SLEEP: Duration = Duration::from_millis(5);
/// It wakes up so late on a machine that is merely at work.
const USUAL: Duration = Duration::from_millis(1);

/// A time in which a processor did nothing for one that waited for it.
type Still = (Instant, Instant);

/// Watches all processors, each by a thread of its own that sleeps and looks how much later than it wanted it wakes up. Dropped,
/// it ends.
pub struct Standstill {
    ended: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Still>>>,
    watchers: Vec<JoinHandle<()>>,
}

impl Standstill {
    /// From now on.
    ///
    /// # Errors
    /// As the kernel has it.
    pub fn watch() -> Result<Self> {
        let all = sched_getaffinity(Pid::from_raw(0))?;
        let mut standstill = Self { ended: Arc::default(), seen: Arc::default(), watchers: Vec::new() };
        for processor in (0..CpuSet::count()).filter(|processor| all.is_set(*processor).unwrap_or(false)) {
            let mut one = CpuSet::new();
            one.set(processor)?;
            let (ended, seen) = (Arc::clone(&standstill.ended), Arc::clone(&standstill.seen));
            let watch = move || {
                // One that may run anywhere sees no processor that stands still.
                if sched_setaffinity(Pid::from_raw(0), &one).is_ok() {
                    look(&ended, &seen);
                }
            };
            standstill.watchers.push(thread::spawn(watch));
        }
        Ok(standstill)
    }

    /// For how long one of the processors stood still between these moments, altogether.
    pub fn between(&self, from: Instant, to: Instant) -> Duration {
        let mut seen: Vec<_> = self.seen.lock().unwrap().clone();
        seen.sort_unstable();
        covered(&seen, from, to)
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for watcher in self.watchers.drain(..) {
            // It has nothing to tell.
            let _ = watcher.join();
        }
    }
}

fn look(ended: &AtomicBool, seen: &Mutex<Vec<Still>>) {
    while !ended.load(Ordering::Relaxed) {
        let due = Instant::now() + SLEEP;
        thread::sleep(SLEEP);
        let woken = Instant::now();
        if woken > due + USUAL {
            seen.lock().unwrap().push((due, woken));
        }
    }
}

/// How much of the time from one moment to another these times cover, which are in the order in which they begin.
fn covered(times: &[Still], from: Instant, to: Instant) -> Duration {
    let (mut end, mut sum) = (from, Duration::ZERO);
    for (begin, until) in times {
        let (begin, until) = ((*begin).max(end), (*until).min(to));
        sum += until.saturating_duration_since(begin);
        end = end.max(until);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What two processors miss together is missed once, and what lies outside does not count.
    #[test]
    fn times_are_counted_once() {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let times = [(at(0), at(20)), (at(10), at(15)), (at(12), at(30)), (at(50), at(90)), (at(95), at(99))];
        let of = |from, to| covered(&times, at(from), at(to)).as_millis();
        assert_eq!([of(0, 100), of(5, 60), of(30, 50), of(14, 14), of(92, 200)], [74, 35, 0, 0, 4]);
    }
}
