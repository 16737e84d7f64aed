//! Packet tables for both programs, through `BPF_PROG_TEST_RUN` and on a wire.

mod arp;
mod data;
mod dhcp;
mod garbage;
mod live;
mod load;
mod told;
mod units;
mod world;
