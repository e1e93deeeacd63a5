//! The main road: update and rollback, end to end, through the real binary, the real SDK and real shells.

use crate::support::Sandbox;

const UPDATE: [&str; 7] = [
    "update",
    "my-dev-stack",
    "--instance-type",
    "t3.large",
    "--image",
    "n8n=n8nio/n8n:1.20.0",
    "--force",
];

fn names(steps: &serde_json::Value) -> Vec<&str> {
    steps
        .as_array()
        .expect("steps")
        .iter()
        .map(|s| s["name"].as_str().expect("a name"))
        .collect()
}

#[test]
fn an_update_changes_type_and_image_in_one_outage() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let result = sandbox.json(&UPDATE, 0);
    assert_eq!(result["outcome"], "updated");
    let data = &result["data"];
    assert_eq!(
        data["changes_applied"],
        serde_json::json!([
            "instance_type: t3.medium -> t3.large",
            "image: n8n: n8nio/n8n:1.19.4 -> n8nio/n8n:1.20.0"
        ])
    );
    assert_eq!(
        names(&data["steps"]),
        [
            "check_mounts",
            "write_snapshot",
            "hold_images",
            "pull_images",
            "reserve_capacity",
            "arm_restore",
            "quiesce",
            "stop_instance",
            "set_instance_type",
            "start_instance",
            "await_host",
            "apply_images",
            "verify_health",
            "commit_host",
            "release_capacity"
        ]
    );
    assert_eq!(data["verified"]["type"], "t3.large");
    assert_eq!(data["verified"]["images"]["n8n"]["ref"], "n8nio/n8n:1.20.0");
    assert!(data["downtime_seconds"].as_f64().expect("a number") > 0.0);
    let after = sandbox.seen();
    assert_eq!(after["type"], "t3.large");
    assert_eq!(after["state"], "running");
    for (old, new) in before["services"]
        .as_array()
        .unwrap()
        .iter()
        .zip(after["services"].as_array().unwrap())
    {
        if old[0] == "n8n" {
            assert_eq!(new[1], "n8nio/n8n:1.20.0");
            assert_ne!(new[2], old[2], "another digest runs");
        } else {
            assert_eq!(new, old, "the other services run what they ran");
        }
    }
}

#[test]
fn the_compose_file_changes_in_one_value_and_keeps_its_comments() {
    let sandbox = Sandbox::new();
    sandbox.run(&["status", "my-dev-stack"]).ended(0);
    let before = sandbox.compose();
    sandbox
        .run(&[
            "update",
            "my-dev-stack",
            "--image",
            "n8n=n8nio/n8n:1.20.0",
            "--force",
        ])
        .ended(0);
    let after = sandbox.compose();
    assert!(before.contains('#'), "the template has comments");
    assert_eq!(
        after,
        before.replace("n8nio/n8n:1.19.4", "n8nio/n8n:1.20.0")
    );
    assert_eq!(
        before.matches("n8nio/n8n:1.19.4").count(),
        1,
        "one value is that image"
    );
}

#[test]
fn a_rollback_brings_back_type_and_image() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    sandbox.run(&UPDATE).ended(0);
    let result = sandbox.json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "rolled_back_as_asked");
    assert_eq!(
        sandbox.seen(),
        before,
        "type, images by digest, health and the file byte for byte"
    );
}

#[test]
fn a_rollback_of_a_rollback_is_a_redo() {
    let sandbox = Sandbox::new();
    sandbox.run(&UPDATE).ended(0);
    let updated = sandbox.seen();
    sandbox
        .run(&["rollback", "my-dev-stack", "--force"])
        .ended(0);
    let again = sandbox.run(&["rollback", "my-dev-stack", "--force"]);
    again.ended(0);
    assert!(
        again.err.contains("a redo"),
        "the plan says so: {}",
        again.err
    );
    assert_eq!(sandbox.seen(), updated);
}

#[test]
fn unchanged_leaves_no_snapshot_and_no_history() {
    // P21: a no-op left `updating` and ate a history slot.
    let sandbox = Sandbox::new();
    let result = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "t3.medium",
            "--force",
        ],
        0,
    );
    assert_eq!(result["outcome"], "unchanged");
    let history = sandbox.json(&["history", "my-dev-stack"], 0);
    assert_eq!(history["data"]["operations"], serde_json::json!([]));
    assert_eq!(history["data"]["snapshots"], serde_json::json!([]));
}

#[test]
fn a_dry_run_changes_nothing_and_takes_no_lock() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let mut args = UPDATE.to_vec();
    args[6] = "--dry-run";
    let result = sandbox.json(&args, 0);
    let plan = &result["data"]["plan"];
    assert_eq!(plan["changes"][0], "instance_type: t3.medium -> t3.large");
    assert!(
        plan["steps"]
            .as_array()
            .unwrap()
            .iter()
            .any(|s| s["outage"] == true)
    );
    assert_eq!(
        plan["steps"][0]["outage"], false,
        "nothing is down while the mount is checked"
    );
    assert_eq!(sandbox.seen(), before);
    let state = sandbox.path().join("sandbox/state/my-dev-stack");
    assert!(
        !state.join("lock").exists()
            && !state.join("snapshots").exists()
            && !state.join("operations").exists()
    );
}

#[test]
fn without_a_terminal_and_without_force_it_is_declined() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let ran = sandbox.run(&["update", "my-dev-stack", "--instance-type", "t3.large"]);
    ran.ended(9);
    assert!(ran.err.contains("--force"), "{}", ran.err);
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn a_type_change_alone_starts_the_same_containers_again() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    sandbox
        .run(&[
            "update",
            "my-dev-stack",
            "--instance-type",
            "m5.large",
            "--force",
        ])
        .ended(0);
    let after = sandbox.seen();
    assert_eq!(after["type"], "m5.large");
    assert_eq!(after["services"], before["services"]);
    assert_eq!(after["compose"], before["compose"]);
}

#[test]
fn several_images_are_one_update() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&[
            "update",
            "my-dev-stack",
            "--force",
            "--image",
            "n8n=n8nio/n8n:1.20.0",
            "--image",
            "qdrant=qdrant/qdrant:v1.13.0",
        ])
        .ended(0);
    let after = sandbox.seen();
    let images: Vec<&str> = after["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s[1].as_str().unwrap())
        .collect();
    assert!(
        images.contains(&"n8nio/n8n:1.20.0") && images.contains(&"qdrant/qdrant:v1.13.0"),
        "{images:?}"
    );
}

#[test]
fn history_and_inspect_show_what_was_done() {
    let sandbox = Sandbox::new();
    sandbox.run(&UPDATE).ended(0);
    sandbox
        .run(&["rollback", "my-dev-stack", "--force"])
        .ended(0);
    let history = sandbox.json(&["history", "my-dev-stack"], 0);
    let operations = history["data"]["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 2);
    assert_eq!(operations[0]["kind"], "rollback", "newest first");
    assert_eq!(operations[0]["outcome"], "rolled_back_as_asked");
    assert_eq!(operations[1]["outcome"], "updated");
    let snapshots = history["data"]["snapshots"].as_array().unwrap();
    assert_eq!(snapshots.len(), 2);
    assert!(snapshots.iter().all(|s| s["healthy"] == true));
    assert_eq!(snapshots[1]["instance_type"], "t3.medium");
    let inspect = sandbox.json(&["inspect", "my-dev-stack", "--show-history"], 0);
    assert_eq!(
        inspect["data"]["history"]["operations"],
        history["data"]["operations"]
    );
    let list = sandbox.json(&["list"], 0);
    assert_eq!(list["data"]["deployments"][0]["instance_type"], "t3.medium");
}

#[test]
fn looks_never_write() {
    let sandbox = Sandbox::new();
    sandbox.run(&UPDATE).ended(0);
    let state = sandbox.path().join("sandbox/state");
    let before = listing(&state);
    for look in [
        vec!["list"],
        vec!["status", "my-dev-stack"],
        vec!["inspect", "my-dev-stack", "--show-history"],
        vec!["history", "my-dev-stack"],
    ] {
        sandbox.run(&look).ended(0);
    }
    assert_eq!(listing(&state), before);
}

#[test]
fn adopt_takes_over_what_runs_and_changes_nothing_on_it() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let adopt = ["adopt", "again", "--instance-id", "i-0c5a1b7d9e2f34680"];
    let refused = sandbox.json(&adopt, 3);
    assert_eq!(
        refused["error"]["code"], "instance_taken",
        "one instance, one lock"
    );
    // The state folder was lost; the instance runs on.
    let state = sandbox.path().join("sandbox/state");
    fs_err::rename(state.join("my-dev-stack"), sandbox.path().join("lost")).unwrap();
    let none = sandbox.json(&[&adopt[..], &["--efs", "none"]].concat(), 3);
    assert_eq!(none["error"]["code"], "data_on_efs");
    let adopted = sandbox.json(&adopt, 0);
    let data = &adopted["data"];
    assert_eq!(
        data["compose"]["file"],
        "/opt/geusemaker/runtime/docker-compose.yml"
    );
    assert_eq!(data["file_system_id"], "fs-0a8d64c2e1f7b3590");
    assert_eq!(data["mount_point"], "/mnt/efs");
    let update = [
        "update",
        "again",
        "--image",
        "n8n=n8nio/n8n:1.20.0",
        "--force",
    ];
    sandbox.run(&update).ended(0);
    let operations = state.join("again/operations");
    let operation = fs_err::read_dir(operations)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let log = fs_err::read_to_string(operation.join("log")).unwrap();
    assert!(log.contains("apply_images"), "{log}");
    sandbox.run(&["rollback", "again", "--force"]).ended(0);
    fs_err::rename(state.join("again"), state.join("my-dev-stack")).unwrap();
    let file = state.join("my-dev-stack/deployment.yaml");
    let text = fs_err::read_to_string(&file)
        .unwrap()
        .replace("name: again", "name: my-dev-stack");
    fs_err::write(&file, text).unwrap();
    assert_eq!(sandbox.seen(), before);
}

/// Every file below, with its content and time of change.
fn listing(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut out = Vec::new();
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            out.extend(listing(&path));
        } else {
            let changed = fs_err::metadata(&path).unwrap().modified().unwrap();
            out.push((path.clone(), fs_err::read(&path).unwrap(), changed));
        }
    }
    out.sort();
    out
}
