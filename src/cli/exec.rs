//! `exec NAME -- CMD…`: one command on the instance.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::interrupt::stops;
use super::{App, value, world};
use crate::model::{DeploymentName, Outcome, ServiceName};
use crate::orchestrator::{self, ExecEnd, ExecReady, ExecRequest, Sink, Stream};
use crate::report::{
    Body, CommandError, ErrorDocument, ExecData, LeftOut, OutputFormat, Raw, Remark, Reply,
};

/// More than this is not sent: it goes as one command of Systems Manager.
const LONGEST: usize = 16_000;

/// Run one command on the instance, or with --service inside a container
///
/// As root, in /. CMD and its arguments are passed as they are: no shell takes them apart; for that, `-- sh -c '…'`.
/// Its standard output and standard error come as it writes them, each in its own order; there is no standard input
/// and no terminal. Ends with 0 if the command does, else with 1, and its exit code in `data.exit_code`. The first
/// Ctrl-C ends the command, the second leaves it. No part of any operation: it takes no lock and is in no journal.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker exec my-dev-stack -- df -h /mnt/efs
  geusemaker exec my-dev-stack --service postgres -- psql -U n8n -c 'select 1'
  geusemaker exec my-dev-stack --timeout 1h -o json -- sh -c 'du -s /mnt/efs/*'")]
pub struct ExecArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// Inside the running container of this service
    #[arg(long, value_parser = value::name::<ServiceName>)]
    pub service: Option<ServiceName>,

    /// The command is ended after this time
    #[arg(long, value_name = "DUR", default_value = "10m", value_parser = value::positive_millis)]
    pub timeout: u64,

    /// The command and its arguments, behind `--`
    #[arg(value_name = "CMD", last = true, required = true)]
    pub argv: Vec<OsString>,
}

impl ExecArgs {
    /// What clap cannot check by itself.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        let found: usize = self.argv.iter().map(|arg| arg.len() + 1).sum();
        if found > LONGEST {
            let message = format!(
                "CMD has {found} bytes, at most {LONGEST} can be sent; put a file there in another way"
            );
            return Err(super::change::usage(&["exec"], &message));
        }
        if self.argv.first().is_some_and(|program| program.is_empty()) {
            return Err(super::change::usage(&["exec"], "CMD is empty"));
        }
        Ok(())
    }

    fn request(&self) -> ExecRequest {
        let bytes = |arg: &OsString| arg.clone().into_vec();
        ExecRequest {
            deployment: self.name.clone(),
            service: self.service.clone(),
            argv: self.argv.iter().map(bytes).collect(),
            limit: Duration::from_millis(self.timeout),
        }
    }

    pub(super) async fn run(&self, app: &App) -> Result<Reply, CommandError> {
        let world = world::of(app, &self.name).await?;
        let ready = orchestrator::prepare_exec(&world, &self.request()).await?;
        let stop = stops(
            app,
            "ending the command on the host; once more leaves it there",
        );
        if app.format == OutputFormat::Text {
            // Said before: afterwards it is of no use.
            let say = app.voice();
            for message in ready.warnings.iter().filter(|_| !app.quiet).cloned() {
                say(Remark::Warning { message });
            }
            let mut sink = Through::new();
            let end = orchestrator::exec(&world, &ready, &mut sink, stop).await?;
            sink.written?;
            return Ok(self.reply(&end).body(Body::Written));
        }
        let mut kept = Kept::default();
        let end = orchestrator::exec(&world, &ready, &mut kept, stop).await?;
        let data = self.data(&ready, &end, kept);
        let mut reply = self.reply(&end).body(Body::Exec(Box::new(data)));
        reply.warnings = ready.warnings;
        Ok(reply)
    }

    fn reply(&self, end: &ExecEnd) -> Reply {
        let reply = Reply::new("exec").of(&self.name);
        let code = end.code;
        let limit = crate::plan::duration(self.timeout);
        let (word, message) = match end.why.as_deref() {
            Some("timed_out") => (
                "command_timed_out",
                format!("the command was ended after {limit} (--timeout), with exit code {code}"),
            ),
            Some("output") => (
                "command_output",
                format!(
                    "the command was ended, with exit code {code}: its output would have filled the disk"
                ),
            ),
            Some("interrupted") if code != 0 => (
                "command_interrupted",
                format!("the command was ended as asked, with exit code {code}"),
            ),
            _ if code == 0 => return reply,
            _ => (
                "command_failed",
                format!("the command ended with exit code {code}"),
            ),
        };
        reply.outcome(Outcome::Failed).error(ErrorDocument {
            code: word.into(),
            message,
            causes: Vec::new(),
            help: Vec::new(),
        })
    }

    fn data(&self, ready: &ExecReady, end: &ExecEnd, kept: Kept) -> ExecData {
        ExecData::new(
            ready.on.clone(),
            self.service.clone(),
            end.code,
            (kept.out, kept.err),
            kept.left_out,
            end.seconds,
        )
    }
}

/// The words for a gap.
fn gap(bytes: u64) -> String {
    format!("\n... {bytes} bytes are left out here ...\n")
}

/// As it comes, to our own standard output and error.
struct Through {
    out: Raw<std::io::Stdout>,
    err: Raw<std::io::Stderr>,
    written: Result<(), CommandError>,
}

impl Through {
    fn new() -> Self {
        Self {
            out: Raw::new(std::io::stdout(), std::io::stdout().is_terminal()),
            err: Raw::new(std::io::stderr(), std::io::stderr().is_terminal()),
            written: Ok(()),
        }
    }
}

impl Sink for Through {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        let written = match stream {
            Stream::Out => self.out.put(bytes),
            // As everywhere: what cannot be said on stderr is not said.
            Stream::Err => return drop(self.err.put(bytes)),
        };
        if let (Err(error), Ok(())) = (written, &self.written) {
            self.written = Err(CommandError::failed(
                "stdout",
                "the output cannot be written to stdout",
            )
            .because(error));
        }
    }

    fn left_out(&mut self, stream: Stream, bytes: u64) {
        self.take(stream, gap(bytes).as_bytes());
    }
}

/// Kept for one document.
#[derive(Default)]
struct Kept {
    out: Vec<u8>,
    err: Vec<u8>,
    left_out: LeftOut,
}

impl Sink for Kept {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Out => self.out.extend_from_slice(bytes),
            Stream::Err => self.err.extend_from_slice(bytes),
        }
    }

    fn left_out(&mut self, stream: Stream, bytes: u64) {
        self.take(stream, gap(bytes).as_bytes());
        match stream {
            Stream::Out => self.left_out.stdout += bytes,
            Stream::Err => self.left_out.stderr += bytes,
        }
    }
}
