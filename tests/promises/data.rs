//! The services' data: a few files of each folder are looked at before the first change and again at the end. What a
//! running service rewrites is told; a folder that held files and holds none is never called updated.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;

use geusemaker::journal::{Entry, Line, Summary};
use geusemaker::model::{DataState, Outcome};
use geusemaker::orchestrator::World;
use geusemaker::report::{Event, EventKind, Listener, Phase};
use geusemaker::sandbox::rig::Memory;
use serde_json::Value;

use crate::saga::{Rig, SHAPES, begin, block_on, good, opened};
use crate::support::{Ran, Sandbox};

const FOLDER: &str = "/mnt/efs/n8n";

/// Empties a folder when a step begins, and fills it again when another one does.
struct Somebody {
    memory: Arc<Memory>,
    empties: (&'static str, Phase),
    fills: Option<(&'static str, Phase)>,
}

impl Listener for Somebody {
    fn event(&self, event: &Event) {
        let EventKind::StepStarted { step, phase, .. } = &event.kind else {
            return;
        };
        let at = (*step, *phase);
        if at == self.empties {
            empties(&self.memory, true);
        } else if Some(at) == self.fills {
            empties(&self.memory, false);
        }
    }
}

fn empties(memory: &Memory, empty: bool) {
    let mut world = memory.world();
    let host = world.hosts.values_mut().next().expect("a host");
    if empty {
        host.memory.emptied.insert(FOLDER.into());
    } else {
        host.memory.emptied.remove(FOLDER);
    }
}

fn with(rig: &Rig, empties: (&'static str, Phase), fills: Option<(&'static str, Phase)>) -> World {
    World {
        listener: Arc::new(Somebody {
            memory: rig.memory.clone(),
            empties,
            fills,
        }),
        ..rig.plain_world()
    }
}

/// Why the first step that failed did, and which it was.
fn failed(lines: &[Line]) -> (&str, &str, &str) {
    let Entry::Opened { plan, .. } = &lines[0].entry else {
        panic!("no plan");
    };
    let first = lines.iter().find_map(|l| match &l.entry {
        Entry::Failed { step, failure } => Some((*step, failure)),
        _ => None,
    });
    let (step, failure) = first.expect("something failed");
    let name = plan.steps[step].action.name();
    (name, failure.code.as_str(), failure.message.as_str())
}

#[test]
fn every_shape_of_a_change_compares_the_data_or_says_why_not() {
    for shape in &SHAPES {
        block_on(async {
            let (rig, plan, snapshot) = begin(shape).await;
            let (outcome, lines) = rig
                .process(
                    &rig.plain_world(),
                    &plan,
                    &snapshot,
                    opened(&plan, &rig),
                    0,
                    None,
                )
                .await;
            assert!(good(outcome), "{}", shape.name);
            let summary = Summary::of(&lines).expect("a plan");
            let data = summary.change_data().verified.and_then(|v| v.data);
            let data = data.expect("it is read back");
            if shape.name.contains("stopped") {
                assert_eq!(data.state, DataState::NotCompared);
                assert!(data.why.expect("a reason").contains("stopped"));
            } else {
                assert_eq!(data.state, DataState::Same, "{}: {data:?}", shape.name);
                assert!(data.folders.len() >= 4, "{data:?}");
            }
        });
    }
}

#[test]
fn data_that_is_gone_after_the_boot_stops_before_a_service_is_started_on_it() {
    let shape = SHAPES.iter().find(|s| s.name == "both").expect("a shape");
    block_on(async {
        let (rig, plan, snapshot) = begin(shape).await;
        let before = rig.stack();
        let world = with(&rig, ("stop_instance", Phase::Forward), None);
        let (outcome, lines) = rig
            .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
            .await;
        let (step, code, message) = failed(&lines);
        assert_eq!((step, code), ("await_host", "data_lost"), "{message}");
        assert!(message.contains(FOLDER), "{message}");
        // It is not as before either: nobody says so.
        assert_eq!(outcome, Outcome::Stuck);
        // With the folder back, the way back is the whole way.
        empties(&rig.memory, false);
        let (outcome, _) = rig
            .process(&rig.plain_world(), &plan, &snapshot, lines, 0, Some(true))
            .await;
        assert_eq!(outcome, Outcome::RolledBack);
        assert_eq!(rig.stack(), before);
    });
}

#[test]
fn data_that_goes_under_a_new_image_is_no_update_and_one_that_comes_back_is_rolled_back() {
    let shape = SHAPES.iter().find(|s| s.name == "image").expect("a shape");
    let apply = ("apply_images", Phase::Forward);
    for (fills, expected) in [
        (None, Outcome::Stuck),
        (Some(("apply_images", Phase::Undo)), Outcome::RolledBack),
    ] {
        block_on(async {
            let (rig, plan, snapshot) = begin(shape).await;
            let before = rig.stack();
            let world = with(&rig, apply, fills);
            let (outcome, lines) = rig
                .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
                .await;
            let (step, code, message) = failed(&lines);
            assert_eq!((step, code), ("verify_health", "not_verified"), "{message}");
            assert!(message.contains("is empty now"), "{message}");
            assert_eq!(outcome, expected);
            // The old image runs in either case.
            assert_eq!(rig.stack(), before);
        });
    }
}

/// Runs an update, and does something when a step begins.
fn while_updating(sandbox: &Sandbox, args: &[&str], step: &str, act: impl Fn()) -> Ran {
    let words = ["update", "my-dev-stack", "--force", "--stable-for", "200ms"];
    let mut child = sandbox
        .command(&words)
        .args(args)
        .args(["--progress", "json", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let begins = format!("\"event\":\"step_started\",\"step\":\"{step}\"");
    let mut said = String::new();
    let mut acted = false;
    for line in BufReader::new(child.stderr.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        if !acted && line.contains(&begins) {
            acted = true;
            act();
        }
        said.push_str(&line);
        said.push('\n');
    }
    assert!(acted, "{said}");
    let mut ran = Ran::new(child.wait_with_output().expect("it ends"));
    ran.err = said;
    ran
}

fn folder<'j>(result: &'j Value, path: &str) -> &'j Value {
    let folders = result["data"]["verified"]["data"]["folders"].as_array();
    let mut folders = folders.unwrap_or_else(|| panic!("{result:#}")).iter();
    let found = folders.find(|f| f["folder"] == path);
    found.unwrap_or_else(|| panic!("no {path} in {result:#}"))
}

#[test]
fn the_data_of_each_service_is_compared_and_reported() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["sandbox", "latency", "set", "stop=500ms"])
        .ended(0);
    let data = fs_err::read_dir(sandbox.host().join(".efs"))
        .expect("file systems")
        .map(|entry| entry.expect("readable").path())
        .find(|path| path.join("n8n").is_dir())
        .expect("one with data");
    // Somebody writes while the instance goes down, as a service does that is stopped in good order.
    let resize = ["--instance-type", "t3.large"];
    let ran = while_updating(&sandbox, &resize, "stop_instance", || {
        fs_err::write(data.join("n8n/README"), "another text\n").expect("written");
        fs_err::write(data.join("n8n/new"), "new\n").expect("written");
    });
    let result = ran.ended(0).json();
    let compared = &result["data"]["verified"]["data"];
    assert_eq!(compared["state"], "changed", "{compared:#}");
    let n8n = folder(&result, FOLDER);
    assert_eq!(n8n["changed"], serde_json::json!(["README"]), "{n8n}");
    assert_eq!(n8n["services"], serde_json::json!(["n8n"]), "{n8n}");
    let postgres = folder(&result, "/mnt/efs/postgres");
    assert_eq!(
        (&postgres["state"], &postgres["same"]),
        (&"same".into(), &1.into())
    );
    let text = sandbox.run(&[
        "update",
        "my-dev-stack",
        "--force",
        "--image",
        "n8n=n8nio/n8n:1.20.0",
    ]);
    let line = text
        .ended(0)
        .out
        .lines()
        .find(|l| l.trim_start().starts_with("data "));
    let line = line.unwrap_or_else(|| panic!("{}", text.out));
    assert!(line.ends_with(" the same"), "{line}");

    // And the folder emptied behind our back while nothing runs.
    let folder = data.join("postgres");
    let away = data.join("away");
    let back = ["--instance-type", "t3.medium"];
    let ran = while_updating(&sandbox, &back, "stop_instance", || {
        fs_err::rename(&folder, &away).expect("moved");
        fs_err::create_dir(&folder).expect("made");
    });
    let result = ran.ended(5).json();
    assert_eq!(result["error"]["code"], "data_lost", "{result:#}");
    let message = result["error"]["message"].as_str().expect("text");
    assert!(
        message.contains("postgres at /mnt/efs/postgres is empty now"),
        "{message}"
    );
    fs_err::remove_dir_all(&folder).expect("removed");
    fs_err::rename(&away, &folder).expect("moved back");
    let words = ["resume", "my-dev-stack", "--unwind", "--force"];
    let result = sandbox.json(&words, 4);
    assert_eq!(
        result["data"]["verified"]["data"]["state"], "same",
        "{result:#}"
    );
}

#[test]
fn without_a_file_system_of_its_own_it_says_that_nothing_was_compared() {
    let sandbox = Sandbox::new();
    sandbox.run(&["status", "my-dev-stack"]).ended(0);
    let file = sandbox
        .path()
        .join("sandbox/state/my-dev-stack/deployment.yaml");
    let text = fs_err::read_to_string(&file).expect("it is there");
    let without = |line: &str| {
        let key = line.split(':').next().unwrap_or_default();
        match key {
            "file_system_id" | "mount_point" => format!("{key}: null\n"),
            _ => format!("{line}\n"),
        }
    };
    let text: String = text.lines().map(without).collect();
    fs_err::write(&file, text).expect("written");
    let words = [
        "update",
        "my-dev-stack",
        "--force",
        "--image",
        "n8n=n8nio/n8n:1.20.0",
    ];
    let result = sandbox.json(&words, 0);
    let data = &result["data"]["verified"]["data"];
    assert_eq!(data["state"], "not_compared", "{result:#}");
    let why = data["why"].as_str().expect("a reason");
    assert!(why.contains("--efs none"), "{data}");
}
