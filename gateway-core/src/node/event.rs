//! What the node tells: structured events for the log, `--watch` and `top`.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{DataPlaneEvent, Purpose, Tally};
use crate::capability::State;
use crate::fpc::Cause;
use crate::line::{FpcId, HardwareAddress, Line};
use crate::recover::Outcome;
use crate::release;
use crate::scope::Epoch;
use crate::session::{EndReason, Refusal};
use crate::v6;
use crate::wire::dhcp6::{DuidBuf, Prefix};

/// Something happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A subscriber logged in.
    LoggedIn {
        /// Its address.
        address: Ipv4Addr,
        /// Its hardware address.
        hardware: HardwareAddress,
        /// Where it is.
        line: Line,
        /// The server that leased the address.
        server: Ipv4Addr,
    },
    /// A server was asked what it leased through this relay.
    Recovered {
        /// The server.
        server: IpAddr,
        /// What for.
        purpose: Purpose,
        /// Whether it told everything.
        outcome: Outcome,
        /// What was found.
        tally: Tally,
        /// It is asked again at the next start.
        again: bool,
    },
    /// A session ended on its own (a whole card's end is told once, by [`Event::CohortEnded`]).
    LoggedOut {
        /// Its address.
        address: Ipv4Addr,
        /// Its hardware address.
        hardware: HardwareAddress,
        /// Why.
        reason: EndReason,
    },
    /// A subscriber got its first lease of DHCPv6, or moved to another line.
    LoggedIn6 {
        /// The client's DUID.
        client: DuidBuf,
        /// What it got.
        leases: Vec<Prefix>,
        /// Its hardware address.
        hardware: HardwareAddress,
        /// Where it is.
        line: Line,
        /// The server.
        server: Ipv6Addr,
    },
    /// A lease of DHCPv6 ended on its own.
    LoggedOut6 {
        /// What was leased.
        prefix: Prefix,
        /// The client's DUID.
        client: DuidBuf,
        /// Its hardware address.
        hardware: HardwareAddress,
        /// Where it was.
        line: Line,
        /// Why.
        reason: EndReason,
    },
    /// A client of DHCPv6 has another MAC, and goes on with the leases it had.
    Readdressed6 {
        /// The client's DUID.
        client: DuidBuf,
        /// The hardware address it had.
        from: HardwareAddress,
        /// That it has now.
        hardware: HardwareAddress,
        /// Where it is.
        line: Line,
    },
    /// A client was kept out.
    Refused {
        /// Its hardware address.
        hardware: HardwareAddress,
        /// Where it is.
        line: Line,
        /// Why.
        refusal: Refusal,
    },
    /// A subscriber answers no question whether it is there: what it has is released, as far as the operator wants that.
    Unavailable {
        /// Its hardware address.
        hardware: HardwareAddress,
        /// Where it was.
        line: Line,
        /// Its addresses, which are released at their servers.
        addresses: Vec<Ipv4Addr>,
        /// Its clients of DHCPv6 that are released, at as many servers as they have leases at.
        clients: usize,
    },
    /// A server has leases of an epoch of a card that can't have been: one far ahead of the clock, which somebody else has told
    /// it. It is not followed, so no logout of the card covers them; the server keeps them until their end.
    StrangeEpoch {
        /// The card.
        fpc: FpcId,
        /// The server.
        server: Ipv4Addr,
        /// The epoch.
        epoch: Epoch,
    },
    /// A card's epoch is the last there is: no logout of its logins could be told from later ones, so they are kept.
    EpochsExhausted {
        /// The card.
        fpc: FpcId,
    },
    /// A line card is down or about to be; whether it counts as a restart is decided after `hold_down`.
    FpcLost {
        /// The card.
        fpc: FpcId,
    },
    /// It came back before `hold_down` passed: nothing happens to its subscribers.
    FpcReturned {
        /// The card.
        fpc: FpcId,
    },
    /// A restart was decided (BR-19).
    Restart {
        /// The card.
        fpc: FpcId,
        /// What made us decide.
        cause: Cause,
        /// Logins up to this epoch are logged out; `None` when the policy is to maintain them.
        cutoff: Option<Epoch>,
        /// Sessions concerned.
        sessions: u64,
        /// Leases of DHCPv6 concerned.
        leases: u64,
    },
    /// All logins of a cohort up to an epoch ended, confirmed by the server.
    CohortEnded {
        /// The card.
        fpc: FpcId,
        /// The server that confirmed.
        server: Ipv4Addr,
        /// The last epoch that ended.
        cutoff: Epoch,
        /// Sessions that ended.
        sessions: u64,
    },
    /// All DHCPv6 leases of a cohort up to an epoch ended, confirmed by the server.
    CohortEnded6 {
        /// The card.
        fpc: FpcId,
        /// The server that confirmed.
        server: Ipv6Addr,
        /// The last epoch that ended.
        cutoff: Epoch,
        /// Leases that ended.
        leases: u64,
    },
    /// An announced restart may go on: everybody is logged out, or `restart_hold` has passed.
    RestartMayProceed {
        /// The card.
        fpc: FpcId,
        /// Everybody is.
        complete: bool,
    },
    /// What a server can do became known, or changed. `Stripped` deserves an alarm.
    Capability {
        /// The server.
        server: Ipv4Addr,
        /// What was believed.
        from: State,
        /// What is believed now.
        to: State,
    },
    /// How a release goes.
    Release(release::Event),
    /// How a release of DHCPv6 clients goes.
    Release6(v6::release::Event),
    /// The data plane noticed something.
    Noticed(DataPlaneEvent),
    /// Records in the store could not be used.
    RecordsLost {
        /// Records of no known kind or version; they were left alone.
        unusable: u64,
        /// Sessions there is no room for.
        lost: u64,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoggedIn { address, hardware, server, .. } => {
                write!(f, "{hardware} logged in as {address} at {server}")
            }
            Self::LoggedOut { address, hardware, reason } => write!(f, "{hardware} logged out of {address}: {reason}"),
            Self::LoggedIn6 { leases, hardware, server, .. } => {
                write!(f, "{hardware} logged in at {server} with")?;
                leases.iter().try_for_each(|lease| write!(f, " {lease}"))
            }
            Self::LoggedOut6 { prefix, hardware, reason, .. } => {
                write!(f, "{hardware} logged out of {prefix}: {reason}")
            }
            Self::Readdressed6 { client, from, hardware, .. } => {
                write!(f, "{client} has MAC {hardware}, no longer {from}")
            }
            Self::Refused { hardware, refusal, .. } => write!(f, "{hardware} kept out: {refusal}"),
            Self::Unavailable { hardware, addresses, clients: 0, .. } if addresses.is_empty() => {
                write!(f, "{hardware} does not answer; nothing is released for that")
            }
            Self::Unavailable { hardware, addresses, clients, .. } => {
                write!(f, "{hardware} does not answer; releasing")?;
                addresses.iter().try_for_each(|address| write!(f, " {address},"))?;
                write!(f, " {clients} clients of DHCPv6")
            }
            Self::StrangeEpoch { fpc, server, epoch } => {
                write!(
                    f,
                    "{server} knows of epoch {} of FPC {}, which is far ahead of the clock: not followed",
                    epoch.0, fpc.0
                )
            }
            Self::EpochsExhausted { fpc } => {
                write!(f, "FPC {} has the last epoch: its logins can't be logged out", fpc.0)
            }
            Self::FpcLost { fpc } => write!(f, "FPC {} is down", fpc.0),
            Self::FpcReturned { fpc } => write!(f, "FPC {} is back within its hold-down", fpc.0),
            Self::Recovered { server, purpose, outcome, tally, again } => {
                let Tally { told, same, only_there, only_here, other, restored, unreadable, .. } = tally;
                write!(f, "{server} told {told} leases: {same} the same, {only_there} only there, {other} otherwise")?;
                match purpose {
                    Purpose::Restore => write!(f, "; {restored} restored, {unreadable} can't be read")?,
                    Purpose::Compare => write!(f, "; {unreadable} can't be read")?,
                }
                match outcome {
                    Ok(()) => write!(f, ", {only_here} only here"),
                    Err(failure) if *again => write!(f, "; {failure}; it is asked again at the next start"),
                    Err(failure) => write!(f, "; {failure}; it is not asked again unless an operator does"),
                }
            }
            Self::Restart { fpc, cause, cutoff, sessions, leases } => {
                write!(f, "FPC {} restarts ({cause}): {sessions} sessions and {leases} leases of DHCPv6", fpc.0)?;
                match cutoff {
                    Some(cutoff) => write!(f, " up to epoch {} log out", cutoff.0),
                    None => f.write_str(" are maintained"),
                }
            }
            Self::CohortEnded { fpc, server, cutoff, sessions } => {
                write!(f, "{server} confirmed: {sessions} sessions of FPC {} up to epoch {} ended", fpc.0, cutoff.0)
            }
            Self::CohortEnded6 { fpc, server, cutoff, leases } => {
                write!(f, "{server} confirmed: {leases} leases of FPC {} up to epoch {} ended", fpc.0, cutoff.0)
            }
            Self::RestartMayProceed { fpc, complete: true } => write!(f, "FPC {} may restart: all logged out", fpc.0),
            Self::RestartMayProceed { fpc, complete: false } => {
                write!(f, "FPC {} may restart, though not all are logged out", fpc.0)
            }
            Self::Capability { server, from, to } => {
                write!(f, "{server} is {} (was {})", to.name(), from.name())
            }
            Self::Release(event) => write!(f, "{event:?}"),
            Self::Release6(event) => write!(f, "{event}"),
            Self::Noticed(DataPlaneEvent { kind, address, .. }) => write!(f, "{kind:?} from {address}"),
            Self::RecordsLost { unusable, lost } => {
                write!(f, "{unusable} records of the store are unusable, {lost} sessions found no room")
            }
        }
    }
}
