//! The edit of image references, and the proof that nothing else changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_yaml::Value;

use super::ComposeError;
use super::locate::{Place, Slot, parse, places};
use super::read::{kind, merged, read_services, services_of};
use crate::model::{ImageRef, ServiceName, sha256_hex};

/// The text with the image of each named service replaced, and everything else byte for byte as it was:
/// comments, quotes, layout, line ends. A reference that is already there changes nothing. A service whose
/// image comes by a merge key gets an `image:` of its own, before its first key.
///
/// The result is proved before it is given out: parsed before and after, the texts differ at the asked
/// paths alone, and by line only where those scalars are.
///
/// # Errors
/// [`ComposeError`] names why a value cannot be edited alone: an alias or a shared anchor, interpolation, `build:`, several documents, … Nothing is edited then.
pub fn set_images(
    text: &str,
    edits: &BTreeMap<ServiceName, ImageRef>,
) -> Result<String, ComposeError> {
    // A file that Compose would not take is not edited, whichever service is the trouble.
    read_services(text)?;
    let before = parse(text)?;
    let whole = merged(before.clone())?;
    let services = services_of(&whole)?;
    let includes = has_include(&whole);
    let places = places(text);
    let mut changes: Vec<Change> = Vec::new();
    for (service, reference) in edits {
        let Some(said) = services.get(service.as_str()) else {
            if includes {
                return Err(ComposeError::Included {
                    service: service.clone(),
                });
            }
            return Err(ComposeError::NoSuchService {
                service: service.clone(),
                known: services
                    .keys()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            });
        };
        if said.get("build").is_some_and(|b| !b.is_null()) {
            return Err(ComposeError::Builds {
                service: service.clone(),
            });
        }
        if said.get("image").and_then(Value::as_str) == Some(reference.as_str()) {
            continue;
        }
        let (at, new, own) = match editable(text, service, said, &places)? {
            Spot::Value(at) => {
                let new = rewritten(&text[at.clone()], reference.as_str());
                (at, new, false)
            }
            Spot::Key(slot) => {
                let value = rewritten("", reference.as_str());
                let new = format!("{}image: {value}{}", slot.indent, slot.end);
                (slot.at..slot.at, new, true)
            }
        };
        changes.push(Change {
            service: service.clone(),
            at,
            new,
            own,
            reference: reference.clone(),
        });
    }
    changes.sort_by_key(|c| c.at.start);
    // One by one first, so that a refusal names the service that it is about.
    for change in &changes {
        let alone = std::slice::from_ref(change);
        guard(text, &before, &splice(text, alone)?, alone)?;
    }
    let edited = splice(text, &changes)?;
    guard(text, &before, &edited, &changes)?;
    Ok(edited)
}

/// Whether the file includes others.
pub(super) fn includes(text: &str) -> bool {
    parse(text).is_ok_and(|whole| has_include(&whole))
}

fn has_include(whole: &Value) -> bool {
    whole.get("include").is_some_and(|i| !i.is_null())
}

/// [`set_images`], on the way back to a text with this SHA-256: an `image:` that a service was given of its own is
/// taken out again where the result is that very text.
///
/// # Errors
/// As [`set_images`].
pub fn set_images_to(
    text: &str,
    edits: &BTreeMap<ServiceName, ImageRef>,
    was: Option<&str>,
) -> Result<String, ComposeError> {
    let edited = set_images(text, edits)?;
    let Some(was) = was.filter(|was| sha256_hex(&edited) != *was) else {
        return Ok(edited);
    };
    let meant = parse(&edited).and_then(merged)?;
    let mut bare = edited.clone();
    for service in edits.keys() {
        let less = without_own(&bare, service);
        let same = |less: &String| parse(less).and_then(merged).is_ok_and(|it| it == meant);
        if let Some(less) = less.filter(same) {
            bare = less;
        }
    }
    let is_it = sha256_hex(&bare) == was;
    Ok(if is_it { bare } else { edited })
}

/// The text without the `image:` that [`set_images`] gave this service, if it has one that could be that.
fn without_own(text: &str, service: &ServiceName) -> Option<String> {
    let places = places(text);
    let (_, Place::Scalar(at)) = places.iter().find(|(name, _)| name == service.as_str())? else {
        return None;
    };
    let (head, tail) = (text.get(..at.start)?, text.get(at.end..)?);
    let head = head.strip_suffix("image: ")?;
    let (head, tail) = if let Some(tail) = tail.strip_prefix(", ") {
        (head, tail)
    } else {
        let tail = tail.strip_prefix("\r\n").or(tail.strip_prefix('\n'))?;
        (head.trim_end_matches(' '), tail)
    };
    let less = format!("{head}{tail}");
    // Only from where it would have been put.
    let slot = self::places(&less)
        .into_iter()
        .find_map(|(name, place)| match place {
            Place::NoImage(slot) if name == service.as_str() => slot,
            _ => None,
        });
    (slot?.at == head.len()).then_some(less)
}

struct Change {
    service: ServiceName,
    at: Range<usize>,
    new: String,
    /// The service gets an `image:` of its own; it came by a merge key before.
    own: bool,
    reference: ImageRef,
}

impl Change {
    /// It adds a line, and changes none.
    fn adds_line(&self) -> bool {
        self.new.ends_with('\n')
    }
}

/// What is to be written.
enum Spot {
    /// Over this value.
    Value(Range<usize>),
    /// A key and its value.
    Key(Slot),
}

/// Where the image of a service stands, if it is one plain value of its own; where it would stand, if it comes
/// by a merge key.
fn editable(
    text: &str,
    service: &ServiceName,
    said: &Value,
    places: &[(String, Place)],
) -> Result<Spot, ComposeError> {
    let service = service.clone();
    let place = places
        .iter()
        .find(|(name, _)| name == service.as_str())
        .map(|(_, p)| p);
    let image = said.get("image").filter(|i| !i.is_null());
    match (place, image) {
        (None | Some(Place::NotWrittenOut), _) => Err(ComposeError::ServiceElsewhere { service }),
        (_, None) => Err(ComposeError::NoImage {
            service,
            extends: said.get("extends").is_some(),
        }),
        (Some(Place::NoImage(Some(slot))), Some(_)) => Ok(Spot::Key(slot.clone())),
        (Some(Place::NoImage(None)), Some(_)) => Err(ComposeError::MergedImage { service }),
        (Some(Place::Alias), _) => Err(ComposeError::AliasImage { service }),
        (Some(Place::Other), Some(image)) => {
            let found = if image.is_string() {
                "a value with a tag"
            } else {
                kind(image)
            };
            Err(ComposeError::NotOneLine { service, found })
        }
        (Some(Place::Scalar(at)), Some(image)) => {
            let Some(value) = image.as_str() else {
                return Err(ComposeError::NotOneLine {
                    service,
                    found: kind(image),
                });
            };
            if value.contains('$') {
                return Err(ComposeError::Interpolated {
                    service,
                    variables: variables(value),
                });
            }
            let written = text.get(at.clone()).unwrap_or_default();
            if written.contains(['\n', '\r']) || written.starts_with(['|', '>']) {
                return Err(ComposeError::NotOneLine {
                    service,
                    found: "text over several lines",
                });
            }
            if written.is_empty() {
                return Err(ComposeError::NoImage {
                    service,
                    extends: false,
                });
            }
            Ok(Spot::Value(at.clone()))
        }
    }
}

/// The names of the variables in an interpolated text; never their defaults.
fn variables(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        // `$$` is a dollar.
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let after = after.strip_prefix('{').unwrap_or(after);
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, after) = after.split_at(end.unwrap_or(after.len()));
        if !name.is_empty() && !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
        rest = after;
    }
    names
}

/// The reference in the quotes of the scalar that it replaces. A reference never holds a quote or a
/// backslash, so quotes are all it needs.
fn rewritten(old: &str, reference: &str) -> String {
    match old.as_bytes().first() {
        Some(b'\'') => format!("'{reference}'"),
        Some(b'"') => format!("\"{reference}\""),
        _ if is_plainly_text(reference) => reference.to_owned(),
        _ => format!("\"{reference}\""),
    }
}

/// Whether every YAML, 1.1 as well as 1.2, reads it as text without quotes: `1.20`, `no` and `2024-01-01`
/// are not.
fn is_plainly_text(reference: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    reference.starts_with(|c: char| c.is_ascii_alphabetic()) && !WORDS.contains(&reference)
}

fn splice(text: &str, changes: &[Change]) -> Result<String, ComposeError> {
    let mut out = String::with_capacity(text.len() + 64);
    let mut done = 0;
    for change in changes {
        let kept = text
            .get(done..change.at.start)
            .ok_or_else(|| ComposeError::Guard {
                what: format!("two edits overlap at service {}", change.service),
            })?;
        out.push_str(kept);
        out.push_str(&change.new);
        done = change.at.end;
    }
    out.push_str(&text[done..]);
    Ok(out)
}

/// Parses again and compares: exactly the asked paths may differ, in meaning and in text.
fn guard(text: &str, before: &Value, edited: &str, changes: &[Change]) -> Result<(), ComposeError> {
    let failed = |what: String| ComposeError::Guard { what };
    if changes.is_empty() {
        return if text == edited {
            Ok(())
        } else {
            Err(failed("the text changed without an edit".into()))
        };
    }
    let after = parse(edited).map_err(|e| failed(format!("afterwards {e}")))?;
    let asked: BTreeMap<String, &Change> =
        changes.iter().map(|c| (path_of(&c.service), c)).collect();
    let mut differing = BTreeSet::new();
    // An image that is new to its service must be there; without it all is to be as it was.
    let mut bare = after.clone();
    for change in changes.iter().filter(|c| c.own) {
        let services = bare.get_mut("services");
        let service = services.and_then(|s| s.get_mut(change.service.as_str()));
        let taken = service
            .and_then(Value::as_mapping_mut)
            .and_then(|s| s.remove("image"));
        if taken.is_some() {
            differing.insert(path_of(&change.service));
        }
    }
    differences(before, &bare, "", &mut differing);
    let others: Vec<String> = differing
        .iter()
        .filter(|path| !asked.contains_key(*path))
        .cloned()
        .collect();
    if !others.is_empty() {
        let service = changes[0].service.clone();
        return Err(ComposeError::Shared { service, others });
    }
    for (path, change) in &asked {
        let now = after
            .get("services")
            .and_then(|s| s.get(change.service.as_str()))
            .and_then(|s| s.get("image"))
            .and_then(Value::as_str);
        if now != Some(change.reference.as_str()) || !differing.contains(path) {
            return Err(failed(format!(
                "{path} did not become {}",
                change.reference
            )));
        }
    }
    let line = |c: &Change| text[..c.at.start].matches('\n').count();
    let lines: BTreeSet<usize> = changes
        .iter()
        .filter(|c| !c.adds_line())
        .map(line)
        .collect();
    let old: Vec<&str> = text.split('\n').collect();
    let mut new: Vec<&str> = edited.split('\n').collect();
    // From behind, so that the earlier ones keep their places.
    let added = changes.iter().filter(|c| c.adds_line()).collect::<Vec<_>>();
    for (before, change) in added.iter().enumerate().rev() {
        let at = line(change) + before;
        let Some(found) = new.get(at) else {
            return Err(failed(format!("line {} was not added", at + 1)));
        };
        if Some(*found) != change.new.strip_suffix('\n') {
            return Err(failed(format!("line {} was not added", at + 1)));
        }
        new.remove(at);
    }
    let elsewhere = (0..old.len()).find(|i| old.get(*i) != new.get(*i) && !lines.contains(i));
    if old.len() != new.len() || elsewhere.is_some() {
        return Err(failed(format!(
            "another line would change ({})",
            elsewhere.unwrap_or(0) + 1
        )));
    }
    Ok(())
}

fn path_of(service: &ServiceName) -> String {
    format!("/services/{service}/image")
}

/// The paths at which two values differ, as JSON pointers. Keys are part of them, values never.
fn differences(a: &Value, b: &Value, path: &str, into: &mut BTreeSet<String>) {
    match (a, b) {
        (Value::Mapping(x), Value::Mapping(y)) if x.len() == y.len() && x.keys().eq(y.keys()) => {
            for (key, value) in x {
                let name = key
                    .as_str()
                    .unwrap_or(kind(key))
                    .replace('~', "~0")
                    .replace('/', "~1");
                if let Some(other) = y.get(key) {
                    differences(value, other, &format!("{path}/{name}"), into);
                }
            }
        }
        (Value::Sequence(x), Value::Sequence(y)) if x.len() == y.len() => {
            for (i, (value, other)) in x.iter().zip(y).enumerate() {
                differences(value, other, &format!("{path}/{i}"), into);
            }
        }
        (Value::Tagged(x), Value::Tagged(y)) if x.tag == y.tag => {
            differences(&x.value, &y.value, path, into);
        }
        _ if a == b => {}
        _ => {
            into.insert(path.to_owned());
        }
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
