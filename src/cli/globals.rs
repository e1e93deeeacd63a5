//! The flags of every command.

use std::path::PathBuf;

use super::env::Env;
use super::value;
use crate::report::{CommandError, OutputFormat, Words};

/// Flags that stand before or after the command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The state folder [env: GEUSEMAKER_STATE] [default: ~/.geusemaker]
    #[arg(long, visible_alias = "state-dir", value_name = "DIR", global = true)]
    pub state: Option<PathBuf>,

    /// The AWS region; otherwise what the deployment or the AWS configuration says
    #[arg(long, global = true, value_parser = value::region)]
    pub region: Option<String>,

    /// The profile of the AWS configuration
    #[arg(long, global = true, value_parser = value::profile)]
    pub profile: Option<String>,

    /// Another endpoint for every AWS service
    #[arg(long, value_name = "URL", global = true, value_parser = value::endpoint)]
    pub endpoint_url: Option<String>,

    /// Use the built-in sandbox instead of AWS [env: GEUSEMAKER_SANDBOX=1]
    #[arg(long, global = true)]
    pub sandbox: bool,

    /// How the result is printed on stdout
    #[arg(long, short, value_enum, default_value = "text", global = true)]
    pub output: OutputFormat,

    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value = "auto", global = true)]
    pub progress: ProgressMode,

    /// Log to stderr: -v what is done, -vv how, -vvv the AWS SDK as well
    #[arg(long, short, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,

    /// No progress, no plan, no warnings on stderr; errors and questions stay
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Colours [env: NO_COLOR]
    #[arg(long, value_enum, default_value = "auto", global = true)]
    pub color: ColorMode,
}

/// `--progress`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, plain lines elsewhere
    Auto,
    /// Bars; plain lines where stderr is no terminal
    Bars,
    /// One line for each step
    Plain,
    /// One JSON event a line
    Json,
    /// Nothing
    None,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorMode {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The longest path of a state folder, in bytes: `PATH_MAX` of Linux is 4096 with the NUL behind it, that of macOS 1024.
const LONGEST_PATH: usize = 4_095;

/// Flags and environment together: what is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The state folder, absolute. The sandbox is under `sandbox/` in it.
    pub state: PathBuf,
    /// Whether the sandbox is used.
    pub sandbox: bool,
    /// `--region`.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `AWS_PROFILE`, for what is said to a person: the SDK reads it by itself.
    pub profile_of_env: Option<String>,
    /// `--endpoint-url`.
    pub endpoint_url: Option<String>,
}

impl Settings {
    /// What is in force.
    ///
    /// # Errors
    /// A usage error for what contradicts itself; `no_home` where there is no state folder.
    pub fn new(globals: &Globals, env: &Env) -> Result<Self, CommandError> {
        let sandbox = globals.sandbox || env.wants_sandbox().map_err(CommandError::usage)?;
        if sandbox && globals.endpoint_url.is_some() {
            return Err(CommandError::usage(
                "--endpoint-url cannot be used with the sandbox, which is an endpoint of its own",
            ));
        }
        let userinfo = |url: &String| {
            url.parse::<http::Uri>()
                .is_ok_and(|uri| uri.authority().is_some_and(|a| a.as_str().contains('@')))
        };
        if globals.endpoint_url.as_ref().is_some_and(userinfo) {
            // Not shown: it would be in every next command that is named, too.
            return Err(CommandError::usage(
                "--endpoint-url has a name or password in it; credentials come from the AWS settings alone",
            ));
        }
        let state = globals
            .state
            .clone()
            .or_else(|| env.state.clone())
            .or_else(|| env.home.as_ref().map(|home| home.join(".geusemaker")))
            .ok_or_else(|| {
                CommandError::failed("no_home", "there is no state folder: HOME is not set")
            })?;
        let state = std::path::absolute(&state).map_err(|error| {
            CommandError::usage(format!(
                "{} cannot be a state folder",
                crate::model::quoted(&state.to_string_lossy())
            ))
            .because(error)
        })?;
        // What no system opens is not repeated in each message about it.
        let long = state.as_os_str().len();
        if long > LONGEST_PATH {
            return Err(CommandError::usage(format!(
                "the path of the state folder has {long} bytes; {LONGEST_PATH} are the most"
            )));
        }
        Ok(Self {
            state,
            sandbox,
            region: globals.region.clone(),
            profile: globals.profile.clone(),
            profile_of_env: env.aws_profile.clone(),
            endpoint_url: globals.endpoint_url.clone(),
        })
    }

    /// The folder of the sandbox.
    pub fn sandbox_dir(&self) -> PathBuf {
        self.state.join("sandbox")
    }

    /// The folder with the deployments: the sandbox has its own.
    pub fn deployments_dir(&self) -> PathBuf {
        if self.sandbox {
            self.sandbox_dir().join("state")
        } else {
            self.state.clone()
        }
    }
}

impl Globals {
    /// How a next command is to begin, so that it works on the same world as this one.
    pub fn words(&self) -> Words {
        let mut program = String::from("geusemaker");
        let flags = [
            (
                "--state",
                self.state
                    .as_ref()
                    .map(|dir| dir.to_string_lossy().into_owned()),
            ),
            ("--region", self.region.clone()),
            ("--profile", self.profile.clone()),
            ("--endpoint-url", self.endpoint_url.clone()),
        ];
        for (flag, value) in flags {
            if let Some(value) = value {
                program.push_str(&format!(" {flag} {}", shell_word(&value)));
            }
        }
        if self.sandbox {
            program.push_str(" --sandbox");
        }
        Words { program }
    }
}

/// A word that a POSIX shell takes as it is.
fn shell_word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Parser};
    use super::*;

    fn globals(argv: &[&str]) -> Globals {
        let argv = ["geusemaker"].iter().chain(argv);
        Cli::try_parse_from(argv).unwrap().globals
    }

    fn home() -> Env {
        Env {
            home: Some("/home/me".into()),
            ..Env::default()
        }
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for argv in [
            &[
                "--sandbox",
                "--state",
                "/s",
                "-o",
                "json",
                "-vv",
                "status",
                "x",
            ][..],
            &[
                "status",
                "x",
                "--sandbox",
                "--state-dir",
                "/s",
                "-ojson",
                "-v",
                "-v",
            ],
            &[
                "--sandbox",
                "status",
                "--output=json",
                "x",
                "--state=/s",
                "-vv",
            ],
        ] {
            let globals = globals(argv);
            assert_eq!(globals.output, OutputFormat::Json);
            assert_eq!(globals.verbose, 2);
            let settings = Settings::new(&globals, &home()).unwrap();
            assert!(settings.sandbox);
            assert_eq!(
                settings.deployments_dir(),
                PathBuf::from("/s/sandbox/state")
            );
            assert_eq!(globals.words().program, "geusemaker --state /s --sandbox");
        }
    }

    #[test]
    fn the_state_folder_is_flag_then_variable_then_home() {
        let dir = |argv: &[&str], env: &Env| Settings::new(&globals(argv), env).map(|s| s.state);
        let both = Env {
            state: Some("/v".into()),
            ..home()
        };
        assert_eq!(
            dir(&["list", "--state", "/f"], &both).unwrap(),
            PathBuf::from("/f")
        );
        assert_eq!(dir(&["list"], &both).unwrap(), PathBuf::from("/v"));
        assert_eq!(
            dir(&["list"], &home()).unwrap(),
            PathBuf::from("/home/me/.geusemaker")
        );
        let error = dir(&["list"], &Env::default()).unwrap_err();
        assert_eq!(error.document.code, "no_home");
        // Found by hostile arguments: each message about it was as long.
        let error = dir(&["list", "--state", &"a".repeat(10_000)], &home()).unwrap_err();
        assert_eq!(error.document.code, "usage");
        assert!(error.document.message.len() < 200, "{error:?}");
        assert!(
            dir(&["list", "--state", "rel"], &home())
                .unwrap()
                .is_absolute()
        );
    }

    #[test]
    fn the_sandbox_has_no_other_endpoint() {
        let by_flag = globals(&["list", "--sandbox", "--endpoint-url", "http://x"]);
        assert_eq!(
            Settings::new(&by_flag, &home()).unwrap_err().document.code,
            "usage"
        );
        let env = Env {
            sandbox: Some("1".into()),
            ..home()
        };
        let by_env = globals(&["list", "--endpoint-url", "http://x"]);
        assert!(Settings::new(&by_env, &env).is_err());
    }

    #[test]
    fn a_password_in_the_endpoint_is_refused_and_not_shown() {
        let globals = globals(&["list", "--endpoint-url", "http://me:hunter2@127.0.0.1:1/"]);
        let error = Settings::new(&globals, &home()).unwrap_err();
        assert_eq!(error.document.code, "usage");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn a_next_command_can_be_pasted() {
        let words = globals(&["list", "--state", "/my dir/it's"]).words();
        assert_eq!(words.program, r"geusemaker --state '/my dir/it'\''s'");
    }
}
