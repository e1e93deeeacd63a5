//! Every plan shape: its steps, their undo, and what must hold for all of them.

use super::*;
use crate::host::{QuiesceContainer, TagImage};
use crate::instance::types::type_facts;
use crate::model::{HostFacts, HostView, ImageFacts, ProjectFacts, Purpose, Secret, TypeFacts};
use crate::plan::Step;
use crate::plan::fixtures::{self, *};

/// A stack, what is wanted of it, and who it is.
struct Scene {
    observed: Observed,
    desired: Desired,
    deployment: Deployment,
    snapshot: SnapshotChoice,
}

fn scene(to: Option<&str>, images: &[(&str, &str)]) -> Scene {
    Scene {
        observed: observed(),
        desired: desired_update(to, images),
        deployment: deployment(),
        snapshot: SnapshotChoice {
            id: SnapshotId::new("20261120-100000-0007").expect("an id"),
            reuse: false,
        },
    }
}

impl Scene {
    fn decide(&self) -> Result<Decision, Vec<Check>> {
        toward(Input {
            deployment: &self.deployment,
            observed: &self.observed,
            desired: &self.desired,
            snapshot: &self.snapshot,
            pace: Pace::AWS,
        })
    }

    fn plan(&self) -> Plan {
        match self.decide() {
            Ok(Decision::Change { plan, .. }) => *plan,
            other => panic!("no plan: {other:#?}"),
        }
    }

    fn unchanged(&self) -> bool {
        matches!(self.decide(), Ok(Decision::Unchanged { .. }))
    }

    fn host(&mut self) -> &mut HostFacts {
        match &mut self.observed.host {
            HostView::Up(facts) => facts,
            other => panic!("{other:?}"),
        }
    }

    fn project(&mut self) -> &mut ProjectFacts {
        &mut self.host().projects[0]
    }

    fn container(&mut self, name: &str) -> &mut ContainerFacts {
        let mut all = self.project().containers.iter_mut();
        all.find(|c| c.name == name).expect("a container")
    }

    fn write(&mut self, text: &str) {
        let project = self.project();
        project.text = Some(Secret::new(text));
        project.sha256 = Some(fixtures::sha256_hex(text));
    }

    fn says(&mut self, from: &str, to: &str) {
        assert!(COMPOSE.contains(from), "{from}");
        self.write(&COMPOSE.replace(from, to));
    }

    /// What the reference means on the host.
    fn means(&mut self, reference: &str, id: Sha256Id) {
        let facts = ImageFacts {
            id,
            digests: vec![],
            architecture: "amd64".into(),
        };
        let name = image(reference).normalized();
        self.host().images.insert(name, facts);
    }

    /// A rollback to these images, by the id that each reference had.
    fn back(mut self, green: &[&str]) -> Self {
        for want in self.desired.images.values_mut() {
            want.id = Some(image_id(want.reference.as_str()));
        }
        self.desired.purpose = Purpose::Rollback {
            to: SnapshotId::new("20261119-100000-0001").expect("an id"),
            green: green.iter().map(|s| service(s)).collect(),
        };
        self
    }

    /// A container of `compose run`, listed first.
    fn one_off(&mut self, of: &str, name: &str) {
        let mut run = self.container(of).clone();
        (run.name, run.one_off) = (name.into(), true);
        (run.image_id, run.binds) = (image_id("of an old file"), vec![]);
        self.project().containers.insert(0, run);
    }

    fn down(&mut self, name: &str) {
        let container = self.container(name);
        container.status = "exited".into();
        container.exit_code = 137;
        container.pid = 0;
        let mount = self.host().mount.as_mut().expect("a mount");
        mount.seen_inside.retain(|s| s.container != name);
    }

    /// An instance of this type; and every type that there is.
    fn of_type(mut self, kind: &str, ebs_optimized: bool) -> Self {
        self.observed.instance.instance_type = instance_type(kind);
        self.observed.instance.ebs_optimized = ebs_optimized;
        for name in self
            .desired
            .instance_type
            .iter()
            .map(|t| t.as_str())
            .chain([kind])
        {
            self.observed
                .types
                .insert(instance_type(name), type_facts(name));
            self.observed.offered.insert(instance_type(name));
        }
        self
    }

    fn stopped(mut self) -> Self {
        let seen = observed_stopped();
        self.observed = seen;
        self
    }
}

fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = items.into_iter().map(|i| i.to_string()).collect();
    all.join(" ")
}

/// An action in short: its name, and the part of it that differs between shapes.
fn short(action: &Action) -> String {
    let name = action.name();
    match action {
        Action::CheckMounts(c) => match (c.host, c.stops_instance) {
            (true, true) => format!("{name}(host, stops)"),
            (true, false) => format!("{name}(host)"),
            (false, _) => format!("{name}(cloud)"),
        },
        Action::PullImages { images, .. } => {
            format!("{name}({})", words(images.iter().map(|i| &i.service)))
        }
        Action::ReserveCapacity(r) => format!("{name}({} {})", r.to, r.back),
        Action::ArmRestore(arm) => {
            let back = short(&Action::ApplyImages(Box::new(arm.restore.clone())));
            format!("{name}({back}; green {})", words(&arm.green))
        }
        Action::Quiesce {
            containers,
            best_effort,
        } => {
            let all = words(containers.iter().map(|c| {
                let up = if c.comes_up { "^" } else { "" };
                match c.restart_policy.as_str() {
                    "unless-stopped" => format!("{}{up}", c.name),
                    policy => format!("{}:{policy}{up}", c.name),
                }
            }));
            format!("{name}{}({all})", if *best_effort { "?" } else { "" })
        }
        Action::SetInstanceType { from, to } => format!("{name}({from} {to})"),
        Action::SetEbsOptimized { from, to } => format!("{name}({from} {to})"),
        Action::ApplyImages(a) => {
            let edits = a.edits.iter().map(|(s, e)| format!("{s}={}", e.to));
            let run = if a.start {
                words(a.services.iter().map(|s| &s.container))
            } else {
                "-".into()
            };
            let policies = a
                .policies
                .iter()
                .map(|p| format!("; {}:{}", p.name, p.restart_policy));
            let policies: String = policies.collect();
            let back = if a.back { "<" } else { "" };
            format!("{name}{back}({}; {run}{policies})", words(edits))
        }
        Action::VerifyHealth(v) if v.may_be_red.is_empty() => format!("{name}({})", words(&v.must)),
        Action::VerifyHealth(v) => {
            format!("{name}({}; red {})", words(&v.must), words(&v.may_be_red))
        }
        Action::WriteSnapshot { .. }
        | Action::HoldImages { .. }
        | Action::StopInstance { .. }
        | Action::StartInstance {}
        | Action::AwaitHost { .. }
        | Action::CommitHost {}
        | Action::ReleaseCapacity {} => name.to_owned(),
    }
}

/// One line a step: `!` where services can be down, then the step, then its undo in order.
fn lines(plan: &Plan) -> Vec<String> {
    let outages = plan.outages();
    plan.steps
        .iter()
        .zip(outages)
        .map(|(step, outage)| {
            let undo: Vec<String> = step.undo.iter().map(|u| short(&u.action)).collect();
            let arrow = if undo.is_empty() { "" } else { " <- " };
            let mark = if outage { "!" } else { " " };
            format!("{mark}{}{arrow}{}", short(&step.action), undo.join(", "))
        })
        .collect()
}

const ALL: &str = "crawl4ai ollama postgres n8n qdrant";
const STOP: &str = "qdrant n8n postgres ollama crawl4ai";
/// All, in the order in which they are stopped; each comes up with the boot.
const UP: &str = "qdrant^ n8n^ postgres^ ollama^ crawl4ai^";
/// All, with the policy that is put back behind the boot.
const KEPT: &str = "crawl4ai:unless-stopped; n8n:unless-stopped; ollama:unless-stopped; postgres:unless-stopped; qdrant:unless-stopped";
const MUST: &str = "crawl4ai n8n ollama postgres qdrant";
#[path = "toward_properties.rs"]
mod properties;
#[path = "toward_shapes.rs"]
mod shapes;
use shapes::{NEW, shapes};

#[test]
fn every_shape_has_its_steps_each_with_its_undo() {
    for shape in shapes() {
        let name = shape.name;
        let plan = (shape.scene)().plan();
        let expected: Vec<String> = shape
            .steps
            .iter()
            .map(|s| {
                s.replace("{all}", ALL)
                    .replace("{stop}", STOP)
                    .replace("{up}", UP)
                    .replace("{kept}", KEPT)
                    .replace("{must}", MUST)
            })
            .collect();
        assert_eq!(lines(&plan), expected, "{name}");
        assert_eq!(plan.changes, shape.changes, "{name}");
        assert_eq!(plan.warnings, shape.warnings, "{name}");
        assert_eq!(plan.expected_downtime_seconds, shape.downtime, "{name}");
    }
}

#[test]
fn an_update_names_what_was_observed_and_what_is_wanted() {
    let plan = scene(Some("t3.large"), &[NEW]).plan();
    let after = COMPOSE.replace("n8nio/n8n:1.19.0", "n8nio/n8n:1.20.0");
    assert_eq!(
        plan.before.compose_sha256,
        Some(fixtures::sha256_hex(COMPOSE))
    );
    assert_eq!(
        plan.after.compose_sha256,
        Some(fixtures::sha256_hex(&after))
    );
    assert_eq!(plan.before.instance_type, instance_type("t3.medium"));
    assert_eq!(plan.after.instance_type, instance_type("t3.large"));
    let n8n = service("n8n");
    assert_eq!(
        plan.before.images[&n8n].id,
        Some(image_id("n8nio/n8n:1.19.0"))
    );
    assert_eq!(
        plan.after.images[&n8n].id, None,
        "known only after the pull"
    );
    assert_eq!(plan.after.running, plan.before.running);
    let boot = plan.boot.expect("the host was asked");
    assert_eq!(
        (boot.id.as_str(), boot.launched_at),
        ("11111111-2222-3333-4444-555555555555", Some(at()))
    );
    assert_eq!(plan.public_ip.as_deref(), Some("203.0.113.10"));
}

/// The services that may not end with code 0: of the plan's last look, and of that behind its undo.
fn must_run(plan: &Plan) -> [String; 2] {
    let of = |steps: &[Step]| {
        let verify = steps.iter().find_map(|s| match &s.action {
            Action::VerifyHealth(verify) => Some(verify),
            _ => None,
        });
        words(&verify.expect("it looks").must_run)
    };
    [of(&plan.steps), of(&plan.after_undo)]
}

#[test]
fn what_declares_its_health_or_gets_another_image_may_not_end_with_0() {
    let declares = "x-geusemaker:\n  health:\n    postgres: { tcp: \"127.0.0.1:5432\" }\n";
    let new: &[(&str, &str)] = &[("n8n", "n8nio/n8n:1.20.0")];
    for (to, images, more, expected) in [
        (Some("t3.large"), &[][..], "", ["", ""]),
        (None, new, "", ["n8n", ""]),
        (
            Some("t3.large"),
            new,
            declares,
            ["n8n postgres", "postgres"],
        ),
    ] {
        let mut scene = scene(to, images);
        scene.write(&[COMPOSE, more].concat());
        assert_eq!(
            must_run(&scene.plan()),
            expected,
            "{to:?} {images:?} {more}"
        );
    }
}

#[test]
fn what_proves_an_undo_is_the_state_before() {
    for shape in shapes() {
        let plan = (shape.scene)().plan();
        let [
            Step {
                action: Action::VerifyHealth(verify),
                ..
            },
        ] = plan.after_undo.as_slice()
        else {
            panic!("{}: {:?}", shape.name, plan.after_undo);
        };
        assert_eq!(verify.expect, plan.before, "{}", shape.name);
        let red: BTreeSet<ServiceName> = plan
            .before
            .running
            .intersection(&plan.red_before)
            .cloned()
            .collect();
        assert_eq!(
            verify.may_be_red, red,
            "{}: also for a rollback",
            shape.name
        );
        assert_eq!(verify.must, &plan.before.running - &red, "{}", shape.name);
        assert_eq!(
            verify.host,
            plan.before.state == RunState::Running,
            "{}",
            shape.name
        );
    }
}

#[test]
fn a_scaled_service_was_red_where_one_of_its_containers_was() {
    for red in [0, 1] {
        let mut s = scene(Some("t3.large"), &[]);
        let mut twin = s.container("crawl4ai").clone();
        (twin.name, twin.id) = ("dev-crawl4ai-2".into(), "2".into());
        let mut pair = [s.container("crawl4ai").clone(), twin];
        pair[red].health = Some("unhealthy".into());
        let [first, second] = pair;
        *s.container("crawl4ai") = first;
        s.project().containers.push(second);
        let plan = s.plan();
        let red: Vec<&str> = plan.red_before.iter().map(|s| s.as_str()).collect();
        assert_eq!(red, ["crawl4ai"]);
    }
}

#[test]
fn unchanged_is_type_text_and_running_image() {
    type Row = (&'static str, fn() -> Scene, bool);
    const SAME: (&str, &str) = ("n8n", "n8nio/n8n:1.19.0");
    let table: &[Row] = &[
        ("all as it is", || scene(Some("t3.medium"), &[SAME]), true),
        ("nothing wanted", || scene(None, &[]), true),
        (
            "type as it is, stopped",
            || scene(Some("t3.medium"), &[]).stopped(),
            true,
        ),
        (
            "rollback to what is",
            || scene(Some("t3.medium"), &[SAME]).back(&[]),
            true,
        ),
        (
            "the tag was pulled anew by hand",
            || {
                let mut s = scene(None, &[SAME]);
                s.means("n8nio/n8n:1.19.0", image_id("moved"));
                s
            },
            false,
        ),
        (
            "the reference means nothing on the host",
            || {
                let mut s = scene(None, &[SAME]);
                s.host().images.clear();
                s
            },
            false,
        ),
        (
            "the same image by a longer name",
            || scene(None, &[("n8n", "docker.io/n8nio/n8n:1.19.0")]),
            false,
        ),
        (
            "rollback to another image of the same name",
            || {
                let mut s = scene(None, &[SAME]).back(&[]);
                s.container("n8n").image_id = image_id("moved");
                s
            },
            false,
        ),
        (
            // What the update of a stopped service leaves: asked again, it is done.
            "the file says so, the service lies stopped with its old image",
            || {
                let mut s = scene(None, &[NEW]);
                s.says("n8nio/n8n:1.19.0", "n8nio/n8n:1.20.0");
                s.means("n8nio/n8n:1.20.0", image_id("n8nio/n8n:1.20.0"));
                s.down("n8n");
                s
            },
            true,
        ),
        (
            "the file says so, only a one-off container has the old image",
            || {
                let mut s = scene(None, &[SAME]);
                s.one_off("n8n", "dev-n8n-run-1");
                s
            },
            true,
        ),
    ];
    for (what, scene, unchanged) in table {
        assert_eq!(scene().unchanged(), *unchanged, "{what}");
    }
}

#[test]
fn a_refusal_comes_with_every_check_and_no_plan() {
    let mut s = scene(Some("t3.large"), &[("n8m", "n8nio/n8n:1.20.0")]);
    s.observed.instance.spot = true;
    let checks = s.decide().expect_err("refused");
    let refused: Vec<&str> = checks
        .iter()
        .filter(|c| c.status == CheckStatus::Refuse)
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(refused, ["instance_spot", "service_exists"]);
    assert!(
        checks.iter().any(|c| c.status == CheckStatus::Ok),
        "what is fine is said too"
    );
}

#[test]
fn an_unreadable_compose_file_is_not_expected_to_be_empty() {
    // It read back as "expected an empty hash" and every change of the type was undone.
    let mut s = scene(Some("t3.large"), &[]).stopped();
    assert_eq!(s.plan().after.compose_sha256, None);
    s = scene(Some("t3.large"), &[]);
    (s.project().text, s.project().sha256) = (None, None);
    let refused = s
        .decide()
        .expect_err("what runs could not be started again");
    assert!(
        refused
            .iter()
            .any(|c| c.name == "compose_readable" && c.status == CheckStatus::Refuse)
    );
}

#[test]
fn a_rollback_tags_what_it_wants_and_its_undo_tags_what_ran() {
    let plan = scene(None, &[("n8n", "n8nio/n8n:1.18.0")])
        .back(&["n8n"])
        .plan();
    let step = plan
        .steps
        .iter()
        .find(|s| s.action.name() == "apply_images")
        .expect("planned");
    let tags = |action: &Action| match action {
        Action::ApplyImages(a) => a.tags.clone(),
        other => panic!("{other:?}"),
    };
    let tag = |reference: &str| TagImage {
        id: image_id(reference),
        reference: image(reference),
    };
    assert_eq!(tags(&step.action), [tag("n8nio/n8n:1.18.0")]);
    assert_eq!(tags(&step.undo[0].action), [tag("n8nio/n8n:1.19.0")]);
}

#[test]
fn an_update_tags_nothing_for_the_pull_says_what_it_means() {
    let plan = scene(None, &[NEW]).plan();
    let Some(Action::ApplyImages(apply)) = plan
        .steps
        .iter()
        .map(|s| &s.action)
        .find(|a| a.name() == "apply_images")
    else {
        panic!("planned")
    };
    assert_eq!(apply.tags, []);
    let n8n = apply
        .services
        .iter()
        .find(|s| s.service == service("n8n"))
        .expect("a target");
    assert_eq!(
        (n8n.reference.as_str(), &n8n.id),
        ("n8nio/n8n:1.20.0", &None)
    );
}

#[test]
fn a_digest_cannot_be_tagged() {
    let pinned = format!("n8nio/n8n@sha256:{}", "a".repeat(64));
    let mut s = scene(None, &[("n8n", pinned.as_str())]).back(&["n8n"]);
    let Some(want) = s.desired.images.get_mut(&service("n8n")) else {
        panic!("wanted")
    };
    want.id = Some(image_id("pinned"));
    for step in s.plan().steps {
        if let Action::ApplyImages(apply) = step.action {
            assert_eq!(apply.tags, []);
        }
    }
}

/// The format that journals hold: a change of it needs another schema.
#[test]
fn the_serialised_plan_keeps_its_form() {
    let mut s = scene(Some("t3.large"), &[NEW]);
    s.project()
        .containers
        .retain(|c| ["n8n", "postgres"].contains(&c.name.as_str()));
    s.container("n8n").restart_policy = "always".into();
    let text = serde_yaml::to_string(&s.plan()).expect("it serialises");
    // Long sums are told by their first digits.
    let mut short = String::new();
    let mut hex = 0;
    for c in text.chars() {
        hex = if c.is_ascii_hexdigit() { hex + 1 } else { 0 };
        if hex <= 17 {
            short.push(c);
        }
    }
    insta::assert_snapshot!(short, @r"
    schema: geusemaker.plan/1
    deployment: my-dev-stack
    kind: update
    before:
      instance_type: t3.medium
      state: running
      images:
        n8n:
          ref: n8nio/n8n:1.19.0
          id: sha256:93c3c890a68ecc708
          digest: sha256:755112edc378fcce9
        postgres:
          ref: postgres:15.8
          id: sha256:1a0e134efe418b885
          digest: sha256:0834ae158c644df72
      compose_sha256: df8512327144be97b
      running:
      - n8n
      - postgres
    after:
      instance_type: t3.large
      state: running
      images:
        n8n:
          ref: n8nio/n8n:1.20.0
          id: null
          digest: null
        postgres:
          ref: postgres:15.8
          id: sha256:1a0e134efe418b885
          digest: sha256:0834ae158c644df72
      compose_sha256: 9edd29c04103de28f
      running:
      - n8n
      - postgres
    changes:
    - 'instance_type: t3.medium -> t3.large'
    - 'image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0'
    steps:
    - on: i-0123456789abcdef0
      name: check_mounts
      file_system: fs-0123456789abcdef0
      mount_point: /mnt/efs
      zone: us-east-1a
      host: true
      stops_instance: true
    - on: i-0123456789abcdef0
      name: write_snapshot
      snapshot: 20261120-100000-0007
      reuse: false
    - on: i-0123456789abcdef0
      name: hold_images
      images:
        n8n: sha256:93c3c890a68ecc708
        postgres: sha256:1a0e134efe418b885
    - on: i-0123456789abcdef0
      name: pull_images
      images:
      - service: n8n
        reference: n8nio/n8n:1.20.0
        id: null
      progress_ms: 600000
    - on: i-0123456789abcdef0
      name: reserve_capacity
      to: t3.large
      back: t3.medium
      zone: us-east-1a
      platform: Linux/UNIX
      tenancy: default
      lasts_s: 7200
      cost:
        micro_usd: 124800
        as_of: 2026-07-20
      undo:
      - on: i-0123456789abcdef0
        name: release_capacity
    - on: i-0123456789abcdef0
      name: arm_restore
      restore:
        project: dev
        file: /opt/stack/docker-compose.yml
        env_files:
        - /opt/stack/.env
        edits:
          n8n:
            from: n8nio/n8n:1.20.0
            to: n8nio/n8n:1.19.0
        from_sha256: 9edd29c04103de28f
        to_sha256: df8512327144be97b
        back: true
        tags:
        - id: sha256:93c3c890a68ecc708
          reference: n8nio/n8n:1.19.0
        services:
        - service: postgres
          container: postgres
          reference: postgres:15.8
          id: sha256:1a0e134efe418b885
        - service: n8n
          container: n8n
          reference: n8nio/n8n:1.19.0
          id: sha256:93c3c890a68ecc708
        policies:
        - name: n8n
          restart_policy: always
        start: true
      green:
      - postgres
      - n8n
      undo:
      - on: i-0123456789abcdef0
        name: commit_host
    - on: i-0123456789abcdef0
      name: quiesce
      containers:
      - name: n8n
        restart_policy: always
      - name: postgres
        restart_policy: unless-stopped
      best_effort: false
      undo:
      - on: i-0123456789abcdef0
        name: apply_images
        project: dev
        file: /opt/stack/docker-compose.yml
        env_files:
        - /opt/stack/.env
        edits:
          n8n:
            from: n8nio/n8n:1.20.0
            to: n8nio/n8n:1.19.0
        from_sha256: 9edd29c04103de28f
        to_sha256: df8512327144be97b
        back: true
        tags:
        - id: sha256:93c3c890a68ecc708
          reference: n8nio/n8n:1.19.0
        services:
        - service: postgres
          container: postgres
          reference: postgres:15.8
          id: sha256:1a0e134efe418b885
        - service: n8n
          container: n8n
          reference: n8nio/n8n:1.19.0
          id: sha256:93c3c890a68ecc708
        policies:
        - name: n8n
          restart_policy: always
        start: true
    - on: i-0123456789abcdef0
      name: stop_instance
      force_after_ms: 600000
      undo:
      - on: i-0123456789abcdef0
        name: start_instance
      - on: i-0123456789abcdef0
        name: await_host
        mount_point: /mnt/efs
        file_system: fs-0123456789abcdef0
    - on: i-0123456789abcdef0
      name: set_instance_type
      from: t3.medium
      to: t3.large
      undo:
      - on: i-0123456789abcdef0
        name: set_instance_type
        from: t3.large
        to: t3.medium
    - on: i-0123456789abcdef0
      name: start_instance
      undo:
      - on: i-0123456789abcdef0
        name: quiesce
        containers:
        - name: n8n
          restart_policy: always
        - name: postgres
          restart_policy: unless-stopped
        best_effort: true
      - on: i-0123456789abcdef0
        name: stop_instance
        force_after_ms: 600000
    - on: i-0123456789abcdef0
      name: await_host
      mount_point: /mnt/efs
      file_system: fs-0123456789abcdef0
    - on: i-0123456789abcdef0
      name: apply_images
      project: dev
      file: /opt/stack/docker-compose.yml
      env_files:
      - /opt/stack/.env
      edits:
        n8n:
          from: n8nio/n8n:1.19.0
          to: n8nio/n8n:1.20.0
      from_sha256: df8512327144be97b
      to_sha256: 9edd29c04103de28f
      back: false
      tags: []
      services:
      - service: postgres
        container: postgres
        reference: postgres:15.8
        id: sha256:1a0e134efe418b885
      - service: n8n
        container: n8n
        reference: n8nio/n8n:1.20.0
        id: null
      policies: []
      start: true
      undo:
      - on: i-0123456789abcdef0
        name: apply_images
        project: dev
        file: /opt/stack/docker-compose.yml
        env_files:
        - /opt/stack/.env
        edits:
          n8n:
            from: n8nio/n8n:1.20.0
            to: n8nio/n8n:1.19.0
        from_sha256: 9edd29c04103de28f
        to_sha256: df8512327144be97b
        back: true
        tags:
        - id: sha256:93c3c890a68ecc708
          reference: n8nio/n8n:1.19.0
        services:
        - service: postgres
          container: postgres
          reference: postgres:15.8
          id: sha256:1a0e134efe418b885
        - service: n8n
          container: n8n
          reference: n8nio/n8n:1.19.0
          id: sha256:93c3c890a68ecc708
        policies:
        - name: n8n
          restart_policy: always
        start: false
    - on: i-0123456789abcdef0
      name: verify_health
      gate:
        timeout_ms: 300000
        stable_ms: 10000
      must:
      - n8n
      - postgres
      must_run:
      - n8n
      may_be_red: []
      expect:
        instance_type: t3.large
        state: running
        images:
          n8n:
            ref: n8nio/n8n:1.20.0
            id: null
            digest: null
          postgres:
            ref: postgres:15.8
            id: sha256:1a0e134efe418b885
            digest: sha256:0834ae158c644df72
        compose_sha256: 9edd29c04103de28f
        running:
        - n8n
        - postgres
      host: true
      mount_point: /mnt/efs
      file_system: fs-0123456789abcdef0
    - on: i-0123456789abcdef0
      name: commit_host
    - on: i-0123456789abcdef0
      name: release_capacity
    after_undo:
    - on: i-0123456789abcdef0
      name: verify_health
      gate:
        timeout_ms: 300000
        stable_ms: 10000
      must:
      - n8n
      - postgres
      may_be_red: []
      expect:
        instance_type: t3.medium
        state: running
        images:
          n8n:
            ref: n8nio/n8n:1.19.0
            id: sha256:93c3c890a68ecc708
            digest: sha256:755112edc378fcce9
          postgres:
            ref: postgres:15.8
            id: sha256:1a0e134efe418b885
            digest: sha256:0834ae158c644df72
        compose_sha256: df8512327144be97b
        running:
        - n8n
        - postgres
      host: true
      mount_point: /mnt/efs
      file_system: fs-0123456789abcdef0
    undo_on_failure: true
    red_before: []
    boot:
      id: 11111111-2222-3333-4444-555555555555
      launched_at: 2026-11-20T10:00:00Z
    public_ip: 203.0.113.10
    list_prices: true
    expected_downtime_seconds: 110
    warnings:
    - data that a new version writes is not taken back by a rollback
    ");
}

#[test]
fn ebs_optimization_goes_with_the_type_and_comes_back_with_it() {
    // (from, on, to, as it was in the snapshot, what is set)
    type Row = (&'static str, bool, &'static str, Option<bool>, Option<bool>);
    let table: &[Row] = &[
        ("t3.medium", true, "t3.large", None, None),
        ("t3.medium", false, "t2.medium", None, None),
        ("t3.medium", true, "t2.medium", None, Some(false)),
        ("m3.xlarge", true, "m3.medium", None, Some(false)),
        ("m3.xlarge", true, "c3.xlarge", None, None),
        // It costs by the hour: not unasked.
        ("t2.medium", false, "m3.xlarge", None, None),
        ("t2.medium", false, "m3.xlarge", Some(true), Some(true)),
        ("t2.medium", false, "t3.medium", Some(true), Some(true)),
        // As it was, but never where it does not start.
        ("t3.medium", true, "t2.medium", Some(true), Some(false)),
        ("t3.medium", true, "t3.large", Some(false), Some(false)),
    ];
    for (from, on, to, was, set) in table {
        let mut s = scene(Some(to), &[]).of_type(from, *on);
        s.desired.ebs_optimized = *was;
        let plan = s.plan();
        let place = format!("{from} {on} to {to}, {was:?}");
        assert_eq!(plan.after.ebs_optimized, *set, "{place}");
        assert_eq!(plan.before.ebs_optimized, set.map(|_| *on), "{place}");
        let said = plan
            .changes
            .iter()
            .any(|c| c == &format!("ebs_optimized: {on} -> {}", !on));
        assert_eq!(said, set.is_some(), "{place}");
        // Type and attribute fit at every moment, also on the way back.
        let mut at = (type_facts(from), *on);
        let fits = |at: &(TypeFacts, bool)| !at.1 || at.0.ebs_optimized != "unsupported";
        let undo = plan.steps.iter().rev().flat_map(|s| &s.undo);
        for step in plan.steps.iter().chain(undo) {
            match &step.action {
                Action::SetInstanceType { to, .. } => at.0 = type_facts(to.as_str()),
                Action::SetEbsOptimized { from, to } => {
                    assert_eq!(at.1, *from, "{place}");
                    at.1 = *to;
                }
                _ => continue,
            }
            assert!(fits(&at), "{place}");
        }
        assert_eq!((at.0.name.as_str(), at.1), (*from, *on), "{place}");
    }
    // A rollback that leaves the type leaves this too: it would need a stop.
    let mut s = scene(Some("t3.medium"), &[]);
    s.desired.ebs_optimized = Some(true);
    assert!(s.unchanged());
}
