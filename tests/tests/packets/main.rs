//! Packet tables for both programs, through `BPF_PROG_TEST_RUN` and on a wire.

mod addressed;
mod arp;
mod bound6;
mod carried;
mod chunks;
mod data;
mod data6;
mod delivery;
mod dhcp;
mod dhcp6;
mod garbage;
mod garbage6;
mod handed_on;
mod live;
mod load;
mod nd6;
mod shared;
mod table6;
mod told;
mod units;
mod world;
mod world6;
