//! From a URL to a connection, and from there to a server with its table.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio_postgres::Client;

use super::migrate::{VERSION, migrate};
use super::{Error, LIMIT, LOCKS, Link, Statements, follow, limited, tls, write};
use crate::config::Config;
use crate::config::place::Postgres;
use crate::shared::Tables;
use crate::shell::clock;

/// How the database is to treat this connection. What holds a lock, and what waits for one, does so for seconds at most;
/// and the end of a server's host is noticed. Everything is found by an index, whatever the statistics say.
const SETTINGS: &str = "
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
SET default_transaction_isolation = 'read committed';
SET idle_in_transaction_session_timeout = '5s';
SET statement_timeout = '10s';
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 2;
SET tcp_keepalives_count = 3;
SET client_min_messages = 'warning';
SET enable_seqscan = off;
SET jit = off;
";

/// The longest that reading all leases, or changing the schema, may take.
const LOAD_LIMIT: Duration = Duration::from_secs(600);

/// Connects, brings the schema up to date, and reads the tables.
pub(crate) async fn open(place: &Postgres, config: &Config) -> Result<(Link, Tables), Error> {
    let mut link = limited(connect(place, config.listen)).await?;
    let tables = tokio::time::timeout(LOAD_LIMIT, async {
        let former = migrate(&mut link.0, VERSION).await?;
        if former < VERSION {
            tracing::info!(from = former, to = VERSION, "the schema of the lease database was brought up to date");
        }
        let mut link = ready(link, config.listen).await?;
        let (number, of) = link.register(config).await?;
        let mut tables = link.load(config).await?;
        tables.share(number, of);
        Ok((link, tables))
    });
    tables.await.unwrap_or(Err(Error::Silent))
}

type Connected = (Client, Driver);

/// Ends the connection's task with the connection.
pub(super) struct Driver(tokio::task::AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn connect(place: &Postgres, listen: Ipv4Addr) -> Result<Connected, Error> {
    let mut config = place.config.clone();
    if let Some(file) = &place.password_file {
        let text = std::fs::read_to_string(file).map_err(|error| Error::Password(file.clone(), error))?;
        config.password(text.trim_end_matches(['\r', '\n']));
    }
    config.application_name(format!("gateway DHCP server {listen}"));
    config.connect_timeout(LIMIT / 2).tcp_user_timeout(LIMIT).keepalives_idle(LIMIT);
    let (client, connection) = config.connect(tls::connector(&place.trust).map_err(Error::Roots)?).await?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the lease database ended");
        }
    });
    let connected = (client, Driver(task.abort_handle()));
    connected.0.batch_execute(SETTINGS).await?;
    let own: bool = {
        let address = i32::from_be_bytes(listen.octets());
        connected.0.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&LOCKS, &address]).await?.get(0)
    };
    if !own {
        return Err(Error::Taken(listen));
    }
    let fsync: String = connected.0.query_one("SELECT current_setting('fsync')", &[]).await?.get(0);
    if fsync != "on" {
        tracing::warn!("the lease database runs with fsync = {fsync}: a power cut there can lose acknowledged leases");
    }
    Ok(connected)
}

async fn ready((client, driver): Connected, listen: Ipv4Addr) -> Result<Link, Error> {
    let session = client.query_one("SELECT nextval('gateway.session')", &[]).await?.get(0);
    let statements = Statements {
        follow: client.prepare(follow::FOLLOW).await?,
        read: client.prepare(follow::READ).await?,
        write: client.prepare(write::WRITE).await?,
    };
    let offset = clock::unix().saturating_sub(Duration::from_nanos(clock::now().as_nanos()));
    Ok(Link { client, _driver: driver, statements, listen, session, seen: 0, offset })
}
