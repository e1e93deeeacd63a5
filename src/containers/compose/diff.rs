//! The change of a compose file, as it may be shown.

use similar::{ChangeTag, TextDiff};

use super::locate::{Place, parse, places};

/// The image lines that differ, each under the name of its service, in the form of a unified diff. No
/// other line of the file is ever shown, not even as context or as a trailing comment: neighbouring
/// lines may hold secrets. Empty when no image differs.
pub fn unified_diff(old: &str, new: &str) -> String {
    let (old, new) = (images(old), images(new));
    let diff = TextDiff::from_slices(&refs(&old), &refs(&new));
    let mut out = String::new();
    for group in diff.grouped_ops(0) {
        let changes: Vec<_> = group.iter().flat_map(|op| diff.iter_changes(op)).collect();
        let mut services: Vec<&str> = changes.iter().map(|c| split(c.value()).0).collect();
        services.sort_unstable();
        services.dedup();
        for service in services {
            out.push_str(&format!("@@ services.{service} @@\n"));
            for change in changes.iter().filter(|c| split(c.value()).0 == service) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => continue,
                };
                out.push_str(&format!("{sign}    image: {}\n", split(change.value()).1));
            }
        }
    }
    out
}

fn refs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

fn split(line: &str) -> (&str, &str) {
    line.split_once('\0').unwrap_or((line, ""))
}

/// `service NUL image as written`, in the order of the file.
fn images(text: &str) -> Vec<String> {
    if parse(text).is_err() {
        return Vec::new();
    }
    places(text)
        .into_iter()
        .filter_map(|(service, place)| match place {
            Place::Scalar(at) => Some(format!("{service}\0{}", text.get(at)?)),
            _ => None,
        })
        .collect()
}
