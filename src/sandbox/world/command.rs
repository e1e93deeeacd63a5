//! Run Command, the cloud's half: commands are recorded, handed to an agent, and their ends written down.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{AwsError, World};
use crate::model::{InstanceId, Timestamp};

/// The agent runs a document that it was in the middle of at most this often (SSM agent, `runtimeconfig`).
const MAX_DELIVERIES: u32 = 15;
/// So many ended commands are remembered (AWS: those of 30 days): the world is read at every access.
const KEEP_ENDED: usize = 40;
/// So many of them with their script.
const KEEP_SCRIPTS: usize = 5;
/// Characters of standard output that `GetCommandInvocation` gives.
pub(super) const STDOUT_LIMIT: usize = 24_000;
/// Characters of standard error that it gives.
pub(super) const STDERR_LIMIT: usize = 8_000;
/// What a cut output ends in.
const TRUNCATED: &str = "--output truncated--";

/// One command on one instance: an invocation. Several targets are several entries with one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// `CommandId`.
    pub id: String,
    /// `InstanceId`.
    pub instance: String,
    /// The document's `commands`, a line each; empty once the command is old history.
    #[serde(with = "shared")]
    pub script: Arc<str>,
    /// The document's `workingDirectory`.
    pub working_directory: Option<String>,
    /// `Comment`.
    pub comment: String,
    /// `TimeoutSeconds`: bounds the delivery.
    pub delivery_timeout_s: u32,
    /// The document's `executionTimeout`: bounds the run.
    pub execution_timeout_s: u32,
    /// How far it is.
    pub state: CommandState,
    /// Standard output, cut; empty until the end.
    #[serde(with = "shared")]
    pub stdout: Arc<str>,
    /// Standard error, cut; empty until the end.
    #[serde(with = "shared")]
    pub stderr: Arc<str>,
    /// The exit code; -1 while there is none.
    pub exit_code: i32,
    /// When it was sent.
    pub requested_at: Timestamp,
    /// From when `GetCommandInvocation` knows it.
    pub visible_at: Timestamp,
    /// When the agent began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How often it was handed to the agent.
    pub deliveries: u32,
    /// The agent went away in the middle of it: it is handed out again.
    pub interrupted: bool,
}

/// A text that every copy of a world shares: each access copies the world, to see afterwards what changed.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}

/// How far a command is (`Status` and `StatusDetails` in one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandState {
    /// Not handed to the agent yet.
    Pending,
    /// The agent has it.
    InProgress,
    /// The agent has it and is to kill it.
    Cancelling,
    /// The last command exited 0.
    Success,
    /// It exited otherwise.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// The agent did not take it in time.
    DeliveryTimedOut,
    /// It ran longer than it may.
    ExecutionTimedOut,
}

impl CommandState {
    /// `Status`.
    pub fn status(self) -> &'static str {
        match self {
            Self::DeliveryTimedOut | Self::ExecutionTimedOut => "TimedOut",
            other => other.details(),
        }
    }

    /// `StatusDetails`.
    pub fn details(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Cancelling => "Cancelling",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
            Self::DeliveryTimedOut => "DeliveryTimedOut",
            Self::ExecutionTimedOut => "ExecutionTimedOut",
        }
    }

    /// Whether it is over.
    pub fn ended(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress | Self::Cancelling)
    }
}

/// What `SendCommand` is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendCommand {
    /// `DocumentName`.
    pub document: String,
    /// `InstanceIds`.
    pub instances: Vec<String>,
    /// The lines of the script, joined.
    pub script: String,
    /// `workingDirectory`.
    pub working_directory: Option<String>,
    /// `Comment`.
    pub comment: String,
    /// `TimeoutSeconds`; None is 3600.
    pub delivery_timeout_s: Option<i64>,
    /// `executionTimeout`; None is 3600.
    pub execution_timeout_s: Option<u32>,
}

impl World {
    /// `SendCommand`. The command is recorded as pending; the agent comes for it.
    ///
    /// # Errors
    /// `InvalidDocument`, `ValidationException` for limits, `InvalidParameters`;
    /// `InvalidInstanceId` for an instance that does not exist, does not run, or whose agent is not online.
    pub fn send_command(&mut self, ask: &SendCommand, now: Timestamp) -> Result<String, AwsError> {
        let invalid = |why: String| Err(AwsError::new("ValidationException", why));
        let constraint = |value: String, field: &str, rule: &str| {
            invalid(format!(
                "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: Member must {rule}"
            ))
        };
        if ask.instances.len() > 50 {
            return constraint(
                format!("{:?}", ask.instances),
                "instanceIds",
                "have length less than or equal to 50",
            );
        }
        if ask.comment.chars().count() > 100 {
            return constraint(
                ask.comment.clone(),
                "comment",
                "have length less than or equal to 100",
            );
        }
        let delivery = ask.delivery_timeout_s.unwrap_or(3600);
        if delivery < 30 {
            return constraint(
                delivery.to_string(),
                "timeoutSeconds",
                "have value greater than or equal to 30",
            );
        }
        if delivery > 2_592_000 {
            return constraint(
                delivery.to_string(),
                "timeoutSeconds",
                "have value less than or equal to 2592000",
            );
        }
        if ask.document != "AWS-RunShellScript" {
            return Err(AwsError::new(
                "InvalidDocument",
                format!("document {} does not exist in your account", ask.document),
            ));
        }
        if ask.script.len() > 64 * 1024 {
            return Err(AwsError::new(
                "MaxDocumentSizeExceeded",
                "The document with its parameters is larger than 64 KB.",
            ));
        }
        let execution = ask.execution_timeout_s.unwrap_or(3600);
        if !(1..=172_800).contains(&execution) {
            return Err(AwsError::new(
                "InvalidParameters",
                format!("executionTimeout must be 1 to 172800, and is {execution}"),
            ));
        }
        if ask.instances.is_empty() {
            return Err(AwsError::new(
                "InvalidInstanceId",
                "no instance ids were given",
            ));
        }
        let lost: Vec<&str> = ask
            .instances
            .iter()
            .map(String::as_str)
            .filter(|id| !self.instances.get(*id).is_some_and(|i| i.agent_online(now)))
            .collect();
        if !lost.is_empty() {
            return Err(AwsError::new(
                "InvalidInstanceId",
                format!(
                    "Instances [[{}]] not in a valid state for account {}",
                    lost.join(", "),
                    self.account
                ),
            ));
        }
        let id = uuid::Uuid::new_v4().to_string();
        let visible_at = now
            + if self.latency.is_fast() {
                SignedDuration::from_millis(15)
            } else {
                SignedDuration::from_millis(700)
            };
        let targets: BTreeSet<&String> = ask.instances.iter().collect();
        let script: Arc<str> = Arc::from(ask.script.as_str());
        for instance in targets {
            self.commands.push(Command {
                id: id.clone(),
                instance: instance.clone(),
                script: Arc::clone(&script),
                working_directory: ask.working_directory.clone(),
                comment: ask.comment.clone(),
                delivery_timeout_s: u32::try_from(delivery).expect("its range was checked"),
                execution_timeout_s: execution,
                state: CommandState::Pending,
                stdout: Arc::default(),
                stderr: Arc::default(),
                exit_code: -1,
                requested_at: now,
                visible_at,
                started_at: None,
                ended_at: None,
                deliveries: 0,
                interrupted: false,
            });
        }
        Ok(id)
    }

    /// `GetCommandInvocation`.
    ///
    /// # Errors
    /// `InvalidInstanceId` for what is no id; `InvocationDoesNotExist`, also for a moment after the send.
    pub fn invocation(
        &self,
        id: &str,
        instance: &str,
        now: Timestamp,
    ) -> Result<&Command, AwsError> {
        if InstanceId::new(instance).is_err() {
            return Err(AwsError::new(
                "InvalidInstanceId",
                format!("'{instance}' is not an instance id"),
            ));
        }
        self.commands
            .iter()
            .find(|c| c.id == id && c.instance == instance && c.visible_at <= now)
            .ok_or_else(|| {
                AwsError::new(
                    "InvocationDoesNotExist",
                    "An error occurred while getting the invocation: it does not exist.",
                )
            })
    }

    /// `CancelCommand`, on these instances or (none named) all.
    ///
    /// # Errors
    /// `InvalidCommandId`.
    pub fn cancel_command(
        &mut self,
        id: &str,
        instances: &[String],
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let mut known = false;
        for command in self.commands.iter_mut().filter(|c| c.id == id) {
            known = true;
            if !instances.is_empty() && !instances.contains(&command.instance) {
                continue;
            }
            match command.state {
                CommandState::Pending => command.end(CommandState::Cancelled, now),
                CommandState::InProgress => command.state = CommandState::Cancelling,
                _ => {}
            }
        }
        if known {
            Ok(())
        } else {
            Err(AwsError::new(
                "InvalidCommandId",
                format!("there is no command {id}"),
            ))
        }
    }

    /// The agent of an instance comes for work: first what it was in the middle of when it went away, then
    /// the oldest that is pending. The command is in progress from here on. What the host's own timer has
    /// started comes before it.
    pub fn next_command(&mut self, instance: &str, now: Timestamp) -> Option<Command> {
        let ticks = self.hosts.get(instance).is_some_and(|h| h.timer.waits());
        if ticks || !self.instances.get(instance)?.agent_online(now) {
            return None;
        }
        let mine = || {
            self.commands
                .iter()
                .enumerate()
                .filter(|(_, c)| c.instance == instance)
        };
        let at = mine()
            .find(|(_, c)| c.interrupted)
            .or_else(|| mine().find(|(_, c)| c.state == CommandState::Pending))
            .map(|(at, _)| at)?;
        let command = &mut self.commands[at];
        if command.state == CommandState::Pending {
            command.state = CommandState::InProgress;
        }
        command.interrupted = false;
        command.deliveries += 1;
        command.started_at = Some(now);
        Some(command.clone())
    }

    /// The agent says how a command ended. Exit code 137 after the execution timeout means that the
    /// agent killed it for that; a command that was to be cancelled was. One that is over already stays.
    pub fn finish_command(
        &mut self,
        instance: &str,
        id: &str,
        exit: i32,
        stdout: &str,
        stderr: &str,
        now: Timestamp,
    ) {
        let Some(command) = self
            .commands
            .iter_mut()
            .find(|c| c.id == id && c.instance == instance && !c.state.ended())
        else {
            return;
        };
        let ran_out = command.started_at.is_some_and(|began| {
            now.duration_since(began).as_secs() >= i64::from(command.execution_timeout_s)
        });
        let state = match (command.state, exit) {
            (CommandState::Cancelling, _) => CommandState::Cancelled,
            (_, 0) => CommandState::Success,
            (_, 137) if ran_out => CommandState::ExecutionTimedOut,
            _ => CommandState::Failed,
        };
        command.exit_code = exit;
        command.stdout = cut(stdout, STDOUT_LIMIT);
        command.stderr = cut(stderr, STDERR_LIMIT);
        command.end(state, now);
    }

    /// Whether the agent is to kill this command.
    pub fn cancel_asked(&self, instance: &str, id: &str) -> bool {
        self.commands
            .iter()
            .any(|c| c.id == id && c.instance == instance && c.state == CommandState::Cancelling)
    }

    /// The instances whose agent is online and has work to come for, and those whose timer has. A shell makes sure
    /// that an agent process runs for each.
    pub fn waiting(&self, now: Timestamp) -> Vec<String> {
        let mut ids: Vec<String> = self
            .commands
            .iter()
            .filter(|c| c.state == CommandState::Pending || c.interrupted)
            .filter(|c| {
                self.instances
                    .get(&c.instance)
                    .is_some_and(|i| i.agent_online(now))
            })
            .map(|c| c.instance.clone())
            .collect();
        let ticking = self.hosts.iter().filter(|(_, host)| host.timer.ticking());
        ids.extend(ticking.map(|(id, _)| id.clone()));
        ids.sort();
        ids.dedup();
        ids
    }

    /// The agent went away (power off, or its process died): what it was in the middle of is to be
    /// delivered again. An agent process calls it when it starts.
    pub fn interrupt_commands(&mut self, instance: &str) {
        for command in self.commands.iter_mut().filter(|c| {
            c.instance == instance
                && matches!(c.state, CommandState::InProgress | CommandState::Cancelling)
        }) {
            command.interrupted = true;
        }
    }

    /// What is due with commands: deliveries that come too late, runs that nobody will finish, and old
    /// ones forgotten.
    pub(super) fn advance_commands(&mut self, now: Timestamp) {
        for command in self.commands.iter_mut().filter(|c| !c.state.ended()) {
            let delivery = command.requested_at
                + SignedDuration::from_secs(i64::from(command.delivery_timeout_s));
            let total =
                delivery + SignedDuration::from_secs(i64::from(command.execution_timeout_s));
            match command.state {
                CommandState::Pending if delivery <= now => {
                    command.end(CommandState::DeliveryTimedOut, delivery);
                }
                CommandState::InProgress | CommandState::Cancelling if total <= now => {
                    command.end(CommandState::ExecutionTimedOut, total);
                }
                CommandState::InProgress | CommandState::Cancelling
                    if command.interrupted && command.deliveries >= MAX_DELIVERIES =>
                {
                    command.end(CommandState::Failed, now);
                }
                _ => {}
            }
        }
        let ended = self.commands.iter().filter(|c| c.state.ended()).count();
        let mut too_many = ended.saturating_sub(KEEP_ENDED);
        self.commands.retain(|c| {
            let forget = too_many > 0 && c.state.ended();
            too_many -= usize::from(forget);
            !forget
        });
        let ended = self.commands.iter_mut().rev().filter(|c| c.state.ended());
        for old in ended.skip(KEEP_SCRIPTS) {
            if !old.script.is_empty() {
                old.script = Arc::default();
            }
        }
    }
}

impl Command {
    fn end(&mut self, state: CommandState, at: Timestamp) {
        self.state = state;
        self.ended_at = Some(at);
        self.interrupted = false;
    }
}

/// The first so many characters, the last of them saying that it was cut.
fn cut(text: &str, limit: usize) -> Arc<str> {
    if text.chars().count() <= limit {
        return text.into();
    }
    let keep = limit - TRUNCATED.len();
    let kept = text.chars().take(keep).chain(TRUNCATED.chars());
    kept.collect::<String>().into()
}
