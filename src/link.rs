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
    } else if var("TARGET") == var("HOST") {
        if has_bfd() {
            // lld, which is rustc's own choice, keeps the unwind tables of code that it throws away: 6 MB of 34.
            println!("cargo:rustc-link-arg-bins=-fuse-ld=bfd");
        }
        if packs_relocations() {
            // What a binary that may lie anywhere says of its own addresses: 2 MB, of which each start reads all.
            println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// Whether the C library here reads packed relocations: glibc does since 2.36. A binary that has them starts with no older one.
fn packs_relocations() -> bool {
    let asked = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = asked.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let number = said.trim().strip_prefix("glibc 2.");
    number.is_some_and(|minor| minor.parse::<u32>().is_ok_and(|minor| minor >= 36))
}

fn has_bfd() -> bool {
    let mut bfd = Command::new("ld.bfd");
    let quiet = bfd
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
