use super::super::Settings;
use super::super::scripted::{self, Scripted, error, facts, id, run};
use super::*;
use crate::cloud::CloudErrorKind::{Denied, Throttled};
use crate::cloud::testing::VirtualClock;

fn flag(state: RunState, on: bool) -> scripted::Look {
    let mut seen = facts(state, "m3.xlarge", None);
    seen.ebs_optimized = on;
    Ok(Some(seen))
}

use RunState::{Running, Stopped, Stopping};

#[tokio::test]
async fn is_set_once_and_read_back() {
    // The first answer after the change is an old one.
    let ec2 = Scripted::looks([
        flag(Stopped, true),
        flag(Stopped, true),
        flag(Stopped, false),
    ]);
    let (made, seconds) = run!(ec2, |service| service.ebs_optimized(&id(), false));
    assert_eq!((made, seconds), (Ok(Made::Done), 1));
    assert_eq!(ec2.did(), ["set_ebs_optimized false"]);
    let (again, _) = run!(ec2, |service| service.ebs_optimized(&id(), false));
    assert_eq!(again, Ok(Made::Already));
    assert_eq!(ec2.did().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn only_while_stopped_and_never_for_ever() {
    let ec2 = Scripted::looks([
        flag(Stopping, true),
        flag(Stopped, true),
        flag(Stopped, false),
    ]);
    let (made, _) = run!(ec2, |service| service.ebs_optimized(&id(), false));
    assert_eq!(made, Ok(Made::Done));

    let ec2 = Scripted::looks([flag(Running, true)]);
    let (made, _) = run!(ec2, |service| service.ebs_optimized(&id(), false));
    let not_stopped = InstanceError::NotStopped {
        id: id(),
        found: Running,
    };
    assert_eq!((made, ec2.did().len()), (Err(not_stopped), 0));

    let ec2 = Scripted::looks([flag(Stopped, true)]);
    let (made, seconds) = run!(ec2, |service| service.ebs_optimized(&id(), false));
    assert!(matches!(made, Err(InstanceError::Deadline(_))), "{made:?}");
    assert_eq!(seconds, Settings::default().type_limit.as_secs());
}

#[tokio::test]
async fn what_passes_is_sent_again_and_what_does_not_ends_it() {
    let ec2 = Scripted::looks([
        flag(Stopped, true),
        flag(Stopped, true),
        flag(Stopped, false),
    ]);
    ec2.replies
        .lock()
        .unwrap()
        .push_back(Err(error(Throttled, "RequestLimitExceeded")));
    let (made, _) = run!(ec2, |service| service.ebs_optimized(&id(), false));
    assert_eq!((made, ec2.did().len()), (Ok(Made::Done), 2));

    let denied = error(Denied, "UnauthorizedOperation");
    let ec2 = Scripted::looks([flag(Stopped, true)]);
    ec2.replies.lock().unwrap().push_back(Err(denied.clone()));
    let (made, _) = run!(ec2, |service| service.ebs_optimized(&id(), false));
    assert_eq!(made, Err(InstanceError::Cloud(denied)));
}
