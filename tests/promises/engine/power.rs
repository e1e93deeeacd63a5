//! The power goes off and on, and controllers die.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use geusemaker::sandbox::world::{SEED_INSTANCE, World};
use jiff::Timestamp;

use super::real::{Real, Seen};

fn boot_id(real: &Real) -> String {
    real.sh("cat /proc/sys/kernel/random/boot_id")
}

/// Without what a boot changes.
fn lasting(all: Vec<Seen>) -> Vec<Seen> {
    let without = |c: Seen| Seen {
        started: String::new(),
        ..c
    };
    all.into_iter().map(without).collect()
}

/// Type and image in one outage: the instance was really off, and all is as it was but for these two.
pub fn resize(real: &Real) {
    let (before, boot) = (real.containers(), boot_id(real));
    real.sh("echo kept >/mnt/efs/n8n/data");
    let args = [
        "--instance-type",
        "t3.large",
        "--image",
        "n8n=n8nio/n8n:1.1.0",
    ];
    let result = real.update(&args, 0);
    let verified = &result["data"]["verified"];
    assert_eq!(verified["type"], "t3.large", "{result}");
    // The same files before and after, over a real boot; what the services rewrote meanwhile is named.
    let folders = verified["data"]["folders"].as_array().expect("folders");
    let seen: Vec<(&str, &str)> = folders
        .iter()
        .filter_map(|f| Some((f["folder"].as_str()?, f["state"].as_str()?)))
        .collect();
    let is = |name: &'static str, state: &'static str| (name, state);
    assert_eq!(
        seen,
        [
            is("/mnt/efs/n8n", "same"),
            is("/mnt/efs/ollama", "not_compared"),
            is("/mnt/efs/postgres", "not_compared"),
            is("/mnt/efs/qdrant", "not_compared"),
        ],
        "{verified}"
    );
    assert_ne!(boot_id(real), boot);
    let after = real.containers();
    assert_eq!(real.container("n8n").image, "n8nio/n8n:1.1.0");
    let (mut was, mut is) = (lasting(before), lasting(after));
    was.retain(|c| c.name != "n8n");
    is.retain(|c| c.name != "n8n");
    assert_eq!(was, is);
    assert_eq!(real.sh("docker exec n8n cat /data/data"), "kept\n");
    assert_eq!(real.sh("ls /var/lib/geusemaker/policies"), "");
    back_to_the_type(real);
}

/// The type alone: Docker brings the containers up with the boot, before anybody asks for it, and their policies are as before.
fn back_to_the_type(real: &Real) {
    let before = real.containers();
    let result = real.update(&["--instance-type", "t3.medium"], 0);
    assert_eq!(result["outcome"], "updated", "{result}");
    assert_eq!(lasting(real.containers()), lasting(before.clone()));
    assert_eq!(real.sh("ls /var/lib/geusemaker/policies"), "");
    let applied = real.sh("cat $(ls -td /var/lib/geusemaker/ops/*/*/ | xargs -I {} grep -l 'kept$' {}log | head -n 1)");
    // One without such a policy waits for us, as it would behind any boot.
    let comes_up = |c: &Seen| {
        ["always", "unless-stopped"]
            .iter()
            .any(|p| c.policy.starts_with(p))
    };
    let booted: Vec<Seen> = before.into_iter().filter(comes_up).collect();
    assert_eq!(booted.len(), 4, "{booted:?}");
    for c in booted {
        let kept = format!("{}: kept", c.name);
        assert!(
            applied.lines().any(|l| l.ends_with(&kept)),
            "{kept}\n{applied}"
        );
    }
}

/// No capacity for the new type: the old one again, and everything up as before.
pub fn no_capacity(real: &Real) {
    let (before, file) = (real.containers(), real.compose());
    let fault = "ec2:StartInstances@t3.large=InsufficientInstanceCapacity";
    real.sandbox
        .run(&["sandbox", "fault", "add", fault])
        .ended(0);
    let args = [
        "--instance-type",
        "t3.large",
        "--image",
        "n8n=n8nio/n8n:1.1.0",
    ];
    let result = real.update(&args, 4);
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    assert_eq!(lasting(real.containers()), lasting(before));
    assert_eq!(real.compose(), file);
}

/// Starts an update of n8n to this image and kills it in the middle of its gate.
pub(super) fn killed_in_the_gate(real: &Real, image: &str) {
    let image = format!("n8n=n8nio/n8n:{image}");
    let words = [
        "update",
        "my-dev-stack",
        "--force",
        "--image",
        &image,
        "--stable-for",
        "5s",
    ];
    let mut child = real
        .sandbox
        .command(&words)
        .args(["--progress", "json"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let in_the_gate =
        |line: &String| line.contains("step_started") && line.contains("verify_health");
    let seen = lines.map_while(Result::ok).any(|line| in_the_gate(&line));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(seen, "it ended before its gate");
}

/// Waits until the host has judged by itself; what it says then.
pub(super) fn judged(real: &Real) -> String {
    for _ in 0..600 {
        let state = real.sh("cat /var/lib/geusemaker/restore/state");
        if !state.starts_with("armed") && !state.starts_with("restoring") {
            return state;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!(
        "{}\n{}\n{}",
        real.sh("cat /var/lib/geusemaker/restore/state"),
        real.sh("systemctl status geusemaker-restore.timer geusemaker-restore.service || :"),
        real.sh("journalctl --no-pager -u geusemaker-restore.service | tail -n 20")
    );
}

pub(super) fn patience(real: &Real, how_long: &str) {
    let setting = format!("restore={how_long}");
    real.sandbox
        .run(&["sandbox", "latency", "set", &setting])
        .ended(0);
}

fn old_again(real: &Real, before: &[Seen], file: &str) {
    let n8n = real.container("n8n");
    let was = before.iter().find(|c| c.name == "n8n").unwrap();
    assert_eq!((&n8n.image, &n8n.image_id), (&was.image, &was.image_id));
    assert_eq!(n8n.state, "running/healthy");
    assert_eq!(real.compose(), file);
}

/// The controller is killed while a bad image runs: systemd's timer brings the old stack back, and `resume` finds
/// it done.
pub fn silent(real: &Real) {
    let (before, file) = (real.containers(), real.compose());
    patience(real, "4s");
    killed_in_the_gate(real, "1.2.0-unhealthy");
    let state = judged(real);
    assert!(
        state.starts_with("restored ") && state.ends_with(" host\n"),
        "{state}"
    );
    wait_green(real);
    old_again(real, &before, &file);
    let timers = real.sh("systemctl is-active geusemaker-restore.timer || :");
    assert_eq!(timers, "inactive\n");
    let result = real.sandbox.json(&["resume", "my-dev-stack", "--force"], 4);
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    old_again(real, &before, &file);
}

/// The same with a good image: it stays.
pub fn silent_and_green(real: &Real) {
    patience(real, "4s");
    killed_in_the_gate(real, "1.1.0");
    let state = judged(real);
    assert!(
        state.starts_with("committed ") && state.ends_with(" host\n"),
        "{state}"
    );
    assert_eq!(real.container("n8n").image, "n8nio/n8n:1.1.0");
    let result = real.sandbox.json(&["resume", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "updated", "{result}");
}

/// Somebody stops the instance and starts it again, and it is another boot.
pub(super) fn off_and_on(real: &Real) {
    let place = real.place();
    let id = |world: &mut World, _| world.hosts[SEED_INSTANCE].boot_id.clone();
    let boot = place.with(id).unwrap();
    let stop = |world: &mut World, now: Timestamp| world.stop(SEED_INSTANCE, false, now).is_ok();
    assert!(place.with(stop).unwrap());
    let start = |world: &mut World, now: Timestamp| world.start(SEED_INSTANCE, now).is_ok();
    while !place.with(start).unwrap() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Its name was known before its root was: a look in between was one at this machine.
    let outside = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let another = |now: Option<String>| {
        now.is_some_and(|now| {
            assert_ne!(now, outside, "it is this machine that answers");
            now.trim() != boot
        })
    };
    for n in 1..300 {
        if another(real.try_sh("cat /proc/sys/kernel/random/boot_id")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
        // Its agent is gone when nobody has asked for long; a look wakes it.
        if n % 50 == 0 {
            real.sandbox.run(&["status", "my-dev-stack"]);
        }
    }
    panic!("it does not come up");
}

/// The instance is stopped in between, and the instance started again by somebody.
pub fn silent_over_a_boot(real: &Real) {
    let (before, file, boot) = (real.containers(), real.compose(), boot_id(real));
    patience(real, "6s");
    killed_in_the_gate(real, "1.2.0-unhealthy");
    off_and_on(real);
    assert_ne!(boot_id(real), boot);
    let state = judged(real);
    assert!(
        state.starts_with("restored ") && state.ends_with(" host\n"),
        "{state}"
    );
    wait_green(real);
    old_again(real, &before, &file);
    real.sandbox.json(&["resume", "my-dev-stack", "--force"], 4);
}

/// Of the tests' own host: systemd stops what runs before it kills it, and `nsenter` stops itself with what it started. It took away
/// nothing any more, the host's first process waited for that dead child, and `off` for both.
pub fn off_under_a_look(real: &Real) {
    let words = ["run", "/bin/sh", "-c", "echo $$; exec sleep 600"];
    let mut look = real.script(&words);
    look.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut look = look.spawn().unwrap();
    let mut pid = String::new();
    let mut said = BufReader::new(look.stdout.take().unwrap());
    said.read_line(&mut pid).unwrap();
    real.sh(&format!("kill -s STOP {pid}"));
    for n in 0.. {
        if has_stopped_child(look.id()) {
            break;
        }
        assert!(n < 200, "nsenter goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Not one word, among them "its plug is pulled".
    let off = real.output(&["off"]);
    let said = String::from_utf8_lossy(&off.stderr);
    assert!(off.status.success() && said.is_empty(), "{said}");
    assert!(!look.wait().unwrap().success());
}

/// Whether a process that this one started is stopped.
fn has_stopped_child(parent: u32) -> bool {
    let stopped = format!("T {parent} ");
    let all = fs_err::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut stats = all.filter_map(|entry| fs_err::read_to_string(entry.path().join("stat")).ok());
    // Behind the name, which may hold anything: the state, the parent.
    stats.any(|stat| {
        let behind = stat.rsplit(") ").next().unwrap_or_default();
        behind.starts_with(&stopped)
    })
}

fn wait_green(real: &Real) {
    for _ in 0..200 {
        if real.container("n8n").state == "running/healthy" {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
