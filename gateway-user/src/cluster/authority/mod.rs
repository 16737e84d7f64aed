//! The cluster's authority: it issues members' certificates and revokes them (H-CL-9, CL-12). It is a directory on any host,
//! best on none of the members; nothing of it is needed while the cluster runs.
//!
//! ```text
//! ca.key                 the authority's key: whoever has it makes members
//! ca.pem                 its certificate
//! crl.pem                the list of revoked certificates
//! certificates.jsonl     what was issued and revoked
//! members/NAME/          what member NAME needs: certificate.pem, key.pem, ca.pem, crl.pem
//! ```

mod book;
mod files;
mod sign;
#[cfg(test)]
mod tests;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rcgen::{Issuer, KeyPair};
use time::{Duration, OffsetDateTime};

pub use book::{Certificate, State};

use super::names;
use book::{Book, Founding};

/// Where an authority is unless the command line says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/etc/gateway/authority";

/// Days that a member's certificate is good for unless the command line says otherwise.
pub const DEFAULT_DAYS: u32 = 730;

/// Days that an authority is good for.
const AUTHORITY_DAYS: i64 = 20 * 365;

const KEY: &str = "ca.key";
const CERTIFICATE: &str = "ca.pem";
const REVOKED: &str = "crl.pem";
const BOOK: &str = "certificates.jsonl";

/// A certificate that was issued, and the directory to copy to its member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: Certificate,
    /// `certificate.pem`, `key.pem`, `ca.pem`, `crl.pem`.
    pub bundle: PathBuf,
}

/// An authority, open for one command: another waits until this one is done.
pub struct Authority {
    directory: PathBuf,
    book: Book,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes the authority of a cluster.
    ///
    /// # Errors
    /// The name is none, or the directory has an authority already, which is never overwritten.
    pub fn found(directory: &Path, cluster: &str, now: OffsetDateTime) -> anyhow::Result<Self> {
        ensure!(names::is_label(cluster), "\"{cluster}\" is no name of a cluster; would do: {}", names::LABEL);
        if let Some(there) =
            [KEY, CERTIFICATE, REVOKED, BOOK].map(|name| directory.join(name)).iter().find(|path| path.exists())
        {
            bail!(
                "{} is there already: an authority is never overwritten, its members would be strangers; \
                 would do: another --directory",
                there.display()
            );
        }
        let until = now + Duration::days(AUTHORITY_DAYS);
        let pair = sign::found(cluster, now, until)?;
        files::directory(directory)?;
        files::create(&directory.join(KEY), files::PRIVATE, &pair.key)?;
        files::create(&directory.join(CERTIFICATE), files::PUBLIC, &pair.certificate)?;
        let issuer = sign::issuer(cluster, &pair.key)?;
        files::create(&directory.join(REVOKED), files::PUBLIC, &sign::revocations(&issuer, &[], now)?)?;
        Book::create(&directory.join(BOOK), Founding { name: cluster.to_owned(), until })?;
        Self::open(directory)
    }

    /// Opens the authority in a directory.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        let book = directory.join(BOOK);
        ensure!(
            book.exists(),
            "{} has no authority; would do: --directory of one, or `gateway cluster init-ca`",
            directory.display()
        );
        let book = Book::open(&book)?;
        let key = directory.join(KEY);
        let text = fs::read_to_string(&key).with_context(|| format!("cannot read {}", key.display()))?;
        let issuer = sign::issuer(&book.founding.name, &text)
            .with_context(|| format!("{} is not the key of an authority", key.display()))?;
        Ok(Self { directory: directory.to_owned(), book, issuer })
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.book.founding.name
    }

    /// All certificates, in the order in which they were issued.
    pub fn certificates(&self) -> &[Certificate] {
        &self.book.certificates
    }

    /// Issues a certificate to a member for so many days, and writes the directory that the member needs. With `renew`, the
    /// member may have a valid one already; that one stays valid until it ends or is revoked, its files are replaced.
    ///
    /// # Errors
    /// The name is none, the member has a certificate, or the authority ends before the certificate would.
    pub fn issue(
        &mut self,
        member: &str,
        address: IpAddr,
        days: u32,
        renew: bool,
        now: OffsetDateTime,
    ) -> anyhow::Result<Issued> {
        ensure!(names::is_label(member), "\"{member}\" is no name of a member; would do: {}", names::LABEL);
        ensure!(days > 0, "a certificate for no day lets nobody in; would do: --days 1 or more");
        let mut valid = self.book.certificates.iter().filter(|known| known.state(now) == State::Valid);
        if let Some(known) = valid.find(|known| known.member == member && !renew) {
            bail!(
                "{member} has a certificate until {} (serial {}); would do: --renew, or `gateway cluster revoke {member}` first",
                known.expires.date(),
                known.serial
            );
        }
        let now = now.replace_nanosecond(0)?;
        let expires = now + Duration::days(i64::from(days));
        let until = self.book.founding.until;
        ensure!(expires <= until, "the authority itself ends on {}; would do: fewer --days", until.date());
        let serial = sign::new_serial()?;
        let certificate =
            Certificate { serial, member: member.to_owned(), address, issued: now, expires, revoked: None };
        let pair = sign::member(&self.issuer, &self.book.founding.name, &certificate)?;
        // On the list first: there is no certificate that could not be revoked.
        self.book.issued(certificate.clone())?;
        let bundle = self.bundle(member);
        files::directory(&bundle)?;
        files::replace(&bundle.join("key.pem"), files::PRIVATE, &pair.key)?;
        files::replace(&bundle.join("certificate.pem"), files::PUBLIC, &pair.certificate)?;
        for name in [CERTIFICATE, REVOKED] {
            let from = self.directory.join(name);
            let text = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
            files::replace(&bundle.join(name), files::PUBLIC, &text)?;
        }
        Ok(Issued { certificate, bundle })
    }

    /// Revokes a certificate by its serial number, or all valid ones of a member; what was revoked. The new list of revoked
    /// certificates is written beside the authority and into the directory of each member.
    ///
    /// # Errors
    /// There is no such certificate, or it is revoked already.
    pub fn revoke(&mut self, which: &str, now: OffsetDateTime) -> anyhow::Result<Vec<Certificate>> {
        let now = now.replace_nanosecond(0)?;
        let all = &self.book.certificates;
        let named = |known: &Certificate| known.serial == which || known.member == which;
        ensure!(all.iter().any(named), "{}", self.unknown(which));
        let mut after = all.clone();
        let mut revoked = Vec::new();
        for known in after.iter_mut().filter(|known| named(known) && known.state(now) == State::Valid) {
            known.revoked = Some(now);
            revoked.push(known.clone());
        }
        // The list first: a revocation that was written down holds, and one that was not is asked for again.
        let list = sign::revocations(&self.issuer, &after, now)?;
        files::replace(&self.directory.join(REVOKED), files::PUBLIC, &list)?;
        for certificate in &revoked {
            self.book.revoked(&certificate.serial, now)?;
        }
        let members: std::collections::BTreeSet<_> = after.iter().map(|known| &known.member).collect();
        for bundle in members.into_iter().map(|member| self.bundle(member)).filter(|bundle| bundle.exists()) {
            files::replace(&bundle.join(REVOKED), files::PUBLIC, &list)?;
        }
        ensure!(!revoked.is_empty(), "{which} has no valid certificate: all are revoked or have expired");
        Ok(revoked)
    }

    /// Where the list of revoked certificates is.
    pub fn revocations(&self) -> PathBuf {
        self.directory.join(REVOKED)
    }

    fn bundle(&self, member: &str) -> PathBuf {
        self.directory.join("members").join(member)
    }

    fn unknown(&self, which: &str) -> String {
        let mut known: Vec<_> = self.book.certificates.iter().map(|known| known.member.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        match &known[..] {
            [] => format!("no certificate of {which}: none was issued yet"),
            known => format!(
                "no certificate of {which}; would do: a member ({}), or a serial number of `gateway cluster list`",
                known.join(", ")
            ),
        }
    }
}
