//! `resume NAME`: on with an operation that was cut off.

use super::confirm::confirm;
use super::{App, change, value, world};
use crate::model::DeploymentName;
use crate::orchestrator;
use crate::report::{CommandError, Reply, text};

/// Go on with an operation that was interrupted, or take it back
///
/// With nothing to resume, nothing is done and the exit code is 0.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker resume my-dev-stack
  geusemaker resume my-dev-stack --unwind --force")]
pub struct ResumeArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// Go back instead of on: everything that was done is undone
    #[arg(long)]
    pub unwind: bool,

    /// Answer the question with yes; every check stays
    #[arg(
        long,
        visible_alias = "yes",
        visible_short_alias = 'y',
        overrides_with = "force"
    )]
    pub force: bool,
}

impl ResumeArgs {
    pub(super) async fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let world = world::of(app, &self.name).await?;
        change::not_held(&world, &self.name)?;
        if let Some(open) = orchestrator::unfinished(&world.state_dir, &self.name)? {
            if !app.quiet {
                app.show(&text::open_operation(&open));
            }
            let question = if self.unwind {
                format!("Take back {} {} of {}?", open.kind, open.id, self.name)
            } else {
                format!("Go on with {} {} of {}?", open.kind, open.id, self.name)
            };
            confirm(app.ask.as_ref(), self.force, &question)?;
        }
        super::interrupt::listen(&world.interrupted);
        let ended = orchestrator::resume(&world, &self.name, self.unwind).await?;
        Ok(change::ended("resume", &self.name, ended))
    }
}
