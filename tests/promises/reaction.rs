//! How soon a call follows once EC2 has done its part: from "stopped" to the new type, from "running" to the next call.
//! Through the real SDK over the real wire; time is virtual, and each call takes some of it, so no machine is too slow.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use geusemaker::cloud::Clock;
use geusemaker::model::{Outcome, Timestamp};
use geusemaker::orchestrator::{Limits, World};
use geusemaker::sandbox::latency::Latency;
use geusemaker::state::StateDir;

use crate::compensation::Scene;
use crate::saga::{Rig, block_on};

const RUNS: u64 = 100;
/// At most this at the median, in milliseconds.
const MOST: i64 = 1_500;

/// SplitMix64, of a seed: a run can be repeated.
struct Random(u64);

impl Random {
    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        least + (z ^ (z >> 31)) % (most - least)
    }
}

/// The calls of an update, each with the time at which it reached AWS.
type Calls = Vec<(Timestamp, String)>;

/// EC2's name of a call in the query protocol, or the operation of another service.
fn name(request: &http::Request<bytes::Bytes>) -> String {
    let target = request.headers().get("x-amz-target");
    if let Some(target) = target.and_then(|target| target.to_str().ok()) {
        return target.to_owned();
    }
    let body = String::from_utf8_lossy(request.body());
    let action = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action="));
    action.unwrap_or(request.uri().path()).to_owned()
}

/// One change of the type, with latencies of the cloud and of each call that go by the seed.
fn resized(seed: u64) -> (Latency, Calls) {
    let mut random = Random(seed);
    let latency = Latency {
        // Only where they fall between two looks matters, and each look costs the test its time.
        stop: random.between(3_000, 9_000),
        start: random.between(3_000, 9_000),
        agent: random.between(1_000, 5_000),
        status_checks: random.between(2_000, 9_000),
        healthy: random.between(1_000, 3_000),
        ..Latency::REAL
    };
    let rig = Rig::new();
    rig.memory.world().latency = latency;
    let calls: Arc<Mutex<Calls>> = Arc::default();
    let (heard, clock) = (Arc::clone(&calls), rig.clock.clone());
    let random = Mutex::new(random);
    let sdk = rig.memory.sdk_heard(move |request| {
        // There and back; it is counted whole before the answer.
        let takes = random.lock().unwrap().between(30, 250);
        clock.advance(Duration::from_millis(takes));
        heard.lock().unwrap().push((clock.now(), name(request)));
    });
    let world = World {
        ec2: sdk.ec2,
        efs: sdk.efs,
        parameters: sdk.parameters,
        limits: Limits::AWS,
        ..rig.plain_world()
    };
    let (state, _) = StateDir::open(&world.state_dir).expect("a folder");
    state.save(&rig.memory.deployment()).expect("it is written");
    let before = rig.stack();
    let scene = Scene { rig, world, before };
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
            effect(&calls, "StopInstances"),
            effect(&calls, "ModifyInstanceAttribute"),
        );
        typed.push(ms(due(stop, latency.stop), calls[modify].0));
        let start = effect(&calls, "StartInstances");
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
