//! The embedded DHCP server.
