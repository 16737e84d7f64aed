//! What the members' streams run over: TCP, or SCTP, whose associations outlive the addresses that they began with.
//!
//! A member takes both unless it is told otherwise, and dials by SCTP first. Nothing of what decides about an association's
//! addresses is believed of anybody but the member on the other end (H-SC-1):
//!
//! - It begins with a key that its own end alone has, made at random: so no configuration message from outside has any effect,
//!   and we send none.
//! - TLS on it says who the other end is. Out of its secrets both make the key of this association (RFC 5705; as DTLS over
//!   SCTP does it: RFC 6083, section 4.8), which takes the place of the first. Only then addresses change.
//!
//! So there is nothing to configure, nothing to renew, and a key that got known is one association's. The key by which members
//! sign control datagrams is no candidate: it is told on these very streams.

mod association;
mod listening;

use std::sync::Arc;

use gateway_core::association::AssociationView;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::config::Transport;
use crate::sctp::{Association, Follower, is_supported};

pub(super) use association::{Associations, unreachable};
pub(super) use listening::Strangers;

/// Why a stream is TCP where nobody wanted anything else.
const CHOSEN: &str = "transport is \"tcp\" here";
/// Why it is where the kernel leaves no choice.
const LACKING: &str = "this host has no SCTP";

/// What streams run over.
#[derive(Clone)]
pub(super) enum Over {
    /// TCP alone: why.
    Tcp(&'static str),
    /// SCTP, or TCP where the other host has no SCTP.
    Both(Associations),
    /// SCTP alone.
    Sctp(Associations),
}

impl Over {
    /// As configured, and as the kernel can.
    pub(super) fn choose(
        transport: Transport,
        associations: impl FnOnce() -> anyhow::Result<Associations>,
    ) -> anyhow::Result<Self> {
        Self::of(transport, is_supported(), associations)
    }

    fn of(
        transport: Transport,
        supported: bool,
        associations: impl FnOnce() -> anyhow::Result<Associations>,
    ) -> anyhow::Result<Self> {
        match (transport, supported) {
            (Transport::Tcp, _) => Ok(Self::Tcp(CHOSEN)),
            (Transport::Auto, false) => {
                tracing::info!("{LACKING}: members' streams run over TCP, and end when their addresses do");
                Ok(Self::Tcp(LACKING))
            }
            (Transport::Auto, true) => Ok(Self::Both(associations()?)),
            (Transport::Sctp, true) => Ok(Self::Sctp(associations()?)),
            (Transport::Sctp, false) => anyhow::bail!(
                "cluster.transport is \"sctp\", and {LACKING}; would do: a kernel with the module sctp, of Linux 5.4 or later, \
                 or transport = \"auto\""
            ),
        }
    }

    /// What makes associations, if streams may run over some.
    pub(super) fn associations(&self) -> Option<&Associations> {
        match self {
            Self::Tcp(_) => None,
            Self::Both(associations) | Self::Sctp(associations) => Some(associations),
        }
    }

    /// Whether streams may run over TCP.
    pub(super) fn has_tcp(&self) -> bool {
        !matches!(self, Self::Sctp(_))
    }

    /// Why a stream that another member has begun runs over TCP.
    pub(super) fn why_tcp(&self) -> &'static str {
        match self {
            Self::Tcp(why) => why,
            Self::Both(_) | Self::Sctp(_) => "the other member began it so",
        }
    }
}

/// A connection without TLS yet.
pub(super) enum Reached {
    /// Over TCP, and why.
    Tcp(TcpStream, String),
    /// Over SCTP, and what has made the association.
    Sctp(Associations, Association),
}

/// What a stream runs over, as long as it does.
pub(super) enum Carried {
    /// TCP, and why.
    Tcp(String),
    /// An association, and what follows its addresses.
    Sctp(Box<Follower>),
}

/// The same for who looks.
#[derive(Clone, Debug)]
pub(crate) enum Carrier {
    /// TCP, and why.
    Tcp(Arc<str>),
    /// An association.
    Sctp(watch::Receiver<AssociationView>),
}

impl Carrier {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP",
            Self::Sctp(_) => "SCTP",
        }
    }

    /// Why it is not SCTP.
    pub(crate) fn why(&self) -> Option<&str> {
        match self {
            Self::Tcp(why) => Some(why),
            Self::Sctp(_) => None,
        }
    }
}

impl Carried {
    pub(super) fn carrier(&self) -> Carrier {
        match self {
            Self::Tcp(why) => Carrier::Tcp(why.as_str().into()),
            Self::Sctp(follower) => Carrier::Sctp(follower.view()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who wants SCTP alone is told at the start that there is none; who leaves it open has TCP, and is told why.
    #[test]
    fn a_host_without_sctp() {
        let never = || panic!("there is nothing to make associations with");
        let Ok(auto) = Over::of(Transport::Auto, false, never) else { panic!("TCP does") };
        assert!(auto.has_tcp() && auto.associations().is_none());
        assert_eq!(auto.why_tcp(), "this host has no SCTP");
        let Err(alone) = Over::of(Transport::Sctp, false, never) else { panic!("nothing does") };
        assert!(alone.to_string().starts_with("cluster.transport is \"sctp\", and this host has no SCTP; would do: "));
        // Also where the kernel could.
        let Ok(tcp) = Over::of(Transport::Tcp, true, never) else { panic!("TCP does") };
        assert_eq!((tcp.has_tcp(), tcp.why_tcp()), (true, "transport is \"tcp\" here"));
    }
}
