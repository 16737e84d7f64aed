//! Replication on its own: frames, and members that exchange changes without nodes behind them.

mod frames;
mod streams;
