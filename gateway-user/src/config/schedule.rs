//! When an FPC restarts by schedule (BR-20).

use std::time::Duration;

use toml::de::DeValue;

use super::value::Value;

/// `"daily 03:00"` (local time), or `"every 24h"` counted from the start of the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Schedule {
    /// Each day, this many seconds after local midnight.
    Daily(u32),
    /// Each time this much has passed (BR-20: "after a set period").
    Every(Duration),
}

impl Schedule {
    /// The schedule in terms of the UTC day; `offset` is local time minus UTC in seconds.
    pub fn in_utc(self, offset: i64) -> gateway_core::fpc::Schedule {
        match self {
            Self::Every(period) => gateway_core::fpc::Schedule::Every(period),
            Self::Daily(second) => {
                let second = (i64::from(second) - offset).rem_euclid(86_400);
                gateway_core::fpc::Schedule::Daily { second: second as u32 }
            }
        }
    }
}

impl Value for Schedule {
    const WOULD_DO: &'static str = "\"daily 03:00\" (local time) or \"every 24h\" (1m or more)";

    fn read(raw: &DeValue<'_>) -> Option<Self> {
        let (when, time) = raw.as_str()?.split_once(' ')?;
        match when {
            "every" => {
                let period = Duration::read(&DeValue::String(time.trim().into()))?;
                (period >= Duration::from_secs(60)).then_some(Self::Every(period))
            }
            "daily" => {
                let (hour, minute) = time.trim().split_once(':')?;
                let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
                (hour < 24 && minute < 60).then_some(Self::Daily(hour * 3600 + minute * 60))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::fpc::Schedule as Core;

    fn read(text: &str) -> Option<Schedule> {
        Schedule::read(&DeValue::String(text.into()))
    }

    /// A restart may be triggered by a schedule, at a time of day or after a set period. BR-20
    #[test]
    fn in_utc() {
        let daily = read("daily 03:30").unwrap();
        assert_eq!(daily.in_utc(0), Core::Daily { second: 12_600 });
        assert_eq!(daily.in_utc(2 * 3600), Core::Daily { second: 5400 }, "two hours ahead of UTC");
        assert_eq!(daily.in_utc(5 * 3600), Core::Daily { second: 22 * 3600 + 1800 }, "the day before, in UTC");
        assert_eq!(read("every 24h").unwrap().in_utc(3600), Core::Every(Duration::from_secs(86_400)));
    }

    #[test]
    fn what_is_not_a_schedule() {
        for text in ["", "daily", "daily 24:00", "daily 3", "sometimes 03:00", "every 5s", "every day"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
