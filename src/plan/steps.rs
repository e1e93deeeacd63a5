//! The steps of a plan, each with its undo.

use std::collections::{BTreeMap, BTreeSet};

use super::fallback;
use super::order::stop_order;
use super::rules::provable;
use super::stack::{FileEdit, Stack};
use super::step::{
    Action, ApplyImages, ApplyTarget, ArmRestore, CheckMounts, HourlyCost, ImageEdit, PullImage,
    ReserveCapacity, StackState, Step, VerifyHealth,
};
use super::toward::Input;
use crate::health::questions;
use crate::host::{QuiesceContainer, TagImage};
use crate::instance::price;
use crate::model::{
    Colour, ContainerFacts, DesiredImage, ImageRef, InstanceType, Purpose, RunState, ServiceName,
};

/// A reservation lasts so long at least, in seconds: longer than an operation with its undo.
const RESERVED_S: u64 = 2 * 60 * 60;

fn with_policy(c: &ContainerFacts) -> QuiesceContainer {
    QuiesceContainer {
        name: c.name.clone(),
        restart_policy: c.restart_policy.clone(),
        comes_up: false,
    }
}

/// The same of one that runs and keeps its container: where its policy says so, it comes up with the boot, before the
/// agent is there to be asked. On EC2 that takes about half a minute of the outage.
fn that_comes_up(c: &ContainerFacts) -> QuiesceContainer {
    QuiesceContainer {
        comes_up: matches!(c.restart_policy.as_str(), "always" | "unless-stopped"),
        ..with_policy(c)
    }
}

/// Makes steps, each with its undo.
pub(super) struct Maker<'a> {
    pub(super) input: Input<'a>,
    pub(super) stack: Option<&'a Stack<'a>>,
    pub(super) running: &'a [&'a ContainerFacts],
    pub(super) before: &'a StackState,
    pub(super) after: &'a StackState,
    pub(super) red_before: &'a BTreeSet<ServiceName>,
    /// No image changes: every container is kept.
    pub(super) keeps: bool,
}

impl Maker<'_> {
    pub(super) fn step(&self, action: Action, undo: Vec<Action>) -> Step {
        let on = self.input.deployment.instance_id.clone();
        let undo = undo
            .into_iter()
            .map(|action| Step {
                on: on.clone(),
                action,
                undo: vec![],
                fallback: None,
            })
            .collect();
        Step {
            on,
            action,
            undo,
            fallback: None,
        }
    }

    pub(super) fn steps(
        &self,
        new_type: Option<InstanceType>,
        images: &BTreeMap<ServiceName, DesiredImage>,
        edit: &FileEdit,
    ) -> Vec<Step> {
        let runs = self.before.state != RunState::Stopped;
        let stops = new_type.is_some() && runs;
        // Also where nothing runs: what a boot would bring up must be kept down.
        let kept_down = !self.running.is_empty() || !self.policies().is_empty();
        let restarts = stops && kept_down;
        let mut steps = vec![
            self.step(self.check_mounts(runs, stops), vec![]),
            self.step(
                Action::WriteSnapshot {
                    snapshot: self.input.snapshot.id.clone(),
                    reuse: self.input.snapshot.reuse,
                },
                vec![],
            ),
        ];
        let run: BTreeMap<_, _> = self
            .before
            .images
            .iter()
            .filter_map(|(service, image)| Some((service.clone(), image.id.clone()?)))
            .collect();
        if runs && !run.is_empty() {
            steps.push(self.step(Action::HoldImages { images: run }, vec![]));
        }
        if !images.is_empty() {
            let images = images
                .iter()
                .map(|(service, want)| PullImage {
                    service: service.clone(),
                    reference: want.reference.clone(),
                    id: want.id.clone(),
                    digest: want.digest.clone(),
                })
                .collect();
            let progress_ms = self.input.desired.progress_ms;
            let pull = Action::PullImages {
                images,
                progress_ms,
            };
            steps.push(self.step(pull, vec![]));
        }
        let reserve = new_type.as_ref().and_then(|to| self.reserve(to));
        let reserves = reserve.is_some();
        steps.extend(reserve.map(|r| self.step(r, vec![Action::ReleaseCapacity {}])));
        let applies = restarts || !images.is_empty();
        let arm = applies.then(|| self.arm(edit)).flatten();
        let armed = arm.is_some();
        steps.extend(arm.map(|arm| self.step(arm, vec![Action::CommitHost {}])));
        if restarts {
            steps.push(self.step(self.quiesce(false), self.apply_back(edit, true)));
        }
        if stops {
            let back = vec![Action::StartInstance {}, self.await_host()];
            let mut stop = self.step(self.stop(), back);
            fallback::insert(
                &mut stop,
                &self.before.instance_type,
                &self.input.desired.fallback_types,
            );
            steps.push(stop);
        }
        steps.extend(self.ebs_optimized(false));
        if let Some(to) = new_type {
            let from = self.before.instance_type.clone();
            let back = Action::SetInstanceType {
                from: to.clone(),
                to: from.clone(),
            };
            steps.push(self.step(Action::SetInstanceType { from, to }, vec![back]));
        }
        steps.extend(self.ebs_optimized(true));
        if stops {
            let quiesce = restarts.then(|| self.quiesce(true));
            let undo = quiesce.into_iter().chain([self.stop()]).collect();
            steps.push(self.step(Action::StartInstance {}, undo));
            steps.push(self.step(self.await_host(), vec![]));
        }
        if applies {
            steps.push(self.step(self.apply(images, edit), self.apply_back(edit, !stops)));
        }
        steps.push(self.step(self.verify(self.after, true), vec![]));
        if armed {
            steps.push(self.step(Action::CommitHost {}, vec![]));
        }
        if reserves {
            steps.push(self.step(Action::ReleaseCapacity {}, vec![]));
        }
        steps
    }

    /// `EbsOptimized` made so, where that is to change.
    fn ebs_optimized(&self, to: bool) -> Option<Step> {
        let from = self.before.ebs_optimized?;
        let back = Action::SetEbsOptimized { from: to, to: from };
        (self.after.ebs_optimized == Some(to))
            .then(|| self.step(Action::SetEbsOptimized { from, to }, vec![back]))
    }

    /// Where it can be done: for the new type, and for the way back.
    fn reserve(&self, to: &InstanceType) -> Option<Action> {
        let Input {
            observed, desired, ..
        } = self.input;
        let Some(Ok(_)) = provable(observed, desired) else {
            return None;
        };
        let instance = &observed.instance;
        let of = |name| price(name, &instance.region);
        let cost = of(to).zip(of(&instance.instance_type));
        let cost = cost.map(|(to, back)| to + back).map(|both| HourlyCost {
            micro_usd: both.micro_usd,
            as_of: both.as_of.to_owned(),
        });
        Some(Action::ReserveCapacity(ReserveCapacity {
            to: to.clone(),
            back: instance.instance_type.clone(),
            zone: instance.zone.clone(),
            platform: instance.platform.clone(),
            tenancy: instance.tenancy.clone(),
            // The gate may wait for long, going forward and going back.
            lasts_s: RESERVED_S.max(desired.gate.timeout_ms / 1000 * 4),
            cost,
        }))
    }

    fn stop(&self) -> Action {
        Action::StopInstance {
            force_after_ms: self.input.desired.stop_ms,
        }
    }

    /// The way back that the host goes by itself. What was green before is what it judges by.
    fn arm(&self, edit: &FileEdit) -> Option<Action> {
        let Action::ApplyImages(restore) = self.apply_back(edit, true).pop()? else {
            return None;
        };
        let green: Vec<&ContainerFacts> = self
            .running
            .iter()
            .filter(|c| c.colour() == Colour::Green)
            .copied()
            .collect();
        let names = |all: &[&ContainerFacts]| all.iter().map(|c| c.name.clone()).collect();
        let of = |c: &ContainerFacts| self.stack?.declared.get(&c.service);
        let mut declared = green.clone();
        declared.retain(|c| of(c).is_some_and(|one| !one.container));
        let probes = green
            .iter()
            .filter_map(|c| Some(questions(of(c)?, Some(c))))
            .flatten()
            .collect();
        Some(Action::ArmRestore(Box::new(ArmRestore {
            restore: *restore,
            declared: names(&declared),
            green: names(&green),
            probes,
        })))
    }

    pub(super) fn check_mounts(&self, host: bool, stops_instance: bool) -> Action {
        Action::CheckMounts(CheckMounts {
            file_system: self.input.deployment.file_system_id.clone(),
            mount_point: self.input.deployment.mount_point.clone(),
            zone: self.input.observed.instance.zone.clone(),
            host,
            stops_instance,
        })
    }

    pub(super) fn await_host(&self) -> Action {
        Action::AwaitHost {
            mount_point: self.input.deployment.mount_point.clone(),
            file_system: self.input.deployment.file_system_id.clone(),
        }
    }

    /// Where an image changes all stay down over the boot: what was there before must not come up once more.
    pub(super) fn quiesce(&self, best_effort: bool) -> Action {
        let running = match self.keeps {
            true => that_comes_up,
            false => with_policy,
        };
        let down = self.stack.into_iter().flat_map(Stack::boot_starts);
        let containers = stop_order(self.running)
            .into_iter()
            .map(running)
            .chain(down.filter(|c| !c.running()).map(with_policy))
            .collect();
        Action::Quiesce {
            containers,
            best_effort,
        }
    }

    /// The containers whose policy `quiesce` changes: those that would come up by themselves after a boot, and those that
    /// are to.
    pub(super) fn policies(&self) -> Vec<QuiesceContainer> {
        let mut all: Vec<&ContainerFacts> = self
            .stack
            .into_iter()
            .flat_map(Stack::boot_starts)
            .collect();
        let ours = self.running.iter().copied();
        all.extend(ours.filter(|c| self.keeps && c.restart_policy == "unless-stopped"));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.into_iter().map(with_policy).collect()
    }

    pub(super) fn apply(
        &self,
        images: &BTreeMap<ServiceName, DesiredImage>,
        edit: &FileEdit,
    ) -> Action {
        let stack = self
            .stack
            .expect("apply_images is planned only for a host that answered");
        let services = self
            .running
            .iter()
            .map(|c| match images.get(&c.service) {
                Some(want) => ApplyTarget {
                    service: c.service.clone(),
                    container: c.name.clone(),
                    reference: want.reference.clone(),
                    id: want.id.clone(),
                },
                None => self.as_it_is(c),
            })
            .collect();
        let tags = images
            .values()
            .filter_map(|want| {
                Some(TagImage {
                    id: want.id.clone()?,
                    reference: want.reference.clone(),
                })
            })
            .filter(|t| t.reference.digest().is_none())
            .collect();
        // A container that is made anew has the policy that the file says. Where it was stopped before, the host has
        // written down what it had, and puts that back.
        let anew = |name: &str| {
            let mut of = self.running.iter().filter(|c| c.name == name);
            of.any(|c| images.contains_key(&c.service))
        };
        let mut policies = self.policies();
        policies.retain(|p| !anew(&p.name));
        Action::ApplyImages(Box::new(ApplyImages {
            project: stack.project.name.clone(),
            file: self.input.deployment.compose.file.clone(),
            env_files: stack.project.env_files.clone(),
            edits: edit.edits.clone(),
            from_sha256: stack.project.sha256.clone().unwrap_or_default(),
            to_sha256: edit.to_sha256(),
            more_files: stack.more_files(edit, false),
            back: false,
            tags,
            services,
            policies,
            start: true,
        }))
    }

    pub(super) fn as_it_is(&self, c: &ContainerFacts) -> ApplyTarget {
        let reference = self
            .before
            .images
            .get(&c.service)
            .map(|i| i.reference.clone());
        let by_id = || ImageRef::new(c.image_id.as_str()).expect("an image id is a reference");
        ApplyTarget {
            service: c.service.clone(),
            container: c.name.clone(),
            reference: reference.unwrap_or_else(by_id),
            id: Some(c.image_id.clone()),
        }
    }

    /// The same file and images as before; the references that changed mean their old images again.
    pub(super) fn apply_back(&self, edit: &FileEdit, start: bool) -> Vec<Action> {
        let Some(stack) = self.stack else {
            return vec![];
        };
        let edits: BTreeMap<ServiceName, ImageEdit> = edit
            .edits
            .iter()
            .map(|(service, e)| {
                (
                    service.clone(),
                    ImageEdit {
                        from: e.to.clone(),
                        to: e.from.clone(),
                    },
                )
            })
            .collect();
        let tags = edits
            .iter()
            .filter_map(|(service, e)| {
                let id = self.before.images.get(service)?.id.clone()?;
                Some(TagImage {
                    id,
                    reference: e.to.clone(),
                })
            })
            .filter(|t| t.reference.digest().is_none())
            .collect();
        vec![Action::ApplyImages(Box::new(ApplyImages {
            project: stack.project.name.clone(),
            file: self.input.deployment.compose.file.clone(),
            env_files: stack.project.env_files.clone(),
            edits,
            from_sha256: edit.to_sha256(),
            to_sha256: stack.project.sha256.clone().unwrap_or_default(),
            more_files: stack.more_files(edit, true),
            back: true,
            tags,
            services: self.running.iter().map(|c| self.as_it_is(c)).collect(),
            policies: self.policies(),
            start,
        }))]
    }

    pub(super) fn verify(&self, expect: &StackState, forward: bool) -> Action {
        let (must, may_be_red): (BTreeSet<ServiceName>, BTreeSet<ServiceName>) =
            match (&self.input.desired.purpose, forward) {
                // A rollback is measured by the evidence of its snapshot.
                (Purpose::Rollback { green, .. }, true) => {
                    let green: BTreeSet<ServiceName> = green.iter().cloned().collect();
                    // A service that this rollback leaves alone is measured by what it was.
                    let left = |s: &ServiceName| !self.input.desired.images.contains_key(s);
                    expect.running.iter().cloned().partition(|s| {
                        green.contains(s) || (left(s) && !self.red_before.contains(s))
                    })
                }
                _ => expect
                    .running
                    .iter()
                    .cloned()
                    .partition(|s| !self.red_before.contains(s)),
            };
        let host = self.before.state != RunState::Stopped;
        let mut declared = self.stack.map(|s| s.declared.clone()).unwrap_or_default();
        declared.retain(|service, _| must.contains(service) || may_be_red.contains(service));
        let mut gate = self.input.desired.gate;
        // One gate for all: it holds for the longest that a service asks for.
        let asked = must.iter().filter_map(|s| declared.get(s)?.stable_ms);
        gate.stable_ms = asked.fold(gate.stable_ms, u64::max);
        let new_image =
            |s: &ServiceName| forward && self.before.images.get(s) != self.after.images.get(s);
        let must_run = must
            .iter()
            .filter(|s| declared.contains_key(*s) || new_image(s));
        let must_run = must_run.cloned().collect();
        Action::VerifyHealth(VerifyHealth {
            gate,
            must,
            must_run,
            may_be_red,
            declared,
            expect: expect.clone(),
            host,
            mount_point: self.input.deployment.mount_point.clone(),
            file_system: self.input.deployment.file_system_id.clone(),
        })
    }
}
