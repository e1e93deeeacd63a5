//! The compose file as text: what its services say, and the edit of their images.
//!
//! The text may hold secrets. Nothing here prints it, and no error or diff carries any of it but
//! names, positions and image references.

#[cfg(test)]
mod any_tests;
mod diff;
mod edit;
mod error;
mod extension;
mod locate;
mod namespaces;
mod project;
mod read;
mod resources;

pub use diff::unified_diff;
pub use edit::{set_images, set_images_to};
pub use error::ComposeError;
pub use extension::{extension, line_of};
pub use namespaces::{NamespaceOf, Namespaces};
pub use project::{read_project, set_project_images};
pub use read::{ServiceDoc, read_services};
pub use resources::Resources;
