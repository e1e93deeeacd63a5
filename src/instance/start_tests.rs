use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::cloud::testing::VirtualClock;
use crate::instance::Settings;
use crate::instance::scripted::*;

use RunState::{Pending, Running, Stopped, Stopping};

#[tokio::test]
async fn running_starts_once_and_waits() {
    let ec2 = Scripted::looks([is(Stopped), is(Pending), is(Pending), is(Running)]);
    let (made, seconds) = run!(ec2, |s| s.running(&id()));
    assert_eq!((made, seconds), (Ok(Made::Done), 2));
    assert_eq!(ec2.did(), ["start"]);
    let (made, seconds) = run!(ec2, |s| s.running(&id()));
    assert_eq!((made, seconds), (Ok(Made::Already), 0));
    assert_eq!(ec2.did(), ["start"]);
}

#[tokio::test]
async fn a_start_that_has_begun_is_waited_for_and_not_sent_again() {
    let ec2 = Scripted::looks([is(Pending), is(Pending), is(Running)]);
    assert_eq!(run!(ec2, |s| s.running(&id())).0, Ok(Made::Done));
    assert_eq!(ec2.did(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_stopping_instance_is_started_once_it_is_stopped() {
    let ec2 = Scripted::looks([
        is(Stopping),
        is(Stopping),
        is(Stopped),
        is(Stopped),
        is(Running),
    ]);
    assert_eq!(run!(ec2, |s| s.running(&id())).0, Ok(Made::Done));
    assert_eq!(ec2.did(), ["start"]);
}

#[tokio::test]
async fn a_stopping_that_never_ends_is_not_waited_for_for_ever_before_a_start() {
    let ec2 = Scripted::looks([is(Stopping)]);
    let (made, seconds) = run!(ec2, |s| s.running(&id()));
    assert_eq!(
        made.unwrap_err().to_string(),
        "waited 300 s for the instance to be stopped before it is started; last seen: stopping"
    );
    assert_eq!(seconds, 300);
    assert_eq!(ec2.did(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_start_that_never_ends_runs_into_the_deadline() {
    let ec2 = Scripted::looks([is(Stopped), is(Pending)]);
    let (made, seconds) = run!(ec2, |s| s.running(&id()));
    assert_eq!(
        made.unwrap_err().to_string(),
        "waited 300 s for the instance to run; last seen: pending"
    );
    assert_eq!(seconds, 300);
}

#[tokio::test]
async fn the_launch_plan_race_is_tried_again() {
    let wrong_state = error(CloudErrorKind::WrongState, "IncorrectInstanceState");
    let ec2 = Scripted {
        replies: Mutex::new([Err(launch_plan()), Err(wrong_state), Ok(())].into()),
        ..Scripted::looks([is(Stopped), is(Stopped), is(Stopped), is(Running)])
    };
    let (made, seconds) = run!(ec2, |s| s.running(&id()));
    assert_eq!((made, seconds), (Ok(Made::Done), 2));
    assert_eq!(ec2.did(), ["start", "start", "start"]);
}

#[tokio::test]
async fn a_launch_plan_race_that_does_not_pass_ends_in_ec2s_own_words() {
    let ec2 = Scripted {
        replies: Mutex::new((0..100).map(|_| Err(launch_plan())).collect()),
        ..Scripted::looks([is(Stopped)])
    };
    let (made, seconds) = run!(ec2, |s| s.running(&id()));
    assert_eq!(
        (made, seconds),
        (Err(InstanceError::Cloud(launch_plan())), 60)
    );
}

#[tokio::test]
async fn no_capacity_is_an_error_at_once() {
    let e = error(CloudErrorKind::Capacity, "InsufficientInstanceCapacity");
    let mut ec2 = Scripted::looks([is(Stopped)]);
    ec2.refuse = Some(("start", e.clone()));
    let (made, seconds) = run!(ec2, |s| s.running(&id()));
    assert_eq!((made, seconds), (Err(InstanceError::Cloud(e)), 0));
    assert_eq!(ec2.did(), ["start"]);
}

#[tokio::test]
async fn a_start_that_falls_back_says_why() {
    let old = "Client.UserInitiatedShutdown: User initiated shutdown";
    let new = "Server.InsufficientInstanceCapacity: Insufficient capacity";
    // Pending was seen in between; a new reason; and an old reason that stays.
    for (looks, reason, after) in [
        (
            vec![because(Stopped, old), is(Pending), because(Stopped, old)],
            old,
            1,
        ),
        (vec![because(Stopped, old), because(Stopped, new)], new, 0),
        (vec![because(Stopped, old), because(Stopped, old)], old, 15),
        (
            vec![is(Stopped), is(Pending), is(Stopped)],
            "EC2 gives no reason",
            1,
        ),
    ] {
        let ec2 = Scripted::looks(looks);
        let (made, seconds) = run!(ec2, |s| s.running(&id()));
        let expected = InstanceError::FellBack {
            id: id(),
            reason: reason.to_owned(),
        };
        assert_eq!((made, seconds), (Err(expected), after));
    }
}

#[tokio::test]
async fn a_start_that_is_not_seen_at_once_is_not_taken_for_a_fall_back() {
    let old = "Client.UserInitiatedShutdown: User initiated shutdown";
    let ec2 = Scripted::looks([
        because(Stopped, old),
        because(Stopped, old),
        because(Stopped, old),
        is(Pending),
        is(Running),
    ]);
    assert_eq!(run!(ec2, |s| s.running(&id())).0, Ok(Made::Done));
}

/// As long as an undo on AWS.
fn patient() -> Settings {
    Settings {
        start_patience: 600 * S,
        ..Settings::default()
    }
}

fn no_capacity() -> CloudError {
    error(CloudErrorKind::Capacity, "InsufficientInstanceCapacity")
}

#[tokio::test]
async fn a_patient_start_waits_for_capacity() {
    let no_vcpus = error(CloudErrorKind::Capacity, "VcpuLimitExceeded");
    let ec2 = Scripted {
        replies: Mutex::new([Err(no_capacity()), Err(no_vcpus), Err(no_capacity())].into()),
        ..Scripted::looks([
            is(Stopped),
            is(Stopped),
            is(Stopped),
            is(Stopped),
            is(Pending),
            is(Running),
        ])
    };
    let clock = VirtualClock::new();
    let said = Mutex::new(Vec::new());
    let service = InstanceService {
        ec2: &ec2,
        clock: &clock,
        settings: patient(),
        progress: &|text| said.lock().unwrap().push(text.to_owned()),
    };
    assert_eq!(service.running(&id()).await, Ok(Made::Done));
    assert_eq!(clock.elapsed(), 16 * S);
    assert_eq!(ec2.did(), ["start"; 4]);
    assert_eq!(
        *said.lock().unwrap(),
        [
            "no capacity at t3.medium yet, trying again (0 s)",
            "no start at t3.medium yet (VcpuLimitExceeded), trying again (5 s)",
            "no capacity at t3.medium yet, trying again (10 s)",
            "pending (0 s)",
        ]
    );
}

#[tokio::test]
async fn a_patient_start_ends_in_ec2s_own_words() {
    let mut ec2 = Scripted::looks([is(Stopped)]);
    ec2.refuse = Some(("start", no_capacity()));
    let (made, seconds) = run!(ec2, patient(), |s| s.running(&id()));
    assert_eq!((made, seconds), (Err(no_capacity().into()), 600));
    // Every five seconds, and once more at the end.
    assert_eq!(ec2.did().len(), 121);
}

#[tokio::test]
async fn a_short_patience_has_a_last_try_at_its_end() {
    let settings = Settings {
        poll: Duration::from_millis(20),
        start_patience: S,
        ..Settings::default()
    };
    let mut ec2 = Scripted::looks([is(Stopped)]);
    ec2.refuse = Some(("start", no_capacity()));
    let (made, seconds) = run!(ec2, settings, |s| s.running(&id()));
    assert_eq!((made, seconds), (Err(no_capacity().into()), 1));
    assert_eq!(ec2.did().len(), 11);
}

#[tokio::test]
async fn somebody_elses_start_in_between_is_fine() {
    let ec2 = Scripted {
        replies: Mutex::new([Err(no_capacity())].into()),
        ..Scripted::looks([is(Stopped), is(Running)])
    };
    let (made, _) = run!(ec2, patient(), |s| s.running(&id()));
    assert_eq!(made, Ok(Made::Done));
    assert_eq!(ec2.did(), ["start"]);
}

#[tokio::test]
async fn a_patient_start_that_falls_back_for_ec2s_own_reasons_is_tried_again() {
    let old = "Client.UserInitiatedShutdown: User initiated shutdown";
    for reason in [
        "Server.InsufficientInstanceCapacity: Insufficient capacity",
        "Server.InternalError: Internal error on launch",
    ] {
        let ec2 = Scripted::looks([
            because(Stopped, old),
            is(Pending),
            because(Stopping, reason),
            because(Stopping, reason),
            because(Stopped, reason),
            because(Stopped, reason),
            because(Stopped, reason),
            is(Pending),
            is(Running),
        ]);
        let (made, _) = run!(ec2, patient(), |s| s.running(&id()));
        assert_eq!(made, Ok(Made::Done), "{reason}");
        assert_eq!(ec2.did(), ["start"; 2], "{reason}");
    }
    // Taken, and nothing came of it.
    let mut looks = vec![because(Stopped, old); 18];
    looks.extend([is(Pending), is(Running)]);
    let ec2 = Scripted::looks(looks);
    let (made, _) = run!(ec2, patient(), |s| s.running(&id()));
    assert_eq!(made, Ok(Made::Done));
    assert_eq!(ec2.did(), ["start"; 2]);
}

#[tokio::test]
async fn a_fall_back_that_no_start_helps_ends_a_patient_start_at_once() {
    for reason in [
        "Client.UserInitiatedShutdown: User initiated shutdown",
        "Client.InternalError: Client error on launch",
        "Server.Unsupported: The requested configuration is not supported",
    ] {
        let ec2 = Scripted::looks([is(Stopped), is(Pending), because(Stopped, reason)]);
        let (made, seconds) = run!(ec2, patient(), |s| s.running(&id()));
        let reason = reason.to_owned();
        let fell_back = InstanceError::FellBack { id: id(), reason };
        assert_eq!((made, seconds), (Err(fell_back), 1));
        assert_eq!(ec2.did(), ["start"]);
    }
    let unsupported = error(CloudErrorKind::Other, "Unsupported");
    let mut ec2 = Scripted::looks([is(Stopped)]);
    ec2.refuse = Some(("start", unsupported.clone()));
    let (made, seconds) = run!(ec2, patient(), |s| s.running(&id()));
    assert_eq!((made, seconds), (Err(unsupported.into()), 0));
}

#[tokio::test]
async fn falling_back_again_and_again_ends_with_the_patience() {
    let reason = "Server.InsufficientInstanceCapacity: Insufficient capacity";
    let mut looks = Vec::new();
    for _ in 0..200 {
        looks.extend([is(Stopped), is(Pending), because(Stopped, reason)]);
    }
    let ec2 = Scripted::looks(looks);
    let (made, seconds) = run!(ec2, patient(), |s| s.running(&id()));
    let reason = reason.to_owned();
    assert_eq!(made, Err(InstanceError::FellBack { id: id(), reason }));
    // The patience begins with the first fall back, a second after the first start. From then on a start
    // and the pause after it take six seconds.
    assert_eq!(seconds, 601);
    assert_eq!(ec2.did().len(), 101);
}

#[tokio::test]
async fn a_fault_while_waiting_for_capacity_does_not_end_the_patience() {
    // Minutes of no capacity, a fault, and again.
    let mut replies = vec![Err(no_capacity()); 60];
    replies.push(Err(error(
        CloudErrorKind::Throttled,
        "RequestLimitExceeded",
    )));
    replies.push(Err(error(CloudErrorKind::Unreachable, "X")));
    replies.push(Err(no_capacity()));
    let ec2 = Scripted {
        replies: Mutex::new(replies.into()),
        ..Scripted::looks((0..64).map(|_| is(Stopped)).chain([is(Running)]))
    };
    let (made, seconds) = run!(ec2, patient(), |s| s.running(&id()));
    assert_eq!((made, seconds), (Ok(Made::Done), 61 * 5 + 2));
    assert_eq!(ec2.did().len(), 64);
}
