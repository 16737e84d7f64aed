//! PostgreSQL as the [`Database`] of servers that share their leases.
//!
//! A write is one statement and so one transaction and one round trip, however many messages it is for. It is durable when
//! it returns: `synchronous_commit` is on, or waits for standbys too where the database is set so.

mod connect;
mod error;
mod follow;
mod migrate;
mod register;
mod schema;
mod tls;
mod write;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use gateway_core::time::Instant;
use tokio_postgres::{Client, Statement};

use self::connect::Driver;
pub(crate) use self::connect::open;
pub(crate) use self::error::Error;
pub use self::migrate::VERSION;
use crate::shared::{Changes, Database, News, Verdict};
use crate::shell::clock;

/// First number of the advisory locks: "gate".
const LOCKS: i32 = 0x6761_7465;
/// How long the database may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// A connection of one server. An error is its end.
pub(crate) struct Link {
    client: Client,
    _driver: Driver,
    statements: Statements,
    listen: Ipv4Addr,
    /// Number of this connection among all that there ever were: by it the server knows its own records again.
    session: i64,
    /// All changes up to this one are known here.
    seen: i64,
    /// The database's clock minus time since boot.
    offset: Duration,
}

struct Statements {
    follow: Statement,
    read: Statement,
    write: Statement,
}

impl Database for Link {
    type Error = Error;

    fn now(&self) -> (Instant, Duration) {
        let now = clock::now();
        (now, self.unix(now))
    }

    async fn follow(&mut self) -> Result<News, Error> {
        limited(self.follow_changes()).await
    }

    async fn read(&mut self, keys: &BTreeSet<Vec<u8>>) -> Result<News, Error> {
        limited(self.read_records(keys)).await
    }

    async fn write(&mut self, changes: &Changes) -> Result<Verdict, Error> {
        limited(self.write_changes(changes)).await
    }

    async fn lock(&mut self) -> Result<(), Error> {
        limited(self.begin()).await
    }

    async fn unlock(&mut self) -> Result<(), Error> {
        limited(self.commit()).await
    }
}

impl Link {
    fn unix(&self, now: Instant) -> Duration {
        self.offset + Duration::from_nanos(now.as_nanos())
    }
}

/// With a bound: a host without power does not say that it is gone.
async fn limited<T>(operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(LIMIT, operation).await.unwrap_or(Err(Error::Silent))
}
