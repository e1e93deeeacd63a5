//! How soon a call follows once EC2 has done its part: from "stopped" to the new type, from "running" to the next call.
//! Through the real SDK over the real wire; time is virtual, and each call takes some of it, so no machine is too slow.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use geusemaker::cloud::Clock;
use geusemaker::model::{Outcome, Timestamp};
use geusemaker::orchestrator::Limits;
use geusemaker::sandbox::latency::Latency;

use crate::compensation::Scene;
use crate::fault_matrix::call_of;
use crate::killed::Random;
use crate::saga::{Rig, block_on};

const RUNS: u64 = 100;
/// At most this at the median, in milliseconds.
const MOST: i64 = 1_500;

/// The calls of an update, each with the time at which it reached AWS.
type Calls = Vec<(Timestamp, String)>;

/// One change of the type, with latencies of the cloud and of each call that go by the seed.
fn resized(seed: u64) -> (Latency, Calls) {
    let mut random = Random(seed);
    let mut between = |least: u64, most: u64| least + random.next() % (most - least);
    let latency = Latency {
        // Only where they fall between two looks matters, and each look costs the test its time.
        stop: between(3_000, 9_000),
        start: between(3_000, 9_000),
        agent: between(1_000, 5_000),
        status_checks: between(2_000, 9_000),
        healthy: between(1_000, 3_000),
        ..Latency::REAL
    };
    let rig = Rig::new();
    rig.memory.world().latency = latency;
    let calls: Arc<Mutex<Calls>> = Arc::default();
    let (heard, clock) = (Arc::clone(&calls), rig.clock.clone());
    let random = Mutex::new(random);
    let sdk = rig.memory.sdk_heard(move |request| {
        // There and back; it is counted whole before the answer.
        let takes = 30 + random.lock().unwrap().next() % 220;
        clock.advance(Duration::from_millis(takes));
        heard.lock().unwrap().push((clock.now(), call_of(request)));
    });
    let scene = Scene::over(rig, sdk, Limits::AWS);
    let ended = block_on(scene.update(&[]));
    assert_eq!(ended.outcome, Outcome::Updated, "{seed}: {:?}", ended.error);
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    (latency, calls)
}

/// The one call of this name that has an effect: a dry run comes first.
fn effect(calls: &Calls, name: &str) -> usize {
    let at = calls.iter().rposition(|(_, call)| call == name);
    at.unwrap_or_else(|| panic!("no {name}: {calls:?}"))
}

fn ms(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_millis().try_into().unwrap()
}

/// The median, and the most.
fn spread(mut all: Vec<i64>) -> (i64, i64) {
    all.sort_unstable();
    (all[all.len() / 2], all[all.len() - 1])
}

#[test]
fn what_ec2_has_done_is_followed_within_a_second_and_a_half() {
    let (mut typed, mut seen, mut followed) = (vec![], vec![], vec![]);
    for seed in 0..RUNS {
        let (latency, calls) = resized(seed);
        let due = |call: usize, after: u64| calls[call].0 + Duration::from_millis(after);
        let (stop, modify) = (
            effect(&calls, "ec2:StopInstances"),
            effect(&calls, "ec2:ModifyInstanceAttribute"),
        );
        typed.push(ms(due(stop, latency.stop), calls[modify].0));
        let start = effect(&calls, "ec2:StartInstances");
        let running = due(start, latency.start);
        let mut behind = calls[start..].iter().filter(|(at, _)| *at >= running);
        // The look that finds it running, and then the first call of what comes next.
        seen.push(ms(running, behind.next().expect("a look").0));
        followed.push(ms(running, behind.next().expect("a call").0));
    }
    for (what, all) in [
        ("from stopped to the call that changes the type", typed),
        ("from running to the look that sees it", seen),
        ("from running to the call behind that look", followed),
    ] {
        let (median, most) = spread(all);
        println!("{what}: median {median} ms, at most {most} ms, {RUNS} runs");
        assert!(median > 0, "{what}: nothing can be known before it is so");
        assert!(median <= MOST, "{what}: {median} ms");
    }
}
