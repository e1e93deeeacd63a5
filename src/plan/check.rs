//! One finding of the preflight: data, shown in the plan and in `data.plan.checks`.

use serde::{Deserialize, Serialize};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Fine.
    Ok,
    /// It can go ahead, but the person should know.
    Warn,
    /// It must not go ahead; nothing is changed.
    Refuse,
}

/// One finding: what was looked at, what was found, what is expected, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Check {
    /// A stable word for programs, e.g. `type_architecture`.
    pub name: String,
    /// How it came out.
    pub status: CheckStatus,
    /// One sentence for people.
    pub message: String,
    /// What was found; empty for an `ok`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub found: String,
    /// What is expected; empty for an `ok`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// The next step; empty for an `ok`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
}

impl Check {
    /// A check that found nothing wrong.
    pub fn ok(name: &str, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: CheckStatus::Ok,
            message: message.into(),
            found: String::new(),
            expected: String::new(),
            help: String::new(),
        }
    }

    /// A warning.
    pub fn warn(
        name: &str,
        message: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            status: CheckStatus::Warn,
            message: message.into(),
            found: found.into(),
            expected: expected.into(),
            help: help.into(),
        }
    }

    /// A refusal.
    pub fn refuse(
        name: &str,
        message: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            status: CheckStatus::Refuse,
            message: message.into(),
            found: found.into(),
            expected: expected.into(),
            help: help.into(),
        }
    }
}
