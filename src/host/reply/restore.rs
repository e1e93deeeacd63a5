//! The state of the armed restore, as its file says it.

use serde::Deserialize;

use super::{read, text};
use crate::host::HostError;
use crate::host::envelope::{garbled, shown};
use crate::host::scripts::Verb;
use crate::model::{OperationId, RestoreState, Timestamp};

/// Reads the document of `arm` or `commit`.
///
/// # Errors
/// [`HostError::Fenced`] and [`HostError::Script`] when the script refused, else [`HostError::Garbled`].
pub fn parse_restore(verb: Verb, fence: u64, document: &str) -> Result<RestoreState, HostError> {
    #[derive(Deserialize)]
    struct RestoreReply {
        restore: String,
    }
    let reply: RestoreReply = read(verb, Some(fence), document)?;
    state(verb, &text(verb, &reply.restore)?)
}

/// One line of `scripts/restore.sh`. What is damaged is never taken for idle.
pub(super) fn state(verb: Verb, line: &str) -> Result<RestoreState, HostError> {
    line_state(line).ok_or_else(|| {
        garbled(
            verb,
            "the state of the armed restore in /var/lib/geusemaker/restore/state",
            shown(line),
        )
    })
}

fn line_state(line: &str) -> Option<RestoreState> {
    let words: Vec<&str> = line.split(' ').collect();
    let (state, operation, rest) = match words[..] {
        ["idle"] => return Some(RestoreState::Idle),
        [state, operation, fence, seq, ref rest @ ..] => {
            let _tag: (u64, u64) = (fence.parse().ok()?, seq.parse().ok()?);
            (state, OperationId::new(operation).ok()?, rest)
        }
        _ => return None,
    };
    match (state, rest) {
        ("armed", [deadline, grace, stable, boot]) if !boot.is_empty() => {
            let _seconds: (u64, u64) = (grace.parse().ok()?, stable.parse().ok()?);
            let deadline = Timestamp::from_second(deadline.parse().ok()?).ok()?;
            Some(RestoreState::Armed {
                operation,
                deadline,
            })
        }
        ("restoring", [who, tries, record]) => {
            by_itself(who)?;
            tries.parse::<u64>().ok()?;
            record.split_once('-')?;
            Some(RestoreState::Restoring { operation })
        }
        ("restored", [who]) => Some(RestoreState::Restored {
            operation,
            by_itself: by_itself(who)?,
        }),
        ("committed", [who]) => Some(RestoreState::Committed {
            operation,
            by_itself: by_itself(who)?,
        }),
        _ => None,
    }
}

fn by_itself(who: &str) -> Option<bool> {
    match who {
        "host" => Some(true),
        "controller" => Some(false),
        _ => None,
    }
}
