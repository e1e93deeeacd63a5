//! Real types, for tests: as AWS publishes them.

use crate::model::TypeFacts;
use crate::sandbox::catalog;

/// The facts of this type, whether the sandbox's region has it or not.
pub fn type_facts(name: &str) -> TypeFacts {
    let row = catalog::rows().iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("no {name} in the catalogue"))
        .facts()
}
