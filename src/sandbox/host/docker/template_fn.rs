//! The functions of the templates, and how Go prints a value.

use serde_json::Value;

/// Whether Go's `if` takes the value for true.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
    }
}

/// How Go's `fmt.Print` shows it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(show).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let items: Vec<_> = map
                .iter()
                .map(|(k, v)| format!("{k}:{}", show(v)))
                .collect();
            format!("map[{}]", items.join(" "))
        }
    }
}

/// Calls a function by its name.
pub(super) fn call(name: &str, args: Vec<Value>) -> Result<Value, String> {
    let wrong = || format!("wrong number of args for {name}: got {}", args.len());
    let first = || args.first().ok_or_else(wrong);
    Ok(match name {
        "json" => Value::String(first()?.to_string()),
        "len" => Value::from(match first()? {
            Value::String(s) => s.len(),
            Value::Array(a) => a.len(),
            Value::Object(o) => o.len(),
            other => return Err(format!("error calling len: len of type {}", show(other))),
        }),
        "index" => {
            let mut at = first()?.clone();
            for key in &args[1..] {
                at = index(&at, key)?;
            }
            at
        }
        "slice" => {
            let Value::String(text) = first()? else {
                return Err("error calling slice: can't slice item".to_owned());
            };
            let bound = |at: usize, or: usize| match args.get(at) {
                None => Ok(or),
                Some(v) => v
                    .as_u64()
                    .map(|n| n as usize)
                    .filter(|n| *n <= text.len())
                    .ok_or(format!(
                        "error calling slice: index out of range: {}",
                        show(v)
                    )),
            };
            let (from, to) = (bound(1, 0)?, bound(2, text.len())?);
            let cut = text
                .get(from..to)
                .ok_or("error calling slice: invalid slice index")?;
            Value::String(cut.to_owned())
        }
        "eq" => {
            let to = first()?;
            Value::Bool(args[1..].iter().any(|other| other == to))
        }
        "ne" => Value::Bool(args.get(1).ok_or_else(wrong)? != first()?),
        "not" => Value::Bool(!truth(first()?)),
        "and" => {
            first()?;
            args.iter()
                .find(|v| !truth(v))
                .or(args.last())
                .cloned()
                .unwrap_or_default()
        }
        "or" => {
            first()?;
            args.iter()
                .find(|v| truth(v))
                .or(args.last())
                .cloned()
                .unwrap_or_default()
        }
        "println" | "print" => {
            let text: Vec<_> = args.iter().map(show).collect();
            let end = if name == "println" { "\n" } else { "" };
            Value::String(text.join(" ") + end)
        }
        "printf" => Value::String(printf(&show(first()?), &args[1..])?),
        "join" => match (first()?, args.get(1)) {
            (Value::Array(items), Some(Value::String(by))) => {
                let items: Vec<_> = items.iter().map(show).collect();
                Value::String(items.join(by))
            }
            _ => return Err(wrong()),
        },
        "lower" => Value::String(show(first()?).to_lowercase()),
        "upper" => Value::String(show(first()?).to_uppercase()),
        other => {
            return Err(format!(
                "template parsing error: function {other:?} not defined"
            ));
        }
    })
}

fn index(of: &Value, key: &Value) -> Result<Value, String> {
    match (of, key) {
        // A key that is missing in a map of strings gives the empty string.
        (Value::Object(map), Value::String(key)) => Ok(map
            .get(key)
            .cloned()
            .unwrap_or_else(|| Value::String(String::new()))),
        (Value::Array(items), key) => {
            let at = key.as_u64().and_then(|at| items.get(at as usize));
            at.cloned().ok_or(format!(
                "error calling index: index out of range: {}",
                show(key)
            ))
        }
        (other, _) => Err(format!(
            "error calling index: can't index item of type {}",
            show(other)
        )),
    }
}

/// `%s %v %d %q`, with an optional `%.Ns`.
fn printf(format: &str, args: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut args = args.iter();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut precision = String::new();
        if chars.next_if_eq(&'.').is_some() {
            while let Some(d) = chars.next_if(char::is_ascii_digit) {
                precision.push(d);
            }
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some(verb @ ('s' | 'v' | 'd' | 'q')) => {
                let value = args.next().ok_or("printf: missing argument")?;
                let mut text = show(value);
                if let Ok(limit) = precision.parse() {
                    text = text.chars().take(limit).collect();
                }
                out.push_str(&if verb == 'q' {
                    format!("{text:?}")
                } else {
                    text
                });
            }
            other => return Err(format!("printf: unknown verb {other:?}")),
        }
    }
    Ok(out)
}
