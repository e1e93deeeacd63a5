//! `docker logs` and `docker exec`.

use jiff::{SignedDuration, Timestamp, ToSpan};

use super::cli::{Answer, unknown};
use super::container::Container;
use crate::sandbox::host::HostContext;

/// `docker logs [--timestamps] [--tail N] [--since TIME] NAME`, in any order. A container here says when it began, when it
/// was ready, and when it ended.
pub(super) fn logs(at: &mut HostContext<'_>, argv: &[&str]) -> Answer {
    let (mut tail, mut since, mut timestamps) = (None, None, false);
    let mut words = argv;
    let name = loop {
        match words {
            ["--timestamps" | "-t", rest @ ..] => (timestamps, words) = (true, rest),
            ["--tail" | "-n", n, rest @ ..] => (tail, words) = (n.parse::<usize>().ok(), rest),
            ["--since", when, rest @ ..] => match moment(when, at.now) {
                Some(when) => (since, words) = (Some(when), rest),
                None => {
                    return Answer::failed(format!(
                        "Error response from daemon: invalid value for \"since\": failed to parse value as time or duration: {when:?}"
                    ));
                }
            },
            [name] if !name.starts_with('-') => break *name,
            [option, rest @ ..] if option.starts_with("--tail=") => {
                (tail, words) = (option["--tail=".len()..].parse().ok(), rest);
            }
            _ => return unknown(&["logs"]),
        }
    };
    let container = match at.host.engine.container(name) {
        Ok(container) => container.clone(),
        Err(why) => return Answer::failed(format!("Error: {why}")),
    };
    let lines = lines(at, &container);
    let skip = lines.len() - tail.unwrap_or(lines.len()).min(lines.len());
    let shown = lines[skip..]
        .iter()
        .filter(|(when, _)| since.is_none_or(|since| *when >= since));
    Answer::ok(
        shown
            .map(|(when, text)| match timestamps {
                true => format!("{} {text}\n", when.strftime("%FT%T.%9fZ")),
                false => format!("{text}\n"),
            })
            .collect::<String>(),
    )
}

/// What it wrote in its last run.
fn lines(at: &HostContext<'_>, container: &Container) -> Vec<(Timestamp, String)> {
    let Some(started) = container.started_at else {
        return Vec::new();
    };
    let name = &container.name;
    let begins = format!("{started} {name} starting, image {}", container.image);
    let mut lines = vec![(started, begins)];
    let ready = started
        + i64::try_from(at.latency.healthy)
            .unwrap_or(0)
            .milliseconds();
    match container.health(&at.latency, at.now) {
        Some("healthy") => lines.push((ready, format!("{name} is ready"))),
        Some("unhealthy") if container.running() => {
            lines.push((ready, format!("{name}: error: not ready to serve")));
        }
        _ => {}
    }
    if let Some(ended) = container.finished_at.filter(|_| !container.running()) {
        lines.push((ended, format!("{ended} {name} shut down")));
    }
    lines
}

/// A time, or a duration before now in Go's form (of which milliseconds and seconds are known here).
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let duration = |unit: &str| text.strip_suffix(unit)?.parse::<i64>().ok();
    let ago = duration("ms")
        .map(SignedDuration::from_millis)
        .or_else(|| duration("s").map(SignedDuration::from_secs));
    match ago {
        Some(ago) => now.checked_sub(ago).ok(),
        None => text.parse().ok(),
    }
}

/// `docker exec [-e VARIABLE]… NAME …`. No image here has a program in it.
pub(super) fn exec(at: &mut HostContext<'_>, argv: &[&str]) -> Answer {
    let mut words = argv;
    let (name, program) = loop {
        match words {
            ["-e" | "--env", _, rest @ ..] => words = rest,
            [name, program, ..] if !name.starts_with('-') => break (*name, *program),
            _ => return unknown(&["exec"]),
        }
    };
    let container = match at.host.engine.container(name) {
        Ok(container) => container,
        Err(why) => return Answer::failed(format!("Error: {why}")),
    };
    if !container.running() {
        return Answer::failed(format!(
            "Error response from daemon: Container {} is not running",
            container.id
        ));
    }
    // Of Docker Engine 20.10, to the letter.
    Answer {
        code: 126,
        stdout: format!(
            "OCI runtime exec failed: exec failed: unable to start container process: exec: {program:?}: executable file not found in $PATH: unknown\n"
        ),
        ..Answer::default()
    }
}
