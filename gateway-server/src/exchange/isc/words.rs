//! What the words of a statement mean.

use core::net::IpAddr;

use gateway_core::line::HardwareAddress;
use gateway_core::wire::dhcp6::{Binding, Prefix};
use time::{Date, Month, Time};

use super::super::tokens::Token;
use super::super::{NEVER, State, What, text};

pub(super) fn is_lease(head: &[Token<'_>]) -> bool {
    head.len() == 2 && word(head, 0) == "lease"
}

pub(super) fn is_ia(head: &[Token<'_>]) -> bool {
    head.len() == 2 && matches!(word(head, 0).as_ref(), "ia-na" | "ia-ta" | "ia-pd")
}

/// Whether it begins as statements of such a file do.
pub(super) fn is_known(head: &[Token<'_>]) -> bool {
    let others =
        ["authoring-byte-order", "server-duid", "failover", "host", "group", "class", "subclass", "key", "zone"];
    is_lease(head) || is_ia(head) || others.contains(&word(head, 0).as_ref())
}

/// A word as text; empty when there is none there.
pub(super) fn word<'w>(words: &'w [Token<'_>], index: usize) -> std::borrow::Cow<'w, str> {
    match words.get(index) {
        Some(Token::Word(octets)) => String::from_utf8_lossy(octets),
        _ => "".into(),
    }
}

pub(super) fn binding(text: &str) -> Option<Binding> {
    match text.parse() {
        Ok(What::Six(binding)) => Some(binding),
        Ok(What::Four(_)) => None,
        // Whatever it has behind its length.
        Err(()) => {
            let (address, length) = text.split_once('/')?;
            let length = length.parse().ok().filter(|length| *length < 128)?;
            Prefix::new(address.parse().ok()?, length).map(Binding::Prefix)
        }
    }
}

/// Free, expired, released, reset and kept for the other server of a pair: nobody has it.
pub(super) fn state(text: &str) -> Result<State, String> {
    match text {
        "active" | "bootp" => Ok(State::Active),
        "abandoned" => Ok(State::Abandoned),
        "expired" => Ok(State::Expired),
        "free" | "backup" | "released" | "reset" => Ok(State::Released),
        other => Err(format!("there is no binding state `{}`", other.escape_debug())),
    }
}

/// `5 2026/11/20 11:00:00`, UTC behind the day of the week; `epoch 1795172400`; `never`.
pub(super) fn date(words: &[Token<'_>]) -> Result<u64, String> {
    let read = || match word(words, 0).as_ref() {
        "never" => Some(NEVER),
        "epoch" => word(words, 1).parse().ok(),
        _ => {
            let (day, clock) = (word(words, 1), word(words, 2));
            let (mut day, mut clock) = (day.split('/'), clock.split(':'));
            let month = |text: &str| Month::try_from(text.parse::<u8>().ok()?).ok();
            let (y, m, d) = (day.next()?.parse().ok()?, month(day.next()?)?, day.next()?.parse().ok()?);
            let mut part = || clock.next()?.parse::<u8>().ok();
            let time = Time::from_hms(part()?, part()?, part()?).ok()?;
            let unix = Date::from_calendar_date(y, m, d).ok()?.with_time(time).assume_utc().unix_timestamp();
            u64::try_from(unix).ok()
        }
    };
    read().ok_or_else(|| {
        let shown: Vec<_> = (0..words.len().min(3)).map(|index| word(words, index)).collect();
        format!("`{}` is no time", shown.join(" ").escape_debug())
    })
}

pub(super) fn hardware(words: &[Token<'_>]) -> Result<HardwareAddress, String> {
    let htype = match word(words, 1).as_ref() {
        "ethernet" => Some(1),
        "token-ring" => Some(6),
        "fddi" => Some(8),
        "infiniband" => Some(32),
        other => other.strip_prefix("unknown-").and_then(|number| number.parse().ok()),
    };
    let address = match words.len() {
        2 => Some(Vec::new()), // of a client without one
        _ => text::octets(&word(words, 2)),
    };
    let found = htype.zip(address).and_then(|(htype, address)| text::hardware_of(htype, &address));
    found.ok_or_else(|| format!("`{} {}` is no hardware address", word(words, 1), word(words, 2)))
}

/// A string, or octets with colons between.
pub(super) fn value(words: &[Token<'_>], most: usize) -> Result<Vec<u8>, String> {
    let octets = match words.first() {
        Some(Token::Text(octets)) => Some(octets.clone()),
        Some(Token::Word(_)) => text::octets(&word(words, 0)),
        _ => None,
    };
    octets
        .filter(|octets| octets.len() <= most)
        .ok_or_else(|| "a value that is neither text nor octets, or too long".into())
}

/// A sub-option of option 82. What is not understood is left out: it is told to leasequeries only.
pub(super) fn agent(name: &str, words: &[Token<'_>], information: &mut Vec<u8>) {
    let code = match name {
        "circuit-id" => Some(1),
        "remote-id" => Some(2),
        "DOCSIS-device-class" => Some(4),
        "link-selection" => Some(5),
        "relay-id" => Some(12),
        other => other.strip_prefix("unknown-").and_then(|number| number.parse::<u8>().ok()),
    };
    let octets = match word(words, 0).parse() {
        Ok(IpAddr::V4(address)) => Ok(address.octets().to_vec()),
        _ => value(words, 255),
    };
    if let (Some(code), Ok(octets)) = (code, octets)
        && information.len() + 2 + octets.len() <= 255
        && let Ok(length) = u8::try_from(octets.len())
    {
        information.extend_from_slice(&[code, length]);
        information.extend_from_slice(&octets);
    }
}
