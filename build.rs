//! Packs the relocations of the binary: they are read at the start and stay resident, and packed they are a
//! twentieth of the size.

use std::env;

#[allow(clippy::print_stdout)] // This is how a build script speaks to cargo.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    let os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "linux" && target == "gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
