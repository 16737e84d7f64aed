//! Verdicts: why a packet went where it went. Every packet ends in exactly one.

/// Which program decided.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// Attached to ports toward subscribers.
    Access = 0,
    /// Attached to ports toward servers and the internet.
    Upstream = 1,
}

/// What becomes of a packet with a given verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Sent on by the program itself.
    Forwarded,
    /// Left to the kernel's own stack.
    Passed,
    /// Taken by the relay.
    Punted,
    /// Dropped.
    Dropped,
}

macro_rules! verdicts {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $fate:ident;)*) => {
        /// Why a packet went where it went.
        #[repr(u32)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Verdict { $($(#[$doc])* $variant = $number,)* }

        impl Verdict {
            /// All verdicts in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The verdict with this number.
            pub const fn from_u32(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// Name in logs, metrics and the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What becomes of the packet.
            #[inline(always)]
            pub const fn fate(self) -> Fate {
                match self { $(Self::$variant => Fate::$fate,)* }
            }
        }
    };
}

verdicts! {
    /// Not of one of our work units: belongs to another member.
    Foreign = 0, "foreign", Dropped;
    /// Too short, a header that lies about its length, or DHCP that no relay could take (hlen over 16, over 2016 octets).
    Malformed = 1, "malformed", Dropped;

    /// From a subscriber toward the network.
    ForwardedUp = 2, "forwarded-up", Forwarded;
    /// Toward a subscriber.
    ForwardedDown = 3, "forwarded-down", Forwarded;
    /// From one subscriber to another.
    ForwardedAcross = 4, "forwarded-across", Forwarded;
    /// An ARP request of a subscriber that the program answered itself.
    ArpAnswered = 5, "arp-answered", Forwarded;

    /// A client's DHCP message for the relay.
    DhcpClient = 6, "dhcp-client", Punted;
    /// A server's DHCP message for the relay.
    DhcpServer = 7, "dhcp-server", Punted;

    /// For one of the gateway's own addresses.
    PassedLocal = 8, "passed-local", Passed;
    /// A valid subscriber's packet that the fast path can't forward: no neighbour yet, TTL, MTU, IP options.
    PassedSlow = 9, "passed-slow", Passed;
    /// ARP.
    PassedArp = 10, "passed-arp", Passed;
    /// IPv6 neighbour discovery.
    PassedNd = 11, "passed-nd", Passed;
    /// Anything else on an upstream port.
    PassedOther = 12, "passed-other", Passed;

    /// Data from an address without a session.
    NoSession = 13, "no-session", Dropped;
    /// The session is bound to another MAC.
    WrongMac = 14, "wrong-mac", Dropped;
    /// The session is bound to other VLAN tags.
    WrongVlan = 15, "wrong-vlan", Dropped;
    /// The session is bound to another port.
    WrongPort = 16, "wrong-port", Dropped;
    /// The session was ended with its FPC.
    StaleEpoch = 17, "stale-epoch", Dropped;
    /// The lease has run out.
    Expired = 18, "expired", Dropped;
    /// ARP that claims an address the sender does not hold.
    ArpSpoofed = 19, "arp-spoofed", Dropped;

    /// More DHCP than one subscriber may send.
    SubscriberRate = 20, "subscriber-rate", Dropped;
    /// More DHCP than one line may send.
    LineRate = 21, "line-rate", Dropped;
    /// More DHCP than one port may send.
    PortRate = 22, "port-rate", Dropped;
    /// The relay does not keep up, or is not running.
    PuntFull = 23, "punt-full", Dropped;
    /// A DHCP server's message from a subscriber's port.
    RogueServer = 24, "rogue-server", Dropped;
    /// A DHCP message from a subscriber in fragments, whose client nobody can tell.
    DhcpFragment = 25, "dhcp-fragment", Dropped;
    /// IPv6 from a subscriber while IPv6 is not served.
    Ipv6Unserved = 26, "ipv6-unserved", Dropped;
    /// An ethertype that is not served.
    NotServed = 27, "not-served", Dropped;
    /// Multicast or broadcast data from a subscriber.
    Multicast = 28, "multicast", Dropped;
    /// The interface has no entry in the port table.
    UnknownPort = 29, "unknown-port", Dropped;
    /// A DHCP message past the relay that speaks of another client or address than the one it comes from.
    DhcpSpoofed = 30, "dhcp-spoofed", Dropped;

    /// Of a unit of another member, which the master sent it on to.
    ForwardedOwner = 31, "forwarded-owner", Forwarded;
    /// Of a unit whose owner can't have it yet: user space holds it.
    Held = 32, "held", Punted;
    /// From a subscriber, for another host's MAC: flooded by a switch.
    OtherHost = 33, "other-host", Dropped;
    /// From the network, for another host's MAC: the kernel's, which may have an interface of that MAC on top of this one.
    PassedOtherHost = 34, "passed-other-host", Passed;
    /// ARP for an address that the members share, on one that is not the master.
    ArpNotMaster = 35, "arp-not-master", Dropped;
    /// A frame carried between members that no member sent, or for a port that is not here.
    NotCarried = 36, "not-carried", Dropped;
    /// Of a unit that was ours: this member was not heard of for too long, and others serve what it served.
    Fenced = 37, "fenced", Dropped;

    /// A DHCPv6 message from below for the relay.
    Dhcp6Client = 38, "dhcp6-client", Punted;
    /// A server's DHCPv6 message for the relay.
    Dhcp6Server = 39, "dhcp6-server", Punted;
    /// A subscriber's neighbour solicitation that the program answered itself.
    NdAnswered = 40, "nd-answered", Forwarded;
    /// Neighbour discovery that speaks of an address the sender does not hold, or of a MAC that is not its own.
    NdSpoofed = 41, "nd-spoofed", Dropped;
    /// A neighbour solicitation for an address that the members share, on one that is not the master.
    NdNotMaster = 42, "nd-not-master", Dropped;
    /// A subscriber looks for its router.
    RouterSolicitation = 43, "router-solicitation", Punted;
    /// A subscriber says that it is there.
    NeighbourAlive = 44, "neighbour-alive", Punted;
    /// A router advertisement or redirect from a subscriber.
    RogueRouter = 45, "rogue-router", Dropped;
    /// From or to a link-local address, which no router forwards.
    LinkLocal = 46, "link-local", Dropped;
    /// From a subscriber to a prefix of its own, where it would come back until its hops are used up.
    OwnPrefix = 47, "own-prefix", Dropped;
}

impl Verdict {
    /// Verdicts, and counters a program has.
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// Index of this verdict's counter in the `COUNTERS` array.
    #[inline(always)]
    pub const fn counter(self, program: Program) -> u32 {
        program as u32 * Self::COUNT + self as u32
    }
}

/// Value of the per-CPU `COUNTERS` array.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counter {
    /// Packets with the verdict.
    pub packets: u64,
    /// Their octets, Ethernet header included.
    pub octets: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_reversible() {
        for (index, verdict) in Verdict::ALL.iter().enumerate() {
            assert_eq!(*verdict as usize, index);
            assert_eq!(Verdict::from_u32(index as u32), Some(*verdict));
        }
        assert_eq!(Verdict::from_u32(Verdict::COUNT), None);
    }
}
