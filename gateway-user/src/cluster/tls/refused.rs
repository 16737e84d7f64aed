//! Why a connection between members did not come about, in a line for the log.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible};
use thiserror::Error;

/// Why there is no connection.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Refused {
    /// The other side showed no certificate.
    #[error("it has no certificate")]
    NoCertificate,
    /// Its certificate is not one of the cluster's authority.
    #[error("its certificate is of another authority")]
    OtherAuthority,
    /// Its certificate's time is over.
    #[error("its certificate has expired")]
    Expired,
    /// Its certificate's time has not begun; the clocks disagree.
    #[error("its certificate is not valid yet: do the clocks agree?")]
    NotYetValid,
    /// Its certificate was revoked.
    #[error("its certificate is revoked")]
    Revoked,
    /// Whether it was revoked can't be told.
    #[error("the list of revoked certificates is of another authority than its certificate")]
    RevocationUnknown,
    /// Its certificate names no member that the configuration lists.
    #[error("its certificate is of {0}, which is not on the list of members")]
    NotListed(String),
    /// It is another member than it should be or says it is.
    #[error("it is {found}, not {wanted}")]
    OtherMember {
        /// Whom it should be.
        wanted: String,
        /// Who it is.
        found: String,
    },
    /// It speaks an older TLS only.
    #[error("it does not speak TLS 1.3")]
    Version,
    /// It does not speak TLS.
    #[error("it does not speak TLS: {0}")]
    NotTls(String),
    /// The connection came to an end while certificates were shown: that says nothing of them.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It did not end the handshake in time.
    #[error("it did not end the handshake in time")]
    Silent,
    /// It refused us, and said why.
    #[error("it refused us: {0}")]
    ByPeer(&'static str),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Refused {
    /// Whether somebody was not believed, rather than not heard.
    pub fn is_about_trust(&self) -> bool {
        !matches!(self, Self::Broken(_) | Self::Silent)
    }

    /// Why TLS gave up a connection; `None` when that was no matter of TLS. In TLS 1.3 a client has done its part of the
    /// handshake before the server looks at its certificate: it hears that it was refused when it reads.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().map(Self::from)
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::of(&error).unwrap_or_else(|| Self::Broken(error.to_string()))
    }
}

impl From<&Error> for Refused {
    fn from(error: &Error) -> Self {
        match error {
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(error) => error.into(),
            Error::PeerIncompatible(
                PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => Self::Version,
            Error::InvalidMessage(error) => Self::NotTls(format!("{error:?}")),
            Error::AlertReceived(alert) => Self::ByPeer(match alert {
                AlertDescription::CertificateExpired => "our certificate has expired, or the clocks disagree",
                AlertDescription::CertificateRevoked => "our certificate is revoked",
                AlertDescription::UnknownCA | AlertDescription::DecryptError => {
                    "our certificate is of another authority"
                }
                AlertDescription::CertificateRequired => "we showed no certificate",
                AlertDescription::AccessDenied | AlertDescription::CertificateUnknown => {
                    "we are not on its list of members"
                }
                AlertDescription::BadCertificate => "our certificate is not the one it expected",
                AlertDescription::ProtocolVersion => "it does not speak TLS 1.3",
                _ => return Self::Other(error.to_string()),
            }),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<&CertificateError> for Refused {
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::Revoked => Self::Revoked,
            // A stranger's authority may have the name of ours, and then it is the signature that does not fit.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::OtherAuthority,
            CertificateError::UnknownRevocationStatus => Self::RevocationUnknown,
            CertificateError::Other(OtherError(error)) => match error.downcast_ref::<Self>() {
                Some(refused) => refused.clone(),
                None => Self::Other(error.to_string()),
            },
            _ => Self::Other(error.to_string()),
        }
    }
}
