//! `rollback NAME`: back to a state that was seen.

use std::collections::BTreeSet;

use super::update::{AskArgs, CapacityArg};
use super::{App, change, value, world};
use crate::model::{
    ChangeOptions, DeploymentName, GateSettings, InstanceType, PROGRESS_MS, RollbackRequest,
    STOP_MS, ServiceName, SnapshotId,
};
use crate::orchestrator;
use crate::report::{CommandError, Reply};

/// Go back to the state before the last change, type and images
///
/// Without --to, that is the snapshot of the newest operation that changed something; so a second
/// rollback is a redo.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker rollback my-dev-stack
  geusemaker rollback my-dev-stack --services n8n,qdrant --dry-run")]
pub struct RollbackArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// The snapshot to go back to; `history` lists them
    #[arg(long, value_name = "SNAPSHOT", value_parser = value::name::<SnapshotId>)]
    pub to: Option<SnapshotId>,

    /// Only the images of these services, and not the type
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = value::name::<ServiceName>)]
    pub services: Option<Vec<ServiceName>>,

    /// The flags of a command that asks.
    #[command(flatten)]
    pub ask: AskArgs,

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
    #[arg(long = "fallback-type", value_name = "TYPE", value_parser = value::name::<InstanceType>)]
    pub fallback_types: Vec<InstanceType>,
}

impl RollbackArgs {
    /// What clap cannot check by itself.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        let mut seen = BTreeSet::new();
        for service in self.services.iter().flatten() {
            if !seen.insert(service) {
                let message = format!("--services names the service '{service}' twice");
                return Err(change::usage(&["rollback"], &message));
            }
        }
        change::each_type_once(&["rollback"], &self.fallback_types, None)
    }

    /// The request, with the world's own defaults for the gate.
    pub fn request(&self, gate: GateSettings) -> RollbackRequest {
        RollbackRequest {
            deployment: self.name.clone(),
            to: self.to.clone(),
            services: self.services.clone(),
            fallback_types: self.fallback_types.clone(),
            options: ChangeOptions {
                force: self.ask.force,
                dry_run: self.ask.dry_run,
                no_rollback: false,
                gate,
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
        let prepared = orchestrator::prepare_rollback(&world, &request).await?;
        Ok(change::go(
            app,
            &world,
            prepared,
            "rollback",
            &self.name,
            &request.options,
        )
        .await)
    }
}
