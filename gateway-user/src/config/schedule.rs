//! When an FPC restarts by schedule (BR-20).

use std::time::Duration;

use toml::de::DeValue;

use super::value::Value;

/// A day in seconds.
const DAY: i64 = 86_400;

/// Days as written, with the number that 1970-01-01 + n days has modulo 7.
const WEEKDAYS: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];

/// `"daily 03:00"`, `"sunday 03:00"` (local time), or `"every 24h"` counted from the start of the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Schedule {
    /// Each day, this many seconds after local midnight.
    Daily(u32),
    /// Each week on a day (days since 1970-01-01 modulo 7: 0 is Thursday), this many seconds after local midnight.
    Weekly(u8, u32),
    /// Each time this much has passed (BR-20: "after a set period").
    Every(Duration),
}

impl Schedule {
    /// The next time, in Unix seconds, strictly after `now`. `offset` is local time minus UTC in seconds;
    /// `started` is when the gateway started.
    pub fn next(&self, now: i64, offset: i64, started: i64) -> i64 {
        let local = now + offset;
        let midnight = local - local.rem_euclid(DAY);
        let (first, step) = match *self {
            Self::Daily(at) => (midnight + i64::from(at), DAY),
            Self::Weekly(weekday, at) => {
                let today = midnight.div_euclid(DAY).rem_euclid(7);
                (midnight + (i64::from(weekday) - today) * DAY + i64::from(at), 7 * DAY)
            }
            Self::Every(period) => {
                let period = i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1);
                return started + ((now - started).max(0) / period + 1).saturating_mul(period);
            }
        };
        let next = if first > local { first } else { first + step };
        next - offset
    }
}

impl Value for Schedule {
    const WOULD_DO: &'static str = "\"daily 03:00\", \"sunday 03:00\" (local time) or \"every 24h\" (1m or more)";

    fn read(raw: &DeValue<'_>) -> Option<Self> {
        let (when, time) = raw.as_str()?.split_once(' ')?;
        if when == "every" {
            let period = Duration::read(&DeValue::String(time.trim().into()))?;
            return (period >= Duration::from_secs(60)).then_some(Self::Every(period));
        }
        let (hour, minute) = time.trim().split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        let at = (hour < 24 && minute < 60).then_some(hour * 3600 + minute * 60)?;
        if when == "daily" {
            return Some(Self::Daily(at));
        }
        let weekday = WEEKDAYS.iter().position(|day| day.eq_ignore_ascii_case(when))?;
        Some(Self::Weekly(weekday as u8, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Schedule> {
        Schedule::read(&DeValue::String(text.into()))
    }

    /// A restart may be triggered by a schedule, at a time of day or after a set period. BR-20
    #[test]
    fn next_time() {
        // 2026-01-04 was a Sunday; 02:00 UTC is 03:00 in a zone one hour ahead.
        let (sunday_midnight, hour) = (1_767_484_800, 3600);
        let daily = read("daily 03:00").unwrap();
        assert_eq!(daily.next(sunday_midnight, 0, 0), sunday_midnight + 3 * hour);
        assert_eq!(
            daily.next(sunday_midnight + 3 * hour, 0, 0),
            sunday_midnight + DAY + 3 * hour,
            "strictly after now"
        );
        assert_eq!(daily.next(sunday_midnight, hour, 0), sunday_midnight + 2 * hour);

        let weekly = read("Sunday 03:00").unwrap();
        assert_eq!(weekly.next(sunday_midnight, 0, 0), sunday_midnight + 3 * hour);
        assert_eq!(weekly.next(sunday_midnight + 4 * hour, 0, 0), sunday_midnight + 7 * DAY + 3 * hour);
        assert_eq!(weekly.next(sunday_midnight - DAY, 0, 0), sunday_midnight + 3 * hour);

        let every = read("every 24h").unwrap();
        assert_eq!(every.next(1000, 0, 1000), 1000 + DAY);
        assert_eq!(every.next(1000 + DAY, 0, 1000), 1000 + 2 * DAY);
    }

    #[test]
    fn what_is_not_a_schedule() {
        for text in ["", "daily", "daily 24:00", "daily 3", "caturday 03:00", "every 5s", "every day"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
