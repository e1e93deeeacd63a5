//! The replies of start, poll and put.

use serde::Deserialize;

use super::{read, text};
use crate::host::envelope::{garbled, shown};
use crate::host::scripts::Verb;
use crate::host::{HostError, JobFailure, JobState};

#[derive(Deserialize)]
struct JobReply {
    state: String,
    code: String,
    log: String,
}

/// Reads the document of `start` or `poll`.
///
/// # Errors
/// [`HostError::Fenced`] and [`HostError::Script`] when the script refused, else [`HostError::Garbled`].
pub fn parse_job(verb: Verb, fence: u64, document: &str) -> Result<JobState, HostError> {
    let reply: JobReply = read(verb, Some(fence), document)?;
    let log = text(verb, &reply.log)?;
    Ok(match reply.state.as_str() {
        "unknown" => JobState::Unknown,
        "running" => JobState::Running(log.lines().last().unwrap_or_default().to_owned()),
        "done" => JobState::Done,
        "lost" => JobState::Lost,
        "failed" => JobState::Failed(JobFailure {
            code: reply.code,
            log,
        }),
        other => {
            return Err(garbled(
                verb,
                "unknown, running, done, failed or lost",
                shown(other),
            ));
        }
    })
}

/// Reads the document of `put`: whether the text is complete on the host.
///
/// # Errors
/// Like [`parse_job`].
pub fn parse_put(fence: u64, document: &str) -> Result<bool, HostError> {
    #[derive(Deserialize)]
    struct PutReply {
        put: String,
    }
    let reply: PutReply = read(Verb::Put, Some(fence), document)?;
    match reply.put.as_str() {
        "done" => Ok(true),
        "part" => Ok(false),
        other => Err(garbled(Verb::Put, "done or part", shown(other))),
    }
}
