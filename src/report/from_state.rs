//! What is wrong on disk, as the end of a command.

use super::CommandError;
use crate::model::Outcome;
use crate::state::StateError;

impl From<StateError> for CommandError {
    /// A missing document is 8; anything else, before a journal is open, is 1.
    fn from(error: StateError) -> Self {
        let outcome = match error {
            StateError::NotFound { .. } => Outcome::NotFound,
            _ => Outcome::Failed,
        };
        let help = error.help();
        let failed = Self::new(outcome, error.code(), error.to_string());
        if help.is_empty() {
            failed
        } else {
            failed.help(help)
        }
    }
}
