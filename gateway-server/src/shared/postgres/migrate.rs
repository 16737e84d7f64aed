//! Making the schema, and bringing an older one up to date.

use tokio_postgres::Client;

use super::Error;
use super::schema::STEPS;

/// Advisory lock of whoever changes the schema. The second number of a server's own lock is its address, which is never 0.
const LOCK: (i32, i32) = (super::LOCKS, 0);

/// The version that this server works with.
pub const VERSION: i32 = STEPS.len() as i32; // there are a handful

/// Brings the schema to `version`, which is at most [`VERSION`], and says which it was before: 0 for none. One server does so
/// at a time, and it is all of it or nothing.
///
/// # Errors
/// When a later version of the gateway made the schema: it may mean something else by what is there.
pub(crate) async fn migrate(client: &mut Client, version: i32) -> Result<i32, Error> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&LOCK.0, &LOCK.1]).await?;
    let there: bool = transaction.query_one("SELECT to_regclass('gateway.version') IS NOT NULL", &[]).await?.get(0);
    let former: i32 = match there {
        true => transaction.query_one("SELECT coalesce(max(version), 0) FROM gateway.version", &[]).await?.get(0),
        false => 0,
    };
    if former > VERSION {
        return Err(Error::Newer(former));
    }
    if !there {
        transaction
            .batch_execute(
                "CREATE SCHEMA IF NOT EXISTS gateway;
                 CREATE TABLE gateway.version (version integer PRIMARY KEY, since timestamptz NOT NULL DEFAULT now());",
            )
            .await?;
    }
    for (number, step) in (1..).zip(STEPS).filter(|(number, _)| (former + 1..=version).contains(number)) {
        transaction.batch_execute(step).await?;
        transaction.execute("INSERT INTO gateway.version (version) VALUES ($1)", &[&number]).await?;
    }
    transaction.commit().await?;
    Ok(former)
}
