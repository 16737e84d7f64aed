//! The eBPF object that `build.rs` found.

/// The programs and maps as an ELF object; `None` in a binary that was built before them.
const OBJECT: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/object.rs"));

/// What to do about a binary without a data plane.
pub(crate) const HOW_TO_BUILD: &str = "this binary carries no data plane: run `cargo xtask build`, which compiles \
    the eBPF programs and then the gateway with them inside (or set GATEWAY_EBPF_OBJECT to an object and build again)";

/// The object this binary carries.
pub(crate) fn embedded() -> anyhow::Result<&'static [u8]> {
    OBJECT.ok_or_else(|| anyhow::anyhow!(HOW_TO_BUILD))
}
