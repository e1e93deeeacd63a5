//! A second opinion: the sandbox and moto, asked the same by boto3 and the AWS CLI (`tests/wire/suite.py`), and then by our own
//! adapters. See docs/sandbox.md.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use geusemaker::cloud::aws::{Aws, in_process};
use geusemaker::cloud::{Ec2, Effect};
use geusemaker::model::{FileSystemId, InstanceFacts, InstanceId, InstanceType, Permit, RunState};
use serde_json::Value;

/// Not by a macro: those are captured, and shown of failed tests only.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

#[test]
fn the_sandbox_and_moto_are_asked_the_same_and_our_adapters_work_on_both() {
    let Some(python) = std::env::var_os("GEUSEMAKER_WIRE") else {
        say(
            "left out, for want of boto3, the AWS CLI and moto: wire::the_sandbox_and_moto_are_asked_the_same_and_our_adapters_work_on_both. To run it: tests/wire/setup /tmp/wire && GEUSEMAKER_WIRE=/tmp/wire/bin/python cargo test --test promises wire::",
        );
        return;
    };
    let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/suite.py");
    let mut process = Command::new(python)
        .args([suite, env!("CARGO_BIN_EXE_geusemaker"), "--hold"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("GEUSEMAKER_WIRE is a Python");
    let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
    let (mut said, mut sides) = (Vec::new(), None);
    for line in lines.map_while(Result::ok) {
        match serde_json::from_str::<Vec<Value>>(&line) {
            Ok(found) => {
                sides = Some(found);
                break;
            }
            Err(_) => said.push(line),
        }
    }
    let wrong: Vec<&String> = said.iter().filter(|l| l.starts_with("wrong: ")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let sides = sides.expect("the suite came to its end");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for side in &sides {
        runtime.block_on(ours(side));
    }
    drop(process.stdin.take());
    assert!(process.wait().expect("its end").success());
    assert!(said.iter().any(|l| l.starts_with("wire: ")), "{said:?}");
    for line in said {
        say(&line);
    }
    say(&format!("wire: our adapters on {} sides", sides.len()));
}

/// The instance, once it is in this state.
async fn until(ec2: &dyn Ec2, id: &InstanceId, state: RunState) -> InstanceFacts {
    let begun = Instant::now();
    loop {
        let found = ec2.instance(id).await.expect("an answer");
        let found = found.expect("the instance");
        if found.state == state {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Reads, and changes the type back, by our own adapters.
async fn ours(side: &Value) {
    let text = |key: &str| side[key].as_str().expect("a text").to_owned();
    let name = text("name");
    let key = Credentials::new(text("key"), text("secret"), None, None, "the suite");
    let config = in_process(Builder::new().build_http(), &text("region"))
        .into_builder()
        .endpoint_url(text("endpoint"))
        .credentials_provider(SharedCredentialsProvider::new(key))
        .build();
    let aws = Aws::new(&config).expect("a region");
    let ec2 = &*aws.ec2;
    let id = InstanceId::new(text("instance")).expect("an id");
    let [small, large, none] =
        ["t3.medium", "t3.large", "t9.huge"].map(|t| InstanceType::new(t).expect("a type"));

    let seen = until(ec2, &id, RunState::Running).await;
    assert_eq!(seen.instance_type, large, "{name}");
    let seen = ec2.complete(seen).await.expect("what a preflight needs");
    assert_eq!(seen.stop_protection, Some(false), "{name}");
    let other = InstanceId::new("i-0123456789abcdef0").expect("an id");
    assert_eq!(ec2.instance(&other).await, Ok(None), "{name}");

    let wanted = [small.clone(), none];
    let types = ec2.types(&wanted).await.expect("the types");
    let found: Vec<_> = types.iter().map(|t| (&t.name, &*t.ena)).collect();
    assert_eq!(found, [(&small, "required")], "{name}");
    let offered = ec2.offered(&wanted, &seen.zone).await;
    assert_eq!(offered, Ok(vec![small.clone()]), "{name}");
    for effect in [Effect::Stop, Effect::Start, Effect::SetType(small.clone())] {
        let permit = ec2.permits(&id, &effect).await;
        assert_eq!(permit, Ok(Permit::Yes), "{name}: {effect:?}");
    }

    ec2.stop(&id, false).await.expect("a stop");
    let stopped = until(ec2, &id, RunState::Stopped).await;
    assert_eq!(stopped.public_ip, None, "{name}");
    ec2.set_type(&id, &small).await.expect("a type");
    let checks = ec2.status_checks(&id).await;
    assert!(checks.is_ok(), "{name}: {checks:?}");
    ec2.start(&id).await.expect("a start");
    let back = until(ec2, &id, RunState::Running).await;
    assert_eq!(back.instance_type, small, "{name}");
    assert!(back.public_ip.is_some(), "{name}");
    let console = ec2.console(&id).await;
    assert!(console.is_ok(), "{name}: {console:?}");

    let on = FileSystemId::new(text("file_system")).expect("an id");
    let disk = aws.efs.file_system(&on).await.expect("an answer");
    let disk = disk.expect("the file system");
    assert_eq!(disk.state, "available", "{name}");
    let here = disk.mount_targets.iter().any(|t| t.zone == back.zone);
    assert!(here, "{name}: {disk:?}");
    let other = FileSystemId::new("fs-0123456789abcdef0").expect("an id");
    assert_eq!(aws.efs.file_system(&other).await, Ok(None), "{name}");
}
