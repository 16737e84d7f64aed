//! Servers that hand subnets to each other: transcripts of what they say, what they do with bad input, and a simulation.

mod choosing;
mod circles;
mod confirming;
mod device;
mod example;
mod hostile;
mod judging;
mod lab;
mod leases;
mod lost;
mod recovering;
mod reserved;
mod serving;
mod sim;
mod wishing;
