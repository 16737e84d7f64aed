//! Waiting until something is so, never for a fixed time.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Poll `condition` until it gives a value. After `limit` the error names `what` was waited for.
pub fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {limit:?} in vain for {what}");
        }
        std::thread::sleep(INTERVAL);
    }
}

/// Poll `condition` until it is true. After `limit` the error names `what` was waited for.
pub fn until_true(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    until(what, limit, || condition().then_some(()))
}
