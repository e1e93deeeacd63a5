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
            // Not `Confirm`: of a whole line it takes the last key that is a y or an n, and "no way" for a yes.
            let answer = dialoguer::Input::<String>::new()
                .with_prompt(prompt + " [y/N]")
                .allow_empty(true)
                .interact();
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
            Some(Ok(answer)) if is_yes(&answer) => Ok(()),
            Some(Err(error)) => Err(CommandError::declined().because(error)),
            _ => Err(CommandError::declined()),
        }
    }
}

/// Only a whole yes is one.
fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes")
}

/// Asks, unless `--force` has answered.
///
/// # Errors
/// See [`Ask::confirm`].
pub fn confirm(ask: &dyn Ask, force: bool, question: &str) -> Result<(), CommandError> {
    if force { Ok(()) } else { ask.confirm(question) }
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_whole_yes_is_one() {
        for yes in ["y", "Y", "yes", "Yes ", " YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in [
            "", " ", "n", "no", "no way", "not yet", "maybe", "nay", "yn", "yy", "ye",
        ] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
