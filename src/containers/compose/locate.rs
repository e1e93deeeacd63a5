//! Parsing, twice: for the meaning (`serde_yaml`) and for the place of each scalar (`yaml-edit`).

use std::ops::Range;

use serde_yaml::Value;
use yaml_edit::{Mapping, YamlFile, YamlNode};

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
    /// The service is written out, without a key `image`.
    NoImage,
    /// The service is an alias or has a tag.
    NotWrittenOut,
}

/// The services that are written out in the text, in its order.
pub(super) fn places(text: &str) -> Vec<(String, Place)> {
    let file = YamlFile::parse(text).tree();
    let Some(services) = file
        .document()
        .and_then(|d| d.as_mapping())
        .and_then(|root| mapping_at(&root, "services"))
    else {
        return Vec::new();
    };
    services
        .entries()
        .filter_map(|entry| {
            let YamlNode::Scalar(key) = entry.key_node()? else {
                return None;
            };
            let place = match entry.value_node() {
                Some(YamlNode::Mapping(service)) => image_of(&service),
                _ => Place::NotWrittenOut,
            };
            Some((key.as_string(), place))
        })
        .collect()
}

fn mapping_at(within: &Mapping, key: &str) -> Option<Mapping> {
    match within.find_entry_by_key(key)?.value_node()? {
        YamlNode::Mapping(mapping) => Some(mapping),
        _ => None,
    }
}

fn image_of(service: &Mapping) -> Place {
    let Some(entry) = service.find_entry_by_key("image") else {
        return Place::NoImage;
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
