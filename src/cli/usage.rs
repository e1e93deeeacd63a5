//! Command lines that are wrong: clap's words on stderr, and the result document where one was asked for.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::report::{OutputFormat, cut};

/// What is shown of a text that was typed, in characters.
const SHOWN: usize = 60;

/// The format that a command line asks for, wherever the flag stands, also where the rest is wrong.
/// The last valid one counts, as it does where clap succeeds.
pub(super) fn format(argv: &[OsString]) -> OutputFormat {
    let parse = |word: &str| <OutputFormat as clap::ValueEnum>::from_str(word, false).ok();
    let mut found = OutputFormat::Text;
    let mut words = argv.iter().skip(1).map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        let value = if word == "--" {
            break;
        } else if word == "--output" || word == "-o" {
            words.next().and_then(|value| parse(&value))
        } else if let Some(value) = word.strip_prefix("--output=") {
            parse(value)
        } else if !word.starts_with("--") && word.starts_with('-') {
            // `-ojson`, `-o=json`, and behind flags without a value: `-vqojson`.
            let flags = word[1..].trim_start_matches(['v', 'q', 'y']);
            match flags.strip_prefix('o') {
                Some("") => words.next().and_then(|value| parse(&value)),
                Some(value) => parse(value.strip_prefix('=').unwrap_or(value)),
                None => None,
            }
        } else {
            None
        };
        found = value.unwrap_or(found);
    }
    found
}

/// Whether it asks for `--progress json`. The last one counts.
pub(super) fn wants_events(argv: &[OsString]) -> bool {
    let mut found = false;
    let words = argv.iter().skip(1).map(|word| word.to_string_lossy());
    let mut words = words.take_while(|word| word != "--");
    while let Some(word) = words.next() {
        if word == "--progress" {
            found = words.next().is_some_and(|value| value == "json");
        } else if let Some(value) = word.strip_prefix("--progress=") {
            found = value == "json";
        }
    }
    found
}

/// The command that a wrong command line seems to mean.
pub(super) fn command(argv: &[OsString]) -> String {
    use clap::CommandFactory;
    let root = super::Cli::command();
    argv.iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .find(|word| root.find_subcommand(word).is_some())
        .unwrap_or("geusemaker")
        .to_owned()
}

/// Whether it is no error but a text that was asked for.
pub(super) fn is_text(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// Makes what was typed fit for a terminal: escapes written out, and no more than a line of it.
pub(super) fn clean(mut error: clap::Error) -> clap::Error {
    let mut dirty = Vec::new();
    for (kind, value) in error.context() {
        let changed = match value {
            ContextValue::String(text) => {
                let clean = cut(text, SHOWN);
                (clean != *text).then_some(ContextValue::String(clean))
            }
            _ => None,
        };
        if let Some(value) = changed {
            dirty.push((kind, value));
        }
    }
    if !dirty.is_empty() {
        // A tip repeats what was typed, in a form that cannot be taken apart.
        error.remove(ContextKind::Suggested);
    }
    for (kind, value) in dirty {
        error.insert(kind, value);
    }
    error
}

/// The first sentence, without clap's "error: ".
pub(super) fn message(rendered: &str) -> String {
    // A list of what is missing or possible follows on lines of its own, indented.
    let mut lines = rendered.lines();
    let mut message = lines
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned();
    for line in lines.take_while(|line| line.starts_with("  ")) {
        message.push(' ');
        message.push_str(line.trim());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<OsString> {
        ["geusemaker"]
            .iter()
            .chain(words)
            .map(OsString::from)
            .collect()
    }

    #[test]
    fn whether_events_are_wanted_is_found_anywhere() {
        for (words, expected) in [
            (&["update", "x"][..], false),
            (&["update", "--progress", "json", "--bad"], true),
            (&["--progress=json", "update", "--bad"], true),
            (&["update", "--progress=json", "--progress=plain"], false),
            (&["update", "--progress"], false),
            (&["exec", "x", "--", "--progress=json"], false),
        ] {
            assert_eq!(wants_events(&argv(words)), expected, "{words:?}");
        }
    }

    #[test]
    fn the_format_is_found_anywhere() {
        use OutputFormat::*;
        for (words, expected) in [
            (&["update", "x"][..], Text),
            (&["update", "-o", "json"], Json),
            (&["-o", "yaml", "update"], Yaml),
            (&["update", "-ojson", "--bad"], Json),
            (&["update", "-o=json"], Json),
            (&["update", "--output=json"], Json),
            (&["update", "--output", "yaml", "--bad"], Yaml),
            (&["update", "-vvojson"], Json),
            (&["update", "-qo", "json"], Json),
            (&["update", "-o", "json", "-o", "xml"], Json),
            (&["update", "-o", "xml"], Text),
            (&["update", "-o"], Text),
            (&["update", "--", "-o", "json"], Text),
            (&["update", "json"], Text),
        ] {
            assert_eq!(format(&argv(words)), expected, "{words:?}");
        }
    }

    #[test]
    fn the_command_is_guessed() {
        assert_eq!(command(&argv(&["--sandbox", "update", "--bad"])), "update");
        assert_eq!(command(&argv(&["upgrade"])), "geusemaker");
    }
}
