//! `check`: would it work right now? And `check --fix`: Docker waits for the mount.

use std::path::{Path, PathBuf};

use serde_json::Value;

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
const CHECK: [&str; 2] = ["check", "my-dev-stack"];
const FIX: [&str; 3] = ["check", "my-dev-stack", "--fix"];
const DROP_IN: &str = "etc/systemd/system/docker.service.d/geusemaker-mount.conf";

/// Changes something of the sandbox's one host behind everybody's back.
fn host(sandbox: &Sandbox, change: impl Fn(&mut Value)) {
    let file = sandbox.path().join("sandbox/world.json");
    let mut world: Value =
        serde_json::from_slice(&fs_err::read(&file).expect("the world")).expect("JSON");
    let hosts = world["hosts"].as_object_mut().expect("hosts");
    hosts.values_mut().for_each(change);
    fs_err::write(&file, serde_json::to_vec(&world).expect("JSON")).expect("written");
}

/// Docker does not wait for the mount: its drop-in is gone, and systemd has noticed.
fn unordered(sandbox: &Sandbox) {
    sandbox.run(&["list"]).ended(0);
    fs_err::remove_file(sandbox.host().join(DROP_IN)).expect("it was there");
    host(sandbox, |host| {
        let requires = host["docker_requires"].as_array_mut().expect("units");
        requires.retain(|unit| unit != "mnt-efs.mount" && unit != "-.mount");
    });
}

/// The checks of that name: status and message.
fn said<'a>(result: &'a Value, name: &str) -> Vec<(&'a str, &'a str)> {
    let checks = result["data"]["plan"]["checks"].as_array().expect("checks");
    let text = |check: &'a Value, key: &str| check[key].as_str().expect("a text");
    checks
        .iter()
        .filter(|c| c["name"] == name)
        .map(|c| (text(c, "status"), text(c, "message")))
        .collect()
}

/// Every file below a folder, with its content and time of change; the sentinel's file system included.
fn listing(folder: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut out = Vec::new();
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let meta = fs_err::symlink_metadata(&path).expect("there");
        if meta.is_symlink() {
            continue;
        } else if meta.is_dir() {
            out.extend(listing(&path));
        } else if meta.is_file() {
            let text = fs_err::read(&path).expect("readable");
            out.push((path, text, meta.modified().expect("a time")));
        }
    }
    out.sort();
    out
}

#[test]
fn a_healthy_stack_could_be_updated_and_there_is_nothing_to_go_back_to_yet() {
    let sandbox = Sandbox::new();
    let result = sandbox.json(&CHECK, 0);
    assert_eq!(result["outcome"], "done");
    assert_eq!(result["data"]["rollback"]["snapshot_id"], Value::Null);
    let [(status, message)] = said(&result, "rollback_target")[..] else {
        panic!("{result}");
    };
    assert_eq!(status, "ok");
    assert!(message.starts_with("rollback: there is nothing to go back to"));
    let text = sandbox.run(&CHECK);
    text.ended(0);
    assert!(
        text.out.contains("An update could go ahead."),
        "{}",
        text.out
    );

    sandbox.run(&UPDATE).ended(0);
    let result = sandbox.json(&CHECK, 0);
    let back = &result["data"]["rollback"];
    assert!(back["snapshot_id"].is_string(), "{back}");
    assert_eq!(back["changes"].as_array().map(Vec::len), Some(2), "{back}");
    assert!(
        said(&result, "type_offered")
            .iter()
            .any(|(_, m)| m.starts_with("rollback: t3.medium")),
        "{result}"
    );
}

#[test]
fn with_a_change_it_says_what_a_dry_run_says_and_the_way_back() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&[
            "update",
            "my-dev-stack",
            "--image",
            "n8n=n8nio/n8n:1.20.0",
            "--force",
        ])
        .ended(0);
    for (change, code) in [
        (
            &[
                "--instance-type",
                "t3.large",
                "--image",
                "n8n=n8nio/n8n:1.21.0",
            ][..],
            0,
        ),
        (&["--instance-type", "t4g.large"], 3),
        (&["--instance-type", "t3.enormous"], 3),
        (&["--image", "n8m=n8nio/n8n:1.20.0"], 3),
        (&["--instance-type", "t3.medium"], 0),
    ] {
        let dry = [&["update", "my-dev-stack"], change, &["--dry-run"]].concat();
        let dry = sandbox.json(&dry, code);
        let check = sandbox.json(&[&CHECK, change].concat(), code);
        let part = |result: &Value, key: &str| result["data"]["plan"][key].clone();
        for key in ["changes", "expected_downtime_seconds"] {
            assert_eq!(part(&check, key), part(&dry, key), "{change:?} {key}");
        }
        // The details of one step name the snapshot that would be written: another id each time.
        let steps = |result: &Value| -> Vec<Value> {
            let steps = part(result, "steps");
            steps
                .as_array()
                .expect("steps")
                .iter()
                .map(|s| s["name"].clone())
                .collect()
        };
        assert_eq!(steps(&check), steps(&dry), "{change:?}");
        let found = part(&check, "checks").as_array().expect("checks").clone();
        for (at, expected) in part(&dry, "checks")
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            assert_eq!(&found[at], expected, "{change:?}");
        }
        assert!(
            check["data"]["rollback"]["snapshot_id"].is_string(),
            "{change:?}"
        );
        assert_eq!(check["error"].is_null(), code == 0);
    }
    for wrong in [
        &["--image", "n8n=a:1", "--image", "n8n=a:2"][..],
        &["--fix", "--instance-type", "t3.large"],
        &["--force"],
    ] {
        sandbox.json(&[&CHECK, wrong].concat(), 2);
    }
    sandbox.json(&["check", "nobody"], 8);
}

#[test]
fn a_way_back_that_is_gone_is_said() {
    let sandbox = Sandbox::new();
    sandbox.run(&UPDATE).ended(0);
    // `docker system prune -a`.
    host(&sandbox, |host| {
        let images = host["engine"]["images"].as_array_mut().expect("images");
        images.retain(|i| i["tags"][0] != "n8nio/n8n:1.19.4");
    });
    let result = sandbox.json(&CHECK, 0);
    let [(status, message)] = said(&result, "image_kept")[..] else {
        panic!("{result}");
    };
    assert_eq!(status, "warn", "a pull may bring it back");
    assert!(
        message.starts_with("rollback: the way back of n8n is gone from the host"),
        "{message}"
    );
    assert_eq!(result["data"]["rollback"]["status"], "warn");

    // The type of the snapshot is not offered here any more.
    let snapshots = sandbox.path().join("sandbox/state/my-dev-stack/snapshots");
    let file = fs_err::read_dir(snapshots)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = fs_err::read_to_string(&file).unwrap();
    assert!(text.contains("instance_type: t3.medium\n"), "{text}");
    fs_err::write(
        &file,
        text.replace(
            "instance_type: t3.medium\n",
            "instance_type: p3dn.24xlarge\n",
        ),
    )
    .unwrap();
    let result = sandbox.json(&CHECK, 3);
    assert!(
        said(&result, "type_offered")
            .iter()
            .any(|(status, m)| *status == "refuse"
                && m.starts_with("rollback: p3dn.24xlarge is not offered")),
        "{result}"
    );
    assert_eq!(result["data"]["rollback"]["status"], "refuse");
    sandbox.json(&["rollback", "my-dev-stack", "--dry-run"], 3);
}

#[test]
fn a_check_writes_nothing_neither_here_nor_on_the_host() {
    let sandbox = Sandbox::new();
    sandbox.run(&UPDATE).ended(0);
    sandbox.run(&CHECK).ended(0);
    let (state, host) = (sandbox.path().join("sandbox/state"), sandbox.host());
    let ours = || {
        let mut all = listing(&state);
        // What is below is the sandbox's own: what it keeps of commands, and its stand-ins.
        all.extend(listing(&host).into_iter().filter(|(path, ..)| {
            !path.starts_with(host.join(".geusemaker"))
                && !path.starts_with(host.join("var/lib/amazon"))
        }));
        all
    };
    let before = ours();
    sandbox.run(&CHECK).ended(0);
    sandbox
        .run(
            &[
                &CHECK[..],
                &[
                    "--instance-type",
                    "m5.large",
                    "--image",
                    "n8n=n8nio/n8n:1.20.0",
                ],
            ]
            .concat(),
        )
        .ended(0);
    sandbox.run(&FIX).ended(0);
    sandbox
        .run(&[&CHECK[..], &["--instance-type", "t4g.large"]].concat())
        .ended(3);
    assert_eq!(ours(), before);
}

#[test]
fn an_unfinished_operation_refuses_and_names_resume() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&[
            "sandbox",
            "fault",
            "add",
            "health:n8n@n8nio/n8n:1.20.0=unhealthy",
        ])
        .ended(0);
    let update = [&UPDATE[..], &["--no-rollback", "--health-timeout", "1s"]].concat();
    sandbox.run(&update).ended(6);
    for args in [
        &CHECK[..],
        &FIX,
        &["check", "my-dev-stack", "--fix", "--force"],
    ] {
        let result = sandbox.json(args, 3);
        assert_eq!(result["error"]["code"], "operation_open", "{args:?}");
        let help = result["error"]["help"].to_string();
        assert!(
            help.contains("geusemaker --sandbox resume my-dev-stack"),
            "{help}"
        );
    }
}

#[test]
fn fix_writes_one_file_and_docker_waits() {
    let sandbox = Sandbox::new();
    unordered(&sandbox);
    let check = sandbox.json(&CHECK, 0);
    let [(status, message)] = said(&check, "docker_after_mount")[..] else {
        panic!("{check}");
    };
    assert_eq!(status, "warn");
    assert!(
        message.starts_with("a change of the type would be refused: "),
        "{message}"
    );
    let help = check["data"]["plan"]["checks"].to_string();
    assert!(
        help.contains("geusemaker --sandbox check my-dev-stack --fix"),
        "{help}"
    );
    let typed = [&CHECK[..], &["--instance-type", "t3.large"]].concat();
    let refused = sandbox.json(&typed, 3);
    assert_eq!(refused["error"]["code"], "docker_after_mount");

    let etc = sandbox.host().join("etc");
    let before = listing(&etc);
    let asked = sandbox.run(&FIX);
    asked.ended(9);
    assert!(
        asked.err.contains("RequiresMountsFor=/mnt/efs"),
        "{}",
        asked.err
    );
    assert_eq!(listing(&etc), before, "nobody said yes");

    let force = [&FIX[..], &["--force"]].concat();
    let done = sandbox.json(&force, 0);
    assert_eq!(
        (&done["outcome"], &done["data"]["written"]),
        (&"done".into(), &true.into())
    );
    assert_eq!(
        done["data"]["file"].as_str(),
        Some(format!("/{DROP_IN}").as_str())
    );
    assert!(
        done["data"]["requires"]
            .to_string()
            .contains("mnt-efs.mount")
    );
    let mut after = listing(&etc);
    after.retain(|file| !before.contains(file));
    let [(path, text, _)] = &after[..] else {
        panic!("one file: {after:?}");
    };
    assert_eq!(path, &sandbox.host().join(DROP_IN));
    assert_eq!(text, b"[Unit]\nRequiresMountsFor=/mnt/efs\n");

    let again = sandbox.json(&force, 0);
    assert_eq!(
        (&again["outcome"], &again["data"]["written"]),
        (&"unchanged".into(), &false.into())
    );
    sandbox.json(&typed, 0);
    sandbox.run(&UPDATE).ended(0);
    sandbox.json(&typed, 0);
    let history = sandbox.json(&["history", "my-dev-stack"], 0);
    let operations = history["data"]["operations"].as_array().map(Vec::len);
    assert_eq!(operations, Some(1), "a fix is no operation");
}

#[test]
fn fix_is_refused_where_it_would_not_help() {
    let sandbox = Sandbox::new();
    unordered(&sandbox);
    host(&sandbox, |host| host["fstab_line"] = false.into());
    let etc = sandbox.host().join("etc/systemd");
    let force = [&FIX[..], &["--force"]].concat();
    let refused = sandbox.json(&force, 3);
    assert_eq!(refused["error"]["code"], "no_mount_unit");
    assert!(refused["error"]["help"].to_string().contains("_netdev"));
    assert_eq!(listing(&etc), []);

    let file = sandbox
        .path()
        .join("sandbox/state/my-dev-stack/deployment.yaml");
    let text = fs_err::read_to_string(&file).unwrap();
    let without: String = text
        .lines()
        .filter(|l| !l.starts_with("file_system_id") && !l.starts_with("mount_point"))
        .flat_map(|l| [l, "\n"])
        .collect();
    fs_err::write(&file, without).unwrap();
    let refused = sandbox.json(&force, 3);
    assert_eq!(refused["error"]["code"], "no_mount_point");
}

#[test]
fn a_boot_forgets_a_drop_in_that_was_taken_away() {
    // The way of docs/sandbox.md, with commands alone.
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    fs_err::remove_file(sandbox.host().join(DROP_IN)).unwrap();
    let result = sandbox.json(&CHECK, 0);
    assert_eq!(
        said(&result, "docker_after_mount")[0].0,
        "ok",
        "systemd has not read it yet"
    );
    sandbox.run(&UPDATE).ended(0);
    let result = sandbox.json(&CHECK, 3);
    assert_eq!(
        result["error"]["code"], "docker_after_mount",
        "the way back needs a stop"
    );
    sandbox.run(&[&FIX[..], &["-y"]].concat()).ended(0);
    sandbox.json(&CHECK, 0);
}
