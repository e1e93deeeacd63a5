//! `logs`: what the containers wrote, by time. Writes nothing.

use std::time::Duration;

use super::patience::passes;
use super::shell::{containers, running};
use super::world::World;
use crate::containers::{Feed, LogLine, merge};
use crate::host::{HostError, LogPage};
use crate::model::{ContainerFacts, Deployment, DeploymentName, ServiceName, Timestamp};
use crate::report::CommandError;

/// The bytes of all pages of one answer: as base64 it is one output of Run Command.
const ANSWER: usize = 13_000;
/// So many containers are asked about at once.
const AT_ONCE: usize = 16;
/// The containers are looked for again after so many looks at their logs.
const LOOK_AGAIN: u32 = 8;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct LogsRequest {
    /// The deployment.
    pub deployment: DeploymentName,
    /// Only this service.
    pub service: Option<ServiceName>,
    /// The newest lines of each container, so many; None is all.
    pub tail: Option<u64>,
    /// Only those of so many milliseconds before now.
    pub since_ms: Option<u64>,
}

/// A line, and of which container it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceLine {
    /// The service, or the container where the service has several.
    pub of: String,
    /// The service.
    pub service: ServiceName,
    /// The container.
    pub container: String,
    /// When.
    pub at: Timestamp,
    /// The text, without its newline.
    pub text: Vec<u8>,
}

/// The logs of a deployment, read on and on.
pub struct Logs<'w> {
    world: &'w World,
    deployment: Deployment,
    request: LogsRequest,
    feeds: Vec<(Source, Feed)>,
    looks: u32,
    /// Docker's words about containers without a log, until they are taken.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    of: String,
    service: ServiceName,
    container: String,
}

impl<'w> Logs<'w> {
    /// Finds the containers.
    ///
    /// # Errors
    /// There is no such deployment or service, the instance does not run, or cannot be asked.
    pub async fn open(world: &'w World, request: &LogsRequest) -> Result<Self, CommandError> {
        let deployment = running(world, &request.deployment).await?;
        let all = containers(world, &deployment, request.service.as_ref()).await?;
        let mut logs = Self {
            world,
            deployment,
            request: request.clone(),
            feeds: Vec::new(),
            looks: 0,
            warnings: Vec::new(),
        };
        logs.add(&all, request.tail);
        Ok(logs)
    }

    /// The width of the longest name.
    pub fn width(&self) -> usize {
        let names = self
            .feeds
            .iter()
            .map(|(source, _)| source.of.chars().count());
        names.max().unwrap_or(0)
    }

    /// How many containers there are.
    pub fn sources(&self) -> usize {
        self.feeds.len()
    }

    fn add(&mut self, all: &[ContainerFacts], tail: Option<u64>) {
        for c in all {
            if self.feeds.iter().any(|(_, feed)| feed.container == c.id) {
                continue;
            }
            let alone = all.iter().filter(|o| o.service == c.service).count() == 1;
            let source = Source {
                of: if alone {
                    c.service.to_string()
                } else {
                    c.name.clone()
                },
                service: c.service.clone(),
                container: c.name.clone(),
            };
            let since = self.request.since_ms.map(|ms| format!("{ms}ms"));
            // One line at least: what comes after it is new.
            let feed = Feed::new(&c.id, since, tail.map(|n| n.max(1)));
            self.feeds.push((source, feed));
        }
    }

    /// What there is, from the lines that were asked for on.
    ///
    /// # Errors
    /// The host cannot be asked.
    pub async fn first(&mut self) -> Result<Vec<ServiceLine>, CommandError> {
        let lines = self.round().await?;
        Ok(if self.request.tail == Some(0) {
            Vec::new()
        } else {
            lines
        })
    }

    /// What is new since the last time. A container that was made since is read from its beginning.
    ///
    /// # Errors
    /// The host cannot be asked.
    pub async fn more(&mut self) -> Result<Vec<ServiceLine>, CommandError> {
        self.looks += 1;
        if self.looks.is_multiple_of(LOOK_AGAIN) || self.feeds.is_empty() {
            self.find().await?;
        }
        Ok(self.round().await?)
    }

    /// Whether an error of [`Logs::more`] passes by itself.
    pub fn passes(error: &CommandError) -> bool {
        matches!(
            error.document.code.as_str(),
            "host_unreachable"
                | "host_timeout"
                | "host_reply"
                | "throttled"
                | "unreachable"
                | "inconsistent"
                | "host_script"
        )
    }

    /// How long it waits between two looks, and for how long a host may be silent.
    pub fn pace(&self) -> (Duration, Duration) {
        (self.world.limits.poll, self.world.limits.answer)
    }

    async fn find(&mut self) -> Result<(), CommandError> {
        let service = self.request.service.clone();
        match containers(self.world, &self.deployment, service.as_ref()).await {
            Ok(all) => {
                self.feeds
                    .retain(|(_, feed)| all.iter().any(|c| c.id == feed.container));
                self.request.since_ms = None;
                self.add(&all, None);
                Ok(())
            }
            // Between two containers of a service there is none.
            Err(error) if error.document.code == "unknown_service" => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads every log to where it ends now.
    async fn round(&mut self) -> Result<Vec<ServiceLine>, HostError> {
        let mut got: Vec<Vec<LogLine>> = vec![Vec::new(); self.feeds.len()];
        let mut open: Vec<usize> = (0..self.feeds.len()).collect();
        let mut gone = Vec::new();
        while !open.is_empty() {
            let now: Vec<usize> = open.iter().copied().take(AT_ONCE).collect();
            open.drain(..now.len());
            let most = ANSWER / now.len();
            let asks: Vec<_> = now.iter().map(|i| self.feeds[*i].1.ask(most)).collect();
            let pages = match self
                .world
                .shell
                .logs(&self.deployment.instance_id, &asks)
                .await
            {
                Ok(pages) => pages,
                // What was read is not read again: it is given on first.
                Err(error) if passes(&error) && got.iter().any(|lines| !lines.is_empty()) => break,
                Err(error) => return Err(error),
            };
            for (i, page) in now.into_iter().zip(pages) {
                if let Some(why) = failed(&page) {
                    gone.push((i, why));
                    continue;
                }
                let (lines, more) = self.feeds[i].1.take(&page, most);
                got[i].extend(lines);
                if more {
                    open.push(i);
                }
            }
        }
        let sources = self.feeds.iter().map(|(source, _)| source.clone());
        let merged = merge(sources.zip(got).collect());
        for (i, why) in gone.iter().rev() {
            let (source, _) = self.feeds.remove(*i);
            // One that was replaced is found again under its new id.
            if !why.contains("No such container") {
                self.warnings.push(format!("{}: {why}", source.of));
            }
        }
        Ok(merged
            .into_iter()
            .map(|(source, line)| ServiceLine {
                of: source.of,
                service: source.service,
                container: source.container,
                at: line.at,
                text: line.text,
            })
            .collect())
    }
}

fn failed(page: &LogPage) -> Option<String> {
    page.failed.as_ref().map(|why| why.trim().to_owned())
}
