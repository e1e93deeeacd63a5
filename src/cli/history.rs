//! `history NAME`: what was done.

use super::{App, value, world};
use crate::model::{DeploymentName, OperationId};
use crate::orchestrator;
use crate::report::{Body, CommandError, Reply};

/// Show the operations and snapshots of a deployment, newest first
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker history my-dev-stack --limit 5
  geusemaker history my-dev-stack -o json")]
pub struct HistoryArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// One operation, with its steps
    #[arg(value_name = "OPERATION", value_parser = value::name::<OperationId>)]
    pub operation: Option<OperationId>,

    /// At most so many operations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "operation")]
    pub limit: Option<u32>,
}

impl HistoryArgs {
    pub(super) fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let limit = self.limit.map(|limit| limit as usize);
        let (folder, _) = world::known(app, &self.name)?;
        let (data, warnings) =
            orchestrator::history(&folder, &self.name, self.operation.as_ref(), limit)?;
        let mut reply = Reply::new("history")
            .of(&self.name)
            .body(Body::History(data));
        reply.warnings = warnings;
        Ok(reply)
    }
}
