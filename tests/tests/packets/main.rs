//! Packet tables for both programs, through `BPF_PROG_TEST_RUN` and on a wire.

mod addressed;
mod arp;
mod carried;
mod data;
mod delivery;
mod dhcp;
mod garbage;
mod handed_on;
mod live;
mod load;
mod shared;
mod told;
mod units;
mod world;
