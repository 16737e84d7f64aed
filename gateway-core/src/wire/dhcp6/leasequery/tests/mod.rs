//! RFC 5007 and RFC 5460.

mod answers;
mod framing;
mod queries;
