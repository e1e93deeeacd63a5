//! The AWS SDK behind our ports. Only files in this folder name an AWS crate.
//!
//! | file | what it adapts |
//! |---|---|
//! | `config` | region, profile, endpoint, credentials, time limits, retries |
//! | `credentials` | [`Credentials`](super::Credentials): when they expire |
//! | `errors` | every `SdkError` to one [`CloudError`](super::CloudError) |
//! | `retry`, `whole` | what the SDK must not try again by itself; an XML reply that is cut off is none |
//! | `pages` | a listing of many pages comes to its end |
//! | `ec2` | [`Ec2`], with `facts` for the conversion of replies |
//! | `auto_scaling` | the group of an instance, for [`Ec2::complete`] |
//! | `reservations` | the part of [`Ec2`] about capacity reservations |
//! | `efs` | [`Efs`] |
//! | `ssm` | [`Agent`] |
//! | `parameters` | [`Parameters`] |

mod auto_scaling;
mod config;
mod credentials;
mod ec2;
mod efs;
mod errors;
mod facts;
mod pages;
mod parameters;
mod reservations;
mod retry;
mod ssm;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod whole;

use std::sync::Arc;

pub use aws_config::SdkConfig;
pub use aws_smithy_runtime_api::client::http::SharedHttpClient;
pub use config::{ConfigError, ConnectOptions, connect, in_process};
pub use credentials::AwsCredentials;
pub use ec2::AwsEc2;
pub use efs::AwsEfs;
pub(crate) use errors::kind_of;
pub use parameters::AwsParameters;
pub use ssm::AwsAgent;

use super::{Agent, Ec2, Efs, Parameters};

/// All ports, over one configuration.
#[derive(Clone)]
pub struct Aws {
    /// EC2.
    pub ec2: Arc<dyn Ec2>,
    /// EFS.
    pub efs: Arc<dyn Efs>,
    /// Systems Manager.
    pub agent: Arc<dyn Agent>,
    /// Parameter Store.
    pub parameters: Arc<dyn Parameters>,
    /// The region in which all of them work.
    pub region: String,
}

impl Aws {
    /// Makes the clients; nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError::NoRegion`] when the configuration names no region.
    pub fn new(config: &SdkConfig) -> Result<Self, ConfigError> {
        let region = config.region().ok_or(ConfigError::NoRegion)?.to_string();
        Ok(Self {
            ec2: Arc::new(AwsEc2::new(config, region.clone())),
            efs: Arc::new(AwsEfs::new(config)),
            agent: Arc::new(AwsAgent::new(config)),
            parameters: Arc::new(AwsParameters::new(config)),
            region,
        })
    }
}
