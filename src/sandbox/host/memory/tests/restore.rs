//! The armed restore, transition by transition.

use super::*;

const NEW: &str = "n8nio/n8n:1.20.0";
const OLD: &str = "n8nio/n8n:1.19.4";

/// An update to [`NEW`] under way: armed by (1, 2), applied by (1, 3), with a grace of 60 s and stable after 5 s.
struct Update {
    kit: Kit,
    forward: ApplyJob,
    back: ApplyJob,
}

async fn update() -> Update {
    let kit = kit();
    let before = kit.look().await;
    kit.run(&kit.tag(1, 1), &pull(NEW)).await;
    let forward = n8n_job(&before, NEW);
    let mut back = n8n_job(&before, OLD);
    back.text = FileText::Kept;
    (back.from_sha256, back.to_sha256) = (forward.to_sha256.clone(), forward.from_sha256.clone());
    let update = Update { kit, forward, back };
    let armed = update.arm(&update.kit.tag(1, 2)).await.unwrap();
    assert_eq!(armed, update.armed(60));
    let apply = Job::Apply(Box::new(update.forward.clone()));
    assert_eq!(update.start(3, &apply).await, Ok(JobState::Done));
    update
}

impl Update {
    async fn arm(&self, tag: &Tag) -> Result<RestoreState, HostError> {
        let ask = ArmRequest {
            declared: vec![],
            probes: vec![],
            restore: self.back.clone(),
            green: ["n8n", "postgres"].map(str::to_owned).to_vec(),
            grace_s: 60,
            stable_s: 5,
        };
        self.kit.host.arm(&self.kit.id, tag, &ask).await
    }

    async fn start(&self, seq: u64, job: &Job) -> Result<JobState, HostError> {
        let tag = self.kit.tag(1, seq);
        self.kit.host.start(&self.kit.id, &tag, job).await
    }

    async fn wait(&self, seconds: u64) {
        self.kit.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// What a look that is no word of anybody's says.
    async fn state(&self) -> RestoreState {
        self.state_by(None).await
    }

    async fn state_by(&self, beat: Option<Tag>) -> RestoreState {
        let ask = LookRequest {
            only_boot: true,
            beat,
            ..LookRequest::default()
        };
        let facts = self.kit.host.look(&self.kit.id, &ask).await.unwrap();
        facts.restore
    }

    fn operation(&self) -> OperationId {
        OperationId::new("op-1").unwrap()
    }

    /// Armed, with a deadline so many seconds from now.
    fn armed(&self, seconds: i64) -> RestoreState {
        RestoreState::Armed {
            operation: self.operation(),
            deadline: self.kit.clock.now() + SignedDuration::from_secs(seconds),
        }
    }

    fn restored(&self, by_itself: bool) -> RestoreState {
        let operation = self.operation();
        RestoreState::Restored {
            operation,
            by_itself,
        }
    }

    fn committed(&self, by_itself: bool) -> RestoreState {
        let operation = self.operation();
        RestoreState::Committed {
            operation,
            by_itself,
        }
    }

    fn restoring(&self) -> RestoreState {
        RestoreState::Restoring {
            operation: self.operation(),
        }
    }

    fn edit(&self, work: impl FnOnce(&mut HostState)) {
        work(&mut self.kit.world.parts.lock().unwrap().0);
    }

    fn sicken(&self) {
        self.kit.fault("health:n8n@n8nio/n8n:1.20.0", "unhealthy");
    }

    /// Which n8n the file names, and which runs.
    async fn n8n(&self) -> (bool, bool) {
        let facts = self.kit.look().await;
        let new = self.forward.services[1].image_id.to_string();
        let file = facts.projects[0].sha256.clone().unwrap();
        (file == self.forward.to_sha256, image(&facts, "n8n") == new)
    }
}

fn code(answer: Result<JobState, HostError>) -> String {
    match answer {
        Err(HostError::Script { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn after_a_silence_what_is_green_stays_and_what_is_not_goes_back() {
    for sick in [false, true] {
        let update = update().await;
        if sick {
            update.sicken();
        }
        update.wait(59).await;
        assert_eq!(update.state().await, update.armed(1), "not before");
        update.wait(1).await;
        if sick {
            assert_eq!(update.state().await, update.restored(true));
        } else {
            // It is watched for as long as it is to be stable; nobody else's word disturbs that.
            assert_eq!(update.state().await, update.armed(0));
            update.wait(4).await;
            let theirs = Tag {
                operation: OperationId::new("op-2").unwrap(),
                ..update.kit.tag(7, 1)
            };
            update.state_by(Some(theirs)).await;
            assert_eq!(update.state().await, update.armed(-4));
            update.wait(1).await;
            assert_eq!(update.state().await, update.committed(true));
        }
        assert_eq!(update.n8n().await, (!sick, !sick));
        // Nobody looked for a day: it happened all the same, and stays so.
        let later = self::update().await;
        if sick {
            later.sicken();
        }
        later.wait(86_400).await;
        let end = match sick {
            true => later.restored(true),
            false => later.committed(true),
        };
        assert_eq!(later.state().await, end);
    }
}

#[tokio::test]
async fn work_that_failed_half_way_is_not_green_though_every_container_is() {
    for mended in [false, true] {
        let update = update().await;
        // The tags of a reference that is not there: the file and the containers are what they were.
        let mut broken = update.forward.clone();
        let id = crate::model::Sha256Id::new(format!("sha256:{}", "0".repeat(64))).unwrap();
        let reference = ImageRef::new("a:1").unwrap();
        broken.tags.push(TagImage { id, reference });
        let failed = update.start(4, &Job::Apply(Box::new(broken))).await;
        assert!(matches!(failed, Ok(JobState::Failed(_))), "{failed:?}");
        if mended {
            let again = Job::Apply(Box::new(update.forward.clone()));
            assert_eq!(update.start(20, &again).await, Ok(JobState::Done));
        }
        update.wait(86_400).await;
        let end = match mended {
            true => update.committed(true),
            false => update.restored(true),
        };
        assert_eq!(update.state().await, end);
    }
}

#[tokio::test]
async fn what_restarts_while_it_is_watched_is_not_stable() {
    let update = update().await;
    update.wait(62).await;
    assert_eq!(update.state().await, update.armed(-2));
    let now = update.kit.clock.now();
    update.edit(|host| {
        host.engine.stop("n8n", now).unwrap();
        host.engine.start("n8n", now).unwrap();
    });
    update.wait(3).await;
    assert_eq!(update.state().await, update.restored(true));
}

#[tokio::test]
async fn every_word_of_its_controller_pushes_the_deadline_out_and_nothing_else_does() {
    let other = |operation: &str, fence| Tag {
        fence,
        seq: 9,
        operation: OperationId::new(operation).unwrap(),
    };
    for (word, pushes) in [
        ("look", true),
        ("poll", true),
        ("pull", true),
        ("mount", true),
        ("a later fence", true),
        ("a lower fence", false),
        ("another operation", false),
        ("anybody's look", false),
        ("anybody's mount", false),
    ] {
        let update = update().await;
        update.wait(50).await;
        let (host, id) = (&update.kit.host, &update.kit.id);
        let ask = MountRequest {
            point: "/mnt/efs".to_owned(),
            limit_s: 2,
            token: "t".to_owned(),
        };
        let tag = update.kit.tag(1, 4);
        match word {
            "look" => drop(update.state_by(Some(tag)).await),
            "poll" => drop(host.poll(id, &update.kit.tag(1, 3)).await.unwrap()),
            "pull" => drop(update.start(4, &pull(NEW)).await.unwrap()),
            "mount" => drop(host.mount(id, Some(&tag), &ask).await.unwrap()),
            "a later fence" => drop(update.state_by(Some(other("op-1", 7))).await),
            "a lower fence" => drop(update.state_by(Some(other("op-1", 0))).await),
            "another operation" => drop(update.state_by(Some(other("op-2", 7))).await),
            "anybody's look" => drop(update.kit.look().await),
            _ => drop(host.mount(id, None, &ask).await.unwrap()),
        }
        let left = if pushes { 60 } else { 10 };
        assert_eq!(update.state().await, update.armed(left), "{word}");
    }
}

#[tokio::test]
async fn a_host_that_was_off_waits_anew_and_one_without_docker_waits_for_it() {
    let update = update().await;
    update.sicken();
    update.wait(30).await;
    update.edit(|host| host.power_off(Timestamp::from_second(1_700_000_030).unwrap()));
    update.wait(3600).await;
    let now = update.kit.clock.now();
    update.edit(|host| host.boot(now));
    assert_eq!(update.state().await, update.armed(60), "not at once");
    update.edit(|host| host.docker_active = false);
    update.wait(600).await;
    assert_eq!(update.state().await, update.armed(-540));
    update.edit(|host| host.docker_active = true);
    update.wait(15).await;
    assert_eq!(update.state().await, update.restored(true));
    assert_eq!(update.n8n().await, (false, false));
}

#[tokio::test]
async fn the_way_forward_is_refused_once_the_host_has_judged() {
    let quiesce = |back| Job::Quiesce {
        containers: Vec::new(),
        back,
    };
    for (sick, word) in [(true, "host_restored"), (false, "host_committed")] {
        let update = update().await;
        if sick {
            update.sicken();
        }
        update.wait(600).await;
        let forward = Job::Apply(Box::new(update.forward.clone()));
        assert_eq!(code(update.start(4, &forward).await), word);
        assert_eq!(code(update.start(4, &quiesce(false)).await), word);
        // What was begun before is still answered, and the way back is free.
        let begun = update.kit.tag(1, 3);
        let begun = update.kit.host.poll(&update.kit.id, &begun).await;
        assert_eq!(begun, Ok(JobState::Done));
        assert_eq!(update.start(5, &quiesce(true)).await, Ok(JobState::Done));
        // Another operation has nothing to do with it.
        let tag = Tag {
            operation: OperationId::new("op-2").unwrap(),
            ..update.kit.tag(2, 1)
        };
        let job = quiesce(false);
        let theirs = update.kit.host.start(&update.kit.id, &tag, &job).await;
        assert_eq!(theirs, Ok(JobState::Done));
    }
}

#[tokio::test]
async fn the_controller_s_way_back_is_the_same_whoever_comes_second() {
    // sick, waited before, start; the end
    for (sick, wait, start, ours) in [
        (true, 0, true, true),
        (true, 600, true, true),
        (false, 600, true, true),
        (true, 0, false, false),
    ] {
        let update = update().await;
        if sick {
            update.sicken();
        }
        update.wait(wait).await;
        let mut back = update.back.clone();
        back.start = start;
        let job = Job::Restore(Box::new(back));
        assert_eq!(update.start(4, &job).await, Ok(JobState::Done));
        let end = match ours {
            true => update.restored(false),
            false => update.armed(60),
        };
        assert_eq!(update.state().await, end);
        assert_eq!(update.n8n().await, (false, !start));
    }
    // Where nothing is armed for it, it is a plain way back.
    let update = update().await;
    let tag = Tag {
        operation: OperationId::new("op-2").unwrap(),
        ..update.kit.tag(2, 1)
    };
    let job = Job::Restore(Box::new(update.back.clone()));
    let theirs = update.kit.host.start(&update.kit.id, &tag, &job);
    assert_eq!(theirs.await, Ok(JobState::Done));
    assert_eq!(update.state().await, update.armed(60));
}

#[tokio::test]
async fn a_way_back_that_fails_is_tried_again_a_few_times() {
    for mended in [true, false] {
        let update = update().await;
        update.sicken();
        let mut copies = std::collections::BTreeMap::new();
        update.edit(|host| copies = std::mem::take(&mut host.memory.kept));
        update.wait(61).await;
        assert_eq!(update.state().await, update.restoring());
        let busy = update.arm(&update.kit.tag(1, 4)).await.unwrap_err();
        assert!(matches!(busy, HostError::Script { code, .. } if code == "busy"));
        if !mended {
            update.wait(3600).await;
            assert_eq!(update.state().await, update.restoring());
        }
        update.edit(|host| host.memory.kept = copies);
        update.wait(15).await;
        let end = match mended {
            true => update.restored(true),
            false => update.restoring(),
        };
        assert_eq!(update.state().await, end, "it gave up after five");
    }
}

#[tokio::test]
async fn arm_and_commit_touch_their_own_operation_only() {
    let update = update().await;
    let (host, id) = (&update.kit.host, &update.kit.id);
    let of = |operation: &str, fence, seq| Tag {
        fence,
        seq,
        operation: OperationId::new(operation).unwrap(),
    };
    assert_eq!(
        host.commit(id, &of("op-2", 1, 4)).await,
        Ok(update.armed(60))
    );
    let own = host.commit(id, &of("op-1", 1, 5)).await;
    assert_eq!(own, Ok(update.committed(false)));
    update.wait(600).await;
    assert_eq!(update.state().await, update.committed(false), "disarmed");
    let late = host.commit(id, &of("op-1", 1, 4)).await;
    assert!(matches!(late, Err(HostError::Fenced { .. })), "{late:?}");
    // From any end a new operation arms anew; the same word twice arms once.
    let tag = of("op-3", 2, 1);
    let armed = update.arm(&tag).await.unwrap();
    update.wait(10).await;
    assert_eq!(armed.operation(), Some(&tag.operation));
    assert_eq!(armed.as_str(), "armed");
    assert_eq!(update.arm(&tag).await.unwrap().as_str(), "armed");
    let mut own_text = update.back.clone();
    own_text.text = FileText::New(Secret::new("services: {}"));
    let ask = ArmRequest {
        declared: vec![],
        probes: vec![],
        restore: own_text,
        green: Vec::new(),
        grace_s: 60,
        stable_s: 5,
    };
    let refused = host.arm(id, &of("op-3", 2, 2), &ask).await.unwrap_err();
    assert!(matches!(refused, HostError::Script { code, .. } if code == "bad_request"));
}

#[tokio::test]
async fn what_is_armed_is_kept_with_the_world() {
    let update = update().await;
    let kept = update.kit.world.parts.lock().unwrap().0.clone();
    let text = serde_json::to_string(&kept).unwrap();
    let read: HostState = serde_json::from_str(&text).unwrap();
    assert_eq!(read, kept);
    // A host of an earlier version has neither an armed restore nor a timer.
    let mut old = serde_json::to_value(HostState::default()).unwrap();
    old.as_object_mut().unwrap().remove("timer").unwrap();
    let memory = old["memory"].as_object_mut().unwrap();
    memory.remove("restore").unwrap();
    let read: HostState = serde_json::from_value(old).unwrap();
    assert_eq!(read, HostState::default());
}
