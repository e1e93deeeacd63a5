//! `x-geusemaker.health` of a compose file. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::{Mapping, Value};

use crate::containers::{extension, line_of, read_project};
use crate::model::{DeclaredHealth, Probe, ServiceName, duration_ms, quoted};

/// The key at the top of a compose file that is ours.
const KEY: &str = "x-geusemaker";

/// What may stand under a service.
const KEYS: &str =
    "http, status, tcp, command, container, interval, timeout, stable_for, start_period";

/// Nothing on a host may take longer: Run Command shows output only at the end, and commands queue.
const LONGEST_S: u64 = 5;

/// Time between two times that the gate asks, unless said otherwise.
const INTERVAL_MS: u64 = 1000;

/// Time for an answer, unless said otherwise.
const TIMEOUT_S: u32 = 2;

/// One thing under `x-geusemaker` that cannot be so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{path} is {found}; expected {expected}", line.map(|l| format!("line {l}: ")).unwrap_or_default())]
pub struct BadHealth {
    /// Which of the project's files, from 0.
    pub file: usize,
    /// The line in the compose file, from 1, where it is written out there.
    pub line: Option<usize>,
    /// The keys down to it, `x-geusemaker.health.n8n.http`.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub expected: String,
}

/// The declared health of each service; empty where the project's files declare none. Of several files a later one's
/// word for a service counts.
///
/// # Errors
/// Everything under `x-geusemaker` that is not as it must be.
pub fn declared(texts: &[&str]) -> Result<BTreeMap<ServiceName, DeclaredHealth>, Vec<BadHealth>> {
    // Most files declare nothing: then no service has to be known. This is read at each look of a gate.
    let nothing = |text: &&str| matches!(extension(text, KEY), Ok(None));
    if texts.iter().all(nothing) {
        return Ok(BTreeMap::new());
    }
    let services = read_project(texts).unwrap_or_default();
    let known: BTreeSet<ServiceName> = services.into_keys().collect();
    let (mut out, mut bad) = (BTreeMap::new(), Vec::new());
    for (file, text) in texts.iter().enumerate() {
        let mut read = Read {
            text,
            file,
            known: &known,
            bad: Vec::new(),
        };
        out.extend(read.whole());
        bad.extend(read.bad);
    }
    if bad.is_empty() { Ok(out) } else { Err(bad) }
}

struct Read<'t> {
    text: &'t str,
    file: usize,
    known: &'t BTreeSet<ServiceName>,
    bad: Vec<BadHealth>,
}

impl Read<'_> {
    fn says(&mut self, path: &[&str], found: impl Into<String>, expected: impl Into<String>) {
        self.bad.push(BadHealth {
            file: self.file,
            line: line_of(self.text, path),
            path: path.join("."),
            found: found.into(),
            expected: expected.into(),
        });
    }

    fn whole(&mut self) -> BTreeMap<ServiceName, DeclaredHealth> {
        let mut out = BTreeMap::new();
        let ours = match extension(self.text, KEY) {
            Ok(Some(ours)) => ours,
            Ok(None) => return out,
            Err(error) => {
                self.says(&[], "not to be read", error.to_string());
                return out;
            }
        };
        let Some(ours) = self.mapping(&[KEY], &ours) else {
            return out;
        };
        for (key, value) in &ours {
            match key.as_str() {
                Some("health") => out = self.services(value),
                other => {
                    let key = other.unwrap_or("?");
                    self.says(&[KEY, key], "not a key of geusemaker", "health");
                }
            }
        }
        out
    }

    fn services(&mut self, value: &Value) -> BTreeMap<ServiceName, DeclaredHealth> {
        let known = self.known;
        let names: Vec<&str> = known.iter().map(ServiceName::as_str).collect();
        let mut out = BTreeMap::new();
        for (key, value) in self.mapping(&[KEY, "health"], value).unwrap_or_default() {
            let key = key.as_str().unwrap_or("?");
            let service = ServiceName::new(key).ok().filter(|s| known.contains(s));
            let Some(service) = service else {
                let expected = format!("one of {}", names.join(", "));
                self.says(&[KEY, "health", key], "not a service of the file", expected);
                continue;
            };
            if let Some(one) = self.service(key, &value) {
                out.insert(service, one);
            }
        }
        out
    }

    fn service(&mut self, service: &str, value: &Value) -> Option<DeclaredHealth> {
        let path = [KEY, "health", service];
        let said = self.mapping(&path, value)?;
        let before = self.bad.len();
        let mut one = DeclaredHealth {
            probes: Vec::new(),
            container: false,
            interval_ms: INTERVAL_MS,
            timeout_s: TIMEOUT_S,
            stable_ms: None,
            start_period_ms: None,
        };
        let mut codes = None;
        for (key, value) in &said {
            let key = key.as_str().unwrap_or("?");
            let (found, at) = (shown(value), [KEY, "health", service, key]);
            match key {
                "http" => match value.as_str().map(url) {
                    Some(Ok(url)) => one.probes.push(Probe::Http {
                        url,
                        from: 200,
                        to: 299,
                    }),
                    Some(Err(expected)) => self.says(&at, found, expected),
                    None => self.says(&at, found, URL),
                },
                "status" => match status(value) {
                    Some(range) => codes = Some(range),
                    None => self.says(&at, found, "a code or a range, like 200 or 200-399"),
                },
                "tcp" => match value.as_str().and_then(host_port) {
                    Some((host, port)) => one.probes.push(Probe::Tcp { host, port }),
                    None => self.says(&at, found, "HOST:PORT, like 127.0.0.1:6333"),
                },
                "command" => match argv(value) {
                    Ok(argv) => one.probes.push(Probe::Command { argv }),
                    Err(expected) => self.says(&at, found, expected),
                },
                "container" => match value.as_str() {
                    Some("healthy") => one.container = true,
                    _ => self.says(&at, found, "healthy"),
                },
                "interval" => match self.time(&at, value, 100) {
                    Some(ms) => one.interval_ms = ms,
                    None => continue,
                },
                "timeout" => match value.as_str().and_then(|t| duration_ms(t).ok()) {
                    Some(ms) if ms % 1000 == 0 && (1..=LONGEST_S).contains(&(ms / 1000)) => {
                        one.timeout_s = u32::try_from(ms / 1000).unwrap_or(TIMEOUT_S);
                    }
                    _ => self.says(&at, found, "whole seconds from 1s to 5s"),
                },
                "stable_for" => one.stable_ms = self.time(&at, value, 1),
                "start_period" => one.start_period_ms = self.time(&at, value, 1),
                _ => self.says(&at, "not a key of a service's health", KEYS),
            }
        }
        let http = one.probes.iter_mut().find_map(|p| match p {
            Probe::Http { from, to, .. } => Some((from, to)),
            _ => None,
        });
        match (codes, http) {
            (Some((low, high)), Some((from, to))) => (*from, *to) = (low, high),
            (Some(_), None) if !said.contains_key("http") => {
                let at = [KEY, "health", service, "status"];
                self.says(&at, "without http", "http: URL beside it");
            }
            _ => {}
        }
        if self.bad.len() == before && one.probes.is_empty() && !one.container {
            let expected = "http, tcp, command or container: healthy";
            self.says(&path, "without anything to go by", expected);
        }
        (self.bad.len() == before).then_some(one)
    }

    fn mapping(&mut self, path: &[&str], value: &Value) -> Option<Mapping> {
        match value {
            Value::Mapping(mapping) => Some(mapping.clone()),
            other => {
                self.says(path, shown(other), "a mapping");
                None
            }
        }
    }

    fn time(&mut self, at: &[&str], value: &Value, least: u64) -> Option<u64> {
        let ms = value.as_str().and_then(|t| duration_ms(t).ok());
        match ms {
            Some(ms) if ms >= least => Some(ms),
            _ => {
                let expected = format!("a duration of {least}ms or more, like 10s or 1m30s");
                self.says(at, shown(value), expected);
                None
            }
        }
    }
}

const URL: &str = "http://HOST[:PORT]/… or https://…, as the host sees it";

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(&without_userinfo(text)),
        Value::Number(number) => number.to_string(),
        Value::Bool(is) => is.to_string(),
        Value::Null => "empty".into(),
        Value::Sequence(_) => "a list".into(),
        Value::Mapping(_) => "a mapping".into(),
        Value::Tagged(_) => "a value with a tag".into(),
    }
}

/// The text, a name and password before the host of a URL left out: what is refused is shown.
fn without_userinfo(text: &str) -> std::borrow::Cow<'_, str> {
    let start = text.find("//").map_or(0, |at| at + 2);
    let end = text[start..]
        .find(['/', '?', '#'])
        .unwrap_or(text.len() - start)
        + start;
    match text[start..end].rfind('@') {
        Some(at) => format!("{}…{}", &text[..start], &text[start + at..]).into(),
        None => text.into(),
    }
}

/// What is in the plan is in the journal, so a password has no place in it; and what Compose would fill in is not
/// filled in here.
fn url(text: &str) -> Result<String, &'static str> {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .ok_or(URL)?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return Err("a URL without a name and password: it goes into the plan and the journal");
    }
    if text.contains('$') {
        return Err("a URL written out: what Compose fills in ($) is not filled in here");
    }
    let (name, port) = match host.strip_prefix('[') {
        Some(six) => six.split_once(']').ok_or(URL)?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|p| port_of(p).is_some());
    let plain = text.len() <= 2000 && text.bytes().all(|b| b.is_ascii_graphic());
    let named = !name.is_empty() && name.bytes().all(of_host);
    if is_port && plain && named {
        Ok(text.to_owned())
    } else {
        Err(URL)
    }
}

fn of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'%')
}

fn port_of(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|p| digits && *p > 0)
}

fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(six) => six.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let fits = !host.is_empty() && !host.starts_with('-') && host.bytes().all(of_host);
    fits.then_some((host.to_owned(), port_of(port)?))
}

fn status(value: &Value) -> Option<(u16, u16)> {
    let code = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>()
            .ok()
            .filter(|c| digits && (100..600).contains(c))
    };
    let text = match value {
        Value::Number(number) => number.to_string(),
        other => other.as_str()?.to_owned(),
    };
    let (from, to) = match text.split_once('-') {
        Some((from, to)) => (code(from.trim())?, code(to.trim())?),
        None => (code(&text)?, code(&text)?),
    };
    (from <= to).then_some((from, to))
}

/// A list is run as it is; a text by the container's `/bin/sh -c`. `$$` is a dollar sign, as everywhere in the file.
fn argv(value: &Value) -> Result<Vec<String>, String> {
    let expected = || "a text, or a list of texts: a program and its arguments".to_owned();
    let texts: Vec<&str> = match value {
        Value::String(text) => vec!["/bin/sh", "-c", text],
        Value::Sequence(items) => items
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()
            .ok_or_else(expected)?,
        _ => return Err(expected()),
    };
    if texts.first().is_none_or(|t| t.is_empty()) || texts.iter().any(|t| t.contains('\0')) {
        return Err(expected());
    }
    if texts.iter().map(|t| t.len()).sum::<usize>() > 2000 {
        return Err("at most 2000 characters: put a longer one into the image as a file".into());
    }
    let undoubled = |text: &str| {
        let parts: Vec<&str> = text.split("$$").collect();
        let single = parts.iter().any(|part| part.contains('$'));
        (!single).then(|| parts.join("$"))
    };
    texts
        .into_iter()
        .map(|text| {
            undoubled(text).ok_or_else(|| {
                "$$ for a dollar sign: what Compose fills in ($) is not filled in here".to_owned()
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "declared_tests.rs"]
mod tests;
