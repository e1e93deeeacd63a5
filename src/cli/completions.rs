//! `completions SHELL` and `man`: what a package installs beside the binary.

use std::io;

use clap::CommandFactory;

use super::Cli;
use crate::report::{Body, Reply};

/// Print the completion script of a shell
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(after_help = "\
Example:
  geusemaker completions bash > ~/.local/share/bash-completion/completions/geusemaker")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> Reply {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "geusemaker", &mut script);
        Reply::new("completions").body(Body::Raw {
            key: "script",
            text: String::from_utf8_lossy(&script).into_owned(),
        })
    }
}

/// Print the manual page (roff)
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(after_help = "\
Example:
  geusemaker man > geusemaker.1")]
pub struct ManArgs {}

impl ManArgs {
    pub(super) fn run(self) -> Reply {
        let mut page = Vec::new();
        write(&mut page).expect("writing to memory does not fail");
        Reply::new("man").body(Body::Raw {
            key: "page",
            text: String::from_utf8_lossy(&page).into_owned(),
        })
    }
}

/// One page for the whole tool: the commands follow as sections of their own.
fn write(page: &mut Vec<u8>) -> io::Result<()> {
    let mut root = Cli::command();
    root.build();
    let man = clap_mangen::Man::new(root.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    let mut commands = Vec::new();
    collect(&root, &mut commands);
    for command in commands {
        let title = command.get_bin_name().unwrap_or_default().to_uppercase();
        let mut section = Vec::new();
        let man = clap_mangen::Man::new(command);
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_extra_section(&mut section)?;
        page.extend(format!(".SH \"{title}\"\n").bytes());
        page.extend(
            String::from_utf8_lossy(&section)
                .replace(".SH ", ".SS ")
                .bytes(),
        );
    }
    Ok(())
}

fn collect(command: &clap::Command, into: &mut Vec<clap::Command>) {
    for sub in command.get_subcommands() {
        if sub.get_name() != "help" && !sub.is_hide_set() {
            if !sub.has_subcommands() {
                into.push(sub.clone());
            }
            collect(sub, into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_every_command() {
        let Body::Raw { text, .. } = ManArgs {}.run().body else {
            panic!("raw");
        };
        for title in ["GEUSEMAKER UPDATE", "GEUSEMAKER SANDBOX FAULT ADD"] {
            assert!(text.contains(&format!(".SH \"{title}\"")), "{title}");
        }
        assert!(text.starts_with(".ie"), "{}", &text[..40]);
    }

    #[test]
    fn every_shell_gets_a_script() {
        use clap::ValueEnum;
        for shell in clap_complete::Shell::value_variants() {
            let Body::Raw { text, .. } = (CompletionsArgs { shell: *shell }).run().body else {
                panic!("raw");
            };
            assert!(text.contains("rollback"), "{shell}");
        }
    }
}
