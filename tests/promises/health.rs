//! Declared health, through the binary: `x-geusemaker.health` of the compose file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use geusemaker::host::{Host, HostError};
use geusemaker::journal::Entry;
use geusemaker::model::{ImageRef, Outcome, ServiceName, UpdateRequest};
use geusemaker::orchestrator::{World, prepare_update};
use geusemaker::report::{Event, EventKind, Listener, Phase};
use geusemaker::sandbox::fault::Fault;
use geusemaker::sandbox::rig::Memory;
use geusemaker::sandbox::world::SEED_INSTANCE;
use serde_json::Value;

use crate::saga::{Rig, SHAPES, begin, block_on, goes, opened, options};
use crate::support::Sandbox;
use crate::support::over::{HostOver, Over};

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

/// A log line may hold anything; what a check said, and what is declared, is what the operation went by.
#[test]
fn the_journal_has_what_a_check_said_and_what_is_declared_and_no_line_of_a_container() {
    const WAS: &str = "n8n: { http: \"http://127.0.0.1:5678/healthz\" }";
    const URL: &str = "http://127.0.0.1:5678/well";
    let both = format!("n8n: {{ http: \"{URL}\", command: [n8n, --are-you-well] }}");
    for (declared, planned, said) in [
        (
            both.as_str(),
            &[URL, "\"--are-you-well\""][..],
            "command n8n --are-you-well: exit 1: not ready to serve",
        ),
        // By the image's own health check.
        (
            "",
            &[],
            "n8n: unhealthy: n8n: the health check failed: connection refused",
        ),
    ] {
        let sandbox = Sandbox::new();
        says(&sandbox, WAS, declared);
        fault(&sandbox, "health:n8n@n8nio/n8n:1.20.0=unhealthy");
        let result = sandbox.json(&[&UPDATE[..], &["--health-timeout", "3s"]].concat(), 4);
        // It was read, so it could have been kept.
        let line = "n8n: error: not ready to serve";
        let causes = result["error"]["causes"].to_string();
        assert!(causes.contains(line), "{causes}");
        let journal = sandbox.journal();
        let opened = journal[0].to_string();
        for part in planned {
            assert!(opened.contains(part), "{part}: {opened}");
        }
        let rest = serde_json::to_string(&journal[1..]).expect("JSON");
        assert!(rest.contains(said), "{said}: {rest}");
        for part in [line, "n8n said"] {
            assert!(!opened.contains(part) && !rest.contains(part), "{part}");
        }
    }
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

#[test]
fn a_plan_names_what_was_red_before_by_dockers_word_alone_and_afterwards_it_only_warns() {
    let sandbox = Sandbox::new();
    let qdrant = [
        "update",
        "my-dev-stack",
        "--image",
        "qdrant=qdrant/qdrant:v1.13.0",
    ];
    let dry = || sandbox.json(&[&qdrant[..], &["--dry-run"]].concat(), 0);
    says(
        &sandbox,
        "    n8n: { http: \"http://127.0.0.1:5678/healthz\" }\n",
        "",
    );
    assert!(checks(&dry(), "health", "warn").is_empty());
    fault(&sandbox, "health:n8n@n8nio/n8n:1.19.4=unhealthy");
    let plan = dry();
    let [check] = checks(&plan, "health", "warn")[..] else {
        panic!("it names it: {plan}");
    };
    let message = check["message"].as_str().expect("a message");
    assert!(message.starts_with("n8n is not well before"), "{check}");
    assert_eq!(check["found"], "Docker says: unhealthy");
    let help = "geusemaker --sandbox logs my-dev-stack --service n8n";
    assert_eq!(check["help"], help);
    let ran = sandbox.run(&[&qdrant[..], &["--force", "-o", "json"]].concat());
    // The plan that is shown before it begins, too.
    assert!(ran.ended(0).err.contains(help), "{}", ran.err);
    let result: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(result["outcome"], "updated");
    let warnings = result["data"]["warnings"].to_string();
    assert!(
        warnings.contains("n8n was not green before, and is not now"),
        "{warnings}"
    );
}

#[test]
fn a_rollback_names_what_its_snapshot_saw_green_and_does_not_run() {
    let sandbox = Sandbox::new();
    let exec = |docker: &[&str]| {
        let call = [&["exec", "my-dev-stack", "--", "docker"], docker].concat();
        sandbox.run(&call).ended(0);
    };
    let image = sandbox.json(&UPDATE, 0);
    let to = image["data"]["snapshot_id"].as_str().expect("a snapshot");
    sandbox.json(&["rollback", "my-dev-stack", "--force"], 0);
    let back = ["rollback", "my-dev-stack", "--to", to, "--force"];
    let of_qdrant = |result: &Value| {
        let checks = checks(result, "not_running", "warn");
        let messages = checks.iter().map(|c| c["message"].as_str().expect("one"));
        messages.map(str::to_owned).collect::<Vec<_>>()
    };
    let dry = [&back[..], &["--dry-run"]].concat();
    assert!(of_qdrant(&sandbox.json(&dry, 0)).is_empty());
    // Somebody stops it, and it is not brought up: that is said, also where nothing is to be done.
    exec(&["update", "--restart=no", "qdrant"]);
    exec(&["stop", "qdrant"]);
    let says = format!(
        "qdrant was green in snapshot {to} and does not run: the rollback does not start it"
    );
    assert_eq!(of_qdrant(&sandbox.json(&dry, 0)), [&*says]);
    let result = sandbox.json(&back, 0);
    assert_eq!(result["outcome"], "unchanged");
    assert!(result["warnings"].to_string().contains(&says), "{result}");
}

/// A service ends by itself, with code 0, when the gate begins: as one with this restart policy and health check.
struct Ends {
    memory: Arc<Memory>,
    service: &'static str,
    policy: &'static str,
    healthcheck: bool,
}

impl Listener for Ends {
    fn event(&self, event: &Event) {
        if let EventKind::StepStarted {
            step: "verify_health",
            phase: Phase::Forward,
            ..
        } = event.kind
        {
            let mut world = self.memory.world();
            let host = world.hosts.get_mut(SEED_INSTANCE).expect("it");
            let container = host.engine.container(self.service).expect("it runs");
            container.restart_policy = self.policy.into();
            container.healthcheck = self.healthcheck;
            let ended = host.engine.stop(self.service, event.at);
            ended.expect("it ran");
        }
    }
}

/// n8n gets another image, and `service` ends with code 0 when the gate begins. How that ended, and what is said of it.
async fn ends_with_0(
    service: &'static str,
    policy: &'static str,
    healthcheck: bool,
    declared: bool,
) -> (Outcome, bool, String) {
    let rig = Rig::new();
    if !declared {
        let mut world = rig.memory.world();
        let host = world.hosts.get_mut(SEED_INSTANCE).expect("it");
        let text = host.memory.files.0.get_mut(&format!("/{FILE}"));
        let text = text.expect("the compose file");
        let is_his = |line: &&str| line.starts_with(&format!("    {service}: {{"));
        assert_eq!(text.lines().filter(is_his).count(), 1);
        *text = text.split_inclusive('\n').filter(|l| !is_his(l)).collect();
    }
    let world = World {
        listener: Arc::new(Ends {
            memory: rig.memory.clone(),
            service,
            policy,
            healthcheck,
        }),
        ..rig.laptop("here")
    };
    let n8n = ServiceName::new("n8n").expect("a service");
    let image = ImageRef::new("n8nio/n8n:1.20.0").expect("a reference");
    let request = UpdateRequest {
        deployment: rig.memory.deployment().name,
        instance_type: None,
        images: BTreeMap::from([(n8n, image)]),
        fallback_types: vec![],
        options: options(),
    };
    let prepared = prepare_update(&world, &request).await;
    let ended = goes(&world, prepared.expect("it can be known")).await;
    let named = format!("{service} ended by itself, with code 0");
    let warned = ended.data.warnings.contains(&named);
    (ended.outcome, warned, format!("{:?}", ended.error))
}

#[test]
fn a_service_that_ends_with_0_without_policy_and_health_check_counts_as_fine_and_is_named() {
    block_on(async {
        for (policy, healthcheck, fine) in [
            ("no", false, true),
            ("no", true, false),
            ("unless-stopped", false, false),
        ] {
            let (outcome, warned, error) =
                ends_with_0("crawl4ai", policy, healthcheck, false).await;
            let place = format!("{policy} {healthcheck}: {error}");
            assert_eq!(outcome == Outcome::Updated, fine, "{place}");
            assert_eq!(warned, fine, "{place}");
        }
    });
}

#[test]
fn what_declares_its_health_or_got_another_image_may_not_end_with_0() {
    // Both were "finished" before, as a one-shot is: the update ended well, and the service was down.
    block_on(async {
        for (service, declared) in [("crawl4ai", true), ("n8n", false), ("n8n", true)] {
            let (outcome, warned, error) = ends_with_0(service, "no", false, declared).await;
            let place = format!("{service} {declared}: {error}");
            assert_eq!(outcome, Outcome::RolledBack, "{place}");
            assert!(!warned, "{place}");
            let says = format!("not healthy: {service}: exited with code 0");
            assert!(error.contains(&says), "{place}");
        }
    });
}

/// n8n falls ill before the n-th call to the host.
struct FallsIll {
    below: Arc<dyn Host>,
    memory: Arc<Memory>,
    calls: AtomicI64,
}

#[async_trait]
impl HostOver for FallsIll {
    fn below(&self) -> &dyn Host {
        self.below.as_ref()
    }
    fn before(&self) -> Result<(), HostError> {
        if self.calls.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.memory.world().faults.0.push(Fault {
                key: "health:n8n@n8nio/n8n:1.20.0".into(),
                instance_type: None,
                code: "unhealthy".into(),
                times: None,
            });
        }
        Ok(())
    }
}

#[test]
fn no_outcome_is_told_with_a_service_that_was_seen_red_at_the_end() {
    // What was looked at behind the gate, for the report, was written down and judged by nobody.
    block_on(async {
        let shape = SHAPES
            .iter()
            .find(|s| s.name == "image")
            .expect("it is one");
        let (mut updated, mut back) = (0, 0);
        for call in 1.. {
            let (rig, plan, snapshot) = begin(shape).await;
            let world = rig.plain_world();
            let ill = Arc::new(FallsIll {
                below: world.host.clone(),
                memory: rig.memory.clone(),
                calls: call.into(),
            });
            let world = World {
                host: Arc::new(Over(ill.clone())),
                ..world
            };
            let first = opened(&plan, &rig);
            let (outcome, lines) = rig.process(&world, &plan, &snapshot, first, 0, None).await;
            let seen = lines.iter().rev().find_map(|l| match &l.entry {
                Entry::Done { evidence, .. } | Entry::ConfirmDone { evidence, .. } => {
                    evidence.verified.clone()
                }
                _ => None,
            });
            let seen = seen.expect("what was seen at the end");
            assert_eq!(seen["health"]["n8n"], "green", "{call}: {outcome:?}");
            match outcome {
                Outcome::Updated => updated += 1,
                Outcome::RolledBack => back += 1,
                other => panic!("{call}: {other:?}"),
            }
            if ill.calls.load(Ordering::SeqCst) > 0 {
                break;
            }
        }
        assert!(updated > 1 && back > 5, "{updated} {back}");
    });
}
