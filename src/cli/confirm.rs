//! The only file that prompts.

use std::io::IsTerminal;

use crate::report::CommandError;

/// Who answers questions.
pub trait Ask: Send + Sync {
    /// Asks for a yes. What is asked about was shown before.
    ///
    /// # Errors
    /// `declined` (9): the answer was no, or there is nobody to ask.
    fn confirm(&self, question: &str) -> Result<(), CommandError>;
}

/// The person at the terminal, asked on stderr.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal;

impl Ask for Terminal {
    fn confirm(&self, question: &str) -> Result<(), CommandError> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(CommandError::cannot_ask());
        }
        // An interrupt here is a no. Without a handler it would end the process with the cursor hidden.
        let _interrupts = tokio::runtime::Handle::try_current()
            .ok()
            .map(|_| tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()));
        let answer = dialoguer::Confirm::new()
            .with_prompt(crate::report::line(question))
            .default(false)
            .wait_for_newline(true)
            .interact_opt();
        let _ = dialoguer::console::Term::stderr().show_cursor();
        match answer {
            Ok(Some(true)) => Ok(()),
            Ok(Some(false) | None) => Err(CommandError::declined()),
            Err(error) => Err(CommandError::declined().because(error)),
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
