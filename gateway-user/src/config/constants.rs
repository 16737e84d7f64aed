//! `[cluster.constants]`: any of a profile's times and bounds, by its name.

use std::ops::RangeInclusive;
use std::time::Duration;

use gateway_core::cluster::{Constants, Estimator};
use toml::de::DeValue;

use super::reader::{Reader, Section};
use super::value::{self, Value};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
/// What recurs takes this long at least: there is no loop without a pause.
const LEAST: Duration = Duration::from_millis(1);
/// Seconds of a watchdog: it travels as a number of milliseconds in 16 bits.
const WATCHDOG: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);

/// The profile's constants with those of the table in their places.
pub(super) fn read(reader: &Reader<'_>, section: &Section<'_, '_>, profile: Constants) -> Constants {
    // A new constant is one that can be set: this does not compile before it is.
    let Constants {
        watchdog,
        patience,
        support,
        fencing,
        margin,
        pause_limit,
        join_wait,
        join_retry,
        join_limit,
        refused_retry,
        offer_jitter,
        offer_wait,
        offer_repeat,
        term_first,
        estimator,
        smoothing,
        gap_max,
        n_min,
        n_max,
        intervals_per_failure,
        master_keepalives,
        table_every,
        tick,
        resend,
        pool_per_tick,
        apply_limit,
        balance_every,
        moves_per_balance,
        drain_moves,
        hysteresis_percent,
        weigh_load,
        freeze,
        hold_per_unit,
        hold_total,
        hold_time,
        announce,
        announce_every,
    } = profile;
    let from = Table(section);
    let constants = Constants {
        watchdog: from.time("watchdog", watchdog, WATCHDOG, "a duration from 10ms to 60s, such as \"200ms\""),
        patience: section.within("patience", patience, 0..=100),
        support: from.limit("support", support),
        fencing: from.perhaps("fencing", fencing),
        margin: from.limit("margin", margin),
        pause_limit: from.perhaps("pause_limit", pause_limit),
        join_wait: from.limit("join_wait", join_wait),
        join_retry: from.period("join_retry", join_retry),
        join_limit: from.limit("join_limit", join_limit),
        // Its field of the message has 16 bits.
        refused_retry: from.time("refused_retry", refused_retry, LEAST..=MINUTE, "a duration from 1ms to 1m"),
        offer_jitter: from.limit("offer_jitter", offer_jitter),
        offer_wait: from.period("offer_wait", offer_wait),
        offer_repeat: from.period("offer_repeat", offer_repeat),
        term_first: section.or("term_first", term_first),
        estimator: section.choice(
            "estimator",
            estimator,
            &[("document", Estimator::Document), ("corrected", Estimator::Corrected)],
        ),
        smoothing: section.within("smoothing", smoothing, 1..=65_536),
        gap_max: section.within("gap_max", gap_max, 1..=1_000_000),
        n_min: section.within("n_min", n_min, 2..=20),
        n_max: section.within("n_max", n_max, 2..=20),
        intervals_per_failure: from.number("intervals_per_failure", intervals_per_failure),
        master_keepalives: section.within("master_keepalives", master_keepalives, 1..=20),
        table_every: section.within("table_every", table_every, 1..=1000),
        tick: from.period("tick", tick),
        resend: from.period("resend", resend),
        pool_per_tick: from.count("pool_per_tick", pool_per_tick, 0..=1024),
        apply_limit: from.limit("apply_limit", apply_limit),
        balance_every: from.period("balance_every", balance_every),
        moves_per_balance: from.count("moves_per_balance", moves_per_balance, 1..=1024),
        drain_moves: from.count("drain_moves", drain_moves, 1..=1024),
        hysteresis_percent: section.within("hysteresis_percent", hysteresis_percent, 0..=100),
        weigh_load: section.or("weigh_load", weigh_load),
        freeze: from.limit("freeze", freeze),
        hold_per_unit: from.count("hold_per_unit", hold_per_unit, 0..=65_535),
        hold_total: from.count("hold_total", hold_total, 0..=1_048_576),
        hold_time: from.limit("hold_time", hold_time),
        announce: from.times("announce", announce),
        announce_every: from.period("announce_every", announce_every),
    };
    together(reader, section, &constants);
    constants
}

/// A master may go on for longer than its members wait for another, and a member for longer than for its master
/// (H-CL-6, H-CL-20): whoever sets the watchdog has these to think of.
fn together(reader: &Reader<'_>, section: &Section<'_, '_>, constants: &Constants) {
    let Constants { watchdog, support, fencing, n_min, n_max, .. } = *constants;
    let set = |key| section.read(key, "", |_| Some(()));
    if n_min > n_max
        && let Some(at) = set("n_min").or_else(|| set("n_max"))
    {
        let why = format!("where n_min is {n_min} and n_max {n_max}");
        reader.wrong_because(&at.place, why, "n_min up to n_max");
    }
    let longer = [("support", Some(support)), ("fencing", fencing)];
    for (key, time) in longer.into_iter().filter_map(|(key, time)| Some((key, time?))) {
        if time < watchdog
            && let Some(at) = set(key).or_else(|| set("watchdog"))
        {
            let why = format!("where watchdog is {} ms and {key} {} ms", watchdog.as_millis(), time.as_millis());
            reader.wrong_because(&at.place, why, format!("{key} = \"{}ms\" or longer", watchdog.as_millis()));
        }
    }
}

/// Ways to read a constant; the profile's when the table does not have it.
struct Table<'s, 'r, 'a>(&'s Section<'r, 'a>);

impl Table<'_, '_, '_> {
    fn time(&self, key: &'static str, default: Duration, range: RangeInclusive<Duration>, would_do: &str) -> Duration {
        let read = |raw: &DeValue<'_>| Duration::read(raw).filter(|time| range.contains(time));
        self.0.read(key, would_do, read).map_or(default, |at| at.value)
    }

    fn limit(&self, key: &'static str, default: Duration) -> Duration {
        self.time(key, default, Duration::ZERO..=HOUR, "a duration up to 1h, such as \"500ms\"")
    }

    fn period(&self, key: &'static str, default: Duration) -> Duration {
        self.time(key, default, LEAST..=HOUR, "a duration from 1ms to 1h, such as \"50ms\"")
    }

    fn perhaps(&self, key: &'static str, default: Option<Duration>) -> Option<Duration> {
        let would_do = "a duration from 1ms to 1h, such as \"500ms\", or \"off\"";
        let read = |raw: &DeValue<'_>| match raw.as_str()? {
            "off" => Some(None),
            _ => Duration::read(raw).filter(|time| (LEAST..=HOUR).contains(time)).map(Some),
        };
        self.0.read(key, would_do, read).map_or(default, |at| at.value)
    }

    fn times<const N: usize>(&self, key: &'static str, default: [Duration; N]) -> [Duration; N] {
        let would_do = format!("{N} durations up to 1h, each longer than the one before");
        let read = |raw: &DeValue<'_>| {
            let times = raw.as_array()?.iter().map(|time| Duration::read(time.get_ref()));
            let times = times.collect::<Option<Vec<_>>>()?;
            let rising = times.is_sorted_by(|a, b| a < b) && times.last().is_none_or(|last| *last <= HOUR);
            <[Duration; N]>::try_from(times).ok().filter(|_| rising)
        };
        self.0.read(key, &would_do, read).map_or(default, |at| at.value)
    }

    fn count(&self, key: &'static str, default: usize, range: RangeInclusive<u32>) -> usize {
        let would_do = format!("a number from {} to {}", range.start(), range.end());
        let read = |raw: &DeValue<'_>| u32::read(raw).filter(|count| range.contains(count));
        self.0.read(key, &would_do, read).map_or(default, |at| at.value as usize)
    }

    fn number(&self, key: &'static str, default: f64) -> f64 {
        let read = |raw: &DeValue<'_>| value::number(raw).filter(|number| (2.0..=1e12).contains(number));
        self.0.read(key, "a number from 2 to 1e12", read).map_or(default, |at| at.value)
    }
}
