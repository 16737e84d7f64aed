//! Tables of what is in files and what is made of it, and whatever octets there may be.

mod files;
mod importing;
mod properties;
mod rows;
