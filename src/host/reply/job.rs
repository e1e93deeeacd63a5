//! The replies of start, poll and put.

use serde::Deserialize;

use super::{read, text};
use crate::host::envelope::{garbled, shown};
use crate::host::scripts::Verb;
use crate::host::{HostError, JobFailure, JobState, Layers, Running};

#[derive(Deserialize)]
struct JobReply {
    state: String,
    code: String,
    log: String,
    /// Its length, and `TOTAL DONE FETCHED BYTES` of a pull: only in answers of `poll`.
    #[serde(default)]
    size: String,
    #[serde(default)]
    layers: String,
}

fn running(verb: Verb, note: String, reply: &JobReply) -> Result<Running, HostError> {
    let number = |word: &str| -> Result<u64, HostError> {
        word.parse()
            .map_err(|_| garbled(verb, "a number", shown(word)))
    };
    let counts: Vec<u64> = reply
        .layers
        .split_whitespace()
        .map(number)
        .collect::<Result<_, _>>()?;
    let layers = match counts[..] {
        [] => Layers::default(),
        [total, done, fetched, bytes] => Layers {
            total,
            done,
            fetched,
            bytes,
        },
        _ => return Err(garbled(verb, "four numbers", shown(&reply.layers))),
    };
    Ok(Running {
        note,
        log_bytes: match reply.size.trim() {
            "" => 0,
            size => number(size)?,
        },
        layers,
    })
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
        "running" => {
            let note = log.lines().last().unwrap_or_default().to_owned();
            JobState::Running(running(verb, note, &reply)?)
        }
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
