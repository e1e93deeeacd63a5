//! A new image through the real binary: what happens to the containers.

use super::real::Real;

/// Only n8n is made anew, the other four keep id and start time, the file differs in one value.
pub fn bump(real: &Real) {
    let (before, file) = (real.containers(), real.compose());
    assert_eq!(before.len(), 5);
    let result = real.update(&["--image", "n8n=n8nio/n8n:1.1.0"], 0);
    assert_eq!(result["outcome"], "updated", "{result}");
    let after = real.containers();
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
        real.compose(),
        file.replace("n8nio/n8n:1.0.0 # pinned", "n8nio/n8n:1.1.0 # pinned")
    );
}

/// Ends with this code and outcome; file and containers are the very same.
#[track_caller]
fn untouched(real: &Real, image: &str, says: &str) {
    let (before, file) = (real.containers(), real.compose());
    let result = real.update(&["--image", image], 3);
    assert_eq!(result["outcome"], "refused", "{result}");
    assert!(result.to_string().contains(says), "{result}");
    assert_eq!(real.containers(), before);
    assert_eq!(real.compose(), file);
}

pub fn missing(real: &Real) {
    untouched(real, "n8n=n8nio/n8n:9.9.9", "n8nio/n8n:9.9.9");
    // The registry is down.
    real.sh("systemctl stop registry");
    untouched(real, "n8n=n8nio/n8n:1.1.0", "n8nio/n8n:1.1.0");
}

pub fn architecture(real: &Real) {
    untouched(real, "n8n=n8nio/n8n:1.1.0-s390x", "s390x");
}

/// The old image runs again, the file is as before byte for byte, the others were never touched.
#[track_caller]
fn taken_back(real: &Real, service: &str, image: &str) {
    let (before, file) = (real.containers(), real.compose());
    // It crashes after 4 s: a shorter gate would not see it.
    let image = format!("{service}={image}");
    let result = real.update(&["--image", &image, "--stable-for", "8s"], 4);
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    let after = real.containers();
    assert_eq!(before.len(), after.len());
    for (was, is) in before.iter().zip(&after) {
        if was.name == service {
            assert_eq!((&was.image, &was.image_id), (&is.image, &is.image_id));
            assert_eq!((&was.state, &was.policy), (&is.state, &is.policy));
        } else {
            assert_eq!(was, is);
        }
    }
    assert_eq!(real.compose(), file);
}

pub fn crash(real: &Real) {
    taken_back(real, "n8n", "n8nio/n8n:1.2.0-crash");
}

pub fn later(real: &Real) {
    taken_back(real, "n8n", "n8nio/n8n:1.2.0-later");
}

pub fn unhealthy(real: &Real) {
    taken_back(real, "n8n", "n8nio/n8n:1.2.0-unhealthy");
}

/// Healthy after some seconds: within the time for it, so it stays.
pub fn slow(real: &Real) {
    real.update(&["--image", "n8n=n8nio/n8n:1.2.0-slow"], 0);
    assert_eq!(real.container("n8n").state, "running/healthy");
}

/// Without a health check only the running container speaks: it ends within the time for which it is to be stable.
pub fn later_unchecked(real: &Real) {
    let file = real.compose();
    let was = real.container("ollama");
    let args = [
        "--image",
        "ollama=ollama/ollama:1.2.0-later",
        "--stable-for",
        "8s",
    ];
    let result = real.update(&args, 4);
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    let is = real.container("ollama");
    assert_eq!(
        (was.image_id, was.state, was.policy),
        (is.image_id, is.state, is.policy)
    );
    assert_eq!(real.compose(), file);
}

/// Also when the tag has moved on the host since, and the registry is down.
pub fn rollback(real: &Real) {
    let (was, file) = (real.container("n8n"), real.compose());
    real.update(&["--image", "n8n=n8nio/n8n:1.1.0"], 0);
    real.sh("docker tag n8nio/n8n:1.1.0 n8nio/n8n:1.0.0; systemctl stop registry");
    let result = real
        .sandbox
        .json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "rolled_back_as_asked", "{result}");
    let is = real.container("n8n");
    assert_eq!(
        (was.image_id, was.image, was.state),
        (is.image_id, is.image, is.state)
    );
    assert_eq!(real.compose(), file);
}
