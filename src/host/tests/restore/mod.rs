//! The armed restore: what its tests share.

mod arms;
mod fires;
mod table;
mod waits;

use std::time::{Duration, Instant};

use super::machine::{Machine, image_id, tag, tag_lines};
use crate::host::restore::tests::word;
use crate::host::scripts::Verb;
use crate::host::{
    HostError, Input, JobState, LookRequest, Tag, parse_look, parse_restore, sha256_hex,
};
use crate::model::{OperationId, RestoreState};

const OLD: &str = "services:\n  web: {image: 'img/web:1'}\n";
const NEW: &str = "services:\n  web: {image: 'img/web:2'}\n";
const OP: &str = "20261120-100000-abcd";
const FILE: &str = "var/lib/geusemaker/restore/state";
const ON: &str = "enable --now geusemaker-restore.timer";
const OFF: &str = "disable --now geusemaker-restore.timer";

fn job(kind: &str, from: &str, to: &str, web: u8) -> Input {
    let sha = |text: &str| sha256_hex(text.as_bytes());
    Input::new()
        .text("kind", kind)
        .text("project", "p")
        .text("file", "/srv/compose.yml")
        .text("from", &sha(from))
        .text("to", &sha(to))
        .text("textis", if kind == "apply" { "new" } else { "kept" })
        .text("start", "yes")
        .fields("service", &["db", "db", &image_id(1)])
        .fields("service", &["web", "web", &image_id(web)])
}

fn forward() -> Input {
    job("apply", OLD, NEW, 4).text("text", NEW)
}

fn back() -> Input {
    job("restore", NEW, OLD, 3)
}

fn quiesce(back: &str) -> Input {
    Input::new()
        .text("kind", "quiesce")
        .text("back", back)
        .fields("container", &["web", "no"])
}

fn other(fence: u64, seq: u64) -> Tag {
    Tag {
        operation: OperationId::new("20261120-110000-ffff").unwrap(),
        ..tag(fence, seq)
    }
}

fn arm_with(m: &Machine, tag: &Tag, green: &[&str], grace: u32) -> Result<RestoreState, HostError> {
    let input = tag_lines(tag)
        .text("grace", &grace.to_string())
        .text("stable", "0")
        .and(&back());
    let input = green.iter().fold(input, |i, g| i.text("green", g));
    parse_restore(Verb::Arm, tag.fence, &m.ask(Verb::Arm, input)?)
}

fn arm(m: &Machine, tag: &Tag) -> Result<RestoreState, HostError> {
    arm_with(m, tag, &["db", "web"], 600)
}

fn commit(m: &Machine, tag: &Tag) -> Result<RestoreState, HostError> {
    parse_restore(
        Verb::Commit,
        tag.fence,
        &m.ask(Verb::Commit, tag_lines(tag))?,
    )
}

/// The state as a look tells it.
fn look(m: &Machine, beat: Option<&Tag>) -> Result<RestoreState, HostError> {
    let ask = LookRequest {
        only_boot: true,
        ..LookRequest::default()
    };
    let input = beat.map(tag_lines).unwrap_or_default();
    let document = m.ask(Verb::Look, input.text("only_boot", "yes"))?;
    parse_look(&ask, &document).map(|f| f.restore)
}

fn state(m: &Machine) -> String {
    let found = look(m, None).unwrap();
    word(&Ok(found), false)
}

/// The old file and image, before anything.
fn stack(m: &Machine) {
    m.systemd();
    m.put("srv/compose.yml", OLD);
    m.container("db", 1, "running", "unless-stopped");
    m.container("web", 3, "running", "unless-stopped");
}

/// Armed, then updated to the new file and image; the old one would come with the next `up`.
fn updated(m: &Machine) {
    stack(m);
    arm(m, &tag(1, 1)).unwrap();
    m.wanted("web", 4);
    assert_eq!(
        m.job(&tag(1, 2), quiesce("no")),
        JobState::Done,
        "{}",
        m.shell
    );
    assert_eq!(m.job(&tag(1, 3), forward()), JobState::Done, "{}", m.shell);
    assert_eq!(web(m), (NEW.to_owned(), image_id(4), "running".to_owned()));
    m.wanted("web", 3);
    m.forget_calls();
    m.units();
}

/// What the file says, the image of web, and whether it runs.
fn web(m: &Machine) -> (String, String, String) {
    (
        m.read("srv/compose.yml"),
        m.get("containers/web/image"),
        m.get("containers/web/status"),
    )
}

fn is_back(m: &Machine) -> bool {
    web(m) == (OLD.to_owned(), image_id(3), "running".to_owned())
}

fn seconds(m: &Machine) -> i64 {
    match look(m, None).unwrap() {
        RestoreState::Armed { deadline, .. } => deadline.as_second(),
        other => panic!("{}: {other:?}", m.shell),
    }
}

/// The controller has been silent for longer than the grace.
fn silence(m: &Machine) {
    let line = m.read(FILE);
    let mut words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[0], "armed", "{}: {line}", m.shell);
    words[4] = "100";
    m.put(FILE, &format!("{}\n", words.join(" ")));
}

fn until(m: &Machine, what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < end, "{}: {what}", m.shell);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn look_clock() -> i64 {
    crate::model::Timestamp::now().as_second()
}
