//! The result on stdout, as text, JSON or YAML: exactly one document. Errors and warnings on stderr.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::help;
use super::result::{ChangeData, CommandResult, ErrorDocument, PlanData, RESULT_SCHEMA};
use super::views::{
    AdoptData, CheckData, ExecData, FixData, HistoryData, InspectData, ListData, LogsData,
    SandboxData, StatusData, UnlockData,
};
use super::{CommandError, Ink, Paper, Remark, escape, text};
use crate::model::{DeploymentName, Outcome, Timestamp};
use crate::plan::{Check, Plan};

/// `-o`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// The same document as YAML
    Yaml,
}

/// Words that depend on how the program was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// How a next command begins: `geusemaker`, or `geusemaker --sandbox`.
    pub program: String,
}

impl Words {
    /// A text of the core, which does not know how the program was called: its next commands begin as they
    /// must to work on the same world.
    pub fn say(&self, text: &str) -> String {
        let mut parts = text.split("geusemaker ");
        let mut said = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let command = part.split(|c: char| !c.is_ascii_lowercase()).next();
            let ours = command.is_some_and(|c| COMMANDS.contains(&c));
            said.push_str(if ours { &self.program } else { "geusemaker" });
            said.push(' ');
            said.push_str(part);
        }
        said
    }

    /// A check, with its next step as it must be typed here.
    pub fn check(&self, check: &Check) -> Check {
        Check {
            help: self.say(&check.help),
            ..check.clone()
        }
    }
}

/// The commands that a next step names.
const COMMANDS: [&str; 13] = [
    "update", "rollback", "resume", "adopt", "list", "status", "inspect", "history", "check",
    "unlock", "sandbox", "logs", "exec",
];

impl Default for Words {
    fn default() -> Self {
        Self {
            program: "geusemaker".into(),
        }
    }
}

/// How the result is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printing {
    /// The format of stdout.
    pub format: OutputFormat,
    /// Colours on stdout.
    pub color_out: bool,
    /// Colours on stderr.
    pub color_err: bool,
    /// No warnings on stderr.
    pub quiet: bool,
    /// What is said on stderr is [`Reply::events`] instead of text.
    pub events: bool,
    /// Words of next commands.
    pub words: Words,
}

/// What a command answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The command.
    pub command: String,
    /// The deployment, where there is one.
    pub deployment: Option<DeploymentName>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was asked for.
    pub body: Body,
    /// What a person should know, besides the warnings in the body.
    pub warnings: Vec<String>,
    /// Why it did not do what was asked.
    pub error: Option<ErrorDocument>,
    /// Whether the error stands on stderr already.
    said: bool,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Nothing.
    None,
    /// `update`, `rollback`, `resume`.
    Change(Box<ChangeData>),
    /// `--dry-run`, and a plan that was not agreed to. Where it can go ahead and was not shown yet, with
    /// the plan itself and the diff of the compose file.
    DryRun {
        /// The document.
        data: Box<PlanData>,
        /// For people.
        ready: Option<(Box<Plan>, String)>,
    },
    /// `check`.
    Check(Box<CheckData>),
    /// `check --fix`.
    Fix(Box<FixData>),
    /// `list`.
    List(ListData),
    /// `status`.
    Status(Box<StatusData>),
    /// `history`.
    History(HistoryData),
    /// `inspect`.
    Inspect(Box<InspectData>),
    /// `adopt`.
    Adopt(Box<AdoptData>),
    /// `unlock`.
    Unlock(Box<UnlockData>),
    /// `logs`.
    Logs(LogsData),
    /// `exec`.
    Exec(Box<ExecData>),
    /// `sandbox …`.
    Sandbox {
        /// The document.
        data: Box<SandboxData>,
        /// As text, the faults alone.
        only_faults: bool,
    },
    /// A text that is printed as it is, as in `completions`.
    Raw {
        /// Its name in the document.
        key: &'static str,
        /// The text.
        text: String,
    },
    /// Whatever an error brought along.
    Value(Box<Value>),
    /// It was written to stdout already, as `sandbox serve` does: no document follows.
    Written,
}

impl Reply {
    /// A reply that says `done` and nothing else.
    pub fn new(command: &str) -> Self {
        Self {
            command: command.into(),
            deployment: None,
            outcome: Outcome::Done,
            body: Body::None,
            warnings: Vec::new(),
            error: None,
            said: false,
        }
    }

    /// About this deployment.
    #[must_use]
    pub fn of(mut self, name: &DeploymentName) -> Self {
        self.deployment = Some(name.clone());
        self
    }

    /// Ended so.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// With this error.
    #[must_use]
    pub fn error(mut self, error: ErrorDocument) -> Self {
        self.error = Some(error);
        self
    }

    /// Ended with this error, its outcome and its data.
    #[must_use]
    pub fn failed(mut self, error: CommandError) -> Self {
        self.outcome = error.outcome;
        if let Some(data) = error.data {
            self.body = Body::Value(data);
        }
        self.error(error.document)
    }

    /// The error stands on stderr already.
    #[must_use]
    pub fn said(mut self) -> Self {
        self.said = true;
        self
    }

    /// The warnings of the reply and of its body, each once. Those of a plan are said with the plan.
    fn warnings(&self, with_plan: bool) -> Vec<String> {
        let mut all = self.warnings.clone();
        match &self.body {
            Body::Change(data) => all.extend(data.warnings.iter().cloned()),
            Body::DryRun {
                ready: Some((plan, _)),
                ..
            } if with_plan => all.extend(plan.warnings.iter().cloned()),
            _ => {}
        }
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|warning| seen.insert(warning.clone()));
        all
    }

    /// The error with the help of its code: where it brought none, and before the commands of what stays open.
    fn helped(&self, words: &Words) -> Option<ErrorDocument> {
        let mut error = self.error.clone()?;
        if error.help.is_empty() {
            let name = self.deployment.as_ref().map(DeploymentName::as_str);
            error.help = help::help(&error.code, words, name);
        } else {
            error.help = error.help.iter().map(|text| words.say(text)).collect();
        }
        // Where only our own commands are known, what is to be put right first.
        let only_commands = (error.help.iter()).all(|text| text.starts_with(&words.program));
        if matches!(self.outcome, Outcome::Paused | Outcome::Stuck) && only_commands {
            let name = self.deployment.as_ref().map(DeploymentName::as_str);
            let mut of_code = help::help(&error.code, words, name);
            of_code.retain(|text| !text.contains(" resume "));
            error.help.splice(0..0, of_code);
        }
        Some(error)
    }

    /// The same with every next step as it must be typed here.
    fn worded(&self, words: &Words) -> Self {
        let mut reply = self.clone();
        reply.error = self.helped(words);
        let plan = match &mut reply.body {
            Body::Change(data) => data.plan.as_mut(),
            Body::DryRun { data, .. } => Some(data.as_mut()),
            Body::Check(data) => Some(&mut data.plan),
            _ => None,
        };
        for check in plan.into_iter().flat_map(|plan| &mut plan.checks) {
            *check = words.check(check);
        }
        let of_change = match &mut reply.body {
            Body::Change(data) => data.warnings.as_mut_slice(),
            _ => &mut [],
        };
        for warning in reply.warnings.iter_mut().chain(of_change) {
            *warning = words.say(warning);
        }
        reply
    }

    /// The document.
    pub fn document(&self, words: &Words) -> CommandResult {
        CommandResult {
            schema: RESULT_SCHEMA,
            command: self.command.clone(),
            deployment: self.deployment.as_ref().map(ToString::to_string),
            outcome: self.outcome,
            exit_code: self.outcome.exit_code(),
            data: self.data(),
            warnings: self.warnings(true),
            error: self.helped(words),
        }
    }

    /// What [`print()`] says on stderr, for programs: a line of `geusemaker.event/1` each.
    pub fn events(&self, how: &Printing, at: Timestamp) -> String {
        let reply = self.worded(&how.words);
        let operation = match &reply.body {
            Body::Change(data) => data.operation_id.as_deref(),
            _ => None,
        };
        let (warnings, error) = reply.said_on_stderr(how.quiet);
        let warnings = warnings.into_iter();
        let warnings = warnings.map(|message| Remark::Warning { message });
        let error = error.cloned().map(|error| Remark::Error { error });
        let remarks = warnings.chain(error);
        remarks.map(|remark| remark.json(at, operation)).collect()
    }

    /// The warnings, and the error unless it stands there already.
    fn said_on_stderr(&self, quiet: bool) -> (Vec<String>, Option<&ErrorDocument>) {
        let warnings = match quiet {
            true => Vec::new(),
            false => self.warnings(false),
        };
        (warnings, self.error.as_ref().filter(|_| !self.said))
    }

    fn data(&self) -> Value {
        let value = |data: Result<Value, serde_json::Error>| {
            data.expect("our own documents have string keys and finite numbers")
        };
        match &self.body {
            Body::None | Body::Written => json!({}),
            Body::Change(data) => value(serde_json::to_value(data)),
            Body::DryRun { data, .. } => json!({ "plan": value(serde_json::to_value(data)) }),
            Body::Check(data) => value(serde_json::to_value(data)),
            Body::Fix(data) => value(serde_json::to_value(data)),
            Body::List(data) => value(serde_json::to_value(data)),
            Body::Status(data) => value(serde_json::to_value(data)),
            Body::History(data) => value(serde_json::to_value(data)),
            Body::Inspect(data) => value(serde_json::to_value(data)),
            Body::Adopt(data) => value(serde_json::to_value(data)),
            Body::Unlock(data) => value(serde_json::to_value(data)),
            Body::Logs(data) => value(serde_json::to_value(data)),
            Body::Exec(data) => value(serde_json::to_value(data)),
            Body::Sandbox { data, .. } => value(serde_json::to_value(data)),
            Body::Raw { key, text } => json!({ *key: text }),
            Body::Value(data) => (**data).clone(),
        }
    }
}

/// Prints a reply: errors and warnings on `err`, where a failure to write is ignored, and then exactly one
/// document on `out`.
///
/// # Errors
/// `out` cannot be written. [`io::ErrorKind::BrokenPipe`] is for the caller to pass over.
pub fn print(
    reply: &Reply,
    how: &Printing,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    let reply = &reply.worded(&how.words);
    let mut said = Paper::new();
    let (warnings, error) = reply.said_on_stderr(how.quiet);
    for warning in warnings {
        said.block("warning: ", Ink::Yellow, &warning);
    }
    if let Some(error) = error {
        said.append(text::error(error, &reply.body));
    }
    let _ = err.write_all(said.render(how.color_err).as_bytes());
    let _ = err.flush();

    if reply.body == Body::Written {
        return Ok(());
    }
    let document = match how.format {
        OutputFormat::Text => text::reply(reply, &how.words).render(how.color_out),
        OutputFormat::Json => escape::json(&pretty(&reply.document(&how.words))?) + "\n",
        OutputFormat::Yaml => {
            let document = reply.document(&how.words);
            let json = pretty(&document)?;
            escape::yaml(
                serde_yaml::to_string(&document).map_err(io::Error::other)?,
                || json,
            )
        }
    };
    out.write_all(document.as_bytes())?;
    out.flush()
}

fn pretty(document: &CommandResult) -> io::Result<String> {
    serde_json::to_string_pretty(document).map_err(io::Error::other)
}
