//! `resume NAME`: on with an operation that was cut off.

use std::time::Duration;

use super::confirm::confirm;
use super::{App, change, value, world};
use crate::model::DeploymentName;
use crate::orchestrator::{self, Way};
use crate::report::{CommandError, Reply, text};

/// Go on with an operation that was interrupted, take it back, or close it on what is
///
/// With nothing to resume, nothing is done and the exit code is 0.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker resume my-dev-stack
  geusemaker resume my-dev-stack --unwind --force
  geusemaker resume my-dev-stack --accept")]
pub struct ResumeArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// Go back instead of on: everything that was done is undone
    #[arg(long)]
    pub unwind: bool,

    /// Do nothing more: close the operation on what is there, and write down what was given up
    #[arg(long, conflicts_with = "unwind")]
    pub accept: bool,

    /// Answer the question with yes; every check stays
    #[arg(
        long,
        visible_alias = "yes",
        visible_short_alias = 'y',
        overrides_with = "force"
    )]
    pub force: bool,

    /// How long a pull may show no sign of progress [default: as the operation began]
    #[arg(long, value_name = "DUR", value_parser = value::positive_millis)]
    pub progress_timeout: Option<u64>,
}

impl ResumeArgs {
    pub(super) async fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let way = match (self.unwind, self.accept) {
            (_, true) => Way::Accept,
            (true, false) => Way::Unwind,
            (false, false) => Way::On,
        };
        let mut world = world::of(app, &self.name).await?;
        world.limits.progress = self.progress_timeout.map(Duration::from_millis);
        change::not_held(&world, &self.name)?;
        if let Some(open) = orchestrator::unfinished(&world.state_dir, &self.name)? {
            if !app.quiet {
                app.show(&text::open_operation(&open));
            }
            let what = format!("{} {} of {}", open.kind, open.id, self.name);
            let question = match way {
                Way::On => format!("Go on with {what}?"),
                Way::Unwind => format!("Take back {what}?"),
                Way::Accept => format!("Close {what} on what is there now? Nothing is undone."),
            };
            confirm(app.ask.as_ref(), self.force, &question)?;
        }
        let ended = orchestrator::resume(&world, &self.name, way).await?;
        Ok(change::ended("resume", &self.name, ended))
    }
}
