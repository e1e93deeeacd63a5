//! Declared health against real servers, through Docker's own proxy of a published port.

use serde_json::Value;

use super::power::{judged, killed_in_the_gate, patience};
use super::real::{FILE, Real};

const URL: &str = "http://127.0.0.1:5678/cgi-bin/healthz";

/// n8n serves, and the file declares how it shows that.
fn declares(real: &Real, how: &str) {
    real.update(&["--image", "n8n=n8nio/n8n:1.3.0-http"], 0);
    let file = real.compose();
    real.write(
        FILE,
        &format!("{file}\nx-geusemaker:\n  health:\n    n8n: {how}\n"),
    );
}

fn to(real: &Real, tag: &str, code: i32) -> Value {
    let image = format!("n8n=n8nio/n8n:{tag}");
    let words = [
        "update",
        "my-dev-stack",
        "--force",
        "--image",
        &image,
        "--health-timeout",
        "8s",
        "--stable-for",
        "2s",
    ];
    real.sandbox.json(&words, code)
}

/// Taken back to what served before, and says so in the error.
#[track_caller]
fn goes_back(real: &Real, tag: &str, says: &[&str]) {
    let (was, file) = (real.container("n8n"), real.compose());
    let result = to(real, tag, 4);
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    let error = result["error"].to_string();
    for one in says {
        assert!(error.contains(one), "{one}: {error}");
    }
    let is = real.container("n8n");
    assert_eq!((was.image_id, was.state), (is.image_id, is.state));
    assert_eq!(real.compose(), file);
}

fn probe_of(real: &Real) -> String {
    let status = real.sandbox.json(&["status", "my-dev-stack"], 0);
    let services = status["data"]["services"].as_array().unwrap();
    let n8n = services.iter().find(|s| s["name"] == "n8n").unwrap();
    n8n["probe"].as_str().unwrap_or("none").to_owned()
}

/// No image here has a health check: the probe alone tells the good one from one that answers 503, and one on whose
/// port nobody listens. What the container printed is in the error, though it is gone by then, and in no journal.
pub fn http(real: &Real) {
    declares(
        real,
        &format!("{{ http: \"{URL}\", timeout: 1s, interval: 500ms }}"),
    );
    assert_eq!(probe_of(real), "green");
    let said = "n8n said: the database is locked by another version";
    goes_back(real, "1.3.1-http503", &["HTTP 503", said]);
    goes_back(real, "1.3.1-dead", &["closed without an answer"]);
    let operations = real
        .sandbox
        .path()
        .join("sandbox/state/my-dev-stack/operations");
    let journals = fs_err::read_dir(operations)
        .unwrap()
        .map(|o| fs_err::read_to_string(o.unwrap().path().join("journal.jsonl")).unwrap());
    assert!(
        journals
            .collect::<String>()
            .find("locked by another")
            .is_none()
    );
    to(real, "1.3.1-http", 0);
    assert_eq!(real.container("n8n").image, "n8nio/n8n:1.3.1-http");
    assert_eq!(probe_of(real), "green");
    // Broken by hand: seen at once, and it only warns.
    real.sh("docker exec n8n killall httpd");
    assert!(probe_of(real).contains("closed without an answer"));
}

/// Docker's proxy opens the port whether anybody listens behind it or not.
pub fn tcp(real: &Real) {
    declares(real, "{ tcp: \"127.0.0.1:5678\" }");
    assert_eq!(probe_of(real), "green");
    goes_back(real, "1.3.1-dead", &["tcp 127.0.0.1:5678: closed at once"]);
    to(real, "1.3.1-http", 0);
}

pub fn command(real: &Real) {
    declares(
        real,
        "{ command: 'test -x $$PWD/www/cgi-bin/healthz || { echo no server; exit 4; }' }",
    );
    assert_eq!(probe_of(real), "green");
    goes_back(
        real,
        "1.3.1-dead",
        &["n8n: command /bin/sh -c test -x", "exit 4: no server"],
    );
    to(real, "1.3.1-http", 0);
}

/// The controller is killed in the gate; no container has a health check, and all of them run. The host asks the probe.
pub fn silent(real: &Real) {
    declares(real, &format!("{{ http: \"{URL}\" }}"));
    let (was, file) = (real.container("n8n"), real.compose());
    patience(real, "4s");
    killed_in_the_gate(real, "1.3.1-http503");
    let state = judged(real);
    assert!(
        state.starts_with("restored ") && state.ends_with(" host\n"),
        "{state}"
    );
    let said = real.sh("journalctl --no-pager -u geusemaker-restore.service");
    assert!(said.contains("not green: n8n: HTTP 503"), "{said}");
    assert_eq!(real.container("n8n").image_id, was.image_id);
    assert_eq!(real.compose(), file);
    // A good one stays.
    real.sandbox.run(&["resume", "my-dev-stack", "--force"]);
    killed_in_the_gate(real, "1.3.1-http");
    let state = judged(real);
    assert!(
        state.starts_with("committed ") && state.ends_with(" host\n"),
        "{state}"
    );
    assert_eq!(real.container("n8n").image, "n8nio/n8n:1.3.1-http");
}
