//! The documents that the scripts answer with. Pure, and total on any bytes.

mod containers;
mod hold;
mod job;
mod look;
mod mount;
mod order;
mod probe;
mod restore;
mod sample;
mod shell;

pub use hold::parse_hold;
pub use job::{parse_job, parse_put};
pub use look::parse_look;
pub use mount::parse_mount;
pub use order::parse_order;
pub use probe::parse_probe;
pub use restore::parse_restore;
pub use sample::parse_sample;
pub use shell::{parse_exec, parse_logs};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::HostError;
use super::envelope::{garbled, shown};
use super::scripts::Verb;
use crate::model::shortened;

/// The part of a document that says no.
#[derive(Deserialize)]
struct Refusal {
    error: RefusalText,
}

#[derive(Deserialize)]
struct RefusalText {
    code: String,
    message: String,
    #[serde(default)]
    seen: String,
}

/// So many characters of what a script printed are kept: as many as of a log.
const MOST_OF_A_MESSAGE: usize = 4000;
const MOST_OF_A_CODE: usize = 100;

/// Reads a document, or the error in its place. `fence` is the fence that was sent.
fn read<T: DeserializeOwned>(
    verb: Verb,
    fence: Option<u64>,
    document: &str,
) -> Result<T, HostError> {
    let bad = |e: serde_json::Error| {
        // Values may be secrets (a compose text): only the place is told.
        let at = format!("an error at column {} ({:?})", e.column(), e.classify());
        garbled(verb, "a document of this verb", at)
    };
    let value: serde_json::Value = serde_json::from_str(document).map_err(bad)?;
    if value.get("error").is_some() {
        let Refusal { error } = serde_json::from_value(value).map_err(bad)?;
        // A host says as much as it likes, and this goes into journal, result and terminal.
        let message = shortened(text(verb, &error.message)?, MOST_OF_A_MESSAGE);
        let code = shortened(error.code, MOST_OF_A_CODE);
        return Err(match (code.as_str(), error.seen.parse()) {
            ("fenced", Ok(seen)) => HostError::Fenced {
                ours: fence.unwrap_or_default(),
                seen,
            },
            _ => HostError::Script {
                verb: verb.name(),
                code,
                message,
            },
        });
    }
    serde_json::from_value(value).map_err(bad)
}

fn bytes(verb: Verb, coded: &str) -> Result<Vec<u8>, HostError> {
    STANDARD
        .decode(coded)
        .map_err(|e| garbled(verb, "base64", format!("{e}")))
}

/// A text of the host; what is not UTF-8 in it is replaced.
fn text(verb: Verb, coded: &str) -> Result<String, HostError> {
    Ok(String::from_utf8_lossy(&bytes(verb, coded)?).into_owned())
}

/// A line of `docker … --format`, which is JSON.
fn docker_json<T: DeserializeOwned>(verb: Verb, what: &str, json: &str) -> Result<T, HostError> {
    serde_json::from_str(json).map_err(|e| {
        garbled(
            verb,
            &format!("{what} from docker"),
            format!("{e} in {}", shown(json)),
        )
    })
}

#[cfg(test)]
mod tests;
