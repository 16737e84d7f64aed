//! Addresses that clients gave up. A RELEASE of DHCPv4 is answered by nobody: one may be lost, and its server still tells of the
//! lease.

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use hashbrown::HashMap;

use super::is_later;
use crate::line::HardwareAddress;
use crate::time::Instant;

/// How many are remembered: the latest.
const MOST: usize = 1 << 16;

/// Who gave what up, and when.
#[derive(Debug, Default)]
pub(super) struct GivenUp {
    last: HashMap<Ipv4Addr, (HardwareAddress, Instant)>,
    order: VecDeque<(Ipv4Addr, Instant)>,
}

impl GivenUp {
    pub(super) fn note(&mut self, address: Ipv4Addr, hardware: HardwareAddress, at: Instant) {
        self.last.insert(address, (hardware, at));
        self.order.push_back((address, at));
        if self.order.len() > MOST
            && let Some((address, at)) = self.order.pop_front()
            && self.last.get(&address).is_some_and(|(_, last)| *last == at)
        {
            self.last.remove(&address);
        }
    }

    /// Whether a client gave this up, and its server has not heard of it since.
    pub(super) fn has(&self, address: Ipv4Addr, hardware: &HardwareAddress, heard: Instant) -> bool {
        self.last.get(&address).is_some_and(|(client, at)| client == hardware && !is_later(heard, *at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    /// However many there are, the latest are known, and no more.
    #[test]
    fn bounded() {
        let (mut given_up, client) = (GivenUp::default(), HardwareAddress::ethernet([2; 6]));
        let at = |number: u32| Instant::ZERO + Duration::from_secs(number.into());
        let again = Ipv4Addr::from(0);
        for number in 0..2 * MOST as u32 {
            given_up.note(number.into(), client, at(number));
            given_up.note(again, client, at(number));
        }
        assert_eq!((given_up.order.len(), given_up.last.len()), (MOST, MOST / 2 + 1));
        let last = 2 * MOST as u32 - 1;
        assert!([again, last.into()].iter().all(|address| given_up.has(*address, &client, at(last))));
        assert!(!given_up.has(1.into(), &client, at(0)));
    }
}
