//! Every reply in every format; the texts as they are.

mod readers;

use super::fixture::*;
use super::*;
use crate::model::Outcome;
use insta::assert_snapshot;

fn replies() -> Vec<Reply> {
    let mut all: Vec<Reply> = Outcome::ALL.into_iter().map(reply).collect();
    let body = |command: &str, body: Body| Reply::new(command).of(&name()).body(body);
    let ready = (Box::new(plan()), DIFF.to_owned());
    all.extend([
        Reply::new("sandbox"),
        body(
            "update",
            Body::DryRun {
                data: Box::new(PlanData::new(Some(&plan()), checks())),
                ready: Some(ready),
            },
        ),
        Reply::new("list").body(Body::List(list())),
        Reply::new("list").body(Body::List(ListData::default())),
        body("status", Body::Status(Box::new(status()))),
        body("history", Body::History(history())),
        body("history", Body::History(HistoryData::default())),
        body("inspect", Body::Inspect(Box::new(inspect()))),
        body("adopt", Body::Adopt(Box::new(adopted()))),
        body("check", Body::Check(Box::new(checked()))),
        body("check", Body::Fix(Box::new(mended()))),
        Reply::new("sandbox").body(Body::Sandbox {
            data: Box::new(sandbox()),
            only_faults: false,
        }),
        Reply::new("man").body(Body::Raw {
            key: "page",
            text: ".TH x\n".into(),
        }),
        Reply::new("status").failed(
            CommandError::failed("cloud_error", "no").with_data(serde_json::json!({ "x": 1 })),
        ),
    ]);
    all
}

#[test]
fn every_reply_is_exactly_one_document_in_every_format() {
    for reply in replies() {
        let (json, _) = printed(&reply, OutputFormat::Json);
        let document: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(document["schema"], RESULT_SCHEMA);
        assert_eq!(document["outcome"], reply.outcome.as_str());
        assert_eq!(document["exit_code"], reply.outcome.exit_code());
        assert!(document["data"].is_object(), "{json}");
        assert_eq!(document["error"].is_null(), reply.error.is_none(), "{json}");
        let (yaml, _) = printed(&reply, OutputFormat::Yaml);
        let same: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(document, same);
        let (text, err) = printed(&reply, OutputFormat::Text);
        for shown in [&json, &yaml, &text, &err] {
            assert!(
                !shown.chars().any(|c| is_unsafe(c) && c != '\n'),
                "{shown:?}"
            );
        }
        assert_eq!(
            err.starts_with("error: ") || err.contains("\nerror: "),
            reply.error.is_some()
        );
    }
}

#[test]
fn the_contract_names_the_fields() {
    let keys = |reply: &Reply, pointer: &str| -> Vec<String> {
        let document = serde_json::to_value(reply.document(&Words::default())).unwrap();
        let at = document
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer} in {document}"));
        at.as_object().unwrap().keys().cloned().collect()
    };
    let body = |body: Body| Reply::new("x").body(body);
    let dry = body(Body::DryRun {
        data: Box::new(PlanData::new(Some(&plan()), checks())),
        ready: None,
    });
    for (reply, pointer, fields) in [
        (
            reply(Outcome::RolledBack),
            "",
            "schema command deployment outcome exit_code data warnings error",
        ),
        (
            reply(Outcome::RolledBack),
            "/error",
            "code message causes help",
        ),
        (
            reply(Outcome::Updated),
            "/data",
            "operation_id success changes_applied previous_state new_state snapshot_id steps verified \
             addresses cost downtime_seconds duration_seconds warnings",
        ),
        (
            reply(Outcome::Updated),
            "/data/previous_state/images/n8n",
            "ref id digest",
        ),
        (
            reply(Outcome::Updated),
            "/data/steps/0",
            "name on status seconds",
        ),
        (
            reply(Outcome::Updated),
            "/data/verified",
            "type state images compose_sha256 mounts data health public_ip",
        ),
        (
            reply(Outcome::Refused),
            "/data/plan/checks/2",
            "name status message found expected help",
        ),
        (
            dry.clone(),
            "/data/plan",
            "steps changes checks expected_downtime_seconds",
        ),
        (dry, "/data/plan/steps/0", "name on detail outage"),
        (
            body(Body::Check(Box::new(checked()))),
            "/data",
            "plan rollback",
        ),
        (
            body(Body::Check(Box::new(checked()))),
            "/data/plan",
            "steps changes checks expected_downtime_seconds",
        ),
        (
            body(Body::Check(Box::new(checked()))),
            "/data/rollback",
            "snapshot_id status changes",
        ),
        (
            body(Body::Fix(Box::new(mended()))),
            "/data",
            "file text unit written requires waits images_held",
        ),
        (
            body(Body::List(list())),
            "/data/deployments/0",
            "name status region instance_type instances images updated_at",
        ),
        (
            body(Body::Status(Box::new(status()))),
            "/data",
            "name status instances mounts services drift operation",
        ),
        (
            body(Body::Status(Box::new(status()))),
            "/data/instances/0",
            "id state type public_ip",
        ),
        (
            body(Body::Status(Box::new(status()))),
            "/data/services/0",
            "name image digest state health restarts",
        ),
        (
            body(Body::History(history())),
            "/data/operations/0",
            "id kind outcome started_at duration_seconds changes snapshot_id",
        ),
        (
            body(Body::History(history())),
            "/data/snapshots/0",
            "id taken_at healthy instance_type images",
        ),
    ] {
        let expected: Vec<&str> = fields.split_whitespace().collect();
        assert_eq!(keys(&reply, pointer), expected, "{pointer}");
    }
}

#[test]
fn updated() {
    let (out, err) = printed(&reply(Outcome::Updated), OutputFormat::Text);
    assert_snapshot!(out, @r##"
    my-dev-stack is updated.
      instance_type: t3.medium -> t3.large
      image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0

    downtime   12 s of 2 min 5 s
    verified   t3.large, running, /mnt/efs ok, 1 of 2 services green, ollama red
    data       15 of 16 files in 2 folders the same; /mnt/efs/n8n: database.sqlite changed
    address    203.0.113.10
    snapshot   s-1
    operation  op-1

    to go back:  geusemaker --sandbox rollback my-dev-stack
    "##);
    assert_snapshot!(err, @"warning: ollama was red before");
}

#[test]
fn unchanged() {
    let (out, _) = printed(&reply(Outcome::Unchanged), OutputFormat::Text);
    assert_snapshot!(out, @"my-dev-stack is as asked for already; nothing was changed.");
}

#[test]
fn refused_shows_every_refusal_with_its_next_step() {
    let (out, err) = printed(&reply(Outcome::Refused), OutputFormat::Text);
    assert_eq!(out, "");
    assert_snapshot!(err, @r##"
    warning: ollama was red before
    error: refused \u{1b}[2J
      because: ec2:StartInstances: InsufficientInstanceCapacity
      ✗ type_architecture: t4g.large cannot run this instance's system
          found:    arm64
          expected: x86_64
          help:     take a type of the same architecture, like t3.large
      help: what to do stands with each check; nothing was changed
    "##);
}

#[test]
fn rolled_back_says_what_failed_and_what_was_verified() {
    let (out, err) = printed(&reply(Outcome::RolledBack), OutputFormat::Text);
    assert_snapshot!(out, @r##"
    the change failed; my-dev-stack is verified to be as before.

    STEP               ON                   STATUS       TOOK
    write_snapshot     i-0123456789abcdef0  done         1.2 s
    stop_instance      i-0123456789abcdef0  undone       1.2 s
    set_instance_type  i-0123456789abcdef0  undone       1.2 s
    start_instance     i-0123456789abcdef0  FAILED       1.2 s
    await_host         i-0123456789abcdef0  not reached

    downtime   12 s of 2 min 5 s
    what is    t3.medium, running, /mnt/efs ok, 1 of 2 services green, ollama red
    data       15 of 16 files in 2 folders the same; /mnt/efs/n8n: database.sqlite changed
    address    203.0.113.10
    snapshot   s-1
    operation  op-1

    what happened:  geusemaker --sandbox history my-dev-stack op-1
    "##);
    assert_snapshot!(err, @r##"
    warning: ollama was red before
    error: rolled_back \u{1b}[2J
      because: ec2:StartInstances: InsufficientInstanceCapacity
      help: AWS has none of this type in the zone now: try again later, or take another type
    "##);
}

#[test]
fn stuck_says_what_is_where_and_which_commands() {
    let (out, err) = printed(&reply(Outcome::Stuck), OutputFormat::Text);
    assert_snapshot!(out, @r##"
    my-dev-stack needs a person.

    STEP               ON                   STATUS               TOOK
    write_snapshot     i-0123456789abcdef0  done                 1.2 s
    stop_instance      i-0123456789abcdef0  undone               1.2 s
    set_instance_type  i-0123456789abcdef0  COULD NOT BE UNDONE  1.2 s
    start_instance     i-0123456789abcdef0  FAILED               1.2 s
    await_host         i-0123456789abcdef0  not reached

    downtime   12 s of 2 min 5 s
    what is    t3.medium, running, /mnt/efs ok, 1 of 2 services green, ollama red
    data       7 of 8 files in 1 folder the same; /mnt/efs/n8n: database.sqlite changed; /mnt/efs/ollama is empty now
    address    203.0.113.10
    snapshot   s-1
    operation  op-1

    to look:        geusemaker --sandbox status my-dev-stack
    to go back:     geusemaker --sandbox resume my-dev-stack --unwind
    what happened:  geusemaker --sandbox history my-dev-stack op-1
    "##);
    assert_snapshot!(err, @r##"
    warning: ollama was red before
    error: stuck \u{1b}[2J
      because: ec2:StartInstances: InsufficientInstanceCapacity
      help: put right what is named above, then geusemaker --sandbox resume my-dev-stack
      help: or try to go back: geusemaker --sandbox resume my-dev-stack --unwind
    "##);
}

#[test]
fn paused_says_how_to_go_on() {
    let (out, _) = printed(&reply(Outcome::Paused), OutputFormat::Text);
    assert!(
        out.contains("geusemaker --sandbox resume my-dev-stack --unwind"),
        "{out}"
    );
}

#[test]
fn a_plan_side_by_side() {
    assert_snapshot!(text::plan(&plan(), &checks(), DIFF).render(false), @r##"
    update of my-dev-stack

                   CURRENT           NEW
    instance type  t3.medium         t3.large
    n8n            n8nio/n8n:1.19.0  n8nio/n8n:1.20.0

    @@ -3 +3 @@
    -    image: n8nio/n8n:1.19.0
    +    image: n8nio/n8n:1.20.0

       1  write_snapshot     write s-1
    ▼  2  stop_instance      stop the instance, by ACPI shutdown; forced after 10 min
    ▼  3  set_instance_type  t3.medium -> t3.large
    ▼  4  start_instance     start the instance
    ▼  5  await_host         wait for the host: a new boot answers, /mnt/efs is mounted again

    ▼ services can be down here, together about 1 min 35 s
    ! the public address 203.0.113.9 will change
      ! disk: little disk
        free some
    "##);
}

#[test]
fn a_tag_that_has_moved_shows_its_ids() {
    let mut plan = plan();
    plan.after = plan.before.clone();
    let n8n = plan.after.images.get_mut(&service("n8n")).unwrap();
    n8n.id = Some(crate::model::Sha256Id::new(format!("sha256:{}", "b".repeat(64))).unwrap());
    plan.steps.truncate(1);
    plan.expected_downtime_seconds = 0;
    plan.undo_on_failure = false;
    assert_snapshot!(text::plan(&plan, &[], "").render(false), @r##"
    update of my-dev-stack

                   CURRENT                                 NEW
    instance type  t3.medium                               (stays)
    n8n            n8nio/n8n:1.19.0 (sha256:aaaaaaaaaaaa)  n8nio/n8n:1.19.0 (sha256:bbbbbbbbbbbb)

       1  write_snapshot     write s-1

    No service goes down.
    A failure is not undone (--no-rollback): it pauses.
    ! the public address 203.0.113.9 will change
    "##);
}

#[test]
fn looks() {
    let show = |body: Body| printed(&Reply::new("x").of(&name()).body(body), OutputFormat::Text).0;
    assert_snapshot!(show(Body::List(list())), @r##"
    NAME          STATUS   TYPE      REGION     INSTANCES            UPDATED (UTC)
    my-dev-stack  updated  t3.large  us-east-1  i-0123456789abcdef0  2026-11-20 10:05:00
    "##);
    assert_snapshot!(show(Body::List(ListData::default())), @r##"
    There is no deployment.
      geusemaker --sandbox adopt NAME --instance-id i-…
    "##);
    assert_snapshot!(show(Body::Status(Box::new(status()))), @r##"
    my-dev-stack: unhealthy

    INSTANCE             STATE    TYPE       ADDRESS
    i-0123456789abcdef0  running  t3.medium  203.0.113.9

    MOUNT     FILE SYSTEM           STATE
    /mnt/efs  fs-0123456789abcdef0  ok

    SERVICE   IMAGE                   STATE            HEALTH   RESTARTS
    n8n       n8nio/n8n:1.19.0        running          healthy  0
    crawl4ai  unclecode/crawl4ai:0.7  exited\u{1b}[2J  -        3

    DRIFT          RECORDED  FOUND
    instance_type  t3.large  t3.medium

    update op-1 is paused, since 2026-11-20 10:00:00 UTC
      instance_type: t3.medium -> t3.large
      image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0
      because: paused \u{1b}[2J
    STEP            ON                   STATUS  TOOK
    stop_instance   i-0123456789abcdef0  done    1.2 s
    start_instance  i-0123456789abcdef0  FAILED  1.2 s
    to go on: geusemaker --sandbox resume my-dev-stack
    "##);
    assert_snapshot!(show(Body::Inspect(Box::new(inspect()))), @r##"
    my-dev-stack
    account      123456789012
    region       us-east-1
    instance     i-0123456789abcdef0
    file system  none: the data is on the root volume
    compose      /root/docker-compose.yml (project root)
    created      2026-11-20 10:00:00 UTC
    status       adopted
    type         t3.medium
    address      -
    as seen      2026-11-20 10:00:00 UTC
    n8n          n8nio/n8n:1.19.0

    OPERATION  KIND    OUTCOME    STARTED (UTC)        TOOK  CHANGES
    op-2       update  not ended  2026-11-20 10:01:00  -     instance_type: t3.medium -> t3.large
    op-1       update  updated    2026-11-20 10:01:00  20 s  instance_type: t3.medium -> t3.large

    SNAPSHOT  TAKEN (UTC)          HEALTHY  TYPE
    s-1       2026-11-20 10:01:00  yes      t3.medium
    "##);
    assert_snapshot!(show(Body::Adopt(Box::new(adopted()))), @r##"
    my-dev-stack is adopted; nothing on the instance was changed.

    INSTANCE             STATE    TYPE       ADDRESS
    i-0123456789abcdef0  running  t3.medium  203.0.113.9

    SERVICE   IMAGE                   STATE            HEALTH   RESTARTS
    n8n       n8nio/n8n:1.19.0        running          healthy  0
    crawl4ai  unclecode/crawl4ai:0.7  exited\u{1b}[2J  -        3

    compose  /root/docker-compose.yml
    data     the root volume
    next     geusemaker --sandbox status my-dev-stack
    "##);
    assert_snapshot!(
        show(Body::Sandbox { data: Box::new(sandbox()), only_faults: false }),
        @r##"
    folder       /home/me/.geusemaker/sandbox
    deployments  my-dev-stack

    INSTANCE             STATE    TYPE       ADDRESS
    i-0123456789abcdef0  running  t3.medium  203.0.113.9

    LATENCY
    stop           60 ms
    start          60 ms
    agent          60 ms
    status_checks  80 ms
    pull           50 ms
    healthy        80 ms

    FAULT                                                     TIMES
    mount:hang                                                1
    ec2:StartInstances@t3.large=InsufficientInstanceCapacity  always
    "##
    );
}

#[test]
fn one_operation() {
    let mut history = history();
    history.operations.truncate(1);
    let one = &mut history.operations[0];
    one.outcome = Some(Outcome::RolledBack);
    one.duration_seconds = Some(20.1);
    one.steps = Some(steps(&[("stop_instance", StepStatus::Undone)]));
    one.error = error(Outcome::RolledBack);
    let reply = Reply::new("history").body(Body::History(history));
    assert_snapshot!(printed(&reply, OutputFormat::Text).0, @r##"
    update op-2: rolled_back
      instance_type: t3.medium -> t3.large
      because: rolled_back \u{1b}[2J
        ec2:StartInstances: InsufficientInstanceCapacity

    started          2026-11-20 10:01:00 UTC
    took             20 s
    snapshot before  s-1

    STEP           ON                   STATUS  TOOK
    stop_instance  i-0123456789abcdef0  undone  1.2 s
    "##);
}

#[test]
fn what_is_said_on_stderr_is_events_with_the_operation_they_are_of() {
    for outcome in Outcome::ALL {
        for quiet in [false, true] {
            let how = Printing {
                format: OutputFormat::Text,
                color_out: false,
                color_err: true,
                quiet,
                events: true,
                words: Words::default(),
            };
            let reply = reply(outcome);
            let document = reply.document(&how.words);
            let lines = reply.events(&how, fixture::at(0));
            let events: Vec<serde_json::Value> = lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let of = |kind| events.iter().filter(move |event| event["event"] == kind);
            let warnings: Vec<_> = of("warning").map(|event| &event["message"]).collect();
            let expected = if quiet { &[][..] } else { &document.warnings };
            assert_eq!(warnings, expected.iter().collect::<Vec<_>>(), "{outcome:?}");
            let errors: Vec<_> = of("error").map(|event| event["error"].clone()).collect();
            let error = document
                .error
                .map(|error| serde_json::to_value(error).unwrap());
            assert_eq!(errors, Vec::from_iter(error), "{outcome:?}");
            assert_eq!(events.len(), warnings.len() + errors.len());
            for event in &events {
                assert_eq!(
                    event["operation_id"], document.data["operation_id"],
                    "{outcome:?}"
                );
            }
        }
    }
}

#[test]
fn a_next_step_in_a_warning_begins_as_it_must_be_typed() {
    // `unlock` named the bare program: typed so, it broke the lock of another deployment of the same name.
    let warning = "an operation stays open: geusemaker unlock dev --force";
    let of_change = ChangeData {
        warnings: vec![warning.into()],
        ..ChangeData::default()
    };
    let mut alone = Reply::new("unlock");
    alone.warnings.push(warning.into());
    for reply in [
        alone,
        Reply::new("unlock").body(Body::Change(Box::new(of_change))),
    ] {
        for format in [OutputFormat::Text, OutputFormat::Json] {
            let (out, err) = printed(&reply, format);
            let said = err + &out;
            let typed = "geusemaker --sandbox unlock dev --force";
            assert!(said.contains(typed), "{said}");
            assert!(!said.contains("geusemaker unlock"), "{said}");
        }
    }
}

#[test]
fn quiet_keeps_the_error_and_drops_the_warnings() {
    let how = Printing {
        format: OutputFormat::Text,
        color_out: false,
        color_err: false,
        quiet: true,
        events: false,
        words: Words::default(),
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    print(&reply(Outcome::RolledBack), &how, &mut out, &mut err).unwrap();
    let err = String::from_utf8(err).unwrap();
    assert!(
        err.starts_with("error: ") && !err.contains("warning"),
        "{err}"
    );
}

#[test]
fn what_is_on_stdout_already_gets_no_document() {
    let reply = Reply::new("sandbox").body(Body::Written);
    for format in [OutputFormat::Text, OutputFormat::Json, OutputFormat::Yaml] {
        assert_eq!(printed(&reply, format), (String::new(), String::new()));
    }
}

#[test]
fn a_check_says_each_finding_and_what_follows() {
    let text = |reply: &Reply| printed(reply, OutputFormat::Text).0;
    let body = |body: Body| Reply::new("check").of(&name()).body(body);
    assert_snapshot!(text(&body(Body::Check(Box::new(checked())))), @r"
      ✓ type_exists: t4g.large exists
      ! disk: little disk
        free some

    would change  instance_type: t3.medium -> t3.large
    would change  image: n8n: n8nio/n8n:1.19.0 -> n8nio/n8n:1.20.0
    services would be down for about 1 min 35 s
    An update could go ahead.
    A rollback to 20261120-090000-0001 could go ahead, with the warnings above.
    ");
    assert_snapshot!(text(&body(Body::Fix(Box::new(mended())))), @r"
    /etc/systemd/system/docker.service.d/geusemaker-mount.conf is written; Docker waits for mnt-efs.mount at a boot.
    Docker was not restarted: it matters at the next boot.
    ");
}
