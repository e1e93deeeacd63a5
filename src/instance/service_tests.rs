use std::sync::Mutex;

use super::*;
use crate::cloud::testing::VirtualClock;
use crate::cloud::{CloudError, CloudErrorKind};
use crate::instance::scripted::*;

use RunState::{Pending, Running, ShuttingDown, Stopped, Stopping, Terminated};

#[tokio::test]
async fn stopped_stops_once_and_waits() {
    let ec2 = Scripted::looks([
        is(Running),
        is(Running),
        is(Stopping),
        is(Stopping),
        is(Stopped),
    ]);
    let (made, seconds) = run!(ec2, |s| s.stopped(&id()));
    assert_eq!(made, Ok(Made::Done));
    assert_eq!(ec2.did(), ["stop"]);
    assert_eq!(seconds, 3);
    // Called again: nothing is sent.
    let (made, seconds) = run!(ec2, |s| s.stopped(&id()));
    assert_eq!((made, seconds), (Ok(Made::Already), 0));
    assert_eq!(ec2.did(), ["stop"]);
}

#[tokio::test]
async fn a_stop_that_has_begun_is_waited_for_and_not_sent_again() {
    let ec2 = Scripted::looks([is(Stopping), is(Stopping), is(Stopped)]);
    assert_eq!(run!(ec2, |s| s.stopped(&id())).0, Ok(Made::Done));
    assert_eq!(ec2.did(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_pending_instance_is_stopped_once_it_runs() {
    let ec2 = Scripted::looks([
        is(Pending),
        is(Pending),
        is(Running),
        is(Stopping),
        is(Stopped),
    ]);
    assert_eq!(run!(ec2, |s| s.stopped(&id())).0, Ok(Made::Done));
    assert_eq!(ec2.did(), ["stop"]);
    // One whose start falls back is stopped already.
    let ec2 = Scripted::looks([is(Pending), is(Stopped)]);
    assert_eq!(run!(ec2, |s| s.stopped(&id())).0, Ok(Made::Already));
    assert_eq!(ec2.did(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_pending_that_never_ends_is_not_waited_for_for_ever_before_a_stop() {
    let ec2 = Scripted::looks([is(Pending)]);
    let (made, seconds) = run!(ec2, |s| s.stopped(&id()));
    assert_eq!(
        made.unwrap_err().to_string(),
        "waited 300 s for the instance to be started before it is stopped; last seen: pending"
    );
    assert_eq!(seconds, 300);
    assert_eq!(ec2.did(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_stop_that_hangs_is_forced_after_its_deadline() {
    // Running, 301 looks of stopping (one at each end), then the force helps.
    let mut looks = vec![is(Running)];
    looks.extend((0..303).map(|_| is(Stopping)));
    looks.push(is(Stopped));
    let ec2 = Scripted::looks(looks);
    let (made, seconds) = run!(ec2, |s| s.stopped(&id()));
    assert_eq!(made, Ok(Made::Done));
    assert_eq!(ec2.did(), ["stop", "stop --force"]);
    assert_eq!(seconds, 302);
}

#[tokio::test]
async fn a_forced_stop_has_a_deadline_too() {
    let ec2 = Scripted::looks([is(Running), is(Stopping)]);
    let (made, seconds) = run!(ec2, |s| s.stopped(&id()));
    assert_eq!(
        made.unwrap_err().to_string(),
        "waited 300 s for the instance to stop, by force; last seen: stopping"
    );
    assert_eq!(seconds, 600);
    assert_eq!(ec2.did(), ["stop", "stop --force"]);
}

#[tokio::test]
async fn what_is_gone_or_unknown_is_an_error_for_every_verb() {
    for (look, text) in [
        (
            is(Terminated),
            "expected i-0123456789abcdef0 to exist, found it terminated",
        ),
        (
            is(ShuttingDown),
            "expected i-0123456789abcdef0 to exist, found it shutting-down",
        ),
        (
            Ok(None),
            "expected the instance i-0123456789abcdef0, found none",
        ),
    ] {
        let ec2 = Scripted::looks([look]);
        let (a, b) = (type_("t3.medium"), type_("t3.large"));
        let answers = [
            run!(ec2, |s| s.stopped(&id())).0,
            run!(ec2, |s| s.running(&id())).0,
            run!(ec2, |s| s.typed(&id(), &a, &b)).0,
        ];
        for answer in answers {
            assert_eq!(answer.unwrap_err().to_string(), text);
        }
        assert_eq!(ec2.did(), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn one_that_is_terminated_in_the_middle_ends_the_wait() {
    let ec2 = Scripted::looks([is(Running), is(Stopping), is(Terminated)]);
    let (made, seconds) = run!(ec2, |s| s.stopped(&id()));
    assert!(matches!(
        made,
        Err(InstanceError::Gone {
            state: Terminated,
            ..
        })
    ));
    assert_eq!(seconds, 1);
}

#[tokio::test]
async fn a_passing_fault_of_a_look_does_not_end_a_wait_and_lost_credentials_do() {
    let throttled = || Err(error(CloudErrorKind::Throttled, "RequestLimitExceeded"));
    let ec2 = Scripted::looks([is(Running), throttled(), Ok(None), throttled(), is(Stopped)]);
    assert_eq!(run!(ec2, |s| s.stopped(&id())).0, Ok(Made::Done));
    for kind in [CloudErrorKind::Credentials, CloudErrorKind::Denied] {
        let e = error(kind, "X");
        let ec2 = Scripted::looks([is(Running), is(Stopping), Err(e.clone())]);
        let (made, seconds) = run!(ec2, |s| s.stopped(&id()));
        assert_eq!((made, seconds), (Err(InstanceError::Cloud(e)), 1));
    }
}

#[tokio::test]
async fn a_refused_stop_is_the_error_and_nothing_is_forced() {
    let e = error(CloudErrorKind::Denied, "UnauthorizedOperation");
    let mut ec2 = Scripted::looks([is(Running)]);
    ec2.refuse = Some(("stop", e.clone()));
    let made = run!(ec2, |s| s.stopped(&id())).0;
    assert_eq!(made.as_ref().unwrap_err().cloud(), Some(&e));
    assert_eq!(ec2.did(), ["stop"]);
}

#[tokio::test]
async fn typed_modifies_once_and_reads_back() {
    let (a, b) = (type_("t3.medium"), type_("t3.large"));
    let ec2 = Scripted::looks([
        stopped_as("t3.medium"),
        stopped_as("t3.medium"),
        stopped_as("t3.medium"),
        stopped_as("t3.large"),
    ]);
    let (made, seconds) = run!(ec2, |s| s.typed(&id(), &a, &b));
    assert_eq!((made, seconds), (Ok(Made::Done), 2));
    assert_eq!(ec2.did(), ["set_type t3.large"]);
    let (made, _) = run!(ec2, |s| s.typed(&id(), &a, &b));
    assert_eq!(made, Ok(Made::Already));
    assert_eq!(ec2.did(), ["set_type t3.large"]);
}

#[tokio::test]
async fn a_type_that_never_reads_back_runs_into_the_deadline() {
    let (a, b) = (type_("t3.medium"), type_("t3.large"));
    let ec2 = Scripted::looks([stopped_as("t3.medium")]);
    let (made, seconds) = run!(ec2, |s| s.typed(&id(), &a, &b));
    assert_eq!(
        made.unwrap_err().to_string(),
        "waited 60 s for the type of the instance to read t3.large; last seen: t3.medium"
    );
    assert_eq!(seconds, 60);
}

#[tokio::test]
async fn a_third_type_is_somebody_elses_before_and_after() {
    let (a, b) = (type_("t3.medium"), type_("t3.large"));
    let text = "expected i-0123456789abcdef0 to be t3.medium or t3.large, found m5.large: somebody else changed its type";
    let ec2 = Scripted::looks([stopped_as("m5.large")]);
    let made = run!(ec2, |s| s.typed(&id(), &a, &b)).0;
    assert_eq!(made.unwrap_err().to_string(), text);
    assert_eq!(ec2.did(), [] as [&str; 0]);
    let ec2 = Scripted::looks([stopped_as("t3.medium"), stopped_as("m5.large")]);
    let made = run!(ec2, |s| s.typed(&id(), &a, &b)).0;
    assert_eq!(made.unwrap_err().to_string(), text);
}

#[tokio::test]
async fn the_type_of_an_instance_that_is_not_stopped_is_left_alone() {
    let (a, b) = (type_("t3.medium"), type_("t3.large"));
    for state in [Running, Pending, Stopping] {
        let ec2 = Scripted::looks([is(state)]);
        let made = run!(ec2, |s| s.typed(&id(), &a, &b)).0;
        assert_eq!(
            made,
            Err(InstanceError::NotStopped {
                id: id(),
                found: state
            })
        );
        assert_eq!(ec2.did(), [] as [&str; 0]);
    }
}

fn checks(instance: &str, system: &str) -> Result<StatusChecks, CloudError> {
    Ok(StatusChecks {
        instance: instance.into(),
        system: system.into(),
    })
}

#[tokio::test]
async fn status_checks_fail_only_when_impaired_until_the_limit() {
    let throttled = || Err(error(CloudErrorKind::Throttled, "RequestLimitExceeded"));
    let impaired = InstanceError::Impaired {
        id: id(),
        instance: "ok".into(),
        system: "impaired".into(),
    };
    let rows = [
        (
            vec![checks("ok", "ok")],
            checks("ok", "ok").map_err(InstanceError::from),
            0,
        ),
        (
            vec![checks("initializing", "ok")],
            checks("initializing", "ok").map_err(InstanceError::from),
            0,
        ),
        (
            vec![checks("impaired", "ok"), checks("ok", "ok")],
            checks("ok", "ok").map_err(InstanceError::from),
            1,
        ),
        (
            vec![throttled(), checks("ok", "ok")],
            checks("ok", "ok").map_err(InstanceError::from),
            1,
        ),
        (vec![checks("ok", "impaired")], Err(impaired), 20),
    ];
    for (script, expected, after) in rows {
        let ec2 = Scripted {
            checks: Mutex::new(script.into()),
            ..Scripted::default()
        };
        let (got, seconds) = run!(ec2, |s| s.checks_not_impaired(&id(), 20 * S));
        assert_eq!((got, seconds), (expected, after));
    }
    // Never an answer: that is no deadline of the checks, and AWS's own words are the error.
    let ec2 = Scripted {
        checks: Mutex::new([throttled()].into()),
        ..Scripted::default()
    };
    let (got, seconds) = run!(ec2, |s| s.checks_not_impaired(&id(), 20 * S));
    assert_eq!(got, throttled().map_err(InstanceError::from));
    assert_eq!(seconds, 120);
}

#[tokio::test]
async fn progress_says_the_state_and_the_seconds() {
    let ec2 = Scripted::looks([is(Running), is(Running), is(Stopping), is(Stopped)]);
    let clock = VirtualClock::new();
    let said = Mutex::new(Vec::new());
    let service = InstanceService {
        ec2: &ec2,
        clock: &clock,
        settings: Settings::default(),
        progress: &|text| said.lock().unwrap().push(text.to_owned()),
    };
    service.stopped(&id()).await.unwrap();
    assert_eq!(*said.lock().unwrap(), ["running (0 s)", "stopping (1 s)"]);
}

/// The verbs run in spawned tasks and behind `async_trait`.
#[test]
fn every_verb_is_send() {
    fn send<T: Send>(_: T) {}
    let ec2 = Scripted::default();
    let clock = VirtualClock::new();
    let s = InstanceService {
        ec2: &ec2,
        clock: &clock,
        settings: Settings::default(),
        progress: &|_| {},
    };
    let (id, t) = (id(), type_("t3.medium"));
    send(s.stopped(&id));
    send(s.running(&id));
    send(s.typed(&id, &t, &t));
    send(s.checks_not_impaired(&id, S));
}
