//! The reply of probe.

use serde::Deserialize;

use super::{read, text};
use crate::host::envelope::{garbled, shown};
use crate::host::scripts::Verb;
use crate::host::{HostError, ProbeFacts, ProbeRequest};
use crate::model::Probed;

#[derive(Deserialize)]
struct ProbeReply {
    probes: Vec<Option<String>>,
    logs: Vec<Option<String>>,
}

/// Reads the document of `probe`.
///
/// # Errors
/// [`HostError::Script`] when the script could not ask, [`HostError::Garbled`] when the document is not what was
/// asked for.
pub fn parse_probe(ask: &ProbeRequest, document: &str) -> Result<ProbeFacts, HostError> {
    let reply: ProbeReply = read(Verb::Probe, None, document)?;
    let texts = |all: Vec<Option<String>>| -> Result<Vec<String>, HostError> {
        let all = all.into_iter().flatten();
        all.map(|one| text(Verb::Probe, &one)).collect()
    };
    let answers = texts(reply.probes)?;
    if answers.len() != ask.probes.len() {
        return Err(garbled(
            Verb::Probe,
            &format!("{} answers", ask.probes.len()),
            format!("{}", answers.len()),
        ));
    }
    Ok(ProbeFacts {
        probes: answers
            .iter()
            .map(|a| probed(a))
            .collect::<Result<_, _>>()?,
        logs: texts(reply.logs)?,
    })
}

fn probed(answer: &str) -> Result<Probed, HostError> {
    let (word, why) = answer.split_once(' ').unwrap_or((answer, ""));
    if !["ok", "no", "tool"].contains(&word) {
        return Err(garbled(Verb::Probe, "ok, no or tool", shown(answer)));
    }
    Ok(Probed {
        green: word == "ok",
        why: why.trim().to_owned(),
        no_tool: word == "tool",
    })
}
