//! The armed restore, from the controller's side: told before the first change, disarmed after the commit.

use std::time::Duration;

use super::failure::fails;
use super::perform::Performer;
use crate::host::restore::judged;
use crate::host::{ApplyJob, ApplyService, ArmRequest, FileSwap, FileText, HostError, Job};
use crate::journal::{Evidence, Failure, FailureClass, HOST_RESTORED};
use crate::model::{InstanceId, RestoreState};
use crate::plan::{Action, ApplyImages, ArmRestore};

impl Performer<'_> {
    /// Tells the host what to go back to. A host without systemd cannot look after itself: that is said, and
    /// is no reason to leave it at an old version for ever.
    pub(super) async fn arm(&self, on: &InstanceId, arm: &ArmRestore) -> Result<Evidence, Failure> {
        let limits = &self.world.limits;
        let ask = ArmRequest {
            restore: apply_job(
                &arm.restore,
                &self.targets(&arm.restore)?,
                kept(&arm.restore),
            ),
            green: arm.green.clone(),
            declared: arm.declared.clone(),
            probes: arm.probes.clone(),
            grace_s: seconds(limits.restore.as_secs()),
            stable_s: seconds(self.plan.stable_ms() / 1000),
        };
        let tag = self.tag();
        let mut silence = None;
        loop {
            match self.world.host.arm(on, &tag, &ask).await {
                Ok(RestoreState::Armed { .. }) => return Ok(Evidence::default()),
                Ok(other) => {
                    let message = format!("the host says {}, expected armed", other.as_str());
                    return Err(fails("not_armed", message));
                }
                Err(HostError::Script { code, message, .. }) if code == "no_systemd" => {
                    let warning = format!(
                        "the host cannot go back by itself if this program falls silent: {message}"
                    );
                    return Ok(Evidence {
                        warnings: vec![warning],
                        ..Evidence::default()
                    });
                }
                Err(error) => {
                    let what = "the host cannot be armed";
                    if let Err(failure) = self.wait_out(on, what, &error, &mut silence).await {
                        return Err(match self.is_going_back(on, &error).await {
                            true => fails("host_going_back", failure.message),
                            false => failure,
                        });
                    }
                }
            }
        }
    }

    /// Whether it is that which keeps a host busy: `busy` is also what waits for another script of ours.
    async fn is_going_back(&self, on: &InstanceId, error: &HostError) -> bool {
        matches!(error, HostError::Script { code, .. } if code == "busy")
            && self
                .beat(on)
                .await
                .is_ok_and(|facts| matches!(facts.restore, RestoreState::Restoring { .. }))
    }

    /// Disarms. After the commit, and behind an undo, nothing depends on it: what fails only warns, and an
    /// armed host that finds all green disarms itself.
    pub(super) async fn commit(&self, on: &InstanceId) -> Result<Evidence, Failure> {
        // Confirmed here, and then silent past the deadline with something red: file and images are those from before, or
        // half way there. Each time it is looked at first: this program may have slept since the gate, and the look keeps
        // the host from going back meanwhile.
        let went_back = |state: &RestoreState| judged(state, self.operation) == Some(HOST_RESTORED);
        let tag = self.tag();
        let mut silence = None;
        let failure = loop {
            let look = async {
                match self.forward {
                    true => self.beat(on).await.map(|facts| facts.restore),
                    false => Ok(RestoreState::Idle),
                }
            };
            let told = match look.await {
                Ok(state) if went_back(&state) => Ok(state),
                Ok(_) => self.world.host.commit(on, &tag).await,
                Err(error) => Err(error),
            };
            let error = match told {
                Ok(state) if self.forward && went_back(&state) => {
                    let why = "the host went back by itself: it had heard nothing for long";
                    return Err(fails(HOST_RESTORED, why));
                }
                Ok(_) => return Ok(Evidence::default()),
                Err(error) => error,
            };
            let what = "the host cannot be disarmed";
            if let Err(failure) = self.wait_out(on, what, &error, &mut silence).await {
                break failure;
            }
        };
        if failure.class == FailureClass::Pauses {
            return Err(failure);
        }
        Ok(Evidence {
            warnings: vec![still_armed(&failure.message)],
            ..Evidence::default()
        })
    }

    /// Puts the restart policies back that `quiesce` changed; starts and stops nothing. Ends what this program, when
    /// it was killed, had left at work on the containers.
    pub(super) async fn put_policies(&self, on: &InstanceId) -> Result<(), Failure> {
        let all = self.plan.steps.iter();
        let mut actions = all.flat_map(|s| s.undo.iter().map(|u| &u.action).chain([&s.action]));
        let Some(apply) = actions.find_map(|action| match action {
            Action::ApplyImages(apply) => Some(apply),
            _ => None,
        }) else {
            return Ok(());
        };
        let bare = ApplyImages {
            from_sha256: apply.to_sha256.clone(),
            more_files: {
                let stay = apply.more_files.iter().cloned();
                let stay = stay.map(|f| FileSwap {
                    from_sha256: f.to_sha256.clone(),
                    ..f
                });
                stay.collect()
            },
            tags: Vec::new(),
            services: Vec::new(),
            start: false,
            ..(**apply).clone()
        };
        let job = Job::Restore(Box::new(apply_job(&bare, &[], FileText::Keep)));
        let limit = self.world.limits.apply;
        let put = self.job(on, "restart_policies", &job, limit).await;
        put.map_err(|failure| crate::journal::Failure {
            message: format!(
                "the restart policies could not be put back: {}",
                failure.message
            ),
            ..failure
        })
    }

    /// A job on the containers. A host that judged by itself that all is green, while this program was silent
    /// and had changed nothing there, is armed again first.
    pub(super) async fn guarded_job(
        &self,
        on: &InstanceId,
        step: &'static str,
        job: &Job,
        limit: Duration,
    ) -> Result<(), Failure> {
        let refused = match self.job(on, step, job, limit).await {
            Err(failure) if failure.code == HOST_COMMITTED && self.forward => failure,
            ended => return ended,
        };
        let arm = self.plan.steps.iter().find_map(|s| match &s.action {
            Action::ArmRestore(arm) if s.on == *on => Some(arm),
            _ => None,
        });
        self.arm(on, arm.ok_or(refused)?).await?;
        self.job(on, step, job, limit).await
    }
}

/// The host's word for: it has judged by itself that it stays as it is.
const HOST_COMMITTED: &str = "host_committed";

fn seconds(s: u64) -> u32 {
    u32::try_from(s).unwrap_or(u32::MAX).max(1)
}

/// The text of a way back: the copy that the host kept, or the file as it stays.
pub(super) fn kept(apply: &ApplyImages) -> FileText {
    if apply.keeps_file() {
        FileText::Keep
    } else {
        FileText::Kept
    }
}

/// What the host is asked to do.
pub(super) fn apply_job(
    apply: &ApplyImages,
    services: &[ApplyService],
    text: FileText,
) -> ApplyJob {
    ApplyJob {
        project: apply.project.clone(),
        file: apply.file.clone(),
        env_files: apply.env_files.clone(),
        text,
        from_sha256: apply.from_sha256.clone(),
        to_sha256: apply.to_sha256.clone(),
        more_files: apply.more_files.clone(),
        more_texts: Vec::new(),
        tags: apply.tags.clone(),
        services: services.to_vec(),
        policies: apply.policies.clone(),
        start: apply.start,
    }
}

/// What is said where the host was not told that it is over.
pub(super) fn still_armed(why: &str) -> String {
    format!("{why}; at its deadline it stays so when it finds all green, and goes back when not")
}
