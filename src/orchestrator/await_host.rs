//! The host is back: a new boot answers, with the mount and Docker.

use super::failure::{fails, from_checks, from_cloud, from_host};
use super::perform::Performer;
use crate::cloud::wait::Wait;
use crate::efs;
use crate::host::LookRequest;
use crate::journal::{Evidence, Failure, FailureClass};
use crate::model::InstanceId;
use crate::plan::Boot;

impl Performer<'_> {
    /// A script that comes back at another launch time must name another boot; at the same launch time the
    /// instance was never stopped.
    pub(super) async fn await_host(&self, on: &InstanceId) -> Result<Evidence, Failure> {
        let limits = &self.world.limits;
        let wait = Wait::begin(self.world.clock.as_ref(), limits.poll, limits.host, "");
        let mut no_network = None;
        loop {
            // Before the look: after a sleep of the machine the look decides.
            let is_over = wait.is_over();
            let not_yet = match self.back(on).await {
                Ok(boot) => {
                    // On the way back the services start all the same; that it is not as before is said behind it.
                    if self.forward {
                        self.data_is_there(on).await?;
                    }
                    return Ok(Evidence {
                        boot: Some(boot),
                        ..Evidence::default()
                    });
                }
                Err(not_yet) => not_yet,
            };
            if not_yet.code == "credentials" {
                return Err(not_yet);
            }
            self.progress("await_host", &not_yet.message);
            // A network that is gone says nothing about the host, and has its own time to come back.
            let awake = self.world.clock.awake();
            let no_answer = match not_yet.class {
                FailureClass::Pauses => awake.saturating_sub(*no_network.get_or_insert(awake)),
                _ => {
                    no_network = None;
                    self.world.limits.answer
                }
            };
            if is_over && no_answer >= self.world.limits.answer {
                let seconds = self.world.limits.host.as_secs();
                let message = format!(
                    "the host did not come back within {seconds} s: {}",
                    not_yet.message
                );
                let class = match not_yet.class {
                    FailureClass::Pauses => FailureClass::Pauses,
                    _ => FailureClass::HostUnreachable,
                };
                let failure = Failure {
                    class,
                    causes: not_yet.causes,
                    ..fails("host_not_back", message)
                };
                return Err(self.with_console(on, failure).await);
            }
            self.pause().await;
        }
    }

    /// Whether all is back now: a new boot, the mount, Docker with our project. `Err` is what is missing.
    async fn back(&self, on: &InstanceId) -> Result<Boot, Failure> {
        let host = &self.world.host;
        let facts = self
            .beat(on)
            .await
            .map_err(|e| from_host("no answer", &e))?;
        let instance = self.world.ec2.instance(on).await;
        let instance = instance.map_err(|e| from_cloud("the instance cannot be seen", &e))?;
        let launched_at = instance.and_then(|i| i.launched_at);
        let known = self.plan.boot.iter().chain(
            self.lines
                .iter()
                .filter_map(|l| l.entry.evidence()?.boot.as_ref()),
        );
        if known
            .filter(|b| b.launched_at != launched_at)
            .any(|b| b.id == facts.boot_id)
        {
            return Err(fails(
                "host_old_boot",
                "the answer is from before the start",
            ));
        }
        if let Some(point) = &self.deployment.mount_point {
            let mount = host.mount(on, None, &self.mount_request(point)).await;
            let mount = mount.map_err(|e| from_host("the mount cannot be checked", &e))?;
            let checks = efs::judge_mount(&mount, self.deployment.file_system_id.as_ref(), &[]);
            if let Some(failure) = from_checks("mount_check", "the mount is not back", &checks) {
                return Err(failure);
            }
        }
        let ask = LookRequest {
            beat: Some(self.who()),
            ..LookRequest::default()
        };
        let facts = host.look(on, &ask).await;
        let facts = facts.map_err(|e| from_host("Docker is not back", &e))?;
        let project = &self.deployment.compose.project;
        if !facts.projects.iter().any(|p| p.name == *project) {
            return Err(fails(
                "project_gone",
                format!("the containers of {project} are not there"),
            ));
        }
        Ok(Boot {
            id: facts.boot_id,
            launched_at,
        })
    }
}
