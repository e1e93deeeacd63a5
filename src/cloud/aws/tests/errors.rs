use aws_smithy_runtime_api::client::result::ConnectorError;

use super::super::errors::kind_of;
use super::super::testing::{canned, ec2_error, json_error};
use super::super::{Aws, ConnectOptions, config};
use crate::cloud::CloudErrorKind::{self, *};
use crate::model::InstanceId;

fn id() -> InstanceId {
    InstanceId::new("i-0123456789abcdef0").unwrap()
}

const CODES: &[(&str, CloudErrorKind)] = &[
    ("ExpiredToken", Credentials),
    ("ExpiredTokenException", Credentials),
    ("InvalidClientTokenId", Credentials),
    ("AuthFailure", Credentials),
    ("UnrecognizedClientException", Credentials),
    ("SignatureDoesNotMatch", Credentials),
    ("InvalidSignatureException", Credentials),
    ("RequestExpired", Credentials),
    ("ServiceUnavailable", Unreachable),
    ("UnauthorizedOperation", Denied),
    ("AccessDenied", Denied),
    ("AccessDeniedException", Denied),
    ("OptInRequired", Denied),
    ("RequestLimitExceeded", Throttled),
    ("Throttling", Throttled),
    ("ThrottlingException", Throttled),
    ("ThrottledException", Throttled),
    ("TooManyRequestsException", Throttled),
    ("InvalidInstanceID.NotFound", NotFound),
    ("FileSystemNotFound", NotFound),
    ("InsufficientInstanceCapacity", Capacity),
    ("InsufficientHostCapacity", Capacity),
    ("InstanceLimitExceeded", Capacity),
    ("VcpuLimitExceeded", Capacity),
    ("MaxSpotInstanceCountExceeded", Capacity),
    ("IncorrectInstanceState", WrongState),
    ("IncorrectState", WrongState),
    ("InvalidParameterValue", Other),
    ("InvalidInstanceAttributeValue", Other),
    ("InvalidInstanceID.Malformed", Other),
    ("InvalidInstanceId", Other),
    ("Unsupported", Other),
    ("InternalError", Other),
];

#[test]
fn each_code_has_its_kind() {
    for (code, kind) in CODES {
        assert_eq!(kind_of(Some(code), "no", 400), *kind, "{code}");
    }
}

#[test]
fn only_the_launch_plan_text_makes_a_bad_parameter_inconsistent() {
    let text = "LaunchPlan instance type does not match attribute value";
    assert_eq!(
        kind_of(Some("InvalidParameterValue"), text, 400),
        Inconsistent
    );
    assert_eq!(
        kind_of(Some("InvalidParameterCombination"), text, 400),
        Other
    );
}

#[test]
fn an_answer_without_a_code_is_judged_by_its_status() {
    for (status, kind) in [
        (502, Unreachable),
        (503, Unreachable),
        (504, Unreachable),
        (500, Other),
        (401, Credentials),
        (403, Denied),
        (429, Throttled),
        (400, Other),
    ] {
        assert_eq!(kind_of(None, "", status), kind, "{status}");
    }
}

/// The table above, over the wire, in both forms of an error document.
#[tokio::test]
async fn codes_arrive_over_the_wire_with_message_and_request_id() {
    for &(code, kind) in CODES {
        let (aws, _) = canned(move |asked| match asked.call.as_str() {
            "ec2:StopInstances" => ec2_error(400, code, "what AWS says"),
            _ => json_error(400, code, "what AWS says"),
        });
        let ec2 = aws.ec2.stop(&id(), false).await.unwrap_err();
        let ssm = aws.agent.ping(&id()).await.unwrap_err();
        // The request id stands in the document of the one, and in a header of the other.
        for (e, call, request_id) in [
            (ec2, "ec2:StopInstances", "req-in-body"),
            (ssm, "ssm:DescribeInstanceInformation", "req-0001"),
        ] {
            assert_eq!(e.call, call);
            assert_eq!(e.code.as_deref(), Some(code));
            assert_eq!(e.message, "what AWS says");
            assert_eq!(e.request_id.as_deref(), Some(request_id));
            assert_eq!(e.kind, kind, "{code}");
        }
    }
}

#[tokio::test]
async fn an_error_reads_as_one_sentence() {
    let (aws, _) = canned(|_| ec2_error(403, "UnauthorizedOperation", "You are not authorized."));
    assert_eq!(
        aws.ec2.start(&id()).await.unwrap_err().to_string(),
        "ec2:StartInstances: UnauthorizedOperation: You are not authorized. (request id req-in-body)"
    );
}

#[tokio::test]
async fn a_connection_that_fails_is_unreachable_and_says_why() {
    let refused = || std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused by peer");
    let (aws, _) = canned(move |_| Err(ConnectorError::io(refused().into())));
    let e = aws.ec2.stop(&id(), false).await.unwrap_err();
    assert_eq!(
        (e.kind, e.code.clone(), e.request_id.clone()),
        (Unreachable, None, None)
    );
    assert!(e.message.contains("refused by peer"), "{}", e.message);
    let (aws, _) = canned(move |_| Err(ConnectorError::timeout("slow".into())));
    assert_eq!(aws.ec2.start(&id()).await.unwrap_err().kind, Unreachable);
}

#[tokio::test]
async fn a_page_of_a_gateway_is_not_an_answer_of_aws() {
    let (aws, _) = canned(|_| Ok((503, "<html>Service down</html>".to_owned())));
    assert_eq!(
        aws.ec2.stop(&id(), false).await.unwrap_err().kind,
        Unreachable
    );
    let (aws, _) = canned(|_| Ok((200, "<html>Log in to the hotel's network</html>".to_owned())));
    assert_eq!(aws.agent.ping(&id()).await.unwrap_err().kind, Unreachable);
}

/// A port of the loopback interface on which nobody listens, over the real HTTP client.
#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let http = aws_smithy_http_client::Builder::new().build_http();
    let settings = config::in_process(http, "us-east-1")
        .into_builder()
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .build();
    let e = Aws::new(&settings)
        .unwrap()
        .ec2
        .stop(&id(), false)
        .await
        .unwrap_err();
    assert_eq!(e.kind, Unreachable);
    assert!(
        e.message.to_lowercase().contains("refused"),
        "{}",
        e.message
    );
}

#[tokio::test]
async fn no_credentials_is_credentials_and_nothing_is_sent() {
    let (http, log) = super::super::testing::client(|_| panic!("nothing may be sent"));
    let options = ConnectOptions {
        region: Some("us-east-1".into()),
        ..ConnectOptions::default()
    };
    let settings = config::load(&options, super::config::nothing_around(), http)
        .await
        .unwrap();
    let aws = Aws::new(&settings).unwrap();
    let e = aws.ec2.start(&id()).await.unwrap_err();
    assert_eq!(e.kind, Credentials, "{e}");
    assert!(e.stops_everything());
    assert_eq!(aws.agent.ping(&id()).await.unwrap_err().kind, Credentials);
    assert_eq!(log.calls(), [] as [&str; 0]);
}

/// The SDK quotes a document that it cannot read, each part of it several times; the error goes into the journal.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_quoted_whole() {
    let attributes = " xmlns=\"x\"".repeat(2000);
    let page = format!("<Other{attributes}></Other>");
    let long = "m".repeat(100_000);
    for answer in [
        Ok((200, page)),
        ec2_error(400, "OperationNotPermitted", &long),
        ec2_error(400, &long, "why"),
    ] {
        let (aws, _) = canned(move |_| {
            answer
                .as_ref()
                .map(Clone::clone)
                .map_err(|_| unreachable!())
        });
        let error = aws.ec2.instance(&id()).await.unwrap_err().to_string();
        assert!((100..4500).contains(&error.chars().count()), "{error:.300}");
        assert!(error.contains('…'), "{error:.300}");
    }
}
