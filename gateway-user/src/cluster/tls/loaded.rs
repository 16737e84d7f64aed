//! The files of a member, read and made into what TLS works with.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};

use super::guard::{Guard, Members};
use crate::config::open_to_others;

/// Where a member's files are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its key, for its owner's eyes only.
    pub key: PathBuf,
    /// The certificate of the cluster's authority.
    pub ca: PathBuf,
    /// The authority's list of revoked certificates.
    pub crl: PathBuf,
}

/// The octets of the four files, to see whether they changed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
    ca: Vec<u8>,
    crl: Vec<u8>,
}

impl Texts {
    pub(super) fn read(files: &Files) -> anyhow::Result<Self> {
        let text = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        Ok(Self {
            certificate: text(&files.certificate)?,
            key: text(&files.key)?,
            ca: text(&files.ca)?,
            crl: text(&files.crl)?,
        })
    }
}

/// A key that more than its owner may read is none.
pub(crate) fn private(key: &Path) -> anyhow::Result<()> {
    let mode = open_to_others(key);
    ensure!(
        mode.is_none(),
        "{} may be read by others (mode {:o}); would do: chmod 600 {0}",
        key.display(),
        mode.unwrap_or_default()
    );
    Ok(())
}

/// What connections are made with.
pub(super) struct Loaded {
    pub(super) guard: Arc<Guard>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
}

impl Loaded {
    pub(super) fn new(texts: &Texts, files: &Files, members: &Members) -> anyhow::Result<Self> {
        private(&files.key)?;
        let is_no = |path: &Path, what: &str| format!("{} is no {what} in PEM", path.display());
        let chain = CertificateDer::pem_slice_iter(&texts.certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.with_context(|| is_no(&files.certificate, "certificate"))?;
        ensure!(!chain.is_empty(), is_no(&files.certificate, "certificate"));
        let key = PrivateKeyDer::from_pem_slice(&texts.key).with_context(|| is_no(&files.key, "key"))?;
        let ca = CertificateDer::from_pem_slice(&texts.ca).with_context(|| is_no(&files.ca, "certificate"))?;
        let crl = CertificateRevocationListDer::from_pem_slice(&texts.crl);
        let crl = crl.with_context(|| is_no(&files.crl, "list of revoked certificates"))?;

        let provider = Arc::new(default_provider());
        let guard = Guard::new(members.clone(), &provider, ca, crl);
        let guard =
            Arc::new(guard.with_context(|| format!("cannot use {} and {}", files.ca.display(), files.crl.display()))?);
        let fits = || format!("{} and {} do not belong together", files.certificate.display(), files.key.display());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[&TLS13])?;
        // `dangerous` are verifiers of one's own; this one asks rustls' first, and then for more.
        let client = client.dangerous().with_custom_certificate_verifier(Arc::clone(&guard) as _);
        let mut client = client.with_client_auth_cert(chain.clone(), key.clone_key()).with_context(fits)?;
        let server = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
        let server = server.with_client_cert_verifier(Arc::clone(&guard) as _);
        let mut server = server.with_single_cert(chain.clone(), key).with_context(fits)?;
        // A resumed session would not look at certificates again: one that was revoked would still do.
        client.resumption = Resumption::disabled();
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self { guard, chain, client: Arc::new(client), server: Arc::new(server) })
    }
}
