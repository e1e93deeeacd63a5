//! Documents of the state folder: read as they were written, or named as damaged.

use std::path::Path;

use geusemaker::model::Deployment;
use geusemaker::snapshot::Snapshot;
use geusemaker::state::{Document, parse};

pub fn deployment(input: &[u8]) -> bool {
    document::<Deployment>(input)
}

pub fn snapshot(input: &[u8]) -> bool {
    document::<Snapshot>(input)
}

fn document<D: Document + PartialEq + std::fmt::Debug>(input: &[u8]) -> bool {
    let file = Path::new("/state/of/one.yaml");
    match parse::<D>(file, input) {
        Ok(document) => {
            // `parse` makes it of what it has parsed already: nothing else than what the text says.
            let text = std::str::from_utf8(input).expect("UTF-8");
            let said: D = serde_yaml::from_str(text).expect("the text says it");
            assert_eq!(document, said);
            let value = serde_yaml::to_value(&document).expect("it can be written");
            let again: D = serde_yaml::from_value(value).expect("and read again");
            assert_eq!(again, document);
            true
        }
        Err(error) => {
            let said = super::said(&error, 2000);
            assert!(said.starts_with("/state/of/one.yaml:"), "{said}");
            assert!(!error.help().is_empty());
            false
        }
    }
}
