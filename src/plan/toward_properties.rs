//! What must hold for every shape.

use super::*;

/// What the steps change, as a model of the stack.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    runs: bool,
    instance_type: InstanceType,
    ebs_optimized: bool,
    sha256: String,
    up: BTreeMap<String, Option<Sha256Id>>,
    policies: BTreeMap<String, String>,
    /// What a quiesce found, until an apply puts it back.
    kept: BTreeMap<String, String>,
}

impl Model {
    fn of(scene: &Scene, plan: &Plan) -> Self {
        let none = Vec::new();
        let project = scene.observed.host.facts().map_or(&none, |f| {
            &f.projects
                .iter()
                .find(|p| p.name == "dev")
                .expect("ours")
                .containers
        });
        let ours = || project.iter().filter(|c| !c.one_off);
        Self {
            runs: plan.before.state == RunState::Running,
            instance_type: plan.before.instance_type.clone(),
            ebs_optimized: scene.observed.instance.ebs_optimized,
            sha256: plan.before.compose_sha256.clone().unwrap_or_default(),
            up: ours()
                .filter(|c| c.running())
                .map(|c| (c.name.clone(), Some(c.image_id.clone())))
                .collect(),
            policies: ours()
                .map(|c| (c.name.clone(), c.restart_policy.clone()))
                .collect(),
            kept: BTreeMap::new(),
        }
    }

    /// Does it; panics where EC2, Docker or our own script would refuse.
    fn perform(&mut self, action: &Action) {
        match action {
            Action::Quiesce { containers, .. } if self.runs => {
                for c in containers {
                    self.up.remove(&c.name);
                    let until = match (c.comes_up, c.restart_policy.as_str()) {
                        (true, _) => "always",
                        (false, "unless-stopped") => continue,
                        (false, _) => "no",
                    };
                    let kept = self.kept.entry(c.name.clone());
                    kept.or_insert_with(|| c.restart_policy.clone());
                    self.policies.insert(c.name.clone(), until.into());
                }
            }
            Action::StopInstance { .. } => {
                self.runs = false;
                self.up.clear();
            }
            Action::SetInstanceType { from, to } => {
                assert!(!self.runs, "the type changes only while stopped");
                assert!(
                    self.instance_type == *from || self.instance_type == *to,
                    "a third type"
                );
                self.instance_type = to.clone();
            }
            Action::SetEbsOptimized { to, .. } => {
                assert!(!self.runs, "it changes only while stopped");
                self.ebs_optimized = *to;
            }
            Action::StartInstance {} if !self.runs => {
                let kind = type_facts(self.instance_type.as_str());
                assert!(
                    !self.ebs_optimized || kind.ebs_optimized != "unsupported",
                    "it would not start"
                );
                self.runs = true;
                let by_itself = self.policies.iter().filter(|(_, p)| p.as_str() == "always");
                self.up
                    .extend(by_itself.map(|(name, _)| (name.clone(), None)));
            }
            Action::ApplyImages(apply) => {
                assert!(self.runs, "nobody to ask");
                assert!(
                    [&apply.from_sha256, &apply.to_sha256].contains(&&self.sha256),
                    "the file was changed by somebody else"
                );
                self.sha256 = apply.to_sha256.clone();
                for p in &apply.policies {
                    self.policies
                        .insert(p.name.clone(), p.restart_policy.clone());
                }
                self.policies.append(&mut self.kept);
                if apply.start {
                    let up = apply
                        .services
                        .iter()
                        .map(|s| (s.container.clone(), s.id.clone()));
                    self.up = up.collect();
                }
            }
            _ => {}
        }
    }
}

#[test]
fn a_failure_at_any_step_is_undone_to_what_was_observed() {
    for shape in shapes() {
        let scene = (shape.scene)();
        let plan = scene.plan();
        let before = Model::of(&scene, &plan);
        for failed in 0..plan.steps.len() {
            for had_effect in [false, true] {
                let mut model = before.clone();
                for step in &plan.steps[..failed] {
                    model.perform(&step.action);
                }
                if had_effect {
                    model.perform(&plan.steps[failed].action);
                }
                for step in plan.steps[..=failed].iter().rev() {
                    for undo in &step.undo {
                        // A host that is gone: apply_images waits for the next await_host.
                        if model.runs || !matches!(undo.action, Action::ApplyImages(_)) {
                            model.perform(&undo.action);
                        }
                    }
                }
                assert_eq!(
                    model, before,
                    "{}: step {failed}, effect {had_effect}",
                    shape.name
                );
            }
        }
    }
}

#[test]
fn the_whole_plan_makes_what_is_wanted_and_nothing_else() {
    for shape in shapes() {
        let scene = (shape.scene)();
        let plan = scene.plan();
        let before = Model::of(&scene, &plan);
        let mut model = before.clone();
        for step in &plan.steps {
            model.perform(&step.action);
        }
        let name = shape.name;
        assert_eq!(model.instance_type, plan.after.instance_type, "{name}");
        let flag = plan.after.ebs_optimized.unwrap_or(before.ebs_optimized);
        assert_eq!(model.ebs_optimized, flag, "{name}");
        assert_eq!(
            model.runs, before.runs,
            "{name}: found stopped, left stopped"
        );
        assert_eq!(model.policies, before.policies, "{name}");
        assert_eq!(
            model.up.keys().collect::<Vec<_>>(),
            before.up.keys().collect::<Vec<_>>(),
            "{name}: exactly what ran runs"
        );
        assert_eq!(
            model.sha256,
            plan.after.compose_sha256.clone().unwrap_or_default(),
            "{name}"
        );
    }
}

#[test]
fn every_changing_step_has_an_undo_and_of_the_others_only_what_is_held_on_host_and_account() {
    for shape in shapes() {
        for step in (shape.scene)().plan().steps {
            let name = format!("{}: {}", shape.name, step.action.name());
            let held = matches!(
                step.action,
                Action::ArmRestore(_) | Action::ReserveCapacity(_)
            );
            let undone = step.action.changes() || held;
            assert_eq!(undone, !step.undo.is_empty(), "{name}");
            for undo in &step.undo {
                assert!(undo.undo.is_empty(), "{name}: an undo is not undone");
                assert_eq!(undo.on, step.on, "{name}");
            }
        }
    }
}

#[test]
fn an_undo_names_only_what_was_observed() {
    for shape in shapes() {
        let scene = (shape.scene)();
        let plan = scene.plan();
        let facts = scene.observed.host.facts();
        let seen: Vec<&ContainerFacts> = facts
            .iter()
            .flat_map(|f| &f.projects)
            .flat_map(|p| &p.containers)
            .collect();
        let ids: BTreeSet<&Sha256Id> = seen.iter().map(|c| &c.image_id).collect();
        let policy = |q: &QuiesceContainer| {
            seen.iter()
                .any(|c| c.name == q.name && c.restart_policy == q.restart_policy)
        };
        let undos = plan.steps.iter().flat_map(|s| &s.undo);
        // What the host does by itself is an undo as well.
        let by_itself = plan.steps.iter().filter_map(|s| match &s.action {
            Action::ArmRestore(arm) => Some(Action::ApplyImages(Box::new(arm.restore.clone()))),
            _ => None,
        });
        for undo in undos.map(|s| s.action.clone()).chain(by_itself) {
            let name = shape.name;
            match &undo {
                Action::SetInstanceType { to, .. } => {
                    assert_eq!(*to, plan.before.instance_type, "{name}")
                }
                Action::SetEbsOptimized { to, .. } => {
                    assert_eq!(Some(*to), plan.before.ebs_optimized, "{name}")
                }
                Action::Quiesce {
                    containers,
                    best_effort,
                } => {
                    assert!(best_effort, "{name}");
                    assert!(containers.iter().all(policy), "{name}");
                }
                Action::ApplyImages(a) => {
                    assert!(a.back, "{name}");
                    assert_eq!(
                        Some(&a.to_sha256),
                        plan.before.compose_sha256.as_ref(),
                        "{name}"
                    );
                    assert_eq!(
                        Some(&a.from_sha256),
                        plan.after.compose_sha256.as_ref(),
                        "{name}"
                    );
                    assert!(a.policies.iter().all(policy), "{name}");
                    assert!(a.tags.iter().all(|t| ids.contains(&t.id)), "{name}");
                    for target in &a.services {
                        let c = seen
                            .iter()
                            .find(|c| c.name == target.container)
                            .expect("it was seen");
                        assert_eq!(target.id.as_ref(), Some(&c.image_id), "{name}");
                        assert!(c.running() && !c.one_off, "{name}: {}", c.name);
                    }
                }
                Action::StartInstance {}
                | Action::StopInstance { .. }
                | Action::AwaitHost { .. }
                | Action::CommitHost {}
                | Action::ReleaseCapacity {} => {
                    assert_eq!(plan.before.state, RunState::Running, "{name}");
                }
                other => panic!("{name}: {other:?} in an undo"),
            }
        }
    }
}

#[test]
fn what_can_fail_without_harm_comes_first() {
    for shape in shapes() {
        let plan = (shape.scene)().plan();
        let name = shape.name;
        let names: Vec<&str> = plan.steps.iter().map(|s| s.action.name()).collect();
        assert_eq!(&names[..2], ["check_mounts", "write_snapshot"], "{name}");
        let armed = names.contains(&"arm_restore");
        let reserved = names.contains(&"reserve_capacity");
        let mut last = vec!["verify_health"];
        last.extend(armed.then_some("commit_host"));
        last.extend(reserved.then_some("release_capacity"));
        assert!(names.ends_with(&last), "{name}");
        assert_eq!(reserved, names.contains(&"stop_instance"), "{name}");
        let applies = names.contains(&"apply_images");
        assert_eq!(
            armed, applies,
            "{name}: nothing is applied that is not armed"
        );
        let first_change = plan
            .steps
            .iter()
            .position(|s| s.action.changes())
            .expect("a change");
        let outage = plan
            .outages()
            .iter()
            .position(|o| *o)
            .unwrap_or(names.len());
        for early in [
            "check_mounts",
            "write_snapshot",
            "hold_images",
            "pull_images",
            "reserve_capacity",
            "arm_restore",
        ] {
            if let Some(at) = names.iter().position(|n| *n == early) {
                assert!(at < first_change && at < outage, "{name}: {early}");
            }
        }
        let once: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(
            once.len(),
            names.len(),
            "{name}: one outage, each step once"
        );
    }
}

#[test]
fn a_plan_survives_the_journal() {
    for shape in shapes() {
        let plan = (shape.scene)().plan();
        let text = serde_json::to_string(&plan).expect("it serialises");
        let again: Plan = serde_json::from_str(&text).expect("it reads back");
        assert_eq!(again, plan, "{}", shape.name);
    }
}

#[test]
fn no_secret_of_the_compose_text_gets_into_a_plan() {
    const SECRET: &str = "hunter2-correct-horse";
    for shape in shapes() {
        let mut scene = (shape.scene)();
        if let HostView::Up(facts) = &mut scene.observed.host {
            for project in &mut facts.projects {
                let text = project.text.as_ref().expect("a text").expose();
                let text = text
                    .replace("${POSTGRES_PASSWORD:?}", SECRET)
                    .replace("# workflows", &format!("# {SECRET}"))
                    .replace("services:\n", &format!("x-token: {SECRET}\n\nservices:\n"));
                project.sha256 = Some(fixtures::sha256_hex(&text));
                project.text = Some(Secret::new(text));
            }
        }
        let Ok(Decision::Change { plan, checks, diff }) = scene.decide() else {
            panic!("{}", shape.name);
        };
        let all = format!(
            "{}{checks:?}{diff}{plan:?}",
            serde_json::to_string(&plan).expect("it serialises")
        );
        assert!(!all.contains(SECRET), "{}", shape.name);
    }
}

#[test]
fn the_same_look_gives_the_same_plan() {
    for shape in shapes() {
        let scene = (shape.scene)();
        assert_eq!(scene.plan(), scene.plan(), "{}", shape.name);
        let mut shuffled = (shape.scene)();
        if let HostView::Up(facts) = &mut shuffled.observed.host {
            facts.other_containers.reverse();
            facts.projects.reverse();
            for project in &mut facts.projects {
                project.containers.reverse();
            }
        }
        assert_eq!(
            scene.plan(),
            shuffled.plan(),
            "{}: the order of a listing decides nothing",
            shape.name
        );
    }
}
