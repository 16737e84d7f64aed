//! Classes of clients, and the terms on which clients get their leases.

use core::net::Ipv4Addr;

use gateway_core::time::Duration;

/// Octets to look for: all of a value, or its beginning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// What is looked for.
    pub octets: Vec<u8>,
    /// Whether more may follow.
    pub open: bool,
}

impl Pattern {
    /// The value itself.
    pub fn exactly(octets: impl Into<Vec<u8>>) -> Self {
        Self { octets: octets.into(), open: false }
    }

    /// Every value that begins so.
    pub fn beginning(octets: impl Into<Vec<u8>>) -> Self {
        Self { octets: octets.into(), open: true }
    }

    /// Whether a value is meant.
    pub fn matches(&self, value: &[u8]) -> bool {
        if self.open { value.starts_with(&self.octets) } else { value == self.octets }
    }
}

/// A class: whom it has, and what they are told. A client is of it when every condition that is not empty is met by
/// any of its patterns; without conditions everybody is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Class {
    /// Its name, for people.
    pub name: String,
    /// The vendor class identifier, option 60.
    pub vendor_class: Vec<Pattern>,
    /// The user class, option 77: the whole value, or any of its instances (RFC 3004).
    pub user_class: Vec<Pattern>,
    /// The hardware address, of Ethernet.
    pub mac: Vec<Pattern>,
    /// Sub-options of option 82, each by its code.
    pub agent: Vec<(u8, Vec<Pattern>)>,
    /// What its clients are told.
    pub terms: Terms,
}

/// What a client of a class, or with a reservation, gets instead of what its subnet says. What is `None`, and an option that
/// is not there, is as the subnet says.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Terms {
    /// Option 3.
    pub routers: Option<Vec<Ipv4Addr>>,
    /// Option 6.
    pub dns: Option<Vec<Ipv4Addr>>,
    /// The lease time of a client that asks for none.
    pub lease: Option<Duration>,
    /// The shortest lease time that a client may ask for.
    pub min_lease: Option<Duration>,
    /// The longest.
    pub max_lease: Option<Duration>,
    /// T1 in hundredths of the lease.
    pub renew_percent: Option<u8>,
    /// T2 in hundredths of the lease.
    pub rebind_percent: Option<u8>,
    /// Further options, sent to a client that asks for them or sends no list.
    pub options: Vec<(u8, Vec<u8>)>,
    /// Those of them that are sent in any case.
    pub always: Vec<u8>,
}

/// What a client says about itself, and its relay about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits<'a> {
    pub(crate) vendor_class: Option<&'a [u8]>,
    pub(crate) user_class: Option<&'a [u8]>,
    pub(crate) mac: Option<[u8; 6]>,
}

impl Class {
    /// Whether a client is of this class; `agent` has the sub-options of its option 82.
    pub(crate) fn has<'a>(&self, traits: &Traits<'_>, agent: impl Fn(u8) -> Option<&'a [u8]>) -> bool {
        let met = |patterns: &[Pattern], value: Option<&[u8]>| {
            patterns.is_empty() || value.is_some_and(|value| patterns.iter().any(|pattern| pattern.matches(value)))
        };
        met(&self.vendor_class, traits.vendor_class)
            && met(&self.mac, traits.mac.as_ref().map(|mac| &mac[..]))
            && (met(&self.user_class, traits.user_class)
                || instances(traits.user_class.unwrap_or_default()).any(|one| met(&self.user_class, Some(one))))
            && self.agent.iter().all(|(code, patterns)| met(patterns, agent(*code)))
    }
}

/// The instances of a user class option: each behind its length (RFC 3004 section 4). Many clients send plain text, which
/// reads as none or as nonsense.
fn instances(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    core::iter::from_fn(move || {
        let (length, behind) = rest.split_first()?;
        let (one, after) = behind.split_at_checked(usize::from(*length))?;
        rest = after;
        Some(one)
    })
}
