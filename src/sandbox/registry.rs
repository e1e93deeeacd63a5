//! The registries that the sandbox's hosts can pull from, all in one table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use crate::model::{ImageRef, sha256_hex};

/// A reference the way Docker prints it: without `docker.io/` and `library/`, with its tag
/// (`docker.io/library/postgres` is `postgres:latest`).
pub fn familiar(reference: &str) -> String {
    short(&full(reference))
}

/// The full name of a reference that Docker would take, as [`ImageRef::normalized`] gives it. Checking a
/// reference costs a fifth of a second in a debug build (it compiles a regular expression), and every call
/// of the host's docker would pay it.
pub(crate) fn full(reference: &str) -> String {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (host, path.to_owned()),
        Some(_) => ("docker.io", name.to_owned()),
        None => ("docker.io", format!("library/{name}")),
    };
    let host = if host == "index.docker.io" {
        "docker.io"
    } else {
        host
    };
    let path = match path.strip_prefix("library/") {
        _ if host != "docker.io" || path.contains('/') => path,
        None => format!("library/{path}"),
        Some(_) => path,
    };
    match digest {
        Some(digest) => format!("{host}/{path}@{digest}"),
        None if path.contains(':') => format!("{host}/{path}"),
        None => format!("{host}/{path}:latest"),
    }
}

pub(crate) fn short(normalized: &str) -> String {
    let short = normalized.strip_prefix("docker.io/").unwrap_or(normalized);
    short.strip_prefix("library/").unwrap_or(short).to_owned()
}

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryImage {
    /// The image's id on a host: `sha256:…` (the digest of its configuration).
    pub id: String,
    /// The digest of its manifest: `sha256:…`.
    pub digest: String,
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// In bytes, unpacked.
    pub size: u64,
    /// Whether the image brings a HEALTHCHECK of its own.
    pub healthcheck: bool,
}

/// Why a pull fails, in the words of Docker Engine 20.10.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// The repository has no such tag.
    #[error("manifest for {0} not found: manifest unknown: manifest unknown")]
    ManifestUnknown(String),
    /// There is no such repository, or it is not public: registries do not tell which.
    #[error(
        "pull access denied for {0}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
    )]
    Denied(String),
    /// A registry that is not Docker Hub: the sandbox has no network.
    #[error("Get \"https://{0}/v2/\": dial tcp: lookup {0}: no such host")]
    NoSuchHost(String),
    /// Nobody answers where the registry should be.
    #[error("Get \"{}/v2/\": dial tcp{}", base(.0), refused(.0))]
    Unreachable(String),
    /// The tag has no image for the host's architecture.
    #[error("no matching manifest for linux/{0} in the manifest list entries")]
    NoMatchingManifest(String),
}

/// Where a registry is asked: one on the loopback interface without TLS.
fn base(host: &str) -> String {
    match host {
        "docker.io" => "https://registry-1.docker.io".to_owned(),
        host if is_loopback(host) => format!("http://{host}"),
        host => format!("https://{host}"),
    }
}

fn is_loopback(host: &str) -> bool {
    host.starts_with("127.") || host.starts_with("localhost")
}

/// An address is refused; the name of one is not found.
fn refused(host: &str) -> String {
    let at = if host == "docker.io" {
        "registry-1.docker.io"
    } else {
        host
    };
    if is_loopback(host) {
        format!(" {host}: connect: connection refused")
    } else {
        format!(": lookup {at}: no such host")
    }
}

/// Repositories on Docker Hub that the sandbox has: name, size of an image, HEALTHCHECK in the image.
const REPOSITORIES: &[(&str, u64, bool)] = &[
    ("n8nio/n8n", 512_000_000, false),
    ("ollama/ollama", 3_450_000_000, false),
    ("qdrant/qdrant", 167_000_000, false),
    ("unclecode/crawl4ai", 2_880_000_000, true),
    ("library/postgres", 425_000_000, false),
];

/// What can be pulled. Ids and digests follow from the reference, so that two sandboxes agree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Tags that have moved: normalized reference → how often.
    #[serde(default)]
    moved: BTreeMap<String, u32>,
    /// Images that tests and people put there: normalized reference → image.
    #[serde(default)]
    added: BTreeMap<String, RegistryImage>,
}

impl Registry {
    /// The image behind a reference, for an architecture (`amd64`, `arm64`).
    ///
    /// Every tag of the known repositories that looks like a release is there, unless a fault
    /// `pull:REF` is in force (it is used up by one): `missing`, or `unreachable` where its registry does not answer.
    ///
    /// # Errors
    /// [`PullError`], as `docker pull` words it.
    pub fn pull(
        &self,
        reference: &ImageRef,
        architecture: &str,
        faults: &mut Faults,
    ) -> Result<RegistryImage, PullError> {
        match strike_ref(faults, "pull:", reference.as_str()).as_deref() {
            Some("unreachable") => {
                let whole = reference.normalized();
                let host = whole.split('/').next().unwrap_or_default();
                return Err(PullError::Unreachable(host.to_owned()));
            }
            Some(_) => return Err(PullError::ManifestUnknown(familiar(reference.as_str()))),
            None => {}
        }
        self.find(reference, architecture)
    }

    /// The same without faults.
    ///
    /// # Errors
    /// [`PullError`], as `docker pull` words it.
    pub fn find(
        &self,
        reference: &ImageRef,
        architecture: &str,
    ) -> Result<RegistryImage, PullError> {
        let normalized = reference.normalized();
        // Alone under its reference, and no list of architectures: Docker takes it whatever it is for. (Seen.)
        if let Some(image) = self.added.get(&normalized) {
            return Ok(image.clone());
        }
        let Some(path) = normalized.strip_prefix("docker.io/") else {
            let host = normalized.split('/').next().unwrap_or_default();
            return Err(PullError::NoSuchHost(host.to_owned()));
        };
        let repository = reference.repository();
        let known = REPOSITORIES.iter().find(|(name, ..)| *name == repository);
        let Some((_, size, healthcheck)) = known else {
            let name = path.split([':', '@']).next().unwrap_or(path);
            return Err(PullError::Denied(short(name)));
        };
        let unknown = || PullError::ManifestUnknown(familiar(reference.as_str()));
        if !matches!(architecture, "amd64" | "arm64") {
            return Err(PullError::NoMatchingManifest(architecture.to_owned()));
        }
        // By digest alone nothing can be computed back; such an image is only known where it was added.
        let tag = reference.tag().ok_or_else(unknown)?;
        if reference.digest().is_some() || !is_release(&tag) {
            return Err(unknown());
        }
        let times = self.moved.get(&normalized).copied().unwrap_or(0);
        let seed = format!("{normalized}#{times}");
        Ok(RegistryImage {
            id: format!(
                "sha256:{}",
                sha256_hex(format!("config {architecture} {seed}"))
            ),
            digest: format!("sha256:{}", sha256_hex(format!("manifest {seed}"))),
            architecture: architecture.to_owned(),
            size: *size,
            healthcheck: *healthcheck,
        })
    }

    /// Pushes something else under a tag: the same reference is another image from now on.
    pub fn move_tag(&mut self, reference: &ImageRef) {
        *self.moved.entry(reference.normalized()).or_default() += 1;
    }

    /// Puts an image there, under any reference.
    pub fn add(&mut self, reference: &ImageRef, image: RegistryImage) {
        self.added.insert(reference.normalized(), image);
    }
}

/// Strikes the first fault whose key is `prefix` and this reference, however either was typed.
pub(crate) fn strike_ref(faults: &mut Faults, prefix: &str, reference: &str) -> Option<String> {
    let key = fault_key(faults, prefix, reference)?;
    faults.strike(&key, None)
}

/// The key of the first fault with this prefix and reference.
pub(crate) fn fault_key(faults: &Faults, prefix: &str, reference: &str) -> Option<String> {
    // Every access to a host comes here, and nearly always there is no fault.
    let mut wanted = None;
    let hit = faults.0.iter().find(|fault| {
        fault
            .key
            .strip_prefix(prefix)
            .is_some_and(|typed| full(typed) == *wanted.get_or_insert_with(|| full(reference)))
    });
    hit.map(|fault| fault.key.clone())
}

/// `latest`, or a number with dots, perhaps with `v` before and `-something` behind.
fn is_release(tag: &str) -> bool {
    let (version, suffix) = match tag.split_once('-') {
        Some((version, suffix)) => (version, Some(suffix)),
        None => (tag, None),
    };
    let version = version.strip_prefix('v').unwrap_or(version);
    let numbers = version
        .split('.')
        .all(|n| !n.is_empty() && n.len() <= 6 && n.bytes().all(|b| b.is_ascii_digit()));
    tag == "latest" || (numbers && suffix.is_none_or(|s| !s.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fault::Fault;

    fn reference(text: &str) -> ImageRef {
        ImageRef::new(text).unwrap()
    }

    #[test]
    fn the_quick_full_name_is_the_checked_one() {
        let digest = format!("@sha256:{}", "a".repeat(64));
        for name in [
            "postgres",
            "postgres:15",
            "library/postgres:15",
            "docker.io/postgres",
            "docker.io/library/postgres:15",
            "index.docker.io/n8nio/n8n:1",
            "n8nio/n8n:1.20.0",
            "localhost/x",
            "localhost:5000/a/b:1",
            "ghcr.io/a/b",
            "quay.io:443/a:b",
        ] {
            for text in [name.to_owned(), format!("{name}{digest}")] {
                assert_eq!(full(&text), reference(&text).normalized(), "{text}");
            }
        }
    }

    #[test]
    fn what_can_be_pulled() {
        let registry = Registry::default();
        let table = [
            ("n8nio/n8n:1.20.0", None),
            ("docker.io/n8nio/n8n:1.21.0", None),
            ("postgres:15", None),
            ("postgres", None),
            ("qdrant/qdrant:v1.12.4", None),
            ("postgres:16-alpine", None),
            (
                "n8nio/n8n:nightly",
                Some(
                    "manifest for n8nio/n8n:nightly not found: manifest unknown: manifest unknown",
                ),
            ),
            (
                "n8nio/m8n:1.20.0",
                Some(
                    "pull access denied for n8nio/m8n, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                ),
            ),
            ("1.20.0", Some("pull access denied for 1.20.0, repository")),
            (
                "ghcr.io/n8n-io/n8n:1.20.0",
                Some("Get \"https://ghcr.io/v2/\": dial tcp: lookup ghcr.io: no such host"),
            ),
        ];
        for (text, error) in table {
            let found = registry.find(&reference(text), "amd64");
            match (found, error) {
                (Ok(image), None) => {
                    assert!(image.id.starts_with("sha256:") && image.id.len() == 71)
                }
                (Err(found), Some(error)) => assert!(found.to_string().contains(error), "{found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn ids_follow_from_reference_architecture_and_moves() {
        let mut registry = Registry::default();
        let tag = reference("postgres:15");
        let before = registry.find(&tag, "amd64").unwrap();
        assert_eq!(
            registry
                .find(&reference("docker.io/library/postgres:15"), "amd64")
                .unwrap(),
            before
        );
        assert_ne!(registry.find(&tag, "arm64").unwrap().id, before.id);
        assert_eq!(registry.find(&tag, "arm64").unwrap().digest, before.digest);
        registry.move_tag(&tag);
        let after = registry.find(&tag, "amd64").unwrap();
        assert!(after.id != before.id && after.digest != before.digest);
    }

    #[test]
    fn a_fault_is_met_however_the_reference_is_typed_and_is_used_up() {
        let registry = Registry::default();
        let mut faults = Faults(vec![Fault {
            key: "pull:n8nio/n8n:1.20.0".to_owned(),
            instance_type: None,
            code: "missing".to_owned(),
            times: Some(1),
        }]);
        let wanted = reference("docker.io/n8nio/n8n:1.20.0");
        assert_eq!(
            registry.pull(&wanted, "amd64", &mut faults),
            Err(PullError::ManifestUnknown("n8nio/n8n:1.20.0".to_owned()))
        );
        assert!(registry.pull(&wanted, "amd64", &mut faults).is_ok());
    }
}
