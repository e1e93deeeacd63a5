//! The build script: how the program is linked on Linux with the GNU C library. Elsewhere it does nothing.

use std::process::{Command, Stdio};

fn main() {
    println!("cargo:rerun-if-changed=src/link.rs");
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let gnu = var("CARGO_CFG_TARGET_OS") == "linux" && var("CARGO_CFG_TARGET_ENV") == "gnu";
    if !gnu {
        return;
    }
    if var("PROFILE") == "debug" {
        // The sandbox starts this program for each call of a host's docker, some two hundred times in an update. Most of such a
        // start is the relocation of a binary of 100 MB that may lie anywhere; where it is built for tests it lies at one
        // place. What is released keeps its address randomized.
        println!("cargo:rustc-link-arg-bins=-no-pie");
    } else if var("TARGET") == var("HOST") && has_bfd() {
        // lld, which is rustc's own choice, keeps the unwind tables of code that it throws away: 6 MB of 34.
        println!("cargo:rustc-link-arg-bins=-fuse-ld=bfd");
    }
}

fn has_bfd() -> bool {
    let mut bfd = Command::new("ld.bfd");
    let quiet = bfd
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
