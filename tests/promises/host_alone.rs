//! The controller is killed, and the host is on its own: it goes back, or stays, by itself; `resume` reports it.

use geusemaker::model::Timestamp;
use geusemaker::sandbox::world::SEED_INSTANCE;
use serde_json::Value;

use crate::locks::running;
use crate::support::stack::Stack;
use crate::support::{BOTH, IMAGE as GOOD, Sandbox};

const NAME: &str = "my-dev-stack";
const BAD: [&str; 5] = ["update", NAME, "--image", "n8n=n8nio/n8n:1.21.0", "--force"];
const TYPE: [&str; 7] = [
    "update",
    NAME,
    "--instance-type",
    "t3.large",
    "--force",
    "--stable-for",
    "1s",
];

/// A sandbox whose host waits so long for a word. Longer than a busy machine is silent between two scripts.
const PATIENCE: &str = "restore=8s";

pub fn sandbox() -> (Sandbox, Stack) {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["sandbox", "latency", "set", PATIENCE])
        .ended(0);
    let before = sandbox.stack();
    (sandbox, before)
}

fn fault(sandbox: &Sandbox, fault: &str) {
    sandbox.run(&["sandbox", "fault", "add", fault]).ended(0);
}

/// Killed when this step begins.
pub fn killed_at(sandbox: &Sandbox, args: &[&str], step: &str) {
    let (mut child, _) = running(sandbox.command(args), step);
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
}

/// Killed as soon as the host is armed, and the controller does not know it yet.
fn killed_when_armed(sandbox: &Sandbox, args: &[&str]) {
    let (mut child, _) = running(sandbox.command(args), "arm_restore");
    while sandbox.restore_word() != "armed" {
        assert!(child.try_wait().expect("its state").is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    let lines = sandbox.journal();
    assert_eq!(lines.last().expect("a line")["entry"], "started");
}

/// Looks, as anybody may, until the host has judged. A look is no word of the controller.
pub fn alone(sandbox: &Sandbox) -> String {
    loop {
        sandbox.run(&["status", NAME]).ended(0);
        let word = sandbox.restore_word();
        if !["armed", "restoring"].contains(&word.as_str()) {
            return word;
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
}

fn resume(sandbox: &Sandbox, more: &[&str], code: i32, outcome: &str) -> Value {
    let mut args = vec!["resume", NAME, "--force"];
    args.extend(more);
    let result = sandbox.json(&args, code);
    assert_eq!(result["outcome"], outcome, "{result}");
    assert_eq!(sandbox.leftovers(), Vec::<String>::new(), "{result}");
    result
}

fn warns(result: &Value, text: &str) {
    let warnings = result["data"]["warnings"].to_string();
    assert!(warnings.contains(text), "{text}: {result}");
}

#[test]
fn a_bad_image_is_taken_back_by_the_host_and_resume_reports_it() {
    let (sandbox, before) = sandbox();
    fault(&sandbox, "health:n8n@n8nio/n8n:1.21.0=unhealthy");
    killed_at(&sandbox, &BAD, "verify_health");
    assert_ne!(sandbox.stack(), before, "the bad one runs");
    assert_eq!(alone(&sandbox), "restored");
    assert_eq!(sandbox.stack(), before, "without anybody");
    // Nobody is told that it had been updated, nor begins anything new.
    sandbox.run(&GOOD).ended(3);
    let result = resume(&sandbox, &[], 4, "rolled_back");
    warns(&result, "the host went back by itself");
    assert_eq!(
        result["data"]["verified"]["health"]["n8n"], "green",
        "{result}"
    );
    assert_eq!(sandbox.stack(), before);
}

#[test]
fn a_good_image_stays_and_resume_ends_updated() {
    let (sandbox, _) = sandbox();
    killed_at(&sandbox, &GOOD, "verify_health");
    assert_eq!(alone(&sandbox), "committed");
    let updated = sandbox.stack();
    let result = resume(&sandbox, &[], 0, "updated");
    warns(&result, "found all green, and stayed as it was");
    assert_eq!(sandbox.stack(), updated);
}

#[test]
fn a_good_image_that_stayed_can_still_be_taken_back() {
    let (sandbox, before) = sandbox();
    killed_at(&sandbox, &GOOD, "verify_health");
    assert_eq!(alone(&sandbox), "committed");
    resume(&sandbox, &["--unwind"], 4, "rolled_back");
    assert_eq!(sandbox.stack(), before);
}

#[test]
fn what_was_quiesced_before_a_stop_is_started_again_by_the_host() {
    let (sandbox, before) = sandbox();
    // EC2 is busy: the controller tries to stop the instance again and again.
    fault(&sandbox, "ec2:StopInstances=RequestLimitExceeded");
    killed_at(&sandbox, &TYPE, "stop_instance");
    sandbox.run(&["sandbox", "fault", "clear"]).ended(0);
    assert_ne!(sandbox.stack(), before, "all containers are down");
    assert_eq!(alone(&sandbox), "restored");
    assert_eq!(sandbox.stack(), before, "the old containers run again");
    let result = resume(&sandbox, &[], 4, "rolled_back");
    warns(&result, "the host went back by itself");
    assert_eq!(sandbox.stack(), before);
}

#[test]
fn after_the_boot_the_host_starts_the_old_containers_and_resume_brings_the_type_back() {
    let (sandbox, before) = sandbox();
    killed_at(&sandbox, &TYPE, "await_host");
    assert_eq!(alone(&sandbox), "restored");
    let mut alone = sandbox.stack();
    let had = alone.insert("type".into(), "t3.medium".into());
    assert_eq!(had.as_deref(), Some("t3.large"), "no host can change that");
    assert_eq!(alone, before);
    let result = resume(&sandbox, &[], 4, "rolled_back");
    warns(&result, "the host went back by itself");
    assert_eq!(sandbox.stack(), before);
}

#[test]
fn while_the_instance_is_stopped_nothing_acts_and_resume_goes_on() {
    let (sandbox, before) = sandbox();
    killed_at(&sandbox, &TYPE, "set_instance_type");
    let stopped = sandbox.stack();
    assert_eq!(stopped["state"], "stopped");
    let file = sandbox.host().join("var/lib/geusemaker/restore/state");
    let text = fs_err::read_to_string(file).expect("armed");
    let deadline: i64 = text.split(' ').nth(4).expect("it").parse().expect("a time");
    while Timestamp::now().as_second() <= deadline {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    sandbox.run(&["status", NAME]).ended(0);
    assert_eq!(
        sandbox.restore_word(),
        "armed",
        "past its deadline, and powered off"
    );
    assert_eq!(sandbox.stack(), stopped);
    resume(&sandbox, &[], 0, "updated");
    let after = sandbox.stack();
    assert_eq!(after["type"], "t3.large");
    for (key, value) in before.iter().filter(|(key, _)| *key != "type") {
        assert_eq!(&after[key], value);
    }
}

/// Accepted while the instance is off, and then somebody writes the compose file: the host fails to go back, and no other
/// operation could arm it. Found by the sequences (`model::found`), here with the host's own scripts and timer.
#[test]
fn a_host_that_cannot_go_back_from_what_was_accepted_hears_a_second_accept() {
    let (sandbox, _) = sandbox();
    let accept = ["resume", NAME, "--accept", "--force"];
    killed_at(&sandbox, &BOTH, "set_instance_type");
    assert_eq!(sandbox.stack()["state"], "stopped");
    let accepted = sandbox.json(&accept, 0);
    assert_eq!(accepted["outcome"], "done", "{accepted}");
    warns(&accepted, "it goes back by itself");
    let file = sandbox
        .host()
        .join("opt/geusemaker/runtime/docker-compose.yml");
    let edited = sandbox.compose() + "# by hand\n";
    fs_err::write(&file, &edited).expect("the file is written");
    let started = sandbox.world(|world| world.start(SEED_INSTANCE, Timestamp::now()));
    started.expect("it starts");
    while sandbox.restore_word() != "restoring" {
        sandbox.run(&["status", NAME]).ended(0);
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let refused = sandbox.json(&GOOD, 3);
    assert_eq!(refused["error"]["code"], "host_going_back", "{refused}");
    let heard = sandbox.json(&accept, 0);
    assert_eq!(heard["outcome"], "unchanged", "{heard}");
    assert_eq!(sandbox.restore_word(), "committed");
    assert_eq!(sandbox.compose(), edited);
    let updated = sandbox.json(&GOOD, 0);
    assert_eq!(updated["outcome"], "updated", "{updated}");
    assert_eq!(sandbox.leftovers(), Vec::<String>::new(), "{updated}");
}

#[test]
fn armed_and_nothing_changed_yet_is_refused_to_others_and_goes_either_way() {
    let (base, before) = sandbox();
    killed_when_armed(&base, &GOOD);
    let refused = base.json(&GOOD, 3);
    let check = &refused["data"]["plan"]["checks"][0];
    assert_eq!(check["name"], "operation_open", "{refused}");
    assert!(
        check["help"]
            .as_str()
            .is_some_and(|help| help.starts_with("geusemaker --sandbox resume my-dev-stack")),
        "{refused}"
    );
    // At once, on and back.
    let (on, back) = (base.copy(), base.copy());
    resume(&back, &["--unwind"], 3, "refused");
    assert_eq!(back.stack(), before);
    assert_eq!(back.restore_word(), "committed", "disarmed");
    resume(&on, &[], 0, "updated");
    let updated = on.stack();
    // After the host has judged for itself that all is as it was.
    assert_eq!(alone(&base), "committed");
    assert_eq!(base.stack(), before);
    let (on, back) = (base.copy(), base);
    resume(&back, &["--unwind"], 3, "refused");
    assert_eq!(back.stack(), before);
    resume(&on, &[], 0, "updated");
    assert_eq!(on.stack(), updated);
}
