//! Hostile values for each argument of each command: understood or refused, nothing executed, nothing written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use clap::{Command, CommandFactory};
use geusemaker::cli::Cli;
use geusemaker::report::is_unsafe;

use super::canary::Canary;
use super::spread;
use crate::properties::names;
use crate::support::BIN;

/// Of the values, each so-manieth is put through the binary.
const EACH: usize = 30;

/// What stands for an argument's value in a command line, and a command line with it.
struct Place {
    argument: String,
    before: Vec<String>,
    flag: Option<String>,
    /// It stands behind `--`.
    last: bool,
    after: Vec<String>,
}

impl Place {
    fn with(&self, value: &str) -> Vec<String> {
        let mut words = self.before.clone();
        match &self.flag {
            // As one word: what begins with '-' is a value too.
            Some(flag) => words.push(format!("{flag}={value}")),
            // What begins with '-' is taken for an option there: that is one of the ways to do harm.
            None if !self.last => words.push(value.to_owned()),
            None => words.extend(["--".to_owned(), value.to_owned()]),
        }
        words.extend(self.after.iter().cloned());
        words
    }
}

/// A value that is taken, for what else has to be there.
fn good(argument: &str) -> &'static str {
    match argument {
        "name" => "web",
        "instance_id" => "i-0123456789abcdef0",
        "shell" => "bash",
        "fault" | "add" => "mount:gone",
        "changes" | "settings" => "stop=1s",
        "command" | "argv" => "true",
        other => panic!("no value for the required {other}"),
    }
}

/// Each argument with a value of each command, by the command line that leads to it.
fn places() -> Vec<Place> {
    let mut root = Cli::command();
    root.build();
    let mut all = Vec::new();
    // What goes for every command is tried with one.
    let list = ["list".to_owned()];
    for argument in root
        .get_arguments()
        .filter(|a| a.get_action().takes_values())
    {
        let long = argument.get_long().expect("a global flag");
        all.push(Place {
            argument: format!("--{long}"),
            before: list.to_vec(),
            flag: Some(format!("--{long}")),
            last: false,
            after: Vec::new(),
        });
    }
    walk(&root, &[], &mut all);
    all
}

fn walk(command: &Command, path: &[String], all: &mut Vec<Place>) {
    for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let mut path = path.to_vec();
        path.push(below.get_name().to_owned());
        walk(below, &path, all);
    }
    if command.has_subcommands() {
        return;
    }
    let own = |a: &&clap::Arg| a.get_action().takes_values() && !a.is_global_set();
    let arguments: Vec<&clap::Arg> = command.get_arguments().filter(own).collect();
    for argument in &arguments {
        // The others that have to be there: flags, and positions before this one.
        let (mut before, mut after) = (path.to_vec(), Vec::new());
        for other in arguments
            .iter()
            .filter(|o| o.is_required_set() && o.get_id() != argument.get_id())
        {
            let value = good(other.get_id().as_str());
            match (other.get_long(), argument.get_index(), other.get_index()) {
                (Some(long), ..) => before.push(format!("--{long}={value}")),
                (None, Some(this), Some(that)) if that > this => {
                    after.extend(other.is_last_set().then(|| "--".to_owned()));
                    after.push(value.to_owned());
                }
                _ => before.push(value.to_owned()),
            }
        }
        all.push(Place {
            argument: format!("{} {}", path.join(" "), argument.get_id()),
            before,
            flag: argument.get_long().map(|long| format!("--{long}")),
            last: argument.is_last_set(),
            after,
        });
    }
}

#[test]
fn each_argument_takes_or_refuses_each_hostile_value() {
    let names = names::all();
    let mut command = Cli::command();
    let (mut taken, mut refused) = (BTreeMap::new(), 0);
    for place in places() {
        for name in &names {
            let argv = std::iter::once("geusemaker".to_owned()).chain(place.with(name));
            match command.try_get_matches_from_mut(argv.map(OsString::from)) {
                Ok(_) => taken
                    .entry(place.argument.clone())
                    .or_insert_with(Vec::new)
                    .push(name.clone()),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 10_000, "{refused}");
    // What is taken is a word without anything in it, but where any text is one: a path, a command, a comment.
    let any_text = [
        "--state",
        "--profile",
        "--endpoint-url",
        "adopt compose",
        "exec argv",
    ];
    let word = |name: &str| {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-:/@=, ".contains(c))
    };
    for (argument, names) in taken {
        if any_text.iter().any(|any| argument.starts_with(any)) {
            continue;
        }
        let odd = names.iter().filter(|name| !word(name));
        let odd: Vec<String> = odd.map(|name| name.chars().take(60).collect()).collect();
        assert!(odd.is_empty(), "{argument} takes {odd:?}");
    }
}

#[test]
fn a_command_line_with_a_hostile_value_executes_and_writes_nothing() {
    let canary = Canary::new();
    let names = canary.words();
    let home = tempfile::tempdir().expect("a folder");
    let (work, state) = (home.path().join("work"), home.path().join("state"));
    fs_err::create_dir(&work).expect("a folder");
    let before = tree(home.path());
    let (mut runs, mut codes) = (0, BTreeMap::new());
    for (at, place) in places().iter().enumerate() {
        for name in spread(&names, at, EACH) {
            let words = place.with(name);
            let (code, out, err) = run(&words, &work, home.path(), &state);
            runs += 1;
            *codes.entry(code).or_insert(0) += 1;
            assert!(
                [0, 1, 2, 3, 8, 9].contains(&code),
                "{words:?}: {code}\n{err}"
            );
            for said in [&out, &err] {
                let bad = said.chars().find(|c| is_unsafe(*c) && *c != '\n');
                assert_eq!(bad, None, "{words:?}: {said:?}");
            }
            assert!(err.len() < 4000, "{words:?}: {} bytes", err.len());
            let _ = fs_err::remove_dir_all(&state);
            // Settings of the sandbox are made in the state folder; elsewhere nothing is.
            let after = tree(home.path());
            assert_eq!(after, before, "{words:?}");
            let found = canary.found(&[&work]);
            assert!(found.is_empty(), "{words:?} made {found:?}");
        }
    }
    use std::io::Write;
    let _ = writeln!(
        std::io::stderr(),
        "hostile: arguments: runs {runs} codes {codes:?}"
    );
    assert!(codes[&2] > runs / 2, "{codes:?}");
}

fn run(words: &[String], work: &Path, home: &Path, state: &Path) -> (i32, String, String) {
    let mut child = Process::new(BIN)
        .args(words)
        .env_clear()
        .env("HOME", home)
        .env("GEUSEMAKER_STATE", state)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .current_dir(work)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // What it says fits into a pipe.
    let began = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if began.elapsed() > Duration::from_secs(30) {
            let _ = child.kill();
            panic!("{words:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().expect("it ended");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Every path below, but the state folder's.
fn tree(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}
