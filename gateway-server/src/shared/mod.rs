//! A server that shares its leases with others, in a database that decides.
//!
//! ```text
//!  socket ──batch──▶ follow: the tables learn what others wrote ──▶ Tables ──▶ write, one transaction for the batch
//!                                                                     ▲            │ refused           │ written
//!                                       lock, follow, once more ──────┴────────────┘                   └──▶ replies
//! ```
//! - **The tables are a cache**, [`Tables`]: DHCPv4's, and DHCPv6's where that is served. They are brought up to date after a batch has arrived and before it is handled, so whatever a
//!   client was told by another server before it asked is known here.
//! - **The database decides.** A record is written only if nobody has written it since it was last read. What is refused
//!   is learnt and its message handled again, this time while nobody else writes: then it can't be refused.
//! - **A single logout** is handled while nobody else writes, from the start: it must see every lease. Nobody writes
//!   leases before having learnt of it.
//! - **When the database is away** nothing is answered. When it is back the tables are read anew.
//!
//! [`Batch`] and [`turn`] are the decisions, [`Database`] is what they ask for, [`postgres`] is one.

mod batch;
mod inputs;
pub mod postgres;
mod service;
mod tables;
mod turn;

pub use batch::{Batch, Changes, Datagram, Records, Reply, Settled, Verdict, Version};
pub use service::Shared;
pub use tables::{StartError, Tables};
pub use turn::{Database, Failure, News, turn};
