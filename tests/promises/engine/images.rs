//! A new image through the real binary: what happens to the containers.

use super::twin::Host;

/// Only n8n is made anew, the other four keep id and start time, the file differs in one value.
pub fn bump(host: &impl Host) {
    let (before, file) = (host.containers(), host.compose());
    assert_eq!(before.len(), 5);
    let result = host.update(&["--image", "n8n=n8nio/n8n:1.1.0"], 0);
    assert_eq!(result["outcome"], "updated", "{result}");
    let after = host.containers();
    for (was, is) in before.iter().zip(&after) {
        if was.name == "n8n" {
            assert_ne!(was.id, is.id);
            assert_eq!(is.image, "n8nio/n8n:1.1.0");
            assert_eq!(is.state, "running/healthy");
            assert_eq!(is.policy, was.policy);
        } else {
            assert_eq!(was, is);
        }
    }
    assert_eq!(
        host.compose(),
        file.replace("n8nio/n8n:1.0.0 # pinned", "n8nio/n8n:1.1.0 # pinned")
    );
}

/// Ends with this code and outcome; file and containers are the very same.
#[track_caller]
fn untouched(host: &impl Host, image: &str, says: &str) {
    let (before, file) = (host.containers(), host.compose());
    let result = host.update(&["--image", image], 3);
    assert_eq!(result["outcome"], "refused", "{result}");
    assert!(result.to_string().contains(says), "{result}");
    assert_eq!(host.containers(), before);
    assert_eq!(host.compose(), file);
}

pub fn missing(host: &impl Host) {
    untouched(host, "n8n=n8nio/n8n:9.9.9", "n8nio/n8n:9.9.9");
    // The registry is down.
    host.registry_down();
    untouched(host, "n8n=n8nio/n8n:1.1.0", "n8nio/n8n:1.1.0");
}

pub fn architecture(host: &impl Host) {
    untouched(host, "n8n=n8nio/n8n:1.1.0-s390x", "s390x");
}

/// The old image runs again, the file is as before byte for byte, the others were never touched.
#[track_caller]
fn taken_back(host: &impl Host, service: &str, image: &str) {
    let (before, file) = (host.containers(), host.compose());
    // It crashes after 4 s: a shorter gate would not see it.
    let image = format!("{service}={image}");
    let result = host.update(&["--image", &image, "--stable-for", "8s"], 4);
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    let after = host.containers();
    assert_eq!(before.len(), after.len());
    for (was, is) in before.iter().zip(&after) {
        if was.name == service {
            assert_eq!((&was.image, &was.image_id), (&is.image, &is.image_id));
            assert_eq!((&was.state, &was.policy), (&is.state, &is.policy));
        } else {
            assert_eq!(was, is);
        }
    }
    assert_eq!(host.compose(), file);
}

pub fn crash(host: &impl Host) {
    taken_back(host, "n8n", "n8nio/n8n:1.2.0-crash");
}

pub fn later(host: &impl Host) {
    taken_back(host, "n8n", "n8nio/n8n:1.2.0-later");
}

pub fn unhealthy(host: &impl Host) {
    taken_back(host, "n8n", "n8nio/n8n:1.2.0-unhealthy");
}

/// Healthy at first, and then not within the time for which it is to be stable.
pub fn then_bad(host: &impl Host) {
    taken_back(host, "n8n", "n8nio/n8n:1.2.0-thenbad");
}

/// Healthy after some seconds: within the time for it, so it stays.
pub fn slow(host: &impl Host) {
    host.update(&["--image", "n8n=n8nio/n8n:1.2.0-slow"], 0);
    assert_eq!(host.container("n8n").state, "running/healthy");
}

/// Without a health check only the running container speaks: it ends within the time for which it is to be stable.
pub fn later_unchecked(host: &impl Host) {
    let file = host.compose();
    let was = host.container("ollama");
    let args = [
        "--image",
        "ollama=ollama/ollama:1.2.0-later",
        "--stable-for",
        "8s",
    ];
    let result = host.update(&args, 4);
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    let is = host.container("ollama");
    assert_eq!(
        (was.image_id, was.state, was.policy),
        (is.image_id, is.state, is.policy)
    );
    assert_eq!(host.compose(), file);
}

/// Also when the tag has moved on the host since, and the registry is down.
pub fn rollback(host: &impl Host) {
    let (was, file) = (host.container("n8n"), host.compose());
    host.update(&["--image", "n8n=n8nio/n8n:1.1.0"], 0);
    host.tag("n8nio/n8n:1.1.0", "n8nio/n8n:1.0.0");
    host.registry_down();
    let result = host
        .sandbox()
        .json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "rolled_back_as_asked", "{result}");
    let is = host.container("n8n");
    assert_eq!(
        (was.image_id, was.image, was.state),
        (is.image_id, is.image, is.state)
    );
    assert_eq!(host.compose(), file);
}
