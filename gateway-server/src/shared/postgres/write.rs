//! Writing: one statement for a batch.

use std::collections::BTreeSet;

use super::{Error, Link};
use crate::record;
use crate::shared::{Changes, Records, Verdict};

/// One transaction. `$1`: whether it is a single logout; `$2`: the last change that is known; `$3`: the session that writes; `$4`,
/// `$5`: keys and values of common records; `$6`: keys of those that go; `$7`: the server, `$8`, `$9`: keys and values of its
/// own records; `$10`: keys of those that go. No row where a single logout is not known yet, else the keys written.
///
/// The row of `clock` is taken first, and kept until the end: of several writers one is at it, and each sees of `clock` and
/// of the records it overwrites what the one before it left, whatever there was when its statement began.
pub(super) const WRITE: &str = "
WITH turn AS (
    UPDATE gateway.clock
    SET change = change + 1, logout = CASE WHEN $1::boolean THEN change + 1 ELSE logout END
    WHERE one AND logout <= $2::bigint
    RETURNING change
), written AS (
    INSERT INTO gateway.record AS record (key, value, change, session)
    SELECT new.key, new.value, turn.change, $3::bigint FROM turn, unnest($4::bytea[], $5::bytea[]) AS new (key, value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, change = excluded.change, session = excluded.session
    WHERE record.change <= $2 OR record.session = $3
    RETURNING record.key
), gone AS (
    DELETE FROM gateway.record USING turn
    WHERE record.key = ANY ($6::bytea[]) AND (record.change <= $2 OR record.session = $3)
), own AS (
    INSERT INTO gateway.own (server, key, value)
    SELECT $7::text::inet, new.key, new.value FROM turn, unnest($8::bytea[], $9::bytea[]) AS new (key, value)
    ON CONFLICT (server, key) DO UPDATE SET value = excluded.value
), own_gone AS (
    DELETE FROM gateway.own USING turn WHERE own.server = $7::text::inet AND own.key = ANY ($10::bytea[])
)
SELECT ARRAY (SELECT key FROM written) FROM turn";

impl Link {
    /// Writes, as [`crate::shared::Database::write`] says.
    pub(super) async fn write_changes(&mut self, changes: &Changes) -> Result<Verdict, Error> {
        let is_logout = changes.common.iter().any(|(key, value)| value.is_some() && record::is_cutoff(key));
        let (keys, values, gone) = columns(&changes.common);
        let (own_keys, own_values, own_gone) = columns(&changes.own);
        let address = self.listen.to_string();
        let row = self
            .client
            .query_opt(
                &self.statements.write,
                &[
                    &is_logout,
                    &self.seen,
                    &self.session,
                    &keys,
                    &values,
                    &gone,
                    &address,
                    &own_keys,
                    &own_values,
                    &own_gone,
                ],
            )
            .await?;
        let Some(row) = row else { return Ok(Verdict::Stale) };
        let written: Vec<&[u8]> = row.get(0);
        let refused = match written.len() == keys.len() {
            true => BTreeSet::new(),
            false => {
                let written: BTreeSet<&[u8]> = written.into_iter().collect();
                keys.into_iter().filter(|key| !written.contains(key)).map(<[u8]>::to_vec).collect()
            }
        };
        Ok(Verdict::Written { refused })
    }

    /// Begins a transaction in which nobody else writes.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        self.client.batch_execute("BEGIN; SELECT FROM gateway.clock FOR UPDATE").await.map_err(Error::from)
    }

    /// Ends it.
    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        self.client.batch_execute("COMMIT").await.map_err(Error::from)
    }
}

type Columns<'a> = (Vec<&'a [u8]>, Vec<&'a [u8]>, Vec<&'a [u8]>);

/// Keys and values of what is written, and keys of what goes.
fn columns(records: &Records) -> Columns<'_> {
    let (mut keys, mut values, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in records {
        match value {
            Some(value) => {
                keys.push(key.as_slice());
                values.push(value.as_slice());
            }
            None => gone.push(key.as_slice()),
        }
    }
    (keys, values, gone)
}
