//! The build script. The sandbox starts this program for each call of a host's docker, some two hundred times in an update. Most of
//! such a start is the relocation of a binary of 100 MB that may lie anywhere; where it is built for tests it lies at one place.

fn main() {
    println!("cargo:rerun-if-changed=src/link.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    // What is released keeps its address randomized.
    let fixed = is("PROFILE", "debug")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    if fixed {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
