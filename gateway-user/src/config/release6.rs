//! `[dhcpv6.release]`: releases that the relay starts (draft-gandhewar-dhc-v6-relay-initiated-release).

use std::time::Duration;

use gateway_core::v6::release::{Cause, Causes, Fallback, OnTimeout, ReleaseConfig, Wrap};
use toml::de::DeValue;

use super::reader::Section;

/// RR-4, RR-5: nothing is released for a cause that is not named. Also whether none is named, and the defaults hold.
pub(super) fn read(section: &Section<'_, '_>) -> (ReleaseConfig, bool) {
    let default = ReleaseConfig::default();
    let names: Vec<_> = Cause::ALL.iter().map(|cause| format!("\"{}\"", cause.name())).collect();
    let causes = section.read("causes", &format!("a list of any of {}", names.join(", ")), causes);
    let seconds = |duration: Duration| duration.as_secs() <= 86_400;
    let silent = section.read("silent_for", "a duration up to 24h, such as \"10s\"", |raw| {
        <Duration as super::value::Value>::read(raw).filter(|silent| seconds(*silent))
    });
    let hold = section.read("refusal_hold", "a duration up to 24h, such as \"5m\"", |raw| {
        <Duration as super::value::Value>::read(raw).filter(|hold| seconds(*hold))
    });
    let bounded =
        |key, default: usize, most: u32| section.within(key, u32::try_from(default).unwrap_or(most), 1..=most) as usize;
    let all_causes = causes.is_none();
    let config = ReleaseConfig {
        causes: causes.map_or(default.causes, |at| at.value),
        silent_for: silent.map_or(default.silent_for, |at| at.value),
        wrap: section.choice("wrap", default.wrap, &[("always", Wrap::Always), ("never", Wrap::Never)]),
        release_all: section.or("release_all", default.release_all),
        transmissions: section.within("transmissions", default.transmissions, 1..=10),
        on_timeout: section.choice(
            "on_timeout",
            default.on_timeout,
            &[("keep", OnTimeout::Keep), ("clear", OnTimeout::Clear)],
        ),
        refusal_hold: hold.map_or(default.refusal_hold, |at| at.value),
        fallback: section.choice(
            "fallback",
            default.fallback,
            &[("never", Fallback::Never), ("unanswered", Fallback::Unanswered), ("refused", Fallback::Refused)],
        ),
        window: bounded("window", default.window, 64),
        rate: section.within("rate", default.rate, 1..=10_000),
        individual_rate: section.within("individual_rate", default.individual_rate, 1..=1_000_000),
        hops: bounded("hops", default.hops, 8),
        ..default
    };
    (config, all_causes)
}

fn causes(raw: &DeValue<'_>) -> Option<Causes> {
    let mut causes = Causes::NONE;
    for name in raw.as_array()?.iter() {
        let name = name.get_ref().as_str()?;
        *match Cause::ALL.into_iter().find(|cause| cause.name() == name)? {
            Cause::Admin => &mut causes.admin,
            Cause::Replaced => &mut causes.replaced,
            Cause::Moved => &mut causes.moved,
            Cause::Unavailable => &mut causes.unavailable,
            Cause::Restart => &mut causes.restart,
        } = true;
    }
    Some(causes)
}
