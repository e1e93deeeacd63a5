//! `${…}` in compose files, and the env files that it is replaced from (compose specification, interpolation).

use std::collections::BTreeMap;

/// Variables by name.
pub type Vars = BTreeMap<String, String>;

/// What replacing found out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Names that were not set and had no default: they became the empty string.
    pub unset: Vec<String>,
}

/// Replaces `$X`, `${X}`, `${X:-d}`, `${X-d}`, `${X:?m}`, `${X?m}`, `${X:+r}`, `${X+r}` and `$$`.
///
/// # Errors
/// Compose's words for a required variable that is missing, or a form that is wrong.
pub fn interpolate(text: &str, vars: &Vars, notes: &mut Notes) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(next) = after.strip_prefix('$') {
            out.push('$');
            rest = next;
        } else if let Some(inner) = after.strip_prefix('{') {
            let end = closing(inner).ok_or_else(|| invalid(text))?;
            out.push_str(&braced(&inner[..end], text, vars, notes)?);
            rest = &inner[end + 1..];
        } else {
            let name = name_of(after);
            match name {
                // A dollar before anything else is one. (Seen.)
                "" => out.push('$'),
                name => out.push_str(&value(name, vars, notes)),
            }
            rest = &after[name.len()..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn braced(inner: &str, text: &str, vars: &Vars, notes: &mut Notes) -> Result<String, String> {
    let name = name_of(inner);
    let form = &inner[name.len()..];
    if name.is_empty() {
        return Err(invalid(text));
    }
    if form.is_empty() {
        return Ok(value(name, vars, notes));
    }
    let (colon, form) = match form.strip_prefix(':') {
        Some(form) => (true, form),
        None => (false, form),
    };
    let mut chars = form.chars();
    let kind = chars.next().ok_or_else(|| invalid(text))?;
    let word = chars.as_str();
    let set = vars.get(name).filter(|v| !(colon && v.is_empty()));
    match (kind, set) {
        ('-', Some(value)) | ('?', Some(value)) => Ok(value.clone()),
        ('-', None) | ('+', Some(_)) => interpolate(word, vars, notes),
        ('+', None) => Ok(String::new()),
        ('?', None) => {
            let word = interpolate(word, vars, notes)?;
            let end = if word.is_empty() {
                word
            } else {
                format!(": {word}")
            };
            Err(format!("required variable {name} is missing a value{end}"))
        }
        _ => Err(invalid(text)),
    }
}

fn value(name: &str, vars: &Vars, notes: &mut Notes) -> String {
    vars.get(name).cloned().unwrap_or_else(|| {
        if !notes.unset.iter().any(|n| n == name) {
            notes.unset.push(name.to_owned());
        }
        String::new()
    })
}

fn name_of(text: &str) -> &str {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    if starts {
        &text[..end.unwrap_or(text.len())]
    } else {
        ""
    }
}

/// The brace that closes, with `${` inside counted.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn invalid(text: &str) -> String {
    format!("invalid interpolation format.\nYou may need to escape any $ with another $.\n{text}")
}

/// Reads an env file: `KEY=value`, comments, `export`, quotes. A key without `=` is skipped.
pub fn env_file(text: &str) -> Vars {
    let lines = text.lines().map(str::trim_start);
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), unquote(value.trim())))
        .filter(|(key, _)| !key.is_empty())
        .collect()
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        let quoted = value.strip_prefix(quote).and_then(|v| v.split_once(quote));
        if let Some((inner, _)) = quoted {
            return if quote == '"' {
                inner.replace("\\n", "\n")
            } else {
                inner.to_owned()
            };
        }
    }
    value
        .split_once(" #")
        .map_or(value, |(value, _)| value)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let vars =
            Vars::from([("A", "a"), ("EMPTY", "")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let table: &[(&str, Result<&str, &str>)] = &[
            ("x $A ${A}y", Ok("x a ay")),
            ("$$A costs 5$$", Ok("$A costs 5$")),
            ("${B:-d}${B-d}${A:-d}", Ok("dda")),
            ("${EMPTY:-d}|${EMPTY-d}", Ok("d|")),
            ("${B:-${A}}${B:-x${B:-y}z}", Ok("axyz")),
            ("${A:+r}${B:+r}${EMPTY+s}", Ok("rs")),
            ("${A:?m}", Ok("a")),
            (
                "${B:?set it}",
                Err("required variable B is missing a value: set it"),
            ),
            (
                "${EMPTY:?}",
                Err("required variable EMPTY is missing a value"),
            ),
            ("[$B]", Ok("[]")),
            ("${A", Err("invalid interpolation format")),
            ("$ 5", Ok("$ 5")),
            ("${A!x}", Err("invalid interpolation format")),
        ];
        for (text, expected) in table {
            match (interpolate(text, &vars, &mut Notes::default()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(&found, expected, "{text}"),
                (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        let mut notes = Notes::default();
        interpolate("$B $B $C", &vars, &mut notes).unwrap();
        assert_eq!(notes.unset, ["B", "C"]);
    }

    #[test]
    fn env_files() {
        let vars =
            env_file("# c\nA=1\nexport B='x # y'\nC=\"q\\nr\"\nD=v # note\nE=\n  F=p=q\nnothing\n");
        let found: Vec<_> = vars.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [
            ("A", "1"),
            ("B", "x # y"),
            ("C", "q\nr"),
            ("D", "v"),
            ("E", ""),
            ("F", "p=q"),
        ];
        assert_eq!(found, expected);
    }
}
