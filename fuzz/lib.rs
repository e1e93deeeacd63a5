//! The properties of the tests, for a fuzzer.

#[path = "../tests/properties/mod.rs"]
pub mod properties;

/// Panics where the property of this name does not hold for the input.
pub fn run(name: &str, input: &[u8]) {
    let (_, holds) = properties::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a property");
    holds(input);
}
