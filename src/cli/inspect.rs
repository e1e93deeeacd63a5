//! `inspect NAME`: what is written down.

use super::{App, value, world};
use crate::model::DeploymentName;
use crate::orchestrator;
use crate::report::{Body, CommandError, Reply};

/// Show what is written down about a deployment; asks nobody
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker inspect my-dev-stack
  geusemaker inspect my-dev-stack --show-history")]
pub struct InspectArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// Also its operations and snapshots
    #[arg(long)]
    pub show_history: bool,
}

impl InspectArgs {
    pub(super) fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let (folder, _) = world::known(app, &self.name)?;
        let data = orchestrator::inspect(&folder, &self.name, self.show_history)?;
        Ok(Reply::new("inspect")
            .of(&self.name)
            .body(Body::Inspect(Box::new(data))))
    }
}
