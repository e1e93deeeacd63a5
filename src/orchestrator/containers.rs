//! Apply and verify: the container service's two halves, and what is read back at the end.

use std::collections::BTreeMap;

use super::failure::{fails, from_instance};
use super::guard::{apply_job, kept};
use super::perform::Performer;
use super::probes::Asked;
use crate::containers::set_project_images;
use crate::health::{Gate, Verdict, not_green};
use crate::host::{ApplyService, FileText, Job, LookRequest};
use crate::journal::{Evidence, Failure};
use crate::model::{
    Colour, ContainerFacts, FileSum, HostFacts, ImageRef, InstanceId, ProjectFacts, Secret,
    ServiceName, Timestamp, sha256_hex,
};
use crate::plan::{ApplyImages, VerifyHealth};

impl Performer<'_> {
    fn project_name(&self) -> &str {
        &self.deployment.compose.project
    }

    pub(super) fn project<'f>(&self, facts: &'f HostFacts) -> Result<&'f ProjectFacts, Failure> {
        let name = self.project_name();
        facts
            .projects
            .iter()
            .find(|p| p.name == *name)
            .ok_or_else(|| {
                fails(
                    "project_gone",
                    format!("no container of the compose project {name} is on the host"),
                )
            })
    }

    pub(super) async fn apply(
        &self,
        on: &InstanceId,
        apply: &ApplyImages,
    ) -> Result<Evidence, Failure> {
        let ask = LookRequest {
            images: apply.tags.iter().map(|t| t.reference.clone()).collect(),
            ..LookRequest::default()
        };
        let facts = self.look(on, &ask).await?;
        let services = self.targets(apply)?;
        if self.is_so(&facts, apply, &services, false) {
            return Ok(Evidence {
                already: true,
                ..Evidence::default()
            });
        }
        let (text, more) = self.text(&facts, apply)?;
        let mut job = Box::new(apply_job(apply, &services, text));
        job.more_texts = more;
        // The way back is the very work that an armed host does by itself.
        let job = if apply.back {
            Job::Restore(job)
        } else {
            Job::Apply(job)
        };
        self.guarded_job(on, "apply_images", &job, self.world.limits.apply)
            .await?;
        let facts = self.look(on, &ask).await?;
        if self.is_so(&facts, apply, &services, true) {
            return Ok(Evidence::default());
        }
        Err(fails(
            "apply_images",
            "the host said done, and the containers or the file are not as they should be",
        ))
    }

    /// The services with the images that they are to run: from the plan, or from the pull.
    pub(super) fn targets(&self, apply: &ApplyImages) -> Result<Vec<ApplyService>, Failure> {
        let pulled = self.pulled();
        apply
            .services
            .iter()
            .map(|target| {
                let id = target
                    .id
                    .as_ref()
                    .or_else(|| pulled.get(&target.service).map(|p| &p.id));
                let image_id = id.ok_or_else(|| {
                    fails(
                        "image_unknown",
                        format!("{} was not pulled in this operation", target.reference),
                    )
                })?;
                Ok(ApplyService {
                    service: target.service.clone(),
                    container: target.container.clone(),
                    image_id: image_id.clone(),
                })
            })
            .collect()
    }

    /// The file says so, and exactly these services run these images. `done`: this is the look after the
    /// job, where a one-shot may have ended well already.
    fn is_so(
        &self,
        facts: &HostFacts,
        apply: &ApplyImages,
        services: &[ApplyService],
        done: bool,
    ) -> bool {
        let Ok(project) = self.project(facts) else {
            return false;
        };
        if project.compose_sha256() != apply.files_to() && !apply.keeps_file() {
            return false;
        }
        if !apply.start {
            return true;
        }
        let containers = || project.containers.iter().filter(|c| !c.one_off);
        let tags = apply.tags.iter().all(|t| {
            let found = facts.images.get(&t.reference.normalized());
            found.is_some_and(|found| found.id == t.id)
        });
        let policies = apply.policies.iter().all(|p| {
            let container = containers().find(|c| c.name == p.name);
            container.is_none_or(|c| c.restart_policy == p.restart_policy)
        });
        let there = |s: &ApplyService| {
            let up = |c: &ContainerFacts| c.running() || (done && c.colour() == Colour::Finished);
            let alone = services
                .iter()
                .filter(|other| other.service == s.service)
                .count()
                == 1;
            // By name, so that each replica counts; a container that was made anew may have another one.
            let mine =
                |c: &&ContainerFacts| c.name == s.container || (alone && c.service == s.service);
            containers()
                .filter(mine)
                .any(|c| c.image_id == s.image_id && up(c))
        };
        tags && policies && services.iter().all(there)
    }

    /// The new text of the first file, and those of the further ones that change.
    fn text(
        &self,
        facts: &HostFacts,
        apply: &ApplyImages,
    ) -> Result<(FileText, Vec<Secret>), Failure> {
        if apply.keeps_file() || apply.back {
            return Ok((kept(apply), Vec::new()));
        }
        let project = self.project(facts)?;
        let all = || {
            let more = apply.more_files.iter().map(|f| f.path.as_str());
            let all: Vec<&str> = std::iter::once(apply.file.as_str()).chain(more).collect();
            all.join(", ")
        };
        let (Some(texts), Some(sums)) = (project.texts(), project.sums()) else {
            return Err(fails(
                "compose_unreadable",
                format!("{} cannot be read on the host", all()),
            ));
        };
        let more = apply.more_files.iter();
        let more = more.map(|f| (&f.from_sha256, &f.to_sha256));
        let swaps: Vec<_> = std::iter::once((&apply.from_sha256, &apply.to_sha256))
            .chain(more)
            .collect();
        let known = |(sum, (from, to)): (&FileSum, &(&String, &String))| {
            sum.sha256 == **from || sum.sha256 == **to
        };
        if sums.len() != swaps.len() || !sums.iter().zip(&swaps).all(known) {
            return Err(fails(
                "file_changed",
                format!(
                    "{} was changed by somebody else since the plan was made",
                    all()
                ),
            ));
        }
        let wanted: BTreeMap<ServiceName, ImageRef> = apply
            .edits
            .iter()
            .map(|(service, edit)| (service.clone(), edit.to.clone()))
            .collect();
        let was: Vec<_> = swaps.iter().map(|(_, to)| Some(to.as_str())).collect();
        let after = set_project_images(&texts, &wanted, &was)
            .map_err(|e| fails("compose_edit", e.to_string()))?;
        let planned = |(text, (_, to)): (&String, &(&String, &String))| sha256_hex(text) == **to;
        if !after.iter().zip(&swaps).all(planned) {
            return Err(fails(
                "compose_edit",
                "the edited compose file is not the one that was planned",
            ));
        }
        let mut after = after.into_iter().map(Secret::new);
        let first = after.next().expect("there is a first file");
        let changes = after.zip(&swaps[1..]).filter(|(_, (from, to))| from != to);
        Ok((
            FileText::New(first),
            changes.map(|(text, _)| text).collect(),
        ))
    }

    pub(super) async fn verify(
        &self,
        on: &InstanceId,
        verify: &VerifyHealth,
    ) -> Result<Evidence, Failure> {
        let mut warnings = Vec::new();
        let mut green_at = None;
        let mut facts = None;
        if verify.host {
            let (at, still_red, last) = self.green(on, verify).await?;
            warnings.extend(
                still_red
                    .iter()
                    .map(|s| format!("{s} was not green before, and is not now")),
            );
            let containers = &self.project(&last)?.containers;
            let ended = |s: &&ServiceName| {
                containers
                    .iter()
                    .any(|c| c.service == **s && c.colour() == Colour::Finished)
            };
            warnings.extend(
                verify
                    .must
                    .iter()
                    .filter(ended)
                    .map(|s| format!("{s} ended by itself, with code 0")),
            );
            green_at = Some(at);
            facts = Some(last);
        } else {
            warnings.push(
                "the instance is stopped: containers, mounts and health were not looked at".into(),
            );
        }
        let (verified, wrong, extra) = self.read_back(on, verify, facts.as_ref()).await?;
        warnings.extend(extra);
        if let Some(first) = wrong.first() {
            return Err(Failure {
                causes: wrong.clone(),
                ..fails("not_verified", format!("read back: {first}"))
            });
        }
        warnings.extend(self.address_change(&verified));
        let verified =
            serde_json::to_value(&verified).map_err(|e| fails("report", e.to_string()))?;
        Ok(Evidence {
            green_at,
            verified: Some(verified),
            warnings,
            ..Evidence::default()
        })
    }

    /// The gate, the status checks, and what is so behind both. The checks may have taken minutes: what went red
    /// meanwhile has one more gate to be green again in.
    async fn green(
        &self,
        on: &InstanceId,
        verify: &VerifyHealth,
    ) -> Result<(Timestamp, Vec<ServiceName>, HostFacts), Failure> {
        let mut again = true;
        loop {
            let (at, still_red) = self.gate(on, verify).await?;
            self.service_checks(on).await?;
            let ask = LookRequest {
                mount_point: verify.mount_point.clone(),
                ..LookRequest::default()
            };
            let mut last = self.look(on, &ask).await?;
            let name = self.project_name();
            let project = last.projects.iter_mut().find(|p| p.name == name);
            let Some(project) = project else {
                return Ok((at, still_red, last));
            };
            let (mut asked, containers) = (Asked::default(), &mut project.containers);
            self.ask_due(on, &verify.declared, &mut asked, containers, true)
                .await?;
            let red = not_green(verify, containers, self.world.clock.now());
            if red.is_empty() {
                return Ok((at, still_red, last));
            }
            if !std::mem::replace(&mut again, false) {
                return Err(self.unhealthy(on, red, containers).await);
            }
            let message = format!("not green any more: {}", red.join("; "));
            self.progress("verify_health", &message);
        }
    }

    async fn unhealthy(
        &self,
        on: &InstanceId,
        why: Vec<String>,
        containers: &[ContainerFacts],
    ) -> Failure {
        let first = why.first().cloned().unwrap_or_default();
        let of = |c: &&ContainerFacts| {
            let prefix = format!("{}: ", c.service);
            !c.one_off && why.iter().any(|w| w.starts_with(&prefix))
        };
        let failed: Vec<&ContainerFacts> = containers.iter().filter(of).collect();
        Failure {
            logs: self.last_words(on, &failed).await,
            causes: why,
            ..fails("unhealthy", format!("not healthy: {first}"))
        }
    }

    async fn gate(
        &self,
        on: &InstanceId,
        verify: &VerifyHealth,
    ) -> Result<(Timestamp, Vec<ServiceName>), Failure> {
        let mut gate = Gate::new(verify, self.world.clock.now());
        let mut asked = Asked::default();
        let mut last = String::new();
        loop {
            let asked_at = self.world.clock.now();
            let facts = self.look(on, &LookRequest::default()).await?;
            let mut containers = self.project(&facts)?.containers.clone();
            let began = self.world.clock.now();
            let declared = &verify.declared;
            self.ask_due(on, declared, &mut asked, &mut containers, false)
                .await?;
            let mut verdict = gate.seen(&containers, asked_at, self.world.clock.now());
            if matches!(verdict, Verdict::Passed { .. }) && !asked.is_fresh(began) {
                // It held: what says so at the end is an answer, and not the memory of one.
                self.ask_due(on, declared, &mut asked, &mut containers, true)
                    .await?;
                verdict = gate.seen(&containers, asked_at, self.world.clock.now());
            }
            let say = match verdict {
                Verdict::Passed {
                    green_at,
                    still_red,
                } => return Ok((green_at, still_red)),
                Verdict::Failed(why) => return Err(self.unhealthy(on, why, &containers).await),
                Verdict::Waiting(what) => what,
                Verdict::Holding(_) => format!(
                    "all green; holding for {}",
                    crate::plan::duration(verify.gate.stable_ms)
                ),
            };
            if say != last {
                self.progress("verify_health", &say);
                last = say;
            }
            self.pause().await;
        }
    }

    async fn service_checks(&self, on: &InstanceId) -> Result<(), Failure> {
        let progress = |message: &str| self.progress("verify_health", message);
        let limit = self.world.limits.checks;
        let checks = self.service(&progress).checks_not_impaired(on, limit).await;
        match checks {
            Ok(_) => Ok(()),
            Err(error) => {
                let failure = from_instance("the status checks", &error);
                Err(self.with_console(on, failure).await)
            }
        }
    }
}
