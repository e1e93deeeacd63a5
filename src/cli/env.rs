//! The one place that reads the environment. Every variable is documented in `docs/environment.md`.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the environment says, read once at the start. An empty variable counts as not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env {
    /// `GEUSEMAKER_STATE`: the state folder.
    pub state: Option<PathBuf>,
    /// `GEUSEMAKER_SANDBOX`: `1` is `--sandbox`.
    pub sandbox: Option<OsString>,
    /// `NO_COLOR` (no-color.org): set to anything, no colours.
    pub no_color: bool,
    /// `TERM` is `dumb` or not set: no bars (they would not be drawn), no colours.
    pub dumb: bool,
    /// `AWS_PROFILE`: named where a person is to sign in again.
    pub aws_profile: Option<String>,
    /// `HOME`: where `.geusemaker` is.
    pub home: Option<PathBuf>,
}

impl Env {
    /// Reads it.
    pub fn read() -> Self {
        let get = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            state: get("GEUSEMAKER_STATE").map(PathBuf::from),
            sandbox: get("GEUSEMAKER_SANDBOX"),
            no_color: get("NO_COLOR").is_some(),
            dumb: get("TERM").is_none_or(|term| term == "dumb"),
            aws_profile: get("AWS_PROFILE").and_then(|name| name.into_string().ok()),
            home: get("HOME").map(PathBuf::from),
        }
    }

    /// Whether `GEUSEMAKER_SANDBOX` asks for the sandbox: `1` or `true`, and `0` or `false` for no.
    ///
    /// # Errors
    /// The message for any other value: a typo must not send a change to a real account.
    pub fn wants_sandbox(&self) -> Result<bool, String> {
        let Some(value) = &self.sandbox else {
            return Ok(false);
        };
        match value.to_str() {
            Some("1" | "true") => Ok(true),
            Some("0" | "false") => Ok(false),
            _ => Err(format!(
                "GEUSEMAKER_SANDBOX is {}: expected 1 or 0",
                crate::model::quoted(&value.to_string_lossy())
            )),
        }
    }
}

/// Who acts, for the lock: the user and the machine, `unknown` where the system does not say.
pub fn owner() -> (String, String) {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = set("USER").or_else(|| set("LOGNAME"));
    let host = fs_err::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| fs_err::read_to_string("/etc/hostname"))
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    let unknown = || "unknown".to_owned();
    (user.unwrap_or_else(unknown), host.unwrap_or_else(unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandbox_is_asked_for_in_clear_words_only() {
        for (value, expected) in [
            (None, Some(false)),
            (Some("1"), Some(true)),
            (Some("true"), Some(true)),
            (Some("0"), Some(false)),
            (Some("false"), Some(false)),
            (Some("yes"), None),
            (Some("\u{1b}[2J"), None),
        ] {
            let env = Env {
                sandbox: value.map(OsString::from),
                ..Env::default()
            };
            let found = env.wants_sandbox();
            assert_eq!(found.as_ref().ok().copied(), expected, "{value:?}");
            if let Err(message) = found {
                assert!(!message.contains('\u{1b}'), "{message:?}");
            }
        }
    }

    #[test]
    fn every_variable_is_documented() {
        let page = include_str!("../../docs/environment.md");
        let mut found = std::collections::BTreeSet::new();
        let mut folders = vec![std::path::PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src"
        ))];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(text) = fs_err::read_to_string(&path) {
                    for at in text.match_indices("GEUSEMAKER_").map(|m| m.0) {
                        let name: String = text[at..]
                            .chars()
                            .take_while(|c| c.is_ascii_uppercase() || *c == '_')
                            .collect();
                        // Ends of here-documents (src/host/scripts), and one of the tests: not for users.
                        if ![
                            "GEUSEMAKER_",
                            "GEUSEMAKER_INPUT",
                            "GEUSEMAKER_JOB",
                            "GEUSEMAKER_SH",
                        ]
                        .contains(&name.as_str())
                        {
                            found.insert(name);
                        }
                    }
                }
            }
        }
        assert!(found.contains("GEUSEMAKER_STATE"), "{found:?}");
        for name in found {
            assert!(
                page.contains(&format!("`{name}`")),
                "{name} is not in docs/environment.md"
            );
        }
    }
}
