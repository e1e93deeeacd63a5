//! The replies of exec and logs.

use serde::Deserialize;

use super::{bytes, read, text};
use crate::host::HostError;
use crate::host::envelope::{garbled, shown};
use crate::host::scripts::Verb;
use crate::host::shell::{ExecStanding, ExecState, LogPage, Part};

#[derive(Deserialize)]
struct PartReply {
    at: u64,
    size: u64,
    text: String,
}

impl PartReply {
    fn part(self) -> Result<Part, HostError> {
        Ok(Part {
            at: self.at,
            size: self.size,
            bytes: bytes(Verb::Exec, &self.text)?,
        })
    }
}

/// Reads the document of `exec`.
///
/// # Errors
/// [`HostError::Script`] when the script refused, else [`HostError::Garbled`].
pub fn parse_exec(document: &str) -> Result<ExecState, HostError> {
    #[derive(Deserialize)]
    struct Reply {
        state: String,
        code: String,
        why: String,
        out: PartReply,
        err: PartReply,
    }
    let reply: Reply = read(Verb::Exec, None, document)?;
    let standing = match reply.state.as_str() {
        "unknown" => ExecStanding::Unknown,
        "running" => ExecStanding::Running,
        "lost" => ExecStanding::Lost,
        "ended" => ExecStanding::Ended {
            code: reply.code.parse().map_err(|_| {
                let found = shown(&reply.code);
                garbled(Verb::Exec, "an exit code", found)
            })?,
            why: Some(reply.why).filter(|why| !why.is_empty()),
        },
        other => {
            return Err(garbled(
                Verb::Exec,
                "unknown, running, ended or lost",
                shown(other),
            ));
        }
    };
    Ok(ExecState {
        standing,
        out: reply.out.part()?,
        err: reply.err.part()?,
    })
}

/// Reads the document of `logs`, which has so many pages.
///
/// # Errors
/// [`HostError::Script`] when the script refused, else [`HostError::Garbled`].
pub fn parse_logs(count: usize, document: &str) -> Result<Vec<LogPage>, HostError> {
    #[derive(Deserialize)]
    struct One {
        text: String,
        failed: Option<String>,
    }
    #[derive(Deserialize)]
    struct Reply {
        /// The last one is null.
        logs: Vec<Option<One>>,
    }
    let reply: Reply = read(Verb::Logs, None, document)?;
    let pages = reply.logs.into_iter().flatten().map(|one| {
        Ok(LogPage {
            bytes: bytes(Verb::Logs, &one.text)?,
            failed: one.failed.map(|why| text(Verb::Logs, &why)).transpose()?,
        })
    });
    let pages = pages.collect::<Result<Vec<LogPage>, HostError>>()?;
    if pages.len() != count {
        return Err(garbled(
            Verb::Logs,
            &format!("{count} pages"),
            format!("{} pages", pages.len()),
        ));
    }
    Ok(pages)
}
