//! `check NAME`: would an update, and a rollback, work right now? `--fix`: Docker waits for the mount.

use super::confirm::confirm;
use super::{App, change, value, world};
use crate::model::{
    CheckRequest, DeploymentName, GateSettings, ImageRef, InstanceType, Outcome, ServiceName,
};
use crate::orchestrator::{self, Fix, World};
use crate::report::{Body, CommandError, Reply, text};

/// Would an update, and a rollback, work right now? Changes nothing, and takes no lock
///
/// Without --instance-type and --image: what any update would need. What would refuse only one kind of change
/// is a warning then. Exit codes as for update --dry-run, so it can be run every night.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker check my-dev-stack
  geusemaker check my-dev-stack --instance-type t3.large --image n8n=n8nio/n8n:1.20.0 -o json
  geusemaker check my-dev-stack --fix")]
pub struct CheckArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// Also: would an update to this instance type work?
    #[arg(long, value_name = "TYPE", value_parser = value::name::<InstanceType>)]
    pub instance_type: Option<InstanceType>,

    /// Also: would an update to this image work? Once for each service
    #[arg(long = "image", value_name = "SERVICE=REF", value_parser = value::image)]
    pub images: Vec<(ServiceName, ImageRef)>,

    /// Write the drop-in that makes Docker wait for the mount at a boot, hold images that snapshots need, and nothing else
    #[arg(long, conflicts_with_all = ["instance_type", "images"])]
    pub fix: bool,

    /// Answer the question of --fix with yes; every check stays
    #[arg(
        long,
        visible_alias = "yes",
        visible_short_alias = 'y',
        overrides_with = "force",
        requires = "fix"
    )]
    pub force: bool,
}

impl CheckArgs {
    /// What clap cannot check by itself.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        change::each_once(&["check"], &self.images)
    }

    /// The request, with the world's own defaults for the gate.
    pub fn request(&self, gate: GateSettings) -> CheckRequest {
        CheckRequest {
            deployment: self.name.clone(),
            instance_type: self.instance_type.clone(),
            images: self.images.iter().cloned().collect(),
            gate,
        }
    }

    pub(super) async fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let world = world::of(app, &self.name).await?;
        change::not_held(&world, &self.name)?;
        if self.fix {
            return self.mend(app, &world).await;
        }
        let request = self.request(world.default_gate);
        let checked = orchestrator::check(&world, &request).await?;
        let reply = Reply::new("check")
            .of(&self.name)
            .body(Body::Check(Box::new(checked.data)));
        Ok(match checked.error {
            None => reply,
            Some(error) => reply.outcome(Outcome::Refused).error(error),
        })
    }

    async fn mend(&self, app: &App, world: &World) -> Result<Reply, CommandError> {
        let reply = Reply::new("check").of(&self.name);
        let done = |fix: Fix| match fix {
            Fix::Unchanged(data) => (Outcome::Unchanged, Body::Fix(Box::new(data))),
            Fix::Ready(data) => (Outcome::Done, Body::Fix(Box::new(data))),
        };
        let ready = match orchestrator::prepare_fix(world, &self.name).await? {
            Fix::Ready(data) => data,
            so => {
                let (outcome, body) = done(so);
                return Ok(reply.outcome(outcome).body(body));
            }
        };
        if !app.quiet {
            app.show(&text::drop_in(&ready));
        }
        let question = match ready.waits || ready.text.is_empty() {
            true => format!("Hold them on the host of {}?", self.name),
            false => format!(
                "Write this on the host of {}? Docker is not restarted.",
                self.name
            ),
        };
        confirm(app.ask.as_ref(), self.force, &question)?;
        let (outcome, body) = done(orchestrator::fix(world, &self.name).await?);
        Ok(reply.outcome(outcome).body(body))
    }
}
