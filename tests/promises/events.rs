//! `--progress json`: stderr is for a program that reads it line by line.

use serde_json::Value;

use crate::support::{Ran, Sandbox};

/// Each line of stderr, read as an event.
#[track_caller]
fn events(ran: &Ran) -> Vec<Value> {
    let events = ran.err.lines().map(|line| {
        let event: Value = serde_json::from_str(line)
            .unwrap_or_else(|why| panic!("{line:?} ({why}) among\n{}", ran.err));
        assert_eq!(event["schema"], "geusemaker.event/1", "{line}");
        assert!(
            event["at"].is_string() && event["event"].is_string(),
            "{line}"
        );
        assert!(event.get("operation_id").is_some(), "{line}");
        event
    });
    events.collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    let names = events.iter().filter_map(|event| event["event"].as_str());
    names.collect()
}

#[test]
fn every_line_of_stderr_is_an_event_however_it_ends() {
    let sandbox = Sandbox::new();
    for fault in [
        "health:n8n@n8nio/n8n:1.21.0=unhealthy",
        "pull:n8nio/n8n:9.9.9=missing",
    ] {
        sandbox.run(&["sandbox", "fault", "add", fault]).ended(0);
    }
    let table = [
        ("update my-dev-stack", 2, "usage"),
        ("update my-dev-stack --no-such-flag", 2, "usage"),
        (
            "update no-such-stack --image n8n=n8nio/n8n:1.20.0",
            8,
            "deployment_not_found",
        ),
        (
            "update my-dev-stack --image n8n=n8nio/n8n:1.20.0",
            9,
            "no_terminal",
        ),
        (
            "update my-dev-stack --image n8n=n8nio/n8n:9.9.9 --force",
            3,
            "image_missing",
        ),
        (
            "update my-dev-stack --image n8n=n8nio/n8n:1.21.0 --force --health-timeout 2s",
            4,
            "unhealthy",
        ),
        (
            "update my-dev-stack --instance-type t3.nano2 --force",
            3,
            "type_exists",
        ),
        (
            "update my-dev-stack --image n8n=n8nio/n8n:1.20.0 --force",
            0,
            "",
        ),
        (
            "update my-dev-stack --image n8n=n8nio/n8n:1.20.0 --force",
            0,
            "",
        ),
        ("resume my-dev-stack", 0, ""),
    ];
    for (line, code, error) in table {
        let words: Vec<&str> = line
            .split(' ')
            .chain(["--progress", "json", "-o", "json"])
            .collect();
        let ran = sandbox.run(&words);
        ran.ended(code);
        let (events, result) = (events(&ran), ran.json());
        let told = events.iter().find(|event| event["event"] == "error");
        match told {
            Some(told) => assert_eq!(told["error"], result["error"], "{words:?}"),
            None => assert_eq!(result["error"], Value::Null, "{words:?}"),
        }
        assert_eq!(
            result["error"]["code"].as_str().unwrap_or_default(),
            error,
            "{words:?}"
        );
        let all = names(&events);
        let opened = result["data"]["operation_id"].is_string();
        assert_eq!(
            all.contains(&"operation_started"),
            opened,
            "{words:?}: {all:?}"
        );
        // The plan, for people who read the log of a pipeline.
        let shown = all.contains(&"message");
        assert_eq!(shown, opened || code == 9, "{words:?}: {all:?}");
    }
    // What nobody could be given is told in the same form.
    let mut full = sandbox.command(&["update", "my-dev-stack", "--progress", "json"]);
    full.args(["--image", "n8n=n8nio/n8n:1.20.0", "--force", "-o", "json"]);
    let full = full.stdout(
        fs_err::File::create("/dev/full")
            .expect("a device")
            .into_file(),
    );
    let ran = Ran::new(full.output().expect("the binary runs"));
    let told = events(ran.ended(1));
    let mut told = told.iter().filter_map(|event| event["message"].as_str());
    assert!(
        told.any(|message| message.contains("cannot be written")),
        "{}",
        ran.err
    );
    // As text, too: what stands on stdout changes nothing.
    let ran = sandbox.run(&["rollback", "my-dev-stack", "--force", "--progress", "json"]);
    ran.ended(0);
    assert!(names(&events(&ran)).contains(&"operation_finished"));
}
