//! What the program itself costs: a start, a list of a thousand deployments, and a change of the type where the cloud
//! answers at once and nothing has to be waited for, beside boto3 and the AWS CLI. See docs/performance.md.
//!
//! ```sh
//! tests/wire/setup /tmp/wire
//! GEUSEMAKER_WIRE=/tmp/wire/bin/python cargo bench --bench overhead
//! ```

mod measure;
#[path = "../tests/promises/support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use geusemaker::cloud::{Clock, SystemClock};
use geusemaker::model::DeploymentName;
use geusemaker::sandbox::world::SEED_INSTANCE;
use geusemaker::state::StateDir;
use measure::median;
use support::served::Served;
use support::{Sandbox, bare};

/// Runs of each.
const RUNS: usize = 9;
/// What is listed.
const DEPLOYMENTS: usize = 1_000;

/// The same by boto3: a look, the change, a look.
const BOTO3: &str = r#"
import sys, boto3
instance, to = sys.argv[1:]
ec2 = boto3.client("ec2")
def look():
    return ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
assert look()["State"]["Name"] == "stopped"
ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": to})
assert look()["InstanceType"] == to
"#;

/// The same by the CLI.
const CLI: &str = r#"set -e
look() { "$1" ec2 describe-instances --instance-ids "$2" --query "Reservations[0].Instances[0].$3" --output text; }
[ "$(look "$1" "$2" State.Name)" = stopped ]
"$1" ec2 modify-instance-attribute --instance-id "$2" --instance-type "Value=$3"
[ "$(look "$1" "$2" InstanceType)" = "$3" ]
"#;

/// What a process and its children used.
struct Used {
    wall_ms: f64,
    /// Processor time, in steps of 10 ms.
    cpu_ms: f64,
    /// Of the largest of them.
    peak_mb: f64,
}

/// Runs it to its end, which has to be a good one.
fn used(command: &Command) -> Used {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%U %S %M", "-o"]).arg(file.path());
    timed.arg(command.get_program()).args(command.get_args());
    timed.env_clear();
    for (key, value) in command.get_envs() {
        timed.env(key, value.expect("set, not taken away"));
    }
    timed.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = timed.status().expect("GNU time is installed");
    let wall = began.elapsed();
    assert!(status.success(), "{command:?}");
    let said = fs_err::read_to_string(file.path()).expect("what it used");
    let words: Vec<f64> = said
        .split_whitespace()
        .map(|w| w.parse().expect("a number"))
        .collect();
    Used {
        wall_ms: wall.as_secs_f64() * 1000.0,
        cpu_ms: (words[0] + words[1]) * 1000.0,
        peak_mb: words[2] / 1024.0,
    }
}

/// The medians of some runs.
fn show(what: &str, mut run: impl FnMut(usize) -> Command) {
    let all: Vec<Used> = (0..RUNS).map(|n| used(&run(n))).collect();
    let of = |value: fn(&Used) -> f64| median(&mut all.iter().map(value).collect::<Vec<_>>());
    println!(
        "{what:<28} {:>7.0} ms {:>7.0} ms of processor time {:>5.1} MB",
        of(|u| u.wall_ms),
        of(|u| u.cpu_ms),
        of(|u| u.peak_mb)
    );
}

fn main() {
    println!("median of {RUNS} runs; memory is the peak");
    show("--version", |_| program(&["--version"], None));

    let many = Sandbox::new();
    let mut one = many.world(|world| world.seeded_deployment(SystemClock.now()));
    let folder = many.path().join("many");
    let (state, _) = StateDir::open(&folder).expect("a folder");
    for n in 0..DEPLOYMENTS {
        one.name = DeploymentName::new(format!("stack-{n}")).expect("a name");
        state.save(&one).expect("it is written");
    }
    show("list, of a thousand", |_| program(&["list"], Some(&folder)));

    let Some(python) = std::env::var_os("GEUSEMAKER_WIRE").map(PathBuf::from) else {
        println!("a change of the type: left out, for want of boto3: see docs/performance.md");
        return;
    };
    let sandbox = Sandbox::new();
    let mut serve = sandbox.command(&["sandbox", "serve"]);
    serve.stdin(Stdio::null());
    let served = Served::start(serve);
    let state = sandbox.path().join("elsewhere");
    let with = |mut command: Command| {
        let pairs = [
            ("AWS_ENDPOINT_URL", "endpoint"),
            ("AWS_REGION", "region"),
            ("AWS_DEFAULT_REGION", "region"),
            ("AWS_ACCESS_KEY_ID", "access_key_id"),
            ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
        ];
        for (key, of) in pairs {
            command.env(key, served.text(of));
        }
        command
    };
    let adopt = ["adopt", "my-dev-stack", "--instance-id", SEED_INSTANCE];
    used(&with(program(&adopt, Some(&state))));
    sandbox.world(|world| {
        let now = SystemClock.now();
        world
            .stop(SEED_INSTANCE, false, now)
            .expect("it can be stopped");
    });
    while !sandbox.world(|world| world.instances[SEED_INSTANCE].state.as_str() == "stopped") {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let to = |n: usize| ["t3.large", "t3.medium"][n % 2];
    show("type of a stopped instance", |n| {
        let words = [
            "update",
            "my-dev-stack",
            "--force",
            "--instance-type",
            to(n),
        ];
        with(program(&words, Some(&state)))
    });
    // An odd number of runs: the type is t3.large now.
    show("the same by boto3", |n| {
        let mut command = Command::new(&python);
        command.envs(path());
        command.args(["-c", BOTO3, SEED_INSTANCE, to(n + 1)]);
        with(command)
    });
    show("the same by the AWS CLI", |n| {
        let aws = python.with_file_name("aws");
        let mut command = Command::new("/bin/sh");
        command.envs(path());
        command.args(["-c", CLI, "sh"]).arg(aws);
        command.args([SEED_INSTANCE, to(n)]);
        with(command)
    });
}

/// The program, with this state folder.
fn program(words: &[&str], state: Option<&Path>) -> Command {
    let mut command = bare();
    command.args(words);
    if let Some(state) = state {
        command.env("GEUSEMAKER_STATE", state);
    }
    command
}

/// All that the others need of the caller's environment.
fn path() -> Option<(&'static str, std::ffi::OsString)> {
    Some(("PATH", std::env::var_os("PATH")?))
}
