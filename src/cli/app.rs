//! What a command works with.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use super::confirm::Ask;
use super::env::Env;
use super::globals::{ColorMode, Globals, ProgressMode, Settings};
use super::logging;
use crate::cloud::{Clock, SystemClock};
use crate::orchestrator::Interrupt;
use crate::report::{
    Bars, CommandError, Fanout, JsonEvents, Listener, LogSink, OperationLog, OutputFormat, Paper,
    Plain, Printing, Remark, Words,
};

/// What a command works with: the settings in force, and the way to the person.
pub struct App {
    /// What is in force.
    pub settings: Settings,
    /// How next commands begin.
    pub words: Words,
    /// Who answers questions.
    pub ask: Box<dyn Ask>,
    /// `-o`.
    pub format: OutputFormat,
    /// `-q`.
    pub quiet: bool,
    /// The wish to stop.
    pub interrupt: Arc<Interrupt>,
    color_err: bool,
    pub(super) progress: Progress,
    pub(super) log: Option<LogSink>,
}

/// How progress is shown, once decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Bars,
    Plain,
    Json,
    None,
}

impl Progress {
    fn decide(globals: &Globals, env: &Env, terminal: bool) -> Self {
        match globals.progress {
            ProgressMode::Json => Self::Json,
            ProgressMode::None => Self::None,
            _ if globals.quiet => Self::None,
            ProgressMode::Plain => Self::Plain,
            // Log lines would run through the bars.
            ProgressMode::Auto if globals.verbose > 0 => Self::Plain,
            ProgressMode::Auto | ProgressMode::Bars if terminal && !env.dumb => Self::Bars,
            ProgressMode::Auto | ProgressMode::Bars => Self::Plain,
        }
    }
}

impl App {
    /// From flags and environment.
    ///
    /// # Errors
    /// See [`Settings::new`].
    pub fn new(globals: &Globals, env: &Env, ask: Box<dyn Ask>) -> Result<Self, CommandError> {
        Ok(Self {
            settings: Settings::new(globals, env)?,
            words: globals.words(),
            ask,
            format: globals.output,
            quiet: globals.quiet,
            interrupt: Arc::default(),
            color_err: colors(globals.color, env, std::io::stderr().is_terminal()),
            progress: Progress::decide(globals, env, std::io::stderr().is_terminal()),
            log: None,
        })
    }

    /// Logs from here on: to stderr as `-v` says, and to the log of the operation that
    /// [`App::listener`] hears of.
    pub(super) fn start_logging(&mut self, globals: &Globals) {
        self.log = Some(logging::start(globals.verbose, self.color_err));
    }

    /// Who listens to an operation of the deployment in this folder: the way of showing progress that
    /// was asked for, and always the operation's log.
    pub fn listener(&self, deployment_dir: std::path::PathBuf) -> Arc<dyn Listener> {
        let mut readers: Vec<Arc<dyn Listener>> = Vec::new();
        let sink = self.log.clone().unwrap_or_default();
        readers.push(Arc::new(OperationLog::new(deployment_dir, sink)));
        match self.progress {
            Progress::Bars => readers.push(Arc::new(Bars::new(self.color_err))),
            Progress::Plain => readers.push(Arc::new(Plain::new(std::io::stderr()))),
            Progress::Json => readers.push(Arc::new(JsonEvents::new(std::io::stderr()))),
            Progress::None => {}
        }
        Arc::new(Fanout(readers))
    }

    /// Shows a text on stderr. A closed pipe is no reason to stop.
    pub(super) fn show(&self, paper: &Paper) {
        let said = match self.progress {
            Progress::Json => {
                let message = paper.render(false);
                Remark::Message { message }.json(SystemClock.now(), None)
            }
            _ => paper.render(self.color_err),
        };
        let _ = std::io::stderr().write_all(said.as_bytes());
    }

    /// What says one line on stderr, also from a thread of its own. A closed pipe is no reason to stop.
    pub(super) fn voice(&self) -> impl Fn(Remark) + Clone + Send + use<> {
        let (words, events) = (self.words.clone(), self.progress == Progress::Json);
        move |remark| {
            let remark = remark.worded(&words);
            let line = remark.line(events, SystemClock.now());
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

/// How the result is printed.
pub(super) fn printing(globals: &Globals, env: &Env) -> Printing {
    Printing {
        format: globals.output,
        color_out: globals.output == OutputFormat::Text
            && colors(globals.color, env, std::io::stdout().is_terminal()),
        color_err: colors(globals.color, env, std::io::stderr().is_terminal()),
        quiet: globals.quiet,
        events: globals.progress == ProgressMode::Json,
        words: globals.words(),
    }
}

fn colors(mode: ColorMode, env: &Env, terminal: bool) -> bool {
    match mode {
        ColorMode::Always => true,
        ColorMode::Never => false,
        ColorMode::Auto => terminal && !env.no_color && !env.dumb,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Parser};
    use super::*;

    #[test]
    fn progress_is_decided_once() {
        for (argv, terminal, expected) in [
            (&["list"][..], true, Progress::Bars),
            (&["list"], false, Progress::Plain),
            (&["list", "-v"], true, Progress::Plain),
            (&["list", "-q"], true, Progress::None),
            (&["list", "-q", "--progress", "json"], true, Progress::Json),
            (&["list", "--progress", "bars"], false, Progress::Plain),
            (&["list", "--progress", "bars", "-v"], true, Progress::Bars),
            (&["list", "--progress", "none"], true, Progress::None),
        ] {
            let argv_all = ["geusemaker"].iter().chain(argv);
            let globals = Cli::try_parse_from(argv_all).unwrap().globals;
            let found = Progress::decide(&globals, &Env::default(), terminal);
            assert_eq!(found, expected, "{argv:?} {terminal}");
        }
    }

    #[test]
    fn colours() {
        let plain = Env::default();
        let no_color = Env {
            no_color: true,
            ..Env::default()
        };
        for (mode, env, terminal, expected) in [
            (ColorMode::Auto, &plain, true, true),
            (ColorMode::Auto, &plain, false, false),
            (ColorMode::Auto, &no_color, true, false),
            (ColorMode::Always, &no_color, false, true),
            (ColorMode::Never, &plain, true, false),
        ] {
            assert_eq!(colors(mode, env, terminal), expected, "{mode:?}");
        }
    }
}
