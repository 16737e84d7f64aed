//! What an operator wants to read in the log.

use core::fmt;

use gateway_common::unit::Unit;

use crate::member::{MemberId, Term};
use crate::time::Duration;
use crate::wire::cluster::JoinRefusal;

/// Something worth a line in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// This member follows a master.
    Joined {
        /// Whom.
        master: MemberId,
        /// Its term.
        term: Term,
    },
    /// A master does not let this member in.
    Refused {
        /// Which.
        master: MemberId,
        /// Why.
        reason: JoinRefusal,
    },
    /// This member is master.
    BecameMaster {
        /// Of which term.
        term: Term,
        /// With how many members, itself included.
        members: usize,
    },
    /// It no longer is.
    SteppedDown {
        /// Of which term.
        term: Term,
        /// Why.
        why: Why,
    },
    /// This member lost its master, or was told to go, and asks to join again.
    LostMaster {
        /// Which.
        master: MemberId,
        /// Why.
        why: Why,
    },
    /// A member came (CL-44; at the master: it was admitted).
    MemberCame(MemberId),
    /// A member went (CL-43; at the master: CL-36).
    MemberWent {
        /// Which.
        member: MemberId,
        /// Why.
        why: Why,
    },
    /// A unit was not let in.
    RefusedMember {
        /// Which.
        member: MemberId,
        /// Why.
        reason: JoinRefusal,
    },
    /// A unit has a later configuration than this member.
    ConfigurationBehind {
        /// Who.
        member: MemberId,
        /// Its version.
        version: u32,
    },
    /// This member has stopped processing.
    Fenced(Why),
    /// It processes again.
    Unfenced,
    /// There is nobody to support this member as master.
    NoQuorum {
        /// Members in touch, this one included.
        members: usize,
    },
    /// Another master was met.
    OtherMaster {
        /// Which.
        master: MemberId,
        /// This member stays master.
        won: bool,
    },
    /// Units began to move for balance, or to drain a member.
    Moving {
        /// How many.
        units: usize,
    },
    /// A unit's new owner starts without all changes of the old one.
    HandoverIncomplete {
        /// Which.
        unit: Unit,
        /// The old owner.
        origin: MemberId,
    },
    /// A member discards what this one says of units that others own by now.
    Discarded(MemberId),
    /// The coordinator does not answer: everything stays as it is.
    CoordinatorUnreachable,
    /// It answers again.
    CoordinatorBack,
    /// A member's certificate is refused (CL-10, H-CL-9).
    CertificateRefused(MemberId),
}

/// Why something ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Nothing was heard in time.
    Silence,
    /// No majority of the members hears us (H-CL-6).
    Quorum,
    /// There is a better master.
    OtherMaster(MemberId),
    /// It left of its own will.
    Left,
    /// We were told to (CL-16, CL-20); the reason of the EXIT.
    Told(u8),
    /// We are not on the master's list (H-CL-30).
    NotListed,
    /// What the master believes of our units is not so: we tell it when we join again.
    OutOfDate,
    /// This process stood still (H-CL-27).
    Paused(Duration),
    /// It was started again.
    Restarted,
    /// The coordinator says so.
    Coordinator,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("not heard in time"),
            Self::Quorum => f.write_str("no majority"),
            Self::OtherMaster(master) => write!(f, "member {master} is master"),
            Self::Left => f.write_str("left"),
            Self::Told(1) => f.write_str("told to exit: not a member"),
            Self::Told(2) => f.write_str("told to exit: configuration out of date"),
            Self::Told(3) => f.write_str("told to exit: paused for too long"),
            Self::Told(_) => f.write_str("told to exit"),
            Self::NotListed => f.write_str("not on the master's list"),
            Self::OutOfDate => f.write_str("its table and our units differ"),
            Self::Paused(time) => write!(f, "stood still for {time:?}"),
            Self::Restarted => f.write_str("restarted"),
            Self::Coordinator => f.write_str("the coordinator says so"),
        }
    }
}

/// In words for an operator.
const fn refusal(reason: JoinRefusal) -> &'static str {
    match reason {
        JoinRefusal::InProgress => "operation in progress",
        JoinRefusal::UnknownCertificate => "unknown certificate",
        JoinRefusal::NotAuthenticated => "not authenticated",
        JoinRefusal::Objection => "an application objects",
        JoinRefusal::Configuration => "its configuration is not the cluster's",
        JoinRefusal::Full => "the cluster is full",
        JoinRefusal::NotMaster => "not the master",
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { master, term } => write!(f, "joined: member {master} is master of term {}", term.0),
            Self::Refused { master, reason } => write!(f, "refused by master {master}: {}", refusal(*reason)),
            Self::BecameMaster { term, members } => write!(f, "master of term {} with {members} members", term.0),
            Self::SteppedDown { term, why } => write!(f, "no longer master of term {}: {why}", term.0),
            Self::LostMaster { master, why } => write!(f, "left master {master}: {why}"),
            Self::MemberCame(member) => write!(f, "member {member} came"),
            Self::MemberWent { member, why } => write!(f, "member {member} went: {why}"),
            Self::RefusedMember { member, reason } => write!(f, "member {member} refused: {}", refusal(*reason)),
            Self::ConfigurationBehind { member, version } => {
                write!(f, "member {member} has configuration version {version}, which is later than ours")
            }
            Self::Fenced(why) => write!(f, "fenced: {why}"),
            Self::Unfenced => f.write_str("no longer fenced"),
            Self::NoQuorum { members } => write!(f, "no quorum: {members} members in touch"),
            Self::OtherMaster { master, won: true } => write!(f, "member {master} is master too, and gives way"),
            Self::OtherMaster { master, won: false } => {
                write!(f, "member {master} is master too, and is the better one")
            }
            Self::Moving { units } => write!(f, "{units} units begin to move"),
            Self::HandoverIncomplete { unit, origin } => {
                write!(f, "unit {} starts without all changes of member {origin}", unit.index())
            }
            Self::Discarded(by) => write!(f, "member {by} discards what we say of units that are not ours any more"),
            Self::CoordinatorUnreachable => f.write_str("coordinator unreachable: no unit moves"),
            Self::CoordinatorBack => f.write_str("coordinator reachable again"),
            Self::CertificateRefused(member) => write!(f, "certificate of member {member} refused"),
        }
    }
}
