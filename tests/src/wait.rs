//! Waiting until something is so, never for a fixed time.

use anyhow::{Result, bail};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The environment variable that says how many times longer everything may take: an emulated machine is slow.
pub const PATIENCE: &str = "GATEWAY_TEST_PATIENCE";

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

static FACTOR: LazyLock<u32> = LazyLock::new(|| std::env::var(PATIENCE).map_or(1, |text| factor(&text)));

fn factor(text: &str) -> u32 {
    match text.parse() {
        Ok(factor @ 1..=100) => factor,
        _ => panic!("{PATIENCE} is a number from 1 to 100, not {text:?}"),
    }
}

/// What a limit for a host of its own is on this one: see [`PATIENCE`]. [`until`] and what calls it do that by themselves.
pub fn scaled(limit: Duration) -> Duration {
    limit * *FACTOR
}

/// Whether everything takes longer here: see [`PATIENCE`].
pub fn is_patient() -> bool {
    *FACTOR > 1
}

/// Poll `condition` until it gives a value. After `limit`, scaled, the error names `what` was waited for.
pub fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let limit = scaled(limit);
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

/// Poll `condition` until it is true. After `limit`, scaled, the error names `what` was waited for.
pub fn until_true(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    until(what, limit, || condition().then_some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_a_number() {
        assert_eq!((factor("1"), factor("40")), (1, 40));
        for text in ["", "0", "101", "-1", "3x"] {
            assert!(std::panic::catch_unwind(|| factor(text)).is_err(), "{text:?}");
        }
    }
}
