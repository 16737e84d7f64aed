//! Where the CPEs of a fleet are, and what they heard.

/// Messages of a whole fleet.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// DISCOVERs sent.
    pub discovers: u64,
    /// REQUESTs sent.
    pub requests: u64,
    /// RELEASEs sent.
    pub releases: u64,
    /// DECLINEs and INFORMs sent.
    pub others: u64,
    /// Messages sent because a time had come: retransmissions and renewals.
    pub retransmissions: u64,
    /// Offers taken.
    pub offers: u64,
    /// Leases begun or extended.
    pub acks: u64,
    /// ADVERTISEs taken, and REPLYs that granted or extended leases.
    pub heard6: u64,
    /// NAKs.
    pub naks: u64,
    /// Answers to INFORM.
    pub informed: u64,
    /// DHCP messages that meant nothing to the CPE: second offers, late answers.
    pub ignored: u64,
    /// DHCP messages by broadcast.
    pub broadcasts: u64,
    /// DHCP messages that could not be read.
    pub malformed: u64,
    /// DHCP messages that still carried option 82. The relay must remove it.
    pub option_82: u64,
    /// DHCP messages in a frame for another CPE, or with other tags than the CPE's.
    pub misdelivered: u64,
    /// An address that another CPE was using was acknowledged to a second one.
    pub conflicts: u64,
    /// ARP questions answered.
    pub arp_answered: u64,
    /// Neighbour solicitations answered.
    pub nd_answered: u64,
}

/// A fleet at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// CPEs that are off.
    pub idle: u32,
    /// CPEs that want an address.
    pub trying: u32,
    /// CPEs with a lease.
    pub bound: u32,
    /// CPEs with a lease that they want to extend.
    pub renewing: u32,
    /// CPEs with a lease whose router answered ARP: they can send.
    pub ready: u32,
    /// Messages.
    pub counters: Counters,
}

impl Stats {
    /// CPEs with an address.
    pub fn online(&self) -> u32 {
        self.bound + self.renewing
    }
}
