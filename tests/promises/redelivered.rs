//! Run Command delivers at least once, and late: a script that comes twice is done once, and one that comes after
//! somebody else took over is refused.

use geusemaker::host::scripts::Verb;
use geusemaker::sandbox::world::{Command, CommandState, SEED_INSTANCE, SendCommand};

use crate::locks::running;
use crate::support::{IMAGE as UPDATE, Sandbox};

/// A script of `apply_images`: the word `apply` in base64.
const APPLY: &str = "\nkind YXBwbHk=\n";

/// The scripts that a host was sent and that do something on it, oldest first: id and text. A world keeps the text of
/// the newest only.
fn effects(sandbox: &Sandbox) -> Vec<(String, String)> {
    let verbs = [Verb::Mount, Verb::Start, Verb::Arm, Verb::Commit];
    let does = |c: &&Command| {
        let is = |verb: &Verb| c.script.starts_with(verb.script());
        verbs.iter().any(is) && c.script.contains("\nseq ")
    };
    sandbox.world(|world| {
        let all = world.commands.iter().filter(does);
        all.map(|c| (c.id.clone(), c.script.to_string())).collect()
    })
}

/// Killed while the new image is applied; the host has finished the job that it was given. What was sent until then,
/// the newest last: the job.
fn killed_while_it_applies(sandbox: &Sandbox) -> Vec<(String, String)> {
    let (mut child, _) = running(sandbox.command(&UPDATE), "check_mounts");
    let mut sent = Vec::new();
    while !sent
        .iter()
        .any(|(_, script): &(_, String)| script.contains(APPLY))
    {
        assert!(child.try_wait().expect("its state").is_none(), "it ended");
        for new in effects(sandbox) {
            if !sent.contains(&new) {
                sent.push(new);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    while jobs(sandbox).iter().any(|ended| !ended) {
        sandbox.run(&["status", "my-dev-stack"]).ended(0);
    }
    let kinds = [Verb::Mount, Verb::Start, Verb::Arm];
    for verb in kinds {
        assert!(
            sent.iter()
                .any(|(_, script)| script.starts_with(verb.script()))
        );
    }
    sent
}

/// Of each job that began on the host, whether it has ended.
fn jobs(sandbox: &Sandbox) -> Vec<bool> {
    let operations = sandbox.host().join("var/lib/geusemaker/ops");
    let mut jobs = Vec::new();
    let mut applies = false;
    for operation in fs_err::read_dir(operations).expect("operations") {
        for record in fs_err::read_dir(operation.expect("one").path()).expect("records") {
            let record = record.expect("one").path();
            let request = fs_err::read_to_string(record.join("request")).unwrap_or_default();
            applies |= format!("\n{request}").contains(APPLY);
            // The record of the arm is no job.
            if record.join("tag").exists() {
                jobs.push(record.join("status").exists());
            }
        }
    }
    jobs.push(applies);
    jobs
}

/// Delivered once more under the same id, as by an agent that went away before it could answer. What it printed.
fn again(sandbox: &Sandbox, id: &str) -> String {
    sandbox.world(|world| {
        let mut commands = world.commands.iter_mut();
        let command = commands.find(|c| c.id == id).expect("it is known");
        command.state = CommandState::InProgress;
        command.interrupted = true;
        command.stdout = Default::default();
    });
    printed(sandbox, id)
}

/// The same text as a command of its own, as by a client that tried again after a lost answer.
fn late(sandbox: &Sandbox, script: &str) -> String {
    let ask = SendCommand {
        document: "AWS-RunShellScript".into(),
        instances: vec![SEED_INSTANCE.into()],
        script: script.into(),
        working_directory: None,
        comment: String::new(),
        delivery_timeout_s: None,
        execution_timeout_s: None,
    };
    let now = geusemaker::model::Timestamp::now();
    let id = sandbox.world(|world| world.send_command(&ask, now));
    printed(sandbox, &id.expect("it is sent"))
}

fn printed(sandbox: &Sandbox, id: &str) -> String {
    loop {
        // Whoever uses the sandbox wakes its host.
        sandbox.run(&["status", "my-dev-stack"]).ended(0);
        let ended = sandbox.world(|world| {
            let command = world.commands.iter().find(|c| c.id == id);
            let command = command.expect("it is known");
            command.state.ended().then(|| command.stdout.to_string())
        });
        if let Some(stdout) = ended {
            return stdout;
        }
    }
}

/// Every container with its id and its last start: what was made anew or restarted shows.
fn containers(sandbox: &Sandbox) -> Vec<String> {
    sandbox.world(|world| {
        let all = &world.hosts[SEED_INSTANCE].engine.containers;
        let one = |c: &geusemaker::sandbox::host::docker::Container| {
            format!("{} {} {:?}", c.name, c.id, c.started_at)
        };
        all.iter().map(one).collect()
    })
}

#[test]
fn a_script_that_is_delivered_twice_is_done_once() {
    let sandbox = Sandbox::new();
    let sent = killed_while_it_applies(&sandbox);
    let ((id, script), older) = sent.split_last().expect("something");
    let (stack, made) = (sandbox.stack(), containers(&sandbox));
    for answer in [again(&sandbox, id), late(&sandbox, script)] {
        assert!(answer.contains("\"state\":\"done\""), "{answer}");
    }
    // What came before it was overtaken by it.
    for (_, script) in older {
        let answer = late(&sandbox, script);
        assert!(answer.contains("\"code\":\"fenced\""), "{answer}");
    }
    assert_eq!((sandbox.stack(), containers(&sandbox)), (stack, made));
    let result = sandbox.json(&["resume", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "updated");
    assert_eq!(sandbox.leftovers(), Vec::<String>::new());
}

#[test]
fn a_script_that_comes_after_a_takeover_is_refused() {
    for broken in [false, true] {
        let sandbox = Sandbox::new();
        let before = sandbox.stack();
        let sent = killed_while_it_applies(&sandbox);
        if broken {
            sandbox.run(&["unlock", "my-dev-stack", "--force"]).ended(0);
        }
        let resume = ["resume", "my-dev-stack", "--unwind", "--force"];
        assert_eq!(sandbox.json(&resume, 4)["outcome"], "rolled_back");
        let (word, made) = (sandbox.restore_word(), containers(&sandbox));
        for (_, script) in sent {
            let answer = late(&sandbox, &script);
            assert!(answer.contains("\"code\":\"fenced\""), "{answer}");
        }
        assert_eq!(sandbox.stack(), before);
        assert_eq!((sandbox.restore_word(), containers(&sandbox)), (word, made));
        assert_eq!(sandbox.leftovers(), Vec::<String>::new());
    }
}
