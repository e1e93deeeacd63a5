//! The unmodified SDK against the wire, in process: every call that the sandbox serves.

mod auto_scaling;
mod ec2;
mod efs;
mod errors;
mod reservations;
mod ssm;

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::cloud::Clock;
use crate::sandbox::connector::http_client;
use crate::sandbox::endpoint::Endpoint;
use crate::sandbox::fault::Fault;
use crate::sandbox::memory::VirtualClock;
use crate::sandbox::store::Store;
use crate::sandbox::world::{Instance, SEED_INSTANCE, World};

const ID: &str = SEED_INSTANCE;

/// A sandbox in a folder of its own, at a time of its own.
struct Kit {
    clock: VirtualClock,
    endpoint: Endpoint,
    config: SdkConfig,
    _dir: tempfile::TempDir,
}

impl Kit {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = VirtualClock::at("2026-11-20T10:00:00Z".parse().unwrap());
        let store = Store::new(dir.path().join("sandbox"));
        let endpoint = Endpoint::new(store, Arc::new(clock.clone()));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "any", "any", None, None, "test",
            )))
            .http_client(http_client(endpoint.clone()))
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            clock,
            endpoint,
            config,
            _dir: dir,
        }
    }

    fn ec2(&self) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&self.config)
    }

    fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.config)
    }

    fn efs(&self) -> aws_sdk_efs::Client {
        aws_sdk_efs::Client::new(&self.config)
    }

    /// Time passes.
    fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        let store = self.endpoint.store();
        store.with(&self.clock, |world, _| f(world)).unwrap()
    }

    /// Sets a fact of the instance.
    fn set(&self, f: impl FnOnce(&mut Instance)) {
        self.with(|world| f(world.instances.get_mut(ID).unwrap()));
    }

    fn fault(&self, text: &str, times: Option<u32>) {
        self.with(|world| world.faults.0.push(Fault::parse(text, times).unwrap()));
    }

    /// Stops the instance and lets it get there.
    async fn stop(&self) {
        let stop = self.ec2().stop_instances().instance_ids(ID);
        stop.send().await.unwrap();
        self.pass(100);
    }

    /// Starts the instance and lets everything come up.
    async fn start(&self) {
        let start = self.ec2().start_instances().instance_ids(ID);
        start.send().await.unwrap();
        self.pass(1000);
    }

    /// Does what the agent does: takes the next command and ends it.
    fn agent_runs(&self, exit: i32, stdout: &str, stderr: &str) -> String {
        let now = self.clock.now();
        self.with(|world| {
            let command = world.next_command(ID, now).expect("there is a command");
            world.finish_command(ID, &command.id, exit, stdout, stderr, now);
            command.script.to_string()
        })
    }
}

/// The error code that an SDK call failed with.
fn code<T: std::fmt::Debug, E, R>(
    answer: Result<T, aws_smithy_runtime_api::client::result::SdkError<E, R>>,
) -> String
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::fmt::Debug,
    R: std::fmt::Debug,
{
    use aws_smithy_types::error::metadata::ProvideErrorMetadata;
    let error = answer.unwrap_err();
    error
        .code()
        .unwrap_or_else(|| panic!("no code in {error:?}"))
        .to_owned()
}
