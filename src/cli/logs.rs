//! `logs NAME`: what the containers wrote.

use std::io::IsTerminal;

use tokio::sync::watch;

use super::interrupt::stops;
use super::{App, value, world};
use crate::model::{DeploymentName, ServiceName};
use crate::orchestrator::{Logs, LogsRequest, ServiceLine, World};
use crate::report::{Body, CommandError, LogRow, LogsData, OutputFormat, Raw, Remark, Reply};

/// Show what the containers wrote, by time; with --follow also what they write from now on
///
/// With several containers each line begins with its service. Changes nothing. --follow goes on over restarts and new
/// containers, until Ctrl-C, which ends it with 0.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker logs my-dev-stack
  geusemaker logs my-dev-stack --service n8n --tail 500 --since 1h
  geusemaker logs my-dev-stack --follow --tail 0")]
pub struct LogsArgs {
    /// The deployment
    #[arg(value_name = "NAME", value_parser = value::name::<DeploymentName>)]
    pub name: DeploymentName,

    /// Only this service
    #[arg(long, value_parser = value::name::<ServiceName>)]
    pub service: Option<ServiceName>,

    /// The newest lines of each container, so many; or all
    #[arg(long, short = 'n', value_name = "N", default_value = "100", value_parser = tail)]
    pub tail: Tail,

    /// Only lines of this time before now
    #[arg(long, value_name = "DUR", value_parser = value::positive_millis)]
    pub since: Option<u64>,

    /// Go on with what is written from now on
    #[arg(long, short)]
    pub follow: bool,

    /// Each line with its time
    #[arg(long, short)]
    pub timestamps: bool,
}

/// How many lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// All of them.
    All,
    /// So many.
    Lines(u64),
}

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail::All),
        _ if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.len() < 10 => {
            text.parse()
                .map(Tail::Lines)
                .map_err(|_| "not a number".into())
        }
        _ => Err("not a number of lines, or 'all'".into()),
    }
}

impl LogsArgs {
    pub(super) async fn run(&self, app: &App) -> Result<Reply, CommandError> {
        if self.follow && app.format != OutputFormat::Text {
            return Err(CommandError::usage(
                "--follow has no end, so it cannot be one document: leave -o away, or --follow",
            ));
        }
        let world = world::of(app, &self.name).await?;
        let request = LogsRequest {
            deployment: self.name.clone(),
            service: self.service.clone(),
            tail: match self.tail {
                Tail::All => None,
                Tail::Lines(n) => Some(n),
            },
            since_ms: self.since,
        };
        let mut logs = Logs::open(&world, &request).await?;
        let mut reply = Reply::new("logs").of(&self.name);
        if app.format != OutputFormat::Text {
            let rows = logs.first().await?.into_iter().map(row).collect();
            reply.warnings = logs.warnings;
            return Ok(reply.body(Body::Logs(LogsData { lines: rows })));
        }
        let mut out = Out {
            raw: Raw::new(std::io::stdout(), std::io::stdout().is_terminal()),
            named: logs.sources() > 1,
            timestamps: self.timestamps,
        };
        let first = logs.first().await?;
        out.lines(&first, logs.width())?;
        if self.follow {
            self.follow(app, &world, &mut logs, &mut out).await?;
        }
        reply.warnings = logs.warnings;
        Ok(reply.body(Body::Written))
    }

    async fn follow(
        &self,
        app: &App,
        world: &World,
        logs: &mut Logs<'_>,
        out: &mut Out,
    ) -> Result<(), CommandError> {
        let mut stop: watch::Receiver<u32> = stops(app, "");
        let (pause, patience) = logs.pace();
        let mut silence = None;
        let say = app.voice();
        while !out.raw.is_gone() {
            tokio::select! {
                () = world.clock.sleep(pause) => {}
                _ = stop.wait_for(|stops| *stops > 0) => return Ok(()),
            }
            let more = tokio::select! {
                more = logs.more() => more,
                _ = stop.wait_for(|stops| *stops > 0) => return Ok(()),
            };
            match more {
                Ok(lines) => {
                    silence = None;
                    out.named |= logs.sources() > 1;
                    out.lines(&lines, logs.width())?;
                }
                Err(error) => {
                    let awake = world.clock.awake();
                    let since = *silence.get_or_insert(awake);
                    if !Logs::passes(&error) || awake.saturating_sub(since) >= patience {
                        return Err(error);
                    }
                }
            }
            for message in logs.warnings.drain(..).filter(|_| !app.quiet) {
                say(Remark::Warning { message });
            }
        }
        Ok(())
    }
}

struct Out {
    raw: Raw<std::io::Stdout>,
    named: bool,
    timestamps: bool,
}

impl Out {
    fn lines(&mut self, lines: &[ServiceLine], width: usize) -> Result<(), CommandError> {
        let mut bytes = Vec::new();
        for line in lines {
            if self.named {
                bytes.extend(format!("{:width$} | ", line.of).bytes());
            }
            if self.timestamps {
                bytes.extend(format!("{} ", line.at).bytes());
            }
            bytes.extend(&line.text);
            bytes.push(b'\n');
        }
        self.raw.put(&bytes).map_err(|error| {
            CommandError::failed("stdout", "the output cannot be written to stdout").because(error)
        })
    }
}

fn row(line: ServiceLine) -> LogRow {
    LogRow::new(line.service, line.container, line.at, line.text)
}
