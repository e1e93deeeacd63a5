//! logs: pages of what containers wrote, in every shell.

use super::machine::{Machine, machines};
use crate::host::channel::shell::logs;
use crate::host::scripts::Verb;
use crate::host::{HostError, LogAsk, LogPage, parse_logs};

const LOG: &str = "2026-11-20T10:00:00.1Z one\n2026-11-20T10:00:01.1Z two 'é' $(x)\n2026-11-20T10:00:02.1Z three\n";

fn asked(container: &str) -> LogAsk {
    LogAsk {
        container: container.to_owned(),
        since: None,
        tail: None,
        skip_lines: 0,
        skip_bytes: 0,
        most: 9000,
    }
}

fn pages(m: &Machine, asks: &[LogAsk]) -> Result<Vec<LogPage>, HostError> {
    let pages = parse_logs(asks.len(), &m.ask(Verb::Logs, logs(asks))?)?;
    let run = m.root().join("run");
    assert_eq!(fs_err::read_dir(run).unwrap().count(), 0, "{}", m.shell);
    Ok(pages)
}

fn page(text: &str) -> LogPage {
    LogPage {
        bytes: text.as_bytes().to_vec(),
        failed: None,
    }
}

fn machine(m: &Machine) {
    for name in ["web", "db"] {
        m.container(name, 3, "running", "always");
        m.set(&format!("containers/{name}/log"), LOG);
    }
}

#[test]
fn of_each_container_what_is_asked_for_and_is_not_known() {
    for m in machines() {
        machine(&m);
        let all = asked("web");
        let last = LogAsk {
            tail: Some(1),
            ..asked("db")
        };
        let since = LogAsk {
            since: Some("2026-11-20T10:00:01.1Z".to_owned()),
            skip_lines: 1,
            ..asked("web")
        };
        let part = LogAsk {
            skip_lines: 1,
            skip_bytes: 23,
            most: 7,
            ..asked("web")
        };
        let lines: Vec<&str> = LOG.split_inclusive('\n').collect();
        let expected = [
            page(LOG),
            page(lines[2]),
            page(lines[2]),
            page(&lines[1][23..30]),
        ];
        assert_eq!(lines[1][23..30].len(), 7, "an é is two bytes");
        let found = pages(&m, &[all, last, since, part]).unwrap();
        assert_eq!(found, expected, "{}", m.shell);
    }
}

#[test]
fn a_container_without_a_log_says_why_and_the_others_are_read() {
    for m in machines() {
        machine(&m);
        let found = pages(&m, &[asked("gone"), asked("web")]).unwrap();
        assert_eq!(found[0].bytes, b"", "{}", m.shell);
        assert_eq!(
            found[0].failed.as_deref(),
            Some("Error: No such container: gone"),
            "{}",
            m.shell
        );
        assert_eq!(found[1], page(LOG), "{}", m.shell);
    }
}

#[test]
fn what_is_no_container_is_refused_before_docker_is_asked() {
    for m in machines() {
        machine(&m);
        match pages(&m, &[asked("--follow")]) {
            Err(HostError::Script { code, .. }) => assert_eq!(code, "bad_request", "{}", m.shell),
            other => panic!("{}: {other:?}", m.shell),
        }
        assert_eq!(m.calls(), Vec::<String>::new(), "{}", m.shell);
    }
}
