//! References to container images, as people type them and as Docker resolves them.

use std::borrow::Cow;
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

    /// The full name that Docker resolves it to, e.g. `docker.io/library/postgres:15`.
    pub fn normalized(&self) -> String {
        let (registry, repository) = resolved(self.name());
        let behind = |mark: char, part: Option<String>| {
            part.map_or_else(String::new, |part| format!("{mark}{part}"))
        };
        let (tag, digest) = (behind(':', self.tag()), behind('@', self.digest()));
        format!("{registry}/{repository}{tag}{digest}")
    }

    /// The registry's host, `docker.io` where none was typed.
    pub fn registry(&self) -> String {
        resolved(self.name()).0.to_owned()
    }

    /// Registry and repository as typed, without tag and digest: `n8nio/n8n`.
    pub fn name(&self) -> &str {
        Parts::of(&self.0).name
    }

    /// Whether both name the same repository of the same registry, however they were typed.
    pub fn same_repository(&self, other: &Self) -> bool {
        resolved(self.name()) == resolved(other.name())
    }

    /// The last segment of the repository: `n8n` of `docker.n8n.io/n8nio/n8n:1.20.0`.
    pub fn last_segment(&self) -> &str {
        self.name().rsplit('/').next().unwrap_or_default()
    }

    /// The repository without registry and tag, e.g. `library/postgres`.
    pub fn repository(&self) -> String {
        resolved(self.name()).1.into_owned()
    }

    /// The tag, `latest` where neither tag nor digest was typed.
    pub fn tag(&self) -> Option<String> {
        let Parts { tag, digest, .. } = Parts::of(&self.0);
        tag.or((digest.is_none()).then_some("latest"))
            .map(str::to_owned)
    }

    /// The digest, where one was typed.
    pub fn digest(&self) -> Option<String> {
        Parts::of(&self.0).digest.map(str::to_owned)
    }
}

/// What a text has of a reference, none of it checked.
struct Parts<'a> {
    name: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// A colon before the last segment is that of a port.
    fn of(typed: &'a str) -> Self {
        let (named, digest) = match typed.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (typed, None),
        };
        let last_segment = named.rfind('/').map_or(0, |at| at + 1);
        let colon = named[last_segment..].find(':').map(|at| last_segment + at);
        let (name, tag) = match colon {
            Some(colon) => (&named[..colon], Some(&named[colon + 1..])),
            None => (named, None),
        };
        Self { name, tag, digest }
    }
}

/// The first segment, where Docker takes it for the host of a registry, and the rest
/// (`splitDockerDomain` of Docker's `reference` library).
fn host_and_path(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            (Some(host), path)
        }
        _ => (None, name),
    }
}

/// Registry and repository, with what Docker adds where it was left out.
fn resolved(name: &str) -> (&str, Cow<'_, str>) {
    const HUB: &str = "docker.io";
    let (host, path) = host_and_path(name);
    let host = host
        .filter(|host| *host != "index.docker.io")
        .unwrap_or(HUB);
    if host == HUB && !path.contains('/') {
        (host, format!("library/{path}").into())
    } else {
        (host, path.into())
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
    if !typed.is_ascii() {
        return Some("ASCII characters alone");
    }
    let Parts { name, tag, digest } = Parts::of(typed);
    if name.is_empty() {
        return Some("a repository before the tag");
    }
    if tag == Some("") {
        return Some("a tag after the ':', like :1.20.0");
    }
    if tag.is_some_and(|tag| tag.len() > 128) {
        return Some("a tag of at most 128 characters");
    }
    let (host, path) = host_and_path(name);
    // "repository name must be lowercase".
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some("a repository in lower case");
    }
    // "cannot specify 64-byte hexadecimal strings": they are image ids.
    if typed.len() == 64 && typed.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some("a repository, not an image id");
    }
    if digest.is_some_and(|d| d.bytes().any(|b| b.is_ascii_uppercase())) {
        return Some("a digest in lower case: sha256: and 64 hexadecimal digits");
    }
    // `a_b.c/d` has no host by the grammar, and one by the library behind it.
    let named = host.is_none_or(|host| is_host(host) || is_component(host))
        && path.split('/').all(is_component)
        && resolved(name).1.len() <= 255
        && tag.is_none_or(is_tag);
    match digest {
        Some(digest) if !named || !is_digest(digest) => {
            Some("a digest like @sha256: and 64 hexadecimal digits, after a name that Docker takes")
        }
        None if !named => Some(LIKE),
        _ => None,
    }
}

/// `domain` of the grammar: labels of letters, digits and inner hyphens, and perhaps a port.
fn is_host(host: &str) -> bool {
    let (host, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_label = |label: &str| {
        label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !(label.is_empty() || label.starts_with('-') || label.ends_with('-'))
    };
    host.split('.').all(is_label) && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

/// `path-component` of the grammar: letters and digits, separated by one point, by one underscore or two, or by hyphens.
fn is_component(component: &str) -> bool {
    let is_between = |between: &str| {
        matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-')
    };
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    component.starts_with(is_inner)
        && component.ends_with(is_inner)
        && component.split(is_inner).all(is_between)
}

/// `tag` of the grammar.
fn is_tag(tag: &str) -> bool {
    let mut bytes = tag.bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    bytes.next().is_some_and(is_word) && bytes.all(|b| is_word(b) || b".-".contains(&b))
}

/// A digest of an algorithm that the image specification registers.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    let digits = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == digits && hex.bytes().all(|b| b.is_ascii_hexdigit())
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
    match Parts::of(&typed.0).tag {
        Some(tag) => meant(tag),
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
