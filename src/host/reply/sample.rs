//! The reply of sample.

use serde::Deserialize;

use super::{read, text};
use crate::host::envelope::{garbled, shown};
use crate::host::scripts::Verb;
use crate::host::{HostError, SampleRequest};
use crate::model::{FileSeen, FolderSeen};

/// Reads the document of `sample`.
///
/// # Errors
/// [`HostError::Script`] when the script could not look, [`HostError::Garbled`] when the document is not what was
/// asked for.
pub fn parse_sample(ask: &SampleRequest, document: &str) -> Result<Vec<FolderSeen>, HostError> {
    #[derive(Deserialize)]
    struct Reply {
        /// The last one is null.
        folders: Vec<Option<String>>,
    }
    let reply: Reply = read(Verb::Sample, None, document)?;
    let folders = reply.folders.into_iter().flatten();
    let folders: Vec<FolderSeen> = folders
        .map(|one| seen(&text(Verb::Sample, &one)?))
        .collect::<Result<_, _>>()?;
    if folders.len() != ask.folders.len() {
        return Err(garbled(
            Verb::Sample,
            &format!("{} folders", ask.folders.len()),
            format!("{}", folders.len()),
        ));
    }
    Ok(folders)
}

/// `ok same|apart COUNT` and a line `SHA256 SIZE NAME` for each file, or one word for what it is instead.
fn seen(answer: &str) -> Result<FolderSeen, HostError> {
    let bad = || garbled(Verb::Sample, "what was seen of a folder", shown(answer));
    let mut lines = answer.lines();
    let first = lines.next().unwrap_or_default();
    let words: Vec<&str> = first.split(' ').collect();
    match words.as_slice() {
        ["ok", place, count] => Ok(FolderSeen::Seen {
            apart: match *place {
                "same" => false,
                "apart" => true,
                _ => return Err(bad()),
            },
            count: count.parse().map_err(|_| bad())?,
            files: lines
                // Bytes that are no text could not be asked for again.
                .filter(|line| !line.contains(char::REPLACEMENT_CHARACTER))
                .map(|line| file(line).ok_or_else(bad))
                .collect::<Result<_, _>>()?,
        }),
        ["gone"] => Ok(FolderSeen::Gone),
        ["hangs"] => Ok(FolderSeen::NotSeen {
            why: "no answer within the time limit".into(),
        }),
        ["error", ..] => Ok(FolderSeen::NotSeen {
            why: first["error".len()..].trim().to_owned(),
        }),
        _ => Err(bad()),
    }
}

fn file(line: &str) -> Option<FileSeen> {
    let (sha256, rest) = line.split_once(' ')?;
    let (size, name) = rest.split_once(' ')?;
    let is_sum = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
    Some(FileSeen {
        name: Some(name).filter(|n| !n.is_empty())?.to_owned(),
        size: size.parse().ok()?,
        sha256: match sha256 {
            "-" => None,
            _ => Some(is_sum.then(|| sha256.to_owned())?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_answers_is_read_and_anything_else_is_garbled() {
        let sum = "ab".repeat(32);
        let there = seen(&format!(
            "ok same 7\n{sum} 12 a b/c\n- 3 d\n{sum} 1 \u{fffd}\n"
        ))
        .unwrap();
        let FolderSeen::Seen {
            apart: false,
            count: 7,
            files,
        } = there
        else {
            panic!("{there:?}");
        };
        let told: Vec<_> = files
            .iter()
            .map(|f| (f.name.as_str(), f.size, f.sha256.is_some()))
            .collect();
        assert_eq!(told, [("a b/c", 12, true), ("d", 3, false)]);
        let why = |answer: &str| match seen(answer).unwrap() {
            FolderSeen::NotSeen { why } => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(seen("gone").unwrap(), FolderSeen::Gone);
        assert_eq!(why("hangs"), "no answer within the time limit");
        assert_eq!(why("error Stale file handle"), "Stale file handle");
        for bad in [
            "",
            "ok",
            "ok same",
            "ok same x",
            "ok here 1",
            "ok same 1\nx 1 a",
            "ok same 1\n- x a",
            "ok same 1\n- 1",
            "ok same 1\n- 1 ",
            "gone 1",
        ] {
            assert!(seen(bad).is_err(), "{bad}");
        }
    }
}
