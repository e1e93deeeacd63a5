//! What an `up` of a service would apply besides its image: the person's edits since its container was made.
//!
//! Compose's own hash tells too much (it differs without an edit), so what Compose makes of the files now is compared
//! with the container itself, less what its image brought. Values are numbers by now: equal ones have the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::ServiceName;

/// The edits of each service, `environment.FOO: added`; a service without any has an empty list.
pub type PendingEdits = BTreeMap<ServiceName, Vec<String>>;

/// Reads what `scripts/pending.sh` says.
///
/// # Errors
/// Why it cannot be known.
pub fn pending_edits(document: &str) -> Result<PendingEdits, String> {
    // Whatever stands around it: what was to be read is not there.
    if document.lines().any(|line| line == "@gone") {
        return Err("a container or its image went away".into());
    }
    // Each part begins with a line `@…`.
    let mut whole: Vec<String> = Vec::new();
    for line in document.lines() {
        match (line.strip_prefix('@'), whole.last_mut()) {
            (Some(head), _) => whole.push(format!("{head}\n")),
            (None, Some(last)) => last.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    let unreadable = || "`docker compose config` on the host has another form".to_owned();
    let mut config = Value::Null;
    let mut edits = PendingEdits::new();
    let mut made: Option<(ServiceName, Made)> = None;
    for part in whole {
        let (head, body) = part.split_once('\n').unwrap_or((&part, ""));
        match head.split_once(' ').unwrap_or((head, "")) {
            ("config", _) => config = serde_json::from_str(body).map_err(|_| unreadable())?,
            ("container", service) => {
                let service = ServiceName::new(service).map_err(|_| unreadable())?;
                made = Some((service, Made::read(body).ok_or_else(unreadable)?));
            }
            ("image", _) => {
                let image = Made::read(body).ok_or_else(unreadable)?;
                let (service, made) = made.take().ok_or_else(unreadable)?;
                let wanted = &config["services"][service.as_str()];
                let found = compare(&config, wanted, &made, &image);
                edits.entry(service).or_default().extend(found);
            }
            ("failed", _) => return Err("`docker compose config` failed on the host".into()),
            _ => return Err(unreadable()),
        }
    }
    Ok(edits)
}

/// What a container, or an image, was made of.
#[derive(Debug, Default)]
struct Made {
    environment: BTreeMap<String, String>,
    command: Vec<String>,
    entrypoint: Vec<String>,
    labels: BTreeMap<String, String>,
    health: Vec<String>,
    rest: Value,
    mounts: Vec<Value>,
}

impl Made {
    fn read(body: &str) -> Option<Self> {
        let mut made = Self::default();
        for line in body.lines().filter(|line| !line.is_empty()) {
            // Keys are as they stand in JSON.
            let pair = |rest: &str| {
                let (key, value) = rest.rsplit_once('\t')?;
                let key: String = serde_json::from_str(&format!("\"{key}\"")).ok()?;
                Some((key, value.to_owned()))
            };
            let (kind, rest) = line.split_at_checked(2)?;
            match kind.trim_end() {
                "E" => made.environment.extend(pair(rest)),
                "L" => made.labels.extend(pair(rest)),
                "C" => made.command.push(rest.to_owned()),
                "N" => made.entrypoint.push(rest.to_owned()),
                "H" => made.health.push(rest.to_owned()),
                "J" => made.rest = serde_json::from_str(rest).ok()?,
                "M" => made.mounts.push(serde_json::from_str(rest).ok()?),
                _ => return None,
            }
        }
        made.rest.is_object().then_some(made)
    }

    fn text(&self, key: &str) -> &str {
        self.rest[key].as_str().unwrap_or_default()
    }
}

/// The edits of one service.
fn compare(config: &Value, wanted: &Value, made: &Made, image: &Made) -> Vec<String> {
    let mut out = Vec::new();
    environment(wanted, made, image, &mut out);
    labels(wanted, made, image, &mut out);
    command(wanted, made, image, &mut out);
    sets("ports", &ports(wanted), &bound(made), &mut out);
    volumes(config, wanted, made, image, &mut out);
    networks(config, wanted, made, &mut out);
    if let Some(policy) = policy(wanted)
        && policy != restart(made)
    {
        out.push("restart: changed".into());
    }
    for key in ["user", "working_dir"] {
        let asked = wanted[key].as_str();
        if asked.unwrap_or(image.text(key)) != made.text(key) {
            out.push(format!(
                "{key}: {}",
                kind(asked.is_some(), made.text(key) != image.text(key))
            ));
        }
    }
    if let Some(name) = wanted["hostname"].as_str()
        && name != made.text("hostname")
    {
        let own = made.text("id").starts_with(made.text("hostname"));
        out.push(format!("hostname: {}", kind(true, !own)));
    }
    for key in ["privileged", "read_only", "init", "tty", "stdin_open"] {
        let (asked, is) = (wanted[key].as_bool(), made.rest[key].as_bool());
        let (asked, is) = (asked.unwrap_or(false), is.unwrap_or(false));
        if asked != is {
            out.push(format!("{key}: {}", kind(asked, is)));
        }
    }
    for key in ["cap_add", "cap_drop", "dns", "extra_hosts"] {
        sets(key, &words(&wanted[key]), &words(&made.rest[key]), &mut out);
    }
    let asked = numbers(&wanted["healthcheck"]["test"]);
    if wanted["healthcheck"]["disable"].as_bool() != Some(true) {
        let expected = if asked.is_empty() {
            &image.health
        } else {
            &asked
        };
        if *expected != made.health {
            let own = made.health != image.health;
            out.push(format!("healthcheck: {}", kind(!asked.is_empty(), own)));
        }
    }
    out.sort();
    out
}

/// The word for a value that the file has, or the container had.
fn kind(asked: bool, had: bool) -> &'static str {
    match (asked, had) {
        (true, true) => "changed",
        (true, false) => "added",
        (false, _) => "removed",
    }
}

/// What Docker's own settings put into each container.
fn of_docker(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("_proxy") && !name.starts_with('_')
}

fn environment(wanted: &Value, made: &Made, image: &Made, out: &mut Vec<String>) {
    let asked = wanted["environment"].as_object();
    let asked = || asked.into_iter().flatten();
    for (name, value) in asked() {
        // One without a value is taken from where `up` is called.
        let Some(value) = value.as_str() else {
            continue;
        };
        match made.environment.get(name) {
            Some(there) if there == value => {}
            Some(there) if image.environment.get(name) != Some(there) => {
                out.push(format!("environment.{name}: changed"));
            }
            _ => out.push(format!("environment.{name}: added")),
        }
    }
    let named: BTreeSet<&String> = asked().map(|(name, _)| name).collect();
    for (name, value) in &made.environment {
        let brought = image.environment.get(name) == Some(value);
        if !named.contains(name) && !brought && !value.is_empty() && !of_docker(name) {
            out.push(format!("environment.{name}: removed"));
        }
    }
}

fn labels(wanted: &Value, made: &Made, image: &Made, out: &mut Vec<String>) {
    let asked = wanted["labels"].as_object();
    let asked = || asked.into_iter().flatten();
    for (name, value) in asked() {
        match made.labels.get(name) {
            Some(there) if Some(there.as_str()) == value.as_str() => {}
            there => {
                let own = there.is_some_and(|v| image.labels.get(name) != Some(v));
                out.push(format!("labels.{name}: {}", kind(true, own)));
            }
        }
    }
    let named: BTreeSet<&String> = asked().map(|(name, _)| name).collect();
    for (name, value) in &made.labels {
        let tool = ["com.docker.", "desktop.docker."];
        let tool = tool.iter().any(|prefix| name.starts_with(prefix));
        if !tool && !named.contains(name) && image.labels.get(name) != Some(value) {
            out.push(format!("labels.{name}: removed"));
        }
    }
}

/// An entrypoint of the service's own drops the image's command (Docker Engine API, "Create a container").
fn command(wanted: &Value, made: &Made, image: &Made, out: &mut Vec<String>) {
    let (entrypoint, command) = (numbers(&wanted["entrypoint"]), numbers(&wanted["command"]));
    let expected = match (entrypoint.is_empty(), command.is_empty()) {
        (false, _) => (&entrypoint, &command),
        (true, false) => (&image.entrypoint, &command),
        (true, true) => (&image.entrypoint, &image.command),
    };
    if *expected.0 != made.entrypoint {
        let own = made.entrypoint != image.entrypoint;
        out.push(format!("entrypoint: {}", kind(!entrypoint.is_empty(), own)));
    }
    if *expected.1 != made.command {
        let own = made.command != image.command;
        out.push(format!("command: {}", kind(!command.is_empty(), own)));
    }
}

fn numbers(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A list of words; a host may be written with `=` or `:`.
fn words(list: &Value) -> BTreeSet<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(Value::as_str)
        .map(|word| word.replacen('=', ":", 1))
        .collect()
}

fn sets(key: &str, asked: &BTreeSet<String>, had: &BTreeSet<String>, out: &mut Vec<String>) {
    out.extend(
        asked
            .difference(had)
            .map(|one| format!("{key}.{one}: added")),
    );
    out.extend(
        had.difference(asked)
            .map(|one| format!("{key}.{one}: removed")),
    );
}

/// `127.0.0.1:5678->5678/tcp`.
fn port(ip: &str, published: &str, target: &str) -> String {
    let ip = match ip {
        "" | "0.0.0.0" => String::new(),
        ip => format!("{ip}:"),
    };
    format!("{ip}{published}->{target}")
}

fn ports(wanted: &Value) -> BTreeSet<String> {
    let all = wanted["ports"].as_array().into_iter().flatten();
    let one = |p: &Value| {
        let text = |key: &str| match &p[key] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let protocol = p["protocol"].as_str().unwrap_or("tcp");
        port(
            &text("host_ip"),
            &text("published"),
            &format!("{}/{protocol}", text("target")),
        )
    };
    all.map(one).collect()
}

fn bound(made: &Made) -> BTreeSet<String> {
    let all = made.rest["ports"].as_object().into_iter().flatten();
    all.flat_map(|(target, hosts)| {
        let hosts = hosts.as_array().into_iter().flatten();
        hosts.map(move |host| {
            let text = |key: &str| host[key].as_str().unwrap_or_default();
            port(text("HostIp"), text("HostPort"), target)
        })
    })
    .collect()
}

fn volumes(config: &Value, wanted: &Value, made: &Made, image: &Made, out: &mut Vec<String>) {
    let there: BTreeMap<&str, &Value> = made
        .mounts
        .iter()
        .filter_map(|m| Some((path(m["Destination"].as_str()?), m)))
        .collect();
    let mut named = BTreeSet::new();
    for volume in wanted["volumes"].as_array().into_iter().flatten() {
        let target = path(volume["target"].as_str().unwrap_or_default());
        named.insert(target);
        let Some(mount) = there.get(target) else {
            // Memory is not among the mounts of every Docker.
            if volume["type"].as_str() != Some("tmpfs") {
                out.push(format!("volumes.{target}: added"));
            }
            continue;
        };
        let source = volume["source"].as_str();
        let text = |key: &str| path(mount[key].as_str().unwrap_or_default());
        let same = match (volume["type"].as_str(), source) {
            (Some("bind"), Some(source)) => {
                text("Type") == "bind" && text("Source") == path(source)
            }
            (Some("volume"), Some(source)) => {
                let name = config["volumes"][source]["name"].as_str();
                text("Type") == "volume" && text("Name") == name.unwrap_or(source)
            }
            (Some(kind), _) => text("Type") == kind,
            (None, _) => true,
        };
        let read_only = volume["read_only"].as_bool().unwrap_or(false);
        if !same || mount["RW"].as_bool() == Some(read_only) {
            out.push(format!("volumes.{target}: changed"));
        }
    }
    // Files of `secrets` and `configs` are mounts, too, and so are the volumes of an image.
    let files = ["secrets", "configs"]
        .iter()
        .any(|key| !wanted[*key].is_null());
    let brought = image.rest["volumes"].as_object();
    for target in there.keys().filter(|target| !named.contains(*target)) {
        let of_image = brought
            .into_iter()
            .flatten()
            .any(|(point, _)| path(point) == *target);
        if !of_image && !files {
            out.push(format!("volumes.{target}: removed"));
        }
    }
}

fn path(text: &str) -> &str {
    match text.trim_end_matches('/') {
        "" => text,
        short => short,
    }
}

fn networks(config: &Value, wanted: &Value, made: &Made, out: &mut Vec<String>) {
    let mode = made.text("network_mode");
    if let Some(asked) = wanted["network_mode"].as_str() {
        // `service:` and `container:` name a container, which has another id by and by.
        let plain = ["host", "none", "bridge"].contains(&asked);
        if plain && asked != mode {
            out.push("network_mode: changed".into());
        }
        return;
    }
    let Some(asked) = wanted["networks"].as_object() else {
        return;
    };
    if mode.starts_with("container:") || ["host", "none"].contains(&mode) {
        out.push("network_mode: removed".into());
        return;
    }
    let name = |key: &String| {
        let name = config["networks"][key]["name"].as_str();
        name.unwrap_or(key).to_owned()
    };
    let asked: BTreeSet<String> = asked.keys().map(name).collect();
    sets("networks", &asked, &words(&made.rest["networks"]), out);
}

/// `restart` of the file, the limit included; None where `deploy` says it in its own words.
fn policy(wanted: &Value) -> Option<String> {
    match wanted["restart"].as_str() {
        Some(policy) => Some(policy.trim_end_matches(":0").to_owned()),
        None if wanted["deploy"]["restart_policy"].is_null() => Some("no".into()),
        None => None,
    }
}

fn restart(made: &Made) -> String {
    let policy = &made.rest["restart"];
    match (
        policy["Name"].as_str(),
        policy["MaximumRetryCount"].as_u64(),
    ) {
        (None | Some(""), _) => "no".into(),
        (Some(name), None | Some(0)) => name.to_owned(),
        (Some(name), Some(most)) => format!("{name}:{most}"),
    }
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
