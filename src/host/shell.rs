//! The port for what a person asks of a host: a command of his own, and what containers wrote. No part of any operation.

use async_trait::async_trait;

use super::HostError;
use crate::model::InstanceId;

/// A host that runs a person's commands.
#[async_trait]
pub trait Shell: Send + Sync {
    /// Begins a command, asks how far it is, or ends it. The same id is begun once, however often it is asked.
    async fn exec(&self, on: &InstanceId, id: &str, ask: &ExecAsk) -> Result<ExecState, HostError>;

    /// What containers wrote, one page each, in the order in which they were asked for. Changes nothing.
    async fn logs(&self, on: &InstanceId, asks: &[LogAsk]) -> Result<Vec<LogPage>, HostError>;
}

/// What is asked about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecAsk {
    /// Begin it.
    Begin {
        /// The program and its arguments, as they are: no shell takes them apart.
        argv: Vec<Vec<u8>>,
        /// It is ended after so many seconds.
        limit_s: u32,
    },
    /// Its output from these places on.
    Read(Place),
    /// The same, and it is to end: SIGTERM to all that it began.
    End(Place),
    /// Its output is not needed any more.
    Forget,
}

/// How far its output was read, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Of standard output.
    pub out: u64,
    /// Of standard error.
    pub err: u64,
}

/// How far a command is, and a part of its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecState {
    /// Whether it goes on.
    pub standing: ExecStanding,
    /// Of standard output.
    pub out: Part,
    /// Of standard error.
    pub err: Part,
}

/// Whether a command goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecStanding {
    /// The host knows nothing of it.
    Unknown,
    /// It goes on.
    Running,
    /// It ended. The sizes of its output are final.
    Ended {
        /// Its exit code; 128 and the number of the signal that ended it.
        code: i32,
        /// Who ended it, where it did not end by itself: `interrupted`, `timed_out`, `output`.
        why: Option<String>,
    },
    /// It was cut off: the host went down, or whoever watched it was killed.
    Lost,
}

/// A part of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Where it begins. Further than was asked for where the reader was too far behind.
    pub at: u64,
    /// How long the output is by now.
    pub size: u64,
    /// The part.
    pub bytes: Vec<u8>,
}

impl Part {
    /// Where the next part begins.
    pub fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

/// What is asked about the log of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogAsk {
    /// Its id.
    pub container: String,
    /// From this moment on, in Docker's form: a time, or a duration before now.
    pub since: Option<String>,
    /// The newest lines, so many; None is all.
    pub tail: Option<u64>,
    /// Of these, the first lines are known.
    pub skip_lines: u64,
    /// And then so many bytes.
    pub skip_bytes: u64,
    /// At most so many bytes.
    pub most: usize,
}

/// A page of a log: lines that begin with their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The bytes; where they are as many as were asked for there may be more.
    pub bytes: Vec<u8>,
    /// Docker's words, where it has no log.
    pub failed: Option<String>,
}

/// Of a host in memory: there is nothing that could run.
#[derive(Debug, Clone, Copy)]
pub struct NoShell;

#[async_trait]
impl Shell for NoShell {
    async fn exec(&self, on: &InstanceId, _: &str, _: &ExecAsk) -> Result<ExecState, HostError> {
        Err(HostError::Unreachable(format!("{on} has no shell")))
    }

    async fn logs(&self, on: &InstanceId, _: &[LogAsk]) -> Result<Vec<LogPage>, HostError> {
        Err(HostError::Unreachable(format!("{on} has no shell")))
    }
}
