//! Prometheus metrics over HTTP.
//!
//! A scrape asks the run loop what the command line would ask it and writes the answers as OpenMetrics text, so that
//! no counter is kept twice.

mod cluster;
mod collect;
mod http;
mod paths;
#[cfg(test)]
mod tests;

pub use http::Metrics;
