//! What decides which frames are whose: the unit table, the members, and what this one is among them.
//!
//! These maps have one writer: the loop where ownership is configured, the core of the cluster where there is one. That
//! has a thread of its own, so this is opened apart from the rest of the data plane.

use std::io;

use gateway_common::cluster::{MemberKey, MemberMac, PeerKey, Role};
use gateway_common::maps;
use gateway_common::unit::{UNITS, Unit, UnitState};

use super::pins::Pins;
use super::table::Table;

/// The maps of the cluster.
pub(crate) struct Delivery {
    units: Table<u32, UnitState>,
    role: Table<u32, Role>,
    members: Table<MemberKey, MemberMac>,
    peers: Table<PeerKey, u32>,
}

impl Delivery {
    /// Opens the pinned maps.
    pub(super) fn open(pins: &Pins) -> anyhow::Result<Self> {
        Ok(Self {
            units: Table::open(&pins.map(maps::UNITS))?,
            role: Table::open(&pins.map(maps::CLUSTER))?,
            members: Table::open(&pins.map(maps::MEMBERS))?,
            peers: Table::open(&pins.map(maps::PEERS))?,
        })
    }

    /// Writes the states of units, in one system call. The kernel sees each unit change at once, all of them within
    /// microseconds.
    pub(crate) fn set_units(&self, states: &[(Unit, UnitState)]) -> io::Result<()> {
        let (units, states): (Vec<u32>, Vec<UnitState>) =
            states.iter().map(|(unit, state)| (unit.index(), *state)).unzip();
        self.units.put_all(&units, &states).map_err(|(_, error)| error)
    }

    /// The state of every unit, as the programs see it.
    pub(crate) fn units(&self) -> io::Result<Vec<UnitState>> {
        let mut states = vec![UnitState::default(); UNITS as usize];
        self.units.for_each(|unit, state| {
            if let Some(cell) = states.get_mut(unit as usize) {
                *cell = state;
            }
        })?;
        Ok(states)
    }

    /// Says what this member is: its number, who the master is, the shared MAC and the link between the members.
    pub(crate) fn set_role(&self, role: &Role) -> io::Result<()> {
        self.role.put(&0, role)
    }

    /// Says by which MAC each other member is reached on the segment of each interface; who is not among `members` is
    /// forgotten. On the link between the members that is where the master sends what subscribers send; on an upstream
    /// port, where it sends what comes from the network; on an access port, whose ARP and DHCP is no subscriber's.
    pub(crate) fn set_members(&self, members: &[(MemberKey, [u8; 6])]) -> io::Result<()> {
        let keys: Vec<_> = members.iter().map(|(key, _)| *key).collect();
        let macs: Vec<_> = members.iter().map(|(_, mac)| MemberMac { mac: *mac, reserved: 0 }).collect();
        replace(&self.members, &keys, &macs)?;
        let peers: Vec<_> =
            members.iter().map(|(key, mac)| PeerKey { ifindex: key.ifindex, mac: *mac, reserved: 0 }).collect();
        let numbers: Vec<_> = keys.iter().map(|key| key.member).collect();
        replace(&self.peers, &peers, &numbers)
    }
}

/// Makes a hash hold these entries and no others. What stays is never missing meanwhile.
fn replace<K, V>(table: &Table<K, V>, keys: &[K], values: &[V]) -> io::Result<()>
where
    K: aya::Pod + Default + PartialEq,
    V: aya::Pod + Default,
{
    let mut stale = Vec::new();
    table.for_each(|key, _| stale.push(key))?;
    stale.retain(|key| !keys.contains(key));
    table.remove_all(&stale)?;
    table.put_all(keys, values).map_err(|(_, error)| error)
}
