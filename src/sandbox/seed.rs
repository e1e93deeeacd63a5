//! What a new sandbox holds, cloud and host together: one deployment on the dev template.

use std::collections::BTreeMap;
use std::io;

use super::host::{COMPOSE_FILE, HostFiles, Seed, seed_host};
use super::world::{SEED_DEPLOYMENT, SEED_FILE_SYSTEM, SEED_INSTANCE, World};
use crate::model::{
    ComposeIdentity, DEPLOYMENT_SCHEMA, Deployment, DeploymentCache, DeploymentName, FileSystemId,
    InstanceId, Timestamp,
};

/// The compose project of the seeded deployment.
const PROJECT: &str = "geusemaker";

/// Where the file system is mounted.
const MOUNT_POINT: &str = "/mnt/efs";

impl World {
    /// Seeds the one host: compose file, env file, images, five services that have been up for a while.
    ///
    /// # Errors
    /// The template is wrong, or a file cannot be written.
    pub fn seed_stack(&mut self, files: &mut dyn HostFiles, now: Timestamp) -> io::Result<()> {
        let seed = Seed {
            project: PROJECT,
            file_system: Some(SEED_FILE_SYSTEM),
            ..Seed::default()
        };
        match self.host(SEED_INSTANCE, now) {
            Some(mut at) => seed_host(&mut at, files, &seed),
            None => Err(io::Error::other("the seeded instance has no host")),
        }
    }

    /// The deployment that the seeded stack is.
    pub fn seeded_deployment(&self, now: Timestamp) -> Deployment {
        let instance = self.instances.get(SEED_INSTANCE);
        let images: BTreeMap<String, String> = self
            .hosts
            .get(SEED_INSTANCE)
            .map(|host| {
                let of = |c: &super::host::docker::Container| {
                    Some((c.service()?.to_owned(), c.image.clone()))
                };
                host.engine.containers.iter().filter_map(of).collect()
            })
            .unwrap_or_default();
        Deployment {
            schema: DEPLOYMENT_SCHEMA.into(),
            name: DeploymentName::new(SEED_DEPLOYMENT).expect("a constant"),
            account: self.account.clone(),
            region: self.region.clone(),
            instance_id: InstanceId::new(SEED_INSTANCE).expect("a constant"),
            file_system_id: Some(FileSystemId::new(SEED_FILE_SYSTEM).expect("a constant")),
            mount_point: Some(MOUNT_POINT.into()),
            compose: ComposeIdentity {
                project: PROJECT.into(),
                file: COMPOSE_FILE.into(),
                more_files: Vec::new(),
            },
            created_at: now,
            cache: DeploymentCache {
                status: "adopted".into(),
                instance_type: instance
                    .map(|i| i.instance_type.clone())
                    .unwrap_or_else(|| {
                        crate::model::InstanceType::new("t3.medium").expect("a constant")
                    }),
                public_ip: instance.and_then(|i| i.public_ip.clone()),
                images,
                updated_at: now,
            },
            unknown: BTreeMap::new(),
        }
    }
}
