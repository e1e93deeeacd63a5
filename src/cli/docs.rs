//! The pages that are made from, or must agree with, the command line.

use std::fmt::Write;

use clap::{Command, CommandFactory};

use super::Cli;

/// `docs/cli.md`.
pub fn reference() -> String {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut page = String::from(
        "# Command line\n\nGenerated from the program; `GEUSEMAKER_BLESS=1 cargo test` writes it anew.\n\
         Exit codes are in [exit-codes.md](exit-codes.md), variables in [environment.md](environment.md).\n",
    );
    section(&mut root, &mut page);
    page
}

fn section(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or("geusemaker").to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    // The flags of every command stand once, with the program's own help.
    let text = help.join("\n");
    let text = match (text.split_once("\nGlobal options:"), name == "geusemaker") {
        (Some((before, after)), false) => {
            let rest = after.find("\nExample").map_or("", |at| &after[at..]);
            format!("{}\n{rest}", before.trim_end())
        }
        _ => text,
    };
    write!(page, "\n## {name}\n\n```text\n{}\n```\n", text.trim()).expect("memory");
    let names: Vec<_> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        section(command.find_subcommand_mut(&name).expect("listed"), page);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::model::Outcome;

    fn page(name: &str) -> String {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        fs_err::read_to_string(root.join("docs").join(name)).unwrap()
    }

    #[test]
    fn the_reference_is_what_the_program_says() {
        let made = reference();
        if std::env::var_os("GEUSEMAKER_BLESS").is_some() {
            let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            fs_err::write(root.join("docs/cli.md"), &made).unwrap();
        }
        assert!(
            page("cli.md") == made,
            "docs/cli.md is not what --help says: GEUSEMAKER_BLESS=1 cargo test"
        );
    }

    #[test]
    fn every_command_has_an_example_that_is_right() {
        let mut root = Cli::command();
        root.build();
        let mut open = vec![root];
        let mut seen = 0;
        while let Some(command) = open.pop() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let name = command.get_bin_name().unwrap_or_default().to_owned();
            let examples: Vec<_> = help
                .lines()
                .filter_map(|line| line.strip_prefix("  geusemaker "))
                .collect();
            assert!(!examples.is_empty(), "{name} has no example");
            for example in examples {
                parses(&format!("geusemaker {example}"));
                seen += 1;
            }
            open.extend(
                command
                    .get_subcommands()
                    .filter(|sub| sub.get_name() != "help")
                    .cloned(),
            );
        }
        assert!(seen > 20, "{seen}");
    }

    fn parses(command: &str) {
        let command = command.split(['>', '|', '#']).next().unwrap_or_default();
        if let Err(error) = Cli::try_parse_from(command.split_whitespace()) {
            assert!(super::super::usage::is_text(&error), "{command}: {error}");
        }
    }

    #[test]
    fn the_pages_name_only_commands_that_exist() {
        for name in ["runbook.md", "exit-codes.md"] {
            let page = page(name);
            let mut seen = 0;
            let inline = page
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|code| !code.contains('\n'));
            for command in page.lines().map(str::trim).chain(inline) {
                if command.starts_with("geusemaker ") {
                    parses(&command.replace("i-…", "i-0123456789abcdef0"));
                    seen += 1;
                }
            }
            assert!(seen > 3, "{name}: {seen}");
        }
    }

    #[test]
    fn the_table_of_exit_codes_is_complete() {
        let page = page("exit-codes.md");
        let rows: Vec<Vec<&str>> = page
            .lines()
            .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
            .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect();
        let expected: Vec<_> = Outcome::ALL
            .iter()
            .map(|outcome| {
                (
                    outcome.exit_code().to_string(),
                    format!("`{}`", outcome.as_str()),
                )
            })
            .collect();
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row[0].to_owned(), row[1].to_owned()))
            .collect();
        assert_eq!(found, expected);
        for row in rows {
            assert_eq!(
                row.len(),
                5,
                "code, outcome, when, example, what to do: {row:?}"
            );
            assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        }
    }

    #[test]
    fn the_runbook_has_every_outcome() {
        let page = page("runbook.md");
        for outcome in Outcome::ALL
            .iter()
            .filter(|outcome| outcome.exit_code() != 0)
        {
            let heading = format!("## `{}` ({})", outcome.as_str(), outcome.exit_code());
            assert!(page.contains(&heading), "{heading}");
        }
    }
}
