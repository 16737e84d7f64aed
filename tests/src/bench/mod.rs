//! Measurements of the data plane. Each returns its samples; limits and tables are `cargo xtask bench`'s.

mod foreign;
mod forward;
mod forward6;
mod generator;
mod live;
mod probes;

pub use foreign::foreign;
pub use forward::forward;
pub use live::live;

/// One figure, measured several times.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Name of the row.
    pub name: String,
    /// Unit of the samples.
    pub unit: &'static str,
    /// The samples, at least one.
    pub values: Vec<f64>,
    /// Name of the row it is measured against.
    pub against: Option<String>,
}

impl Samples {
    fn new(name: impl Into<String>, unit: &'static str, against: Option<&str>) -> Self {
        Self { name: name.into(), unit, values: Vec::new(), against: against.map(str::to_owned) }
    }
}
