//! The log of an operation: its events, and between them what was logged.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use fs_err::os::unix::fs::OpenOptionsExt;

use super::event::{Event, EventKind, Listener};
use super::{Printing, Reply, escape, plain, print};

/// What is kept until the log is open, in bytes: what was logged while looking and planning.
const KEEP: usize = 256 * 1024;

/// Where the lines of an operation's log go. Clones write to the same place.
#[derive(Clone, Default)]
pub struct LogSink(Arc<Mutex<Sink>>);

#[derive(Default)]
struct Sink {
    kept: Vec<u8>,
    file: Option<fs_err::File>,
}

impl LogSink {
    /// From here on into this file; what was kept goes first.
    pub fn open(&self, mut file: fs_err::File) {
        let mut sink = self.lock();
        // A log that cannot be written is no reason to stop an operation: the journal is its memory.
        let _ = file.write_all(&std::mem::take(&mut sink.kept));
        sink.file = Some(file);
    }

    fn is_open(&self) -> bool {
        self.lock().file.is_some()
    }

    /// Writes text as it is.
    pub fn append(&self, bytes: &[u8]) {
        let mut sink = self.lock();
        if let Some(file) = &mut sink.file {
            let _ = file.write_all(bytes);
        } else if sink.kept.len() + bytes.len() <= KEEP {
            sink.kept.extend_from_slice(bytes);
        }
    }

    /// The result of an operation that nobody could be shown. Without an operation there is no log of it.
    pub fn append_reply(&self, reply: &Reply, how: &Printing) {
        let how = Printing {
            color_out: false,
            color_err: false,
            ..how.clone()
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        if self.is_open() && print(reply, &how, &mut out, &mut err).is_ok() {
            self.append(b"nobody read the result:\n");
            self.append(&err);
            self.append(&out);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sink> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// For `tracing`, which writes whole lines.
impl Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Appends to `operations/<id>/log` of a deployment, from an operation's first event on.
pub struct OperationLog {
    deployment_dir: PathBuf,
    sink: LogSink,
}

impl OperationLog {
    /// For the operations of the deployment in this folder.
    pub fn new(deployment_dir: PathBuf, sink: LogSink) -> Self {
        Self {
            deployment_dir,
            sink,
        }
    }

    /// The folder is the journal's. Before there is one, what is said is kept; so it is without a log.
    fn open(&self, event: &Event) {
        let folder = self
            .deployment_dir
            .join("operations")
            .join(event.operation_id.as_str());
        if matches!(event.kind, EventKind::Waiting { .. }) && !folder.is_dir() {
            return;
        }
        let path = folder.join("log");
        let file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path);
        match file {
            Ok(file) => self.sink.open(file),
            Err(error) => tracing::warn!("the operation's log cannot be written: {error}"),
        }
    }
}

impl Listener for OperationLog {
    fn event(&self, event: &Event) {
        if !self.sink.is_open() {
            self.open(event);
        }
        let line = match &event.kind {
            EventKind::OperationStarted { changes, steps } => {
                format!(
                    "operation {}: {steps} steps: {}",
                    event.operation_id,
                    changes.join("; ")
                )
            }
            EventKind::OperationFinished { outcome } => format!("ended: {}", outcome.as_str()),
            kind => plain::line(kind).unwrap_or_default(),
        };
        let line = format!("{} {}\n", event.at, escape::line(&line));
        self.sink.append(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::model::{OperationId, Outcome};
    use crate::report::EVENT_SCHEMA;

    fn event(kind: EventKind) -> Event {
        Event {
            schema: EVENT_SCHEMA,
            at: "2026-11-20T10:00:00Z".parse().unwrap(),
            operation_id: OperationId::new("op-1").unwrap(),
            kind,
        }
    }

    #[test]
    fn what_was_logged_before_the_operation_is_in_its_log() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(dir.path().join("operations/op-1")).unwrap();
        let sink = LogSink::default();
        sink.clone().append(b"looked\n");
        let log = OperationLog::new(dir.path().into(), sink.clone());
        log.event(&event(EventKind::OperationStarted {
            changes: vec!["instance_type: a -> b".into()],
            steps: 3,
        }));
        sink.append(b"did\n");
        log.event(&event(EventKind::Warning {
            message: "x\u{1b}[2J\ny".into(),
        }));
        log.event(&event(EventKind::OperationFinished {
            outcome: Outcome::Updated,
        }));
        let path = dir.path().join("operations/op-1/log");
        assert_eq!(
            fs_err::read_to_string(&path).unwrap(),
            "looked\n\
             2026-11-20T10:00:00Z operation op-1: 3 steps: instance_type: a -> b\n\
             did\n\
             2026-11-20T10:00:00Z warning: x\\u{1b}[2J\\ny\n\
             2026-11-20T10:00:00Z ended: updated\n"
        );
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_log_that_cannot_be_opened_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let log = OperationLog::new(dir.path().join("gone"), LogSink::default());
        log.event(&event(EventKind::OperationFinished {
            outcome: Outcome::Updated,
        }));
        assert!(!dir.path().join("gone").exists());
    }
}
