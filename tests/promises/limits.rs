//! Limits in time that no other test lets run out (docs/deadlines.md has them all).

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_smithy_http_client::Builder;
use geusemaker::cloud::aws::{Aws, in_process};
use geusemaker::host::scripts::{Verb, program};
use geusemaker::host::{Host, HostError, Input, Job, JobState, Running, Tag};
use geusemaker::journal::Entry;
use geusemaker::model::{InstanceId, Outcome, PROGRESS_MS, STOP_MS};
use geusemaker::orchestrator::World;
use geusemaker::sandbox::world::SEED_INSTANCE;

use crate::saga::{Rig, block_on, opened, update};
use crate::support::Sandbox;
use crate::support::over::{HostOver, Over};

#[test]
fn what_is_not_asked_for_is_what_the_page_says() {
    let sandbox = Sandbox::new();
    let update = [
        "update",
        "my-dev-stack",
        "--instance-type",
        "t3.large",
        "--image",
        "n8n=n8nio/n8n:1.20.0",
        "--dry-run",
    ];
    let plan = sandbox.json(&update, 0);
    let steps = plan["data"]["plan"]["steps"].to_string();
    assert!(steps.contains("forced after 10 min"), "{steps}");
    assert!(
        steps.contains("given up after 10 min without progress"),
        "{steps}"
    );
    assert_eq!((STOP_MS, PROGRESS_MS), (600_000, 600_000));
    let longer = [&update[..], &["--stop-timeout", "25h"]].concat();
    sandbox.run(&longer).ended(2);
    let longest = [&update[..], &["--stop-timeout", "24h"]].concat();
    sandbox.run(&longest).ended(0);
}

/// A host on which work of one kind never ends and never shows anything new.
struct Endless {
    host: Arc<dyn Host>,
    kind: fn(&Job) -> bool,
    /// How often it hangs: the way back is work as well.
    left: std::sync::atomic::AtomicI32,
}

impl Endless {
    fn hangs() -> JobState {
        JobState::Running(Running {
            note: "still at it".into(),
            log_bytes: 12,
            layers: Default::default(),
        })
    }
}

#[async_trait]
impl HostOver for Endless {
    fn below(&self) -> &dyn Host {
        self.host.as_ref()
    }
    async fn start(&self, on: &InstanceId, tag: &Tag, job: &Job) -> Result<JobState, HostError> {
        let hangs =
            (self.kind)(job) && self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) > 0;
        match hangs {
            true => Ok(Self::hangs()),
            false => self.host.start(on, tag, job).await,
        }
    }
    async fn poll(&self, on: &InstanceId, tag: &Tag) -> Result<JobState, HostError> {
        match self.host.poll(on, tag).await? {
            JobState::Unknown => Ok(Self::hangs()),
            other => Ok(other),
        }
    }
}

/// An update of type and image; its outcome, the codes of its failures, the minutes that it took, and whether all is as before.
async fn updates(rig: &Rig, world: &World) -> (Outcome, Vec<String>, i64, bool) {
    let before = rig.stack();
    let wanted = update(Some("t3.large"), &[("n8n", "n8nio/n8n:1.20.0")]);
    let (plan, snapshot) = rig.plan(world, &wanted, "before").await;
    let began = geusemaker::cloud::Clock::now(&rig.clock);
    let (outcome, lines) = rig
        .process(world, &plan, &snapshot, opened(&plan, rig), 0, None)
        .await;
    let took = geusemaker::cloud::Clock::now(&rig.clock).duration_since(began);
    let codes = lines.iter().filter_map(|line| match &line.entry {
        Entry::Failed { failure, .. }
        | Entry::UndoFailed { failure, .. }
        | Entry::ConfirmFailed { failure, .. } => Some(failure.code.clone()),
        _ => None,
    });
    (
        outcome,
        codes.collect(),
        took.as_secs() / 60,
        rig.stack() == before,
    )
}

#[test]
fn work_on_the_containers_without_end_is_undone_in_time() {
    type Is = fn(&Job) -> bool;
    let kinds: [(Is, i64); 2] = [
        (|job| matches!(job, Job::Quiesce { .. }), 5),
        (|job| matches!(job, Job::Apply(_)), 10),
    ];
    for (kind, minutes) in kinds {
        block_on(async {
            let rig = Rig::new();
            let world = World {
                host: Arc::new(Over(Arc::new(Endless {
                    host: rig.memory.host(),
                    kind,
                    left: 1.into(),
                }))),
                ..rig.plain_world()
            };
            let (outcome, codes, took, as_before) = updates(&rig, &world).await;
            assert_eq!(
                (outcome, codes, as_before),
                (Outcome::RolledBack, vec!["job_timeout".to_owned()], true)
            );
            assert!((minutes..minutes + 2).contains(&took), "{took} min");
        });
    }
}

#[test]
fn a_start_without_end_is_undone_in_time() {
    block_on(async {
        let rig = Rig::new();
        let world = rig.plain_world();
        rig.memory.world().latency.start = 24 * 60 * 60 * 1000;
        let (outcome, codes, took, _) = updates(&rig, &world).await;
        // EC2 does not let go of it either: the stop of the way back runs into its own limit.
        assert_eq!(outcome, Outcome::Stuck);
        let distinct: BTreeSet<&str> = codes.iter().map(String::as_str).collect();
        assert_eq!(distinct, BTreeSet::from(["instance_timeout"]), "{codes:?}");
        assert!((5..60).contains(&took), "{took} min");
        assert_eq!(rig.stack()["state"], "pending");
    });
}

/// A port that takes no connection: its queue is full, and nobody takes anything out of it. What fills it is held.
fn full() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("its address");
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&at, Duration::from_millis(300)) {
        held.push(stream);
        assert!(held.len() < 20_000, "the queue has no end");
    }
    (at, listener, held)
}

#[test]
fn a_connection_that_does_not_come_about_is_given_up() {
    let (at, _listener, _held) = full();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let config = in_process(Builder::new().build_http(), "us-east-1").into_builder();
        // Of each attempt alone: how often it is tried again is asked elsewhere.
        let config = config.retry_config(RetryConfig::disabled());
        let config = config.endpoint_url(format!("http://{at}")).build();
        let aws = Aws::new(&config).expect("a region");
        let began = Instant::now();
        let on = InstanceId::new(SEED_INSTANCE).expect("an id");
        let error = aws.ec2.instance(&on).await.expect_err("nobody answers");
        let took = began.elapsed();
        assert!(error.stops_everything(), "{error}");
        assert!(
            (Duration::from_millis(2900)..Duration::from_secs(12)).contains(&took),
            "{took:?}: {error}"
        );
    });
}

/// A host of one test: a root of its own, and a `sleep` that takes no time, so that a limit that is counted in what was slept
/// runs out at once.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        for folder in ["bin", "root/proc/sys/kernel/random", "root/run", "root/tmp"] {
            fs_err::create_dir_all(place.dir.path().join(folder)).expect("a folder");
        }
        fs_err::create_dir_all(place.state()).expect("a folder");
        let boot = place.dir.path().join("root/proc/sys/kernel/random/boot_id");
        fs_err::write(boot, "boot-1\n").expect("a file");
        place.program("sleep", "exit 0");
        place.program("systemctl", "exit 1");
        place.program("docker", "exit 1");
        place
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("root/var/lib/geusemaker")
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.dir.path().join("bin").join(name);
        fs_err::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(path, mode).expect("a program");
    }

    /// Holds the lock of this file for as long as what is answered lives.
    fn holds(&self, file: &Path) -> std::fs::File {
        let file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file);
        let file = file.expect("a file").into_file();
        file.lock().expect("nobody has it");
        file
    }

    /// Runs a text in the shell, and gives its output.
    fn sh(&self, text: &str, args: &[&str]) -> String {
        let script = self.dir.path().join("script");
        fs_err::write(&script, text).expect("a file");
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.dir.path().join("bin");
        let mut command = Command::new("sh");
        command
            .arg(&script)
            .args(args)
            .env_clear()
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("GEUSEMAKER_ROOT", self.dir.path().join("root"))
            .stdin(Stdio::null());
        let ran = command.output().expect("a shell");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// The record of work of this kind, not begun.
    fn record(&self, kind: &str, more: &[(&'static str, &str)]) -> PathBuf {
        let record = self.state().join("ops/op-1/1-1");
        fs_err::create_dir_all(&record).expect("a folder");
        fs_err::create_dir_all(self.state().join("policies")).expect("a folder");
        fs_err::write(self.state().join("fence"), "1 1\n").expect("a file");
        let lines = more
            .iter()
            .fold(Input::new().text("kind", kind), |lines, (key, value)| {
                lines.text(key, value)
            });
        fs_err::write(record.join("request"), lines.lines()).expect("a file");
        fs_err::write(record.join("tag"), "1 1\n").expect("a file");
        fs_err::write(record.join("log"), "").expect("a file");
        record
    }

    /// Does the work of a record to its end: what it ended with, and its log.
    fn works(&self, record: &Path) -> (String, String) {
        self.works_by(program(), record)
    }

    /// The same by another text of the program.
    fn works_by(&self, program: &str, record: &Path) -> (String, String) {
        self.sh(program, &[record.to_str().expect("UTF-8")]);
        let read = |name: &str| fs_err::read_to_string(record.join(name)).unwrap_or_default();
        (read("status").trim().to_owned(), read("log"))
    }
}

#[test]
fn a_script_that_cannot_have_the_lock_says_so() {
    let place = Place::new();
    let held = place.holds(&place.state().join("lock"));
    let tag = Input::new()
        .text("fence", "1")
        .text("seq", "1")
        .text("operation", "op-1");
    let said = place.sh(&Verb::Commit.with(&tag), &[]);
    assert!(said.contains("\"busy\""), "{said}");
    // The timer of the armed restore.
    let said = place.sh(program(), &["tick"]);
    assert!(said.contains("another script of ours has held"), "{said}");
    drop(held);
    let said = place.sh(&Verb::Commit.with(&tag), &[]);
    assert!(
        !said.contains("\"busy\"") && said.contains("\"restore\""),
        "{said}"
    );
}

#[test]
fn a_job_waits_for_docker_and_for_another_job_and_not_for_ever() {
    // One that another process has begun.
    let place = Place::new();
    let record = place.record("quiesce", &[("back", "yes")]);
    let held = place.holds(&record.join("alive"));
    assert_eq!(
        place.works(&record),
        (String::new(), String::new()),
        "it is not begun twice"
    );
    drop(held);
    // A Docker that is coming up, for two minutes.
    place.program(
        "systemctl",
        "printf 'LoadState=loaded\\nActiveState=activating\\n'",
    );
    let (status, log) = place.works(&record);
    assert_eq!(
        (status.as_str(), log.trim()),
        ("failed docker_down", "docker.service is activating")
    );
    // The containers are in the hands of another one, for a minute.
    let place = Place::new();
    let record = place.record("quiesce", &[("back", "yes")]);
    let held = place.holds(&place.state().join("hands"));
    let (status, log) = place.works(&record);
    assert_eq!(
        (status.as_str(), log.trim()),
        ("failed busy", "another job does not end")
    );
    drop(held);
}

/// In no time: each pause is written down, each signal with the turn in which it comes, and every lock is another one's.
#[test]
fn a_way_back_that_is_at_work_is_waited_for_a_quarter_of_an_hour_and_then_ended_as_any_job() {
    const SCENE: &str = r#"
sleep() { printf '%s\n' "$1" >>"$GEUSEMAKER_ROOT/pauses"; }
kill() { printf '%s: %s\n' "$_turn" "$*" >>"$GEUSEMAKER_ROOT/signals"; }
flock() { return 1; }
take() { [ "$1" = 8 ] || [ "$3" != 0 ]; }
"#;
    let place = Place::new();
    let record = place.record("quiesce", &[("back", "yes")]);
    // That of the host itself.
    let other = place.state().join("ops/op-1/1-900000000000000001");
    fs_err::create_dir_all(&other).expect("a folder");
    for (name, text) in [
        ("itself", ""),
        ("alive", ""),
        ("tag", "1 900000000000000001\n"),
        ("job", "4711 a-boot\n"),
    ] {
        fs_err::write(other.join(name), text).expect("a file");
    }
    let hands = format!("{}\n", other.display());
    fs_err::write(place.state().join("hands.record"), hands).expect("a file");
    // What they stand for is not defined again behind them.
    let program = program().replacen("\ntake() {", "\nits_take() {", 1);
    let (status, log) = place.works_by(&format!("{SCENE}{program}"), &record);
    let read = |path: PathBuf| fs_err::read_to_string(path).unwrap_or_default();
    let root = place.dir.path().join("root");
    assert_eq!(status, "failed busy");
    assert_eq!(
        log,
        format!(
            "waits for the way back that is at work: {0}\nends an older job: {0}\nanother job does not end\n",
            other.display()
        )
    );
    // 15 minutes, and the minute behind them, in tenths of a second.
    assert_eq!(read(root.join("pauses")), "0.1\n".repeat(9600));
    assert_eq!(
        read(root.join("signals")),
        "9000: -s TERM -- -4711\n9029: -s KILL -- -4711\n"
    );
}
