//! What the services of a compose file say.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use super::ComposeError;
use super::locate::{Place, parse, places};
use super::namespaces::Namespaces;
use super::resources::Resources;
use crate::model::ServiceName;

/// One service, as far as a change of its image depends on it. Merge keys and aliases are resolved,
/// interpolation is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceDoc {
    /// `image`, as written.
    pub image: Option<String>,
    /// Whether the image comes by a merge key (`<<`), from outside the service.
    pub merged: bool,
    /// Whether the image, or the whole service, is a YAML alias.
    pub alias: bool,
    /// Whether the image holds a `$`.
    pub interpolated: bool,
    /// Whether it has `build`.
    pub build: bool,
    /// Whether it has `extends`.
    pub extends: bool,
    /// Whether a health check is declared and not disabled. Without one the image may bring its own.
    pub healthcheck: bool,
    /// `depends_on`, in either form.
    pub depends_on: Vec<String>,
    /// `profiles`.
    pub profiles: Vec<String>,
    /// `container_name`.
    pub container_name: Option<String>,
    /// `restart`.
    pub restart: Option<String>,
    /// `platform`, e.g. `linux/amd64`.
    pub platform: Option<String>,
    /// `deploy.replicas`, else `scale`.
    pub replicas: Option<u64>,
    /// Whose namespaces it lives in.
    pub namespaces: Namespaces,
    /// What it asks of the machine.
    pub resources: Resources,
}

/// The services of a compose file, by name.
///
/// # Errors
/// [`ComposeError`] when the text is not one YAML document with a mapping of services in it.
pub fn read_services(text: &str) -> Result<BTreeMap<ServiceName, ServiceDoc>, ComposeError> {
    // First the stricter parser: it bounds depth and refuses what the other one would only guess at.
    let parsed = parse(text)?;
    let places: BTreeMap<String, Place> = places(text).into_iter().collect();
    let whole = merged(parsed)?;
    services_of(&whole)?
        .iter()
        .map(|(key, value)| {
            let name = name_of(key)?;
            let place = places.get(name.as_str());
            Ok((name, service(key, value, place)?))
        })
        .collect()
}

/// The same value with its merge keys applied.
pub(super) fn merged(mut value: Value) -> Result<Value, ComposeError> {
    value.apply_merge().map_err(|_| ComposeError::BadMerge)?;
    Ok(value)
}

/// The mapping of services.
pub(super) fn services_of(whole: &Value) -> Result<&Mapping, ComposeError> {
    match whole.get("services") {
        Some(Value::Mapping(services)) => Ok(services),
        Some(other) => Err(ComposeError::NoServices { found: kind(other) }),
        None => Err(ComposeError::NoServices { found: "missing" }),
    }
}

fn name_of(key: &Value) -> Result<ServiceName, ComposeError> {
    let bad = |found: String| ComposeError::BadService {
        found,
        expected: "a name of letters, digits, '.', '_' and '-'",
    };
    match key {
        Value::String(text) => ServiceName::new(text.clone()).map_err(|e| bad(e.found)),
        other => Err(bad(kind(other).to_owned())),
    }
}

fn service(key: &Value, value: &Value, place: Option<&Place>) -> Result<ServiceDoc, ComposeError> {
    let value = untagged(value);
    let Value::Mapping(said) = value else {
        return Err(ComposeError::BadService {
            found: key.as_str().unwrap_or_default().to_owned(),
            expected: "its content is to be a mapping",
        });
    };
    let text = |key: &str| said.get(key).and_then(Value::as_str).map(str::to_owned);
    let image = text("image");
    Ok(ServiceDoc {
        merged: image.is_some() && matches!(place, None | Some(Place::NoImage(_))),
        alias: matches!(place, Some(Place::Alias | Place::NotWrittenOut)),
        interpolated: image.as_deref().is_some_and(|i| i.contains('$')),
        build: said.get("build").is_some_and(|b| !b.is_null()),
        extends: said.contains_key("extends"),
        healthcheck: said.get("healthcheck").is_some_and(checks_health),
        depends_on: names(said.get("depends_on")),
        profiles: names(said.get("profiles")),
        container_name: text("container_name"),
        restart: text("restart"),
        platform: text("platform"),
        replicas: said
            .get("deploy")
            .and_then(|d| d.get("replicas"))
            .or_else(|| said.get("scale"))
            .and_then(Value::as_u64),
        namespaces: Namespaces::of(said),
        resources: Resources::of(said),
        image,
    })
}

/// Compose specification, `healthcheck`: `disable: true` and `test: ["NONE"]` switch it off.
fn checks_health(check: &Value) -> bool {
    let disabled = check.get("disable").and_then(Value::as_bool) == Some(true);
    let none = match check.get("test") {
        Some(Value::Sequence(words)) => words.first().and_then(Value::as_str) == Some("NONE"),
        Some(Value::String(command)) => command == "NONE",
        _ => false,
    };
    check.is_mapping() && !disabled && !none
}

fn names(list: Option<&Value>) -> Vec<String> {
    let texts = |v: &Value| v.as_str().map(str::to_owned);
    match list {
        Some(Value::Sequence(items)) => items.iter().filter_map(texts).collect(),
        Some(Value::Mapping(map)) => map.keys().filter_map(texts).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

fn untagged(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) => &tagged.value,
        other => other,
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "a value with a tag",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixtures::{COMPOSE, service};

    #[test]
    fn reads_what_the_services_say() {
        let services = read_services(COMPOSE).expect("it can be read");
        assert_eq!(
            services.keys().map(ServiceName::as_str).collect::<Vec<_>>(),
            ["crawl4ai", "n8n", "ollama", "postgres", "qdrant"]
        );
        let n8n = &services[&service("n8n")];
        assert_eq!(n8n.image.as_deref(), Some("n8nio/n8n:1.19.0"));
        assert_eq!(n8n.depends_on, ["postgres"]);
        assert_eq!(n8n.container_name.as_deref(), Some("n8n"));
        assert_eq!(n8n.restart.as_deref(), Some("unless-stopped"));
        assert!(n8n.healthcheck && !services[&service("ollama")].healthcheck);
        let odd = "x: &x {image: 'x:${T}'}\nservices:\n  a:\n    <<: *x\n    deploy: {replicas: 3}\n    depends_on: {b: {condition: service_started}}\n    healthcheck: {test: [NONE]}\n  b: &b\n    build: .\n    platform: linux/arm64\n    healthcheck: {test: x, disable: true}\n    profiles: [p]\n  c: *b\n";
        let services = read_services(odd).expect("it can be read");
        let a = &services[&service("a")];
        assert!(a.merged && a.interpolated && !a.alias && !a.build && !a.healthcheck);
        assert_eq!(
            (a.replicas, a.depends_on.as_slice()),
            (Some(3), &["b".to_owned()][..])
        );
        let b = &services[&service("b")];
        assert!(b.build && !b.healthcheck && b.image.is_none() && b.profiles == ["p"]);
        assert_eq!(b.platform.as_deref(), Some("linux/arm64"));
        assert!(services[&service("c")].alias);
        for (text, message) in [
            (
                "services:\n  1: {image: x}\n",
                "'a number' is not a service",
            ),
            ("services:\n  'a b': {image: x}\n", "'a b' is not a service"),
            ("services:\n  a:\n", "'a' is not a service"),
            ("a: 1\n---\nb: 1\n", "the compose file holds several"),
        ] {
            let error = read_services(text).expect_err(text).to_string();
            assert!(error.starts_with(message), "{text:?}: {error}");
        }
    }
}
