//! Where the sandbox's `docker` answers otherwise than the engine, and is meant to: docs/sandbox.md says why, by these names.

use super::cases::Step;
use super::record::Entry;

/// A limit by its name, and the lines that it leaves out of an answer.
struct Limit {
    name: &'static str,
    drops: fn(&Entry, &str) -> bool,
}

const LINES: [Limit; 1] = [Limit {
    name: "images_bring_nothing",
    drops: |entry, line| {
        let brought = [
            "1 E \"PATH=",
            "1 E \"VERSION=",
            "1 E \"BEHAVIOUR=",
            "1 C \"/main\"",
            "1 H \"",
        ];
        entry.key.starts_with("pending.sh ") && brought.iter().any(|b| line.starts_with(b))
    },
}];

/// Those that leave out whole answers.
const WHOLE: [&str; 2] = ["exec_runs_nothing", "engine_down"];

/// An answer without the lines that the sandbox leaves out.
pub fn without(mut entry: Entry) -> Entry {
    let lines = std::mem::take(&mut entry.answer);
    let left = |line: &String| !LINES.iter().any(|limit| (limit.drops)(&entry, line));
    let left = lines.into_iter().filter(left).collect();
    entry.answer = left;
    entry
}

/// Without the answers that it does not have.
pub fn drop_whole(entries: &mut Vec<Entry>, steps: &[Step]) {
    for step in steps {
        if let Step::Ask {
            script,
            name,
            limit: Some(limit),
            ..
        } = step
        {
            assert!(WHOLE.contains(limit), "{limit}");
            entries.retain(|e| e.key != format!("{script} {name}"));
        }
    }
}

#[test]
fn each_limit_of_the_sandbox_s_docker_is_in_its_page() {
    let page =
        fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sandbox.md")).unwrap();
    for name in LINES.iter().map(|l| l.name).chain(WHOLE) {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "docs/sandbox.md: {name}"
        );
    }
}
