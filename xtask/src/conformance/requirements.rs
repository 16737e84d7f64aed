//! What there is to prove: the numbered requirements of the source documents, in words of our own.
//!
//! BR: bulk release of DHCPv4 logins (EP 4436135 A1). H-BR: its gaps and hazards, as this project answers them. CL, RR,
//! SC, SN and X are in files of their own.

use super::associations::{ASSOCIATION_HAZARDS, ASSOCIATIONS};
use super::cluster::{CLUSTER, CLUSTER_HAZARDS};
use super::release::{INTERPLAY, RELEASE, RELEASE_HAZARDS};
use super::subnets::{SUBNET_HAZARDS, SUBNETS};

/// How strongly the source asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// An independent claim, or what every embodiment does.
    Must,
    /// A dependent claim.
    Dependent,
    /// Some embodiments.
    Optional,
    /// Follows from others.
    Implied,
    /// What it is all for.
    Goal,
    /// Unless there is a good reason.
    Should,
    /// What an operator should know.
    Advice,
    /// Not in the source, but it fails without.
    Hazard,
}

impl Level {
    /// The word in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Must => "must",
            Level::Dependent => "dependent",
            Level::Optional => "optional",
            Level::Implied => "implied",
            Level::Goal => "goal",
            Level::Should => "should",
            Level::Advice => "advice",
            Level::Hazard => "hazard",
        }
    }
}

/// One requirement.
#[derive(Debug)]
pub(crate) struct Requirement {
    /// `BR-15`, `H-BR-6`.
    pub(crate) id: &'static str,
    /// How strongly it is asked for.
    pub(crate) level: Level,
    /// What it asks.
    pub(crate) text: &'static str,
    /// Why no test is needed, where it does not apply.
    pub(crate) reason: Option<&'static str>,
}

pub(super) const fn requirement(id: &'static str, level: Level, text: &'static str) -> Requirement {
    Requirement { id, level, text, reason: None }
}

/// One that no test proves, and why.
pub(super) const fn excused(id: &'static str, level: Level, text: &'static str, reason: &'static str) -> Requirement {
    Requirement { id, level, text, reason: Some(reason) }
}

/// What an id starts with, after the `H-` of a hazard.
pub(crate) const PREFIXES: &[&str] = &["BR", "CL", "RR", "SC", "SN", "X"];

/// All tables, in the order in which they are printed.
pub(crate) const TABLES: &[&[Requirement]] = &[
    BULK_RELEASE,
    BULK_RELEASE_HAZARDS,
    RELEASE,
    RELEASE_HAZARDS,
    CLUSTER,
    CLUSTER_HAZARDS,
    SUBNETS,
    SUBNET_HAZARDS,
    ASSOCIATIONS,
    ASSOCIATION_HAZARDS,
    INTERPLAY,
];

const BULK_RELEASE: &[Requirement] = &[
    requirement("BR-1", Level::Must, "Takes login requests of many endpoints that are meant for a DHCP server"),
    requirement("BR-2", Level::Dependent, "A login is the exchange DISCOVER, OFFER, REQUEST, ACK"),
    requirement("BR-3", Level::Optional, "A request may name the server it wants"),
    requirement("BR-4", Level::Must, "Every accepted request becomes one login, and the device keeps a record of it"),
    requirement("BR-5", Level::Must, "The relayed DISCOVER says that the device can do bulk release"),
    requirement("BR-6", Level::Dependent, "Saying so takes one flag"),
    requirement(
        "BR-7",
        Level::Dependent,
        "It travels in option 82: one sub-option for the capability, one for the identity",
    ),
    requirement(
        "BR-8",
        Level::Dependent,
        "The identity is the device with its address, or the device with a group; never neither",
    ),
    requirement(
        "BR-9",
        Level::Optional,
        "In the other direction the capability sub-option says that the server can process it",
    ),
    requirement("BR-10", Level::Dependent, "It is sent because login requests came in"),
    requirement("BR-11", Level::Must, "The device identifier is always part of it"),
    requirement(
        "BR-12",
        Level::Optional,
        "The identifier is a serial number, a code or a model, as the operator likes",
    ),
    requirement("BR-13", Level::Must, "The device decides whether several access interfaces share its address"),
    requirement("BR-14", Level::Dependent, "That address is the giaddr"),
    requirement("BR-15", Level::Must, "Not shared: the identity holds the address"),
    requirement("BR-16", Level::Must, "Shared: the identity holds a group identifier instead"),
    requirement("BR-17", Level::Dependent, "The group may be named as the operator names a group of subscribers"),
    requirement("BR-18", Level::Must, "Exactly one of address and group is in it"),
    requirement("BR-19", Level::Must, "The device finds out that a component of it restarts"),
    requirement("BR-20", Level::Optional, "A schedule or a command can be the cause"),
    requirement("BR-21", Level::Dependent, "Components are line cards and their like"),
    requirement("BR-22", Level::Must, "Having found out, it sends the bulk release to the server"),
    requirement("BR-23", Level::Optional, "The server answers whether it is capable"),
    requirement("BR-24", Level::Dependent, "A capable server gets one single logout in place of all individual ones"),
    requirement("BR-25", Level::Dependent, "The single logout frees every login of that device and address"),
    requirement("BR-26", Level::Dependent, "The single logout frees every login of that device and group"),
    requirement("BR-27", Level::Implied, "Logins outside the scope stay"),
    requirement(
        "BR-28",
        Level::Dependent,
        "A server that is not capable gets one logout for each login, with its address",
    ),
    requirement("BR-29", Level::Must, "The bulk release names device and group or address, not endpoints"),
    requirement("BR-30", Level::Goal, "Few enough messages that no flood protection on the way is tripped"),
    requirement("BR-31", Level::Goal, "The server's resources are freed even where individual releases would be lost"),
    requirement("BR-32", Level::Dependent, "The device is a BNG or a DHCP relay, the server a DHCP server"),
    requirement("BR-33", Level::Optional, "The order: requested, established, restart decided, single logout"),
    requirement("BR-34", Level::Optional, "Steps may run in parallel or elsewhere"),
    requirement("BR-35", Level::Must, "The same as a program for the device"),
];

const BULK_RELEASE_HAZARDS: &[Requirement] = &[
    requirement(
        "H-BR-1",
        Level::Hazard,
        "The single logout is acknowledged, and without the acknowledgement the leases are verified",
    ),
    requirement("H-BR-2", Level::Hazard, "A server that echoes option 82 unchanged is not taken for capable"),
    requirement(
        "H-BR-3",
        Level::Hazard,
        "A server that drops or cuts option 82 is noticed, and its logins are released one by one",
    ),
    requirement("H-BR-4", Level::Hazard, "An option 82 from further down is not doubled; that login is released alone"),
    requirement("H-BR-5", Level::Hazard, "An option 82 inserted further down comes back to it unchanged"),
    requirement(
        "H-BR-6",
        Level::Hazard,
        "A late, doubled or replayed single logout frees no login made after the restart",
    ),
    requirement(
        "H-BR-7",
        Level::Hazard,
        "A client that renews with the server directly does not keep an old epoch for ever",
    ),
    requirement("H-BR-8", Level::Hazard, "A lost epoch store does not lead back to an old epoch"),
    requirement(
        "H-BR-9",
        Level::Hazard,
        "Logins under way when the restart is decided fall on one side of the cut-off",
    ),
    requirement("H-BR-10", Level::Hazard, "A giaddr shared by several cards does not log out the others' subscribers"),
    requirement(
        "H-BR-11",
        Level::Hazard,
        "When sharing changes, logins made before keep their scope and are released by it",
    ),
    requirement("H-BR-12", Level::Hazard, "The same giaddr on two devices: each frees its own logins only"),
    requirement("H-BR-13", Level::Hazard, "A forged single logout is refused"),
    requirement("H-BR-14", Level::Hazard, "The replay counter survives a restart"),
    requirement("H-BR-15", Level::Hazard, "A stronger algorithm than HMAC-SHA1 can be configured"),
    requirement(
        "H-BR-16",
        Level::Hazard,
        "Reordered messages of one relay are not refused where a window is configured, and duplicates are",
    ),
    requirement(
        "H-BR-17",
        Level::Hazard,
        "A failure in the middle of a scope is reported by counts; the remainder is found by leasequery by address (bulk \
         leasequery, RFC 6926, would find it in one exchange, but few servers have it) and released one by one",
    ),
    requirement("H-BR-18", Level::Hazard, "Logins of one card at several servers: one transaction for each server"),
    requirement("H-BR-19", Level::Hazard, "Individual releases are paced, verified and given up after some rounds"),
    requirement(
        "H-BR-20",
        Level::Hazard,
        "A device that loses power in the middle goes on with the same transaction and cut-off",
    ),
    requirement("H-BR-21", Level::Hazard, "A very large scope does not hold up the server's other work"),
    requirement("H-BR-22", Level::Hazard, "What does not fit option 82 is split over several messages"),
    requirement(
        "H-BR-23",
        Level::Hazard,
        "A policer that drops the single logout leads to retransmission and then to the fallback",
    ),
    requirement(
        "H-BR-24",
        Level::Hazard,
        "A client that still believes in its address is not let through until it has logged in again",
    ),
    requirement("H-BR-25", Level::Hazard, "A relay above this one changes nothing that the signature covers"),
];
