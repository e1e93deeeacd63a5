//! What `docker pull` says: how far it is, and why it failed. Pure.

use crate::host::Layers;
use crate::model::ImageRef;

/// Why a pull failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullFailure {
    /// A word for programs.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub help: Vec<String>,
}

/// What Docker's words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    NoSpace,
    Limit,
    Denied,
    Auth,
    Missing,
    Architecture,
    Unreachable,
    Other,
}

/// Words of Docker, of containerd under it and of registries, in lower case. The first that is found counts: one failure
/// has the words of another in it (`denied` in that of a rate limit, `not found` in that of a name server).
const WORDS: &[(Why, &[&str])] = &[
    (
        Why::NoSpace,
        &["no space left on device", "disk quota exceeded"],
    ),
    (
        Why::Limit,
        &[
            "toomanyrequests",
            "too many requests",
            "pull rate limit",
            "rate exceeded",
        ],
    ),
    (
        Why::Architecture,
        &[
            "no matching manifest for",
            "no match for platform in manifest",
            "does not provide the specified platform",
            "does not match the specified platform",
            "image operating system",
        ],
    ),
    (
        Why::Auth,
        &[
            "authorization token has expired",
            "incorrect username or password",
        ],
    ),
    // Registries do not tell a stranger whether there is such a repository.
    (Why::Denied, &["pull access denied"]),
    (
        Why::Auth,
        &[
            "no basic auth credentials",
            "unauthorized",
            "authentication required",
            "authorization failed",
            "insufficient_scope",
            ": denied",
            "403 forbidden",
            "error getting credentials",
            "failed to authorize",
        ],
    ),
    (
        Why::Unreachable,
        &[
            "no such host",
            "server misbehaving",
            "connection refused",
            "connection reset by peer",
            "i/o timeout",
            "tls handshake timeout",
            "tls: failed to verify certificate",
            "x509:",
            "server gave http response to https client",
            "network is unreachable",
            "no route to host",
            "temporary failure in name resolution",
            "context deadline exceeded",
            "client.timeout exceeded",
            "unexpected eof",
            ": eof",
            "failed to do request",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway time",
            "500 internal server error",
            "proxyconnect",
        ],
    ),
    (
        Why::Missing,
        &[
            "manifest unknown",
            "blob unknown",
            "not found",
            "repository name not known to registry",
            "name unknown",
        ],
    ),
];

fn why(log: &str) -> Why {
    // What it says at the end is the reason; before it there are names of layers, which may look like anything.
    let said = log.to_ascii_lowercase();
    let errors: Vec<&str> = said.lines().filter(|l| !is_layer(l)).collect();
    let said = errors.join("\n");
    // A credential helper, or a token that could not be fetched because of the network, is the network's failure.
    let has = |words: &[&str]| words.iter().any(|w| said.contains(w));
    for (why, words) in WORDS {
        if has(words) {
            let network = WORDS
                .iter()
                .find(|(w, _)| *w == Why::Unreachable)
                .is_some_and(|(_, words)| has(words));
            let only_token = said.contains("fetch") && said.contains("token");
            return match why {
                Why::Auth if network && only_token && !said.contains("401 unauthorized") => {
                    Why::Unreachable
                }
                why => *why,
            };
        }
    }
    Why::Other
}

/// A line `6b18392fd275: Pull complete`.
fn is_layer(line: &str) -> bool {
    line.split_once(": ")
        .is_some_and(|(id, _)| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What a failed pull of this reference means. None: Docker said something else.
pub fn pull_failure(reference: &ImageRef, log: &str) -> Option<PullFailure> {
    let registry = reference.registry();
    let (shown, login) = match registry.as_str() {
        "docker.io" => ("Docker Hub", "docker login".to_owned()),
        host => (host, format!("docker login {host}")),
    };
    let login = format!("on the host, as root: `{login}`; then run the command again");
    let (code, message, help) = match why(log) {
        Why::Other => return None,
        Why::NoSpace => (
            "no_space",
            format!("there is no space on the host to pull {reference}"),
            vec![
                "make room where Docker keeps its images: `docker system df` shows what takes it; geusemaker holds the images that a rollback needs".to_owned(),
            ],
        ),
        Why::Limit => (
            "registry_limit",
            format!("{shown} gives this host no more pulls for now: {reference}"),
            vec!["wait until the limit has passed, or sign in for a higher one".to_owned(), login],
        ),
        Why::Architecture => (
            "image_architecture",
            format!("{reference} is not there for the host's architecture"),
            vec!["name an image that is built for it".to_owned()],
        ),
        Why::Denied => (
            "registry_auth",
            format!(
                "{shown} does not give {reference}: there is no such repository, or it is private and the host is not signed in; registries do not tell which"
            ),
            vec!["see that the name is right".to_owned(), login],
        ),
        Why::Auth => (
            "registry_auth",
            format!("{shown} does not let the host pull {reference}: it is not signed in, or its sign-in is not good for it"),
            vec![login],
        ),
        Why::Missing => (
            "image_missing",
            format!("{shown} has no {reference}"),
            vec!["see that name and tag are right".to_owned()],
        ),
        Why::Unreachable => (
            "registry_unreachable",
            format!("the host does not reach {shown}, to pull {reference}"),
            vec![
                format!("on the host: `docker pull {reference}`, once the registry and the way to it are up"),
            ],
        ),
    };
    Some(PullFailure {
        code,
        message,
        help,
    })
}

impl Layers {
    /// In words.
    pub fn say(&self, reference: &ImageRef) -> String {
        if self.total == 0 {
            return format!("pulling {reference}");
        }
        let mut said = format!(
            "pulling {reference}: {} of {} layers",
            self.done, self.total
        );
        let coming = self.total.saturating_sub(self.done + self.fetched);
        if coming > 0 {
            said += &format!(", {coming} to download");
        }
        if self.fetched > 0 {
            said += &format!(", {} to unpack", self.fetched);
        }
        if self.bytes > 0 {
            said += &format!(" ({:.1} MB so far)", self.bytes as f64 / 1e6);
        }
        said
    }
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
