//! A compose file: one image is set and nothing else differs, or it is refused.

use std::collections::BTreeMap;

use geusemaker::containers::{extension, read_project, read_services, set_images, unified_diff};
use geusemaker::health::declared;
use geusemaker::model::{ImageRef, ServiceName};
use serde_yaml::Value;

const NEW: &str = "registry.example/new:2";

pub fn holds(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    if let Err(error) = extension(&text, "x-geusemaker") {
        super::said(&error, 2000);
    }
    for bad in declared(&[&text]).err().into_iter().flatten() {
        super::said(&bad, 2000);
    }
    let services = match read_services(&text) {
        Ok(services) => services,
        Err(error) => {
            super::said(&error, 2000);
            return false;
        }
    };
    let _ = read_project(&[&text, &text]);
    let new = ImageRef::new(NEW).expect("one");
    // The first and the last: an edit costs more than a look.
    let (first, last) = (services.keys().next(), services.keys().next_back());
    for service in first.into_iter().chain(last.filter(|_| services.len() > 1)) {
        match set_images(&text, &BTreeMap::from([(service.clone(), new.clone())])) {
            Ok(edited) => only_this_image_differs(&text, &edited, service),
            Err(error) => drop(super::said(&error, 2000)),
        }
    }
    true
}

/// Judged from outside: by lines, and by what YAML says of both.
fn only_this_image_differs(old: &str, new: &str, service: &ServiceName) {
    let after = read_services(new).unwrap_or_else(|e| panic!("{e}: {old:?} became {new:?}"));
    assert_eq!(
        after[service].image.as_deref(),
        Some(NEW),
        "{old:?} became {new:?}"
    );
    let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let more = after.len().checked_sub(before.len());
    assert!(matches!(more, Some(0 | 1)), "lines: {old:?} became {new:?}");
    let same = |a: &mut dyn Iterator<Item = (&&str, &&str)>| a.take_while(|(a, b)| a == b).count();
    let head = same(&mut before.iter().zip(&after));
    let tail = same(&mut before.iter().rev().zip(after.iter().rev()));
    assert!(
        head + tail + 1 >= before.len(),
        "more than one line: {old:?} became {new:?}"
    );
    assert_eq!(
        without(old, service),
        without(new, service),
        "{old:?} became {new:?}"
    );
    let _ = unified_diff(old, new);
}

fn without(text: &str, service: &ServiceName) -> Value {
    let mut value: Value = serde_yaml::from_str(text).expect("it was read");
    let of_service = value
        .get_mut("services")
        .and_then(|services| services.get_mut(service.as_str()))
        .and_then(Value::as_mapping_mut);
    if let Some(of_service) = of_service {
        of_service.remove("image");
    }
    value
}
