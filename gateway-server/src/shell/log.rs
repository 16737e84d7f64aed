//! What an operator reads of the server's decisions.

use gateway_core::line::HardwareAddress;

use crate::event::Event;
use crate::shell::clock;
use crate::shell::throttle::Throttle;

/// Forged ones come in any number, and a client asks again and again for what another has.
static REFUSED: Throttle = Throttle::new();
static RESERVED: Throttle = Throttle::new();
static CONFLICT: Throttle = Throttle::new();

pub(crate) fn log(event: &Event) {
    match event {
        Event::BulkReleased { relay, key_id, scope, txid, released, skipped } => {
            tracing::info!(%relay, ?key_id, ?scope, txid = format_args!("{txid:016x}"), released, skipped, "single logout");
        }
        Event::BulkRefused { relay, device, reason } => {
            if let Some(unsaid) = REFUSED.admits(clock::now()) {
                tracing::warn!(%relay, ?device, ?reason, unsaid, "single logout refused");
            }
        }
        Event::Exhausted { link } => tracing::debug!(%link, "no address left"),
        Event::Conflict { address, evidence, client } => {
            let client = client.map(HardwareAddress::ethernet).map(|mac| mac.to_string());
            if let Some(unsaid) = CONFLICT.admits(clock::now()) {
                tracing::warn!(%address, ?evidence, ?client, unsaid, "somebody unknown uses an address: nobody gets it for a while");
            }
        }
        Event::ReservedInUse { address, holder } => {
            let holder = holder.map(HardwareAddress::ethernet).map(|mac| mac.to_string());
            if let Some(unsaid) = RESERVED.admits(clock::now()) {
                tracing::warn!(%address, ?holder, unsaid, "a reserved address is in use by another");
            }
        }
        Event::StaleEpoch { scope, ended } => tracing::debug!(?scope, ?ended, "login with an epoch already ended"),
    }
}
