//! The faults of the predecessor, by their numbers: what no other test shows to be impossible here.
//! The whole table is docs/predecessor.md.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use geusemaker::cloud::{
    Agent, AgentPing, CloudError, CommandId, CommandRequest, CommandResult, CommandStatus,
    SystemClock,
};
use geusemaker::host::scripts::is_ours;
use geusemaker::host::{
    ApplyJob, ApplyService, ChannelLimits, FileText, Host, Job, JobState, QuiesceContainer,
    RunCommandHost, Tag,
};
use geusemaker::model::{ImageRef, InstanceId, OperationId, Secret, ServiceName, Sha256Id};
use serde_json::{Value, json};

use crate::support::Sandbox;

impl Sandbox {
    /// Changes something of the sandbox's one instance behind everybody's back.
    fn instance(&self, change: impl Fn(&mut Value)) {
        let file = self.path().join("sandbox/world.json");
        let text = fs_err::read(&file).expect("the world");
        let mut world: Value = serde_json::from_slice(&text).expect("JSON");
        let instances = world["instances"].as_object_mut().expect("instances");
        instances.values_mut().for_each(change);
        fs_err::write(&file, serde_json::to_vec(&world).expect("JSON")).expect("written");
    }

    fn deployment_file(&self) -> PathBuf {
        self.path()
            .join("sandbox/state/my-dev-stack/deployment.yaml")
    }

    /// Edits `deployment.yaml`, as a person or another version would.
    fn edit_deployment(&self, from: &str, to: &str) {
        let text = fs_err::read_to_string(self.deployment_file()).expect("deployment.yaml");
        assert!(text.contains(from), "{text}");
        fs_err::write(self.deployment_file(), text.replacen(from, to, 1)).expect("written");
    }

    fn update(&self, change: [&str; 2], code: i32) -> Value {
        let args = ["update", "my-dev-stack", change[0], change[1], "--force"];
        self.json(&args, code)
    }
}

fn refused_by(result: &Value, check: &str) {
    let checks = result["data"]["plan"]["checks"].as_array();
    let refused = checks
        .into_iter()
        .flatten()
        .any(|c| c["name"] == check && c["status"] == "refuse");
    assert!(refused, "{check}: {result}");
}

#[test]
fn p1_the_compose_file_is_the_one_that_the_containers_name() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    fs_err::remove_dir_all(sandbox.path().join("sandbox/state/my-dev-stack")).unwrap();
    let args = [
        "adopt",
        "my-dev-stack",
        "--instance-id",
        "i-0c5a1b7d9e2f34680",
    ];
    let adopted = sandbox.json(&args, 0);
    let found = "/opt/geusemaker/runtime/docker-compose.yml";
    assert_eq!(adopted["data"]["compose"]["file"], found);
    // Where the note and the host differ, no file is touched: neither the one nor the other.
    sandbox.edit_deployment(found, "/root/docker-compose.yml");
    let before = sandbox.compose();
    let result = sandbox.update(["--image", "n8n=n8nio/n8n:1.20.0"], 3);
    refused_by(&result, "project_file");
    assert_eq!(sandbox.compose(), before);
    assert!(!sandbox.host().join("root/docker-compose.yml").exists());
}

/// An agent that runs what it is sent, in a shell, on a folder.
struct Shell {
    root: tempfile::TempDir,
    sent: Mutex<Vec<String>>,
    last: Mutex<Option<CommandResult>>,
}

impl Shell {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let at = root.path();
        for folder in ["bin", "proc/sys/kernel/random", "srv", "tmp", "var/lib"] {
            fs_err::create_dir_all(at.join(folder)).expect("a folder");
        }
        let boot = at.join("proc/sys/kernel/random/boot_id");
        fs_err::write(boot, "0b5f2a8c-0000-4000-8000-000000000001\n").expect("written");
        // A docker that writes down its words, each in brackets.
        let docker = at.join("bin/docker");
        let text = format!(
            "#!/bin/sh\nfor w; do printf '[%s]' \"$w\"; done >>'{0}/calls'\necho >>'{0}/calls'\n",
            at.display()
        );
        fs_err::write(&docker, text).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(&docker, mode).expect("executable");
        Self {
            root,
            sent: Mutex::default(),
            last: Mutex::default(),
        }
    }

    fn calls(&self) -> String {
        fs_err::read_to_string(self.root.path().join("calls")).unwrap_or_default()
    }
}

#[async_trait]
impl Agent for Shell {
    async fn ping(&self, _: &InstanceId) -> Result<Option<AgentPing>, CloudError> {
        Ok(Some(AgentPing {
            online: true,
            last_ping: None,
        }))
    }

    async fn send(
        &self,
        _: &InstanceId,
        command: &CommandRequest,
    ) -> Result<CommandId, CloudError> {
        let at = self.root.path();
        let file = at.join("script");
        fs_err::write(&file, &command.script).expect("written");
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .arg(&file)
            .current_dir(at)
            .env_clear()
            .env("PATH", format!("{}:{path}", at.join("bin").display()))
            .env("GEUSEMAKER_ROOT", at)
            .output()
            .expect("a shell");
        let code = output.status.code().unwrap_or(-1);
        *self.last.lock().expect("unpoisoned") = Some(CommandResult {
            status: if code == 0 {
                CommandStatus::Success
            } else {
                CommandStatus::Failed
            },
            details: String::new(),
            exit_code: code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
        let mut sent = self.sent.lock().expect("unpoisoned");
        sent.push(command.script.clone());
        Ok(CommandId(format!("c{}", sent.len())))
    }

    async fn result(
        &self,
        _: &InstanceId,
        _: &CommandId,
    ) -> Result<Option<CommandResult>, CloudError> {
        Ok(self.last.lock().expect("unpoisoned").clone())
    }
}

#[tokio::test]
async fn p7_what_a_user_or_a_host_named_is_data_and_never_runs() {
    let shell = Arc::new(Shell::new());
    let marker = shell.root.path().join("ran");
    let host = RunCommandHost::new(shell.clone(), Arc::new(SystemClock), ChannelLimits::fast());
    let on = InstanceId::new("i-0c5a1b7d9e2f34680").unwrap();
    // What the types take of hostile text cannot be told from a harmless word by any shell.
    let touch = format!("touch {}", marker.display());
    for hostile in [
        format!("n8nio/n8n:$({touch})"),
        format!("n8nio/n8n:`{touch}`"),
        format!("n8nio/n8n:1'; {touch}; '"),
        format!("n8nio/n8n:1\n{touch}"),
        "--privileged".into(),
        "-v".into(),
    ] {
        assert!(ImageRef::new(hostile.clone()).is_err(), "{hostile:?}");
        assert!(!hostile.contains(' ') || ServiceName::new(hostile.clone()).is_err());
    }
    // What parses and looks like more than it is.
    let reference = ImageRef::new("localhost:5000/rm-rf/e__x:_--privileged").unwrap();
    let service = ServiceName::new("n8n.$".replace('$', "x--help")).unwrap();
    // Names of containers, files and projects come from the host, in any letters.
    let wild = format!("$({touch})`{touch}`'; {touch}; '\"; {touch} #");
    let image = Sha256Id::new(format!("sha256:{}", "a".repeat(64))).unwrap();
    let jobs = [
        Job::Pull {
            reference: reference.clone(),
        },
        Job::Quiesce {
            containers: vec![QuiesceContainer {
                name: wild.clone(),
                restart_policy: "always".into(),
                comes_up: false,
            }],
            back: false,
        },
        Job::Apply(Box::new(ApplyJob {
            project: wild.clone(),
            file: format!("/srv/{}", wild.replace('/', "_")),
            env_files: vec![format!("/srv/{}", wild.replace('/', "_"))],
            text: FileText::New(Secret::new(format!("services: {{}} # {wild}\n"))),
            from_sha256: "0".repeat(64),
            to_sha256: "1".repeat(64),
            more_files: Vec::new(),
            more_texts: Vec::new(),
            tags: vec![],
            services: vec![ApplyService {
                service,
                container: wild.clone(),
                image_id: image,
            }],
            policies: vec![],
            start: true,
        })),
    ];
    for (n, job) in jobs.iter().enumerate() {
        let tag = Tag {
            fence: n as u64 + 1,
            seq: 1,
            operation: OperationId::new("op-1").unwrap(),
        };
        let mut state = host.start(&on, &tag, job).await;
        let until = Instant::now() + Duration::from_secs(20);
        while matches!(state, Ok(JobState::Running(_))) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
            state = host.poll(&on, &tag).await;
        }
        // How it ends is not the question here: the stand-in knows no containers.
        assert!(!matches!(state, Ok(JobState::Running(_))), "{state:?}");
        assert!(!marker.exists(), "{job:?}: {state:?}");
    }
    let calls = shell.calls();
    assert!(
        calls.contains(&format!("[{}]", reference.as_str())),
        "one word, as it was typed: {calls}"
    );
    let sent = shell.sent.lock().unwrap();
    assert!(sent.len() >= jobs.len());
    for script in sent.iter() {
        assert!(is_ours(script), "our text, and lines of data");
        assert!(!script.contains(&wild) && !script.contains(&touch));
    }
}

#[test]
fn p13_what_runs_is_compared_and_not_what_was_written_down() {
    // After a resize that failed, both `update OLD` and `rollback` compared with the state file: nothing was done.
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    sandbox.edit_deployment("instance_type: t3.medium", "instance_type: t3.large");
    sandbox.edit_deployment("status: adopted", "status: updating");
    let list = sandbox.json(&["list"], 0);
    assert_eq!(list["data"]["deployments"][0]["instance_type"], "t3.large");
    let none = sandbox.update(["--instance-type", "t3.medium"], 0);
    assert_eq!(none["outcome"], "unchanged");
    let done = sandbox.update(["--instance-type", "t3.large"], 0);
    assert_eq!(done["outcome"], "updated");
    assert_eq!(sandbox.seen()["type"], "t3.large");
}

#[test]
fn p15_p16_what_cannot_be_resized_is_refused_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let spot = |i: &mut Value| i["spot"] = json!("one-time");
    let member = |i: &mut Value| {
        i["spot"] = Value::Null;
        i["tags"]["aws:autoscaling:groupName"] = json!("web");
    };
    for (change, check) in [
        (&spot as &dyn Fn(&mut Value), "instance_spot"),
        (&member, "instance_auto_scaling"),
    ] {
        sandbox.instance(change);
        let result = sandbox.update(["--instance-type", "t3.large"], 3);
        refused_by(&result, check);
        let list = sandbox.json(&["list"], 0);
        let status = &list["data"]["deployments"][0]["status"];
        assert_eq!(status, "adopted", "the status does not stay `updating`");
        let history = sandbox.json(&["history", "my-dev-stack"], 0);
        assert_eq!(
            history["data"],
            json!({ "operations": [], "snapshots": [] })
        );
        assert_eq!(sandbox.seen(), before);
    }
}

#[test]
fn p17_s2_the_new_address_is_said_and_written_down_and_nothing_else_is_lost() {
    let sandbox = Sandbox::new();
    let address = |status: &Value| {
        let ip = status["data"]["instances"][0]["public_ip"].as_str();
        ip.expect("an address").to_owned()
    };
    let old = address(&sandbox.json(&["status", "my-dev-stack"], 0));
    // S2: unknown fields were dropped at the next save.
    sandbox.edit_deployment(
        "cache:\n",
        "owner: {team: blue, pager: '7'}\ncache:\n  colour: green\n",
    );
    let result = sandbox.update(["--instance-type", "t3.large"], 0);
    let new = address(&sandbox.json(&["status", "my-dev-stack"], 0));
    assert_ne!(new, old, "an address that is no Elastic IP changes");
    assert!(
        result["warnings"]
            .to_string()
            .contains(&format!("the public address is {new} now (it was {old})")),
        "{result}"
    );
    assert_eq!(result["data"]["verified"]["public_ip"], new.as_str());
    let inspect = sandbox.json(&["inspect", "my-dev-stack"], 0);
    let cache = &inspect["data"]["deployment"]["cache"];
    assert_eq!(cache["public_ip"], new.as_str());
    let text = fs_err::read_to_string(sandbox.deployment_file()).unwrap();
    let kept: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(kept["owner"], json!({ "team": "blue", "pager": "7" }));
    assert_eq!(kept["cache"]["colour"], "green");
}

#[test]
fn p19_without_the_order_of_docker_after_the_mount_nothing_is_stopped() {
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let file = sandbox.path().join("sandbox/world.json");
    let text = fs_err::read(&file).unwrap();
    let mut world: Value = serde_json::from_slice(&text).unwrap();
    for host in world["hosts"].as_object_mut().unwrap().values_mut() {
        let requires = host["docker_requires"].as_array_mut().expect("units");
        requires.retain(|unit| unit != "mnt-efs.mount");
    }
    fs_err::write(&file, serde_json::to_vec(&world).unwrap()).unwrap();
    let result = sandbox.update(["--instance-type", "t3.large"], 3);
    refused_by(&result, "docker_after_mount");
    let after = sandbox.seen();
    assert_eq!(
        (&after["type"], &after["state"], &after["services"]),
        (&before["type"], &before["state"], &before["services"])
    );
}

#[test]
fn p24_the_reason_is_in_the_error_and_in_the_log() {
    let sandbox = Sandbox::new();
    let fault = "pull:n8nio/n8n:9.9.9=missing";
    sandbox.run(&["sandbox", "fault", "add", fault]).ended(0);
    let result = sandbox.update(["--image", "n8n=n8nio/n8n:9.9.9"], 3);
    let said = result["error"].to_string();
    // Docker's own words.
    let reason = "manifest for n8nio/n8n:9.9.9 not found";
    assert!(said.contains(reason), "{said}");
    let history = sandbox.json(&["history", "my-dev-stack"], 0);
    let id = history["data"]["operations"][0]["id"].as_str().unwrap();
    let folder = sandbox.path().join("sandbox/state/my-dev-stack/operations");
    let log = fs_err::read_to_string(folder.join(id).join("log")).unwrap();
    assert!(log.contains("n8nio/n8n:9.9.9"), "{log}");
    let one = sandbox.json(&["history", "my-dev-stack", id], 0);
    assert!(
        one["data"]["operations"][0]["error"]
            .to_string()
            .contains(reason)
    );
}

#[test]
fn r9_a_snapshot_keeps_its_name_and_its_meaning() {
    // Versions were positions in a list that shifts.
    let sandbox = Sandbox::new();
    let first = sandbox.seen();
    let result = sandbox.update(["--image", "n8n=n8nio/n8n:1.20.0"], 0);
    let id = result["data"]["snapshot_id"].as_str().unwrap().to_owned();
    let listed = |sandbox: &Sandbox| {
        let history = sandbox.json(&["history", "my-dev-stack"], 0);
        let mut rows = history["data"]["snapshots"].as_array().unwrap().iter();
        rows.find(|s| s["id"] == id.as_str()).cloned()
    };
    let row = listed(&sandbox).expect("listed");
    sandbox.update(["--image", "qdrant=qdrant/qdrant:v1.13.0"], 0);
    assert_eq!(
        listed(&sandbox),
        Some(row),
        "two changes later it is the same"
    );
    let to = ["rollback", "my-dev-stack", "--to", &id, "--force"];
    sandbox.json(&to, 0);
    assert_eq!(sandbox.seen(), first);
}
