//! Packet tables: a frame goes into a program through `BPF_PROG_TEST_RUN`, and what comes out is compared.
//!
//! [`Plane`] is the data plane loaded for a test, with typed access to its maps, in a network namespace of the test's
//! own. [`frame`] builds frames. [`Case`] is one row of a table.

mod batch;
mod case;
mod counters;
pub mod frame;
pub mod namespace;
pub(crate) mod plane;
mod plane6;
mod pool;
mod record;
mod wipe;

pub use case::{Case, check};
pub use plane::{Action, INGRESS, Plane, Ran};
pub use pool::{CAPACITY, Lent};
pub use record::{DropRecord, PuntRecord};
