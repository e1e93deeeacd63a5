//! One action, made so: look first, act, look again. Every action is safe twice.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::failure::{fails, from_checks, from_cloud, from_instance};
use super::world::World;
use crate::efs;
use crate::host::{HostError, LookRequest, MountRequest, Tag};
use crate::instance::{InstanceError, InstanceService, Made};
use crate::journal::{Evidence, Failure, Line};
use crate::model::{Deployment, HostFacts, InstanceId, InstanceType, OperationId};
use crate::plan::{Action, CheckMounts, CheckStatus, Plan, Step};
use crate::report::{Count, EVENT_SCHEMA, Event, EventKind};
use crate::snapshot::{Snapshot, SnapshotStore};
use crate::state::StateError;

/// Performs one action of a plan.
pub(super) struct Performer<'a> {
    pub world: &'a World,
    pub plan: &'a Plan,
    pub deployment: &'a Deployment,
    pub operation: &'a OperationId,
    pub fence: u64,
    pub seq: AtomicU64,
    /// How often this step has paused.
    pub pauses: AtomicU32,
    pub lines: &'a [Line],
    pub snapshot: Option<&'a Snapshot>,
    pub forward: bool,
}

impl Performer<'_> {
    /// Makes it so.
    pub async fn perform(&self, step: &Step) -> Result<Evidence, Failure> {
        let on = &step.on;
        match &step.action {
            Action::CheckMounts(check) => self.check_mounts(on, check).await,
            Action::WriteSnapshot { .. } => self.write_snapshot(),
            Action::HoldImages { images } => self.hold_images(on, images).await,
            Action::PullImages {
                images,
                progress_ms,
            } => self.pull(on, images, *progress_ms).await,
            Action::ReserveCapacity(ask) => self.reserve(on, ask).await,
            Action::ReleaseCapacity {} => self.release(on).await,
            Action::ArmRestore(arm) => self.arm(on, arm).await,
            Action::CommitHost {} => self.commit(on).await,
            Action::Quiesce { containers, .. } => self.quiesce(on, containers).await,
            Action::StopInstance { force_after_ms } => {
                let progress = |m: &str| self.progress("stop_instance", m);
                let mut service = self.service(&progress);
                if *force_after_ms > 0 {
                    service.settings.force_after = Duration::from_millis(*force_after_ms);
                }
                self.made(service.stopped(on).await)
            }
            Action::SetInstanceType { from, to } => {
                let progress = |m: &str| self.progress("set_instance_type", m);
                let or = self.types_of_the_undo();
                self.made(self.service(&progress).typed_from(on, from, &or, to).await)
            }
            Action::SetEbsOptimized { to, .. } => {
                let progress = |m: &str| self.progress("set_ebs_optimized", m);
                self.made(self.service(&progress).ebs_optimized(on, *to).await)
            }
            Action::StartInstance {} => {
                let progress = |m: &str| self.progress("start_instance", m);
                let mut service = self.service(&progress);
                if step.fallback.is_some() {
                    // There is a next type, or a person: it was waited for long enough.
                    service.settings.start_patience = Duration::ZERO;
                }
                self.made(service.running(on).await)
            }
            Action::AwaitHost { .. } => self.await_host(on).await,
            Action::ApplyImages(apply) => self.apply(on, apply).await,
            Action::VerifyHealth(verify) => self.verify(on, verify).await,
        }
    }

    /// Says what is seen while it goes on.
    pub(super) fn progress(&self, step: &'static str, message: &str) {
        self.counted(step, message, None);
    }

    /// The same, with how far it is.
    pub(super) fn counted(&self, step: &'static str, message: &str, count: Option<Count>) {
        let kind = EventKind::StepProgress {
            step,
            message: message.to_owned(),
            count,
        };
        let at = self.world.clock.now();
        self.world.listener.event(&Event {
            schema: EVENT_SCHEMA,
            at,
            operation_id: self.operation.clone(),
            kind,
        });
    }

    pub(super) fn service<'s>(
        &'s self,
        progress: &'s (dyn Fn(&str) + Send + Sync),
    ) -> InstanceService<'s> {
        InstanceService {
            ec2: self.world.ec2.as_ref(),
            clock: self.world.clock.as_ref(),
            settings: if self.forward {
                self.world.limits.instance()
            } else {
                self.world.limits.instance_undo()
            },
            progress,
        }
    }

    /// An undo that turned to other types may be cut off, or begun again, at any of them.
    fn types_of_the_undo(&self) -> Vec<InstanceType> {
        if self.forward || self.plan.fallback_types().is_empty() {
            return Vec::new();
        }
        self.plan.types().into_iter().cloned().collect()
    }

    fn made(&self, result: Result<Made, InstanceError>) -> Result<Evidence, Failure> {
        match result {
            Ok(made) => Ok(Evidence {
                already: made == Made::Already,
                ..Evidence::default()
            }),
            Err(error) => Err(from_instance("the instance", &error)),
        }
    }

    pub(super) fn tag(&self) -> Tag {
        Tag {
            seq: self.seq.fetch_add(1, Ordering::Relaxed),
            ..self.who()
        }
    }

    /// The same for a look: an armed host hears that this program lives.
    pub(super) fn who(&self) -> Tag {
        Tag {
            fence: self.fence,
            seq: self.seq.load(Ordering::Relaxed),
            operation: self.operation.clone(),
        }
    }

    /// The cheapest look. An armed host takes it for a word of its controller, and does not go back meanwhile.
    pub(super) async fn beat(&self, on: &InstanceId) -> Result<HostFacts, HostError> {
        let ask = LookRequest {
            only_boot: true,
            beat: Some(self.who()),
            ..LookRequest::default()
        };
        self.world.host.look(on, &ask).await
    }

    async fn check_mounts(
        &self,
        on: &InstanceId,
        check: &CheckMounts,
    ) -> Result<Evidence, Failure> {
        let mut checks = Vec::new();
        let file_system = match &check.file_system {
            Some(id) => {
                let seen = self
                    .world
                    .efs
                    .file_system(id)
                    .await
                    .map_err(|e| from_cloud("the file system cannot be seen", &e))?;
                Some(seen.ok_or_else(|| {
                    fails(
                        "mount_file_system",
                        format!("{id} does not exist in this region"),
                    )
                })?)
            }
            None => None,
        };
        let mut bound = None;
        if let (Some(point), true) = (&check.mount_point, check.host) {
            let ask = self.mount_request(point);
            let mount = self.mount(on, &ask).await?;
            let containers = self.project_containers(on).await?;
            checks.extend(efs::judge(
                &mount,
                check.file_system.as_ref(),
                file_system.as_ref(),
                &check.zone,
                check.stops_instance,
                &containers,
            ));
            bound = Some((point, containers));
        } else if check.host {
            // `--efs none`: no bind mount may lie under a mount point that is not mounted.
            let ask = LookRequest {
                mount_point: Some("/".into()),
                ..LookRequest::default()
            };
            let facts = self.look(on, &ask).await?;
            let unmounted = facts.mount.as_ref().and_then(|m| m.unmounted.as_deref());
            let containers = self.project_containers(on).await?;
            checks.extend(efs::judge_without_efs(
                unmounted,
                &containers,
                check.stops_instance,
            ));
        } else if let (Some(facts), false) = (&file_system, check.host) {
            checks.extend(efs::judge_file_system(
                check.file_system.as_ref(),
                Some(facts),
                &check.zone,
            ));
        }
        if let Some(failure) = from_checks(
            "mount_check",
            "the data is not there as it must be",
            &checks,
        ) {
            return Err(failure);
        }
        // Only what was judged to answer is read.
        let data = match bound {
            Some((point, containers)) => Some(self.sample_data(on, point, &containers).await?),
            None => None,
        };
        let warnings = checks
            .iter()
            .filter(|c| c.status == CheckStatus::Warn)
            .map(|c| c.message.clone())
            .collect();
        Ok(Evidence {
            data,
            warnings,
            ..Evidence::default()
        })
    }

    pub(super) fn mount_request(&self, point: &str) -> MountRequest {
        MountRequest {
            point: point.to_owned(),
            limit_s: u32::try_from(self.world.limits.mount_probe.as_secs().max(1))
                .unwrap_or(u32::MAX),
            token: format!("{} {}", self.deployment.name, self.operation),
        }
    }

    async fn project_containers(
        &self,
        on: &InstanceId,
    ) -> Result<Vec<crate::model::ContainerFacts>, Failure> {
        let facts = self.look(on, &LookRequest::default()).await?;
        let name = &self.deployment.compose.project;
        Ok(facts
            .projects
            .into_iter()
            .find(|p| p.name == *name)
            .map(|p| p.containers)
            .unwrap_or_default())
    }

    fn write_snapshot(&self) -> Result<Evidence, Failure> {
        let snapshot = self
            .snapshot
            .ok_or_else(|| fails("snapshot", "there is no snapshot to write"))?;
        let store = SnapshotStore::new(
            self.world
                .state_dir
                .join(self.deployment.name.as_str())
                .join("snapshots"),
        );
        let snapshot = Snapshot {
            data: self.data_before().cloned(),
            ..snapshot.clone()
        };
        match store.write(&snapshot) {
            Ok(()) => Ok(Evidence::default()),
            Err(StateError::Exists { .. }) => Ok(Evidence {
                already: true,
                ..Evidence::default()
            }),
            Err(error) => Err(fails(
                error.code(),
                format!("the snapshot cannot be written: {error}"),
            )),
        }
    }

    /// Between two looks at a host: longer, the longer the step has waited.
    pub(super) async fn pause(&self) {
        let turn = self.pauses.fetch_add(1, Ordering::Relaxed).min(16);
        let limits = &self.world.limits;
        let pause = limits.poll * 2_u32.pow(turn);
        self.world.clock.sleep(pause.min(limits.poll_host)).await;
    }
}
