//! One compose file over another (compose specification, "Merge and override").

use serde_yaml::{Mapping, Value};

/// What `over` says is laid over `base`.
pub(super) fn overlay(base: &mut Value, over: Value) {
    at(base, over, "");
}

fn at(base: &mut Value, over: Value, key: &str) {
    match (base, over) {
        (base, Value::Tagged(tagged)) if tagged.tag == "override" => *base = tagged.value,
        (base @ (Value::Mapping(_) | Value::Sequence(_)), over)
            if matches!(key, "environment" | "labels" | "depends_on") =>
        {
            let mut map = mapping(std::mem::take(base));
            for (name, value) in mapping(over) {
                map.insert(name, value);
            }
            *base = Value::Mapping(map);
        }
        (Value::Mapping(base), Value::Mapping(over)) => {
            for (name, value) in over {
                let word = name.as_str().unwrap_or_default().to_owned();
                match (base.get_mut(&name), value) {
                    (_, Value::Tagged(tagged)) if tagged.tag == "reset" => {
                        base.remove(&name);
                    }
                    (Some(there), value) => at(there, value, &word),
                    (None, value) => {
                        base.insert(name, value);
                    }
                }
            }
        }
        (Value::Sequence(base), Value::Sequence(over))
            if !matches!(key, "command" | "entrypoint" | "test") =>
        {
            for item in over {
                match base.iter_mut().find(|b| same_place(b, &item)) {
                    Some(there) => *there = item,
                    None => base.push(item),
                }
            }
        }
        (base, over) => *base = over,
    }
}

/// Whether two entries of a list are about the same: equal, or volumes with one path in the container.
fn same_place(a: &Value, b: &Value) -> bool {
    let target = |value: &Value| match value {
        Value::String(text) => text
            .split(':')
            .nth(1)
            .filter(|t| t.starts_with('/'))
            .map(str::to_owned),
        Value::Mapping(map) if map.contains_key("type") => {
            map.get("target").and_then(Value::as_str).map(str::to_owned)
        }
        _ => None,
    };
    a == b || (target(a).is_some() && target(a) == target(b))
}

/// A list of `name` or `name=value` as a mapping.
fn mapping(value: Value) -> Mapping {
    let items = match value {
        Value::Mapping(map) => return map,
        Value::Sequence(items) => items,
        _ => Vec::new(),
    };
    let pair = |item: Value| {
        let text = item.as_str()?.to_owned();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Value::String(value.to_owned())),
            None => (text, Value::Null),
        };
        Some((Value::String(name), value))
    };
    items.into_iter().filter_map(pair).collect()
}
