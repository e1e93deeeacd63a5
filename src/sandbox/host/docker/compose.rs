//! `docker compose up` and `config`, as far as the host scripts use them.

use jiff::Timestamp;
use serde_json::Value;

use super::compose_file::{Project, Service, load};
use super::container::{Container, Status};
use super::engine::{Engine, no_such_image};
use super::spec::made;
use crate::model::sha256_hex;
use crate::sandbox::host::HostFiles;
use crate::sandbox::registry::familiar;

/// What Compose says it is (labels, `docker compose version`).
pub const COMPOSE_VERSION: &str = "2.26.1";

/// The options before the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `-p`.
    pub project: String,
    /// `--project-directory`.
    pub directory: String,
    /// `-f`, in order.
    pub files: Vec<String>,
    /// `--env-file`, in order.
    pub env_files: Vec<String>,
    /// `--no-deps` of `up`: Compose then forgets what a service depends on, in its label and in its hash. (Seen.)
    pub no_deps: bool,
}

impl Options {
    /// Reads and checks the project.
    ///
    /// # Errors
    /// Compose's words for what is wrong.
    pub fn load(&self, files: &dyn HostFiles) -> Result<Project, String> {
        let mut project = load(files, &self.files, &self.directory, &self.env_files)?;
        for service in project.services.values_mut() {
            for bind in service.binds.iter_mut().filter(|b| b.kind == "volume") {
                let given = project.volumes.get(&bind.source).cloned().flatten();
                let name = given.unwrap_or_else(|| format!("{}_{}", self.project, bind.source));
                bind.source = format!("/var/lib/docker/volumes/{name}/_data");
            }
        }
        Ok(project)
    }
}

/// `up -d --no-deps --pull never --no-build SERVICE…`; no service is all of them. Progress goes to `log`,
/// a line each.
///
/// A container whose configuration or image differs is made anew in Compose's order: create under a
/// temporary name, stop the old one, remove it, rename, start. So a bad create harms nothing.
///
/// # Errors
/// Compose's or the engine's words.
pub fn up(
    engine: &mut Engine,
    files: &dyn HostFiles,
    options: &Options,
    services: &[String],
    now: Timestamp,
    log: &mut Vec<String>,
) -> Result<(), String> {
    let project = options.load(files)?;
    log.extend(project.warnings.iter().map(|w| warning(w, now)));
    let chosen: Vec<(&String, &Service)> = if services.is_empty() {
        project.services.iter().collect()
    } else {
        let mut chosen = Vec::new();
        for name in services {
            let found = project.services.get_key_value(name);
            chosen.push(found.ok_or_else(|| format!("no such service: {name}"))?);
        }
        chosen
    };
    for (name, service) in chosen {
        let made = made(&options.project, &project, &service.spec);
        converge(engine, options, name, (service, made), now, log)
            .map_err(|why| format!("Error response from daemon: {why}"))?;
    }
    Ok(())
}

/// A warning as Compose writes it where it has no terminal.
pub(super) fn warning(text: &str, now: Timestamp) -> String {
    let at = now.strftime("%FT%TZ");
    format!("time=\"{at}\" level=warning msg={text:?}")
}

fn converge(
    engine: &mut Engine,
    options: &Options,
    name: &str,
    (service, made): (&Service, Value),
    now: Timestamp,
    log: &mut Vec<String>,
) -> Result<(), String> {
    let image = engine.image(&service.image);
    let image = image.map(|image| (image.id.clone(), image.healthcheck));
    // The engine says it when it is to make the container, and Compose repeats it.
    let absent = || {
        let why = no_such_image(&service.image);
        format!("no such image: {}: {why}", familiar(&service.image))
    };
    let old = engine.containers.iter().find(|c| {
        c.project() == Some(&options.project)
            && c.service() == Some(name)
            && c.labels
                .get("com.docker.compose.oneoff")
                .map(String::as_str)
                != Some("True")
    });
    let Some(old) = old else {
        let container = service
            .container_name
            .clone()
            .unwrap_or_else(|| format!("{}-{name}-1", options.project));
        log.push(format!(" Container {container}  Creating"));
        let (image_id, image_check) = image.ok_or_else(absent)?;
        let draft = draft(
            options,
            name,
            (service, made),
            &container,
            &image_id,
            image_check,
            now,
        );
        let id = engine.create(draft, now)?;
        log.push(format!(" Container {container}  Created"));
        return start(engine, &id, &container, now, log);
    };
    let (old_id, old_name) = (old.id.clone(), old.name.clone());
    let same = old.labels.get("com.docker.compose.config-hash") == Some(&hash(options, service))
        && image.as_ref().is_some_and(|(id, _)| *id == old.image_id);
    if same {
        if old.running() {
            log.push(format!(" Container {old_name}  Running"));
            return Ok(());
        }
        log.push(format!(" Container {old_name}  Created"));
        return start(engine, &old_id, &old_name, now, log);
    }
    log.push(format!(" Container {old_name}  Recreate"));
    let (image_id, image_check) = image.ok_or_else(absent)?;
    let container = service
        .container_name
        .clone()
        .unwrap_or_else(|| old_name.clone());
    let temporary = format!("{}_{container}", &old_id[..12]);
    let mut draft = draft(
        options,
        name,
        (service, made),
        &temporary,
        &image_id,
        image_check,
        now,
    );
    let replaces = "com.docker.compose.replace".to_owned();
    draft.labels.insert(replaces, old_id.clone());
    let id = engine.create(draft, now)?;
    engine.stop(&old_id, now)?;
    engine.remove(&old_id, false)?;
    engine.container(&id)?.name.clone_from(&container);
    log.push(format!(" Container {container}  Recreated"));
    start(engine, &id, &container, now, log)
}

fn start(
    engine: &mut Engine,
    id: &str,
    name: &str,
    now: Timestamp,
    log: &mut Vec<String>,
) -> Result<(), String> {
    log.push(format!(" Container {name}  Starting"));
    engine.start(id, now)?;
    log.push(format!(" Container {name}  Started"));
    Ok(())
}

/// What Compose calls the configuration. With `--no-deps` it is another one for a service that depends on others.
fn hash(options: &Options, service: &Service) -> String {
    match options.no_deps || service.depends_on.is_empty() {
        true => service.hash.clone(),
        false => sha256_hex(format!("{} {}", service.hash, service.depends_on)),
    }
}

fn draft(
    options: &Options,
    name: &str,
    (service, made): (&Service, Value),
    container: &str,
    image_id: &str,
    image_check: bool,
    now: Timestamp,
) -> Container {
    let mut labels = service.labels.clone();
    let mut label = |key: &str, value: &str| {
        labels.insert(format!("com.docker.compose.{key}"), value.to_owned());
    };
    label("config-hash", &hash(options, service));
    label("container-number", "1");
    let depends_on = service.depends_on.as_str();
    label("depends_on", if options.no_deps { "" } else { depends_on });
    label("image", image_id);
    label("oneoff", "False");
    label("project", &options.project);
    label("project.config_files", &options.files.join(","));
    label("project.working_dir", &options.directory);
    if !options.env_files.is_empty() {
        label("project.environment_file", &options.env_files.join(","));
    }
    label("service", name);
    label("version", COMPOSE_VERSION);
    Container {
        id: String::new(),
        made,
        name: container.to_owned(),
        labels,
        image: service.image.clone(),
        image_id: image_id.to_owned(),
        status: Status::Created,
        exit_code: 0,
        created_at: now,
        started_at: None,
        finished_at: None,
        restart_policy: service.restart.0.clone(),
        restart_max: service.restart.1,
        stopped_by_hand: false,
        was_running: false,
        restart_count: 0,
        pid: 0,
        binds: service.binds.clone(),
        healthcheck: service.healthcheck.unwrap_or(image_check),
        sick: None,
        held_sick: false,
        sees: None,
    }
}
