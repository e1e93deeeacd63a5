//! Where state, cloud and host say different things: what `status` shows as drift. Nothing is decided from it; `update`
//! starts from what is.

use crate::containers::read_project;
use crate::journal::Summary;
use crate::model::{ContainerFacts, Deployment, ImageRef, Observed, ProjectFacts, RunState};
use crate::report::{DriftView, Verified};
use crate::state::Operation;

/// What the newest operation that was not refused read back at its end; None before the first one. Newest first.
pub(super) fn read_back(operations: &[Operation]) -> Option<Verified> {
    let mut ended = operations.iter().filter(|o| o.closed());
    ended.find_map(|o| Summary::of(&o.lines)?.change_data().verified)
}

/// Each difference: between what was last recorded (type, run state, images, compose file) and what is, and between what
/// the compose file says and what runs.
pub(super) fn drift(
    deployment: &Deployment,
    recorded: Option<&Verified>,
    observed: &Observed,
    containers: &[ContainerFacts],
) -> Vec<DriftView> {
    let mut out = Drift::default();
    let (cache, instance) = (&deployment.cache, &observed.instance);
    // The cache is written last: where both are there and differ, somebody edited it.
    out.differs(
        "instance_type",
        cache.instance_type.as_str(),
        instance.instance_type.as_str(),
    );
    if let Some(recorded) = recorded {
        out.differs("instance_state", &recorded.state, instance.state.as_str());
    }
    let Some(facts) = observed.host.facts() else {
        return out.0;
    };
    let mut projects = facts.projects.iter();
    let project = projects.find(|p| p.name == deployment.compose.project);
    let file = (recorded.and_then(|r| r.compose_sha256.clone()))
        .zip(project.and_then(ProjectFacts::compose_sha256));
    if let Some((recorded, found)) = file {
        let words = |sha: &str| format!("sha256 {sha}");
        out.differs("compose_file", &words(&recorded), &words(&found));
    }
    for (service, image) in &cache.images {
        let mut of_service = containers.iter().filter(|c| c.service.as_str() == service);
        let what = format!("image: {service}");
        let Some(runs) = of_service.find(|c| c.running()) else {
            out.differs(&what, image, "does not run");
            continue;
        };
        let last = recorded.and_then(|r| r.images.as_ref()?.get(&runs.service));
        let id = last.and_then(|i| i.id.as_ref());
        match id.filter(|id| **id != runs.image_id && runs.image == *image) {
            // The same name, and other bits behind it.
            Some(id) => out.differs(
                &what,
                &format!("{image} ({id})"),
                &format!("{} ({})", runs.image, runs.image_id),
            ),
            None => out.differs(&what, image, &runs.image),
        }
    }
    if observed.instance.state == RunState::Running
        && let Some(project) = project
    {
        out.not_applied(project, containers);
    }
    out.0
}

#[derive(Default)]
struct Drift(Vec<DriftView>);

impl Drift {
    fn differs(&mut self, what: &str, recorded: &str, found: &str) {
        if recorded != found {
            self.0.push(DriftView {
                what: what.to_owned(),
                recorded: recorded.to_owned(),
                found: found.to_owned(),
            });
        }
    }

    /// What the compose file says and nobody applied. What it does not say in so many words is not compared.
    fn not_applied(&mut self, project: &ProjectFacts, containers: &[ContainerFacts]) {
        let services = project
            .texts()
            .and_then(|texts| read_project(&texts).ok())
            .unwrap_or_default();
        for c in containers.iter().filter(|c| c.running()) {
            let written = services.get(&c.service).and_then(|s| s.image.as_deref());
            let plain = written.filter(|w| !w.contains('$'));
            let Some(written) = plain.and_then(|w| ImageRef::new(w).ok()) else {
                continue;
            };
            let runs = ImageRef::new(c.image.clone()).map(|i| i.normalized());
            if runs.is_ok_and(|runs| runs != written.normalized()) {
                self.differs(
                    &format!("not_applied: {}", c.service),
                    &format!("{written} (the compose file)"),
                    &format!("{} (runs)", c.image),
                );
            }
        }
    }
}
