//! The veth lab.
