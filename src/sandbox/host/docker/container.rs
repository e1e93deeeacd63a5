//! A container, and what `docker inspect` says of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::inspected;
use crate::sandbox::host::MountKind;
use crate::sandbox::latency::Latency;

/// `State.Status`, as far as this engine has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Stopped, or ended by itself.
    Exited,
}

impl Status {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Exited => "exited",
        }
    }
}

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// `bind` or `volume`.
    pub kind: String,
    /// The path on the host.
    pub source: String,
    /// The path in the container.
    pub destination: String,
    /// Whether it can be written to.
    pub writable: bool,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without the leading `/`.
    pub name: String,
    /// What it was made of (`spec::made`).
    #[serde(default)]
    pub made: Value,
    /// Its labels; Compose's among them.
    pub labels: BTreeMap<String, String>,
    /// The image as it was named (`Config.Image`).
    pub image: String,
    /// The id of the image that it runs: `sha256:…`.
    pub image_id: String,
    /// Created, running, exited.
    pub status: Status,
    /// Exit code of the last run.
    pub exit_code: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// When it last ended.
    pub finished_at: Option<Timestamp>,
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart_policy: String,
    /// `on-failure:N`; 0 is without a limit.
    #[serde(default)]
    pub restart_max: u32,
    /// Stopped by `docker stop`: `unless-stopped` keeps it down over a boot.
    pub stopped_by_hand: bool,
    /// It ran when the power went off.
    pub was_running: bool,
    /// How often the engine restarted it by itself.
    pub restart_count: u32,
    /// Its process on the host; 0 when it does not run.
    pub pid: u32,
    /// Its mounts.
    pub binds: Vec<Bind>,
    /// Whether it has a health check.
    pub healthcheck: bool,
    /// Whether its health check fails in this run; None until it was decided (see `HostState::settle`).
    pub sick: Option<bool>,
    /// Whether a fault that always holds makes it fail now.
    #[serde(default)]
    pub held_sick: bool,
    /// What it sees below the EFS mount point in this run; None until it was decided.
    pub sees: Option<MountKind>,
}

/// What whoever asks the service itself hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// It answers.
    Well,
    /// It answers that it cannot.
    Sick,
    /// Nobody listens: it does not run, or not yet for [`Latency::healthy`].
    Closed,
}

/// `no`, `always`, `unless-stopped`, `on-failure[:N]`: the name and the limit.
pub fn restart_policy(text: &str) -> Option<(String, u32)> {
    let (name, max) = match text.split_once(':') {
        Some((name, max)) => (name, max.parse().ok()?),
        None => (text, 0),
    };
    let known = matches!(name, "no" | "always" | "unless-stopped" | "on-failure");
    (known && (max == 0 || name == "on-failure")).then(|| (name.to_owned(), max))
}

impl Container {
    /// Whether it runs.
    pub fn running(&self) -> bool {
        self.status == Status::Running
    }

    /// The compose project that it belongs to.
    pub fn project(&self) -> Option<&str> {
        self.labels
            .get("com.docker.compose.project")
            .map(String::as_str)
    }

    /// The compose service that it belongs to.
    pub fn service(&self) -> Option<&str> {
        self.labels
            .get("com.docker.compose.service")
            .map(String::as_str)
    }

    /// How it answers, with a health check or without.
    pub fn serves(&self, latency: &Latency, now: Timestamp) -> Serves {
        let since = self
            .started_at
            .map_or(0, |at| now.duration_since(at).as_millis());
        if !self.running() || since < i128::from(latency.healthy) {
            Serves::Closed
        } else if self.sick == Some(true) || self.held_sick {
            Serves::Sick
        } else {
            Serves::Well
        }
    }

    /// `State.Health.Status`, where it has a health check: `starting` for [`Latency::healthy`] after the
    /// start, then `healthy` or `unhealthy`. One that was stopped says `unhealthy`, one that never ran says
    /// nothing (Docker Engine 20.10 does so).
    pub fn health(&self, latency: &Latency, now: Timestamp) -> Option<&'static str> {
        if !self.healthcheck || self.status == Status::Created {
            return None;
        }
        let since = self
            .started_at
            .map_or(0, |at| now.duration_since(at).as_millis());
        Some(if !self.running() {
            "unhealthy"
        } else if since < i128::from(latency.healthy) {
            "starting"
        } else if self.held_sick || self.sick == Some(true) {
            "unhealthy"
        } else {
            "healthy"
        })
    }

    /// What its last health check printed.
    pub fn health_log(&self, latency: &Latency, now: Timestamp) -> String {
        match self.health(latency, now) {
            Some("unhealthy") if self.held_sick || self.sick == Some(true) => {
                format!(
                    "{}: the health check failed: connection refused\n",
                    self.name
                )
            }
            // One that was stopped is unhealthy, and what its check said last stays.
            Some("healthy" | "unhealthy") => "ok\n".to_owned(),
            _ => String::new(),
        }
    }

    /// The document of `docker inspect --type container`. `State.Health` is null where there is none.
    pub fn inspect(&self, latency: &Latency, now: Timestamp) -> Value {
        let health = self.health(latency, now).map(|status| {
            let output = self.health_log(latency, now);
            let log = if output.is_empty() {
                json!([])
            } else {
                let exit = i32::from(output != "ok\n");
                json!([{ "Start": moment(Some(now)), "End": moment(Some(now)), "ExitCode": exit, "Output": output }])
            };
            json!({ "Status": status, "FailingStreak": i32::from(status == "unhealthy"), "Log": log })
        });
        let mounts: Vec<Value> = self
            .binds
            .iter()
            .map(|bind| {
                let volume = bind.source.strip_prefix("/var/lib/docker/volumes/");
                let name = volume.and_then(|v| v.strip_suffix("/_data"));
                let mut mount = json!({
                    "Type": bind.kind, "Source": bind.source, "Destination": bind.destination,
                    "Mode": if bind.writable { "rw" } else { "ro" },
                    "RW": bind.writable, "Propagation": "rprivate",
                });
                if let Some(name) = name {
                    mount["Name"] = json!(name);
                }
                mount
            })
            .collect();
        let (mut config, mut host_config, networks) = inspected(&self.id, &self.made);
        config["Image"] = json!(self.image);
        config["Labels"] = json!(self.labels);
        host_config["RestartPolicy"] =
            json!({ "Name": self.restart_policy, "MaximumRetryCount": self.restart_max });
        json!({
            "Id": self.id,
            "Created": moment(Some(self.created_at)),
            "State": {
                "Status": self.status.as_str(),
                "Running": self.running(),
                "Paused": false,
                "Restarting": false,
                "OOMKilled": false,
                "Dead": false,
                "Pid": self.pid,
                "ExitCode": self.exit_code,
                "Error": "",
                "StartedAt": moment(self.started_at),
                "FinishedAt": moment(self.finished_at),
                "Health": health,
            },
            "Image": self.image_id,
            "Name": format!("/{}", self.name),
            "RestartCount": self.restart_count,
            "HostConfig": host_config,
            "Mounts": mounts,
            "NetworkSettings": networks,
            "Config": config,
        })
    }
}

/// A time as Docker writes it; the year 1 for "never".
fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}
