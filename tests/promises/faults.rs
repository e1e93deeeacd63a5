//! What fails ends as it was, verified, or was refused before anything changed.

use crate::support::Sandbox;

fn with_fault(fault: &str) -> (Sandbox, serde_json::Value) {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    sandbox.run(&["sandbox", "fault", "add", fault]).ended(0);
    (sandbox, before)
}

#[track_caller]
fn clear(sandbox: &Sandbox) {
    sandbox.run(&["sandbox", "fault", "clear"]).ended(0);
}

#[test]
fn no_capacity_at_the_new_type_ends_at_the_old_one() {
    // P11: no capacity at start left the instance stopped with the new type.
    let (sandbox, before) = with_fault("ec2:StartInstances@t3.large=InsufficientInstanceCapacity");
    let result = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "t3.large",
            "--force",
        ],
        4,
    );
    assert_eq!(result["outcome"], "rolled_back");
    assert_eq!(result["error"]["code"], "insufficient_capacity");
    assert_eq!(result["data"]["success"], false);
    assert_eq!(result["data"]["changes_applied"], serde_json::json!([]));
    assert_eq!(result["data"]["verified"]["type"], "t3.medium");
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn an_image_that_never_becomes_healthy_is_taken_back() {
    // R5: no automatic rollback.
    let (sandbox, before) = with_fault("health:n8n@n8nio/n8n:1.21.0=unhealthy");
    let result = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--image",
            "n8n=n8nio/n8n:1.21.0",
            "--force",
        ],
        4,
    );
    assert_eq!(result["error"]["code"], "unhealthy");
    assert_eq!(
        sandbox.seen(),
        before,
        "the old image by digest, the file byte for byte"
    );
}

#[test]
fn an_unhealthy_image_with_a_new_type_takes_both_back() {
    let (sandbox, before) = with_fault("health:n8n@n8nio/n8n:1.21.0=unhealthy");
    let args = [
        "update",
        "my-dev-stack",
        "--instance-type",
        "t3.large",
        "--image",
        "n8n=n8nio/n8n:1.21.0",
        "--force",
    ];
    sandbox.json(&args, 4);
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn a_missing_image_is_refused_before_anything_is_down() {
    // P5: the file was rewritten before the pull; a failed pull left a bad file for the next boot.
    let (sandbox, before) = with_fault("pull:n8nio/n8n:9.9.9=missing");
    let args = [
        "update",
        "my-dev-stack",
        "--instance-type",
        "t3.large",
        "--image",
        "n8n=n8nio/n8n:9.9.9",
        "--force",
    ];
    let result = sandbox.json(&args, 3);
    assert_eq!(result["outcome"], "refused");
    assert_eq!(result["error"]["code"], "image_missing");
    assert_eq!(result["data"]["downtime_seconds"], 0.0);
    assert_eq!(sandbox.seen(), before);
    let history = sandbox.json(&["history", "my-dev-stack"], 0);
    assert_eq!(
        history["data"]["snapshots"],
        serde_json::json!([]),
        "a refused operation removes its own snapshot"
    );
}

fn mount_fault_is_refused(fault: &str, check: &str) {
    let (sandbox, _) = with_fault(fault);
    let result = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--image",
            "n8n=n8nio/n8n:1.20.0",
            "--force",
        ],
        3,
    );
    assert_eq!(result["outcome"], "refused");
    let checks = result["data"]["plan"]["checks"].as_array().expect("checks");
    let refused: Vec<&str> = checks
        .iter()
        .filter(|c| c["status"] == "refuse")
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert!(
        refused.contains(&check),
        "{fault} is refused by {refused:?}"
    );
    for c in checks.iter().filter(|c| c["status"] == "refuse") {
        for field in ["found", "expected", "help"] {
            assert!(
                !c[field].as_str().unwrap_or_default().is_empty(),
                "{field} of {c}"
            );
        }
    }
    clear(&sandbox);
    sandbox
        .run(&[
            "update",
            "my-dev-stack",
            "--image",
            "n8n=n8nio/n8n:1.20.0",
            "--force",
        ])
        .ended(0);
}

#[test]
fn a_mount_that_is_gone_is_refused() {
    // P23: the "EFS check" was that the id is not empty.
    mount_fault_is_refused("mount:gone", "mount_present");
}

#[test]
fn another_file_system_at_the_mount_is_refused() {
    mount_fault_is_refused("mount:other", "mount_identity");
}

#[test]
fn a_read_only_mount_is_refused() {
    mount_fault_is_refused("mount:readonly", "mount_writable");
}

#[test]
fn a_mount_that_hangs_is_refused_in_time() {
    mount_fault_is_refused("mount:hang", "mount_answers");
}

#[test]
fn a_typo_in_a_service_is_refused() {
    // P6: an unknown service name was recorded as updated.
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let result = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--image",
            "n8m=n8nio/n8n:1.20.0",
            "--force",
        ],
        3,
    );
    assert!(
        result["error"]["message"].as_str().unwrap().contains("n8m"),
        "{result}"
    );
    assert!(
        result.to_string().contains("n8n"),
        "it says which services there are"
    );
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn every_refusal_is_shown_at_once() {
    let sandbox = Sandbox::new();
    let args = [
        "update",
        "my-dev-stack",
        "--instance-type",
        "t3.nonsense",
        "--image",
        "n8m=n8nio/n8n:1.20.0",
        "--force",
    ];
    let result = sandbox.json(&args, 3);
    let checks = result["data"]["plan"]["checks"].as_array().unwrap();
    let refused = checks.iter().filter(|c| c["status"] == "refuse").count();
    assert!(refused >= 2, "{result}");
}

#[test]
fn a_type_of_another_architecture_is_refused_while_all_runs() {
    // P12: validation after the stop.
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let result = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "t4g.large",
            "--force",
        ],
        3,
    );
    assert_eq!(result["error"]["code"], "type_architecture");
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn a_major_bump_of_postgres_is_refused() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--image",
            "postgres=postgres:16.4",
            "--force",
        ],
        3,
    );
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn what_may_not_be_stopped_typed_or_started_is_refused_before_anything_is_changed() {
    for call in ["StopInstances", "ModifyInstanceAttribute", "StartInstances"] {
        let (sandbox, before) = with_fault(&format!("ec2:{call}=UnauthorizedOperation"));
        let update = [
            "update",
            "my-dev-stack",
            "--instance-type",
            "t3.large",
            "--force",
        ];
        let result = sandbox.json(&update, 3);
        let checks = result["data"]["plan"]["checks"].as_array().expect("checks");
        let check = checks
            .iter()
            .find(|c| c["status"] == "refuse")
            .expect("one");
        assert_eq!(check["name"], "permission", "{check}");
        assert_eq!(check["message"], format!("ec2:{call} is not permitted"));
        assert_eq!(sandbox.seen(), before);
        // An image needs none of them.
        let bump = [
            "update",
            "my-dev-stack",
            "--image",
            "n8n=n8nio/n8n:1.20.0",
            "--dry-run",
        ];
        sandbox.json(&bump, 0);
    }
}

#[test]
fn a_start_that_is_denied_at_the_new_type_alone_is_undone() {
    let (sandbox, before) = with_fault("ec2:StartInstances@t3.large=UnauthorizedOperation");
    sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "t3.large",
            "--force",
        ],
        4,
    );
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn expired_credentials_pause_and_undo_nothing() {
    let (sandbox, before) = with_fault("ec2:StartInstances@t3.large=ExpiredToken");
    let result = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "t3.large",
            "--force",
        ],
        6,
    );
    assert_eq!(result["outcome"], "paused");
    assert!(
        result["error"]["help"].to_string().contains("resume"),
        "{result}"
    );
    let again = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "t3.large",
            "--force",
        ],
        3,
    );
    assert!(
        again
            .to_string()
            .contains("geusemaker --sandbox resume my-dev-stack"),
        "{again}"
    );
    clear(&sandbox);
    sandbox.json(&["resume", "my-dev-stack", "--force"], 0);
    let after = sandbox.seen();
    assert_eq!(after["type"], "t3.large");
    assert_eq!(after["services"], before["services"]);
}

#[test]
fn no_rollback_pauses_and_unwind_goes_back() {
    let (sandbox, before) = with_fault("health:n8n@n8nio/n8n:1.21.0=unhealthy");
    let args = [
        "update",
        "my-dev-stack",
        "--image",
        "n8n=n8nio/n8n:1.21.0",
        "--force",
        "--no-rollback",
    ];
    let paused = sandbox.json(&args, 6);
    let result = sandbox.json(&["resume", "my-dev-stack", "--unwind", "--force"], 4);
    assert_eq!(result["outcome"], "rolled_back");
    // What failed is why, though it was taken back as was asked.
    assert_eq!(result["error"]["code"], paused["error"]["code"]);
    assert_ne!(result["error"]["code"], "taken_back");
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn a_failed_rollback_tried_again_has_the_same_target() {
    // R3: a failed rollback, retried, targeted the broken state.
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let update = [
        "update",
        "my-dev-stack",
        "--instance-type",
        "t3.large",
        "--image",
        "n8n=n8nio/n8n:1.20.0",
        "--force",
    ];
    sandbox.run(&update).ended(0);
    let updated = sandbox.seen();
    sandbox
        .run(&[
            "sandbox",
            "fault",
            "add",
            "ec2:StartInstances@t3.medium=InsufficientInstanceCapacity",
        ])
        .ended(0);
    let result = sandbox.json(&["rollback", "my-dev-stack", "--force"], 4);
    assert_eq!(result["outcome"], "rolled_back");
    assert_eq!(
        sandbox.seen(),
        updated,
        "a rollback that fails goes back to where it was"
    );
    clear(&sandbox);
    sandbox.json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(sandbox.seen(), before);
}

#[test]
fn a_start_that_fails_at_both_types_is_stuck_and_says_what_to_do() {
    let (sandbox, before) = with_fault("ec2:StartInstances=InsufficientInstanceCapacity");
    let result = sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--instance-type",
            "t3.large",
            "--force",
        ],
        5,
    );
    assert_eq!(result["outcome"], "stuck");
    assert!(
        result["error"]["help"]
            .to_string()
            .contains("geusemaker --sandbox resume my-dev-stack --unwind"),
        "{result}"
    );
    clear(&sandbox);
    let result = sandbox.json(&["resume", "my-dev-stack", "--unwind", "--force"], 4);
    assert_eq!(result["outcome"], "rolled_back");
    assert_eq!(sandbox.seen(), before);
}
