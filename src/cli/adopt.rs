//! `adopt NAME`: take over an instance that runs a stack already.

use super::{App, value, world};
use crate::model::{AdoptRequest, DeploymentName, EfsChoice, InstanceId};
use crate::orchestrator;
use crate::report::{Body, CommandError, Reply};

/// Take over an instance that already runs a compose stack; nothing on it is changed
///
/// The compose project is found by the labels of its containers, the file system by what is mounted.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker adopt my-stack --instance-id i-0123456789abcdef0
  geusemaker adopt my-stack --instance-id i-0123456789abcdef0 --compose /root/docker-compose.yml --efs none")]
pub struct AdoptArgs {
    /// The name that the deployment gets
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// The instance
    #[arg(long, value_name = "ID", value_parser = value::name::<InstanceId>)]
    pub instance_id: InstanceId,

    /// The compose file on the host; needed where it runs several projects
    #[arg(long, value_name = "PATH", value_parser = value::host_path)]
    pub compose: Option<String>,

    /// The file system with the data, or 'none': it is on the root volume
    #[arg(long, value_name = "fs-…|none", value_parser = value::efs)]
    pub efs: Option<EfsChoice>,
}

impl AdoptArgs {
    /// The request.
    pub fn request(&self) -> AdoptRequest {
        AdoptRequest {
            name: self.name.clone(),
            instance_id: self.instance_id.clone(),
            compose: self.compose.clone(),
            efs: self.efs.clone(),
        }
    }

    pub(super) async fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let world = world::build(app, None).await?;
        let data = orchestrator::adopt(&world, &self.request()).await?;
        Ok(Reply::new("adopt")
            .of(&self.name)
            .body(Body::Adopt(Box::new(data))))
    }
}
