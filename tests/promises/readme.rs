//! README.md keeps its word: its ```console blocks are run in order, in one fresh sandbox, by the real binary,
//! and every line of them is compared. `[..]` stands for an id, a time or a duration, and for nothing else.
//! `GEUSEMAKER_BLESS=1` writes what is seen into README.md.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::PathBuf;

use crate::support::{Sandbox, bare};

const WILD: &str = "[..]";

/// The two commands that a newcomer is told.
const COMMANDS: [&str; 2] = [
    "cargo run --release -- --sandbox update my-dev-stack --instance-type t3.large --image n8n=n8nio/n8n:1.20.0 --force",
    "cargo test",
];

fn readme() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs_err::read_to_string(path).expect("README.md")
}

/// The lines within the fences of one language, each with its number in the file, from 0.
fn fenced<'a>(text: &'a str, language: &str) -> Vec<(usize, &'a str)> {
    let mut inside = None;
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), inside) {
            (Some(what), None) => inside = Some(what == language),
            (Some(_), Some(_)) => inside = None,
            (None, Some(true)) => out.push((number, line)),
            _ => {}
        }
    }
    out
}

/// A command of a block, and the lines that README.md shows after it.
struct Shown<'a> {
    command: &'a str,
    /// The first line after the command, from 0.
    from: usize,
    lines: Vec<&'a str>,
}

fn shown(text: &str) -> Vec<Shown<'_>> {
    let mut out: Vec<Shown> = Vec::new();
    for (number, line) in fenced(text, "console") {
        match line.strip_prefix("$ ") {
            Some(command) => out.push(Shown {
                command,
                from: number + 1,
                lines: Vec::new(),
            }),
            None => out
                .last_mut()
                .unwrap_or_else(|| panic!("line {} stands before any command", number + 1))
                .lines
                .push(line),
        }
    }
    out
}

/// The shell of the blocks: `geusemaker …`, `export NAME=VALUE` and `echo $?`.
struct Shell {
    sandbox: Sandbox,
    exported: BTreeMap<String, String>,
    last: i32,
}

impl Shell {
    fn run(&mut self, line: &str) -> String {
        assert!(
            !line.contains(['\'', '"', '\\', '|', ';']),
            "too much for this shell: {line}"
        );
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["echo", "$?"] => format!("{}\n", self.last),
            ["export", set] => {
                let (name, value) = set.split_once('=').expect("NAME=VALUE");
                self.exported.insert(name.to_owned(), value.to_owned());
                String::new()
            }
            ["geusemaker", args @ ..] => {
                // One file for both, as a terminal is.
                let mut file = tempfile::tempfile().expect("a temporary file");
                let both = || file.try_clone().expect("a second handle");
                let status = bare()
                    .env("GEUSEMAKER_STATE", self.sandbox.path())
                    .envs(&self.exported)
                    .args(args)
                    .stdout(both())
                    .stderr(both())
                    .status()
                    .expect("the binary runs");
                self.last = status.code().unwrap_or(-1);
                file.rewind().expect("a file");
                let mut text = String::new();
                file.read_to_string(&mut text).expect("UTF-8");
                text
            }
            _ => panic!("not a command of this shell: {line}"),
        }
    }
}

/// Whether this is an id, a time or a duration, with what pads it in a table.
fn varies(text: &str) -> bool {
    let shape: String = text
        .trim()
        .chars()
        .map(|c| match c {
            '0'..='9' => '9',
            c => c,
        })
        .collect();
    let time = ["9999-99-99 99:99:99", "9999-99-99 99:99:99 UTC"];
    let seconds = shape.strip_suffix(" s").unwrap_or_default();
    let duration = !seconds.is_empty() && seconds.trim_matches('9').trim_matches('.').is_empty();
    let minutes = shape.strip_suffix(" min").unwrap_or_default();
    let long = !minutes.is_empty() && minutes.trim_matches('9').is_empty();
    duration || long || time.contains(&shape.as_str()) || is_id(text.trim()) || is_uuid(text.trim())
}

/// The id of an operation or a snapshot.
fn is_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), [day, time, random]
        if [day.len(), time.len(), random.len()] == [8, 6, 4]
            && day.bytes().chain(time.bytes()).all(|b| b.is_ascii_digit())
            && random.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// Columns are as wide as their widest cell, which may be a duration.
fn narrow(line: &str) -> String {
    let mut out = String::new();
    for c in line.trim_end().chars() {
        if !(c == ' ' && out.ends_with("  ")) {
            out.push(c);
        }
    }
    out
}

/// Whether a line is as shown. Each wildcard stands for something that varies.
fn same(shown: &str, seen: &str) -> bool {
    match shown.split_once(WILD) {
        None => shown == seen,
        Some((literal, rest)) => seen.strip_prefix(literal).is_some_and(|seen| {
            let ends = seen.char_indices().map(|(at, _)| at).chain([seen.len()]);
            ends.skip(1)
                .any(|end| varies(&seen[..end]) && same(rest, &seen[end..]))
        }),
    }
}

/// What a step waits for is said after some seconds of silence: on a slow machine, that is.
fn waits(line: &str) -> bool {
    let names = [
        "pull_images",
        "quiesce",
        "stop_instance",
        "start_instance",
        "await_host",
        "apply_images",
        "verify_health",
    ];
    let rest = line.strip_prefix("  ").unwrap_or_default();
    names.iter().any(|name| {
        rest.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(": "))
    })
}

/// A line for README.md, with wildcards.
fn with_wildcards(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let joined = |n: usize| {
            words
                .get(at..at + n)
                .map(|w| w.join(" "))
                .unwrap_or_default()
        };
        // Whole seconds are also what was asked for (`green for 1 s`).
        let measured =
            |text: &str| varies(text) && text.trim() == text && text.contains([':', '.']);
        let bare = word.trim_end_matches([')', ',']);
        let (taken, text) = if measured(&joined(3)) {
            (3, WILD.to_owned())
        } else if measured(&joined(2)) {
            (2, WILD.to_owned())
        } else if varies(bare) {
            (1, word.replacen(bare, WILD, 1))
        } else {
            (1, (*word).to_owned())
        };
        out.push(text);
        at += taken;
    }
    out.join(" ")
}

#[test]
fn the_readme_shows_what_is_seen() {
    let text = readme();
    let mut shell = Shell {
        sandbox: Sandbox::new(),
        exported: BTreeMap::new(),
        last: 0,
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut wrong = Vec::new();
    let runs: Vec<(Shown, String)> = shown(&text)
        .into_iter()
        .map(|block| {
            let seen = shell.run(block.command);
            (block, seen)
        })
        .collect();
    // From the end, so that the numbers of the lines before stay right.
    for (block, seen) in runs.iter().rev() {
        let seen: Vec<&str> = seen.lines().filter(|line| !waits(line)).collect();
        let differs = |(shown, seen): &(&&str, &&str)| !same(&narrow(shown), &narrow(seen));
        let first = block.lines.iter().zip(&seen).find(differs);
        if first.is_some() || block.lines.len() != seen.len() {
            wrong.push(format!(
                "line {}: $ {}\nfirst difference: {first:#?}\nall that is seen:\n{}",
                block.from,
                block.command,
                seen.join("\n")
            ));
            let new = seen.iter().map(|line| with_wildcards(line.trim_end()));
            lines.splice(block.from..block.from + block.lines.len(), new);
        }
    }
    if !wrong.is_empty() && std::env::var_os("GEUSEMAKER_BLESS").is_some() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md");
        fs_err::write(path, lines.join("\n") + "\n").expect("README.md can be written");
        return;
    }
    assert!(
        wrong.is_empty(),
        "README.md is not what is seen; GEUSEMAKER_BLESS=1 cargo test writes it anew\n{}",
        wrong.join("\n\n")
    );
}

#[test]
fn the_readme_has_the_two_commands() {
    let text = readme();
    let commands: Vec<&str> = fenced(&text, "sh")
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    for command in COMMANDS {
        assert!(commands.contains(&command), "README.md lacks: {command}");
    }
    let blocks = shown(&text);
    let update = COMMANDS[0].split_once(" -- ").expect("arguments").1;
    assert_eq!(
        blocks[0].command,
        format!("geusemaker {update}"),
        "what it shows first"
    );
}

#[test]
fn wildcards_of_the_readme_stand_beside_words() {
    let text = readme();
    for (number, line) in fenced(&text, "console") {
        let literal = line.replace(WILD, "");
        let words = literal.chars().any(char::is_alphabetic);
        assert!(
            words || !line.contains(WILD),
            "README.md, line {}: {line}",
            number + 1
        );
        assert!(
            !line.starts_with("$ ") || !line.contains(WILD),
            "a command is literal: {line}"
        );
    }
}

#[test]
fn wildcards_stand_for_what_varies_and_nothing_else() {
    for (shown, seen, expected) in [
        ("downtime   [..] of [..]", "downtime   3.5 s of 12 s", true),
        ("snapshot   [..]", "snapshot   20261120-110418-31d9", true),
        ("done in [..]", "done in 5 min", true),
        ("at [..].", "at 2026-11-20 11:04:18 UTC.", true),
        (
            "(request id [..])",
            "(request id 3fee420b-6118-4156-913f-024076db6bdf)",
            true,
        ),
        ("type [..]", "type t3.large", false),
        ("image [..]", "image n8nio/n8n:1.20.0", false),
        ("exit [..]", "exit 4", false),
        ("[..] done", " done", false),
        ("address 203.0.113.2", "address 203.0.113.3", false),
        ("done in [..]", "done in 1 s and more", false),
    ] {
        assert_eq!(same(shown, seen), expected, "{shown} and {seen}");
    }
    let line = "  quiesce done in 0.6 s, green for 1 s, as 20261120-110418-31d9)";
    assert_eq!(
        with_wildcards(line),
        "  quiesce done in 0.6 s, green for 1 s, as [..])"
    );
}
