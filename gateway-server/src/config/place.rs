//! Where leases are kept.

use core::fmt;
use std::path::PathBuf;

use thiserror::Error;
use tokio_postgres::config::TargetSessionAttrs;

/// Where leases are kept.
#[derive(Clone, Debug)]
pub enum Place {
    /// The embedded store, in this directory. One server has it.
    Directory(PathBuf),
    /// A PostgreSQL database, which several servers may share.
    Postgres(Box<Postgres>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => directory.display().fmt(f),
            Self::Postgres(database) => database.fmt(f),
        }
    }
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
    /// What a database that speaks TLS has to prove.
    pub(crate) trust: Trust,
    /// A file with the password, read at each connection.
    pub password_file: Option<PathBuf>,
}

/// What the certificate of a database has to prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// Nothing (`prefer`, `require`): whoever listens in learns nothing, whoever stands in between does.
    Anyone,
    /// That one of these issued it (`verify-ca`).
    Chain(Roots),
    /// That, and that it is for the host of the URL (`verify-full`).
    Name(Roots),
}

/// Certificates of authorities.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Roots {
    /// Those that the host trusts.
    System,
    /// Those of a file, in PEM.
    File(PathBuf),
}

/// Why a URL does not name a database. It quotes nothing of the URL, which may hold a password.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum UrlError {
    /// Not one that libpq would take.
    #[error("not of the form postgres://USER@HOST:PORT/DATABASE")]
    Form,
    /// Of `sslmode`.
    #[error("with another sslmode than disable, prefer, require, verify-ca and verify-full")]
    Mode,
    /// Of `sslrootcert`.
    #[error("with sslrootcert beside sslmode=disable, which would never look at it")]
    UnusedRoots,
    /// An option of libpq that it does without.
    #[error("with {0}, which this server does not know: it identifies itself by a password, or by the socket it uses")]
    Option(&'static str),
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
    /// are separated by commas, and `?host=/run/postgresql` names the directory of a Unix socket. Of several hosts the first
    /// that takes writes is used, unless `target_session_attrs` says otherwise.
    ///
    /// `sslmode` says whether it must speak TLS (1.3), and what its certificate has to prove: `prefer`, the default, takes what
    /// there is, `require` TLS with anyone, `verify-ca` and `verify-full` TLS with who has a certificate of an authority in the
    /// file `sslrootcert`, or of one that the host trusts (`system`, the default), the latter for the host of the URL. With an
    /// `sslrootcert`, `require` is `verify-ca`, as it is to libpq.
    ///
    /// # Errors
    /// When it is no such URL, or asks for what this server does not speak.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let (url, tls) = TlsOptions::split(url)?;
        let mut config: tokio_postgres::Config = url.parse().map_err(|_| UrlError::Form)?;
        if config.get_hosts().is_empty() {
            return Err(UrlError::Host);
        }
        if !url.contains("target_session_attrs=") {
            // Else a standby that is named before the primary is taken, which takes no leases.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let trust = tls.apply(&mut config)?;
        Ok(Self { config, trust, password_file: None })
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

/// What a URL says of TLS.
#[derive(Default)]
struct TlsOptions {
    mode: Option<String>,
    roots: Option<String>,
}

impl TlsOptions {
    /// Takes them out of a URL: what is left is for the client library, which knows not all of them.
    fn split(url: &str) -> Result<(String, Self), UrlError> {
        let mut options = Self::default();
        let Some((front, query)) = url.split_once('?') else { return Ok((url.to_owned(), options)) };
        let mut others = Vec::new();
        for option in query.split('&') {
            match option.split_once('=') {
                Some(("sslmode", value)) => options.mode = Some(value.to_owned()),
                Some(("sslrootcert", value)) => options.roots = Some(unescaped(value).ok_or(UrlError::Form)?),
                Some(("sslcert", _)) => return Err(UrlError::Option("sslcert")),
                Some(("sslkey", _)) => return Err(UrlError::Option("sslkey")),
                Some(("sslcrl", _)) => return Err(UrlError::Option("sslcrl")),
                _ => others.push(option),
            }
        }
        let separator = if others.is_empty() { "" } else { "?" };
        Ok((format!("{front}{separator}{}", others.join("&")), options))
    }

    fn apply(self, config: &mut tokio_postgres::Config) -> Result<Trust, UrlError> {
        use tokio_postgres::config::SslMode;
        let given = self.roots.is_some();
        let roots = match self.roots.as_deref() {
            None | Some("system") => Roots::System,
            Some(path) => Roots::File(path.into()),
        };
        let (mode, trust) = match (self.mode.as_deref(), given) {
            (Some("disable"), true) => return Err(UrlError::UnusedRoots),
            (Some("disable"), false) => (SslMode::Disable, Trust::Anyone),
            (None | Some("prefer"), false) => (SslMode::Prefer, Trust::Anyone),
            (Some("require"), false) => (SslMode::Require, Trust::Anyone),
            // Who names authorities does not want the connection to go on without them.
            (None | Some("prefer" | "require"), true) | (Some("verify-ca"), _) => {
                (SslMode::Require, Trust::Chain(roots))
            }
            (Some("verify-full"), _) => (SslMode::Require, Trust::Name(roots)),
            (Some(_), _) => return Err(UrlError::Mode),
        };
        config.ssl_mode(mode);
        Ok(trust)
    }
}

/// A value without its percent-encoding (RFC 3986 section 2.1).
fn unescaped(value: &str) -> Option<String> {
    let mut octets = Vec::new();
    let mut parts = value.split('%');
    octets.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        octets.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        octets.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(octets).ok()
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

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    fn tls(options: &str) -> Result<(SslMode, Trust), UrlError> {
        let place = Postgres::new(&format!("postgres://gateway@db.example.net/dhcp{options}"))?;
        assert_eq!(place.to_string(), "database dhcp at db.example.net");
        Ok((place.config.get_ssl_mode(), place.trust))
    }

    /// What libpq takes is taken, and means the same or more.
    #[test]
    fn modes_of_tls() {
        let file = || Roots::File("/etc/my ca.pem".into());
        for (options, mode, trust) in [
            ("", SslMode::Prefer, Trust::Anyone),
            ("?connect_timeout=3", SslMode::Prefer, Trust::Anyone),
            ("?sslmode=prefer", SslMode::Prefer, Trust::Anyone),
            ("?sslmode=disable", SslMode::Disable, Trust::Anyone),
            ("?sslmode=require&connect_timeout=3", SslMode::Require, Trust::Anyone),
            ("?sslmode=require&sslrootcert=/etc/my%20ca.pem", SslMode::Require, Trust::Chain(file())),
            ("?sslrootcert=/etc/my%20ca.pem", SslMode::Require, Trust::Chain(file())),
            ("?sslmode=verify-ca", SslMode::Require, Trust::Chain(Roots::System)),
            ("?sslrootcert=/etc/my%20ca.pem&sslmode=verify-full", SslMode::Require, Trust::Name(file())),
            ("?sslmode=verify-full&sslrootcert=system", SslMode::Require, Trust::Name(Roots::System)),
        ] {
            assert_eq!(tls(options), Ok((mode, trust)), "{options}");
        }
        for (options, why) in [
            ("?sslmode=allow", UrlError::Mode),
            ("?sslmode=", UrlError::Mode),
            ("?sslmode=disable&sslrootcert=/ca.pem", UrlError::UnusedRoots),
            ("?sslcert=/me.pem&sslkey=/me.key", UrlError::Option("sslcert")),
            ("?sslrootcert=%2", UrlError::Form),
            ("?unheard=of", UrlError::Form),
        ] {
            assert_eq!(tls(options), Err(why), "{options}");
        }
    }

    /// A standby that is named before the primary, as one that was the primary once, is passed over.
    #[test]
    fn the_one_that_takes_writes() {
        let of = |url| Postgres::new(url).unwrap().config.get_target_session_attrs();
        assert_eq!(of("postgres://dhcp@db1,db2/leases"), TargetSessionAttrs::ReadWrite);
        assert_eq!(of("postgres://dhcp@db1,db2/leases?target_session_attrs=any"), TargetSessionAttrs::Any);
    }
}
