//! What must hold for any bytes that come from outside. The same functions are called by the tests of `hostile::` and by the
//! fuzz targets (`fuzz/`). Each panics where its property does not hold, and answers whether the input was taken for what it
//! claims to be.

pub mod compose;
pub mod console;
pub mod holder;
pub mod image;
pub mod journal;
pub mod lease;
pub mod names;
pub mod reply;
pub mod slice;
pub mod state;
pub mod wire;

/// A property by the name of its corpus and of its fuzz target.
pub type Property = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const ALL: &[Property] = &[
    ("image", image::holds),
    ("compose", compose::holds),
    ("slice", slice::holds),
    ("reply", reply::holds),
    ("deployment", state::deployment),
    ("snapshot", state::snapshot),
    ("journal", journal::holds),
    ("lease", lease::holds),
    ("holder", holder::holds),
    ("console", console::holds),
    ("wire_ec2", wire::ec2),
    ("wire_ssm", wire::ssm),
    ("wire_efs", wire::efs),
];

/// What is said of an input is short, and moves no terminal once the edge has escaped it.
fn said(what: &dyn std::fmt::Display, most: usize) -> String {
    let text = what.to_string();
    assert!(!text.is_empty());
    assert!(text.len() <= most, "{} bytes: {text:.300}", text.len());
    let line = geusemaker::report::line(&text);
    assert!(!line.chars().any(geusemaker::report::is_unsafe), "{line}");
    text
}
