//! How a command ended, and its exit code.

use serde::{Deserialize, Serialize};

/// How a command ended. The words and the codes are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The change was made.
    Updated,
    /// What was asked for was so already.
    Unchanged,
    /// A rollback that was asked for was made.
    RolledBackAsAsked,
    /// A command that is no change did its work.
    Done,
    /// Unexpected; nothing else fits.
    Failed,
    /// The command line is wrong.
    Usage,
    /// A check said no; nothing was changed.
    Refused,
    /// The change failed; verified to be as before.
    RolledBack,
    /// Needs a person.
    Stuck,
    /// Interrupted; `resume` goes on.
    Paused,
    /// Another operation holds the deployment.
    Locked,
    /// No such deployment or snapshot.
    NotFound,
    /// The question was answered no, or could not be asked.
    Declined,
}

impl Outcome {
    /// Every outcome, for tables and tests.
    pub const ALL: [Outcome; 13] = [
        Outcome::Updated,
        Outcome::Unchanged,
        Outcome::RolledBackAsAsked,
        Outcome::Done,
        Outcome::Failed,
        Outcome::Usage,
        Outcome::Refused,
        Outcome::RolledBack,
        Outcome::Stuck,
        Outcome::Paused,
        Outcome::Locked,
        Outcome::NotFound,
        Outcome::Declined,
    ];

    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Updated | Outcome::Unchanged | Outcome::RolledBackAsAsked | Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Usage => 2,
            Outcome::Refused => 3,
            Outcome::RolledBack => 4,
            Outcome::Stuck => 5,
            Outcome::Paused => 6,
            Outcome::Locked => 7,
            Outcome::NotFound => 8,
            Outcome::Declined => 9,
        }
    }

    /// The public word.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
            Outcome::RolledBackAsAsked => "rolled_back_as_asked",
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::Usage => "usage",
            Outcome::Refused => "refused",
            Outcome::RolledBack => "rolled_back",
            Outcome::Stuck => "stuck",
            Outcome::Paused => "paused",
            Outcome::Locked => "locked",
            Outcome::NotFound => "not_found",
            Outcome::Declined => "declined",
        }
    }
}
