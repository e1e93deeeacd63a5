//! Text from elsewhere, made fit for a terminal.

use std::borrow::Cow;

use crate::model::shortened;

/// Whether a character could move the cursor, change colours, or turn the reading order around.
///
/// C0 and C1 controls (ECMA-48; 0x9b alone begins a sequence), and the format characters of Unicode that
/// reorder or hide text ("Trojan Source", CVE-2021-42574).
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// One line: everything unsafe is written as its escape, newlines too.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The same for a text of several lines: its newlines stay.
pub fn lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(line).collect();
    lines.join("\n")
}

/// The same for a JSON document: as `\uXXXX`, which is the same string to whoever parses it. Layout
/// newlines stay; all else that is unsafe can stand only inside a string.
pub fn json(document: &str) -> String {
    escaped(document, |c, out| {
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    })
}

/// The same for YAML. A YAML document with something unsafe in it is written in YAML's flow style, that is,
/// as JSON: only its double-quoted strings can hold escapes (YAML 1.2, 5.7).
pub fn yaml(yaml: String, json: impl FnOnce() -> String) -> String {
    if !yaml.chars().any(|c| is_unsafe(c) && c != '\n') {
        return yaml;
    }
    escaped(&json(), |c, out| {
        out.push_str(&format!("\\U{:08x}", u32::from(c)))
    }) + "\n"
}

fn escaped(document: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        if is_unsafe(c) && c != '\n' {
            escape(c, &mut out);
        } else {
            out.push(c);
        }
    }
    out
}

/// One line of at most `max` characters.
pub fn cut(text: &str, max: usize) -> String {
    shortened(line(text).into_owned(), max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_characters_are_written_as_escapes() {
        for (text, expected) in [
            ("n8n", "n8n"),
            (
                "größe 'x' \\ 日本 🦀 e\u{301}",
                "größe 'x' \\ 日本 🦀 e\u{301}",
            ),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("\u{feff}x", "\\u{feff}x"),
        ] {
            assert_eq!(line(text), expected);
        }
        assert_eq!(lines("a\nb\u{7}"), "a\nb\\u{7}");
        assert_eq!(cut("abcdef", 3), "abc…");
    }

    #[test]
    fn json_stays_the_same_string() {
        let text = "a\u{9b}2J\u{202e}\u{7f}\u{e0001}\n";
        let document = serde_json::to_string_pretty(&serde_json::json!({ "x": text })).unwrap();
        let safe = json(&document);
        assert!(!safe.chars().any(|c| is_unsafe(c) && c != '\n'), "{safe}");
        let back: serde_json::Value = serde_json::from_str(&safe).unwrap();
        assert_eq!(back["x"], text);
    }

    #[test]
    fn yaml_stays_the_same_string() {
        for text in [
            "plain",
            "a\u{9b}2J\u{202e}\u{7f}\u{e0001}\n",
            "\u{1b}[2J",
            "tab\there",
        ] {
            let value = serde_json::json!({ "x": text });
            let document = serde_yaml::to_string(&value).unwrap();
            let safe = yaml(document, || serde_json::to_string_pretty(&value).unwrap());
            assert!(!safe.chars().any(|c| is_unsafe(c) && c != '\n'), "{safe}");
            let back: serde_json::Value = serde_yaml::from_str(&safe).unwrap();
            assert_eq!(back["x"], text);
        }
    }
}
