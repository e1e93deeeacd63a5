//! What is so now: read back at the end, after an undo as after an update.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::fails;
use super::perform::Performer;
use crate::efs;
use crate::journal::{Failure, fallback};
use crate::model::{
    Colour, DataCompared, HostFacts, ImageRef, InstanceFacts, InstanceId, InstanceType,
    ProjectFacts, ServiceName,
};
use crate::plan::{CheckStatus, PlannedImage, VerifyHealth, first_digest};
use crate::report::Verified;

impl Performer<'_> {
    /// Reads everything back that an outcome speaks of, and says what is not as expected.
    pub(super) async fn read_back(
        &self,
        on: &InstanceId,
        verify: &VerifyHealth,
        facts: Option<&HostFacts>,
    ) -> Result<(Verified, Vec<String>, Vec<String>), Failure> {
        let instance = self
            .instance(on)
            .await?
            .ok_or_else(|| fails("instance_gone", format!("{on} is gone")))?;
        let project = facts.map(|f| self.project(f)).transpose()?;
        let mut verified = verified(&instance, project);
        let expect = &verify.expect;
        let mut wrong = Vec::new();
        let mut differs = |what: &str, found: &str, expected: &str| {
            if found != expected {
                wrong.push(format!("{what} is {found}, expected {expected}"));
            }
        };
        differs(
            "the type",
            &verified.instance_type,
            self.expected_type(&expect.instance_type).as_str(),
        );
        if let Some(expected) = expect.ebs_optimized {
            let word = |on: bool| if on { "on" } else { "off" };
            differs(
                "its EBS optimization",
                word(instance.ebs_optimized),
                word(expected),
            );
        }
        differs("the instance", &verified.state, expect.state.as_str());
        let (Some(facts), Some(project)) = (facts, project) else {
            let why = "the instance is stopped: its data was not looked at";
            verified.data = Some(DataCompared::not_compared(why));
            return Ok((verified, wrong, vec![]));
        };
        let sha = verified.compose_sha256.as_deref().unwrap_or("unreadable");
        differs(
            "the compose file",
            sha,
            expect.compose_sha256.as_deref().unwrap_or(sha),
        );
        let pulled = self.pulled();
        for c in project
            .containers
            .iter()
            .filter(|c| !c.one_off && c.running())
        {
            let pulled = pulled.get(&c.service).filter(|_| self.forward);
            let wanted = expect
                .images
                .get(&c.service)
                .and_then(|i| i.id.as_ref().or(pulled.map(|p| &p.id)));
            if let Some(id) = wanted {
                differs(
                    &format!("the image of {}", c.service),
                    c.image_id.as_str(),
                    id.as_str(),
                );
            }
        }
        let images = verified.images.iter().flatten();
        let running: BTreeSet<ServiceName> = images.map(|(service, _)| service.clone()).collect();
        let mut extra = Vec::new();
        // A one-shot that has finished since is no difference.
        let finished = |s: &ServiceName| verified.health.get(s).is_some_and(|h| h == "finished");
        for service in expect
            .running
            .symmetric_difference(&running)
            .filter(|s| !finished(s))
        {
            if running.contains(service) {
                extra.push(format!("{service} runs, and did not before"));
            } else if verify.may_be_red.contains(service) {
                extra.push(format!("{service} does not run; it was not green before"));
            } else {
                wrong.push(format!("{service} does not run"));
            }
        }
        if let Some(point) = &verify.mount_point {
            let refused = match &facts.mount {
                None => Some(format!("{point} could not be looked at")),
                Some(mount) => {
                    efs::judge_mount(mount, verify.file_system.as_ref(), &project.containers)
                        .into_iter()
                        .find(|c| c.status == CheckStatus::Refuse)
                        .map(|c| c.message)
                }
            };
            wrong.extend(refused.clone());
            verified
                .mounts
                .insert(point.clone(), refused.unwrap_or_else(|| "ok".into()));
        }
        let data = self.data_now(on).await?;
        wrong.extend(efs::lost(&data));
        extra.extend(efs::remarks(&data));
        verified.data = Some(data);
        Ok((verified, wrong, extra))
    }

    /// The type that is to be read back: another one where going back has turned to it.
    fn expected_type<'s>(&'s self, planned: &'s InstanceType) -> &'s InstanceType {
        let entries = self.lines.iter().map(|l| &l.entry);
        let turned = (!self.forward).then(|| fallback(self.plan, entries));
        turned.flatten().unwrap_or(planned)
    }

    pub(super) fn address_change(&self, verified: &Verified) -> Option<String> {
        let before = self.plan.public_ip.as_ref()?;
        let after = verified.public_ip.as_ref()?;
        (before != after).then(|| format!("the public address is {after} now (it was {before})"))
    }
}

/// What is so, as far as instance and containers tell it; the mounts are judged elsewhere.
pub(super) fn verified(instance: &InstanceFacts, project: Option<&ProjectFacts>) -> Verified {
    let mut health = BTreeMap::new();
    let mut images = BTreeMap::new();
    let containers = project.into_iter().flat_map(|p| &p.containers);
    for c in containers.filter(|c| !c.one_off) {
        health.insert(c.service.clone(), colour_word(c.colour()).to_owned());
        if let (true, Ok(reference)) = (c.running(), ImageRef::new(c.image.clone())) {
            let image = PlannedImage {
                reference,
                id: Some(c.image_id.clone()),
                digest: first_digest(&c.digests),
            };
            images.insert(c.service.clone(), image);
        }
    }
    Verified {
        instance_type: instance.instance_type.to_string(),
        state: instance.state.as_str().to_owned(),
        images: project.map(|_| images),
        compose_sha256: project.and_then(ProjectFacts::compose_sha256),
        mounts: BTreeMap::new(),
        data: None,
        health,
        public_ip: instance.public_ip.clone(),
    }
}

/// The word for a colour in reports.
fn colour_word(colour: Colour) -> &'static str {
    match colour {
        Colour::Green => "green",
        Colour::Yellow => "yellow",
        Colour::Finished => "finished",
        Colour::Red => "red",
    }
}
