//! What a compose file declares of a service's health, and what a probe saw.

use serde::{Deserialize, Serialize};

/// How a service shows that it works. All that is named must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeclaredHealth {
    /// What is asked on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
    /// Whether Docker's own health check must be green too. Else it does not count.
    #[serde(default)]
    pub container: bool,
    /// At least this long between two times that the gate asks.
    pub interval_ms: u64,
    /// An answer later than this is none.
    pub timeout_s: u32,
    /// It must be green without a break for so long, where that is longer than `--stable-for`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_ms: Option<u64>,
    /// For so long after its start a red that runs is waited for. None: see [`crate::health::Gate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period_ms: Option<u64>,
}

/// One question to a service, asked on its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A URL that answers with one of these codes.
    Http {
        /// The URL, as the host sees it.
        url: String,
        /// The lowest code that is green.
        from: u16,
        /// The highest.
        to: u16,
    },
    /// A port that opens, and is not closed at once.
    Tcp {
        /// Name or address, as the host sees it.
        host: String,
        /// The port.
        port: u16,
    },
    /// A command in the service's container that ends with 0.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
    },
}

impl Probe {
    /// In a few words, for people.
    pub fn shown(&self) -> String {
        match self {
            Probe::Http { url, .. } => format!("http {url}"),
            Probe::Tcp { host, port } => format!("tcp {host}:{port}"),
            Probe::Command { argv } => {
                let whole = argv.join(" ");
                let short: String = whole.chars().take(60).collect();
                let more = if short.len() < whole.len() { "…" } else { "" };
                format!("command {short}{more}")
            }
        }
    }
}

/// What came of one service's declared health, on one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Probed {
    /// Whether all that is declared holds.
    pub green: bool,
    /// Why not, in short; empty where it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The host has no program to ask with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_tool: bool,
}
