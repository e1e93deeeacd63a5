//! A host as it stands when the sandbox is made: the dev template, running and healthy.

use std::io;

use jiff::ToSpan;

use super::docker::{ComposeOptions, compose_up, load_compose};
use super::files::HostFiles;
use super::mounts::EfsMount;
use super::state::HostContext;
use crate::efs::{DROP_IN_FILE, drop_in_text};
use crate::model::ImageRef;

/// The template that the sandbox's first deployment runs.
pub const DEV_TEMPLATE: &str = include_str!("../../../compose-templates/dev.yaml");

/// Where the compose file is on the host.
pub const COMPOSE_FILE: &str = "/opt/geusemaker/runtime/docker-compose.yml";

/// Where its env file is.
pub const ENV_FILE: &str = "/opt/geusemaker/runtime/runtime.env";

/// What stands in it. The sandbox's database is not real, so this password protects nothing.
pub const RUNTIME_ENV: &str = "# Passwords of the stack. Read by compose and by the containers.\n\
    POSTGRES_DB=n8n\nPOSTGRES_USER=n8n\nPOSTGRES_PASSWORD=sandbox-only\n";

/// What a host is seeded with.
#[derive(Debug, Clone)]
pub struct Seed<'a> {
    /// The compose project.
    pub project: &'a str,
    /// The compose text.
    pub template: &'a str,
    /// The text of the env file.
    pub env: &'a str,
    /// The file system at `/mnt/efs`; None: the data is on the root volume.
    pub file_system: Option<&'a str>,
}

impl Default for Seed<'_> {
    fn default() -> Self {
        Self {
            project: "geusemaker",
            template: DEV_TEMPLATE,
            env: RUNTIME_ENV,
            file_system: None,
        }
    }
}

/// Seeds a host: boots it, writes compose file and env file, pulls the images and starts all services; they
/// have been up for ten minutes. The folder of a host on disk also needs [`super::HostState::write_files`].
///
/// # Errors
/// The template is wrong (in Compose's words), or a file cannot be written.
pub fn seed_host(
    at: &mut HostContext<'_>,
    files: &mut dyn HostFiles,
    seed: &Seed<'_>,
) -> io::Result<()> {
    let since = at.now - 10.minutes();
    if let Some(id) = seed.file_system {
        let efs = EfsMount::new(id, "/mnt/efs");
        files.write(DROP_IN_FILE, &drop_in_text(&efs.point))?;
        at.host.efs = Some(efs);
    }
    at.host.boot(since);
    at.host.read_units_of_boot(files);
    at.settle();
    files.write(COMPOSE_FILE, seed.template)?;
    files.write(ENV_FILE, seed.env)?;
    let directory = COMPOSE_FILE
        .rsplit_once('/')
        .map_or("/", |(folder, _)| folder);
    let options = ComposeOptions {
        project: seed.project.to_owned(),
        directory: directory.to_owned(),
        files: vec![COMPOSE_FILE.to_owned()],
        env_files: vec![ENV_FILE.to_owned()],
        no_deps: false,
    };
    let project = load_compose(
        files,
        &options.files,
        &options.directory,
        &options.env_files,
    )
    .map_err(io::Error::other)?;
    for service in project.services.values() {
        let reference = ImageRef::new(service.image.as_str()).map_err(io::Error::other)?;
        let image = at
            .registry
            .find(&reference, at.host.architecture())
            .map_err(io::Error::other)?;
        at.host.engine.take(&reference, &image);
    }
    compose_up(
        &mut at.host.engine,
        files,
        &options,
        &[],
        since,
        &mut Vec::new(),
    )
    .map_err(io::Error::other)?;
    at.settle();
    Ok(())
}
