//! What happened, in the log and in words.

use gateway_core::delegation::{Event, Why};
use gateway_core::time::Instant;

/// Something that an operator wants to read in the course of events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubnetEvent {
    /// When it happened.
    pub at: Instant,
    /// What kind of thing it is: `subnet-leased`, `subnet-lost` …
    pub kind: &'static str,
    /// In words.
    pub text: String,
}

impl SubnetEvent {
    pub(crate) fn of(event: &Event, at: Instant) -> Self {
        Self { at, kind: kind(event), text: words(event) }
    }
}

/// The kinds, which are counted.
pub(crate) fn kind(event: &Event) -> &'static str {
    match event {
        Event::Leased { .. } => "subnet-leased",
        Event::AskedBack { .. } => "subnet-asked-for",
        Event::Refused { .. } => "subnet-refused",
        Event::Returned { .. } => "subnet-returned",
        Event::Expired { .. } => "subnet-expired",
        Event::Obtained { .. } => "subnet-gained",
        Event::Confirmed { .. } => "subnet-confirmed",
        Event::Uncertain { .. } => "subnet-uncertain",
        Event::Certain { .. } => "subnet-certain",
        Event::Deprecated { .. } => "subnet-deprecated",
        Event::Lost { .. } => "subnet-lost",
        Event::Short { .. } => "subnet-short",
        Event::Unanswered => "subnet-unanswered",
        Event::Overlap { .. } => "subnet-overlap",
        Event::Stranger { .. } => "subnet-stranger",
        Event::Quota { .. } => "subnet-quota",
        Event::NotTheirs { .. } => "subnet-not-theirs",
        Event::Unproven { .. } => "subnet-unproven",
        Event::Relayed { .. } => "subnet-relayed",
        Event::Malformed { .. } => "subnet-malformed",
        Event::Unreadable => "subnet-unreadable",
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::Leased { to, subnet } => format!("{subnet} leased to {to}"),
        Event::AskedBack { from, subnet } => {
            format!("{subnet} asked for: {from} uses little of it, or it is wanted back from here")
        }
        Event::Refused { to, subnet } => format!("{subnet} not renewed to {to}"),
        Event::Returned { from, subnet } => format!("{subnet} given back by {from}"),
        Event::Expired { from, subnet } => format!("the lease of {subnet} ended, {from} has not renewed it"),
        Event::Obtained { from, subnet } => format!("{subnet} obtained from {from}"),
        Event::Confirmed { by, subnet } => format!("{subnet} is ours still, says {by}"),
        Event::Uncertain { subnet, time } => {
            format!(
                "{subnet} entered, but others may have parts of it: nothing of it is given for {} s",
                time.as_secs()
            )
        }
        Event::Certain { subnet } => format!("nobody unknown can have a part of {subnet} any more: it is given now"),
        Event::Deprecated { subnet } => format!("{subnet} is wanted back: no new leases of it"),
        Event::Lost { subnet, why } => {
            let why = match why {
                Why::Refused => "its renewal was refused",
                Why::Expired => "its lease ended",
                Why::Released => "it was given back",
                Why::Unknown => "its provider does not know that it is ours",
                Why::Removed => "the operator took it away",
            };
            format!("{subnet} is not ours any more: {why}")
        }
        Event::Short { who: Some(who), prefix } => format!("no /{prefix} to give to {who}"),
        Event::Short { who: None, prefix } => format!("no /{prefix} for our own subscribers"),
        Event::Unanswered => "no provider gives a subnet".to_owned(),
        Event::Overlap { from, subnet } => format!("{from} offered {subnet}, which overlaps what is administered here"),
        Event::Stranger { who } => format!("{who}, who is not among the lessees, asks for a subnet"),
        Event::Quota { who } => format!("{who} has as much as it may"),
        Event::NotTheirs { who, subnet } => format!("{who} speaks of {subnet}, which is another's"),
        Event::Unproven { from } => format!("a message about subnets from {from} is not authentic"),
        Event::Relayed { from, who } => {
            format!("what {who} is to have said came from {from}, or by a relay agent: not heeded")
        }
        Event::Malformed { from, why } => format!("an option 220 from {from} can't be read: {why:?}"),
        Event::Unreadable => "a record about a subnet can't be read".to_owned(),
    }
}

pub(crate) fn log(event: &Event) {
    match event {
        Event::Leased { to, subnet } => tracing::info!(%subnet, %to, "subnet leased"),
        Event::AskedBack { from, subnet } => tracing::info!(%subnet, %from, "subnet asked for"),
        Event::Refused { to, subnet } => tracing::info!(%subnet, %to, "subnet not renewed"),
        Event::Returned { from, subnet } => tracing::info!(%subnet, %from, "subnet given back"),
        Event::Expired { from, subnet } => tracing::warn!(%subnet, %from, "the lease of a subnet ended"),
        Event::Obtained { from, subnet } => tracing::info!(%subnet, %from, "subnet obtained"),
        Event::Confirmed { by, subnet } => tracing::info!(%subnet, %by, "subnet still ours"),
        Event::Uncertain { subnet, time } => tracing::warn!(
            %subnet,
            rests = ?time,
            "entered at a server that has no record of subnets: if it has lost its store, others may have parts of this one, so \
             nothing of it is given for a while; if nobody has, `gateway subnets add --fresh` says so, or fresh = true"
        ),
        Event::Certain { subnet } => {
            tracing::info!(%subnet, "whoever had parts of this subnet before is known or gone: it is given now")
        }
        Event::Deprecated { subnet } => tracing::info!(%subnet, "subnet wanted back by its provider"),
        Event::Lost { subnet, why } => tracing::info!(%subnet, ?why, "subnet ours no more"),
        Event::Short { who, prefix } => {
            let who = who.as_ref().map_or_else(|| "our own hosts".to_owned(), ToString::to_string);
            tracing::warn!(%who, prefix, "no subnet to give");
        }
        Event::Unanswered => tracing::warn!("no provider gives a subnet"),
        Event::Overlap { from, subnet } => {
            tracing::warn!(%subnet, %from, "a subnet that is administered here was offered: is it entered twice?");
        }
        Event::Stranger { who } => tracing::warn!(%who, "who is not among the lessees asks for a subnet"),
        Event::Relayed { from, who } => {
            tracing::warn!(%from, %who, "a message about subnets came through a relay agent, or from an address that is not its own");
        }
        Event::Quota { who } => tracing::warn!(%who, "a lessee has as much as it may"),
        Event::NotTheirs { who, subnet } => tracing::warn!(%who, %subnet, "a server speaks of another's subnet"),
        Event::Unproven { from } => tracing::warn!(%from, "a message about subnets is not authentic"),
        Event::Malformed { from, why } => tracing::warn!(%from, ?why, "an option 220 that can't be read"),
        Event::Unreadable => tracing::error!("a record about a subnet can't be read"),
    }
}
