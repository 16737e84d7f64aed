//! Events in words.

use core::fmt;

use super::command::{Event, WhyIndividually};

impl Event {
    /// A name for logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "release6-started",
            Self::Sent { .. } => "release6-sent",
            Self::LogoutSent { .. } => "single-logout6-sent",
            Self::LogoutDone { .. } => "single-logout6-done",
            Self::Answered { .. } => "release6-answered",
            Self::MostlyUnknown { .. } => "release6-mostly-unknown",
            Self::FellBack { .. } => "release6-individually",
            Self::Refused { .. } => "release6-refused",
            Self::Client { .. } => "release6-client",
            Self::Finished { .. } => "release6-finished",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { fpc, leases, resumed, .. } => {
                let again = if *resumed { " again" } else { "" };
                write!(f, "releasing {leases} leases of FPC {}{again}", fpc.0)
            }
            Self::Sent { server, clients, transmission, individually, .. } => {
                let what = if *individually { "RELEASE" } else { "RELEASE-REQUEST" };
                write!(f, "{what} for {clients} clients to {server}, transmission {transmission}")
            }
            Self::LogoutSent { fpc, server, leases } => {
                write!(f, "single logout of {leases} leases of FPC {} at {server}", fpc.0)
            }
            Self::LogoutDone { server, released: Some(released), .. } => {
                write!(f, "{server} released {released} leases at once")
            }
            Self::LogoutDone { server, released: None, .. } => {
                write!(f, "{server} did not release all at once: its clients are released in batches")
            }
            Self::Answered { server, released, no_binding, kept, .. } => {
                write!(f, "{server} released {released} leases, knew nothing of {no_binding} and keeps {kept}")
            }
            Self::MostlyUnknown { server, no_binding, of } => {
                write!(f, "{server} knows nothing of {no_binding} leases of {of}: is it the right one?")
            }
            Self::FellBack { server, reason: WhyIndividually::NoReply } => {
                write!(f, "{server} does not answer RELEASE-REQUESTs: its clients are released one by one")
            }
            Self::FellBack { server, reason: WhyIndividually::Status(status) } => {
                write!(f, "{server} refuses RELEASE-REQUESTs (status {status}): its clients are released one by one")
            }
            Self::Refused { server, status, hold } => {
                let hold = hold.as_secs();
                write!(
                    f,
                    "{server} refuses RELEASE-REQUESTs (status {status}): all is kept, and it is left alone for {hold} s"
                )
            }
            Self::Client { client, cause, ending } => {
                write!(f, "release of client {client} ({}): {}", cause.name(), ending.name())
            }
            Self::Finished { fpc, released, no_binding, kept, silent, took, .. } => write!(
                f,
                "FPC {}: {released} leases released, {no_binding} unknown, {kept} kept by their server, {silent} without \
                 an answer, in {took:?}",
                fpc.0
            ),
        }
    }
}
