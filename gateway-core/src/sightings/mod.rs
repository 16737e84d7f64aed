//! When subscribers were last seen by all members of a cluster together.
//!
//! Each member's programs see a part of what a subscriber sends (CL-52), so members tell each other whom they saw:
//!
//! ```text
//!   A                                        B
//!   │ ask n ────────────────────────────────▶│  every PERIOD B looks through its cells, and tells everyone who
//!   │◀─────────── page n, first … last ──────│  has asked whom it saw since it looked last
//!   │ ask n+1 ──────────────────────────────▶│
//! ```
//!
//! When the last page has come, A knows of everybody whom B saw until A asked: no clock is compared with another, and one
//! answer at most is on its way to a member, however slow that is. What A was told of counts as seen when the page came, which
//! is a little later than it was: nobody seems to be silent for longer than is true. And nobody counts as silent for any time
//! in which somebody who serves has not told yet whom it saw, or will never tell.

mod codec;
mod page;
mod table;

pub use page::{Message, Page};
pub use table::Sightings;
pub(crate) use table::{LAG, Scan, Sight};

#[cfg(test)]
mod tests;
