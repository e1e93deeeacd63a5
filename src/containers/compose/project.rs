//! A project of one or several compose files, in the order of their `-f`: a later one overrides an earlier one.

use std::collections::BTreeMap;

use super::read::{ServiceDoc, read_services};
use super::{ComposeError, set_images_to};
use crate::model::{ImageRef, ServiceName};

/// The services of all files together, as far as a change of their images depends on it.
///
/// # Errors
/// As [`read_services`]; a file without services is fine beside one that has some.
pub fn read_project(texts: &[&str]) -> Result<BTreeMap<ServiceName, ServiceDoc>, ComposeError> {
    let mut all: BTreeMap<ServiceName, ServiceDoc> = BTreeMap::new();
    for (service, doc) in each(texts)?.into_iter().flatten() {
        match all.get_mut(&service) {
            Some(before) => overlay(before, doc),
            None => {
                all.insert(service, doc);
            }
        }
    }
    Ok(all)
}

/// What the services of each file say.
fn each(texts: &[&str]) -> Result<Vec<BTreeMap<ServiceName, ServiceDoc>>, ComposeError> {
    let read = |text: &&str| match read_services(text) {
        Err(ComposeError::NoServices { found: "missing" }) if texts.len() > 1 => {
            Ok(BTreeMap::new())
        }
        read => read,
    };
    let docs = texts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if docs.iter().all(BTreeMap::is_empty) && texts.len() > 1 {
        return Err(ComposeError::NoServices { found: "missing" });
    }
    Ok(docs)
}

fn overlay(before: &mut ServiceDoc, doc: ServiceDoc) {
    if doc.image.is_some() {
        before.image = doc.image;
        (before.merged, before.interpolated) = (doc.merged, doc.interpolated);
    }
    before.alias |= doc.alias;
    before.build |= doc.build;
    before.extends |= doc.extends;
    before.healthcheck |= doc.healthcheck;
    for (into, from) in [
        (&mut before.depends_on, doc.depends_on),
        (&mut before.profiles, doc.profiles),
    ] {
        for name in from {
            if !into.contains(&name) {
                into.push(name);
            }
        }
    }
    before.container_name = doc.container_name.or(before.container_name.take());
    before.restart = doc.restart.or(before.restart.take());
    before.platform = doc.platform.or(before.platform.take());
    before.namespaces.overlay(doc.namespaces);
    before.resources.overlay(doc.resources);
    before.replicas = doc.replicas.or(before.replicas);
}

/// The texts with the image of each named service set in the file that gives it its image last; as
/// [`super::set_images`] does it. `was`: the SHA-256 that a text is to have again, where it can.
///
/// # Errors
/// As [`super::set_images`].
pub fn set_project_images(
    texts: &[&str],
    edits: &BTreeMap<ServiceName, ImageRef>,
    was: &[Option<&str>],
) -> Result<Vec<String>, ComposeError> {
    let docs = each(texts)?;
    let mut of_file: Vec<BTreeMap<ServiceName, ImageRef>> = vec![BTreeMap::new(); texts.len()];
    for (service, reference) in edits {
        let has = |with: &dyn Fn(&ServiceDoc) -> bool| {
            docs.iter()
                .rposition(|services| services.get(service).is_some_and(with))
        };
        if has(&|doc| doc.build).is_some() {
            return Err(ComposeError::Builds {
                service: service.clone(),
            });
        }
        // What no file has is refused by the edit itself, of a file that includes others by that name.
        let includes = || texts.iter().position(|text| super::edit::includes(text));
        let at = has(&|doc| doc.image.is_some()).or_else(|| has(&|_| true));
        let at = at.or_else(includes).unwrap_or_default();
        of_file[at].insert(service.clone(), reference.clone());
    }
    let edit = |(at, text): (usize, &&str)| {
        if of_file[at].is_empty() {
            return Ok((*text).to_owned());
        }
        set_images_to(text, &of_file[at], was.get(at).copied().flatten())
    };
    texts.iter().enumerate().map(edit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixtures::{image, service};

    const BASE: &str = "services:\n  a:\n    image: a:1\n    depends_on: [b]\n  b: {image: b:1}\n";
    const OVER: &str = "# over\nservices:\n  a:\n    restart: always\n    depends_on: [c]\n  b:\n    image: b:2 # newer\n  c: {build: .}\n";
    const BARE: &str = "networks: {default: {name: n}}\n";

    fn set(texts: &[&str], edits: &[(&str, &str)]) -> Result<Vec<String>, ComposeError> {
        let edits = edits.iter().map(|(s, i)| (service(s), image(i))).collect();
        set_project_images(texts, &edits, &[])
    }

    #[test]
    fn an_image_is_set_in_the_file_that_says_it_last() {
        let texts = [BASE, OVER, BARE];
        let read = read_project(&texts).expect("it can be read");
        let a = &read[&service("a")];
        assert_eq!(a.image.as_deref(), Some("a:1"));
        assert_eq!(a.restart.as_deref(), Some("always"));
        assert_eq!(a.depends_on, ["b", "c"]);
        assert_eq!(read[&service("b")].image.as_deref(), Some("b:2"));
        assert!(read[&service("c")].build);

        let edited = set(&texts, &[("a", "a:9"), ("b", "b:9")]).expect("edited");
        assert_eq!(edited[0], BASE.replace("a:1", "a:9"));
        assert_eq!(edited[1], OVER.replace("b:2", "b:9"));
        assert_eq!(edited[2], BARE);
        assert_eq!(
            set(&texts, &[("b", "b:2")]).expect("the same"),
            texts.map(str::to_owned)
        );
        let refused = set(&texts, &[("c", "c:9")]).expect_err("it is built");
        assert!(matches!(refused, ComposeError::Builds { .. }), "{refused}");
        let missing = set(&texts, &[("d", "d:9")]).expect_err("it is not there");
        let missing_is = matches!(missing, ComposeError::NoSuchService { .. });
        assert!(missing_is, "{missing}");
        let including = format!("include: [x.yml]\n{OVER}");
        let missing = set(&[BASE, &including], &[("d", "d:9")]).expect_err("it is elsewhere");
        assert!(
            matches!(missing, ComposeError::Included { .. }),
            "{missing}"
        );
        let bare = read_project(&[BARE, BARE]).expect_err("no services at all");
        assert!(matches!(bare, ComposeError::NoServices { .. }), "{bare}");
    }
}
