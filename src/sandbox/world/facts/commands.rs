//! Run Command and its agent.

use super::*;

fn send(instances: &[&str]) -> SendCommand {
    SendCommand {
        document: "AWS-RunShellScript".into(),
        instances: instances.iter().map(|i| (*i).to_owned()).collect(),
        script: "echo hello".into(),
        working_directory: None,
        comment: "a comment".into(),
        delivery_timeout_s: Some(30),
        execution_timeout_s: Some(10),
    }
}

#[test]
fn fact_15_an_invocation_does_not_exist_at_first() {
    let mut w = world();
    let id = w.send_command(&send(&[ID]), t0()).unwrap();
    assert_eq!(code(w.invocation(&id, ID, t0())), "InvocationDoesNotExist");
    let found = w.invocation(&id, ID, after(20)).unwrap();
    assert_eq!((found.state, found.exit_code), (CommandState::Pending, -1));
    assert_eq!(
        code(w.invocation("nope", ID, after(20))),
        "InvocationDoesNotExist"
    );
    assert_eq!(code(w.invocation(&id, "x", after(20))), "InvalidInstanceId");
}

#[test]
fn fact_16_output_is_empty_until_the_end_and_then_cut() {
    let mut w = world();
    let id = w.send_command(&send(&[ID]), t0()).unwrap();
    let taken = w.next_command(ID, after(10)).unwrap();
    assert_eq!(
        (taken.id.as_str(), taken.script.as_ref()),
        (id.as_str(), "echo hello")
    );
    assert_eq!(w.next_command(ID, after(10)), None);
    let seen = w.invocation(&id, ID, after(20)).unwrap();
    assert_eq!(
        (seen.state, seen.stdout.as_ref()),
        (CommandState::InProgress, "")
    );
    w.finish_command(
        ID,
        &id,
        3,
        &"é".repeat(24_001),
        &"e".repeat(8_000),
        after(30),
    );
    let seen = w.invocation(&id, ID, after(30)).unwrap();
    assert_eq!((seen.state, seen.exit_code), (CommandState::Failed, 3));
    assert_eq!(seen.stdout.chars().count(), 24_000);
    assert!(seen.stdout.starts_with("éé") && seen.stdout.ends_with("é--output truncated--"));
    assert_eq!(*seen.stderr, *"e".repeat(8_000));
}

#[test]
fn fact_17_the_two_time_limits_are_two() {
    let mut w = world();
    for (seconds, expected) in [
        (29, false),
        (30, true),
        (2_592_000, true),
        (2_592_001, false),
    ] {
        let ask = SendCommand {
            delivery_timeout_s: Some(seconds),
            ..send(&[ID])
        };
        let answer = w.send_command(&ask, t0());
        assert_eq!(answer.is_ok(), expected, "{seconds}: {answer:?}");
    }
    // Nobody comes for it: the delivery runs out.
    let mut w = world();
    let id = w.send_command(&send(&[ID]), t0()).unwrap();
    w.advance(after(29_999));
    assert_eq!(
        w.invocation(&id, ID, after(29_999)).unwrap().state,
        CommandState::Pending
    );
    w.advance(after(30_000));
    let late = w.invocation(&id, ID, after(30_000)).unwrap().state;
    assert_eq!(
        (late.status(), late.details()),
        ("TimedOut", "DeliveryTimedOut")
    );
    assert_eq!(w.next_command(ID, after(30_000)), None);
    // Delivered in time, killed by the agent for its execution timeout, long after the delivery's.
    let id = w.send_command(&send(&[ID]), after(0)).unwrap();
    w.next_command(ID, after(20_000)).unwrap();
    w.advance(after(31_000));
    w.finish_command(ID, &id, 137, "so far", "", after(31_000));
    let late = w.invocation(&id, ID, after(31_000)).unwrap();
    assert_eq!(
        (late.state.details(), late.stdout.as_ref()),
        ("ExecutionTimedOut", "so far")
    );
    // A 137 within the time is a plain failure.
    let id = w.send_command(&send(&[ID]), after(0)).unwrap();
    w.next_command(ID, after(1)).unwrap();
    w.finish_command(ID, &id, 137, "", "", after(2));
    assert_eq!(
        w.invocation(&id, ID, after(20)).unwrap().state,
        CommandState::Failed
    );
}

#[test]
fn fact_19_a_cancel_is_asked_of_the_agent() {
    let mut w = world();
    let pending = w.send_command(&send(&[ID]), t0()).unwrap();
    w.cancel_command(&pending, &[], t0()).unwrap();
    assert_eq!(
        w.invocation(&pending, ID, after(20)).unwrap().state,
        CommandState::Cancelled
    );
    let id = w.send_command(&send(&[ID]), t0()).unwrap();
    w.next_command(ID, t0()).unwrap();
    w.cancel_command(&id, &[], t0()).unwrap();
    assert!(w.cancel_asked(ID, &id));
    assert_eq!(
        w.invocation(&id, ID, after(20)).unwrap().state,
        CommandState::Cancelling
    );
    w.finish_command(ID, &id, 137, "", "", after(30));
    assert_eq!(
        w.invocation(&id, ID, after(30)).unwrap().state,
        CommandState::Cancelled
    );
    assert_eq!(
        code(w.cancel_command("nope", &[], t0())),
        "InvalidCommandId"
    );
}

#[test]
fn fact_20_a_command_cut_off_by_a_stop_is_delivered_again_after_the_boot() {
    let mut w = world();
    let ask = SendCommand {
        delivery_timeout_s: None,
        ..send(&[ID])
    };
    let first = w.send_command(&ask, t0()).unwrap();
    let second = w.send_command(&ask, t0()).unwrap();
    assert_eq!(w.next_command(ID, t0()).unwrap().id, first);
    w.stop(ID, false, after(10)).unwrap();
    assert_eq!(
        w.next_command(ID, after(20)),
        None,
        "no agent while it stops"
    );
    w.advance(after(100));
    w.modify(ID, &to("t3.large")).unwrap();
    w.start(ID, after(100)).unwrap();
    w.advance(after(219));
    assert_eq!(w.waiting(after(219)), Vec::<String>::new());
    assert_eq!(w.waiting(after(220)), [ID]);
    let again = w.next_command(ID, after(220)).unwrap();
    assert_eq!((again.id, again.deliveries), (first.clone(), 2));
    w.finish_command(ID, &first, 0, "done", "", after(230));
    assert_eq!(w.next_command(ID, after(240)).unwrap().id, second);
    // The end that the first run might still report comes too late to change anything.
    w.finish_command(ID, &first, 1, "late", "", after(250));
    assert_eq!(
        w.invocation(&first, ID, after(250))
            .unwrap()
            .stdout
            .as_ref(),
        "done"
    );
}

#[test]
fn fact_20_fifteen_deliveries_are_the_end() {
    let mut w = world();
    let ask = SendCommand {
        delivery_timeout_s: None,
        ..send(&[ID])
    };
    let id = w.send_command(&ask, t0()).unwrap();
    for n in 0..15 {
        w.advance(after(n));
        assert!(w.next_command(ID, after(n)).is_some(), "{n}");
        w.interrupt_commands(ID);
    }
    w.advance(after(20));
    assert_eq!(w.next_command(ID, after(20)), None);
    assert_eq!(
        w.invocation(&id, ID, after(20)).unwrap().state,
        CommandState::Failed
    );
}

#[test]
fn old_commands_are_forgotten_and_open_ones_never() {
    let mut w = world();
    let open = w.send_command(&send(&[ID]), t0()).unwrap();
    w.next_command(ID, t0()).unwrap();
    let mut last = String::new();
    for n in 0..60 {
        last = w.send_command(&send(&[ID]), after(n)).unwrap();
        w.next_command(ID, after(n)).unwrap();
        w.finish_command(ID, &last, 0, "out", "", after(n));
        w.advance(after(n));
    }
    assert_eq!(w.commands.len(), 41);
    assert_eq!(
        w.invocation(&open, ID, after(100)).unwrap().script.as_ref(),
        "echo hello"
    );
    let newest = w.invocation(&last, ID, after(100)).unwrap();
    assert_eq!(
        (newest.script.as_ref(), newest.stdout.as_ref()),
        ("echo hello", "out")
    );
    assert_eq!(
        w.commands.iter().filter(|c| !c.script.is_empty()).count(),
        6
    );
}

#[test]
fn fact_21_two_sends_are_two_commands() {
    let mut w = world();
    let a = w.send_command(&send(&[ID]), t0()).unwrap();
    let b = w.send_command(&send(&[ID]), t0()).unwrap();
    assert_ne!(a, b);
    assert_eq!(w.commands.len(), 2);
    let long = SendCommand {
        comment: "x".repeat(101),
        ..send(&[ID])
    };
    assert_eq!(code(w.send_command(&long, t0())), "ValidationException");
    let fits = SendCommand {
        comment: "é".repeat(100),
        ..send(&[ID])
    };
    w.send_command(&fits, t0()).unwrap();
}

#[test]
fn fact_22_the_limits_of_a_send() {
    let mut w = world();
    let many = vec![ID; 51];
    assert_eq!(
        code(w.send_command(&send(&many), t0())),
        "ValidationException"
    );
    let big = SendCommand {
        script: "x".repeat(65_537),
        ..send(&[ID])
    };
    assert_eq!(code(w.send_command(&big, t0())), "MaxDocumentSizeExceeded");
    let other = SendCommand {
        document: "AWS-RunPowerShellScript".into(),
        ..send(&[ID])
    };
    assert_eq!(code(w.send_command(&other, t0())), "InvalidDocument");
    assert_eq!(code(w.send_command(&send(&[]), t0())), "InvalidInstanceId");
    assert!(w.commands.is_empty());
}

#[test]
fn fact_23_a_send_is_refused_while_the_agent_is_not_up() {
    let mut w = stopped();
    let refused = |w: &mut World, at| code(w.send_command(&send(&[ID]), after(at)));
    assert_eq!(refused(&mut w, 100), "InvalidInstanceId");
    w.start(ID, after(100)).unwrap();
    assert_eq!(refused(&mut w, 100), "InvalidInstanceId");
    w.advance(after(200));
    assert_eq!(w.instances[ID].state, RunState::Running);
    assert_eq!(refused(&mut w, 200), "InvalidInstanceId");
    w.advance(after(220));
    w.send_command(&send(&[ID]), after(220)).unwrap();
    assert_eq!(
        code(w.send_command(&send(&["i-0123456789abcdef0"]), after(220))),
        "InvalidInstanceId"
    );
}

#[test]
fn fact_23_right_after_a_start_online_is_still_the_ping_of_before() {
    let mut w = stopped();
    let i = &w.instances[ID];
    assert_eq!(i.ping_status(after(100)), Some("Online"));
    assert!(i.last_ping(after(100)).unwrap() <= t0());
    assert_eq!(i.ping_status(after(301_000)), Some("ConnectionLost"));
    w.start(ID, after(100)).unwrap();
    w.advance(after(200));
    let i = &w.instances[ID];
    assert_eq!(i.ping_status(after(200)), Some("Online"));
    assert!(i.last_ping(after(200)).unwrap() < i.launched_at);
    assert!(i.last_ping(after(220)).unwrap() > i.launched_at);
    // An agent that was never there is not even listed.
    instance(&mut w).agent_installed = false;
    instance(&mut w).last_ping = None;
    assert_eq!(w.instances[ID].ping_status(after(220)), None);
}
