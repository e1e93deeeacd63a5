//! Every wait of the shell ends: each limit is let run out once, on a clock of its own.

use std::time::Duration;

use geusemaker::journal::{Entry, Failure, Line};
use geusemaker::model::Outcome;

use crate::saga::{Rig, opened, update};

fn failures(lines: &[Line]) -> Vec<&Failure> {
    lines
        .iter()
        .filter_map(|l| match &l.entry {
            Entry::Failed { failure, .. }
            | Entry::UndoFailed { failure, .. }
            | Entry::ConfirmFailed { failure, .. } => Some(failure),
            _ => None,
        })
        .collect()
}

/// One update with something that takes too long. Answers the outcome and the codes of what failed.
fn update_while(
    instance_type: Option<&str>,
    images: &[(&str, &str)],
    slow: impl FnOnce(&Rig),
) -> (Outcome, Vec<String>, Rig) {
    crate::saga::block_on(async {
        let rig = Rig::new();
        let world = rig.plain_world();
        let (plan, snapshot) = rig
            .plan(&world, &update(instance_type, images), "before")
            .await;
        slow(&rig);
        let (outcome, lines) = rig
            .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
            .await;
        let codes = failures(&lines).iter().map(|f| f.code.clone()).collect();
        (outcome, codes, rig)
    })
}

const N8N: &[(&str, &str)] = &[("n8n", "n8nio/n8n:1.20.0")];

#[test]
fn a_pull_without_end_is_refused_in_time() {
    let (outcome, codes, rig) = update_while(None, N8N, |rig| {
        rig.memory.world().latency.pull = 3 * 60 * 60 * 1000;
    });
    assert_eq!(
        (outcome, codes),
        (Outcome::Refused, vec!["job_timeout".to_owned()])
    );
    assert_eq!(rig.stack()["type"], "t3.medium");
}

#[test]
fn health_that_never_comes_is_taken_back_in_time() {
    let (outcome, codes, rig) = update_while(None, N8N, |rig| {
        let never = geusemaker::sandbox::fault::Fault {
            key: "health:n8n@n8nio/n8n:1.20.0".into(),
            instance_type: None,
            code: "unhealthy".into(),
            times: None,
        };
        rig.memory.world().faults.0.push(never);
    });
    assert_eq!(
        (outcome, codes),
        (Outcome::RolledBack, vec!["unhealthy".to_owned()])
    );
    assert!(rig.stack()["container n8n"].starts_with("n8nio/n8n:1.19.4 "));
}

#[test]
fn health_that_is_still_starting_at_the_end_of_its_time_is_taken_back() {
    let (outcome, codes, _) = update_while(None, N8N, |rig| {
        rig.memory.world().latency.healthy = 10 * 60 * 1000;
    });
    // The old container starts as slowly: the confirmation has the same limit, and says so.
    assert_eq!(outcome, Outcome::Stuck);
    assert_eq!(codes, ["unhealthy", "unhealthy"]);
}

#[test]
fn a_host_that_never_comes_back_ends_in_time_and_says_so() {
    let (outcome, codes, rig) = update_while(Some("t3.large"), &[], |rig| {
        rig.memory.world().latency.agent = 24 * 60 * 60 * 1000;
    });
    assert_eq!(outcome, Outcome::Stuck);
    assert_eq!(codes, ["host_not_back", "host_not_back"]);
    // Even so it is the old type, and it runs: what EC2 can bring back is brought back.
    assert_eq!(
        (rig.stack()["type"].as_str(), rig.stack()["state"].as_str()),
        ("t3.medium", "running")
    );
}

#[test]
fn a_host_that_falls_silent_before_the_stop_refuses_in_time() {
    let (outcome, codes, rig) = update_while(Some("t3.large"), &[], |rig| {
        let mut world = rig.memory.world();
        world
            .instances
            .values_mut()
            .next()
            .expect("one")
            .agent_installed = false;
    });
    assert_eq!(
        (outcome, codes),
        (Outcome::Refused, vec!["host_unreachable".to_owned()])
    );
    assert_eq!(rig.stack()["state"], "running");
}

#[test]
fn a_stop_without_end_is_taken_back_in_time() {
    let (outcome, codes, rig) = update_while(Some("t3.large"), &[], |rig| {
        rig.memory.world().latency.stop = 24 * 60 * 60 * 1000;
    });
    // EC2 will not let go of it: the undo's start runs into its own limit.
    assert_eq!(outcome, Outcome::Stuck);
    assert_eq!(codes.first().map(String::as_str), Some("instance_timeout"));
    assert_eq!(rig.stack()["type"], "t3.medium");
    rig.clock.advance(Duration::from_secs(1));
}

#[test]
fn a_shutdown_that_hangs_is_forced_after_the_time_that_was_asked_for() {
    crate::saga::block_on(async {
        for minutes in [2, 7] {
            let rig = Rig::new();
            let world = rig.plain_world();
            let mut desired = update(Some("t3.large"), &[]);
            desired.stop_ms = minutes * 60_000;
            let (plan, snapshot) = rig.plan(&world, &desired, "before").await;
            let stop = plan
                .steps
                .iter()
                .find(|s| s.action.name() == "stop_instance");
            let detail = stop.expect("it stops").action.detail();
            let said = format!("stop the instance, by ACPI shutdown; forced after {minutes} min");
            assert_eq!(detail, said);
            let ignores = |rig: &Rig| {
                let mut world = rig.memory.world();
                world
                    .instances
                    .values_mut()
                    .next()
                    .expect("one")
                    .ignores_shutdown = true;
            };
            ignores(&rig);
            let began = geusemaker::cloud::Clock::now(&rig.clock);
            let (outcome, _) = rig
                .process(&world, &plan, &snapshot, opened(&plan, &rig), 0, None)
                .await;
            assert_eq!(outcome, Outcome::Updated);
            let took = geusemaker::cloud::Clock::now(&rig.clock).duration_since(began);
            let took = took.as_secs();
            let least = i64::try_from(minutes * 60).expect("small");
            assert!((least..least + 60).contains(&took), "{took} s");
        }
    });
}
