use aws_config::{BehaviorVersion, ConfigLoader};
use aws_credential_types::provider::{
    ProvideCredentials, error::CredentialsError, future::ProvideCredentials as Provided,
};

use aws_smithy_runtime_api::client::result::ConnectorError;

use super::super::config::load;
use super::super::testing::client;
use super::super::{Aws, ConfigError, ConnectOptions, in_process};

/// A chain that ends without credentials, as on a machine where none are set up.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::ready(Err(CredentialsError::not_loaded(
            "the chain has no credentials",
        )))
    }
}

/// No environment variable, no file, no credentials.
pub(super) fn nothing_around() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .empty_test_environment()
        .credentials_provider(Nobody)
}

fn options(region: Option<&str>, endpoint: Option<&str>) -> ConnectOptions {
    ConnectOptions {
        region: region.map(str::to_owned),
        profile: None,
        endpoint_url: endpoint.map(str::to_owned),
    }
}

#[tokio::test]
async fn what_the_command_line_says_is_taken_with_limits_and_retries() {
    let (http, _) = client(|_| panic!("nothing is sent"));
    let given = options(Some("eu-central-1"), Some("http://127.0.0.1:4566"));
    let config = load(&given, nothing_around(), http).await.unwrap();
    assert_eq!(config.region().unwrap().to_string(), "eu-central-1");
    assert_eq!(config.endpoint_url(), Some("http://127.0.0.1:4566"));
    assert_eq!(config.retry_config().unwrap().max_attempts(), 5);
    let limits = config.timeout_config().unwrap();
    assert_eq!(limits.connect_timeout().unwrap().as_secs(), 3);
    assert_eq!(limits.operation_attempt_timeout().unwrap().as_secs(), 15);
    assert_eq!(Aws::new(&config).unwrap().region, "eu-central-1");
}

#[tokio::test]
async fn no_region_and_a_bad_endpoint_are_said_before_any_call() {
    for (given, expected) in [
        (
            options(Some("us-east-1"), Some("127.0.0.1:4566")),
            "found '127.0.0.1:4566'",
        ),
        (
            options(Some("us-east-1"), Some("ftp://example.com")),
            "found 'ftp://example.com'",
        ),
        (options(Some("us-east-1"), Some("")), "found ''"),
    ] {
        let (http, _) = client(|_| panic!("nothing is sent"));
        let e = load(&given, nothing_around(), http).await.unwrap_err();
        assert!(e.to_string().ends_with(expected), "{e}");
    }
    let offline = || ConnectorError::io("no network".into());
    let (http, _) = client(move |_| Err(offline()));
    let e = load(&options(None, None), nothing_around(), http).await;
    assert_eq!(e.err(), Some(ConfigError::NoRegion));
    let (http, _) = client(|_| panic!("nothing is sent"));
    let nowhere = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .build();
    assert_eq!(Aws::new(&nowhere).err(), Some(ConfigError::NoRegion));
}

#[tokio::test]
async fn in_process_asks_the_given_client_and_nothing_else() {
    let (http, log) = client(|_| Ok((200, r#"{"InstanceInformationList":[]}"#.to_owned())));
    let aws = Aws::new(&in_process(http, "us-west-2")).unwrap();
    let id = crate::model::InstanceId::new("i-0123456789abcdef0").unwrap();
    assert_eq!(aws.agent.ping(&id).await, Ok(None));
    assert_eq!(log.calls(), ["ssm:DescribeInstanceInformation"]);
}
