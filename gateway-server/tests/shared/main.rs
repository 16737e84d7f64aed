//! Servers that share their leases, over a database in memory that is as slow, and lets them in each other's way, as a real
//! one. What PostgreSQL makes of the same questions is tested where there is one (`gateway-tests`).

#[path = "../common/mod.rs"]
mod common;
mod four;
#[path = "../v6/lab.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod lab6;
mod six;
mod storm;
mod world;
