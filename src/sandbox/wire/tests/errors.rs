//! Errors as each protocol writes them, and what is refused before any call.

use aws_sdk_ec2::operation::RequestId;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bytes::Bytes;
use http::Request;

use super::*;
use crate::sandbox::wire::{self, serves};

fn post(body: &str, headers: &[(&str, &str)]) -> Request<Bytes> {
    let mut request = Request::post("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

fn ask(request: &Request<Bytes>) -> (u16, String) {
    let now = "2026-11-20T10:00:00Z".parse().unwrap();
    let answer = wire::handle(&mut World::new(now), request, now);
    assert!(answer.headers().contains_key("x-amzn-requestid"));
    let body = String::from_utf8(answer.body().to_vec()).unwrap();
    (answer.status().as_u16(), body)
}

#[tokio::test]
async fn an_ec2_error_has_code_message_and_request_id() {
    let kit = Kit::new();
    let describe = kit
        .ec2()
        .describe_instances()
        .instance_ids("i-0123456789abcdef0");
    let error = describe.send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidInstanceID.NotFound"));
    assert_eq!(
        error.message(),
        Some("The instance ID 'i-0123456789abcdef0' does not exist")
    );
    assert!(error.request_id().is_some());
    let malformed = kit
        .ec2()
        .describe_instances()
        .instance_ids("i-1' or '1")
        .send()
        .await;
    assert_eq!(code(malformed), "InvalidInstanceID.Malformed");
    let missing = kit.ec2().start_instances().send().await;
    assert_eq!(code(missing), "MissingParameter");
}

#[tokio::test]
async fn an_ssm_error_is_typed() {
    let kit = Kit::new();
    let get = kit.ssm().get_parameter().name("/nope").send().await;
    let error = get.unwrap_err();
    assert!(error.request_id().is_some());
    assert!(error.into_service_error().is_parameter_not_found());
}

#[tokio::test]
async fn an_unknown_call_is_an_error_and_never_a_success() {
    let kit = Kit::new();
    let run = kit
        .ec2()
        .run_instances()
        .min_count(1)
        .max_count(1)
        .send()
        .await;
    assert_eq!(code(run), "InvalidAction");
    let describe = kit.ssm().describe_parameters().send().await;
    assert_eq!(code(describe), "UnknownOperationException");
    let (status, body) = ask(&post("Version=2016-11-15", &[]));
    assert!(status == 400 && body.contains("MissingAction"), "{body}");
    let (status, body) = ask(&post(
        "{}",
        &[("x-amz-target", "DynamoDB_20120810.ListTables")],
    ));
    assert!(
        status == 400 && body.contains("UnknownOperationException"),
        "{body}"
    );
    let (status, body) = ask(&post("{", &[("x-amz-target", "AmazonSSM.ListCommands")]));
    assert!(
        status == 400 && body.contains("SerializationException"),
        "{body}"
    );
    assert!(!serves("ec2:RunInstances") && !serves("s3:GetObject") && !serves("ec2"));
    assert!(serves("ec2:StartInstances") && serves("sts:GetCallerIdentity"));
}

#[test]
fn errors_have_the_status_that_decides_about_a_retry() {
    for (code, status) in [
        ("InsufficientInstanceCapacity", 500),
        ("InternalError", 500),
        ("RequestLimitExceeded", 503),
        ("UnauthorizedOperation", 403),
        ("AuthFailure", 401),
        ("VcpuLimitExceeded", 400),
        ("InvalidParameterValue", 400),
    ] {
        let now = "2026-11-20T10:00:00Z".parse().unwrap();
        let mut world = World::new(now);
        let fault = Fault::parse(&format!("ec2:StartInstances={code}"), None).unwrap();
        world.faults.0.push(fault);
        let request = post(&format!("Action=StartInstances&InstanceId.1={ID}"), &[]);
        let answer = wire::handle(&mut world, &request, now);
        assert_eq!(answer.status().as_u16(), status, "{code}");
    }
    let (status, body) = ask(&post(
        &format!("Action=StopInstances&InstanceId.1={ID}&DryRun=true"),
        &[],
    ));
    assert!(
        status == 412 && body.contains("<Code>DryRunOperation</Code>"),
        "{body}"
    );
}

#[test]
fn what_was_typed_cannot_break_out_of_the_xml() {
    let (_, body) = ask(&post("Action=%3C%2FMessage%3E%3CCode%3Eok", &[]));
    assert!(body.contains("&lt;/Message&gt;&lt;Code&gt;ok"), "{body}");
    assert_eq!(body.matches("<Code>").count(), 1);
}

#[test]
fn sts_says_who_one_is() {
    let (status, body) = ask(&post("Action=GetCallerIdentity&Version=2011-06-15", &[]));
    assert_eq!(status, 200);
    assert!(body.contains("<Account>123456789012</Account>"), "{body}");
    assert!(
        body.contains("<Arn>arn:aws:iam::123456789012:user/sandbox</Arn>"),
        "{body}"
    );
}

#[tokio::test]
async fn a_fault_goes_by_the_type_in_the_request_else_by_the_instance() {
    let kit = Kit::new();
    kit.fault(
        "ec2:StartInstances@t3.large=InsufficientInstanceCapacity",
        None,
    );
    kit.fault(
        "ec2:ModifyInstanceAttribute@t3.xlarge=UnauthorizedOperation",
        None,
    );
    kit.fault("ssm:SendCommand@t3.large=ThrottlingException", None);
    kit.stop().await;
    kit.start().await;
    kit.stop().await;
    let retype = |to: &str| {
        let to = aws_sdk_ec2::types::AttributeValue::builder()
            .value(to)
            .build();
        kit.ec2()
            .modify_instance_attribute()
            .instance_id(ID)
            .instance_type(to)
            .send()
    };
    assert_eq!(code(retype("t3.xlarge").await), "UnauthorizedOperation");
    retype("t3.large").await.unwrap();
    let start = || kit.ec2().start_instances().instance_ids(ID).send();
    let refused = start().await.unwrap_err();
    assert_eq!(refused.code(), Some("InsufficientInstanceCapacity"));
    assert!(refused.message().unwrap().contains("t3.large"));
    let send = kit
        .ssm()
        .send_command()
        .document_name("AWS-RunShellScript")
        .instance_ids(ID);
    let send = send
        .parameters("commands", vec!["true".into()])
        .send()
        .await;
    assert_eq!(code(send), "ThrottlingException");
    retype("t3.medium").await.unwrap();
    start().await.unwrap();
}

#[tokio::test]
async fn fact_9_a_start_that_falls_back_shows_its_reason_over_the_wire() {
    let kit = Kit::new();
    kit.stop().await;
    kit.fault(
        "ec2:StartInstances=Server.InsufficientInstanceCapacity",
        Some(1),
    );
    kit.start().await;
    let describe = kit
        .ec2()
        .describe_instances()
        .instance_ids(ID)
        .send()
        .await
        .unwrap();
    let i = &describe.reservations()[0].instances()[0];
    assert_eq!(i.state().unwrap().name().unwrap().as_str(), "stopped");
    let reason = i.state_reason().unwrap().code();
    assert_eq!(reason, Some("Server.InsufficientInstanceCapacity"));
}

#[tokio::test]
async fn a_damaged_world_is_no_answer_of_aws() {
    let kit = Kit::new();
    kit.ec2().describe_instances().send().await.unwrap();
    fs_err::write(kit.endpoint.store().file(), "oops").unwrap();
    let error = kit.ec2().describe_instances().send().await.unwrap_err();
    assert_eq!(error.code(), None);
    let text = format!(
        "{}",
        aws_smithy_types::error::display::DisplayErrorContext(&error)
    );
    assert!(text.contains("world.json"), "{text}");
}
