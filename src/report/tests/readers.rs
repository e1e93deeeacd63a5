//! The readers of events.

use insta::assert_snapshot;

use crate::model::Outcome;
use crate::report::fixture::*;
use crate::report::*;

/// A stream whose reader is gone.
struct Gone;

impl std::io::Write for Gone {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn event(kind: EventKind) -> Event {
    Event {
        schema: EVENT_SCHEMA,
        at: at(0),
        operation_id: crate::model::OperationId::new("op-1").unwrap(),
        kind,
    }
}

fn events() -> Vec<Event> {
    let started = |phase, number, of| EventKind::StepStarted {
        step: "stop_instance",
        on: instance(),
        detail: "stop the instance".into(),
        phase,
        number,
        of,
    };
    let finished = |phase, status, message: Option<&str>| EventKind::StepFinished {
        step: "stop_instance",
        on: instance(),
        phase,
        status,
        seconds: 1.25,
        message: message.map(str::to_owned),
    };
    [
        EventKind::OperationStarted {
            changes: plan().changes,
            steps: 5,
        },
        started(Phase::Forward, 1, 5),
        EventKind::StepProgress {
            count: None,
            step: "stop_instance",
            message: "stopping\u{1b}[2J\nstill".into(),
        },
        finished(Phase::Forward, StepStatus::Failed, Some("no capacity")),
        EventKind::UndoStarted {
            reason: "no capacity".into(),
        },
        started(Phase::Undo, 1, 1),
        finished(Phase::Undo, StepStatus::Undone, None),
        started(Phase::Confirm, 1, 1),
        finished(Phase::Confirm, StepStatus::Done, None),
        EventKind::Warning {
            message: "the address changed".into(),
        },
        EventKind::OperationFinished {
            outcome: Outcome::RolledBack,
        },
    ]
    .into_iter()
    .map(event)
    .collect()
}

#[test]
fn readers_do_not_mind_a_closed_pipe() {
    let readers = Fanout(vec![
        std::sync::Arc::new(Plain::new(Gone)),
        std::sync::Arc::new(JsonEvents::new(Gone)),
        std::sync::Arc::new(Bars::new(false)),
    ]);
    for event in events() {
        readers.event(&event);
    }
    let how = Printing {
        format: OutputFormat::Json,
        color_out: false,
        color_err: false,
        quiet: false,
        events: false,
        words: Words::default(),
    };
    let printed = print(&reply(Outcome::RolledBack), &how, &mut Gone, &mut Gone);
    assert_eq!(printed.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

/// A stream that two can hold.
#[derive(Clone, Default)]
struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn plain_lines() {
    let to = Shared::default();
    let plain = Plain::new(to.clone());
    for (at, mut event) in (0..).zip(events()) {
        event.at += crate::report::plain::SILENCE * at;
        plain.event(&event);
    }
    assert_snapshot!(to.text(), @r##"
    [1/5] stop_instance: stop the instance
      stop_instance: stopping\u{1b}[2J\nstill
      stop_instance failed in 1.2 s: no capacity
    taking back what was done: no capacity
    undo [1/1] stop_instance: stop the instance
      stop_instance undone in 1.2 s
    confirm [1/1] stop_instance: stop the instance
      stop_instance confirmed in 1.2 s
    warning: the address changed
    "##);
}

#[test]
fn plain_lines_say_what_is_waited_for_only_after_a_silence() {
    let to = Shared::default();
    let plain = Plain::new(to.clone());
    for event in events() {
        plain.event(&event);
    }
    assert!(!to.text().contains("still"), "{}", to.text());
}

#[test]
fn json_events_are_one_a_line() {
    let to = Shared::default();
    let json = JsonEvents::new(to.clone());
    for event in events() {
        json.event(&event);
    }
    let text = to.text();
    assert_eq!(text.lines().count(), events().len());
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["schema"], EVENT_SCHEMA);
        assert!(event["event"].is_string() && event["at"].is_string());
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_remark_names_the_program_as_it_was_called_in_both_forms() {
    let words = Words {
        program: "geusemaker --sandbox".into(),
    };
    let message = "see geusemaker status it\u{1b}".to_owned();
    let remark = crate::report::Remark::Warning { message }.worded(&words);
    let at = crate::report::fixture::at(0);
    let text = remark.line(false, at);
    assert_eq!(text, "warning: see geusemaker --sandbox status it\\u{1b}\n");
    let line = remark.line(true, at);
    assert!(line.ends_with("}\n") && !line.contains('\u{1b}'), "{line}");
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["event"], "warning");
    assert_eq!(event["message"], "see geusemaker --sandbox status it\u{1b}");
}

#[test]
fn progress_that_can_be_counted_has_its_numbers() {
    let json = |count| {
        let kind = EventKind::StepProgress {
            step: "pull_images",
            message: "pulling".into(),
            count,
        };
        serde_json::to_value(event(kind)).unwrap()
    };
    let counted = json(Some(crate::report::Count {
        done: 5,
        total: 9,
        unit: "layers",
    }));
    let numbers = [&counted["done"], &counted["total"], &counted["unit"]];
    assert_eq!(
        numbers,
        [
            &serde_json::json!(5),
            &serde_json::json!(9),
            &serde_json::json!("layers")
        ]
    );
    assert!(json(None).get("done").is_none());
}
