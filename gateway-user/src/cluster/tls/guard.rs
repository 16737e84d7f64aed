//! Who is let in: members on the list, with a valid certificate of the cluster's authority.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::member::MemberId;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore, SignatureScheme,
};
use webpki::EndEntityCert;

use super::super::names;
use super::refused::Refused;

/// The last second that a certificate can have: 31 December 9999 (RFC 5280, section 4.1.2.5).
const END_OF_TIME: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(253_402_300_799));

/// The members that may be let in.
#[derive(Clone, Debug)]
pub(super) struct Members {
    /// The cluster's name.
    pub(super) cluster: String,
    /// Each member's number and name.
    pub(super) list: Vec<(MemberId, String)>,
}

impl Members {
    /// The name of a member on the list.
    pub(super) fn name(&self, id: MemberId) -> Option<&str> {
        self.list.iter().find(|(known, _)| *known == id).map(|(_, name)| name.as_str())
    }

    /// The member on the list that a certificate is for.
    pub(super) fn of(&self, certificate: &CertificateDer<'_>) -> Result<(MemberId, &str), Refused> {
        let parsed = EndEntityCert::try_from(certificate).map_err(|error| Refused::Other(error.to_string()))?;
        let names: Vec<_> = parsed.valid_dns_names().collect();
        let members: Vec<_> = names.iter().filter_map(|name| names::member_of(name, &self.cluster)).collect();
        // A certificate of the authority has one name. One with two would be two members.
        let found = match members[..] {
            [member] => self.list.iter().find(|(_, name)| name == member),
            _ => None,
        };
        match found {
            Some((id, name)) => Ok((*id, name)),
            None if names.is_empty() => Err(Refused::NotListed("nobody".to_owned())),
            None => Err(Refused::NotListed(names.join(" and "))),
        }
    }
}

/// Looks at the certificates of both kinds of peers: those that connect and those that are connected to.
#[derive(Debug)]
pub(super) struct Guard {
    members: Members,
    servers: Arc<WebPkiServerVerifier>,
    clients: Arc<dyn ClientCertVerifier>,
}

impl Guard {
    pub(super) fn new(
        members: Members,
        provider: &Arc<CryptoProvider>,
        authority: CertificateDer<'static>,
        revoked: CertificateRevocationListDer<'static>,
    ) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let roots = Arc::new(roots);
        let servers = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
        let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        Ok(Self {
            members,
            servers: servers.with_crls([revoked.clone()]).build()?,
            clients: clients.with_crls([revoked]).build()?,
        })
    }

    /// Whether a certificate lets its owner in at this time, and who that is.
    pub(super) fn admits(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(MemberId, &str), Refused> {
        let (own, rest) = chain.split_first().ok_or(Refused::NoCertificate)?;
        self.clients.verify_client_cert(own, rest, now).map_err(|error| Refused::from(&error))?;
        self.members.of(own)
    }

    /// When a certificate ends, in seconds since 1970; `None` where it would not do for another reason.
    pub(super) fn end(&self, own: &CertificateDer<'_>) -> Option<u64> {
        match self.clients.verify_client_cert(own, &[], END_OF_TIME) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                Some(not_after.as_secs())
            }
            _ => None,
        }
    }

    fn listed(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        self.members.of(certificate).map(|_| ()).map_err(refuse)
    }
}

/// As TLS has it. Names that do not do are told to the other side as an unknown certificate.
fn refuse(refused: Refused) -> Error {
    CertificateError::Other(OtherError(Arc::new(refused))).into()
}

impl ServerCertVerifier for Guard {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.servers.verify_server_cert(own, rest, server_name, ocsp, now);
        let error = match verified {
            Ok(verified) => return self.listed(own).map(|()| verified),
            Err(error) => error,
        };
        match error {
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => {
                let found = self.members.of(own).map_err(refuse)?.1.to_owned();
                let wanted = server_name.to_str();
                let wanted = names::member_of(&wanted, &self.members.cluster).unwrap_or(&wanted).to_owned();
                Err(refuse(Refused::OtherMember { wanted, found }))
            }
            error => Err(error),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.servers.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.servers.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.servers.supported_verify_schemes()
    }
}

impl ClientCertVerifier for Guard {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.clients.verify_client_cert(own, rest, now)?;
        self.listed(own).map(|()| verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}
