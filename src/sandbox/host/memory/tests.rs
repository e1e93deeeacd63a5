mod restore;

use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::host::{ApplyJob, ApplyService, FileText, QuiesceContainer, TagImage};
use crate::model::sha256_hex;
use crate::model::{ContainerFacts, ImageRef, OperationId, Secret, ServiceName, Sha256Id};
use crate::sandbox::fault::Fault;
use crate::sandbox::host::COMPOSE_FILE;

/// A clock that moves when it is told to.
struct Hand(Mutex<Timestamp>);

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
    async fn sleep(&self, how_long: Duration) {
        *self.0.lock().unwrap() += SignedDuration::try_from(how_long).unwrap();
    }
}

struct Kit {
    world: Arc<OneHost>,
    host: MemoryHost<OneHost>,
    id: InstanceId,
    clock: Arc<Hand>,
}

fn kit() -> Kit {
    let clock = Arc::new(Hand(Mutex::new(
        Timestamp::from_second(1_700_000_000).unwrap(),
    )));
    let id = InstanceId::new("i-0123456789abcdef0").unwrap();
    let seeded = OneHost::seeded(
        id.clone(),
        Some("fs-0123456789abcdef0"),
        Arc::clone(&clock) as _,
    );
    let world = Arc::new(seeded.unwrap());
    Kit {
        host: MemoryHost(Arc::clone(&world)),
        world,
        id,
        clock,
    }
}

impl Kit {
    fn tag(&self, fence: u64, seq: u64) -> Tag {
        Tag {
            fence,
            seq,
            operation: OperationId::new("op-1").unwrap(),
        }
    }

    async fn look(&self) -> HostFacts {
        let ask = LookRequest {
            pending: None,
            mount_point: Some("/mnt/efs".to_owned()),
            images: vec![ImageRef::new("n8nio/n8n:1.20.0").unwrap()],
            only_boot: false,
            beat: None,
        };
        self.host.look(&self.id, &ask).await.unwrap()
    }

    fn fault(&self, key: &str, code: &str) {
        self.world.parts.lock().unwrap().2.0.push(Fault {
            key: key.to_owned(),
            instance_type: None,
            code: code.to_owned(),
            times: None,
        });
    }

    async fn run(&self, tag: &Tag, job: &Job) -> JobState {
        let mut state = self.host.start(&self.id, tag, job).await.unwrap();
        while let JobState::Running(_) = state {
            self.clock.sleep(Duration::from_millis(10)).await;
            state = self.host.poll(&self.id, tag).await.unwrap();
        }
        state
    }

    fn power_cycle(&self) {
        let mut parts = self.world.parts.lock().unwrap();
        parts.0.power_off(self.clock.now());
        parts.0.boot(self.clock.now());
    }
}

fn image(facts: &HostFacts, service: &str) -> String {
    let service = ServiceName::new(service).unwrap();
    facts.projects[0]
        .service(&service)
        .unwrap()
        .image_id
        .to_string()
}

/// The job that takes n8n from what the file says now to another reference.
fn n8n_job(facts: &HostFacts, to: &str) -> ApplyJob {
    let project = &facts.projects[0];
    let text = project.text.as_ref().unwrap().expose().to_owned();
    let n8n = project.service(&ServiceName::new("n8n").unwrap()).unwrap();
    let new = text.replace(&n8n.image, to);
    let to_id = Registry::default()
        .find(&ImageRef::new(to).unwrap(), "amd64")
        .unwrap()
        .id;
    let services = ["postgres", "n8n", "ollama", "qdrant", "crawl4ai"].map(|name| {
        let id = if name == "n8n" {
            to_id.clone()
        } else {
            image(facts, name)
        };
        ApplyService {
            service: ServiceName::new(name).unwrap(),
            container: name.to_owned(),
            image_id: Sha256Id::new(id).unwrap(),
        }
    });
    ApplyJob {
        project: project.name.clone(),
        file: project.files[0].clone(),
        env_files: project.env_files.clone(),
        from_sha256: sha256_hex(&text),
        to_sha256: sha256_hex(&new),
        text: FileText::New(Secret::new(new)),
        more_files: Vec::new(),
        more_texts: Vec::new(),
        tags: Vec::new(),
        services: services.to_vec(),
        policies: Vec::new(),
        start: true,
    }
}

fn pull(reference: &str) -> Job {
    Job::Pull {
        reference: ImageRef::new(reference).unwrap(),
    }
}

#[tokio::test]
async fn the_seeded_host_runs_the_template_and_is_green() {
    let kit = kit();
    let facts = kit.look().await;
    assert_eq!(facts.projects.len(), 1);
    let project = &facts.projects[0];
    assert_eq!(project.files, [COMPOSE_FILE]);
    assert_eq!(project.working_dir, "/opt/geusemaker/runtime");
    assert_eq!(project.env_files, ["/opt/geusemaker/runtime/runtime.env"]);
    let names: Vec<&str> = project.containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["crawl4ai", "n8n", "ollama", "postgres", "qdrant"]);
    for container in &project.containers {
        assert_eq!(
            container.colour(),
            crate::model::Colour::Green,
            "{container:?}"
        );
        assert_eq!(container.restart_policy, "unless-stopped");
        assert_eq!(container.digests.len(), 1);
        assert!(container.pid > 0);
    }
    let n8n = project.service(&ServiceName::new("n8n").unwrap()).unwrap();
    assert_eq!(n8n.depends_on, ["postgres"]);
    assert_eq!(n8n.binds[0].source, "/mnt/efs/n8n");
    let mount = facts.mount.unwrap();
    assert!(
        mount
            .docker_requires
            .unwrap()
            .contains(&"mnt-efs.mount".to_owned())
    );
    assert_eq!(
        mount.efs_state_files,
        ["fs-0123456789abcdef0.mnt.efs.20049"]
    );
    assert_eq!(mount.seen_inside.len(), 4);
    assert!(
        mount
            .seen_inside
            .iter()
            .all(|s| s.mountinfo.as_ref().unwrap().contains(" nfs4 "))
    );
    assert!(facts.images.is_empty(), "1.20.0 was not pulled yet");
}

#[tokio::test]
async fn an_image_update_and_the_way_back() {
    let kit = kit();
    let before = kit.look().await;
    assert_eq!(
        kit.run(&kit.tag(1, 1), &pull("n8nio/n8n:1.20.0")).await,
        JobState::Done
    );
    let job = n8n_job(&before, "n8nio/n8n:1.20.0");
    assert_eq!(
        kit.run(&kit.tag(1, 2), &Job::Apply(Box::new(job.clone())))
            .await,
        JobState::Done
    );
    let after = kit.look().await;
    assert_eq!(image(&after, "n8n"), job.services[1].image_id.to_string());
    assert_eq!(
        after.projects[0].sha256.as_deref(),
        Some(job.to_sha256.as_str())
    );
    // Those that keep their image keep their container.
    for name in ["postgres", "ollama", "qdrant", "crawl4ai"] {
        let service = ServiceName::new(name).unwrap();
        let id = |facts: &HostFacts| facts.projects[0].service(&service).unwrap().id.clone();
        assert_eq!(id(&before), id(&after), "{name}");
    }
    // Back from the copy that apply kept.
    let mut back = n8n_job(&after, "n8nio/n8n:1.19.4");
    back.text = FileText::Kept;
    (back.from_sha256, back.to_sha256) = (job.to_sha256, job.from_sha256);
    back.tags = vec![TagImage {
        id: back.services[1].image_id.clone(),
        reference: ImageRef::new("n8nio/n8n:1.19.4").unwrap(),
    }];
    let back = Job::Apply(Box::new(back));
    assert_eq!(kit.run(&kit.tag(1, 3), &back).await, JobState::Done);
    let back_again = kit.look().await;
    assert_eq!(back_again.projects[0].sha256, before.projects[0].sha256);
    assert_eq!(image(&back_again, "n8n"), image(&before, "n8n"));
}

#[tokio::test]
async fn apply_refuses_a_file_that_somebody_else_changed_and_is_fine_twice() {
    let kit = kit();
    let before = kit.look().await;
    kit.run(&kit.tag(1, 1), &pull("n8nio/n8n:1.20.0")).await;
    let job = n8n_job(&before, "n8nio/n8n:1.20.0");
    let again = Job::Apply(Box::new(job.clone()));
    assert_eq!(kit.run(&kit.tag(1, 2), &again).await, JobState::Done);
    let id = |facts: HostFacts| {
        facts.projects[0]
            .containers
            .iter()
            .map(|c| c.id.clone())
            .collect::<Vec<_>>()
    };
    let ids = id(kit.look().await);
    assert_eq!(kit.run(&kit.tag(1, 3), &again).await, JobState::Done);
    assert_eq!(id(kit.look().await), ids, "nothing was made anew");
    let mut stale = job;
    stale.from_sha256 = sha256_hex("something else");
    stale.to_sha256 = sha256_hex("wanted");
    stale.text = FileText::New(Secret::new("wanted"));
    let failed = kit.run(&kit.tag(1, 4), &Job::Apply(Box::new(stale))).await;
    assert!(matches!(failed, JobState::Failed(f) if f.code == "file_changed"));
}

#[tokio::test]
async fn on_the_way_back_a_tag_that_cannot_be_set_keeps_nothing_else_down() {
    let kit = kit();
    let before = kit.look().await;
    let running = before.projects[0].running().len();
    let stop = |c: &ContainerFacts| QuiesceContainer {
        name: c.name.clone(),
        restart_policy: c.restart_policy.clone(),
        comes_up: false,
    };
    let quiesce = Job::Quiesce {
        containers: before.projects[0].containers.iter().map(stop).collect(),
        back: false,
    };
    assert_eq!(kit.run(&kit.tag(1, 1), &quiesce).await, JobState::Done);
    let mut job = n8n_job(&before, "n8nio/n8n:1.20.0");
    job.text = FileText::Keep;
    job.tags = vec![TagImage {
        id: Sha256Id::new(format!("sha256:{}", "0".repeat(64))).unwrap(),
        reference: ImageRef::new("n8nio/n8n:1.20.0").unwrap(),
    }];
    let back = Job::Restore(Box::new(job));
    let failed = kit.run(&kit.tag(1, 2), &back).await;
    assert!(matches!(&failed, JobState::Failed(f) if f.code == "tag_failed"));
    // All but the one whose image it is.
    assert_eq!(kit.look().await.projects[0].running().len(), running - 1);
}

#[tokio::test]
async fn a_bad_file_is_put_back_and_a_missing_copy_or_image_is_named() {
    let kit = kit();
    let before = kit.look().await;
    let base = n8n_job(&before, "n8nio/n8n:1.20.0");
    let bad = "services:\n  n8n:\n    imagee: x\n";
    let broken = ApplyJob {
        to_sha256: sha256_hex(bad),
        text: FileText::New(Secret::new(bad)),
        ..base.clone()
    };
    let no_copy = ApplyJob {
        text: FileText::Kept,
        ..base.clone()
    };
    let bad_tag = ApplyJob {
        tags: vec![TagImage {
            id: Sha256Id::new(format!("sha256:{}", "0".repeat(64))).unwrap(),
            reference: ImageRef::new("n8nio/n8n:1.20.0").unwrap(),
        }],
        ..base.clone()
    };
    for (seq, (job, code)) in [
        (broken, "bad_compose"),
        (no_copy, "no_backup"),
        (bad_tag, "tag_failed"),
    ]
    .into_iter()
    .enumerate()
    {
        let found = kit
            .run(&kit.tag(1, seq as u64 + 1), &Job::Apply(Box::new(job)))
            .await;
        assert!(
            matches!(&found, JobState::Failed(f) if f.code == code),
            "{code}: {found:?}"
        );
        assert_eq!(
            kit.look().await.projects[0].sha256,
            before.projects[0].sha256,
            "{code}"
        );
    }
    // Not pulled: `up` says so, and the old container still runs.
    let found = kit.run(&kit.tag(1, 9), &Job::Apply(Box::new(base))).await;
    match found {
        JobState::Failed(f) => {
            assert_eq!(f.code, "up_failed");
            assert!(
                f.log.contains("No such image: n8nio/n8n:1.20.0"),
                "{}",
                f.log
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(image(&kit.look().await, "n8n"), image(&before, "n8n"));
}

#[tokio::test]
async fn quiesce_keeps_always_down_over_a_boot_and_apply_puts_the_policy_back() {
    let kit = kit();
    kit.world
        .with_host(&kit.id, |at| {
            at.host.engine.container("ollama").unwrap().restart_policy = "always".to_owned();
        })
        .unwrap();
    let before = kit.look().await;
    let all: Vec<QuiesceContainer> = before.projects[0]
        .containers
        .iter()
        .map(|c| QuiesceContainer {
            name: c.name.clone(),
            restart_policy: c.restart_policy.clone(),
            comes_up: false,
        })
        .collect();
    let quiesce = Job::Quiesce {
        containers: all.clone(),
        back: false,
    };
    assert_eq!(kit.run(&kit.tag(1, 1), &quiesce).await, JobState::Done);
    kit.power_cycle();
    let down = kit.look().await;
    assert_ne!(down.boot_id, before.boot_id);
    assert!(down.projects[0].running().is_empty());
    let mut job = n8n_job(&before, "n8nio/n8n:1.19.4");
    job.text = FileText::Keep;
    job.policies = all;
    assert_eq!(
        kit.run(&kit.tag(1, 2), &Job::Apply(Box::new(job))).await,
        JobState::Done
    );
    let up = kit.look().await;
    for (was, is) in before.projects[0]
        .containers
        .iter()
        .zip(&up.projects[0].containers)
    {
        assert_eq!((&was.id, &was.restart_policy), (&is.id, &is.restart_policy));
        assert!(is.running());
    }
}

#[tokio::test]
async fn a_service_that_is_not_named_is_left_as_it_is() {
    let kit = kit();
    let before = kit.look().await;
    let mut job = n8n_job(&before, "n8nio/n8n:1.19.4");
    job.text = FileText::Keep;
    job.services.retain(|s| s.service.as_str() != "crawl4ai");
    assert_eq!(
        kit.run(&kit.tag(1, 1), &Job::Apply(Box::new(job))).await,
        JobState::Done
    );
    let running = kit.look().await.projects[0].running();
    assert_eq!(running.len(), 5);
    assert!(running.contains(&ServiceName::new("crawl4ai").unwrap()));
}

#[tokio::test]
async fn pulls_take_their_time_fail_by_fault_and_are_lost_with_the_power() {
    let kit = kit();
    kit.fault("pull:n8nio/n8n:9.9.9", "missing");
    let failed = kit.run(&kit.tag(1, 1), &pull("n8nio/n8n:9.9.9")).await;
    match failed {
        JobState::Failed(f) => {
            assert_eq!(f.code, "pull_failed");
            assert_eq!(
                f.log,
                "Error response from daemon: manifest for n8nio/n8n:9.9.9 not found: manifest unknown: manifest unknown\n"
            );
        }
        other => panic!("{other:?}"),
    }
    let tag = kit.tag(1, 2);
    let started = kit
        .host
        .start(&kit.id, &tag, &pull("n8nio/n8n:1.20.0"))
        .await
        .unwrap();
    assert!(matches!(started, JobState::Running(_)));
    kit.power_cycle();
    kit.clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(kit.host.poll(&kit.id, &tag).await.unwrap(), JobState::Lost);
    assert!(kit.look().await.images.is_empty());
    assert_eq!(
        kit.host.poll(&kit.id, &kit.tag(1, 7)).await.unwrap(),
        JobState::Unknown
    );
    assert_eq!(
        kit.run(&kit.tag(1, 3), &pull("n8nio/n8n:1.20.0")).await,
        JobState::Done
    );
    assert_eq!(kit.look().await.images.len(), 1);
    kit.world.parts.lock().unwrap().0.disk_free = 1000;
    let full = kit.run(&kit.tag(1, 4), &pull("n8nio/n8n:1.21.0")).await;
    assert!(matches!(full, JobState::Failed(f) if f.code == "no_space"));
}

#[tokio::test]
async fn lower_fences_and_numbers_are_refused_and_an_equal_pair_is_answered_from_the_record() {
    let kit = kit();
    let job = pull("n8nio/n8n:1.20.0");
    assert_eq!(kit.run(&kit.tag(5, 3), &job).await, JobState::Done);
    // The same pair: answered, not started, whatever the job says.
    let again = kit
        .host
        .start(&kit.id, &kit.tag(5, 3), &pull("n8nio/n8n:nothing"))
        .await;
    assert_eq!(again, Ok(JobState::Done));
    let old = kit.host.start(&kit.id, &kit.tag(4, 9), &job).await;
    assert_eq!(old, Err(HostError::Fenced { ours: 4, seen: 5 }));
    let stale = kit.host.start(&kit.id, &kit.tag(5, 2), &job).await;
    assert_eq!(stale, Err(HostError::Fenced { ours: 5, seen: 5 }));
    let ask = MountRequest {
        point: "/mnt/efs".to_owned(),
        limit_s: 2,
        token: "t".to_owned(),
    };
    let tag = kit.tag(4, 9);
    assert!(matches!(
        kit.host.mount(&kit.id, Some(&tag), &ask).await,
        Err(HostError::Fenced { .. })
    ));
    assert!(
        kit.host.mount(&kit.id, None, &ask).await.is_ok(),
        "reading needs no lock"
    );
}

#[tokio::test]
async fn each_mount_fault_shows_for_its_true_reason() {
    // fault, mountinfo has, stat, sentinel when written
    let table = [
        ("", Some(" rw,"), "answered", "ok"),
        ("gone", None, "answered", "error: not mounted"),
        ("other", Some(" rw,"), "answered", "ok"),
        (
            "readonly",
            Some(" ro,"),
            "answered",
            "error: Read-only file system",
        ),
        ("hang", Some(" rw,"), "hangs", "hangs"),
    ];
    for (fault, line, stat, sentinel) in table {
        let kit = kit();
        if !fault.is_empty() {
            kit.fault("mount", fault);
        }
        let ask = MountRequest {
            point: "/mnt/efs".to_owned(),
            limit_s: 2,
            token: "t".to_owned(),
        };
        let facts = kit
            .host
            .mount(&kit.id, Some(&kit.tag(1, 1)), &ask)
            .await
            .unwrap();
        assert_eq!(facts.stat, stat, "{fault}");
        assert_eq!(facts.sentinel, sentinel, "{fault}");
        match line {
            Some(mode) => assert!(facts.mountinfo.unwrap().contains(mode), "{fault}"),
            None => assert_eq!(facts.mountinfo, None, "{fault}"),
        }
        let ours = facts
            .efs_state_files
            .iter()
            .any(|f| f.starts_with("fs-0123456789abcdef0."));
        assert_eq!(ours, !matches!(fault, "gone" | "other"), "{fault}");
        // What started before the fault still has the mount.
        assert!(
            facts
                .seen_inside
                .iter()
                .all(|s| s.mountinfo.as_ref().unwrap().contains(" nfs4 "))
        );
    }
}

#[tokio::test]
async fn a_host_that_is_off_does_not_answer() {
    let kit = kit();
    kit.world.parts.lock().unwrap().0.power_off(kit.clock.now());
    let ask = LookRequest {
        only_boot: true,
        ..LookRequest::default()
    };
    assert!(matches!(
        kit.host.look(&kit.id, &ask).await,
        Err(HostError::Unreachable(_))
    ));
}

#[tokio::test]
async fn the_new_version_may_stay_unhealthy() {
    let kit = kit();
    kit.fault("health:n8n@n8nio/n8n:1.20.0", "unhealthy");
    let before = kit.look().await;
    kit.run(&kit.tag(1, 1), &pull("n8nio/n8n:1.20.0")).await;
    let job = n8n_job(&before, "n8nio/n8n:1.20.0");
    assert_eq!(
        kit.run(&kit.tag(1, 2), &Job::Apply(Box::new(job))).await,
        JobState::Done
    );
    let health = |facts: &HostFacts| {
        facts.projects[0]
            .service(&ServiceName::new("n8n").unwrap())
            .unwrap()
            .health
            .clone()
    };
    assert_eq!(health(&kit.look().await).as_deref(), Some("starting"));
    kit.clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(health(&kit.look().await).as_deref(), Some("unhealthy"));
}
