//! What can go wrong with a database, in words without its password.

use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use tokio_postgres::error::SqlState;

use super::migrate::VERSION;
use crate::shared::StartError;

/// Why the database can't be used.
#[derive(Debug)]
pub(crate) enum Error {
    /// It says so, or does not answer.
    Sql(tokio_postgres::Error),
    /// It did not answer in time.
    Silent,
    /// Its schema is of a later version.
    Newer(i32),
    /// Another connection calls itself by the server's address.
    Taken(Ipv4Addr),
    /// The file with the password can't be read.
    Password(PathBuf, std::io::Error),
    /// Certificates of authorities can't be read.
    Roots(String),
    /// There are no random octets.
    Random(std::io::Error),
    /// A server that is connected cuts prefixes of another length from what this one has pools of.
    Pools(IpAddr, String),
    /// What is in it, or the configuration, makes no server.
    Start(StartError),
}

impl Error {
    /// Whether waiting does not help: the operator has to do something.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Sql(error) => error.code().is_some_and(|code| {
                [
                    SqlState::INVALID_PASSWORD,
                    SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                    SqlState::INVALID_CATALOG_NAME,
                    SqlState::INSUFFICIENT_PRIVILEGE,
                ]
                .contains(code)
            }),
            Self::Newer(_) | Self::Password(..) | Self::Roots(_) | Self::Start(_) => true,
            Self::Silent | Self::Taken(_) | Self::Random(_) | Self::Pools(..) => false,
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql(error) => match error.as_db_error() {
                Some(said) => write!(f, "it says {:?} (SQLSTATE {})", said.message(), said.code().code()),
                None => {
                    write!(f, "{error}")?;
                    let inner = error.source().map(ToString::to_string);
                    match inner.filter(|inner| !error.to_string().contains(inner)) {
                        Some(inner) => write!(f, ": {inner}"),
                        None => Ok(()),
                    }
                }
            },
            Self::Silent => write!(f, "no answer in time"),
            Self::Newer(version) => write!(
                f,
                "its schema \"gateway\" is of version {version}, and this server knows up to {VERSION}: a later version of \
                 the gateway made it; run that one here too, or use another database"
            ),
            Self::Taken(address) => write!(
                f,
                "another server that listens on {address} uses it, or the end of a former connection was not noticed yet"
            ),
            Self::Password(file, error) => write!(f, "the password can't be read from {}: {error}", file.display()),
            Self::Roots(why) => write!(f, "no certificate to hold its own against: {why}"),
            Self::Pools(server, pools) => write!(
                f,
                "the server on {server} leases {pools}: leases would overlap; give all servers the same DHCPv6 pools, or end that one"
            ),
            Self::Random(error) => write!(f, "no random octets: {error}"),
            Self::Start(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
