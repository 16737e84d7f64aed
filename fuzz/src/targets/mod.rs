//! The targets, each called by what is hostile about its inputs.

pub(crate) mod answers;
pub(crate) mod iaids;
pub(crate) mod lengths;
pub(crate) mod nested;
pub(crate) mod overlaps;
pub(crate) mod renewals;
pub(crate) mod requests;
pub(crate) mod transactions;
