//! The outage of a change of the type beside that of a script of stock SDK waiters (boto3's, 15 s between two looks), on
//! the sandbox with latencies like those of EC2. See docs/performance.md.
//!
//! ```sh
//! tests/wire/setup /tmp/wire
//! GEUSEMAKER_WIRE=/tmp/wire/bin/python cargo bench --profile dev --bench resize
//! ```

mod measure;
#[path = "../tests/promises/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use geusemaker::sandbox::latency::Latency;
use geusemaker::sandbox::world::SEED_INSTANCE;
use measure::median;
use support::Sandbox;
use support::served::Served;
use support::stack::containers;

/// Runs of each.
const RUNS: usize = 5;
/// Between two looks at the containers.
const EVERY: Duration = Duration::from_millis(50);

/// What a person writes with the SDK's own waiters.
const STOCK: &str = r#"
import sys, boto3
endpoint, region, key, secret, instance, to = sys.argv[1:]
ec2 = boto3.client("ec2", endpoint_url=endpoint, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret)
ids = [instance]
ec2.stop_instances(InstanceIds=ids)
ec2.get_waiter("instance_stopped").wait(InstanceIds=ids)
ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": to})
ec2.start_instances(InstanceIds=ids)
ec2.get_waiter("instance_running").wait(InstanceIds=ids)
ec2.get_waiter("instance_status_ok").wait(InstanceIds=ids)
"#;

fn main() {
    let Some(python) = std::env::var_os("GEUSEMAKER_WIRE") else {
        println!("resize: left out, for want of boto3: see docs/performance.md");
        return;
    };
    let (ours, stock) = (sandbox(), sandbox());
    let real = Latency::REAL;
    // What nobody can do without: the shutdown, the start, and the stack until it is healthy.
    let least = Duration::from_millis(real.stop + real.start + real.healthy).as_secs_f64();
    let (mut here, mut theirs) = (Vec::new(), Vec::new());
    println!("run  geusemaker update  stock waiters (outage; whole)");
    for run in 1..=RUNS {
        let to = if run % 2 == 1 {
            "t3.large"
        } else {
            "t3.medium"
        };
        let (a, b) = std::thread::scope(|scope| {
            let a = scope.spawn(|| outage(&ours, || update(&ours, to)));
            let b = outage(&stock, || by_hand(&stock, Path::new(&python), to));
            (a.join().expect("ours"), b)
        });
        println!(
            "{run:>3}  {:.1} s; {:.1} s  {:.1} s; {:.1} s",
            a.0, a.1, b.0, b.1
        );
        here.push(a.0);
        theirs.push(b.0);
    }
    let (here, theirs) = (median(&mut here), median(&mut theirs));
    println!(
        "median {here:.1} s, {theirs:.1} s: {:.2} times; {:.2} and {:.2} times the {least:.0} s of the cloud and the stack",
        here / theirs,
        here / least,
        theirs / least
    );
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["sandbox", "latency", "real"]).ended(0);
    sandbox
}

fn update(sandbox: &Sandbox, to: &str) {
    let words = ["update", "my-dev-stack", "--force", "--instance-type", to];
    assert_eq!(sandbox.json(&words, 0)["outcome"], "updated");
}

fn by_hand(sandbox: &Sandbox, python: &Path, to: &str) {
    let mut serve = sandbox.command(&["sandbox", "serve"]);
    serve.stdin(Stdio::null());
    let served = Served::start(serve);
    let done = Command::new(python)
        .args(["-c", STOCK])
        .args(["endpoint", "region", "access_key_id", "secret_access_key"].map(|k| served.text(k)))
        .args([SEED_INSTANCE, to])
        .status();
    assert!(done.expect("python runs").success());
}

/// Whether every container of the stack is up, and none of them unhealthy or still starting.
fn all_up(sandbox: &Sandbox) -> bool {
    sandbox.world(|world| {
        let (latency, now) = (world.latency, geusemaker::model::Timestamp::now());
        containers(world)
            .all(|c| c.running() && c.health(&latency, now).is_none_or(|h| h == "healthy"))
    })
}

/// The seconds from the first look at which something was down to the last, and those of the whole.
fn outage(sandbox: &Sandbox, change: impl FnOnce()) -> (f64, f64) {
    while !all_up(sandbox) {
        std::thread::sleep(EVERY);
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (began, mut down) = (Instant::now(), None);
            while !over.load(Ordering::Relaxed) {
                if !all_up(sandbox) {
                    let now = began.elapsed();
                    down = Some((down.map_or(now, |(first, _)| first), now));
                }
                std::thread::sleep(EVERY);
            }
            let (first, last) = down.expect("an outage");
            (last - first).as_secs_f64()
        });
        let began = Instant::now();
        change();
        let whole = began.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        (watch.join().expect("a watch"), whole)
    })
}
