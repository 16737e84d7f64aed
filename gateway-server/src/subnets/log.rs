//! What happened, in the log.

use gateway_core::delegation::Event;

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
