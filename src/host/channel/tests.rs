//! The channel against an agent that runs the scripts for real, and one that follows a script of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::cloud::{
    AgentPing, CloudError, CloudErrorKind, CommandId, CommandRequest, CommandResult, CommandStatus,
};
use crate::host::scripts::{program, program_sha256};
use crate::host::tests::machine::{Machine, image_id, shells, tag};
use crate::host::{ApplyJob, ApplyService, FileText, QuiesceContainer, sha256_hex};
use crate::model::{ImageRef, Secret, ServiceName, Sha256Id, Timestamp};

/// What the agent does next, instead of what it should.
#[derive(Debug, Clone)]
enum Trick {
    Ping(Option<bool>),
    Send(CloudErrorKind, &'static str),
    /// It is sent and runs, and the answer is lost.
    SentAndLost,
    Result(CloudErrorKind),
    NotYet,
    Going,
    Ends(CommandStatus, &'static str, i32, &'static str),
    CutOff,
}

#[derive(Default)]
struct Seen {
    tricks: VecDeque<Trick>,
    calls: Vec<&'static str>,
    sent: Vec<CommandRequest>,
    results: Vec<CommandResult>,
}

struct TestAgent {
    machine: Machine,
    seen: Mutex<Seen>,
}

/// Time that passes only by sleeping.
#[derive(Default)]
struct TestClock(Mutex<Duration>);

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    async fn sleep(&self, how_long: Duration) {
        *self.0.lock().unwrap() += how_long;
    }
}

fn cloud_error(kind: CloudErrorKind, code: &str) -> CloudError {
    CloudError {
        call: "ssm:SendCommand",
        code: Some(code.to_owned()),
        message: "no".into(),
        request_id: None,
        kind,
    }
}

impl TestAgent {
    fn next(&self, call: &'static str, takes: fn(&Trick) -> bool) -> Option<Trick> {
        let mut seen = self.seen.lock().unwrap();
        seen.calls.push(call);
        if seen.tricks.front().is_some_and(takes) {
            seen.tricks.pop_front()
        } else {
            None
        }
    }
}

#[async_trait]
impl Agent for TestAgent {
    async fn ping(&self, _on: &InstanceId) -> Result<Option<AgentPing>, CloudError> {
        let trick = self.next("ping", |t| matches!(t, Trick::Ping(_)));
        let online = if let Some(Trick::Ping(online)) = trick {
            online
        } else {
            Some(true)
        };
        Ok(online.map(|online| AgentPing {
            online,
            last_ping: None,
        }))
    }

    async fn send(
        &self,
        _on: &InstanceId,
        command: &CommandRequest,
    ) -> Result<CommandId, CloudError> {
        let trick = self.next("send", |t| {
            matches!(t, Trick::Send(..) | Trick::SentAndLost)
        });
        if let Some(Trick::Send(kind, code)) = trick {
            return Err(cloud_error(kind, code));
        }
        let (stdout, stderr, code) = self.machine.run(&command.script);
        let mut seen = self.seen.lock().unwrap();
        seen.sent.push(command.clone());
        seen.results.push(CommandResult {
            status: if code == 0 {
                CommandStatus::Success
            } else {
                CommandStatus::Failed
            },
            details: if code == 0 { "Success" } else { "Failed" }.into(),
            exit_code: code,
            stdout,
            stderr,
        });
        if matches!(trick, Some(Trick::SentAndLost)) {
            return Err(cloud_error(CloudErrorKind::Unreachable, "dispatch failure"));
        }
        Ok(CommandId((seen.results.len() - 1).to_string()))
    }

    async fn result(
        &self,
        _on: &InstanceId,
        id: &CommandId,
    ) -> Result<Option<CommandResult>, CloudError> {
        let trick = self.next("result", |t| {
            !matches!(t, Trick::Ping(_) | Trick::Send(..) | Trick::SentAndLost)
        });
        let mut result = self.seen.lock().unwrap().results[id.0.parse::<usize>().unwrap()].clone();
        match trick {
            Some(Trick::Result(kind)) => return Err(cloud_error(kind, "x")),
            Some(Trick::NotYet) => return Ok(None),
            Some(Trick::Going) => {
                result = CommandResult {
                    status: CommandStatus::Going,
                    details: "InProgress".into(),
                    exit_code: -1,
                    stdout: String::new(),
                    stderr: String::new(),
                };
            }
            Some(Trick::Ends(status, details, code, stderr)) => {
                result = CommandResult {
                    status,
                    details: details.into(),
                    exit_code: code,
                    stdout: String::new(),
                    stderr: stderr.into(),
                };
            }
            Some(Trick::CutOff) => {
                result.stdout = format!("{}\n--output truncated--", &result.stdout[..20])
            }
            _ => {}
        }
        Ok(Some(result))
    }
}

struct Bench {
    agent: Arc<TestAgent>,
    clock: Arc<TestClock>,
    host: RunCommandHost,
    on: InstanceId,
}

fn bench(tricks: impl IntoIterator<Item = Trick>) -> Bench {
    let machine = Machine::new(shells()[0]);
    machine.container("web", 3, "running", "always");
    machine.put("srv/compose.yml", "services: {}\n");
    let seen = Seen {
        tricks: tricks.into_iter().collect(),
        ..Seen::default()
    };
    let agent = Arc::new(TestAgent {
        machine,
        seen: Mutex::new(seen),
    });
    let clock = Arc::new(TestClock::default());
    Bench {
        host: RunCommandHost::new(agent.clone(), clock.clone(), ChannelLimits::default()),
        agent,
        clock,
        on: InstanceId::new("i-0123456789abcdef0").unwrap(),
    }
}

impl Bench {
    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.agent.seen.lock().unwrap().calls)
    }

    async fn boot(&self) -> Result<HostFacts, HostError> {
        self.host
            .look(
                &self.on,
                &LookRequest {
                    only_boot: true,
                    ..LookRequest::default()
                },
            )
            .await
    }

    async fn end(&self, tag: &Tag) -> JobState {
        for _ in 0..500 {
            match self.host.poll(&self.on, tag).await.unwrap() {
                JobState::Running(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                state => return state,
            }
        }
        panic!("it does not end")
    }
}

#[tokio::test]
async fn a_look_asks_for_the_ping_once() {
    let b = bench([Trick::NotYet, Trick::Going]);
    assert_eq!(b.boot().await.unwrap().boot_id, "boot-1");
    assert_eq!(b.calls(), ["ping", "send", "result", "result", "result"]);
    b.boot().await.unwrap();
    assert_eq!(
        b.calls(),
        ["send", "result"],
        "a host that answered is known"
    );
    let sent = b.agent.seen.lock().unwrap().sent[0].clone();
    assert_eq!(
        (
            sent.comment.as_str(),
            sent.delivery_timeout_s,
            sent.execution_timeout_s
        ),
        ("geusemaker look", 30, 60)
    );
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_unreachable() {
    for (trick, says) in [
        (Trick::Ping(None), "not registered"),
        (Trick::Ping(Some(false)), "not online"),
        (
            Trick::Send(CloudErrorKind::WrongState, "InvalidInstanceId"),
            "InvalidInstanceId",
        ),
        (
            Trick::Ends(CommandStatus::TimedOut, "Delivery Timed Out", -1, ""),
            "not delivered",
        ),
        (
            Trick::Ends(CommandStatus::TimedOut, "DeliveryTimedOut", -1, ""),
            "not delivered",
        ),
        (
            Trick::Ends(CommandStatus::Failed, "Undeliverable", -1, ""),
            "not delivered",
        ),
    ] {
        let b = bench([trick.clone()]);
        let error = b.boot().await.unwrap_err();
        assert!(
            matches!(&error, HostError::Unreachable(why) if why.contains(says)),
            "{trick:?}: {error}"
        );
    }
    let b = bench([]);
    b.agent.seen.lock().unwrap().tricks = std::iter::repeat_n(Trick::NotYet, 500).collect();
    assert!(matches!(b.boot().await, Err(HostError::Unreachable(_))));
    let waited = b.clock.0.lock().unwrap().as_secs();
    assert!((20..25).contains(&waited), "{waited} s");
}

#[tokio::test]
async fn after_a_failure_the_ping_is_asked_again() {
    let b = bench([]);
    b.boot().await.unwrap();
    b.agent.seen.lock().unwrap().tricks =
        [Trick::Send(CloudErrorKind::WrongState, "InvalidInstanceId")].into();
    b.boot().await.unwrap_err();
    b.calls();
    b.boot().await.unwrap();
    assert_eq!(b.calls(), ["ping", "send", "result"]);
}

#[tokio::test]
async fn each_bad_end_has_its_error() {
    let table = [
        (
            Trick::Ends(CommandStatus::TimedOut, "Execution Timed Out", 137, ""),
            "the host's script look did not answer within 60 s",
        ),
        (
            Trick::Ends(
                CommandStatus::Failed,
                "Failed",
                127,
                "sh: base64: not found\nfailed to run commands: exit status 127",
            ),
            "the host's script look failed (exit 127): failed to run commands: exit status 127; sh: base64: not found",
        ),
        (
            Trick::Ends(CommandStatus::Cancelled, "Cancelled", -1, ""),
            "the host's script look failed (cancelled): Cancelled",
        ),
        (
            Trick::CutOff,
            "expected 'geusemaker-reply 1 OFFSET LENGTH TOTAL SHA256' as the last line, found '--output truncated--'",
        ),
        (
            Trick::Ends(CommandStatus::Success, "Success", 0, ""),
            "found nothing",
        ),
        (
            Trick::Send(CloudErrorKind::Denied, "AccessDeniedException"),
            "ssm:SendCommand: AccessDeniedException: no",
        ),
    ];
    for (trick, says) in table {
        let error = bench([trick]).boot().await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let b = bench(std::iter::repeat_n(Trick::Going, 2000));
    assert!(matches!(
        b.boot().await,
        Err(HostError::Timeout {
            verb: "look",
            seconds: 100..=110
        })
    ));
}

#[tokio::test]
async fn throttling_is_borne_for_a_while() {
    let b = bench(std::iter::repeat_n(
        Trick::Send(CloudErrorKind::Throttled, "ThrottlingException"),
        3,
    ));
    b.boot().await.unwrap();
    let b = bench(std::iter::repeat_n(
        Trick::Result(CloudErrorKind::Throttled),
        5,
    ));
    b.boot().await.unwrap();
    let b = bench(std::iter::repeat_n(
        Trick::Send(CloudErrorKind::Throttled, "ThrottlingException"),
        6,
    ));
    let error = b.boot().await.unwrap_err();
    assert!(matches!(error, HostError::Cloud(e) if e.kind == CloudErrorKind::Throttled));
    assert_eq!(
        b.clock.0.lock().unwrap().as_millis(),
        250 + 500 + 1000 + 2000 + 4000
    );
}

#[tokio::test]
async fn a_start_whose_answer_was_lost_starts_one_job() {
    let b = bench([Trick::SentAndLost, Trick::SentAndLost]);
    let job = Job::Pull {
        reference: ImageRef::new("n8nio/n8n:1.20.0").unwrap(),
    };
    b.host.start(&b.on, &tag(1, 1), &job).await.unwrap();
    assert_eq!(b.end(&tag(1, 1)).await, JobState::Done);
    let sent = b.agent.seen.lock().unwrap().sent.clone();
    assert_eq!(sent[2].comment, "geusemaker start 20261120-100000-abcd/1");
    assert_eq!(sent[0].script, sent[2].script);
    assert_eq!(b.agent.machine.calls(), ["pull [n8nio/n8n:1.20.0]"]);
    let older = b.host.start(&b.on, &tag(0, 9), &job).await;
    assert_eq!(older, Err(HostError::Fenced { ours: 0, seen: 1 }));
    assert_eq!(b.host.poll(&b.on, &tag(1, 2)).await, Ok(JobState::Unknown));
}

#[tokio::test]
async fn a_look_sees_what_is_there_in_one_command() {
    let b = bench([]);
    let web = ImageRef::new("img/web:1").unwrap();
    b.agent.machine.image("img/web:1", 3);
    let ask = LookRequest {
        pending: None,
        mount_point: Some("/mnt/efs/".into()),
        images: vec![web.clone()],
        only_boot: false,
        beat: None,
    };
    let facts = b.host.look(&b.on, &ask).await.unwrap();
    assert_eq!(b.calls(), ["ping", "send", "result"]);
    assert_eq!(
        facts.projects[0].sha256,
        Some(sha256_hex(b"services: {}\n"))
    );
    assert_eq!(facts.images[&web.normalized()].id.as_str(), image_id(3));
    assert_eq!(facts.mount.unwrap().point, "/mnt/efs");
}

#[tokio::test]
async fn a_mount_is_asked_with_its_own_limit() {
    let b = bench([]);
    fs_err::create_dir_all(b.agent.machine.root().join("mnt/efs")).unwrap();
    b.agent
        .machine
        .put("proc/self/mountinfo", "9 1 0:5 / /mnt/efs rw - nfs4 x rw\n");
    let ask = MountRequest {
        point: "/mnt/efs".into(),
        limit_s: 7,
        token: "t".into(),
    };
    let read = b.host.mount(&b.on, None, &ask).await.unwrap();
    assert_eq!(
        (read.sentinel.as_str(), read.sentinel_written),
        ("none", false)
    );
    let written = b.host.mount(&b.on, Some(&tag(1, 1)), &ask).await.unwrap();
    assert_eq!(
        (written.sentinel.as_str(), written.sentinel_written),
        ("ok", true)
    );
    assert_eq!(
        b.agent.seen.lock().unwrap().sent[0].execution_timeout_s,
        60 + 14
    );
    for bad in [
        MountRequest {
            point: "mnt".into(),
            ..ask.clone()
        },
        MountRequest {
            token: "a\nb".into(),
            ..ask
        },
    ] {
        let error = b.host.mount(&b.on, None, &bad).await.unwrap_err();
        assert!(matches!(error, HostError::Script { code, .. } if code == "bad_request"));
    }
}

fn apply(old: &str, new: &str) -> ApplyJob {
    ApplyJob {
        project: "p".into(),
        file: "/srv/compose.yml".into(),
        env_files: vec![],
        text: FileText::New(Secret::new(new)),
        from_sha256: sha256_hex(old.as_bytes()),
        to_sha256: sha256_hex(new.as_bytes()),
        more_files: Vec::new(),
        more_texts: Vec::new(),
        tags: vec![],
        services: vec![],
        policies: vec![],
        start: true,
    }
}

#[tokio::test]
async fn a_long_compose_file_is_sent_in_parts_and_a_longer_one_refused() {
    let b = bench([]);
    let new = "# é a long line of a compose file\n".repeat(4000);
    let job = Job::Apply(Box::new(apply("services: {}\n", &new)));
    b.host.start(&b.on, &tag(1, 1), &job).await.unwrap();
    assert_eq!(b.end(&tag(1, 1)).await, JobState::Done);
    assert_eq!(b.agent.machine.read("srv/compose.yml"), new);
    let sent = b.agent.seen.lock().unwrap().sent.clone();
    let ours = Input::new().text("program", "yes");
    let puts = |c: &&CommandRequest| {
        c.comment.contains(" put ") && !c.script.contains(&format!("\n{}", ours.lines()))
    };
    assert_eq!(sent.iter().filter(puts).count(), 6);
    let longest = sent
        .iter()
        .map(|c| serde_json::to_string(&c.script).unwrap().len())
        .max()
        .unwrap();
    assert!(longest < 60_000, "{longest}");
    let look = b.host.look(&b.on, &LookRequest::default()).await.unwrap();
    assert_eq!(look.projects[0].text.as_ref().unwrap().expose(), new);

    let job = Job::Apply(Box::new(apply("", &"x".repeat((1 << 20) + 1))));
    let error = b.host.start(&b.on, &tag(1, 2), &job).await.unwrap_err();
    assert!(
        error.to_string().contains("1048577 bytes, at most 1048576"),
        "{error}"
    );
}

/// The program that jobs and armed restores run goes to the host once, and again where it is not what it was.
#[tokio::test]
async fn the_program_of_jobs_is_put_on_a_host_that_does_not_have_it() {
    let b = bench([]);
    b.agent.machine.systemd();
    let file = format!("var/lib/geusemaker/lib/{}", program_sha256());
    let pull = Job::Pull {
        reference: "a:1".parse().unwrap(),
    };
    let sent = || {
        let sent = std::mem::take(&mut b.agent.seen.lock().unwrap().sent);
        let verb = |c: &CommandRequest| c.comment.split(' ').nth(1).unwrap().to_owned();
        let mut verbs: Vec<_> = sent.iter().map(verb).collect();
        verbs.dedup();
        verbs
    };
    // A host that is new.
    b.host.start(&b.on, &tag(1, 1), &pull).await.unwrap();
    assert_eq!(sent(), ["start", "put", "start"]);
    assert_eq!(b.agent.machine.read(&file), program());
    assert_eq!(b.end(&tag(1, 1)).await, JobState::Done);
    sent();
    b.host.start(&b.on, &tag(1, 2), &pull).await.unwrap();
    assert_eq!(sent(), ["start"], "once");
    // One whose file is damaged, then one whose folder was wiped.
    b.agent.machine.put(&file, "touch x\n");
    let arm = ArmRequest {
        declared: vec![],
        probes: vec![],
        restore: ApplyJob {
            text: FileText::Keep,
            ..apply("a", "a")
        },
        green: vec![],
        grace_s: 600,
        stable_s: 1,
    };
    b.host.arm(&b.on, &tag(1, 3), &arm).await.unwrap();
    assert_eq!(sent(), ["arm", "put", "arm"]);
    assert_eq!(b.agent.machine.read(&file), program());
    let lib = b.agent.machine.root().join("var/lib/geusemaker/lib");
    fs_err::remove_dir_all(&lib).unwrap();
    // The armed restore has its own.
    let (said, code) = b.agent.machine.tick();
    assert_eq!((said.as_str(), code), ("", 0));
    b.host.start(&b.on, &tag(1, 4), &pull).await.unwrap();
    assert_eq!(sent(), ["start", "put", "start"]);
    let mode = |path| {
        use std::os::unix::fs::PermissionsExt;
        fs_err::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(
        (mode(lib), mode(b.agent.machine.root().join(&file))),
        (0o700, 0o600)
    );
}

#[tokio::test]
async fn an_apply_that_contradicts_itself_is_not_sent() {
    let b = bench([]);
    for (from, to, text) in [
        ("a", "b", FileText::Keep),
        ("a", "b", FileText::New(Secret::new("not b"))),
    ] {
        let job = ApplyJob {
            text,
            ..apply(from, to)
        };
        let error = b
            .host
            .start(&b.on, &tag(1, 1), &Job::Apply(Box::new(job)))
            .await
            .unwrap_err();
        assert!(matches!(error, HostError::Script { code, .. } if code == "bad_request"));
    }
    assert_eq!(b.calls(), Vec::<&str>::new());
}

fn way_back(text: FileText, start: bool) -> ApplyJob {
    let sha = sha256_hex(b"services: {}\n");
    ApplyJob {
        project: "p".into(),
        file: "/srv/compose.yml".into(),
        env_files: Vec::new(),
        text,
        from_sha256: sha.clone(),
        to_sha256: sha,
        more_files: Vec::new(),
        more_texts: Vec::new(),
        tags: Vec::new(),
        services: vec![ApplyService {
            service: ServiceName::new("web").unwrap(),
            container: "web".into(),
            image_id: Sha256Id::new(image_id(3)).unwrap(),
        }],
        policies: Vec::new(),
        start,
    }
}

fn arming(restore: ApplyJob, grace_s: u32) -> ArmRequest {
    ArmRequest {
        declared: vec![],
        probes: vec![],
        restore,
        green: vec!["web".into()],
        grace_s,
        stable_s: 0,
    }
}

#[tokio::test]
async fn an_arm_a_beat_a_way_back_and_a_commit_go_the_whole_way() {
    let b = bench([]);
    let machine = &b.agent.machine;
    machine.systemd();
    assert_eq!(b.boot().await.unwrap().restore, RestoreState::Idle);
    let arm = arming(way_back(FileText::Keep, true), 600);
    let armed = b.host.arm(&b.on, &tag(1, 1), &arm).await.unwrap();
    let RestoreState::Armed { deadline, .. } = armed else {
        panic!("{armed:?}")
    };
    let state = "var/lib/geusemaker/restore/state";
    let silent = machine
        .read(state)
        .replace(&deadline.as_second().to_string(), "100");
    machine.put(state, &silent);
    let seen = |facts: HostFacts| match facts.restore {
        RestoreState::Armed { deadline, .. } => deadline.as_second(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        seen(b.boot().await.unwrap()),
        100,
        "a look alone is no word"
    );
    let ask = LookRequest {
        beat: Some(tag(1, 1)),
        ..LookRequest::default()
    };
    let facts = b.host.look(&b.on, &ask).await.unwrap();
    assert!(seen(facts) >= deadline.as_second());

    let back = Job::Restore(Box::new(way_back(FileText::Keep, true)));
    b.host.start(&b.on, &tag(1, 2), &back).await.unwrap();
    assert_eq!(b.end(&tag(1, 2)).await, JobState::Done);
    let operation = tag(1, 1).operation;
    let by_itself = false;
    let restored = RestoreState::Restored {
        operation: operation.clone(),
        by_itself,
    };
    assert_eq!(b.boot().await.unwrap().restore, restored);
    let forward = Job::Quiesce {
        containers: Vec::new(),
        back: false,
    };
    let refused = b.host.start(&b.on, &tag(1, 3), &forward).await;
    assert!(
        matches!(&refused, Err(HostError::Script { code, .. }) if code == "host_restored"),
        "{refused:?}"
    );
    // What was gone back from stays told; armed anew, it is disarmed.
    let told = b.host.commit(&b.on, &tag(1, 4)).await;
    assert_eq!(told, Ok(restored));
    b.host.arm(&b.on, &tag(1, 5), &arm).await.unwrap();
    assert_eq!(
        b.host.commit(&b.on, &tag(1, 6)).await.unwrap(),
        RestoreState::Committed {
            operation,
            by_itself
        }
    );
    let lower = b.host.commit(&b.on, &tag(1, 1)).await;
    assert_eq!(lower, Err(HostError::Fenced { ours: 1, seen: 1 }));
}

#[tokio::test]
async fn an_arm_that_could_not_be_kept_is_not_sent() {
    let b = bench([]);
    let new = FileText::New(Secret::new("services: {}\n"));
    for (ask, says) in [
        (arming(way_back(new, true), 600), "a text that it keeps"),
        (
            arming(way_back(FileText::Kept, false), 600),
            "starts its services",
        ),
        (arming(way_back(FileText::Kept, true), 0), "grace"),
    ] {
        let error = b.host.arm(&b.on, &tag(1, 1), &ask).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(b.calls().is_empty());
}

#[tokio::test]
async fn a_quiesce_goes_the_whole_way() {
    let b = bench([]);
    let containers = vec![QuiesceContainer {
        name: "web".into(),
        restart_policy: "always".into(),
        comes_up: false,
    }];
    b.host
        .start(
            &b.on,
            &tag(3, 1),
            &Job::Quiesce {
                containers,
                back: false,
            },
        )
        .await
        .unwrap();
    assert_eq!(b.end(&tag(3, 1)).await, JobState::Done);
    assert_eq!(
        b.agent.machine.calls(),
        ["update [--restart=no] [web]", "stop [web]"]
    );
}
