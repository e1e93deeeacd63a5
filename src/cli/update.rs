//! `update NAME`: change the type and the images, in place.

use super::{App, change, value, world};
use crate::model::{
    Capacity, ChangeOptions, DeploymentName, GateSettings, ImageRef, InstanceType, PROGRESS_MS,
    STOP_MS, ServiceName, UpdateRequest,
};
use crate::orchestrator;
use crate::report::{CommandError, Reply};

/// Change the instance type and the container images of a deployment, in place
///
/// The plan is shown first, with what is down and for how long. A failure is undone, and verified to be
/// as it was.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker update my-dev-stack --instance-type t3.large --image n8n=n8nio/n8n:1.20.0
  geusemaker update my-dev-stack --image n8n=n8nio/n8n:1.20.0 --dry-run -o json")]
pub struct UpdateArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// The new instance type
    #[arg(long, value_name = "TYPE", value_parser = value::name::<InstanceType>)]
    pub instance_type: Option<InstanceType>,

    /// The new image of a service; once for each service
    #[arg(long = "image", value_name = "SERVICE=REF", value_parser = value::image)]
    pub images: Vec<(ServiceName, ImageRef)>,

    /// The flags of a command that asks.
    #[command(flatten)]
    pub ask: AskArgs,

    /// Do not undo a failure: pause, so that it can be looked at
    #[arg(long)]
    pub no_rollback: bool,

    /// How long services may take to become healthy [default: 5m]
    #[arg(long, value_name = "DUR", value_parser = value::positive_millis)]
    pub health_timeout: Option<u64>,

    /// How long they must then stay so [default: 10s; 1s on a fast sandbox]
    #[arg(long, value_name = "DUR", value_parser = value::positive_millis)]
    pub stable_for: Option<u64>,

    /// How long a pull may show no sign of progress, however long it takes in total [default: 10m]
    #[arg(long, value_name = "DUR", value_parser = value::positive_millis)]
    pub progress_timeout: Option<u64>,

    /// What is done about capacity before the stop: reserve it for a while (billed as long as it is held), or nothing
    #[arg(long, value_enum, value_name = "HOW", default_value = "prove")]
    pub capacity: CapacityArg,

    /// How long a shutdown may take before it is forced [default: 10m]
    #[arg(long, value_name = "DUR", value_parser = value::positive_millis)]
    pub stop_timeout: Option<u64>,

    /// If going back finds no capacity at the old type either: run on this one; may be repeated, in order
    #[arg(long = "fallback-type", value_name = "TYPE", requires = "instance_type", value_parser = value::name::<InstanceType>)]
    pub fallback_types: Vec<InstanceType>,
}

/// `--capacity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CapacityArg {
    /// Reserve it in the zone, for the new type and for the way back, where that can be done
    Prove,
    /// Leave it out: the start shows whether there is any
    Skip,
}

impl From<CapacityArg> for Capacity {
    fn from(arg: CapacityArg) -> Self {
        match arg {
            CapacityArg::Prove => Self::Prove,
            CapacityArg::Skip => Self::Skip,
        }
    }
}

/// The flags of a command that asks.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct AskArgs {
    /// Answer the question with yes; every check stays
    #[arg(
        long,
        visible_alias = "yes",
        visible_short_alias = 'y',
        overrides_with = "force"
    )]
    pub force: bool,

    /// Print the plan, change nothing, take no lock
    #[arg(long)]
    pub dry_run: bool,
}

impl UpdateArgs {
    /// What clap cannot check by itself.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        if self.instance_type.is_none() && self.images.is_empty() {
            let message = "nothing to change: give --instance-type, --image, or both";
            return Err(change::usage(&["update"], message));
        }
        change::each_once(&["update"], &self.images)?;
        let target = self.instance_type.as_ref();
        change::each_type_once(&["update"], &self.fallback_types, target)
    }

    /// The request, with the world's own defaults for the gate.
    pub fn request(&self, gate: GateSettings) -> UpdateRequest {
        UpdateRequest {
            deployment: self.name.clone(),
            instance_type: self.instance_type.clone(),
            images: self.images.iter().cloned().collect(),
            fallback_types: self.fallback_types.clone(),
            options: ChangeOptions {
                force: self.ask.force,
                dry_run: self.ask.dry_run,
                no_rollback: self.no_rollback,
                gate: GateSettings {
                    timeout_ms: self.health_timeout.unwrap_or(gate.timeout_ms),
                    stable_ms: self.stable_for.unwrap_or(gate.stable_ms),
                },
                progress_ms: self.progress_timeout.unwrap_or(PROGRESS_MS),
                capacity: self.capacity.into(),
                stop_ms: self.stop_timeout.unwrap_or(STOP_MS),
            },
        }
    }

    pub(super) async fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let world = world::of(app, &self.name).await?;
        let request = self.request(world.default_gate);
        change::not_held(&world, &self.name)?;
        let prepared = orchestrator::prepare_update(&world, &request).await?;
        Ok(change::go(
            app,
            &world,
            prepared,
            "update",
            &self.name,
            &request.options,
        )
        .await)
    }
}
