//! What an operator reads of the server's decisions.

use gateway_core::line::HardwareAddress;

use crate::event::Event;

pub(crate) fn log(event: &Event) {
    match event {
        Event::BulkReleased { relay, key_id, scope, txid, released, skipped } => {
            tracing::info!(%relay, ?key_id, ?scope, txid = format_args!("{txid:016x}"), released, skipped, "single logout");
        }
        Event::BulkRefused { relay, device, reason } => {
            tracing::warn!(%relay, ?device, ?reason, "single logout refused");
        }
        Event::Exhausted { link } => tracing::debug!(%link, "no address left"),
        Event::Conflict { address, evidence, client } => {
            let client = client.map(HardwareAddress::ethernet).map(|mac| mac.to_string());
            tracing::warn!(%address, ?evidence, ?client, "somebody unknown uses an address: nobody gets it for a while");
        }
        Event::ReservedInUse { address, holder } => {
            let holder = holder.map(HardwareAddress::ethernet).map(|mac| mac.to_string());
            tracing::warn!(%address, ?holder, "a reserved address is in use by another");
        }
        Event::StaleEpoch { scope, ended } => tracing::debug!(?scope, ?ended, "login with an epoch already ended"),
    }
}
