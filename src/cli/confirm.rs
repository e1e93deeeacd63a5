//! The only file that prompts.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::orchestrator::Interrupt;
use crate::report::CommandError;

/// How often the question looks whether it was interrupted.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Who answers questions.
pub trait Ask: Send + Sync {
    /// Asks for a yes. What is asked about was shown before.
    ///
    /// # Errors
    /// `declined` (9): the answer was no, or there is nobody to ask.
    fn confirm(&self, question: &str) -> Result<(), CommandError>;
}

/// The person at the terminal, asked on stderr. An interrupt is a no.
#[derive(Clone)]
pub struct Terminal(pub Arc<Interrupt>);

impl Ask for Terminal {
    fn confirm(&self, question: &str) -> Result<(), CommandError> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() || !std::io::stderr().is_terminal() {
            return Err(CommandError::cannot_ask());
        }
        let before = tcgetattr(&stdin);
        let prompt = crate::report::line(question).into_owned();
        let (say, answered) = mpsc::channel();
        // On a thread of its own: whoever reads a key does not hear a signal.
        std::thread::spawn(move || {
            let answer = dialoguer::Confirm::new()
                .with_prompt(prompt)
                .default(false)
                .wait_for_newline(true)
                .interact_opt();
            let _ = say.send(answer);
        });
        let answer = loop {
            match answered.recv_timeout(LOOK_UP) {
                Err(mpsc::RecvTimeoutError::Timeout) if !self.0.is_asked() => {}
                answer => break answer.ok(),
            }
        };
        let _ = dialoguer::console::Term::stderr().show_cursor();
        if self.0.is_asked() || answer.is_none() {
            // The key is still being read: the terminal is as the reading set it.
            if let Ok(before) = before {
                let _ = tcsetattr(&stdin, OptionalActions::Now, &before);
            }
            let _ = std::io::stderr().write_all(b"\n");
            return Err(CommandError::declined());
        }
        match answer {
            Some(Ok(Some(true))) => Ok(()),
            Some(Err(error)) => Err(CommandError::declined().because(error)),
            _ => Err(CommandError::declined()),
        }
    }
}

/// Asks, unless `--force` has answered.
///
/// # Errors
/// See [`Ask::confirm`].
pub fn confirm(ask: &dyn Ask, force: bool, question: &str) -> Result<(), CommandError> {
    if force { Ok(()) } else { ask.confirm(question) }
}
