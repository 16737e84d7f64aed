//! Servers that hand subnets to each other: transcripts of what they say, and what they do with bad input.

mod example;
mod hostile;
mod lab;
