//! Packet tables for both programs, through `BPF_PROG_TEST_RUN`.

mod arp;
mod data;
mod dhcp;
mod garbage;
mod load;
mod told;
mod units;
mod world;
