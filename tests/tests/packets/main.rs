//! Packet tables for both programs, through `BPF_PROG_TEST_RUN`.

mod world;

mod load;
