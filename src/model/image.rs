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

/// Longer than any reference can be: a name of 255 characters, a tag of 128, a digest of 135 and the
/// registry's host.
const LONGEST: usize = 1024;

impl ImageRef {
    /// Checks a typed reference the way Docker does (distribution specification, "pulling manifests", and
    /// the `reference` grammar of Docker's own library).
    ///
    /// # Errors
    /// [`BadName`] for what `docker pull` would refuse as an invalid reference format; its `expected` says
    /// which rule it breaks.
    pub fn new(typed: impl Into<String>) -> Result<Self, BadName> {
        let typed = typed.into();
        match broken_rule(&typed) {
            None => Ok(Self(typed)),
            Some(expected) => Err(BadName {
                what: "an image reference",
                found: typed,
                expected,
            }),
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

    /// The registry's host, `docker.io` where none was typed.
    pub fn registry(&self) -> String {
        self.parsed().registry().to_owned()
    }

    /// Registry and repository as typed, without tag and digest: `n8nio/n8n`.
    pub fn name(&self) -> &str {
        let before_digest = self.0.split('@').next().unwrap_or_default();
        let last_segment = before_digest.rfind('/').map_or(0, |at| at + 1);
        match before_digest[last_segment..].find(':') {
            Some(colon) => &before_digest[..last_segment + colon],
            None => before_digest,
        }
    }

    /// Whether both name the same repository of the same registry, however they were typed.
    pub fn same_repository(&self, other: &Self) -> bool {
        let (a, b) = (self.parsed(), other.parsed());
        (a.registry(), a.repository()) == (b.registry(), b.repository())
    }

    /// The last segment of the repository: `n8n` of `docker.n8n.io/n8nio/n8n:1.20.0`.
    pub fn last_segment(&self) -> &str {
        self.name().rsplit('/').next().unwrap_or_default()
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

/// The rule of Docker that the text breaks; None when it is a reference.
fn broken_rule(typed: &str) -> Option<&'static str> {
    const LIKE: &str = "like n8nio/n8n:1.20.0 or postgres@sha256:…";
    if typed.is_empty() {
        return Some(LIKE);
    }
    if typed.len() > LONGEST {
        return Some("at most 1024 characters");
    }
    if typed.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("without spaces, line ends or control characters");
    }
    // The library's grammar takes letters of any script in a tag; Docker's does not.
    if !typed.is_ascii() {
        return Some("ASCII characters alone");
    }
    let (named, digest) = match typed.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (typed, None),
    };
    let last_segment = named.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match named[last_segment..].find(':') {
        Some(colon) => named.split_at(last_segment + colon),
        None => (named, ""),
    };
    if name.is_empty() {
        return Some("a repository before the tag");
    }
    if tag == ":" {
        return Some("a tag after the ':', like :1.20.0");
    }
    if tag.len() > 129 {
        return Some("a tag of at most 128 characters");
    }
    // oci-spec takes upper case here, Docker does not: "repository name must be lowercase".
    let repository = name
        .split_once('/')
        .filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost")
        .map_or(name, |(_, rest)| rest);
    if repository.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some("a repository in lower case");
    }
    // Docker: "cannot specify 64-byte hexadecimal strings": they are image ids.
    if typed.len() == 64 && typed.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some("a repository, not an image id");
    }
    if digest.is_some_and(|d| d.bytes().any(|b| b.is_ascii_uppercase())) {
        return Some("a digest in lower case: sha256: and 64 hexadecimal digits");
    }
    match typed.parse::<oci_spec::distribution::Reference>() {
        Ok(_) => None,
        Err(_) if digest.is_some() => {
            Some("a digest like @sha256: and 64 hexadecimal digits, after a name that Docker takes")
        }
        Err(_) => Some(LIKE),
    }
}

/// What was probably meant, where the typed reference names another image than the service runs:
/// `n8n=1.20.0` names an image called `1.20.0`. None when it needs no question.
pub fn hint(current: &ImageRef, typed: &str) -> Option<String> {
    let meant = |tag: &str| {
        ImageRef::new(format!("{}:{tag}", current.name()))
            .ok()
            .map(|meant| format!("did you mean {meant}?"))
    };
    let bare = typed.strip_prefix(':').unwrap_or(typed);
    if is_version(bare) && current.name() != typed {
        return meant(bare);
    }
    let typed = ImageRef::new(typed).ok()?;
    if typed.name().contains('/')
        || typed.same_repository(current)
        || typed.last_segment() != current.last_segment()
    {
        return None;
    }
    match typed.0.strip_prefix(typed.name())?.strip_prefix(':') {
        Some(tag) => meant(tag.split('@').next().unwrap_or(tag)),
        None => Some(format!("did you mean {}?", current.name())),
    }
}

/// Whether a text is a bare version or one of the usual moving tags, and no name of an image.
pub fn is_version(text: &str) -> bool {
    matches!(text, "latest" | "stable" | "edge" | "nightly")
        || (major_of(text).is_some()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)))
}

/// The major version that a tag names: 15 of `15`, `15.8-alpine` and `v15.8`. None where it names none.
pub fn major_of(tag: &str) -> Option<u32> {
    let digits = tag.strip_prefix('v').unwrap_or(tag);
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let (major, rest) = digits.split_at(end);
    // `0a1b2c` is a commit, `15rc1` a version.
    let cut = rest.is_empty() || rest.starts_with(['.', '-', '_', '+']);
    let early = ["rc", "beta", "alpha"]
        .iter()
        .any(|word| rest.starts_with(word));
    (cut || early).then(|| major.parse().ok()).flatten()
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

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
