//! Associations of the kernel's SCTP between namespaces, and transfers on them whose every octet is checked.
//!
//! A socket is of the network namespace that it was made in, whoever uses it: so one runtime serves both ends. The host's kernel
//! may have no SCTP; the one that `cargo xtask vm` boots has it.

mod end;
mod pair;
mod transfer;
mod two_lines;

pub use end::{End, LIMIT, PORT, associate, bound, finish, key, runtime, socket, sorted};
pub use pair::{Pair, on};
pub use transfer::{Progress, transfer};
pub use two_lines::{GAP, Restart, TwoLines};
