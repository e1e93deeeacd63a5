use serde_json::{Value, json};

use super::super::testing::{canned, json_error};
use crate::cloud::{
    AgentPing, CloudErrorKind, CommandId, CommandRequest, CommandResult, CommandStatus,
};
use crate::model::InstanceId;

fn id() -> InstanceId {
    InstanceId::new("i-0123456789abcdef0").unwrap()
}

fn command() -> CommandId {
    CommandId("11111111-2222-3333-4444-555555555555".into())
}

fn request() -> CommandRequest {
    CommandRequest {
        script: "printf 'a \"b\"\\n'\necho ü\n".into(),
        comment: "c".repeat(120),
        delivery_timeout_s: 5,
        execution_timeout_s: 10,
    }
}

#[tokio::test]
async fn a_ping_is_found_behind_an_empty_page() {
    let (aws, log) = canned(|asked| {
        let body = if asked.body.contains("page-2") {
            json!({"InstanceInformationList": [{
                "InstanceId": "i-0123456789abcdef0", "PingStatus": "Online",
                "LastPingDateTime": 1_761_991_200.5, "AgentVersion": "3.3.0.0", "PlatformType": "Linux"}]})
        } else {
            json!({"InstanceInformationList": [], "NextToken": "page-2"})
        };
        Ok((200, body.to_string()))
    });
    let expected = AgentPing {
        online: true,
        last_ping: Some("2025-11-01T10:00:00.5Z".parse().unwrap()),
    };
    assert_eq!(aws.agent.ping(&id()).await, Ok(Some(expected)));
    let sent: Value = serde_json::from_str(&log.all()[0].body).unwrap();
    assert_eq!(
        sent["Filters"],
        json!([{"Key": "InstanceIds", "Values": ["i-0123456789abcdef0"]}])
    );
}

#[tokio::test]
async fn an_agent_that_lost_its_connection_is_not_online_and_an_unknown_one_is_none() {
    for status in ["ConnectionLost", "Inactive"] {
        let (aws, _) = canned(move |_| {
            let info = json!([{"InstanceId": "i-0123456789abcdef0", "PingStatus": status}]);
            Ok((200, json!({"InstanceInformationList": info}).to_string()))
        });
        let expected = AgentPing {
            online: false,
            last_ping: None,
        };
        assert_eq!(aws.agent.ping(&id()).await, Ok(Some(expected)));
    }
    let (aws, _) = canned(|_| Ok((200, json!({"InstanceInformationList": []}).to_string())));
    assert_eq!(aws.agent.ping(&id()).await, Ok(None));
}

#[tokio::test]
async fn a_command_is_sent_whole_and_within_the_limits_of_the_api() {
    let (aws, log) = canned(|_| {
        Ok((
            200,
            json!({"Command": {"CommandId": command().0, "Status": "Pending"}}).to_string(),
        ))
    });
    assert_eq!(aws.agent.send(&id(), &request()).await, Ok(command()));
    let sent: Value = serde_json::from_str(&log.only("ssm:SendCommand").body).unwrap();
    assert_eq!(
        sent,
        json!({
            "DocumentName": "AWS-RunShellScript",
            "InstanceIds": ["i-0123456789abcdef0"],
            "Comment": "c".repeat(100),
            "TimeoutSeconds": 30,
            "Parameters": {"commands": [request().script], "executionTimeout": ["10"]},
        })
    );
}

#[tokio::test]
async fn an_agent_that_is_not_up_keeps_its_code() {
    let (aws, _) =
        canned(|_| json_error(400, "InvalidInstanceId", "Instances not in a valid state"));
    let e = aws.agent.send(&id(), &request()).await.unwrap_err();
    assert_eq!(
        (e.code.as_deref(), e.kind),
        (Some("InvalidInstanceId"), CloudErrorKind::Other)
    );
}

#[tokio::test]
async fn a_reply_without_a_command_id_is_an_error() {
    let (aws, _) = canned(|_| Ok((200, json!({"Command": {}}).to_string())));
    let e = aws.agent.send(&id(), &request()).await.unwrap_err();
    assert_eq!(e.message, "expected a command id, found none");
}

#[tokio::test]
async fn each_status_of_an_invocation_is_read() {
    use CommandStatus::*;
    for (word, details, status) in [
        ("Pending", "Pending", Going),
        ("InProgress", "InProgress", Going),
        ("Delayed", "Delayed", Going),
        ("Cancelling", "Cancelling", Going),
        ("Success", "Success", Success),
        ("Failed", "Failed", Failed),
        ("Failed", "Undeliverable", Failed),
        ("TimedOut", "DeliveryTimedOut", TimedOut),
        ("TimedOut", "ExecutionTimedOut", TimedOut),
        ("Cancelled", "Canceled", Cancelled),
    ] {
        let (aws, log) = canned(move |_| {
            let reply = json!({
                "CommandId": command().0, "InstanceId": "i-0123456789abcdef0", "Comment": "",
                "DocumentName": "AWS-RunShellScript", "PluginName": "aws:runShellScript",
                "ResponseCode": if status == Going { -1 } else { 3 },
                "Status": word, "StatusDetails": details,
                "StandardOutputContent": "out\n", "StandardErrorContent": "err\n"});
            Ok((200, reply.to_string()))
        });
        let expected = CommandResult {
            status,
            details: details.into(),
            exit_code: if status == Going { -1 } else { 3 },
            stdout: "out\n".into(),
            stderr: "err\n".into(),
        };
        assert_eq!(
            aws.agent.result(&id(), &command()).await,
            Ok(Some(expected))
        );
        let sent: Value = serde_json::from_str(&log.all()[0].body).unwrap();
        assert_eq!(
            sent,
            json!({"CommandId": command().0, "InstanceId": "i-0123456789abcdef0"})
        );
    }
}

#[tokio::test]
async fn an_invocation_that_does_not_exist_yet_is_none_and_an_unknown_status_an_error() {
    let (aws, _) = canned(|_| json_error(400, "InvocationDoesNotExist", ""));
    assert_eq!(aws.agent.result(&id(), &command()).await, Ok(None));
    let (aws, _) = canned(|_| Ok((200, json!({"Status": "Dreaming"}).to_string())));
    let e = aws.agent.result(&id(), &command()).await.unwrap_err();
    assert_eq!(
        e.message,
        "expected a status of the command, found 'Dreaming'"
    );
}
