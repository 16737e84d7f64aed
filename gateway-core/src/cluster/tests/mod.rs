//! The cluster as transcripts: what a member hears, and what it then says and does. `sim` is the cluster as a whole.

mod bench;
mod changeover;
mod coordination;
mod election;
mod following;
mod gone;
mod joining;
mod leading;
mod leases;
mod moving;
mod operating;
mod sim;
mod units;
