//! The reply of hold.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{read, text};
use crate::host::envelope::garbled;
use crate::host::scripts::Verb;
use crate::host::{HoldFacts, HostError};
use crate::model::Sha256Id;

const HOLD: Verb = Verb::Hold;

/// Reads the document of `hold`. `fence` is the one that was sent, where one was.
///
/// # Errors
/// [`HostError::Fenced`] and [`HostError::Script`] when the script refused, else [`HostError::Garbled`].
pub fn parse_hold(fence: Option<u64>, document: &str) -> Result<HoldFacts, HostError> {
    #[derive(Deserialize)]
    struct Reply {
        held: String,
        missing: String,
        gone: String,
        extra: String,
        why: String,
    }
    let reply: Reply = read(HOLD, fence, document)?;
    let id = |line: &str| {
        Sha256Id::new(line).map_err(|e| garbled(HOLD, "the id of an image", e.to_string()))
    };
    let ids = |coded: &str| -> Result<BTreeSet<Sha256Id>, HostError> {
        text(HOLD, coded)?.lines().map(id).collect()
    };
    let why = |line: &str| {
        let (of, words) = line.split_once(' ').unwrap_or((line, ""));
        Ok((id(of)?, words.to_owned()))
    };
    Ok(HoldFacts {
        held: ids(&reply.held)?,
        missing: ids(&reply.missing)?,
        gone: ids(&reply.gone)?,
        extra: ids(&reply.extra)?,
        why: text(HOLD, &reply.why)?
            .lines()
            .map(why)
            .collect::<Result<_, HostError>>()?,
    })
}
