//! The change of a compose file, as it may be shown.

use super::locate::{Place, parse, places};

/// The image lines that differ, each under the name of its service, in the form of a unified diff. No
/// other line of the file is ever shown, not even as context or as a trailing comment: neighbouring
/// lines may hold secrets. Empty when no image differs.
pub fn unified_diff(old: &str, new: &str) -> String {
    let (old, new) = (images(old), images(new));
    let added = new
        .iter()
        .filter(|(service, _)| of(&old, service).is_none());
    let mut out = String::new();
    for (service, _) in old.iter().chain(added) {
        let (before, after) = (of(&old, service), of(&new, service));
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

fn of<'a>(images: &[(String, &'a str)], service: &str) -> Option<&'a str> {
    let found = images.iter().find(|(name, _)| name == service);
    found.map(|(_, image)| *image)
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
