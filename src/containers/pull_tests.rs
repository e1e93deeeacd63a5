use super::*;

fn reference(text: &str) -> ImageRef {
    ImageRef::new(text).unwrap()
}

/// What engines and registries say. Of 20.10: seen on an instance of the engine suite; the others as people have reported
/// them.
#[test]
fn docker_s_words_have_a_code() {
    const DENIED: &str = "pull access denied for n8nio/no, repository does not exist or may require 'docker login': denied: requested access to the resource is denied";
    for (said, code) in [
        // Docker 20.10.
        (
            "Error response from daemon: manifest for 127.0.0.1:5000/x/y:1 not found: manifest unknown: manifest unknown",
            "image_missing",
        ),
        (
            "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on 127.0.0.1:53: read udp 127.0.0.1:40139->127.0.0.1:53: read: connection refused",
            "registry_unreachable",
        ),
        (
            "Error response from daemon: Get \"http://127.0.0.1:5009/v2/\": dial tcp 127.0.0.1:5009: connect: connection refused",
            "registry_unreachable",
        ),
        (
            "Error response from daemon: Get \"https://quay.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            "registry_unreachable",
        ),
        (
            "Error response from daemon: Head \"http://127.0.0.1:5001/v2/n8nio/n8n/manifests/1.1.0\": no basic auth credentials",
            "registry_auth",
        ),
        (
            "Error response from daemon: Head \"http://127.0.0.1:5001/v2/n8nio/n8n/manifests/1.1.0\": unauthorized: authentication required",
            "registry_auth",
        ),
        (
            "failed to register layer: Error processing tar file(exit status 1): write /usr/lib/x: no space left on device",
            "no_space",
        ),
        (
            "latest: Pulling from library/mysql\nno matching manifest for linux/arm64/v8 in the manifest list entries",
            "image_architecture",
        ),
        // Docker Hub and others, on any engine.
        (DENIED, "registry_auth"),
        (
            "Error response from daemon: toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit",
            "registry_limit",
        ),
        (
            "Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
            "registry_limit",
        ),
        (
            "Error response from daemon: Head \"https://ghcr.io/v2/a/b/manifests/1\": denied: denied",
            "registry_auth",
        ),
        (
            "Error response from daemon: Head \"https://ghcr.io/v2/a/b/manifests/1\": unauthorized",
            "registry_auth",
        ),
        (
            "Error response from daemon: Get https://registry-1.docker.io/v2/a/b/manifests/latest: unauthorized: incorrect username or password",
            "registry_auth",
        ),
        (
            "Error response from daemon: pull access denied for 1.dkr.ecr.us-east-1.amazonaws.com/x, repository does not exist or may require 'docker login': denied: Your authorization token has expired. Reauthenticate and try again.",
            "registry_auth",
        ),
        (
            "error getting credentials - err: exit status 1, out: `no usernames for quay.io`",
            "registry_auth",
        ),
        // 28 and 29, with containerd's store.
        (
            "Error response from daemon: error from registry: unauthorized\nunauthorized",
            "registry_auth",
        ),
        (
            "Error response from daemon: unknown: failed to resolve reference \"ghcr.io/a/b:latest\": unexpected status from HEAD request to https://ghcr.io/v2/a/b/manifests/latest: 403 Forbidden",
            "registry_auth",
        ),
        (
            "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            "registry_auth",
        ),
        (
            "failed to resolve reference \"docker.io/a/b:1\": failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://auth.docker.io/token?service=registry.docker.io: 401 Unauthorized",
            "registry_auth",
        ),
        (
            "failed to resolve reference \"docker.io/a/b:1\": failed to authorize: failed to fetch anonymous token: Get \"https://auth.docker.io/token?scope=x\": EOF",
            "registry_unreachable",
        ),
        (
            "Error response from daemon: failed to resolve reference \"docker.io/n8nio/n8n:9\": docker.io/n8nio/n8n:9: not found",
            "image_missing",
        ),
        (
            "Error response from daemon: no matching manifest for linux/arm64/v8 in the manifest list entries: no match for platform in manifest: not found",
            "image_architecture",
        ),
        (
            "failed to extract layer: write /var/lib/containerd/x: no space left on device: unknown",
            "no_space",
        ),
        (
            "Error response from daemon: received unexpected HTTP status: 503 Service Unavailable",
            "registry_unreachable",
        ),
        (
            "Error response from daemon: Get \"https://quay.io/v2/\": x509: certificate signed by unknown authority",
            "registry_unreachable",
        ),
    ] {
        let log = format!("pull n8nio/n8n:1\n401401401401: Pull complete\n{said}\n");
        let found = pull_failure(&reference("n8nio/n8n:1"), &log);
        assert_eq!(found.map(|f| f.code), Some(code), "{said}");
    }
    for said in ["", "Error response from daemon: something new"] {
        assert_eq!(
            pull_failure(&reference("n8nio/n8n:1"), said),
            None,
            "{said}"
        );
    }
}

#[test]
fn a_registry_that_wants_a_sign_in_is_named_with_the_command() {
    let said = "Head \"https://quay.example/v2/a/b/manifests/1\": unauthorized";
    let found = pull_failure(&reference("quay.example/a/b:1"), said).unwrap();
    assert!(
        found
            .message
            .starts_with("quay.example does not let the host pull quay.example/a/b:1"),
        "{}",
        found.message
    );
    assert_eq!(
        found.help,
        ["on the host, as root: `docker login quay.example`; then run the command again"]
    );
    let hub = pull_failure(&reference("n8nio/n8n:1"), "toomanyrequests: x").unwrap();
    assert!(hub.message.starts_with("Docker Hub"), "{}", hub.message);
    assert!(hub.help[1].contains("`docker login`"), "{:?}", hub.help);
}

#[test]
fn how_far_a_pull_is_can_be_read() {
    let says = |total, done, fetched, bytes| {
        Layers {
            total,
            done,
            fetched,
            bytes,
        }
        .say(&reference("n8nio/n8n:1.20.0"))
    };
    assert_eq!(says(0, 0, 0, 0), "pulling n8nio/n8n:1.20.0");
    assert_eq!(
        says(9, 5, 2, 0),
        "pulling n8nio/n8n:1.20.0: 5 of 9 layers, 2 to download, 2 to unpack"
    );
    assert_eq!(
        says(9, 5, 0, 312_400_000),
        "pulling n8nio/n8n:1.20.0: 5 of 9 layers, 4 to download (312.4 MB so far)"
    );
    assert_eq!(says(9, 9, 0, 0), "pulling n8nio/n8n:1.20.0: 9 of 9 layers");
}
