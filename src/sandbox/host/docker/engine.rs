//! The engine: containers and images, and what can be done to them. Its errors are Docker's own words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::container::{Container, Status};
use crate::model::ImageRef;
use crate::model::sha256_hex;
use crate::sandbox::registry::{RegistryImage, familiar};

/// An image on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalImage {
    /// `sha256:…`.
    pub id: String,
    /// `RepoTags`, in Docker's short form.
    pub tags: Vec<String>,
    /// `RepoDigests`: `repo@sha256:…`.
    pub digests: Vec<String>,
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// In bytes.
    pub size: u64,
    /// Whether it brings a HEALTHCHECK.
    pub healthcheck: bool,
}

/// All that `dockerd` keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// In the order in which they were made.
    pub containers: Vec<Container>,
    /// The images.
    pub images: Vec<LocalImage>,
    /// How many containers were ever made; makes ids differ.
    pub made: u64,
    /// The last process id given out.
    pub last_pid: u32,
}

impl Engine {
    /// The container with this name, id, or beginning of an id.
    ///
    /// # Errors
    /// `No such container: …`
    pub fn container(&mut self, name: &str) -> Result<&mut Container, String> {
        let name = name.strip_prefix('/').unwrap_or(name);
        let at = self
            .containers
            .iter()
            .position(|c| c.name == name || c.id == name)
            .or_else(|| {
                let hex = !name.is_empty() && name.bytes().all(|b| b.is_ascii_hexdigit());
                hex.then(|| self.containers.iter().position(|c| c.id.starts_with(name)))?
            });
        at.map(|at| &mut self.containers[at])
            .ok_or_else(|| format!("No such container: {name}"))
    }

    /// The image with this id (or its beginning, with or without `sha256:`), tag or digest.
    pub fn image(&self, name: &str) -> Option<&LocalImage> {
        let bare = name.strip_prefix("sha256:").unwrap_or(name);
        let is_id = bare.len() >= 4 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        let by_id = self
            .images
            .iter()
            .find(|i| is_id && i.id["sha256:".len()..].starts_with(bare));
        let short = familiar(name);
        let by_name = self
            .images
            .iter()
            .find(|i| i.tags.contains(&short) || i.digests.contains(&short));
        by_name.or(by_id)
    }

    /// Takes a pulled image in: it now has this tag, and no other image has. Answers whether anything changed.
    pub fn take(&mut self, reference: &ImageRef, image: &RegistryImage) -> bool {
        let before = self.images.clone();
        let repository = repository_of(reference.as_str());
        if !self.images.iter().any(|i| i.id == image.id) {
            self.images.push(LocalImage {
                id: image.id.clone(),
                tags: Vec::new(),
                digests: Vec::new(),
                architecture: image.architecture.clone(),
                size: image.size,
                healthcheck: image.healthcheck,
            });
        }
        let digest = format!("{repository}@{}", image.digest);
        let local = self.images.iter_mut().find(|i| i.id == image.id);
        let local = local.expect("just added");
        if !local.digests.contains(&digest) {
            local.digests.push(digest);
        }
        self.set_tag(&image.id, reference);
        self.images != before
    }

    /// `docker tag SOURCE TARGET`: the tag moves; an image that lost it stays, without it.
    ///
    /// # Errors
    /// `No such image: …`
    pub fn tag(&mut self, source: &str, target: &ImageRef) -> Result<(), String> {
        let id = match self.image(source) {
            Some(image) => image.id.clone(),
            None => return Err(no_such_image(source)),
        };
        self.set_tag(&id, target);
        Ok(())
    }

    fn set_tag(&mut self, id: &str, reference: &ImageRef) {
        if reference.digest().is_some() {
            return;
        }
        let tag = familiar(reference.as_str());
        for image in &mut self.images {
            image.tags.retain(|t| *t != tag);
            if image.id == id {
                image.tags.push(tag.clone());
            }
        }
    }

    /// Makes a container from a draft: id and moment are filled in here.
    ///
    /// # Errors
    /// The name is taken.
    pub fn create(&mut self, mut draft: Container, now: Timestamp) -> Result<String, String> {
        self.free(&draft.name)?;
        self.made += 1;
        draft.id = sha256_hex(format!("{} {} {}", draft.name, self.made, now));
        draft.created_at = now;
        let id = draft.id.clone();
        self.containers.push(draft);
        Ok(id)
    }

    /// Whether no container has this name.
    fn free(&self, name: &str) -> Result<(), String> {
        match self.containers.iter().find(|c| c.name == name) {
            None => Ok(()),
            Some(other) => Err(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
                other.id
            )),
        }
    }

    /// `docker rename`.
    ///
    /// # Errors
    /// There is none, or the name is taken.
    pub fn rename(&mut self, name: &str, to: &str) -> Result<(), String> {
        if self.container(name)?.name == to {
            return Err("Renaming a container with the same name as its current name".into());
        }
        self.free(to)
            .map_err(|why| format!("Error when allocating new name: {why}"))?;
        self.container(name)?.name = to.to_owned();
        Ok(())
    }

    /// Starts a container; a running one is left alone.
    ///
    /// # Errors
    /// There is none.
    pub fn start(&mut self, name: &str, now: Timestamp) -> Result<(), String> {
        let pid = self.last_pid.max(1000) + 7;
        let container = self.container(name)?;
        if container.running() {
            return Ok(());
        }
        container.status = Status::Running;
        container.exit_code = 0;
        container.started_at = Some(now);
        container.stopped_by_hand = false;
        container.restart_count = 0;
        container.pid = pid;
        container.sick = None;
        container.sees = None;
        self.last_pid = pid;
        Ok(())
    }

    /// `docker stop`. One that is down already is left as it is, and not marked as stopped by hand.
    ///
    /// # Errors
    /// There is none.
    pub fn stop(&mut self, name: &str, now: Timestamp) -> Result<(), String> {
        let container = self.container(name)?;
        if container.running() {
            container.status = Status::Exited;
            container.exit_code = 0;
            container.finished_at = Some(now);
            container.stopped_by_hand = true;
            container.pid = 0;
        }
        Ok(())
    }

    /// `docker rm`.
    ///
    /// # Errors
    /// There is none, or it runs and `force` is not given.
    pub fn remove(&mut self, name: &str, force: bool) -> Result<(), String> {
        let container = self.container(name)?;
        if container.running() && !force {
            return Err(format!(
                "You cannot remove a running container {}. Stop the container before attempting removal or force remove",
                container.id
            ));
        }
        let id = container.id.clone();
        self.containers.retain(|c| c.id != id);
        Ok(())
    }

    /// The power goes off: what ran is down, and not by hand.
    pub fn power_off(&mut self, now: Timestamp) {
        for container in &mut self.containers {
            container.was_running = container.running();
            if container.running() {
                container.status = Status::Exited;
                container.finished_at = Some(now);
                container.pid = 0;
            }
        }
    }

    /// The daemon starts with the machine. `always` comes up even when it was stopped by hand;
    /// `unless-stopped` does not then; `on-failure` comes up when it ran; `no` stays down.
    /// (Seen on a real engine, second boot included.)
    pub fn boot(&mut self, now: Timestamp) {
        let up: Vec<String> = self
            .containers
            .iter()
            .filter(|c| c.started_at.is_some() && !c.running())
            .filter(|c| match c.restart_policy.as_str() {
                "always" => true,
                "unless-stopped" => !c.stopped_by_hand,
                "on-failure" => c.was_running,
                _ => false,
            })
            .map(|c| c.id.clone())
            .collect();
        for id in up {
            // Only fails for a container that is not there.
            let _ = self.start(&id, now);
        }
        for container in &mut self.containers {
            container.was_running = false;
        }
    }
}

/// `No such image: …`, with the tag that Docker adds to a bare name.
pub(super) fn no_such_image(name: &str) -> String {
    let named = if name.starts_with("sha256:") {
        name.to_owned()
    } else {
        familiar(name)
    };
    format!("No such image: {named}")
}

/// The repository of a reference in Docker's short form.
pub(super) fn repository_of(reference: &str) -> String {
    let whole = familiar(reference);
    let name = whole.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::host::docker::test_kit::{at, container, image};

    /// reference/real-parts.md, the table of restart policies.
    #[test]
    fn restart_policies_over_a_power_off() {
        let table = [
            ("unless-stopped", false, true),
            ("always", false, true),
            ("unless-stopped", true, false),
            ("always", true, true),
            ("on-failure", false, true),
            ("on-failure", true, false),
            ("no", false, false),
            ("no", true, false),
        ];
        for (policy, by_hand, up) in table {
            let mut engine = Engine::default();
            let mut draft = container("a", &image("n8nio/n8n:1.20.0"));
            draft.restart_policy = policy.to_owned();
            engine.create(draft, at(0)).unwrap();
            engine.start("a", at(0)).unwrap();
            if by_hand {
                engine.stop("a", at(1)).unwrap();
            }
            engine.power_off(at(2));
            assert!(!engine.containers[0].running());
            assert_eq!(engine.containers[0].pid, 0);
            engine.boot(at(3));
            assert_eq!(
                engine.containers[0].running(),
                up,
                "{policy}, by hand: {by_hand}"
            );
            // A second boot gives the same answer.
            engine.power_off(at(4));
            engine.boot(at(5));
            assert_eq!(engine.containers[0].running(), up, "{policy}, second boot");
        }
    }

    #[test]
    fn a_container_that_was_only_created_never_comes_up_by_itself() {
        let mut engine = Engine::default();
        let mut draft = container("holder", &image("n8nio/n8n:1.20.0"));
        draft.restart_policy = "always".to_owned();
        engine.create(draft, at(0)).unwrap();
        engine.power_off(at(1));
        engine.boot(at(2));
        assert_eq!(engine.containers[0].status, Status::Created);
    }

    #[test]
    fn an_image_that_lost_its_tag_is_still_there_by_id() {
        let mut engine = Engine::default();
        let tag = ImageRef::new("postgres:15").unwrap();
        let (old, mut new) = (image("postgres:15"), image("postgres:15"));
        new.id = old.id.replace(|c: char| c.is_ascii_digit(), "a");
        assert!(engine.take(&tag, &old));
        assert!(!engine.take(&tag, &old), "the same again changes nothing");
        assert!(engine.take(&tag, &new));
        assert_eq!(engine.image("postgres:15").unwrap().id, new.id);
        assert!(engine.image(&old.id).unwrap().tags.is_empty());
        engine.tag(&old.id, &tag).unwrap();
        assert_eq!(
            engine.image("docker.io/library/postgres:15").unwrap().id,
            old.id
        );
        assert_eq!(
            engine.tag("nothing", &tag).unwrap_err(),
            "No such image: nothing:latest"
        );
    }

    #[test]
    fn repositories_in_the_short_form() {
        for (typed, repository) in [
            ("postgres", "postgres"),
            ("docker.io/n8nio/n8n:1.20.0", "n8nio/n8n"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b"),
        ] {
            assert_eq!(repository_of(typed), repository);
        }
    }
}
