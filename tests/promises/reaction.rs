//! How soon a call follows once EC2 has done its part: from "stopped" to the new type, from "running" to the next call;
//! and how long the stack is down. Through the real SDK over the real wire; time is virtual, and each call takes some of it, so no machine is too slow.

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
use crate::support::stack::containers;

const RUNS: u64 = 100;
/// At most this at the median, in milliseconds.
const MOST: i64 = 1_500;

/// The calls of an update, each with the time at which it reached AWS.
type Calls = Vec<(Timestamp, String)>;

/// Latencies of the cloud that go by the seed.
fn latencies(random: &mut Random) -> Latency {
    let mut between = |least: u64, most: u64| least + random.next() % (most - least);
    Latency {
        // Only where they fall between two looks matters, and each look costs the test its time.
        stop: between(3_000, 9_000),
        start: between(3_000, 9_000),
        agent: between(1_000, 5_000),
        status_checks: between(2_000, 9_000),
        healthy: between(1_000, 3_000),
        ..Latency::REAL
    }
}

/// What a call takes, there and back: at least so much, and less than that, in milliseconds.
type Call = (u64, u64);
const FAR: Call = (30, 250);
const AT_ONCE: Call = (1, 2);

/// One change of the type, with latencies of each call that go by the seed.
fn resized(random: Random, latency: Latency, (least, most): Call) -> (Scene, Calls) {
    let rig = Rig::new();
    rig.memory.world().latency = latency;
    let calls: Arc<Mutex<Calls>> = Arc::default();
    let (heard, clock) = (Arc::clone(&calls), rig.clock.clone());
    let random = Mutex::new(random);
    let sdk = rig.memory.sdk_heard(move |request| {
        // It is counted whole before the answer.
        let takes = least + random.lock().unwrap().next() % (most - least);
        clock.advance(Duration::from_millis(takes));
        heard.lock().unwrap().push((clock.now(), call_of(request)));
    });
    let scene = Scene::over(rig, sdk, Limits::AWS);
    let ended = block_on(scene.update(&[]));
    assert_eq!(ended.outcome, Outcome::Updated, "{:?}", ended.error);
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    (scene, calls)
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
        let mut random = Random(seed);
        let latency = latencies(&mut random);
        let (_, calls) = resized(random, latency, FAR);
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

/// How long the stack is down, of each run.
fn outages(runs: u64, call: Call) -> (i64, i64) {
    let latency = Latency::REAL;
    let outage = |seed| {
        let (scene, _) = resized(Random(seed), latency, call);
        let world = scene.rig.memory.world();
        let stack = || containers(&world);
        let down = stack().filter_map(|c| c.finished_at).min();
        let up = stack().filter_map(|c| c.started_at).max();
        ms(down.expect("stopped"), up.expect("started")) + whole(latency.healthy)
    };
    spread((0..runs).map(outage).collect())
}

fn whole(ms: u64) -> i64 {
    ms.try_into().unwrap()
}

/// What nobody can do without is the shutdown, the start, and the time until the stack is healthy: Docker brings the
/// containers up with the boot, and nobody waits for the agent. Calls that take their time come on top.
#[test]
fn a_change_of_the_type_is_down_for_little_more_than_the_stop_the_start_and_the_health() {
    let real = Latency::REAL;
    let least = whole(real.stop + real.start + real.healthy);
    let (_, at_once) = outages(1, AT_ONCE);
    let (median, most) = outages(5, FAR);
    println!(
        "down: {at_once} ms where calls are answered at once; else {median} ms at the median, at most {most} ms; the least is {least} ms"
    );
    assert!(at_once >= least, "{at_once} ms: EC2 cannot be faster");
    assert!(at_once * 100 <= least * 105, "{at_once} ms");
    assert!(most * 100 <= least * 110, "{most} ms");
}
