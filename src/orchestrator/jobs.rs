//! What runs on the host: looked at with patience, started, and stayed with to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::failure::{fails, from_host};
use super::patience::passes;
use super::perform::Performer;
use super::world::World;
use crate::cloud::Clock;
use crate::cloud::wait::Wait;
use crate::containers::pull_failure;
use crate::host::{
    HostError, Job, JobFailure, JobState, LookRequest, MountRequest, QuiesceContainer, Running, Tag,
};
use crate::journal::{Evidence, Failure, FailureClass, Pulled};
use crate::model::{
    ImageRef, InstanceFacts, InstanceId, MountFacts, PROGRESS_MS, RunState, ServiceName, Sha256Id,
};
use crate::plan::rules::DISK_FLOOR;
use crate::plan::{PullImage, first_digest};
use crate::report::Count;

/// How a job went on.
enum Tracked {
    Done,
    Failed(crate::host::JobFailure),
}

/// Whether a job goes on: as long as it shows something new, it does.
struct Alive<'c> {
    clock: &'c dyn Clock,
    patience: Duration,
    seen: Option<Running>,
    /// Since when it has shown nothing new.
    silence: Wait<'c>,
}

impl<'c> Alive<'c> {
    fn new(clock: &'c dyn Clock, patience: Duration) -> Self {
        Self {
            clock,
            patience,
            seen: None,
            silence: Wait::begin(clock, Duration::ZERO, patience, ""),
        }
    }

    /// Before a look: after a sleep of the machine the look decides.
    fn is_over(&self) -> bool {
        self.silence.is_over()
    }

    /// Takes what a look has seen; true where it is new.
    fn sees(&mut self, running: Running) -> bool {
        let new = self.seen.as_ref() != Some(&running);
        if new {
            self.seen = Some(running);
            self.silence = Wait::begin(self.clock, Duration::ZERO, self.patience, "");
        }
        new
    }

    fn silent(&self, what: &str) -> Failure {
        let last = self.seen.as_ref().map_or("", |r| r.note.as_str());
        let patience =
            crate::plan::duration(u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX));
        fails(
            "job_timeout",
            format!(
                "{what} on the host has shown no sign of progress for {patience}; its last line: {last}"
            ),
        )
    }
}

/// A pull by itself, outside of any plan: to learn what a reference means now.
pub(super) async fn pull_alone(
    world: &World,
    on: &InstanceId,
    tag: Tag,
    reference: &ImageRef,
    patience: Duration,
) -> Result<(), Failure> {
    let job = Job::Pull {
        reference: reference.clone(),
    };
    let mut alive = Alive::new(world.clock.as_ref(), patience);
    let mut started = false;
    loop {
        let is_over = alive.is_over();
        let answer = if started {
            world.host.poll(on, &tag).await
        } else {
            world.host.start(on, &tag, &job).await
        };
        match answer.map_err(|e| from_host("pull", &e))? {
            JobState::Done => return Ok(()),
            JobState::Failed(failure) => return Err(not_pulled(reference, &failure)),
            JobState::Running(running) => {
                started = true;
                alive.sees(running);
            }
            JobState::Unknown => started = false,
            JobState::Lost => return Err(fails("job_lost", "the pull was cut off")),
        }
        if is_over && alive.is_over() {
            return Err(alive.silent("the pull"));
        }
        world.clock.sleep(world.limits.poll).await;
    }
}

/// What Docker said, in our words where they are known.
fn not_pulled(reference: &ImageRef, failure: &JobFailure) -> Failure {
    let causes = failure.log.lines().map(str::to_owned).collect();
    match pull_failure(reference, &failure.log) {
        Some(why) => Failure {
            causes,
            help: why.help,
            ..fails(why.code, why.message)
        },
        None => Failure {
            causes,
            ..fails(
                &failure.code,
                format!(
                    "{reference} could not be pulled: {}",
                    last_line(&failure.log)
                ),
            )
        },
    }
}

impl Performer<'_> {
    /// Looks at the host, and waits out what passes by itself, as long as a host may be silent.
    pub(super) async fn look(
        &self,
        on: &InstanceId,
        ask: &LookRequest,
    ) -> Result<crate::model::HostFacts, Failure> {
        let ask = LookRequest {
            beat: Some(self.who()),
            ..ask.clone()
        };
        let look = || self.world.host.look(on, &ask);
        self.patiently(on, "the host cannot be looked at", look)
            .await
    }

    /// Asks until there is an answer, for as long as [`wait_out`](Self::wait_out) has patience; `what` says in vain.
    pub(super) async fn patiently<T, F>(
        &self,
        on: &InstanceId,
        what: &str,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, HostError>>,
    {
        let mut silence = None;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.wait_out(on, what, &error, &mut silence).await?,
            }
        }
    }

    /// The instance, with the same patience.
    pub(super) async fn instance(&self, on: &InstanceId) -> Result<Option<InstanceFacts>, Failure> {
        let see = || async { self.world.ec2.instance(on).await.map_err(HostError::Cloud) };
        self.patiently(on, "the instance cannot be seen", see).await
    }

    /// The mount, probed with a tag of its own each time, with the same patience.
    pub(super) async fn mount(
        &self,
        on: &InstanceId,
        ask: &MountRequest,
    ) -> Result<MountFacts, Failure> {
        let probe = || {
            let tag = self.tag();
            async move { self.world.host.mount(on, Some(&tag), ask).await }
        };
        self.patiently(on, "the mount cannot be checked", probe)
            .await
    }

    /// Pauses, when the error passes by itself and there is time; else it is a failure. A host whose instance
    /// does not run is not waited for. `silence` is since when the host was asked in vain, in the time that
    /// this machine was awake: the network may be gone before a sleep and come back some time after it.
    pub(super) async fn wait_out(
        &self,
        on: &InstanceId,
        what: &str,
        error: &HostError,
        silence: &mut Option<Duration>,
    ) -> Result<(), Failure> {
        let awake = self.world.clock.awake();
        let since = *silence.get_or_insert(awake);
        if !passes(error) || awake.saturating_sub(since) >= self.world.limits.answer {
            return Err(from_host(what, error));
        }
        if matches!(error, HostError::Unreachable(_))
            && let Ok(Some(instance)) = self.world.ec2.instance(on).await
            && !matches!(instance.state, RunState::Running | RunState::Pending)
        {
            return Err(from_host(what, error));
        }
        self.pause().await;
        Ok(())
    }

    /// Starts a job and stays with it to its end, or until it has shown no sign of progress for too long. A job that was
    /// cut off is started again, twice at most: each is safe twice.
    async fn track(
        &self,
        on: &InstanceId,
        step: &'static str,
        job: &Job,
        patience: Duration,
    ) -> Result<Tracked, Failure> {
        let mut tag = self.tag();
        let mut alive = Alive::new(self.world.clock.as_ref(), patience);
        let mut silence = None;
        let mut started = false;
        let mut lost = 0;
        let mut last = String::new();
        loop {
            let is_over = alive.is_over();
            let answer = if started {
                self.world.host.poll(on, &tag).await
            } else {
                self.world.host.start(on, &tag, job).await
            };
            match answer {
                Ok(JobState::Done) => return Ok(Tracked::Done),
                Ok(JobState::Failed(failure)) => return Ok(Tracked::Failed(failure)),
                Ok(JobState::Running(running)) => {
                    started = true;
                    if alive.sees(running.clone()) {
                        let (said, count) = say(job, &running);
                        if said != last && !said.is_empty() {
                            self.counted(step, &said, count);
                            last = said;
                        }
                    }
                }
                // Started, and the host knows nothing of it: its record is gone. It is safe to start again.
                Ok(JobState::Unknown) => started = false,
                Ok(JobState::Lost) if lost < 2 => {
                    lost += 1;
                    started = false;
                    tag = self.tag();
                    self.progress(step, "cut off on the host; started again");
                }
                Ok(JobState::Lost) => {
                    return Err(Failure {
                        class: FailureClass::HostUnreachable,
                        ..fails(
                            "job_lost",
                            format!("{step} was cut off on the host again and again"),
                        )
                    });
                }
                Err(error) => {
                    self.wait_out(on, step, &error, &mut silence).await?;
                    continue;
                }
            }
            silence = None;
            if is_over && alive.is_over() {
                return Err(alive.silent(step));
            }
            self.pause().await;
        }
    }

    /// Like [`Self::track`], with a bad end as a failure.
    pub(super) async fn job(
        &self,
        on: &InstanceId,
        step: &'static str,
        job: &Job,
        patience: Duration,
    ) -> Result<(), Failure> {
        match self.track(on, step, job, patience).await? {
            Tracked::Done => Ok(()),
            Tracked::Failed(failure) => Err(match job {
                Job::Pull { reference } => not_pulled(reference, &failure),
                _ => Failure {
                    causes: failure.log.lines().map(str::to_owned).collect(),
                    ..fails(
                        &failure.code,
                        format!("{step} failed on the host: {}", last_line(&failure.log)),
                    )
                },
            }),
        }
    }

    pub(super) async fn quiesce(
        &self,
        on: &InstanceId,
        containers: &[QuiesceContainer],
    ) -> Result<Evidence, Failure> {
        // In an undo the instance may be down: then its containers are.
        let instance = self.world.ec2.instance(on).await;
        if let Ok(Some(instance)) = instance
            && !self.forward
            && instance.state != RunState::Running
        {
            return Ok(Evidence {
                already: true,
                ..Evidence::default()
            });
        }
        let job = Job::Quiesce {
            containers: containers.to_vec(),
            back: !self.forward,
        };
        self.guarded_job(on, "quiesce", &job, self.world.limits.quiesce)
            .await?;
        Ok(Evidence::default())
    }

    pub(super) async fn pull(
        &self,
        on: &InstanceId,
        images: &[PullImage],
        progress_ms: u64,
    ) -> Result<Evidence, Failure> {
        let mut pulled = BTreeMap::new();
        let mut already = true;
        let asked = match progress_ms {
            // The plan of an older version.
            0 => PROGRESS_MS,
            asked => asked,
        };
        let patience = self.world.limits.progress;
        let patience = patience.unwrap_or(Duration::from_millis(asked));
        let mut free = None;
        for image in images {
            let (reference, expected) = (&image.reference, image.id.as_ref());
            if let Some(id) = expected {
                let by_id =
                    ImageRef::new(id.as_str()).map_err(|e| fails("image", e.to_string()))?;
                let ask = LookRequest {
                    images: vec![by_id.clone()],
                    ..LookRequest::default()
                };
                let facts = self.look(on, &ask).await?;
                if let Some(found) = facts.images.get(&by_id.normalized()) {
                    pulled.insert(
                        image.service.clone(),
                        Pulled {
                            id: found.id.clone(),
                            digest: first_digest(&found.digests),
                        },
                    );
                    continue;
                }
            }
            already = false;
            if let Some(free) = free.filter(|free| *free < DISK_FLOOR) {
                return Err(no_room(reference, free));
            }
            // The reference may mean another image by now; the digest does not.
            if let (Some(id), Some(exact)) = (expected, by_digest(image))
                && let Some(found) = self.pull_exact(on, &exact, id, patience).await?
            {
                pulled.insert(image.service.clone(), found);
                continue;
            }
            self.pull_one(on, reference, patience).await?;
            let ask = LookRequest {
                images: vec![reference.clone()],
                ..LookRequest::default()
            };
            let facts = self.look(on, &ask).await?;
            free = Some(facts.disk_free);
            let Some(found) = facts.images.get(&reference.normalized()) else {
                return Err(fails(
                    "pull_failed",
                    format!("{reference} was pulled, and is not on the host"),
                ));
            };
            if expected.is_some_and(|id| *id != found.id) {
                return Err(fails(
                    "image_gone",
                    format!(
                        "{reference} means another image now, and the one that ran before is no longer on the host"
                    ),
                ));
            }
            if !fits_machine(&found.architecture, &facts.machine) {
                return Err(fails(
                    "image_architecture",
                    format!(
                        "{reference} is for {}, the host is {}",
                        found.architecture, facts.machine
                    ),
                ));
            }
            pulled.insert(
                image.service.clone(),
                Pulled {
                    id: found.id.clone(),
                    digest: first_digest(&found.digests),
                },
            );
        }
        Ok(Evidence {
            already,
            pulled,
            ..Evidence::default()
        })
    }

    async fn pull_one(
        &self,
        on: &InstanceId,
        reference: &ImageRef,
        patience: Duration,
    ) -> Result<(), Failure> {
        self.progress("pull_images", &format!("pulling {reference}"));
        let job = Job::Pull {
            reference: reference.clone(),
        };
        self.job(on, "pull_images", &job, patience).await
    }

    /// The very image, by its digest; None where the registry does not give it.
    async fn pull_exact(
        &self,
        on: &InstanceId,
        exact: &ImageRef,
        id: &Sha256Id,
        patience: Duration,
    ) -> Result<Option<Pulled>, Failure> {
        match self.pull_one(on, exact, patience).await {
            Err(failure) if failure.class == FailureClass::Fails => {
                self.progress("pull_images", &failure.message);
                return Ok(None);
            }
            done => done?,
        }
        let by_id = ImageRef::new(id.as_str()).map_err(|e| fails("image", e.to_string()))?;
        let ask = LookRequest {
            images: vec![by_id.clone()],
            ..LookRequest::default()
        };
        let facts = self.look(on, &ask).await?;
        let found = facts.images.get(&by_id.normalized());
        Ok(found.map(|found| Pulled {
            id: found.id.clone(),
            digest: first_digest(&found.digests),
        }))
    }

    /// What the pull of this operation brought, by service.
    pub(super) fn pulled(&self) -> BTreeMap<ServiceName, Pulled> {
        crate::journal::pulled(self.lines.iter().map(|l| &l.entry))
    }
}

/// What is said of a job that goes on, and how far it is where that can be counted.
fn say(job: &Job, running: &Running) -> (String, Option<Count>) {
    let layers = &running.layers;
    match job {
        Job::Pull { reference } => {
            let count = Count {
                done: layers.done,
                total: layers.total,
                unit: "layers",
            };
            (layers.say(reference), (layers.total > 0).then_some(count))
        }
        _ => (running.note.clone(), None),
    }
}

fn no_room(reference: &ImageRef, free: u64) -> Failure {
    Failure {
        help: vec![
            "make room where Docker keeps its images: `docker system df` shows what takes it"
                .into(),
        ],
        ..fails(
            "no_space",
            format!(
                "{} MiB are free on the host, and {reference} is pulled only with {} MiB or more",
                free >> 20,
                DISK_FLOOR >> 20
            ),
        )
    }
}

/// The reference with the digest that the registry knew the image by.
fn by_digest(image: &PullImage) -> Option<ImageRef> {
    let digest = image.digest.as_ref()?;
    ImageRef::new(format!("{}@{digest}", image.reference.name())).ok()
}

fn last_line(log: &str) -> &str {
    log.lines()
        .rev()
        .find(|l| !l.trim().is_empty())
        .unwrap_or("it printed nothing")
}

/// Docker's architecture (`amd64`) against the kernel's (`x86_64`).
fn fits_machine(architecture: &str, machine: &str) -> bool {
    match machine {
        "x86_64" => matches!(architecture, "amd64" | "386"),
        "aarch64" | "arm64" => matches!(architecture, "arm64" | "arm"),
        other => architecture == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::memory::VirtualClock;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(log_bytes: u64, bytes: u64) -> Running {
        Running {
            note: "6b18392fd275: Pulling fs layer".into(),
            log_bytes,
            layers: crate::host::Layers {
                bytes,
                ..Default::default()
            },
        }
    }

    #[test]
    fn a_job_that_shows_something_new_is_waited_for_however_long_it_takes() {
        let clock = VirtualClock::at("2026-11-20T10:00:00Z".parse().unwrap());
        let mut alive = Alive::new(&clock, 10 * MINUTE);
        for hour in 0..30 {
            clock.advance(9 * MINUTE);
            assert!(!alive.is_over(), "{hour}");
            // A line of the log, or a byte of a layer.
            assert!(alive.sees(at(hour / 2, hour)));
        }
        assert!(!alive.sees(at(14, 29)), "the same again is no progress");
        clock.advance(10 * MINUTE);
        assert!(alive.is_over());
        let said = alive.silent("pull_images").message;
        assert!(said.contains("no sign of progress for 10 min"), "{said}");
        assert!(said.contains("Pulling fs layer"), "{said}");
    }
}
