//! What the program is made of.

use std::path::Path;

/// `forbid` cannot be lifted by an `allow` further in (rustc's lint levels), so these lines are the whole promise.
#[test]
fn unsafe_is_forbidden_in_the_program_and_in_its_fuzz_targets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let text = fs_err::read_to_string(root.join(manifest)).expect("a manifest");
        let lints = text.split("[lints.rust]").nth(1).expect("lints");
        let lints = lints.split("\n[").next().expect("a section");
        assert!(
            lints.lines().any(|line| line == "unsafe_code = \"forbid\""),
            "{manifest}: {lints}"
        );
    }
}
