//! Images are held for as long as a snapshot needs them: on the sandbox's host, through the real binary.

use serde_json::Value;

use crate::support::{BIN, Ran, Sandbox};

const UPDATE: [&str; 5] = [
    "update",
    "my-dev-stack",
    "--force",
    "--image",
    "n8n=n8nio/n8n:1.20.0",
];

/// One call of the docker of the sandbox's host.
fn try_docker(sandbox: &Sandbox, words: &str) -> Ran {
    let host = sandbox.host();
    let output = std::process::Command::new(BIN)
        .arg("sandbox-docker")
        .arg(sandbox.path().join("sandbox"))
        .arg(host.file_name().unwrap())
        .arg(&host)
        .arg("docker")
        .args(words.split(' '))
        .output();
    Ran::new(output.unwrap())
}

fn docker(sandbox: &Sandbox, words: &str) -> String {
    let ran = try_docker(sandbox, words);
    ran.ended(0);
    ran.out
}

/// The images that are held, by id: each by a name and a container.
fn held(sandbox: &Sandbox) -> Vec<String> {
    let boxes = docker(
        sandbox,
        "ps -aq --no-trunc --filter label=geusemaker.held=my-dev-stack",
    );
    let mut ids: Vec<String> = boxes
        .lines()
        .map(|id| {
            docker(
                sandbox,
                &format!(
                    "inspect --type container --format {{{{.Image}}}}/{{{{.State.Status}}}} {id}"
                ),
            )
        })
        .map(|said| {
            said.trim()
                .strip_suffix("/created")
                .expect("never started")
                .to_owned()
        })
        .collect();
    ids.sort();
    let named = docker(
        sandbox,
        "image ls --no-trunc --format {{.ID}} geusemaker/held",
    );
    let mut names: Vec<&str> = named.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ids);
    ids
}

fn running(sandbox: &Sandbox) -> Vec<String> {
    let mut ids: Vec<String> = docker(sandbox, "ps -q --no-trunc")
        .lines()
        .map(|id| {
            docker(
                sandbox,
                &format!("inspect --type container --format {{{{.Image}}}} {id}"),
            )
        })
        .map(|id| id.trim().to_owned())
        .collect();
    ids.sort();
    ids
}

fn check(result: &Value) -> &Value {
    let checks = result["data"]["plan"]["checks"].as_array().expect("checks");
    checks
        .iter()
        .find(|c| c["name"] == "images_held")
        .expect("images_held")
}

#[test]
fn what_runs_is_held_and_a_refused_update_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.run(&["status", "my-dev-stack"]).ended(0);
    let ran = running(&sandbox);
    let missing = [
        "update",
        "my-dev-stack",
        "--force",
        "--image",
        "n8n=n8nio/n8n:nothing",
    ];
    sandbox.json(&missing, 3);
    assert_eq!(held(&sandbox), Vec::<String>::new());
    let seen = sandbox.seen();
    let mut update = UPDATE.to_vec();
    update.extend(["--progress-timeout", "30s"]);
    sandbox.json(&update, 0);
    assert_eq!(held(&sandbox), ran);
    let status = sandbox.run(&["status", "my-dev-stack", "-o", "json"]);
    assert!(!status.out.contains("geusemaker-held"), "{}", status.out);
    // The same that was seen before comes back.
    sandbox.json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(sandbox.seen(), seen);
    assert_eq!(
        held(&sandbox).len(),
        ran.len() + 1,
        "the way forward is held as well"
    );
}

#[test]
fn what_no_snapshot_needs_any_more_is_let_go() {
    let sandbox = Sandbox::new();
    sandbox.json(&UPDATE, 0);
    let first = held(&sandbox);
    // Its snapshot is gone, as it is after ten more; so is its operation.
    let state = sandbox.path().join("sandbox/state/my-dev-stack");
    for folder in ["snapshots", "operations"] {
        fs_err::remove_dir_all(state.join(folder)).unwrap();
    }
    let ran = running(&sandbox);
    sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--force",
            "--image",
            "n8n=n8nio/n8n:1.21.0",
        ],
        0,
    );
    assert_eq!(held(&sandbox), ran);
    assert_ne!(first, ran);
    // A pulled image is left to whoever prunes.
    docker(&sandbox, "image inspect --format {{.ID}} n8nio/n8n:1.19.4");
}

#[test]
fn a_prune_of_images_leaves_the_way_back_and_one_of_the_system_does_not() {
    let sandbox = Sandbox::new();
    let seen = sandbox.seen();
    sandbox.json(&UPDATE, 0);
    docker(&sandbox, "image prune -a -f");
    docker(&sandbox, "image inspect --format {{.ID}} n8nio/n8n:1.19.4");
    // What holds it is a stopped container.
    docker(&sandbox, "system prune -a -f");
    let gone = try_docker(&sandbox, "image inspect --format {{.ID}} n8nio/n8n:1.19.4");
    assert_eq!(gone.code, 1);
    sandbox
        .run(&["sandbox", "fault", "add", "pull:n8nio/n8n:1.19.4=missing"])
        .ended(0);
    let refused = sandbox.json(&["rollback", "my-dev-stack", "--force"], 3);
    assert_eq!(refused["error"]["code"], "image_missing", "{refused}");
    sandbox.run(&["sandbox", "fault", "clear"]).ended(0);
    sandbox.json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(sandbox.seen(), seen);
}

#[test]
fn check_says_what_is_not_held_and_fix_holds_it() {
    let sandbox = Sandbox::new();
    sandbox.json(&UPDATE, 0);
    let all = held(&sandbox);
    let checked = sandbox.json(&["check", "my-dev-stack"], 0);
    assert_eq!(check(&checked)["status"], "ok", "{checked}");
    docker(&sandbox, "container prune -f");
    let before = sandbox.seen();
    let checked = sandbox.json(&["check", "my-dev-stack"], 0);
    assert_eq!(check(&checked)["status"], "warn", "{checked}");
    assert!(check(&checked)["help"].as_str().unwrap().contains("--fix"));
    let fixed = sandbox.json(&["check", "my-dev-stack", "--fix", "--force"], 0);
    assert_eq!(fixed["outcome"], "done", "{fixed}");
    assert_eq!(
        fixed["data"]["images_held"].as_array().unwrap().len(),
        all.len()
    );
    assert_eq!(held(&sandbox), all);
    assert_eq!(sandbox.seen(), before);
    let again = sandbox.json(&["check", "my-dev-stack", "--fix", "--force"], 0);
    assert_eq!(again["outcome"], "unchanged", "{again}");
}
