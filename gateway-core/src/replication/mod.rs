//! State on its way to the other members (CL-66 to CL-69, CL-79).
//!
//! Every member holds every session. What one does, it tells all others in numbered [`Change`]s over a stream to each, and
//! a [`Gate`] keeps its replies to clients back until enough of them have it (H-CL-24). A member that joins takes one
//! snapshot, with changes of all origins going on meanwhile (H-CL-25).
//!
//! Three things make the members' tables equal, in whatever order changes of different origins arrive:
//!
//! 1. A [`Stamp`] orders all changes, and one that was made in the knowledge of another is the greater one. Of two
//!    changes about an address the greater counts; the end of a session names the change it ends.
//! 2. The changes of an origin arrive in order and without gaps: each names the one before it.
//! 3. [`Positions`] say which changes a member has seen. So whoever takes a snapshot knows, of a session that is not in it,
//!    whether the sender has seen it end or has not seen it yet: no graves need to be kept for that.

mod aside;
mod change;
mod codec;
mod codec6;
mod command;
mod engine;
mod fence;
mod fetch;
mod frame;
mod gate;
mod log;
mod lost;
mod outgoing;
mod peer;
mod positions;
mod serve;
mod stamp;

pub use aside::{Interface, Segment};
pub use change::{Change, Essential, Essential6, Initial, Initial6, LeaseState, Record, Said, SessionState};
pub use command::{Command, Event, Octets, Refusal};
pub use engine::{Counters, PeerEvent, Replication, ReplicationConfig};
pub use frame::{Decoder, Frame, MAX_FRAME, Malformed, ResyncReason, Update};
pub use gate::{Gate, GateCommand, GateConfig, WhenShort};
pub use positions::Positions;
pub use stamp::{Stamp, StampClock};

#[cfg(test)]
mod tests;
