//! A key at the top that Compose leaves alone (`x-…`): what it means, and where it stands.

use serde_yaml::Value;
use yaml_edit::{Mapping, YamlNode};

use super::ComposeError;
use super::locate::{in_tree, parse};
use super::read::merged;

/// The value of a key at the top, anchors and merge keys resolved.
///
/// # Errors
/// [`ComposeError`] when the text is not one YAML document.
pub fn extension(text: &str, key: &str) -> Result<Option<Value>, ComposeError> {
    Ok(merged(parse(text)?)?.get(key).cloned())
}

/// The line, from 1, of the last key of a path; where that is not written out there (an alias, a merge), of the
/// longest part of the path that is.
pub fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    in_tree(text, |root| written_at(text, root, path))
}

fn written_at(text: &str, root: Mapping, path: &[&str]) -> Option<usize> {
    let mut within = Some(root);
    let mut found = None;
    for key in path {
        let Some(entry) = within.take().and_then(|m| m.find_entry_by_key(*key)) else {
            break;
        };
        if let Some(YamlNode::Scalar(key)) = entry.key_node() {
            let at = key.byte_range().start as usize;
            found = Some(text.get(..at)?.matches('\n').count() + 1);
        }
        if let Some(YamlNode::Mapping(mapping)) = entry.value_node() {
            within = Some(mapping);
        }
    }
    found
}
