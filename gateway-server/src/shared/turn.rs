//! One turn: a batch of messages from their arrival to their answers.

use std::collections::BTreeSet;
use std::fmt;

use gateway_core::time::{Duration, Instant};

use super::batch::{Batch, Changes, Datagram, Records, Reply, Settled, Verdict};
use super::tables::{StartError, Tables};

/// Keys and values of records.
pub type News = Vec<(Vec<u8>, Vec<u8>)>;

/// What a turn asks of the database that decides. After an error it is not asked again.
#[allow(async_fn_in_trait, reason = "it is used on one thread")]
pub trait Database {
    /// Why it does not answer.
    type Error: fmt::Display;

    /// Now: since boot, and since 1970 by the one clock of all servers.
    fn now(&self) -> (Instant, Duration);

    /// Common records that others have written since the last time, the first written first.
    async fn follow(&mut self) -> Result<News, Self::Error>;

    /// Common records by key. Those that do not exist are left out.
    async fn read(&mut self, keys: &BTreeSet<Vec<u8>>) -> Result<News, Self::Error>;

    /// Writes, and is done when it is durable: at once, or by [`Self::unlock`]. A common record that another server has
    /// written since it was followed here is refused, all are if a single logout is not known here.
    async fn write(&mut self, changes: &Changes) -> Result<Verdict, Self::Error>;

    /// Nobody else writes until [`Self::unlock`].
    async fn lock(&mut self) -> Result<(), Self::Error>;

    /// Makes durable what was written since [`Self::lock`].
    async fn unlock(&mut self) -> Result<(), Self::Error>;
}

/// Why a turn came to no end. Nothing of it is answered, and the tables are no longer to be trusted.
#[derive(Debug)]
pub enum Failure<E> {
    /// The database does not answer, or not as it should.
    Database(E),
    /// A record of another server can't be read.
    Record(StartError),
    /// It refused what it can't have had a reason to refuse.
    Refused,
}

impl<E> From<E> for Failure<E> {
    fn from(error: E) -> Self {
        Self::Database(error)
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
            Self::Refused => write!(f, "the database refuses what nobody else can have written"),
        }
    }
}

/// Handles messages. What it returns may leave: everything it depends on is durable.
///
/// # Errors
/// When the database fails. None of the messages is answered then.
pub async fn turn<D: Database>(
    database: &mut D,
    tables: &mut Tables,
    datagrams: Vec<Datagram>,
) -> Result<Vec<Reply>, Failure<D::Error>> {
    if datagrams.iter().any(|datagram| tables.is_exclusive(datagram)) {
        return alone(database, tables, Settled { again: datagrams, ..Settled::default() }, false).await;
    }
    learn(database, tables).await?;
    let batch = handled(database, tables, Records::new(), datagrams, false);
    let mut settled = write(database, batch).await?;
    let mut replies = core::mem::take(&mut settled.replies);
    if !settled.again.is_empty() {
        replies.extend(alone(database, tables, settled, true).await?);
    }
    Ok(replies)
}

/// Carries out what `happen` makes the server do on account of no message, with up-to-date tables.
///
/// # Errors
/// When the database fails.
pub(super) async fn aside<D: Database>(
    database: &mut D,
    tables: &mut Tables,
    happen: impl FnOnce(&mut Tables, Instant, Duration),
) -> Result<Vec<Reply>, Failure<D::Error>> {
    learn(database, tables).await?;
    let (now, unix) = database.now();
    happen(tables, now, unix);
    let mut batch = Batch::default();
    batch.take(tables, None);
    let mut settled = write(database, batch).await?;
    let mut replies = core::mem::take(&mut settled.replies);
    if !settled.doubtful.is_empty() || !settled.own.is_empty() {
        replies.extend(alone(database, tables, settled, true).await?);
    }
    Ok(replies)
}

/// Brings the tables up to date.
async fn learn<D: Database>(database: &mut D, tables: &mut Tables) -> Result<(), Failure<D::Error>> {
    let news = database.follow().await?;
    let (now, unix) = database.now();
    tables.learn(&news, now, unix).map_err(Failure::Record)
}

/// Writes what a batch wants written, if anything.
async fn write<D: Database>(database: &mut D, batch: Batch) -> Result<Settled, Failure<D::Error>> {
    let verdict = match batch.changes().is_empty() {
        true => Verdict::Written { refused: BTreeSet::new() },
        false => database.write(batch.changes()).await?,
    };
    Ok(batch.settle(verdict))
}

/// The same while no other server writes.
async fn alone<D: Database>(
    database: &mut D,
    tables: &mut Tables,
    todo: Settled,
    again: bool,
) -> Result<Vec<Reply>, Failure<D::Error>> {
    database.lock().await?;
    learn(database, tables).await?;
    if !todo.doubtful.is_empty() {
        let known = database.read(&todo.doubtful).await?;
        let (now, unix) = database.now();
        let there: BTreeSet<&Vec<u8>> = known.iter().map(|(key, _)| key).collect();
        todo.doubtful.iter().filter(|key| !there.contains(key)).for_each(|key| tables.unlearn(key));
        tables.learn(&known, now, unix).map_err(Failure::Record)?;
    }
    let batch = handled(database, tables, todo.own, todo.again, again);
    let settled = write(database, batch).await?;
    if !settled.again.is_empty() {
        return Err(Failure::Refused);
    }
    database.unlock().await?;
    Ok(settled.replies)
}

fn handled<D: Database>(
    database: &D,
    tables: &mut Tables,
    own: Records,
    datagrams: Vec<Datagram>,
    again: bool,
) -> Batch {
    let mut batch = Batch::after(own);
    for datagram in datagrams {
        let (now, unix) = database.now();
        batch.handle(tables, datagram, again, now, unix);
    }
    batch
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::Config;

    /// At the first write another server has just carried out a single logout.
    #[derive(Default)]
    struct Late {
        writes: usize,
        own: Records,
    }

    impl Database for Late {
        type Error = Infallible;

        fn now(&self) -> (Instant, Duration) {
            (Instant::ZERO + Duration::from_secs(10_000), Duration::from_secs(1_790_000_000))
        }

        async fn follow(&mut self) -> Result<News, Infallible> {
            Ok(News::new())
        }

        async fn read(&mut self, _: &BTreeSet<Vec<u8>>) -> Result<News, Infallible> {
            Ok(News::new())
        }

        async fn write(&mut self, changes: &Changes) -> Result<Verdict, Infallible> {
            self.writes += 1;
            if self.writes == 1 {
                return Ok(Verdict::Stale);
            }
            self.own.extend(changes.own.clone());
            Ok(Verdict::Written { refused: BTreeSet::new() })
        }

        async fn lock(&mut self) -> Result<(), Infallible> {
            Ok(())
        }

        async fn unlock(&mut self) -> Result<(), Infallible> {
            Ok(())
        }
    }

    /// A server's own records, such as the secret of its nonces, are written at the second attempt where nothing else is.
    #[tokio::test]
    async fn own_records_outlive_a_refusal() {
        let mut database = Late::default();
        let (now, unix) = database.now();
        let config = Config::new(Ipv4Addr::new(192, 0, 2, 2), "/nowhere");
        let mut tables = Tables::new(config, [], now, unix).unwrap();
        let seeded = aside(&mut database, &mut tables, |tables, _, _| tables.four().seed([7; 32])).await;
        assert!(seeded.is_ok());
        assert_eq!((database.writes, database.own.len()), (2, 1));
    }
}
