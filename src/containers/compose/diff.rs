//! The change of a compose file, as it may be shown.

use std::collections::BTreeMap;

use super::locate::{Place, parse, places};

/// The image lines that differ, each under the name of its service, in the form of a unified diff. No
/// other line of the file is ever shown, not even as context or as a trailing comment: neighbouring
/// lines may hold secrets. Empty when no image differs.
pub fn unified_diff(old: &str, new: &str) -> String {
    let (old, new) = (images(old), images(new));
    let before: BTreeMap<&str, &str> = old.iter().map(|(s, i)| (s.as_str(), *i)).collect();
    let after: BTreeMap<&str, &str> = new.iter().map(|(s, i)| (s.as_str(), *i)).collect();
    let added = new.iter().filter(|(s, _)| !before.contains_key(s.as_str()));
    let mut out = String::new();
    for (service, _) in old.iter().chain(added) {
        let (before, after) = (before.get(service.as_str()), after.get(service.as_str()));
        if before == after {
            continue;
        }
        out.push_str(&format!("@@ services.{service} @@\n"));
        for (sign, image) in [('-', before), ('+', after)] {
            out.extend(image.map(|image| format!("{sign}    image: {image}\n")));
        }
    }
    out
}

/// Service and image as written, in the order of the file.
fn images(text: &str) -> Vec<(String, &str)> {
    if parse(text).is_err() {
        return Vec::new();
    }
    places(text)
        .into_iter()
        .filter_map(|(service, place)| match place {
            Place::Scalar(at) => Some((service, text.get(at)?)),
            _ => None,
        })
        .collect()
}
