//! Packs the relocations of the binary: they are read at the start and stay resident, and packed they are a
//! twentieth of the size. And has the binary built anew when a file appears in `config/`, which it contains.

#[allow(clippy::print_stdout)] // This is how a build script speaks to cargo.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=config");
    let target = std::env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "linux" && target == "gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
