//! Declared health, through the binary: `x-geusemaker.health` of the compose file.

use serde_json::Value;

use crate::support::Sandbox;

const FILE: &str = "opt/geusemaker/runtime/docker-compose.yml";
const UPDATE: [&str; 5] = [
    "update",
    "my-dev-stack",
    "--image",
    "n8n=n8nio/n8n:1.20.0",
    "--force",
];

/// The compose file on the sandbox's host says this in place of that.
fn says(sandbox: &Sandbox, that: &str, this: &str) {
    sandbox.run(&["list"]).ended(0);
    let file = sandbox.host().join(FILE);
    let text = fs_err::read_to_string(&file).expect("the compose file");
    assert!(text.contains(that), "{text}");
    fs_err::write(file, text.replace(that, this)).expect("written");
}

fn checks<'a>(result: &'a Value, name: &str, status: &str) -> Vec<&'a Value> {
    let all = result["data"]["plan"]["checks"].as_array().expect("checks");
    all.iter()
        .filter(|c| c["name"] == name && c["status"] == status)
        .collect()
}

fn fault(sandbox: &Sandbox, fault: &str) {
    sandbox.run(&["sandbox", "fault", "add", fault]).ended(0);
}

fn service(sandbox: &Sandbox, name: &str) -> Value {
    let status = sandbox.json(&["status", "my-dev-stack"], 0);
    let services = status["data"]["services"].as_array().expect("services");
    services
        .iter()
        .find(|s| s["name"] == name)
        .expect("there")
        .clone()
}

#[test]
fn what_cannot_be_read_refuses_with_file_line_and_what_is_expected() {
    let sandbox = Sandbox::new();
    says(
        &sandbox,
        "ollama: { tcp: \"127.0.0.1:11434\" }",
        "ollama: { tpc: \"127.0.0.1:11434\", timeout: 9s }\n    nginx: { container: healthy }",
    );
    let before = sandbox.seen();
    let result = sandbox.json(&UPDATE, 3);
    assert_eq!(result["outcome"], "refused");
    let refused = checks(&result, "declared_health", "refuse");
    let lines: Vec<&str> = refused
        .iter()
        .filter_map(|c| c["message"].as_str())
        .collect();
    let text = fs_err::read_to_string(sandbox.host().join(FILE)).expect("the compose file");
    let line = text
        .lines()
        .position(|l| l.contains("tpc:"))
        .expect("there")
        + 1;
    assert_eq!(
        lines,
        [
            format!(
                "/{FILE}, line {line}: x-geusemaker.health.ollama.tpc is not a key of a service's health"
            ),
            format!("/{FILE}, line {line}: x-geusemaker.health.ollama.timeout is '9s'"),
            format!(
                "/{FILE}, line {}: x-geusemaker.health.nginx is not a service of the file",
                line + 1
            ),
        ]
    );
    assert_eq!(refused[1]["expected"], "whole seconds from 1s to 5s");
    assert_eq!(
        refused[2]["expected"],
        "one of crawl4ai, n8n, ollama, postgres, qdrant"
    );
    assert_eq!(sandbox.seen(), before);
    // A dry run and a check say the same.
    sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "t3.large",
            "--dry-run",
        ],
        3,
    );
    assert_eq!(
        checks(
            &sandbox.json(&["check", "my-dev-stack"], 3),
            "declared_health",
            "refuse"
        )
        .len(),
        3
    );
}

/// A way back is not held up by what somebody wrote into the file since.
#[test]
fn a_rollback_only_warns_of_what_cannot_be_read() {
    let sandbox = Sandbox::new();
    sandbox.json(&UPDATE, 0);
    says(&sandbox, "n8n: { http:", "n8n: { htp:");
    let dry = sandbox.json(&["rollback", "my-dev-stack", "--dry-run"], 0);
    assert_eq!(checks(&dry, "declared_health", "warn").len(), 1);
    let result = sandbox.json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "rolled_back_as_asked");
}

#[test]
fn status_check_and_snapshot_say_what_the_probe_saw() {
    let sandbox = Sandbox::new();
    assert_eq!(service(&sandbox, "n8n")["probe"], "green");
    assert_eq!(service(&sandbox, "postgres")["probe"], "green");
    let ok = sandbox.json(&["check", "my-dev-stack"], 0);
    assert_eq!(checks(&ok, "declared_health", "ok").len(), 5);
    fault(&sandbox, "health:qdrant@qdrant/qdrant:v1.12.4=unhealthy");
    fault(&sandbox, "health:postgres@postgres:15.10=unhealthy");
    assert_eq!(
        service(&sandbox, "qdrant")["probe"],
        "tcp 127.0.0.1:6333: closed at once"
    );
    assert_eq!(
        service(&sandbox, "postgres")["probe"],
        "container: unhealthy"
    );
    let text = sandbox
        .run(&["status", "my-dev-stack"])
        .ended(0)
        .out
        .clone();
    assert!(
        text.contains("tcp 127.0.0.1:6333: closed at once"),
        "{text}"
    );
    let warned = sandbox.json(&["check", "my-dev-stack"], 0);
    let warned = checks(&warned, "declared_health", "warn");
    assert_eq!(warned.len(), 2);
    // What was red before warns, and is in the evidence.
    let result = sandbox.json(&UPDATE, 0);
    let warnings = result["data"]["warnings"].to_string();
    assert!(
        warnings.contains("qdrant was not green before"),
        "{warnings}"
    );
    let id = result["data"]["snapshot_id"].as_str().expect("a snapshot");
    let file = format!("sandbox/state/my-dev-stack/snapshots/{id}.yaml");
    let snapshot = fs_err::read_to_string(sandbox.path().join(file)).expect("the snapshot");
    assert!(
        snapshot.contains("why: 'tcp 127.0.0.1:6333: closed at once'"),
        "{snapshot}"
    );
    assert!(snapshot.contains("healthy: false"), "{snapshot}");
}

/// The fault makes the declared probe red as it makes Docker's check; the error says both, and the last lines of the
/// container, which is gone by then. The journal has none of them.
#[test]
fn what_went_red_is_taken_back_and_its_last_lines_are_in_the_error() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    fault(&sandbox, "health:n8n@n8nio/n8n:1.20.0=unhealthy");
    let result = sandbox.json(&UPDATE, 4);
    assert_eq!(result["outcome"], "rolled_back");
    let causes: Vec<&str> = result["error"]["causes"]
        .as_array()
        .expect("causes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        causes[0].starts_with("n8n: http http://127.0.0.1:5678/healthz: HTTP 503"),
        "{causes:?}"
    );
    let said = "n8n said: n8n: error: not ready to serve";
    assert!(causes.contains(&said), "{causes:?}");
    assert_eq!(sandbox.seen(), before);
    let journal = serde_json::to_string(&sandbox.journal()).expect("JSON");
    assert!(
        journal.contains("HTTP 503") && !journal.contains("n8n said:"),
        "{journal}"
    );
}

/// Without a health check, a probe that is red is waited for until the health timeout; Docker alone would have called it
/// green.
#[test]
fn a_declared_probe_decides_where_docker_has_nothing_to_say() {
    let sandbox = Sandbox::new();
    says(
        &sandbox,
        "      test: [\"CMD-SHELL\", \"wget --quiet --spider http://127.0.0.1:5678/healthz || exit 1\"]",
        "      test: [NONE]",
    );
    says(
        &sandbox,
        "n8n: { http: \"http://127.0.0.1:5678/healthz\" }",
        "n8n: { command: [n8n, --ok], interval: 100ms, timeout: 1s, stable_for: 2s }",
    );
    fault(&sandbox, "health:n8n@n8nio/n8n:1.21.0=unhealthy");
    let plan = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--image",
            "n8n=n8nio/n8n:1.20.0",
            "--dry-run",
        ],
        0,
    );
    let steps = plan["data"]["plan"]["steps"].to_string();
    assert!(
        steps.contains("2 s"),
        "the longest that a service asks for: {steps}"
    );
    sandbox.json(&UPDATE, 0);
    let red = [
        "update",
        "my-dev-stack",
        "--image",
        "n8n=n8nio/n8n:1.21.0",
        "--force",
        "--health-timeout",
        "3s",
    ];
    let result = sandbox.json(&red, 4);
    let error = result["error"].to_string();
    assert!(
        error.contains("n8n: command n8n --ok: exit 1: not ready to serve"),
        "{error}"
    );
}
