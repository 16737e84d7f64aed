//! Embeds the data plane's object, when there is one, so that the binary is all an operator has to install.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=GATEWAY_EBPF_OBJECT");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("object.rs");
    let object = match env::var_os("GATEWAY_EBPF_OBJECT") {
        Some(path) => {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "GATEWAY_EBPF_OBJECT names no file: {}", path.display());
            path
        }
        None => {
            // Asked for now: a compiled script may be another checkout's, out of a cache.
            let package = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
            Path::new(&package).join("../target/bpf/gateway-ebpf")
        }
    };
    // Cargo takes a watched file that does not exist for one that changed, and would compile this crate again each
    // time. Its directory, which changes when the object appears, has no such effect.
    let watched = if object.is_file() { object.as_path() } else { object.parent().expect("a file has a parent") };
    if !watched.exists() {
        fs::create_dir_all(watched).expect("the build directory is writable");
    }
    println!("cargo:rerun-if-changed={}", watched.display());

    let source = match fs::read(&object) {
        Ok(octets) => {
            let copy = out.with_file_name("gateway-ebpf");
            fs::write(&copy, octets).expect("OUT_DIR is writable");
            format!("Some(aya::include_bytes_aligned!({:?}))", copy.display().to_string())
        }
        Err(_) => "None".to_owned(),
    };
    fs::write(out, source).expect("OUT_DIR is writable");
}
