//! Parsing, twice: for the meaning (`serde_yaml`) and for the place of each scalar (`yaml-edit`).

use std::ops::Range;

use serde_yaml::Value;
use yaml_edit::{Mapping, MappingEntry, YamlFile, YamlNode};

use super::ComposeError;

/// Compose files are a few kB; both parsers stay quick below this.
const LIMIT: usize = 1 << 20;

/// What the text means, anchors resolved and merge keys still in place.
pub(super) fn parse(text: &str) -> Result<Value, ComposeError> {
    if text.len() > LIMIT {
        return Err(ComposeError::TooLarge {
            found: text.len(),
            limit: LIMIT,
        });
    }
    if open_brackets(text) > 500 {
        return Err(ComposeError::NotYaml {
            position: "brackets that are nested too deeply".into(),
        });
    }
    // The library's messages can quote the text; only its kinds and positions are taken over.
    serde_yaml::from_str(text).map_err(|error| {
        let position = error.location().map_or_else(
            || "an unknown position".to_owned(),
            |l| format!("line {}, column {}", l.line(), l.column()),
        );
        let message = error.to_string();
        if message.contains("more than one document") {
            ComposeError::SeveralDocuments
        } else if message.contains("duplicate entry") {
            ComposeError::DuplicateKey { position }
        } else {
            ComposeError::NotYaml { position }
        }
    })
}

/// At most how many brackets are open at once, roughly (quotes are not looked at). The parser's time
/// grows with the square of it, long before its own limit of depth is asked.
fn open_brackets(text: &str) -> usize {
    let mut open = 0usize;
    text.bytes().fold(0, |most, byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most.max(open)
    })
}

/// What a service says about its image, in the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A scalar at these bytes, quotes included, anchor and tag not.
    Scalar(Range<usize>),
    /// `*name`.
    Alias,
    /// Something with a tag, a sequence or a mapping.
    Other,
    /// The service is written out, without a key `image`. One of its own would go in here; None: it cannot.
    NoImage(Option<Slot>),
    /// The service is an alias or has a tag.
    NotWrittenOut,
}

/// Where a key fits in front of the first one of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// The byte at which it is put in.
    pub(super) at: usize,
    /// What stands before the key, on a line of its own; empty in a flow mapping.
    pub(super) indent: String,
    /// What ends it: a line's end as the file has it, or `, `.
    pub(super) end: &'static str,
}

/// Stack for each byte of a text, in bytes. `yaml-edit` goes a call deeper for each mapping that it takes to stand within another on one
/// line, without a limit: some 60 bytes of stack for each byte of text were seen in a debug build.
const STACK_FOR_A_BYTE: usize = 512;

/// What is found in the mapping at the top of the text; it is parsed and looked through with a stack that grows with the text.
pub(super) fn in_tree<T: Send>(
    text: &str,
    find: impl FnOnce(Mapping) -> Option<T> + Send,
) -> Option<T> {
    let stack = (4 << 20) + text.len() * STACK_FOR_A_BYTE;
    let room = std::thread::Builder::new().stack_size(stack);
    let look = || find(YamlFile::parse(text).tree().document()?.as_mapping()?);
    std::thread::scope(|scope| {
        let thread = room.spawn_scoped(scope, look).expect("a thread");
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The services that are written out in the text, in its order.
pub(super) fn places(text: &str) -> Vec<(String, Place)> {
    let place = |entry: MappingEntry| {
        let YamlNode::Scalar(key) = entry.key_node()? else {
            return None;
        };
        let place = match entry.value_node() {
            Some(YamlNode::Mapping(service)) => image_of(text, &service),
            _ => Place::NotWrittenOut,
        };
        Some((key.as_string(), place))
    };
    let found = in_tree(text, |root| {
        let services = mapping_at(&root, "services")?;
        Some(services.entries().filter_map(place).collect())
    });
    found.unwrap_or_default()
}

fn mapping_at(within: &Mapping, key: &str) -> Option<Mapping> {
    match within.find_entry_by_key(key)?.value_node()? {
        YamlNode::Mapping(mapping) => Some(mapping),
        _ => None,
    }
}

fn image_of(text: &str, service: &Mapping) -> Place {
    let Some(entry) = service.find_entry_by_key("image") else {
        return Place::NoImage(slot(text, service));
    };
    match entry.value_node() {
        Some(YamlNode::Scalar(scalar)) => {
            let at = scalar.byte_range();
            Place::Scalar(at.start as usize..at.end as usize)
        }
        Some(YamlNode::Alias(_)) => Place::Alias,
        _ => Place::Other,
    }
}

fn slot(text: &str, service: &Mapping) -> Option<Slot> {
    let entry = service.entries().next()?;
    let first = entry.byte_range().start as usize;
    if service.is_flow_style() {
        return Some(Slot {
            at: first,
            indent: String::new(),
            end: ", ",
        });
    }
    let line = text.get(..first)?.rfind('\n')? + 1;
    let indent = &text[line..first];
    let crlf = text[..line].ends_with("\r\n");
    (!indent.is_empty() && indent.bytes().all(|b| b == b' ')).then(|| Slot {
        at: line,
        indent: indent.to_owned(),
        end: if crlf { "\r\n" } else { "\n" },
    })
}
