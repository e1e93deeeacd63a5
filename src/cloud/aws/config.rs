//! How the SDK is set up: where it finds its settings, how long it waits, how often it tries again.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};

/// A connection (TCP and TLS) is given up after this long.
const CONNECT: Duration = Duration::from_secs(3);
/// One attempt of a call is given up after this long.
const ATTEMPT: Duration = Duration::from_secs(15);
/// Attempts of a call, the first included; only what passes by itself (a network fault, throttling,
/// an internal error of AWS) is tried again.
const ATTEMPTS: u32 = 5;

/// What the command line says about the account; all else comes from the SDK's own chain
/// (environment, profile files, SSO, instance metadata).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// `--region`.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--endpoint-url`, for every service; stronger than `AWS_ENDPOINT_URL` and its variants.
    pub endpoint_url: Option<String>,
}

/// Settings with which no call can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Neither the command line nor the environment nor the profile names a region.
    #[error("no region: expected --region, AWS_REGION or a region in the profile, found none")]
    NoRegion,
    /// The endpoint is not a URL.
    #[error("--endpoint-url: expected http://HOST[:PORT] or https://HOST[:PORT], found '{found}'")]
    BadEndpoint {
        /// What was given.
        found: String,
    },
}

/// Loads the settings of a real account. Credentials are looked up with the first call, not here.
///
/// # Errors
/// [`ConfigError`] when there is no region, or the endpoint is not a URL.
pub async fn connect(options: &ConnectOptions) -> Result<SdkConfig, ConfigError> {
    let http = aws_smithy_http_client::Builder::new()
        // The roots are those of the machine: the default of this client's trust store.
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    load(
        options,
        aws_config::defaults(BehaviorVersion::latest()),
        http,
    )
    .await
}

pub(super) async fn load(
    options: &ConnectOptions,
    mut loader: aws_config::ConfigLoader,
    http: impl HttpClient + 'static,
) -> Result<SdkConfig, ConfigError> {
    loader = loader
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts());
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &options.endpoint_url {
        check_endpoint(url)?;
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    match config.region() {
        Some(_) => Ok(config),
        None => Err(ConfigError::NoRegion),
    }
}

/// Settings for a cloud that answers in this process: any HTTP client, static credentials, and no look
/// at the environment or at files. Throttling is tried again at once rather than after a second.
pub fn in_process(http: SharedHttpClient, region: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "in-process",
            None,
            None,
            "in-process",
        )))
        .http_client(http)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(Duration::from_millis(10))
                .with_max_backoff(Duration::from_millis(50)),
        )
        .timeout_config(timeouts())
        .build()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .build()
}

fn check_endpoint(url: &str) -> Result<(), ConfigError> {
    let ok = url.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    });
    if ok {
        Ok(())
    } else {
        Err(ConfigError::BadEndpoint {
            found: url.to_owned(),
        })
    }
}
