//! The world of the tables.
