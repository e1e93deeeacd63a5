//! References to container images, as people type them and as Docker resolves them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::BadName;

/// A reference to an image, kept as it was typed. Two references are the same image name when
/// their [`ImageRef::normalized`] forms are equal.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef(String);

impl ImageRef {
    /// Checks a typed reference the way Docker does.
    ///
    /// # Errors
    /// [`BadName`] for what `docker pull` would refuse as an invalid reference format.
    pub fn new(typed: impl Into<String>) -> Result<Self, BadName> {
        let typed = typed.into();
        // oci-spec takes upper case in the repository, which Docker refuses.
        let parsed: Result<oci_spec::distribution::Reference, _> = typed.parse();
        let bad = |found: String| BadName {
            what: "an image reference",
            found,
            expected: "like n8nio/n8n:1.20.0 or postgres@sha256:…, in lower case up to the tag",
        };
        match parsed {
            Ok(reference)
                if typed.len() <= 4096
                    && !reference
                        .repository()
                        .bytes()
                        .any(|b| b.is_ascii_uppercase()) =>
            {
                Ok(Self(typed))
            }
            _ => Err(bad(typed)),
        }
    }

    /// The text as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parsed(&self) -> oci_spec::distribution::Reference {
        self.0.parse().expect("checked in new")
    }

    /// The full name that Docker resolves it to, e.g. `docker.io/library/postgres:15`.
    pub fn normalized(&self) -> String {
        self.parsed().whole()
    }

    /// The repository without registry and tag, e.g. `library/postgres`.
    pub fn repository(&self) -> String {
        self.parsed().repository().to_owned()
    }

    /// The tag, `latest` where neither tag nor digest was typed.
    pub fn tag(&self) -> Option<String> {
        self.parsed().tag().map(str::to_owned)
    }

    /// The digest, where one was typed.
    pub fn digest(&self) -> Option<String> {
        self.parsed().digest().map(str::to_owned)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::str::FromStr for ImageRef {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl TryFrom<String> for ImageRef {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl From<ImageRef> for String {
    fn from(reference: ImageRef) -> String {
        reference.0
    }
}
