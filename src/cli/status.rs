//! `status NAME`: what is, now.

use super::{App, value, world};
use crate::model::DeploymentName;
use crate::orchestrator;
use crate::report::{Body, CommandError, Reply};

/// Look at a deployment: instance, mounts, services, drift; changes nothing
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker status my-dev-stack
  geusemaker status my-dev-stack -o json")]
pub struct StatusArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,
}

impl StatusArgs {
    pub(super) async fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let world = world::of(app, &self.name).await?;
        let (data, warnings) = orchestrator::status(&world, &self.name).await?;
        let mut reply = Reply::new("status")
            .of(&self.name)
            .body(Body::Status(Box::new(data)));
        reply.warnings = warnings;
        Ok(reply)
    }
}
