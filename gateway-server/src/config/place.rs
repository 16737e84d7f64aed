//! Where leases are kept.

use core::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where leases are kept.
#[derive(Clone, Debug)]
pub enum Place {
    /// The embedded store, in this directory. One server has it.
    Directory(PathBuf),
    /// A PostgreSQL database, which several servers may share.
    Postgres(Box<Postgres>),
}

impl<P: Into<PathBuf>> From<P> for Place {
    fn from(path: P) -> Self {
        Self::Directory(path.into())
    }
}

/// A PostgreSQL database. What is printed of it has no password.
#[derive(Clone)]
pub struct Postgres {
    pub(crate) config: tokio_postgres::Config,
    /// A file with the password, read at each connection.
    pub password_file: Option<PathBuf>,
}

/// Why a URL does not name a database. It quotes nothing of the URL, which may hold a password.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum UrlError {
    /// Not one that libpq would take.
    #[error("not of the form postgres://USER@HOST:PORT/DATABASE")]
    Form,
    /// `sslmode=require`.
    #[error("with sslmode=require, which this server does not speak: let it connect by a Unix socket or a tunnel")]
    Tls,
    /// It says neither a host nor a socket's directory.
    #[error("without a host: name one, or the directory of the database's socket as host=/run/postgresql")]
    Host,
}

impl Postgres {
    /// Whether a text is meant as the URL of a database.
    pub fn is_url(text: &str) -> bool {
        text.starts_with("postgres:") || text.starts_with("postgresql:")
    }

    /// A database by its URL, as libpq writes it: `postgres://user:password@host:port/database?option=value`; several hosts
    /// are separated by commas, and `?host=/run/postgresql` names the directory of a Unix socket.
    ///
    /// # Errors
    /// When it is no such URL, or asks for TLS.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let config: tokio_postgres::Config = url.parse().map_err(|_| UrlError::Form)?;
        if config.get_hosts().is_empty() {
            return Err(UrlError::Host);
        }
        match config.get_ssl_mode() {
            tokio_postgres::config::SslMode::Disable | tokio_postgres::config::SslMode::Prefer => {}
            _ => return Err(UrlError::Tls),
        }
        Ok(Self { config, password_file: None })
    }

    /// The same with its password in a file.
    pub fn with_password_file(self, password_file: Option<PathBuf>) -> Self {
        Self { password_file, ..self }
    }

    /// Whether the URL itself has a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use tokio_postgres::config::Host;
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts = hosts.collect::<Vec<_>>().join(",");
        match self.config.get_dbname().or(self.config.get_user()) {
            Some(name) => write!(f, "database {name} at {hosts}"),
            None => write!(f, "the database at {hosts}"),
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres({self})")
    }
}
