//! Reading: the whole table at the start, what others changed since, single records.

use std::collections::BTreeSet;
use std::time::Duration;

use gateway_core::time::Instant;
use tokio::sync::mpsc;
use tokio_postgres::types::Type;
use tokio_postgres::{IsolationLevel, Row};

use super::{Error, Link};
use crate::config::Config;
use crate::shared::{News, Tables};
use crate::shell::clock;

/// `$1`: the last change that is known; `$2`: the session that reads. One row without a record if there is nothing new. All of
/// it is of one moment, so that there is no gap between the records and the number of the last change.
pub(super) const FOLLOW: &str = "
SELECT clock.change, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, record.key, record.value
FROM gateway.clock LEFT JOIN gateway.record ON record.change > $1 AND record.session <> $2
WHERE clock.one
ORDER BY record.change";

/// `$1`: keys.
pub(super) const READ: &str = "SELECT key, value FROM gateway.record WHERE key = ANY ($1::bytea[])";

/// The database's clock is only believed if it answered as fast as this, or at the start.
const PROMPT: Duration = Duration::from_millis(100);
/// Records on their way into the table.
const ON_THE_WAY: usize = 4096;

impl Link {
    /// What other sessions have changed.
    pub(super) async fn follow_changes(&mut self) -> Result<News, Error> {
        let asked = clock::now();
        let rows = self.client.query(&self.statements.follow, &[&self.seen, &self.session]).await?;
        self.set_clock(rows.first().map(|row| row.get(1)), asked, PROMPT);
        let seen = rows.first().map_or(self.seen, |row| row.get(0));
        let news = rows.iter().filter_map(|row| Some((row.get::<_, Option<_>>(2)?, row.get(3)))).collect();
        self.seen = seen;
        Ok(news)
    }

    /// Records by key.
    pub(super) async fn read_records(&mut self, keys: &BTreeSet<Vec<u8>>) -> Result<News, Error> {
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let rows = self.client.query(&self.statements.read, &[&keys]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Tables with all that is in the database, as of one moment.
    pub(super) async fn load(&mut self, config: &Config) -> Result<Tables, Error> {
        let asked = clock::now();
        let address = self.listen.to_string();
        let transaction = self
            .client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        transaction.batch_execute("SET LOCAL statement_timeout = 0").await?;
        let clock = transaction
            .query_one(
                "SELECT change, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM gateway.clock",
                &[],
            )
            .await?;
        let seen = clock.get(0);
        let (unix, now) = (unix(clock.get(1), asked), clock::now());
        let (records, mut read) = mpsc::channel(ON_THE_WAY);
        let config = config.clone();
        let tables = tokio::task::spawn_blocking(move || {
            Tables::new(config, core::iter::from_fn(|| read.blocking_recv()), now, unix.1 + now.since(unix.0))
        });
        // In the order of their keys, so that single logouts come before the leases they ended.
        let queries = [
            "SELECT key, value FROM gateway.record WHERE $1::text IS NOT NULL ORDER BY key",
            "SELECT key, value FROM gateway.own WHERE server = $1::text::inet ORDER BY key",
        ];
        for query in queries {
            let statement = transaction.prepare_typed(query, &[Type::TEXT]).await?;
            let rows = transaction.query_raw(&statement, [&address]).await?;
            let mut rows = core::pin::pin!(rows);
            while let Some(row) = next(&mut rows).await {
                let row = row?;
                if records.send((row.get(0), row.get(1))).await.is_err() {
                    break; // one was found that can't be read, and is told of
                }
            }
        }
        drop(records);
        transaction.commit().await?;
        let tables = tables.await.map_err(|_| Error::Silent)?.map_err(Error::Start)?;
        self.seen = seen;
        self.set_clock(Some(clock.get(1)), asked, Duration::MAX);
        Ok(tables)
    }

    /// `microseconds` since 1970 were told by the database to a question of `asked`.
    fn set_clock(&mut self, microseconds: Option<i64>, asked: Instant, at_most: Duration) {
        let (Some(microseconds), true) = (microseconds, clock::now().since(asked) <= at_most) else { return };
        let (then, unix) = unix(microseconds, asked);
        self.offset = unix.saturating_sub(Duration::from_nanos(then.as_nanos()));
    }
}

/// When that was by both clocks: in the middle between question and answer.
fn unix(microseconds: i64, asked: Instant) -> (Instant, Duration) {
    let then = asked + clock::now().since(asked) / 2;
    (then, Duration::from_micros(u64::try_from(microseconds).unwrap_or(0)))
}

async fn next(rows: &mut core::pin::Pin<&mut tokio_postgres::RowStream>) -> Option<Result<Row, tokio_postgres::Error>> {
    core::future::poll_fn(|context| futures_core::Stream::poll_next(rows.as_mut(), context)).await
}
