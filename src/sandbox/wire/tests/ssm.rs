use std::sync::Mutex;

use aws_sdk_ssm::types::{
    CommandInvocationStatus, CommandStatus, InstanceInformationStringFilter, ParameterType,
    PingStatus, Target,
};

use super::*;
use crate::model::InstanceId;
use crate::sandbox::endpoint::Wake;

type Send = aws_sdk_ssm::operation::send_command::builders::SendCommandFluentBuilder;

fn send(kit: &Kit, script: &[&str]) -> Send {
    let lines = script.iter().map(|line| (*line).to_owned()).collect();
    kit.ssm()
        .send_command()
        .document_name("AWS-RunShellScript")
        .instance_ids(ID)
        .timeout_seconds(30)
        .parameters("commands", lines)
}

async fn sent(kit: &Kit, send: Send) -> String {
    let answer = send.send().await.unwrap();
    kit.pass(20);
    answer.command().unwrap().command_id().unwrap().to_owned()
}

type Invocation = aws_sdk_ssm::operation::get_command_invocation::GetCommandInvocationOutput;

async fn look(kit: &Kit, id: &str) -> Invocation {
    let get = kit.ssm().get_command_invocation().command_id(id);
    get.instance_id(ID).send().await.unwrap()
}

#[tokio::test]
async fn fact_15_a_command_is_sent_taken_and_ends() {
    let kit = Kit::new();
    let answer = send(&kit, &["echo one", "echo two"])
        .comment("op-1 look")
        .parameters("executionTimeout", vec!["60".into()])
        .send()
        .await
        .unwrap();
    let command = answer.command().unwrap();
    assert_eq!(command.status(), Some(&CommandStatus::Pending));
    let id = command.command_id().unwrap().to_owned();
    let get = || {
        kit.ssm()
            .get_command_invocation()
            .command_id(&id)
            .instance_id(ID)
            .send()
    };
    assert_eq!(code(get().await), "InvocationDoesNotExist");
    kit.pass(20);
    let seen = get().await.unwrap();
    assert_eq!(seen.status(), Some(&CommandInvocationStatus::Pending));
    assert_eq!(seen.response_code(), -1);
    assert_eq!(kit.agent_runs(0, "one\ntwo\n", ""), "echo one\necho two");
    let seen = get().await.unwrap();
    assert_eq!(seen.status(), Some(&CommandInvocationStatus::Success));
    assert_eq!(seen.status_details(), Some("Success"));
    assert_eq!(seen.response_code(), 0);
    assert_eq!(seen.standard_output_content(), Some("one\ntwo\n"));
    assert_eq!(seen.comment(), Some("op-1 look"));
    assert_eq!(seen.plugin_name(), Some("aws:runShellScript"));
    assert_eq!(
        seen.execution_start_date_time(),
        Some("2026-11-20T10:00:00.020Z")
    );
}

#[tokio::test]
async fn fact_16_output_is_cut_over_the_wire() {
    let kit = Kit::new();
    let id = sent(&kit, send(&kit, &["yes"])).await;
    kit.agent_runs(1, &"y\n".repeat(20_000), &"é".repeat(9_000));
    let seen = look(&kit, &id).await;
    assert_eq!(seen.status(), Some(&CommandInvocationStatus::Failed));
    let out = seen.standard_output_content().unwrap();
    assert_eq!(out.chars().count(), 24_000);
    assert!(out.ends_with("--output truncated--"));
    assert_eq!(
        seen.standard_error_content().unwrap().chars().count(),
        8_000
    );
}

#[tokio::test]
async fn fact_17_a_delivery_that_times_out() {
    let kit = Kit::new();
    let id = sent(&kit, send(&kit, &["true"])).await;
    kit.pass(30_000);
    let seen = look(&kit, &id).await;
    assert_eq!(seen.status(), Some(&CommandInvocationStatus::TimedOut));
    assert_eq!(seen.status_details(), Some("DeliveryTimedOut"));
    let short = send(&kit, &["true"]).timeout_seconds(29).send().await;
    assert_eq!(code(short), "ValidationException");
}

#[tokio::test]
async fn fact_21_a_lost_command_is_found_by_instance_time_and_comment() {
    let kit = Kit::new();
    let mine = sent(&kit, send(&kit, &["a"]).comment("op-1/3")).await;
    kit.pass(1000);
    sent(&kit, send(&kit, &["b"]).comment("op-2/1")).await;
    let list = kit
        .ssm()
        .list_commands()
        .instance_id(ID)
        .send()
        .await
        .unwrap();
    assert_eq!(list.commands().len(), 2);
    assert_eq!(list.commands()[0].comment(), Some("op-2/1"), "newest first");
    let found = list
        .commands()
        .iter()
        .find(|c| c.comment() == Some("op-1/3"));
    assert_eq!(found.unwrap().command_id(), Some(mine.as_str()));
    let late = aws_sdk_ssm::types::CommandFilter::builder()
        .key(aws_sdk_ssm::types::CommandFilterKey::InvokedAfter)
        .value("2026-11-20T10:00:01Z")
        .build()
        .unwrap();
    let since = kit
        .ssm()
        .list_commands()
        .filters(late)
        .send()
        .await
        .unwrap();
    assert_eq!(since.commands().len(), 1);
    let long = send(&kit, &["a"]).comment("x".repeat(101)).send().await;
    assert_eq!(code(long), "ValidationException");
}

#[tokio::test]
async fn fact_22_an_undelivered_target_is_no_error_of_the_parent() {
    let kit = Kit::new();
    let other = "i-0123456789abcdef0";
    let since = kit.clock.now() - jiff::SignedDuration::from_hours(1);
    kit.with(|w| {
        let id = InstanceId::new(other).unwrap();
        w.add_instance(Instance::running(id, "t3.small", "us-east-1b", since));
    });
    let id = sent(&kit, send(&kit, &["true"]).instance_ids(other)).await;
    kit.agent_runs(0, "", "");
    let stop = kit.ec2().stop_instances().instance_ids(other);
    stop.send().await.unwrap();
    kit.pass(30_000);
    let list = kit
        .ssm()
        .list_commands()
        .command_id(&id)
        .send()
        .await
        .unwrap();
    let parent = &list.commands()[0];
    assert_eq!(parent.status(), Some(&CommandStatus::Success));
    assert_eq!((parent.target_count(), parent.error_count()), (2, 0));
    assert_eq!(parent.delivery_timed_out_count(), 1);
    let all = kit
        .ssm()
        .list_command_invocations()
        .command_id(&id)
        .details(true);
    let all = all.send().await.unwrap();
    let status = |instance: &str| {
        let one = all
            .command_invocations()
            .iter()
            .find(|i| i.instance_id() == Some(instance));
        one.unwrap().status().unwrap().clone()
    };
    assert_eq!(status(ID), CommandInvocationStatus::Success);
    assert_eq!(status(other), CommandInvocationStatus::TimedOut);
    let plugin = &all.command_invocations()[0].command_plugins()[0];
    assert_eq!(plugin.name(), Some("aws:runShellScript"));
    let many = send(&kit, &["true"])
        .set_instance_ids(Some(vec![ID.to_owned(); 51]))
        .send()
        .await;
    assert_eq!(code(many), "ValidationException");
}

#[tokio::test]
async fn fact_23_the_agent_comes_up_after_the_instance() {
    let kit = Kit::new();
    let ping = async || {
        let filter = InstanceInformationStringFilter::builder()
            .key("InstanceIds")
            .values(ID)
            .build()
            .unwrap();
        let describe = kit.ssm().describe_instance_information().filters(filter);
        let answer = describe.send().await.unwrap();
        let one = &answer.instance_information_list()[0];
        (
            one.ping_status().unwrap().clone(),
            one.last_ping_date_time().unwrap().secs(),
        )
    };
    let start = kit.clock.now().as_second();
    assert_eq!(ping().await.0, PingStatus::Online);
    kit.stop().await;
    kit.pass(600_000);
    assert_eq!(ping().await.0, PingStatus::ConnectionLost);
    let begin = kit.ec2().start_instances().instance_ids(ID);
    begin.send().await.unwrap();
    kit.pass(60);
    assert_eq!(
        code(send(&kit, &["true"]).send().await),
        "InvalidInstanceId"
    );
    assert_eq!(ping().await.0, PingStatus::ConnectionLost);
    kit.pass(60);
    let (status, last) = ping().await;
    assert_eq!(status, PingStatus::Online);
    assert!(last >= start + 600);
    send(&kit, &["true"]).send().await.unwrap();
    kit.set(|i| i.agent_installed = false);
    let answer = kit
        .ssm()
        .describe_instance_information()
        .send()
        .await
        .unwrap();
    assert_eq!(answer.instance_information_list().len(), 0);
}

#[tokio::test]
async fn what_send_command_refuses() {
    let kit = Kit::new();
    let base = || send(&kit, &["true"]);
    let document = base().document_name("AWS-RunPowerShellScript").send().await;
    assert_eq!(code(document), "InvalidDocument");
    let parameter = base().parameters("colour", vec!["red".into()]).send().await;
    assert_eq!(code(parameter), "InvalidParameters");
    let timeout = base().parameters("executionTimeout", vec!["soon".into()]);
    assert_eq!(code(timeout.send().await), "InvalidParameters");
    let timeout = base().parameters("executionTimeout", vec!["172801".into()]);
    assert_eq!(code(timeout.send().await), "InvalidParameters");
    let bucket = base().output_s3_bucket_name("mine").send().await;
    assert_eq!(code(bucket), "InvalidOutputLocation");
    let empty = kit
        .ssm()
        .send_command()
        .document_name("AWS-RunShellScript")
        .instance_ids(ID);
    assert_eq!(code(empty.send().await), "InvalidParameters");
    let nobody = base().instance_ids("i-0123456789abcdef0").send().await;
    assert_eq!(code(nobody), "InvalidInstanceId");
    assert_eq!(kit.with(|w| w.commands.len()), 0);
    let by_tag = kit
        .ssm()
        .send_command()
        .document_name("AWS-RunShellScript")
        .targets(
            Target::builder()
                .key("tag:Name")
                .values("my-dev-stack")
                .build(),
        )
        .parameters("commands", vec!["true".into()])
        .parameters("workingDirectory", vec!["/tmp".into()]);
    by_tag.send().await.unwrap();
    let folder = kit.with(|w| w.commands[0].working_directory.clone());
    assert_eq!(folder.as_deref(), Some("/tmp"));
}

#[tokio::test]
async fn a_command_is_cancelled() {
    let kit = Kit::new();
    let id = sent(&kit, send(&kit, &["sleep 1000"])).await;
    kit.with(|w| w.next_command(ID, kit.clock.now())).unwrap();
    let cancel = |id: &str| kit.ssm().cancel_command().command_id(id).send();
    cancel(&id).await.unwrap();
    let seen = look(&kit, &id).await;
    assert_eq!(seen.status(), Some(&CommandInvocationStatus::Cancelling));
    kit.with(|w| w.finish_command(ID, &id, 137, "", "", kit.clock.now()));
    let seen = look(&kit, &id).await;
    assert_eq!(seen.status(), Some(&CommandInvocationStatus::Cancelled));
    let unknown = cancel("00000000-0000-0000-0000-000000000000").await;
    assert_eq!(code(unknown), "InvalidCommandId");
}

#[tokio::test]
async fn fact_25_a_parameter_is_a_lock() {
    let kit = Kit::new();
    let ssm = kit.ssm();
    let put = |n: u32, value: &str| {
        ssm.put_parameter()
            .name(format!("/geusemaker/s/lock/{n:010}"))
            .r#type(ParameterType::String)
            .value(value)
    };
    assert_eq!(put(1, "mine").send().await.unwrap().version(), 1);
    assert_eq!(
        code(put(1, "theirs").send().await),
        "ParameterAlreadyExists"
    );
    assert_eq!(
        put(1, "beat")
            .overwrite(true)
            .send()
            .await
            .unwrap()
            .version(),
        2
    );
    let get = ssm.get_parameter().name("/geusemaker/s/lock/0000000001");
    let got = get.send().await.unwrap();
    let parameter = got.parameter().unwrap();
    assert_eq!((parameter.value(), parameter.version()), (Some("beat"), 2));
    for n in 2..=25 {
        put(n, "x").send().await.unwrap();
    }
    let by_path = ssm.get_parameters_by_path().path("/geusemaker/s/lock");
    let first = by_path.send().await.unwrap();
    assert_eq!(first.parameters().len(), 10, "ten a page");
    let all = ssm
        .get_parameters_by_path()
        .path("/geusemaker/s/lock")
        .into_paginator();
    let pages: Vec<_> = all.send().collect::<Result<_, _>>().await.unwrap();
    let all = pages.iter().map(|p| p.parameters().len()).sum::<usize>();
    assert_eq!(all, 25);
    let delete = || {
        ssm.delete_parameter()
            .name("/geusemaker/s/lock/0000000025")
            .send()
    };
    delete().await.unwrap();
    assert_eq!(code(delete().await), "ParameterNotFound");
    assert_eq!(code(put(25, "x").send().await), "ParameterAlreadyExists");
    kit.pass(30_000);
    put(25, "x").send().await.unwrap();
    let none = ssm.get_parameter().name("/nope").send().await;
    assert_eq!(code(none), "ParameterNotFound");
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Wake for Heard {
    fn wake(&self, instance: &str) {
        self.0.lock().unwrap().push(instance.to_owned());
    }
}

#[tokio::test]
async fn the_owner_is_told_of_work_until_it_is_taken() {
    let mut kit = Kit::new();
    let heard = Arc::new(Heard::default());
    let waking = kit.endpoint.clone().waking(heard.clone());
    kit.config = kit
        .config
        .into_builder()
        .http_client(http_client(waking))
        .build();
    let take = || std::mem::take(&mut *heard.0.lock().unwrap());
    kit.ec2().describe_instances().send().await.unwrap();
    assert_eq!(take(), Vec::<String>::new());
    let id = sent(&kit, send(&kit, &["true"])).await;
    assert_eq!(take(), [ID]);
    look(&kit, &id).await;
    assert_eq!(take(), [ID], "again, while nobody has taken it");
    kit.agent_runs(0, "", "");
    look(&kit, &id).await;
    assert_eq!(take(), Vec::<String>::new());
}
