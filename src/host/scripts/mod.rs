//! The texts of the scripts. Each is constant; the input follows in a quoted here-document.

use std::sync::LazyLock;

use super::input::{Input, is_data_line};
use crate::model::sha256_hex;

const PRELUDE: &str = include_str!("prelude.sh");
const REPLY: &str = include_str!("reply.sh");
const RECORD: &str = include_str!("record.sh");
const TAG: &str = include_str!("tag.sh");
const DOCKER: &str = include_str!("docker.sh");
const ASKS: &str = include_str!("asks.sh");
const FACTS: &str = include_str!("facts.sh");
const LOOK: &str = include_str!("look.sh");
const RESTORE: &str = include_str!("restore.sh");
/// What runs detached, and what the timer of an armed restore runs (the tick).
const JOB: [&str; 11] = [
    PRELUDE,
    RESTORE,
    DOCKER,
    ASKS,
    include_str!("job.sh"),
    include_str!("job_pull.sh"),
    include_str!("job_quiesce.sh"),
    include_str!("job_restore.sh"),
    include_str!("job_apply.sh"),
    include_str!("job_tick.sh"),
    include_str!("job_main.sh"),
];

/// How a person's command, and all that it began, is ended.
const EXEC_END: &str = include_str!("exec_end.sh");
/// What runs a person's command.
const EXEC_RUN: [&str; 3] = [PRELUDE, EXEC_END, include_str!("exec_run.sh")];

/// The program that lies on a host as a file of its own: [`Verb::Start`] and [`Verb::Arm`] only name it.
pub fn program() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| lean(&JOB.concat()));
    &TEXT
}

/// Its SHA-256 (hex), which is its name on the host.
pub fn program_sha256() -> &'static str {
    static SHA: LazyLock<String> = LazyLock::new(|| sha256_hex(program().as_bytes()));
    &SHA
}

/// The line that ends the input.
const END: &str = "GEUSEMAKER_INPUT";

/// What a host can be asked. Each verb is one script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Looks at everything.
    Look,
    /// The same, and at what services would be made of besides their images.
    LookMade,
    /// Looks at a mount point under a time limit.
    Mount,
    /// Looks at a few files of each service's data.
    Sample,
    /// Asks what the compose file declares.
    Probe,
    /// Starts a job.
    Start,
    /// How far a job is.
    Poll,
    /// Puts one part of a long text on the host, for a job that follows.
    Put,
    /// Tells the host what to go back to by itself.
    Arm,
    /// Disarms it.
    Commit,
    /// Looks whether Docker waits for a mount, and writes the drop-in for it.
    Order,
    /// Looks which images are held for a deployment, and holds exactly those that are to be.
    Hold,
    /// Begins a person's command, reads its output, ends it.
    Exec,
    /// Reads what containers wrote.
    Logs,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 14] = [
        Verb::Look,
        Verb::LookMade,
        Verb::Mount,
        Verb::Sample,
        Verb::Probe,
        Verb::Start,
        Verb::Poll,
        Verb::Put,
        Verb::Arm,
        Verb::Commit,
        Verb::Order,
        Verb::Hold,
        Verb::Exec,
        Verb::Logs,
    ];

    /// Its name, in comments and errors.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Look | Verb::LookMade => "look",
            Verb::Mount => "mount",
            Verb::Sample => "sample",
            Verb::Probe => "probe",
            Verb::Start => "start",
            Verb::Poll => "poll",
            Verb::Put => "put",
            Verb::Arm => "arm",
            Verb::Commit => "commit",
            Verb::Order => "order",
            Verb::Hold => "hold",
            Verb::Exec => "exec",
            Verb::Logs => "logs",
        }
    }

    /// The constant text of its script, up to and with the line that begins the input.
    pub fn script(self) -> &'static str {
        static TEXTS: LazyLock<[String; 14]> = LazyLock::new(|| Verb::ALL.map(|v| v.text(lean)));
        &TEXTS[self as usize]
    }

    fn text(self, edit: fn(&str) -> String) -> String {
        let program = include_str!("program.sh").replace("@PROGRAM@", program_sha256());
        let exec;
        let parts: &[&str] = match self {
            Verb::Look => &[TAG, DOCKER, FACTS, LOOK],
            Verb::LookMade => &[TAG, DOCKER, FACTS, include_str!("pending.sh"), LOOK],
            Verb::Mount => &[TAG, RECORD, DOCKER, FACTS, include_str!("mount.sh")],
            Verb::Sample => &[FACTS, include_str!("sample.sh")],
            Verb::Probe => &[DOCKER, FACTS, ASKS, include_str!("probe.sh")],
            Verb::Start => &[TAG, RECORD, &program, include_str!("start.sh")],
            Verb::Poll => &[TAG, RECORD, include_str!("poll.sh")],
            Verb::Put => &[TAG, RECORD, include_str!("put.sh")],
            Verb::Arm => &[TAG, RECORD, &program, include_str!("arm.sh")],
            Verb::Commit => &[TAG, RECORD, include_str!("commit.sh")],
            Verb::Order => &[TAG, RECORD, FACTS, include_str!("order.sh")],
            Verb::Hold => &[TAG, RECORD, DOCKER, FACTS, include_str!("hold.sh")],
            Verb::Exec => {
                exec = include_str!("exec.sh").replace("@JOB@\n", &edit(&EXEC_RUN.concat()));
                &[EXEC_END, &exec]
            }
            Verb::Logs => &[DOCKER, FACTS, include_str!("logs.sh")],
        };
        let body = edit(&[&[PRELUDE, REPLY, RESTORE], parts].concat().concat());
        format!("{body}main <<'{END}'\n")
    }

    /// The whole script with its input, ready to be run.
    pub fn with(self, input: &Input) -> String {
        format!("{}{}{END}\n", self.script(), input.lines())
    }
}

/// Whether this text is one of our scripts with nothing but data behind it: not one character of it
/// is anybody else's choice.
pub fn is_ours(script: &str) -> bool {
    Verb::ALL.into_iter().any(|verb| is(verb, script))
}

/// The same, and what it runs is ours as well: `exec` runs what a person says, and needs walls where it is not his host.
pub fn runs_ours(script: &str) -> bool {
    is_ours(script) && !is(Verb::Exec, script)
}

fn is(verb: Verb, script: &str) -> bool {
    let Some(data) = script.strip_prefix(verb.script()) else {
        return false;
    };
    let data = data.strip_suffix('\n').unwrap_or(data);
    let Some(lines) = data.strip_suffix(END) else {
        return false;
    };
    (lines.is_empty() || lines.ends_with('\n')) && lines.lines().all(is_data_line)
}

/// Whether this text is the program that the timer of an armed restore runs on a host.
pub fn is_our_program(text: &str) -> bool {
    text.trim_end() == program().trim_end()
}

/// Without comments, empty lines and indentation: Run Command takes 64 KB, script and input together.
fn lean(text: &str) -> String {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests;
