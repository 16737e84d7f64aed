//! Making a server known to those that it shares leases with, and what they all have to agree on.

use std::net::{IpAddr, Ipv6Addr};

use super::{Error, LOCKS, Link};
use crate::config::Config;
use crate::record::SECRET;
use crate::shell::ping::random;
use crate::v6::config::span;

/// The secret that clients' nonces are made of, the first server's: each tells clients to renew with what another told them.
/// `$1`: its key, `$2`: octets to be it if there is none, `$3`: the session.
const MAKE_SECRET: &str = "
WITH turn AS (
    UPDATE gateway.clock SET change = change + 1
    WHERE one AND NOT EXISTS (SELECT FROM gateway.record WHERE key = $1::bytea) RETURNING change
)
INSERT INTO gateway.record (key, value, change, session) SELECT $1, $2::bytea, turn.change, $3::bigint FROM turn";

/// Which of how many servers `$1` is.
const NUMBER: &str = "
SELECT count(*) FILTER (WHERE number < (SELECT number FROM gateway.server WHERE address = $1::text::inet)), count(*)
FROM gateway.server";

/// `$1`: the server; `$2` to `$4`: first and last addresses of its DHCPv6 pools, and lengths of what they are cut into.
const POOLS: &str = "
INSERT INTO gateway.pool (server, first, last, length)
SELECT $1::text::inet, first::inet, last::inet, length FROM unnest($2::text[], $3::text[], $4::smallint[]) AS new (first, last, length)";

/// A pool of a server that is connected, other than `$1`, which overlaps one of its own and is cut otherwise. `$2`: first number of
/// the servers' advisory locks; the second is an address.
const CLASH: &str = "
SELECT theirs.server, host(theirs.first), host(theirs.last), theirs.length
FROM gateway.pool AS ours JOIN gateway.pool AS theirs
    ON theirs.server <> ours.server AND theirs.length <> ours.length
    AND theirs.first <= ours.last AND ours.first <= theirs.last
WHERE ours.server = $1::text::inet AND EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::bigint = $2::integer AND objid::bigint = theirs.server - inet '0.0.0.0'
)
LIMIT 1";

impl Link {
    /// Makes the server known, and says which of how many it is.
    ///
    /// # Errors
    /// When a server that is connected cuts its pools otherwise: a prefix of one and a part of it of the other have different keys,
    /// and the database would not notice that both are leased.
    pub(super) async fn register(&mut self, config: &Config) -> Result<(u32, u32), Error> {
        let address = self.listen.to_string();
        let secret: [u8; 32] = random().map_err(Error::Random)?;
        let transaction = self.client.transaction().await?;
        // One server at a time, so that of two the second one sees the first.
        transaction.batch_execute("SELECT FROM gateway.clock FOR UPDATE").await?;
        transaction
            .execute(
                "INSERT INTO gateway.server (address) VALUES ($1::text::inet)
                 ON CONFLICT (address) DO UPDATE SET since = now()",
                &[&address],
            )
            .await?;
        transaction.execute(MAKE_SECRET, &[&SECRET, &&secret[..], &self.session]).await?;
        transaction.execute("DELETE FROM gateway.pool WHERE server = $1::text::inet", &[&address]).await?;
        let (first, last, length) = pools(config);
        transaction.execute(POOLS, &[&address, &first, &last, &length]).await?;
        if let Some(row) = transaction.query_opt(CLASH, &[&address, &LOCKS]).await? {
            let (first, last): (String, String) = (row.get(1), row.get(2));
            let (server, length): (IpAddr, i16) = (row.get(0), row.get(3));
            return Err(Error::Pools(server, format!("prefixes of length {length} from {first} to {last}")));
        }
        let row = transaction.query_one(NUMBER, &[&address]).await?;
        transaction.commit().await?;
        let number = |index| u32::try_from(row.get::<_, i64>(index)).unwrap_or(u32::MAX);
        Ok((number(0), number(1)))
    }
}

/// First and last addresses of the DHCPv6 pools, and lengths of what they are cut into.
fn pools(config: &Config) -> (Vec<String>, Vec<String>, Vec<i16>) {
    let subnets = config.v6.iter().flat_map(|six| &six.subnets);
    let (mut first, mut last, mut length) = (Vec::new(), Vec::new(), Vec::new());
    let mut pool = |(from, to): (u128, u128), of: u8| {
        first.push(Ipv6Addr::from_bits(from).to_string());
        last.push(Ipv6Addr::from_bits(to).to_string());
        length.push(i16::from(of));
    };
    for subnet in subnets {
        subnet.addresses.iter().for_each(|(from, to)| pool((from.to_bits(), to.to_bits()), 128));
        subnet.prefixes.iter().for_each(|of| pool(span(of.prefix), of.delegated));
    }
    (first, last, length)
}
