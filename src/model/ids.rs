//! Names and identifiers, each with the alphabet that makes it safe to pass on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that cannot be the name it was given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not {what}: {expected}", quoted(found))]
pub struct BadName {
    /// What was being named, with its article ("a deployment name").
    pub what: &'static str,
    /// The text that was given.
    pub found: String,
    /// The rule it breaks, in words.
    pub expected: &'static str,
}

/// The text in quotes with control characters escaped, cut at 60 characters: fit for a terminal.
pub fn quoted(text: &str) -> String {
    let mut out: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 {
        out.push('…');
    }
    format!("'{out}'")
}

/// The text, or its first `most` characters and an ellipsis.
pub fn shortened(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    text
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text against the alphabet of this kind of name.
            ///
            /// # Errors
            /// [`BadName`] when the text breaks the rule.
            pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
                let text = text.into();
                let ok: fn(&str) -> bool = $ok;
                if ok(&text) {
                    Ok(Self(text))
                } else {
                    Err(BadName { what: $what, found: text, expected: $expected })
                }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn all(text: &str, ok: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(ok)
}

fn hex_after(text: &str, prefix: &str, lengths: &[usize]) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        lengths.contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

name_type!(
    /// The name of a deployment: the folder under the state folder, and what the user types.
    DeploymentName, "a deployment name",
    "a letter first, then letters, digits and '-', at most 128, and not 'sandbox'",
    |t| t.len() <= 128
        && t != "sandbox"
        && t.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && all(t, |b| b.is_ascii_alphanumeric() || b == b'-')
);
name_type!(
    /// The id of an EC2 instance: `i-` and 8 or 17 hexadecimal digits (EC2 User Guide, resource ids).
    InstanceId, "an instance id", "'i-' and 8 or 17 hexadecimal digits",
    |t| hex_after(t, "i-", &[8, 17])
);
name_type!(
    /// The id of a capacity reservation: `cr-` and 8 or 17 hexadecimal digits (EC2 User Guide, resource ids).
    ReservationId, "a capacity reservation's id", "'cr-' and 8 or 17 hexadecimal digits",
    |t| hex_after(t, "cr-", &[8, 17])
);
name_type!(
    /// The id of an EFS file system: `fs-` and 8 or 17 hexadecimal digits (EFS API, `FileSystemId`).
    FileSystemId, "a file system id", "'fs-' and 8 or 17 hexadecimal digits",
    |t| hex_after(t, "fs-", &[8, 17])
);
name_type!(
    /// An EC2 instance type such as `t3.large` or `u-12tb1.112xlarge`. Only the alphabet is checked;
    /// whether there is such a type, AWS says.
    InstanceType, "an instance type", "like t3.large: lower-case letters, digits and '-', one dot between family and size",
    |t| t.len() <= 40
        && all(t, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && t.split('.').count() == 2
        && t.split('.').all(|part| !part.is_empty())
        && t.as_bytes()[0].is_ascii_lowercase()
);
name_type!(
    /// A service of a compose file (compose specification: `^[a-zA-Z0-9._-]+$`).
    ServiceName, "a service name", "letters, digits, '.', '_' and '-'",
    |t| t.len() <= 128 && !t.starts_with('-') && all(t, |b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
);
name_type!(
    /// The id of one operation (an update, a rollback): its folder under `operations/`.
    OperationId, "an operation id", "letters, digits and '-'",
    |t| t.len() <= 64 && !t.starts_with('-') && all(t, |b| b.is_ascii_alphanumeric() || b == b'-')
);
name_type!(
    /// The id of one snapshot: its file under `snapshots/`.
    SnapshotId, "a snapshot id", "letters, digits and '-'",
    |t| t.len() <= 64 && !t.starts_with('-') && all(t, |b| b.is_ascii_alphanumeric() || b == b'-')
);
name_type!(
    /// `sha256:` and 64 hexadecimal digits: the id of an image on a Docker host, or the digest of a
    /// manifest in a registry.
    Sha256Id, "a sha256 id", "'sha256:' and 64 hexadecimal digits",
    |t| hex_after(t, "sha256:", &[64])
);
