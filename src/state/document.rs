//! Documents in YAML that name their schema.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};

use super::{StateError, atomic};

/// A document of ours.
pub trait Document: Serialize + DeserializeOwned {
    /// The schema that this version reads and writes: `geusemaker.<kind>/<number>`.
    const SCHEMA: &'static str;
}

/// Reads a document.
///
/// # Errors
/// [`StateError`]: it is not there, does not parse, or has another schema.
pub fn read<D: Document>(file: &Path) -> Result<D, StateError> {
    parse(file, &read_bytes(file)?)
}

/// Makes a document of the bytes of `file`.
///
/// # Errors
/// [`StateError`]: it does not parse, or has another schema.
pub fn parse<D: Document>(file: &Path, bytes: &[u8]) -> Result<D, StateError> {
    parse_both(file, bytes).map(|(document, _)| document)
}

/// Writes a document so that it is there whole or not at all. Fields of the document on disk that this
/// version does not know survive, at any depth.
///
/// # Errors
/// [`StateError`]: it could not be written, or what is there now cannot be read (it is never overwritten).
pub fn write<D: Document>(file: &Path, document: &D) -> Result<(), StateError> {
    let mut new = to_value(file, document)?;
    match read_bytes(file) {
        Ok(bytes) => {
            let (old, raw) = parse_both::<D>(file, &bytes)?;
            carry_unknown(&raw, &to_value(file, &old)?, &mut new);
        }
        Err(StateError::NotFound { .. }) => {}
        Err(e) => return Err(e),
    }
    atomic::write_atomically(file, to_text(file, &new)?.as_bytes())
}

/// Writes a document that must not be there yet.
///
/// # Errors
/// [`StateError`]: it is there, or could not be written.
pub fn write_new<D: Document>(file: &Path, document: &D) -> Result<(), StateError> {
    let value = to_value(file, document)?;
    atomic::write_new(file, to_text(file, &value)?.as_bytes())
}

fn read_bytes(file: &Path) -> Result<Vec<u8>, StateError> {
    fs_err::read(file).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => StateError::NotFound {
            what: "such document".into(),
            file: file.to_owned(),
        },
        _ => StateError::reading(file, e),
    })
}

/// The document, and all that the file says.
fn parse_both<D: Document>(file: &Path, bytes: &[u8]) -> Result<(D, Value), StateError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let before = &bytes[..e.valid_up_to()];
        let line = before.split(|b| *b == b'\n').count();
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        StateError::damaged(file, line, column, "found a byte that is not UTF-8")
    })?;
    let bad = |e: serde_yaml::Error| {
        let (line, column) = e.location().map_or((1, 1), |at| (at.line(), at.column()));
        let problem = e.to_string();
        // The place stands in front already.
        let problem = problem.split(" at line ").next().unwrap_or_default();
        let (line, column) = place_of_bad_name(text, line, problem).unwrap_or((line, column));
        StateError::damaged(file, line, column, problem)
    };
    let raw: Value = serde_yaml::from_str(text).map_err(bad)?;
    let found = raw.get("schema").and_then(Value::as_str);
    check_schema(file, line_of(text, "schema"), found, D::SCHEMA)?;
    // Made of what is parsed already; where that fails the text is read again, for only a text has places.
    let document = D::deserialize(&raw)
        .or_else(|_| serde_yaml::from_str(text))
        .map_err(bad)?;
    Ok((document, raw))
}

/// The parser knows only where the mapping begins that holds a [`BadName`](crate::model::BadName); its
/// message begins with the value, and the first line from there on with that value is the place.
fn place_of_bad_name(text: &str, from: usize, problem: &str) -> Option<(usize, usize)> {
    let value = problem.strip_prefix('\'')?.split_once("' is not ")?.0;
    text.lines()
        .enumerate()
        .skip(from.saturating_sub(1))
        .find_map(|(at, line)| {
            let start = line.rfind(": ").or(line.find("- "))? + 2;
            let found = line[start..].trim().trim_matches(['"', '\'']);
            (found == value).then_some((at + 1, line[..start].chars().count() + 1))
        })
}

/// Compares a schema, as found, with the one that is known.
pub(crate) fn check_schema(
    file: &Path,
    line: usize,
    found: Option<&str>,
    known: &'static str,
) -> Result<(), StateError> {
    if found == Some(known) {
        return Ok(());
    }
    let version = |schema: &str| -> Option<(String, u64)> {
        let (kind, number) = schema.split_once('/')?;
        Some((kind.to_owned(), number.parse().ok()?))
    };
    let newer = match (found.and_then(version), version(known)) {
        (Some((kind, found)), Some((ours, known))) => kind == ours && found > known,
        _ => false,
    };
    Err(if newer {
        StateError::Newer {
            file: file.to_owned(),
            line,
            found: found.unwrap_or_default().to_owned(),
            known,
        }
    } else {
        StateError::Foreign {
            file: file.to_owned(),
            line,
            found: found.map_or_else(
                || "no schema".into(),
                |f| format!("schema {}", crate::model::quoted(f)),
            ),
            known,
        }
    })
}

/// The line, from 1, where a top-level key of a block mapping stands; 1 where it cannot be said.
pub(crate) fn line_of(text: &str, key: &str) -> usize {
    text.lines()
        .position(|line| {
            line.trim_start_matches(['"', '\''])
                .strip_prefix(key)
                .is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
        })
        .map_or(1, |at| at + 1)
}

fn to_value<D: Document>(file: &Path, document: &D) -> Result<Value, StateError> {
    let mut value = serde_yaml::to_value(document)
        .map_err(|e| StateError::writing(file, std::io::Error::other(e.to_string())))?;
    if let Value::Mapping(map) = &mut value {
        map.insert("schema".into(), D::SCHEMA.into());
    }
    Ok(value)
}

fn to_text(file: &Path, value: &Value) -> Result<String, StateError> {
    serde_yaml::to_string(value)
        .map_err(|e| StateError::writing(file, std::io::Error::other(e.to_string())))
}

/// Puts into `new` what `raw` says beyond `known`, which is the same document as this version reads it.
fn carry_unknown(raw: &Value, known: &Value, new: &mut Value) {
    let (Value::Mapping(raw), Value::Mapping(known), Value::Mapping(new)) = (raw, known, new)
    else {
        return;
    };
    carry_mapping(raw, known, new);
}

fn carry_mapping(raw: &Mapping, known: &Mapping, new: &mut Mapping) {
    for (key, value) in raw {
        match (known.get(key), new.get_mut(key)) {
            (None, None) => {
                new.insert(key.clone(), value.clone());
            }
            (Some(known), Some(new)) => carry_unknown(value, known, new),
            _ => {}
        }
    }
}
