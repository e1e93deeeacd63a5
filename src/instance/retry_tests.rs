use std::sync::Mutex;

use super::*;
use crate::cloud::SystemClock;
use crate::cloud::testing::VirtualClock;
use crate::instance::Made;
use crate::instance::scripted::*;

use RunState::{Pending, Running, Stopped, Stopping, Terminated};

/// Each limit is another one, so that a test sees which it was.
fn settings() -> Settings {
    Settings {
        retry_limit: 120 * S,
        unreachable_limit: 90 * S,
        settle_limit: 60 * S,
        ..Settings::default()
    }
}

fn throttled() -> CloudError {
    error(CloudErrorKind::Throttled, "RequestLimitExceeded")
}

fn lost() -> CloudError {
    CloudError {
        code: None,
        ..error(CloudErrorKind::Unreachable, "")
    }
}

fn wrong_state() -> CloudError {
    error(CloudErrorKind::WrongState, "IncorrectInstanceState")
}

/// What a call may fail with, and how long a look and an effect are tried again.
fn faults() -> Vec<(CloudError, u64, u64)> {
    let other = |code| error(CloudErrorKind::Other, code);
    vec![
        (throttled(), 120, 120),
        (other("InternalError"), 120, 120),
        (other("InternalFailure"), 120, 120),
        (other("Unavailable"), 120, 120),
        (other("ServiceUnavailable"), 120, 120),
        (other("RequestTimeout"), 120, 120),
        (lost(), 90, 90),
        (launch_plan(), 120, 60),
        (wrong_state(), 0, 60),
        (error(CloudErrorKind::Credentials, "ExpiredToken"), 0, 0),
        (error(CloudErrorKind::Denied, "UnauthorizedOperation"), 0, 0),
        (other("InvalidInstanceAttributeValue"), 0, 0),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Stop,
    SetType,
    Start,
}

impl Verb {
    const ALL: [Self; 3] = [Self::Stop, Self::SetType, Self::Start];

    async fn run(self, s: &InstanceService<'_>) -> Result<Made, InstanceError> {
        match self {
            Self::Stop => s.stopped(&id()).await,
            Self::SetType => {
                s.typed(&id(), &type_("t3.medium"), &type_("t3.large"))
                    .await
            }
            Self::Start => s.running(&id()).await,
        }
    }

    fn effect(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::SetType => "set_type t3.large",
            Self::Start => "start",
        }
    }

    fn before(self) -> Look {
        is(if matches!(self, Self::Stop) {
            Running
        } else {
            Stopped
        })
    }

    fn after(self) -> Look {
        match self {
            Self::Stop => is(Stopped),
            Self::SetType => stopped_as("t3.large"),
            Self::Start => is(Running),
        }
    }
}

#[tokio::test]
async fn a_first_look_that_fails_is_repeated_until_its_limit() {
    for verb in Verb::ALL {
        for (e, limit, _) in faults() {
            let ec2 = Scripted::looks([Err(e.clone())]);
            let (made, seconds) = run!(ec2, settings(), |s| verb.run(&s));
            assert_eq!((made, seconds), (Err(e.clone().into()), limit), "{verb:?}");
            assert_eq!(ec2.did(), [] as [&str; 0]);
            if limit > 0 {
                let failing = Err(e.clone());
                let ec2 = Scripted::looks([failing.clone(), failing, verb.before(), verb.after()]);
                let (made, seconds) = run!(ec2, settings(), |s| verb.run(&s));
                assert_eq!((made, seconds), (Ok(Made::Done), 2), "{verb:?} {e}");
                assert_eq!(ec2.did(), [verb.effect()], "{verb:?} {e}");
            }
        }
    }
}

#[tokio::test]
async fn an_effect_that_fails_is_repeated_until_its_limit() {
    for verb in Verb::ALL {
        for (e, _, limit) in faults() {
            let mut ec2 = Scripted::looks([verb.before()]);
            ec2.refuse = Some((verb.effect(), e.clone()));
            let (made, seconds) = run!(ec2, settings(), |s| verb.run(&s));
            assert_eq!((made, seconds), (Err(e.clone().into()), limit), "{verb:?}");
            assert_eq!(ec2.did().len() as u64, limit + 1, "{verb:?} {e}");
            if limit > 0 {
                let ec2 = Scripted {
                    replies: Mutex::new([Err(e.clone()), Err(e.clone())].into()),
                    ..Scripted::looks([verb.before(), verb.before(), verb.before(), verb.after()])
                };
                let (made, seconds) = run!(ec2, settings(), |s| verb.run(&s));
                assert_eq!((made, seconds), (Ok(Made::Done), 2), "{verb:?} {e}");
                assert_eq!(ec2.did(), [verb.effect(); 3], "{verb:?} {e}");
            }
        }
    }
}

#[tokio::test]
async fn an_effect_whose_answer_was_lost_is_not_sent_again() {
    for verb in Verb::ALL {
        let ec2 = Scripted {
            replies: Mutex::new([Err(lost())].into()),
            ..Scripted::looks([verb.before(), verb.after()])
        };
        let (made, _) = run!(ec2, settings(), |s| verb.run(&s));
        assert_eq!(made, Ok(Made::Done), "{verb:?}");
        assert_eq!(ec2.did(), [verb.effect()], "{verb:?}");
    }
    // The same while it goes on.
    for (verb, between) in [(Verb::Stop, Stopping), (Verb::Start, Pending)] {
        let ec2 = Scripted {
            replies: Mutex::new([Err(lost())].into()),
            ..Scripted::looks([verb.before(), is(between), is(between), verb.after()])
        };
        let (made, _) = run!(ec2, settings(), |s| verb.run(&s));
        assert_eq!(made, Ok(Made::Done), "{verb:?}");
        assert_eq!(ec2.did(), [verb.effect()], "{verb:?}");
    }
}

#[tokio::test]
async fn what_changed_between_two_tries_is_seen() {
    for verb in Verb::ALL {
        let ec2 = Scripted {
            replies: Mutex::new([Err(throttled())].into()),
            ..Scripted::looks([verb.before(), is(Terminated)])
        };
        let (made, _) = run!(ec2, settings(), |s| verb.run(&s));
        assert!(matches!(made, Err(InstanceError::Gone { .. })), "{verb:?}");
        assert_eq!(ec2.did(), [verb.effect()]);
    }
    // Somebody else's type is not overwritten, and a started instance is left alone.
    for (look, type_changed) in [(stopped_as("m5.large"), true), (is(Running), false)] {
        let ec2 = Scripted {
            replies: Mutex::new([Err(throttled())].into()),
            ..Scripted::looks([is(Stopped), look])
        };
        let made = run!(ec2, settings(), |s| Verb::SetType.run(&s))
            .0
            .unwrap_err();
        assert_eq!(
            matches!(made, InstanceError::TypeChanged { .. }),
            type_changed
        );
        assert_eq!(
            matches!(made, InstanceError::NotStopped { .. }),
            !type_changed
        );
        assert_eq!(ec2.did(), ["set_type t3.large"]);
    }
}

#[tokio::test]
async fn a_forced_stop_that_fails_is_repeated_until_its_limit() {
    for (e, _, limit) in faults() {
        let mut ec2 = Scripted::looks([is(Running), is(Stopping)]);
        ec2.refuse = Some(("stop --force", e.clone()));
        let (made, seconds) = run!(ec2, settings(), |s| s.stopped(&id()));
        assert_eq!((made, seconds), (Err(e.into()), 300 + limit));
        assert_eq!(ec2.did().len() as u64, 1 + limit + 1);
    }
    // It stops in between.
    let mut looks = vec![is(Running)];
    looks.extend((0..301).map(|_| is(Stopping)));
    looks.push(is(Stopped));
    let mut ec2 = Scripted::looks(looks);
    ec2.refuse = Some(("stop --force", lost()));
    let (made, seconds) = run!(ec2, settings(), |s| s.stopped(&id()));
    assert_eq!((made, seconds), (Ok(Made::Done), 301));
    assert_eq!(ec2.did(), ["stop", "stop --force"]);
}

#[tokio::test]
async fn faults_and_refusals_in_turns_end_too() {
    let turns = (0..1000).map(|n| {
        Err(if n % 2 == 0 {
            wrong_state()
        } else {
            throttled()
        })
    });
    let ec2 = Scripted {
        replies: Mutex::new(turns.collect()),
        ..Scripted::looks([is(Stopped)])
    };
    let (made, seconds) = run!(ec2, settings(), |s| Verb::SetType.run(&s));
    assert_eq!((made, seconds), (Err(wrong_state().into()), 60));
}

#[tokio::test]
async fn a_look_from_before_the_stop_was_known_does_not_end_a_change_of_the_type() {
    let ec2 = Scripted {
        replies: Mutex::new([Err(wrong_state())].into()),
        ..Scripted::looks([
            is(Stopped),
            is(Stopping),
            is(Stopped),
            stopped_as("t3.large"),
        ])
    };
    let (made, seconds) = run!(ec2, settings(), |s| Verb::SetType.run(&s));
    assert_eq!((made, seconds), (Ok(Made::Done), 2));
    assert_eq!(ec2.did(), ["set_type t3.large"; 2]);
    let ec2 = Scripted::looks([is(Stopping)]);
    let (made, seconds) = run!(ec2, settings(), |s| Verb::SetType.run(&s));
    let found = Stopping;
    assert_eq!(
        (made, seconds),
        (Err(InstanceError::NotStopped { id: id(), found }), 60)
    );
}

fn times(look: Look, n: usize) -> impl Iterator<Item = Look> + Clone {
    std::iter::repeat_n(look, n)
}

#[tokio::test]
async fn a_wait_outlives_lost_looks_until_their_limit() {
    // Looks at 0 … 89 are lost, the one at 90 s is answered; then again.
    let looks = [is(Running), is(Stopping)]
        .into_iter()
        .chain(times(Err(lost()), 90))
        .chain([is(Stopping)])
        .chain(times(Err(lost()), 90))
        .chain([is(Stopped)]);
    let ec2 = Scripted::looks(looks);
    let (made, seconds) = run!(ec2, settings(), |s| s.stopped(&id()));
    assert_eq!((made, seconds), (Ok(Made::Done), 182));
    assert_eq!(ec2.did(), ["stop"]);
    // All are lost.
    let ec2 = Scripted::looks([is(Running), is(Stopping), Err(lost())]);
    let (made, seconds) = run!(ec2, settings(), |s| s.stopped(&id()));
    assert_eq!((made, seconds), (Err(lost().into()), 91));
    assert_eq!(ec2.did(), ["stop"], "no stop is forced blindly");
}

#[tokio::test]
async fn throttled_looks_last_as_long_as_the_wait() {
    let ec2 = Scripted::looks([is(Stopped), Err(throttled())]);
    let (made, seconds) = run!(ec2, settings(), |s| s.running(&id()));
    assert_eq!((made, seconds), (Err(throttled().into()), 300));
    // A shorter wait leaves the fault its own time.
    let ec2 = Scripted::looks([is(Stopped), Err(throttled())]);
    let (made, seconds) = run!(ec2, settings(), |s| Verb::SetType.run(&s));
    assert_eq!((made, seconds), (Err(throttled().into()), 120));
}

#[tokio::test]
async fn a_fault_at_the_deadline_does_not_end_the_wait() {
    // The start takes effect in the last minute, in which no look is answered.
    for fault in [throttled(), lost()] {
        let looks = [is(Stopped)]
            .into_iter()
            .chain(times(is(Pending), 280))
            .chain(times(Err(fault.clone()), 60));
        let ec2 = Scripted::looks(looks.clone().chain([is(Running)]));
        let (made, seconds) = run!(ec2, settings(), |s| s.running(&id()));
        assert_eq!((made, seconds), (Ok(Made::Done), 340), "{fault}");
        // An answer after the deadline that is not the goal is the deadline's.
        let ec2 = Scripted::looks(looks.chain([is(Pending)]));
        let (made, seconds) = run!(ec2, settings(), |s| s.running(&id()));
        assert_eq!(
            made.unwrap_err().to_string(),
            "waited 340 s for the instance to run; last seen: pending"
        );
        assert_eq!(seconds, 340);
    }
}

#[tokio::test]
async fn the_status_checks_outlive_a_lost_look() {
    let checks = crate::cloud::StatusChecks {
        instance: "ok".into(),
        system: "ok".into(),
    };
    let ec2 = Scripted {
        checks: Mutex::new([Err(lost()), Ok(checks.clone())].into()),
        ..Scripted::default()
    };
    let (got, seconds) = run!(ec2, settings(), |s| s.checks_not_impaired(&id(), 20 * S));
    assert_eq!((got, seconds), (Ok(checks), 1));
}

#[tokio::test]
async fn progress_says_what_is_tried_again() {
    let ec2 = Scripted {
        replies: Mutex::new([Err(wrong_state()), Err(lost())].into()),
        ..Scripted::looks([
            Err(throttled()),
            is(Stopped),
            is(Stopped),
            is(Stopped),
            stopped_as("t3.large"),
        ])
    };
    let clock = VirtualClock::new();
    let said = Mutex::new(Vec::new());
    let service = InstanceService {
        ec2: &ec2,
        clock: &clock,
        settings: settings(),
        progress: &|text| said.lock().unwrap().push(text.to_owned()),
    };
    assert_eq!(Verb::SetType.run(&service).await, Ok(Made::Done));
    assert_eq!(
        *said.lock().unwrap(),
        [
            "ec2:Test: RequestLimitExceeded, trying again (0 s)",
            "ec2:Test: IncorrectInstanceState, trying again (0 s)",
            "ec2:Test: no answer, trying again (0 s)",
        ]
    );
}

#[tokio::test]
async fn a_first_look_that_hangs_is_cut_off() {
    let settings = Settings {
        poll: Duration::from_millis(5),
        retry_limit: Duration::from_millis(20),
        unreachable_limit: Duration::from_millis(20),
        ..Settings::default()
    };
    let ec2 = Scripted::default();
    let service = InstanceService {
        ec2: &ec2,
        clock: &SystemClock,
        settings,
        progress: &|_| {},
    };
    let what = "an answer";
    let start = std::time::Instant::now();
    let mut watch = service.watch(settings.retry_limit, what);
    let never = std::future::pending::<Result<(), CloudError>>;
    assert_eq!(watch.look(never()).await, Ok(None));
    assert_eq!(watch.pause("nothing").await.unwrap_err().what, what);
    // After a fault, the fault is what is known.
    let mut watch = service.watch(settings.retry_limit, what);
    assert_eq!(watch.look(async { Err::<(), _>(lost()) }).await, Ok(None));
    assert_eq!(watch.look(never()).await, Err(lost()));
    assert!(start.elapsed() < Duration::from_secs(10));
}
