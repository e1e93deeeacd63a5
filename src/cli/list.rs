//! `list`: the deployments, as they were last seen.

use super::{App, world};
use crate::orchestrator;
use crate::report::{Body, CommandError, Reply};

/// List the deployments as they were last seen; asks nobody
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker list
  geusemaker --sandbox list -o json")]
pub struct ListArgs {}

impl ListArgs {
    pub(super) fn run(self, app: &App) -> Result<Reply, CommandError> {
        let (data, warnings) = orchestrator::list(&world::deployments(app)?)?;
        let mut reply = Reply::new("list").body(Body::List(data));
        reply.warnings = warnings;
        Ok(reply)
    }
}
