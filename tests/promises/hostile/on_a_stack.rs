//! Hostile values in what the command line takes, on a sandbox with its stack: nothing in them is executed, nothing is
//! written where they point, and the stack is as it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use clap::{Command, CommandFactory};
use geusemaker::cli::Cli;
use geusemaker::report::is_unsafe;
use geusemaker::sandbox::world::SEED_INSTANCE;

use super::canary::Canary;
use super::spread;
use crate::support::stack::Stack;
use crate::support::{Ran, Sandbox};

/// Of the values that are taken, each so-manieth is run.
const EACH: usize = 12;
/// The same for what takes any text.
const EACH_OF_ALL: usize = 100;

/// Command lines with a place for a value, `@`.
const LINES: &[&[&str]] = &[
    &["status", "@"],
    &["inspect", "@", "--show-history"],
    &["history", "@"],
    &["history", "my-dev-stack", "@"],
    &["logs", "@"],
    &["logs", "my-dev-stack", "--service=@"],
    &["check", "@"],
    &["check", "my-dev-stack", "--image=n8n=@"],
    &["check", "my-dev-stack", "--image=@=n8nio/n8n:1.20.0"],
    &["check", "my-dev-stack", "--instance-type=@"],
    &["update", "@", "--image=n8n=n8nio/n8n:1.20.0", "--force"],
    &["update", "my-dev-stack", "--image=n8n=@", "--force"],
    &["update", "my-dev-stack", "--image=@", "--force"],
    &["update", "my-dev-stack", "--instance-type=@", "--force"],
    &[
        "update",
        "my-dev-stack",
        "--instance-type=t3.large",
        "--fallback-type=@",
        "--dry-run",
    ],
    &["rollback", "@", "--force"],
    &["rollback", "my-dev-stack", "--to=@", "--force"],
    &["rollback", "my-dev-stack", "--services=@", "--force"],
    &["resume", "@", "--force"],
    &["unlock", "@", "--force"],
    &["exec", "@", "--", "true"],
    &["exec", "my-dev-stack", "--service=@", "--", "true"],
    &["exec", "my-dev-stack", "--", "@"],
    &["exec", "my-dev-stack", "--service=n8n", "--", "@"],
    &["sandbox", "fault", "add", "@", "--times=1"],
    &["sandbox", "fault", "add", "pull:@=missing", "--times=1"],
    &["sandbox", "latency", "set", "@"],
    &["status", "my-dev-stack", "--profile=@"],
    &["status", "my-dev-stack", "--region=@"],
];

/// The same for an instance that nobody has adopted; `I` is its id.
const ADOPT: &[&[&str]] = &[
    &["adopt", "@", "--instance-id=I"],
    &["adopt", "@", "--instance-id=I", "--compose=/opt/@"],
    &["adopt", "other", "--instance-id=I", "--compose=@"],
    &[
        "adopt",
        "other",
        "--instance-id=I",
        "--compose=/opt/geusemaker/runtime/@",
    ],
    &["adopt", "other", "--instance-id=@"],
    &["adopt", "other", "--instance-id=I", "--efs=@"],
];

/// How often each exit code came back.
type Codes = BTreeMap<i32, u32>;
/// The stack, and the files of its host.
type Standing = (Stack, BTreeMap<String, Vec<u8>>);

/// A sandbox, and a folder from which it is used.
struct Stand {
    sandbox: Sandbox,
    home: tempfile::TempDir,
    canary: Canary,
}

impl Stand {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        // The host is up, with all that it needs to be asked.
        sandbox
            .run(&["exec", "my-dev-stack", "--", "true"])
            .ended(0);
        Self {
            sandbox,
            home: tempfile::tempdir().expect("a folder"),
            canary: Canary::new(),
        }
    }

    fn output(&self, words: &[String]) -> Output {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.sandbox.command(&words);
        command.env("HOME", self.home.path());
        command.current_dir(self.home.path());
        command.output().expect("the binary runs")
    }

    /// What a value must not change: the stack, and the files of the host beside those that are the program's own.
    fn standing(&self) -> Standing {
        (self.sandbox.stack(), files(&self.sandbox.host()))
    }

    /// Nothing is where a value points, nor in the folder from which it was typed.
    #[track_caller]
    fn untouched(&self, words: &[String]) {
        let places = [self.sandbox.path(), self.home.path()];
        let found = self.canary.found(&places);
        assert!(found.is_empty(), "{words:?} made {found:?}");
        let mut here = fs_err::read_dir(self.home.path()).expect("readable");
        assert!(here.next().is_none(), "{words:?} wrote where it was typed");
    }
}

/// Files below, by their path, but for what the agent, the daemon and the program keep for themselves.
fn files(host: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![host.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path();
            let name = path.strip_prefix(host).expect("below");
            let own = ["var/lib/geusemaker", "var/lib/amazon", "run"];
            let sentinel =
                name.starts_with(".efs") && name.iter().any(|part| part == ".geusemaker");
            if own.iter().any(|own| name.starts_with(own)) || sentinel {
                continue;
            }
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                folders.push(path.clone());
            }
            let held = match kind.is_file() {
                true => fs_err::read(&path).unwrap_or_default(),
                false => Vec::new(),
            };
            found.insert(name.display().to_string(), held);
        }
    }
    found
}

/// What is not the same, by name.
fn differs(before: &Standing, now: &Standing) -> String {
    let of = |a: &Standing, b: &Standing| -> Vec<String> {
        let stack = a.0.iter().filter(|(k, v)| b.0.get(*k) != Some(v));
        let files = a.1.iter().filter(|(k, v)| b.1.get(*k) != Some(v));
        stack
            .map(|(k, _)| k.clone())
            .chain(files.map(|(k, _)| k.clone()))
            .collect()
    };
    format!("{:?} became {:?}", of(before, now), of(now, before))
}

/// The command line with this value, where the parser takes it.
fn taken(parser: &mut Command, line: &[&str], value: &str) -> Option<Vec<String>> {
    let with = |word: &&str| match *word {
        word if word.ends_with("=I") => word.replace("=I", &format!("={SEED_INSTANCE}")),
        word => word.replace('@', value),
    };
    let words: Vec<String> = line.iter().map(with).collect();
    let argv = ["geusemaker", "--sandbox"].map(str::to_owned).into_iter();
    let matches = parser.try_get_matches_from_mut(argv.chain(words.iter().cloned()));
    matches.is_ok().then_some(words)
}

/// Runs a spread of what is taken: whatever becomes of it, the stack is as it was. `after` each.
fn run_each(stand: &Stand, lines: &[&[&str]], after: impl Fn(&Stand, &[String])) -> Codes {
    let values = stand.canary.words();
    let before = stand.standing();
    let (mut parser, mut codes) = (Cli::command(), Codes::new());
    for (place, line) in lines.iter().enumerate() {
        // What names the stack itself is meant, and changes it; where a word is all of it, `--state=…` names a folder to use.
        let meant = |value: &str| {
            value == "my-dev-stack" || (value.starts_with("--state=") && line.contains(&"@"))
        };
        let values = values.iter().filter(|value| !meant(value));
        let taken: Vec<_> = values
            .filter_map(|value| taken(&mut parser, line, value))
            .collect();
        let each = if taken.len() > 300 { EACH_OF_ALL } else { EACH };
        for words in spread(&taken, place, each.min(taken.len().max(1))) {
            let ran = Ran::new(stand.output(words));
            *codes.entry(ran.code).or_insert(0) += 1;
            let expected = [0, 1, 2, 3, 4, 8].contains(&ran.code);
            assert!(expected, "{words:?}: {}\n{}", ran.code, ran.err);
            // What a command on the host says is its own.
            for said in [&ran.out, &ran.err] {
                let bad = said.chars().find(|c| is_unsafe(*c) && *c != '\n');
                assert!(bad.is_none() || words[0] == "exec", "{words:?}: {said:?}");
            }
            let now = stand.standing();
            assert!(now == before, "{words:?}: {}", differs(&before, &now));
            stand.untouched(words);
            after(stand, words);
        }
    }
    use std::io::Write;
    let runs: u32 = codes.values().sum();
    let _ = writeln!(
        std::io::stderr(),
        "hostile: on a stack: {}: runs {runs} codes {codes:?}",
        lines[lines.len() - 1][0]
    );
    codes
}

#[test]
fn what_is_taken_of_the_hostile_values_changes_nothing_on_a_stack() {
    let stand = Stand::new();
    let codes = run_each(&stand, LINES, |stand, words| {
        if words[0] == "sandbox" {
            stand.sandbox.run(&["sandbox", "fault", "clear"]).ended(0);
            stand.sandbox.run(&["sandbox", "latency", "fast"]).ended(0);
        }
    });
    // Some are done, some fail on the host, some are refused, some name what is not there.
    for code in [0, 1, 3, 8] {
        assert!(codes.contains_key(&code), "{codes:?}");
    }
}

#[test]
fn what_is_taken_of_the_hostile_values_is_adopted_or_refused() {
    let stand = Stand::new();
    let state = stand.sandbox.path().join("sandbox/state");
    fs_err::remove_dir_all(state.join("my-dev-stack")).expect("removed");
    let codes = run_each(&stand, ADOPT, |_, words| {
        // A deployment has a folder of its name, and there is nothing beside it.
        for entry in fs_err::read_dir(&state).expect("readable") {
            let path = entry.expect("readable").path();
            assert_eq!(path, state.join(&words[1]), "{words:?}");
            fs_err::remove_dir_all(path).expect("removed");
        }
    });
    assert!(
        codes.contains_key(&0) && codes.contains_key(&3),
        "{codes:?}"
    );
}

/// On the host a value is one word, byte for byte, and nothing else.
#[test]
fn a_hostile_word_of_a_command_on_the_host_arrives_as_it_was_typed() {
    let stand = Stand::new();
    let before = stand.standing();
    for value in spread(&stand.canary.words(), 0, EACH_OF_ALL / 4) {
        let words = ["exec", "my-dev-stack", "--", "printf", "%s", value].map(str::to_owned);
        let output = stand.output(&words);
        let ran = (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
        );
        assert_eq!(ran, (Some(0), value.into()), "{words:?}");
        stand.untouched(&words);
    }
    assert!(stand.standing() == before);
}

/// A state folder may have any name. It is made where it was asked for, and nothing beside it.
#[test]
fn a_state_folder_of_a_hostile_name_is_where_it_was_asked_for() {
    let canary = Canary::new();
    let root = tempfile::tempdir().expect("a folder");
    // Deep enough that no `../` of the values leads out of it.
    let work = root.path().join("a/b/c/d/e/f");
    let mut made = 0;
    let values = canary.words();
    // Another's folder that is named from the root is no value to try this with.
    let values: Vec<String> = values.into_iter().filter(|v| !v.starts_with('/')).collect();
    for value in spread(&values, 0, EACH_OF_ALL / 3) {
        fs_err::create_dir_all(&work).expect("folders");
        let mut command = crate::support::bare();
        command.args(["--sandbox", &format!("--state={value}"), "list"]);
        command.env("HOME", root.path()).current_dir(&work);
        let ran = Ran::new(command.output().expect("the binary runs"));
        assert!([0, 1, 2].contains(&ran.code), "{value:?}: {}", ran.err);
        // What is asked for, as the system resolves it; a folder that is not there has no other name.
        let asked = fs_err::canonicalize(work.join(value)).ok();
        if ran.code == 0 {
            let asked = asked.unwrap_or_else(|| panic!("{value:?} is not there: {}", ran.err));
            assert!(asked.join("sandbox/world.json").exists(), "{value:?}");
            fs_err::remove_dir_all(asked.join("sandbox")).expect("removed");
            made += 1;
        }
        let world = files(root.path())
            .into_keys()
            .find(|f| f.ends_with("world.json"));
        assert_eq!(world, None, "{value:?}");
        fs_err::remove_dir_all(root.path().join("a")).expect("removed");
    }
    assert_eq!(
        canary.found(&[root.path()]),
        Vec::<std::path::PathBuf>::new()
    );
    assert!(made > 2, "{made}");
}
