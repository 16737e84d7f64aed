//! What the authority issued and revoked: a file with a JSON object on each line, to which lines are only added.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

use super::files;

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Authority(Founding),
    Issued(Certificate),
    Revoked(Revocation),
}

/// The first line: whose authority it is.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(super) struct Founding {
    /// The cluster's name.
    pub(super) name: String,
    /// When its own certificate ends.
    #[serde(with = "rfc3339")]
    pub(super) until: OffsetDateTime,
}

/// A certificate that was issued.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Certificate {
    /// Its serial number, 32 hexadecimal digits.
    pub serial: String,
    /// The member's name.
    pub member: String,
    /// The member's address.
    pub address: IpAddr,
    /// When it was issued.
    #[serde(with = "rfc3339")]
    pub issued: OffsetDateTime,
    /// When it ends.
    #[serde(with = "rfc3339")]
    pub expires: OffsetDateTime,
    /// When it was revoked, if it was.
    #[serde(skip)]
    pub revoked: Option<OffsetDateTime>,
}

/// What a certificate is good for.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It lets its member in.
    Valid,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Certificate {
    /// What it is good for at this time.
    pub fn state(&self, now: OffsetDateTime) -> State {
        match self.revoked {
            Some(_) => State::Revoked,
            None if self.expires <= now => State::Expired,
            None => State::Valid,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Revocation {
    serial: String,
    #[serde(with = "rfc3339")]
    at: OffsetDateTime,
}

/// The file, locked as long as this lives: two commands at a time do not spoil it.
#[derive(Debug)]
pub(super) struct Book {
    file: File,
    pub(super) founding: Founding,
    pub(super) certificates: Vec<Certificate>,
}

impl Book {
    /// Begins the file, which must not be there yet.
    pub(super) fn create(path: &Path, founding: Founding) -> anyhow::Result<()> {
        files::create(path, files::PRIVATE, &format!("{}\n", serde_json::to_string(&Line::Authority(founding))?))
    }

    /// Reads the file.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot read {}", path.display());
        let mut file = OpenOptions::new().read(true).append(true).open(path).with_context(cannot)?;
        file.lock().with_context(cannot)?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(cannot)?;
        let (mut founding, mut certificates) = (None, Vec::<Certificate>::new());
        for (index, line) in text.lines().enumerate() {
            let bad = || format!("{}:{}: not a line of an authority's list", path.display(), index + 1);
            match (serde_json::from_str(line).with_context(bad)?, &founding) {
                (Line::Authority(line), None) => founding = Some(line),
                (Line::Issued(certificate), Some(_)) => certificates.push(certificate),
                (Line::Revoked(revocation), Some(_)) => {
                    let found = certificates.iter_mut().find(|certificate| certificate.serial == revocation.serial);
                    found.with_context(bad)?.revoked = Some(revocation.at);
                }
                _ => anyhow::bail!(bad()),
            }
        }
        let founding = founding.with_context(|| format!("{}: empty", path.display()))?;
        Ok(Self { file, founding, certificates })
    }

    fn append(&mut self, line: &Line) -> anyhow::Result<()> {
        let text = serde_json::to_string(line)? + "\n";
        self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()).context("cannot write the list")
    }

    /// Adds a certificate.
    pub(super) fn issued(&mut self, certificate: Certificate) -> anyhow::Result<()> {
        self.append(&Line::Issued(certificate.clone()))?;
        self.certificates.push(certificate);
        Ok(())
    }

    /// Takes note that a certificate is revoked.
    pub(super) fn revoked(&mut self, serial: &str, at: OffsetDateTime) -> anyhow::Result<()> {
        self.append(&Line::Revoked(Revocation { serial: serial.to_owned(), at }))?;
        for certificate in self.certificates.iter_mut().filter(|certificate| certificate.serial == serial) {
            certificate.revoked = Some(at);
        }
        Ok(())
    }
}
