//! What the shell shall do, and what it says of it.

use core::fmt;
use core::net::IpAddr;

use super::event::Event;

/// Names a change until its result is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ChangeId(pub(super) u64);

/// A change of the association (RFC 5061, 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Add IP Address (SC-11): `SCTP_SOCKOPT_BINDX_ADD`.
    Add(IpAddr),
    /// Set Primary IP Address (SC-13): the peer is asked to send here. `SCTP_SET_PEER_PRIMARY_ADDR`.
    SetPrimary(IpAddr),
    /// Delete IP Address (SC-12): `SCTP_SOCKOPT_BINDX_REM`.
    Remove(IpAddr),
    /// Nothing that the association has can send any more: ADD `to`, SET PRIMARY `to`, DELETE `from`, in one message where
    /// the stack can, from source `to`, which finds the association by `from` (SC-28, SC-29, H-SC-3).
    Move {
        /// The new address.
        to: IpAddr,
        /// The address that is lost.
        from: IpAddr,
    },
    /// We send to this address of the peer: `SCTP_PRIMARY_ADDR`. No message.
    SetOwnPrimary(IpAddr),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(address) => write!(f, "add {address}"),
            Self::SetPrimary(address) => write!(f, "ask for {address} as primary"),
            Self::Remove(address) => write!(f, "remove {address}"),
            Self::Move { to, from } => write!(f, "move from {from} to {to}"),
            Self::SetOwnPrimary(address) => write!(f, "send to {address}"),
        }
    }
}

/// Why a peer refuses a change: error causes of RFC 5061, 4.3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// 0x00A0: it is the last address.
    LastAddress,
    /// 0x00A1: no room.
    Resources,
    /// 0x00A2: it is the packet's source.
    SourceAddress,
    /// 0x00A4: not allowed.
    NoAuthorization,
    /// Another cause, or what the own kernel said.
    Other(u16),
}

impl Cause {
    /// From the code in a message.
    pub fn from_code(code: u16) -> Self {
        match code {
            0xA0 => Self::LastAddress,
            0xA1 => Self::Resources,
            0xA2 => Self::SourceAddress,
            0xA4 => Self::NoAuthorization,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastAddress => f.write_str("it is the last address"),
            Self::Resources => f.write_str("the peer has no room for it"),
            Self::SourceAddress => f.write_str("it is the source of the message"),
            Self::NoAuthorization => f.write_str("the peer does not allow it"),
            Self::Other(0) => f.write_str("it was not sent"),
            Self::Other(code) => write!(f, "cause {code}"),
        }
    }
}

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The peer acknowledged it (SC-18, SC-25), or the own kernel took what needs no message.
    Acknowledged,
    /// The own kernel took it and does not tell the answer, and nothing was seen that speaks against it.
    Assumed,
    /// Refused (SC-19).
    Refused(Cause),
    /// No answer, however often it was sent.
    TimedOut,
}

/// What the peer told at set-up that it can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability {
    /// ASCONF and ASCONF-ACK (RFC 5061).
    pub asconf: bool,
    /// Their authentication (RFC 4895), without which they are never used (H-SC-1).
    pub auth: bool,
}

impl Capability {
    /// Addresses can change.
    pub fn extends(self) -> bool {
        self.asconf && self.auth
    }
}

/// Why an association is given up for a new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// The addresses changed and the peer has no RFC 5061.
    NoAsconf,
    /// It has, without the authentication that it must not be used without.
    NoAuthentication,
    /// The only message that could have saved it was refused.
    MoveRefused(Cause),
    /// Or not answered: both ends have moved, or the peer is gone (H-SC-5).
    MoveUnanswered,
    /// The kernel gave it up.
    Lost,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAsconf => f.write_str("the peer cannot reconfigure addresses"),
            Self::NoAuthentication => f.write_str("the peer reconfigures addresses without authentication only"),
            Self::MoveRefused(cause) => write!(f, "the move was refused: {cause}"),
            Self::MoveUnanswered => f.write_str("the move was not answered"),
            Self::Lost => f.write_str("the association was lost"),
        }
    }
}

/// What to do, in the order in which they are polled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Make a change and say what became of it, or that the own kernel will not say. Of all but [`Change::SetOwnPrimary`] one is under way at a time.
    Change {
        /// To be named in the result.
        id: ChangeId,
        /// What.
        change: Change,
    },
    /// Give the association up and connect anew, from whatever addresses there are.
    Reconnect(Reason),
    /// Something that an operator wants to know.
    Tell(Event),
}
