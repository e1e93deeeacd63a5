//! `unlock NAME`: who holds it, and an end to that.

use super::{App, value, world};
use crate::model::DeploymentName;
use crate::orchestrator;
use crate::report::{Body, CommandError, Reply};

/// See who holds a deployment, release a holder that is gone, or break a live one
///
/// A holder that is gone (its process ended, or its heartbeat stood still for a whole lease) is released. A
/// live one needs --force; so does an operation that was begun on a machine that is lost: it is given up.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker unlock my-dev-stack
  geusemaker unlock my-dev-stack --force")]
pub struct UnlockArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// Break a live holder, and give up an operation that was begun on another machine; asks nobody
    #[arg(long, overrides_with = "force")]
    pub force: bool,
}

impl UnlockArgs {
    pub(super) async fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let world = world::of(app, &self.name).await?;
        let unlocked = orchestrator::unlock(&world, &self.name, self.force).await?;
        let mut reply = Reply::new("unlock")
            .of(&self.name)
            .outcome(unlocked.outcome)
            .body(Body::Unlock(Box::new(unlocked.data)));
        reply.warnings = unlocked.warnings;
        Ok(reply)
    }
}
