//! From the command line to the exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};

use super::app::{App, printing};
use super::confirm::Terminal;
use super::env::Env;
use super::world::{self, Hidden};
use super::{Cli, Command, interrupt, usage};
use crate::cloud::{Clock, SystemClock};
use crate::orchestrator::Interrupt;
use crate::report::{
    Body, CommandError, LogSink, OutputFormat, Printing, Remark, Reply, Words, print,
};
use crate::state;

/// The program: reads the command line and the environment, answers the exit code.
pub fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(run(&argv, &Env::read()))
}

fn run(argv: &[OsString], env: &Env) -> u8 {
    // Not clap's: a `docker` takes docker's own flags.
    match argv.get(1).and_then(|word| word.to_str()) {
        Some("sandbox-agent") => return world::hidden(Hidden::Agent, &argv[2..]),
        Some("sandbox-docker") => return world::hidden(Hidden::Docker, &argv[2..]),
        _ => {}
    }
    let cli = match Cli::try_parse_from(argv).and_then(checked) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(argv, env, error),
    };
    let printing = printing(&cli.globals, env);
    let Some(command) = cli.command else {
        return no_command(&printing);
    };
    // What a package installs needs neither a home nor settings.
    let command = match command {
        Command::Completions(args) => return finish(&args.run(), &printing, None),
        Command::Man(args) => return finish(&args.run(), &printing, None),
        command => command,
    };
    let interrupt = Arc::<Interrupt>::default();
    let ask = Box::new(Terminal(Arc::clone(&interrupt)));
    let mut app = match App::new(&cli.globals, env, ask) {
        Ok(app) => app,
        Err(error) => return finish(&command.reply().failed(error), &printing, None),
    };
    app.interrupt = interrupt;
    let blank = command.reply();
    let warnings = wide_modes(&app, &blank);
    let result = match command {
        Command::List(args) => args.run(&app),
        Command::Inspect(args) => args.run(&app),
        Command::History(args) => args.run(&app),
        waits => {
            app.start_logging(&cli.globals);
            return on_runtime(waits, &app, &blank, &printing, warnings);
        }
    };
    finish(&ended(result, blank, warnings), &printing, app.log.as_ref())
}

/// What is shown of it.
fn ended(result: Result<Reply, CommandError>, blank: Reply, warnings: Vec<String>) -> Reply {
    let mut reply = result.unwrap_or_else(|error| blank.failed(error));
    reply.warnings.extend(warnings);
    reply
}

/// Who else may look into the state, as it was found at the start.
fn wide_modes(app: &App, reply: &Reply) -> Vec<String> {
    let folder = app.settings.deployments_dir();
    let folder = reply
        .deployment
        .as_ref()
        .map(|name| folder.join(name.as_str()));
    state::wide_modes(&app.settings.state, folder.as_deref())
}

/// The commands that wait for somebody, to the exit code.
fn on_runtime(
    command: Command,
    app: &App,
    blank: &Reply,
    printing: &Printing,
    warnings: Vec<String>,
) -> u8 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(why) => {
            let error = CommandError::failed("internal", "the runtime could not be started");
            return finish(&blank.clone().failed(error.because(why)), printing, None);
        }
    };
    let changes = matches!(
        command,
        Command::Update(_) | Command::Rollback(_) | Command::Resume(_)
    );
    // These have handlers for the signals, which then end nothing by themselves.
    let hears = changes || matches!(command, Command::Logs(_) | Command::Exec(_));
    runtime.block_on(async {
        if changes {
            interrupt::listen(app, blank, printing);
        }
        let result = tokio::select! {
            result = command.run(app) => result,
            () = app.interrupt.before_it_began() => Err(CommandError::interrupted()),
        };
        app.interrupt.end();
        let reply = ended(result, blank.clone(), warnings);
        match hears {
            true => interrupt::last_words(reply, printing.clone(), app.log.clone()).await,
            false => finish(&reply, printing, app.log.as_ref()),
        }
    })
}

impl Command {
    /// The commands that wait for somebody, and the others all the same.
    async fn run(self, app: &App) -> Result<Reply, CommandError> {
        match self {
            Command::Update(args) => args.run(app).await,
            Command::Rollback(args) => args.run(app).await,
            Command::Resume(args) => args.run(app).await,
            Command::Adopt(args) => args.run(app).await,
            Command::Status(args) => args.run(app).await,
            Command::Unlock(args) => args.run(app).await,
            Command::Check(args) => args.run(app).await,
            Command::Logs(args) => args.run(app).await,
            Command::Exec(args) => args.run(app).await,
            Command::Sandbox(args) => args.run(app).await,
            Command::List(args) => args.run(app),
            Command::Inspect(args) => args.run(app),
            Command::History(args) => args.run(app),
            Command::Completions(args) => Ok(args.run()),
            Command::Man(args) => Ok(args.run()),
        }
    }

    /// An empty reply of this command.
    fn reply(&self) -> Reply {
        match self {
            Self::Update(args) => Reply::new("update").of(&args.name),
            Self::Rollback(args) => Reply::new("rollback").of(&args.name),
            Self::Resume(args) => Reply::new("resume").of(&args.name),
            Self::Adopt(args) => Reply::new("adopt").of(&args.name),
            Self::Status(args) => Reply::new("status").of(&args.name),
            Self::Unlock(args) => Reply::new("unlock").of(&args.name),
            Self::Inspect(args) => Reply::new("inspect").of(&args.name),
            Self::History(args) => Reply::new("history").of(&args.name),
            Self::Check(args) => Reply::new("check").of(&args.name),
            Self::Logs(args) => Reply::new("logs").of(&args.name),
            Self::Exec(args) => Reply::new("exec").of(&args.name),
            Self::List(_) => Reply::new("list"),
            Self::Sandbox(_) => Reply::new("sandbox"),
            Self::Completions(_) => Reply::new("completions"),
            Self::Man(_) => Reply::new("man"),
        }
    }
}

/// What clap cannot check by itself.
fn checked(cli: Cli) -> Result<Cli, clap::Error> {
    match &cli.command {
        Some(Command::Update(args)) => args.check()?,
        Some(Command::Rollback(args)) => args.check()?,
        Some(Command::Check(args)) => args.check()?,
        Some(Command::Exec(args)) => args.check()?,
        Some(Command::Sandbox(args)) => args.check()?,
        _ => {}
    }
    Ok(cli)
}

/// `--help`, `--version`, or a usage error.
fn not_parsed(argv: &[OsString], env: &Env, error: clap::Error) -> u8 {
    let events = usage::wants_events(argv);
    if usage::is_text(&error) && !error.use_stderr() {
        return written(
            std::io::stdout().write_all(error.render().to_string().as_bytes()),
            0,
            events,
        );
    }
    let error = usage::clean(error);
    let rendered = error.render().to_string();
    let format = usage::format(argv);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let text = if terminal && !env.no_color && !env.dumb {
        error.render().ansi().to_string()
    } else {
        rendered.clone()
    };
    let failed = CommandError::usage(usage::message(&rendered));
    let mut reply = Reply::new(&usage::command(argv)).failed(failed);
    if !events {
        let _ = std::io::stderr().write_all(text.as_bytes());
        reply = reply.said();
    }
    finish(
        &reply,
        &Printing {
            format,
            color_out: false,
            color_err: false,
            quiet: false,
            events,
            words: Words::default(),
        },
        None,
    )
}

/// Without a command: the help.
fn no_command(printing: &Printing) -> u8 {
    let mut help = Vec::new();
    let styled = Cli::command().render_help();
    if printing.color_out {
        help.extend(styled.ansi().to_string().bytes());
    } else {
        help.extend(styled.to_string().bytes());
    }
    if printing.format == OutputFormat::Text {
        return written(std::io::stdout().write_all(&help), 0, printing.events);
    }
    let text = String::from_utf8_lossy(&help).into_owned();
    finish(
        &Reply::new("help").body(Body::Raw { key: "help", text }),
        printing,
        None,
    )
}

/// Prints the reply, and answers its exit code. What nobody could be shown any more goes to this log.
pub(super) fn finish(reply: &Reply, printing: &Printing, log: Option<&LogSink>) -> u8 {
    let code = reply.outcome.exit_code();
    let (out, err) = (&mut std::io::stdout(), &mut std::io::stderr());
    let result = if printing.events {
        let said = reply.events(printing, SystemClock.now());
        let _ = err.write_all(said.as_bytes());
        print(reply, printing, out, &mut std::io::sink())
    } else {
        print(reply, printing, out, err)
    };
    if let (Err(error), Some(log)) = (&result, log)
        && is_gone(error)
    {
        log.append_reply(reply, printing);
    }
    written(result, code, printing.events)
}

/// A reader that went away is fine (`| head`, a terminal that was closed); a result that could not be written
/// is not.
fn written(result: std::io::Result<()>, code: u8, events: bool) -> u8 {
    match result {
        Err(error) if !is_gone(&error) => {
            let message = format!("error: the result cannot be written to stdout: {error}");
            let line = Remark::Message { message }.line(events, SystemClock.now());
            let _ = std::io::stderr().write_all(line.as_bytes());
            if code == 0 { 1 } else { code }
        }
        _ => code,
    }
}

/// Whether it is about a stdout that nobody reads any more. A terminal that was hung up answers with EIO, as a
/// broken disk does.
fn is_gone(error: &std::io::Error) -> bool {
    let is_device = || {
        rustix::fs::fstat(std::io::stdout())
            .map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_char_device())
    };
    error.kind() == std::io::ErrorKind::BrokenPipe
        || (error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
            && is_device().unwrap_or(false))
}
