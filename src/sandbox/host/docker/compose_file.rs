//! A compose file as the engine needs it: read, interpolated, checked, with a hash for each service.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use super::container::{Bind, restart_policy};
use super::interpolate::{Notes, Vars, env_file, interpolate};
use super::overlay::overlay;
use super::spec::spec;
use crate::model::sha256_hex;
use crate::sandbox::host::HostFiles;

/// A project, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// Its volumes, with a name of their own where they have one.
    pub volumes: BTreeMap<String, Option<String>>,
    /// Its networks, the same; `default` is always there.
    pub networks: BTreeMap<String, Option<String>>,
    /// What Compose would warn of, one line each.
    pub warnings: Vec<String>,
}

/// A service, as far as a container is made from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// `image`, as it stands there after interpolation.
    pub image: String,
    /// `container_name`, where there is one.
    pub container_name: Option<String>,
    /// `restart`, `no` where it is not said: the policy, and the limit of `on-failure:N`.
    pub restart: (String, u32),
    /// The label `com.docker.compose.depends_on`: `name:condition:restart`, with commas.
    pub depends_on: String,
    /// `labels`.
    pub labels: BTreeMap<String, String>,
    /// `volumes`.
    pub binds: Vec<Bind>,
    /// `healthcheck`: Some(true) is one of its own, Some(false) is switched off, None is the image's.
    pub healthcheck: Option<bool>,
    /// The whole, as `config --format json` says it.
    pub spec: serde_json::Value,
    /// Hash of the whole resolved service; another one makes `up` recreate the container.
    pub hash: String,
}

const TOP: &[&str] = &[
    "name", "version", "services", "networks", "volumes", "configs", "secrets", "include",
];
const SERVICE: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
];

/// Reads and checks a project.
///
/// # Errors
/// Compose's words for what is wrong.
pub fn load(
    files: &dyn HostFiles,
    compose_files: &[String],
    directory: &str,
    env_files: &[String],
) -> Result<Project, String> {
    let mut vars = Vars::new();
    if env_files.is_empty()
        && let Ok(text) = files.read(&join(directory, ".env"))
    {
        vars.extend(env_file(&text));
    }
    for path in env_files {
        let text = files
            .read(path)
            .map_err(|_| format!("Couldn't find env file: {path}"))?;
        vars.extend(env_file(&text));
    }
    let mut document = Value::Null;
    for file in compose_files {
        let text = files
            .read(file)
            .map_err(|_| format!("open {file}: no such file or directory"))?;
        let mut one: Value = serde_yaml::from_str(&text).map_err(|e| no_yaml(&e))?;
        one.apply_merge().map_err(|e| no_yaml(&e))?;
        overlay(&mut document, one);
    }
    let file = compose_files.first().map_or("", String::as_str);
    let mut notes = Notes::default();
    if let Some(top) = document.as_mapping_mut() {
        // Keys of the user's own are not interpolated into anything that counts.
        top.retain(|key, _| !key.as_str().is_some_and(|k| k.starts_with("x-")));
    }
    replace(&mut document, &mut Vec::new(), &vars, &mut notes)?;
    let services = check(&document, file)?;
    let mut resolved = BTreeMap::new();
    for (name, body) in services {
        let service = service(files, directory, name, body)?;
        resolved.insert(name.to_owned(), service);
    }
    for (name, body) in services_of(&document) {
        for dependency in dependencies(body.get("depends_on")) {
            if !resolved.contains_key(&dependency.0) {
                return Err(format!(
                    "service {name:?} depends on undefined service {:?}: invalid compose project",
                    dependency.0
                ));
            }
        }
    }
    let warnings = notes
        .unset
        .iter()
        .map(|name| format!("The {name:?} variable is not set. Defaulting to a blank string."))
        .collect();
    let named = |key: &str| {
        let all = document.get(key).and_then(Value::as_mapping);
        let name = |(key, body): (&Value, &Value)| (scalar(key), body.get("name").map(scalar));
        all.into_iter().flatten().map(name).collect()
    };
    let mut networks: BTreeMap<String, Option<String>> = named("networks");
    networks.entry("default".to_owned()).or_default();
    Ok(Project {
        services: resolved,
        volumes: named("volumes"),
        networks,
        warnings,
    })
}

fn replace(
    value: &mut Value,
    path: &mut Vec<String>,
    vars: &Vars,
    notes: &mut Notes,
) -> Result<(), String> {
    match value {
        Value::String(text) if text.contains('$') => {
            *text = interpolate(text, vars, notes)
                .map_err(|why| not_interpolated(&path.join("."), &why))?;
        }
        Value::Sequence(items) => {
            for item in items {
                path.push("[]".to_owned());
                replace(item, path, vars, notes)?;
                path.pop();
            }
        }
        Value::Mapping(map) => {
            for (key, item) in map.iter_mut() {
                path.push(scalar(key));
                replace(item, path, vars, notes)?;
                path.pop();
            }
        }
        Value::Tagged(tagged) => replace(&mut tagged.value, path, vars, notes)?,
        _ => {}
    }
    Ok(())
}

/// In the words of Compose's own reader, which counts lines from 0.
fn no_yaml(error: &serde_yaml::Error) -> String {
    let said = error.to_string();
    match (said.split_once(" at line "), error.location()) {
        (Some((why, _)), Some(at)) if at.line() > 1 => {
            format!("yaml: line {}: {why}", at.line() - 1)
        }
        _ => format!("yaml: {said}"),
    }
}

/// A form that is wrong has words of its own.
fn not_interpolated(path: &str, why: &str) -> String {
    match why.strip_prefix("invalid interpolation format") {
        Some(rest) => format!("invalid interpolation format for {path}{rest}"),
        None => format!("error while interpolating {path}: {why}"),
    }
}

fn check<'a>(document: &'a Value, file: &str) -> Result<Vec<(&'a str, &'a Mapping)>, String> {
    let bad = |what: String| format!("validating {file}: {what}");
    let top = document
        .as_mapping()
        .ok_or_else(|| "Top-level object must be a mapping".to_owned())?;
    for key in top.keys().map(scalar) {
        if !TOP.contains(&key.as_str()) {
            return Err(bad(format!(
                "(root) Additional property {key} is not allowed"
            )));
        }
    }
    let services = match document.get("services") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Mapping(services)) => services,
        Some(_) => return Err(bad("services must be a mapping".to_owned())),
    };
    for (name, body) in services {
        let name = scalar(name);
        let Some(body) = body.as_mapping() else {
            return Err(bad(format!("services.{name} must be a mapping")));
        };
        for key in body.keys().map(scalar) {
            if !SERVICE.contains(&key.as_str()) && !key.starts_with("x-") {
                return Err(bad(format!(
                    "services.{name} Additional property {key} is not allowed"
                )));
            }
        }
        match (body.get("image"), body.get("build")) {
            (None, None) => {
                return Err(format!(
                    "service {name:?} has neither an image nor a build context specified: invalid compose project"
                ));
            }
            (Some(image), _) if !image.is_string() => {
                return Err(bad(format!("services.{name}.image must be a string")));
            }
            _ => {}
        }
    }
    Ok(services_of(document))
}

fn services_of(document: &Value) -> Vec<(&str, &Mapping)> {
    let services = document.get("services").and_then(Value::as_mapping);
    let services = services.into_iter().flatten();
    services
        .filter_map(|(name, body)| Some((name.as_str()?, body.as_mapping()?)))
        .collect()
}

fn service(
    files: &dyn HostFiles,
    directory: &str,
    name: &str,
    body: &Mapping,
) -> Result<Service, String> {
    let mut environment = Vars::new();
    for (path, required) in env_files_of(body) {
        let path = join(directory, &path);
        match files.read(&path) {
            Ok(text) => environment.extend(env_file(&text)),
            Err(_) if !required => {}
            Err(_) => {
                return Err(format!(
                    "env file {path} not found: stat {path}: no such file or directory"
                ));
            }
        }
    }
    environment.extend(pairs(body.get("environment")));
    let depends_on: Vec<String> = dependencies(body.get("depends_on"))
        .into_iter()
        .map(|(name, condition)| format!("{name}:{condition}:false"))
        .collect();
    let healthcheck = body
        .get("healthcheck")
        .and_then(Value::as_mapping)
        .map(|check| {
            let off = check.get("disable").and_then(Value::as_bool) == Some(true);
            let none = match check.get("test") {
                Some(Value::Sequence(test)) => test.first().is_some_and(|t| scalar(t) == "NONE"),
                _ => false,
            };
            !(off || none)
        });
    let restart = match body.get("restart") {
        None | Some(Value::Bool(false)) => "no".to_owned(),
        Some(other) => scalar(other),
    };
    let restart = restart_policy(&restart)
        .ok_or_else(|| format!("service {name:?}: invalid restart policy {restart:?}"))?;
    // What it depends on is added where it counts, see `compose::hash`.
    let mut hashed = body.clone();
    hashed.remove("depends_on");
    hashed.remove("env_file");
    hashed.remove("environment");
    let hashed = serde_yaml::to_string(&hashed).map_err(|e| e.to_string())?;
    Ok(Service {
        spec: spec(directory, body, &environment),
        image: body
            .get("image")
            .map_or_else(|| format!("{name}-build"), scalar),
        container_name: body.get("container_name").map(scalar),
        restart,
        depends_on: depends_on.join(","),
        labels: pairs(body.get("labels")),
        binds: binds(directory, body.get("volumes")),
        healthcheck,
        hash: sha256_hex(format!("{hashed}{environment:?}")),
    })
}

/// `env_file`, in its three forms: the path, and whether it must be there.
fn env_files_of(body: &Mapping) -> Vec<(String, bool)> {
    let one = |value: &Value| match value {
        Value::Mapping(map) => {
            let required = map.get("required").and_then(Value::as_bool).unwrap_or(true);
            map.get("path").map(|path| (scalar(path), required))
        }
        other => Some((scalar(other), true)),
    };
    match body.get("env_file") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Sequence(items)) => items.iter().filter_map(one).collect(),
        Some(other) => one(other).into_iter().collect(),
    }
}

/// `environment` and `labels`: a mapping, or a list of `key=value`.
pub(super) fn pairs(value: Option<&Value>) -> BTreeMap<String, String> {
    match value {
        Some(Value::Mapping(map)) => map.iter().map(|(k, v)| (scalar(k), scalar(v))).collect(),
        Some(Value::Sequence(items)) => items
            .iter()
            .map(scalar)
            .map(|item| match item.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None => (item, String::new()),
            })
            .collect(),
        _ => BTreeMap::new(),
    }
}

/// `depends_on`, in both forms: the service and the condition.
pub(super) fn dependencies(value: Option<&Value>) -> Vec<(String, String)> {
    match value {
        Some(Value::Sequence(items)) => items
            .iter()
            .map(|item| (scalar(item), "service_started".to_owned()))
            .collect(),
        Some(Value::Mapping(map)) => map
            .iter()
            .map(|(name, body)| {
                let condition = body.get("condition").map(scalar);
                (
                    scalar(name),
                    condition.unwrap_or_else(|| "service_started".to_owned()),
                )
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn binds(directory: &str, value: Option<&Value>) -> Vec<Bind> {
    let Some(Value::Sequence(items)) = value else {
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| bind(directory, item))
        .collect()
}

fn bind(directory: &str, item: &Value) -> Option<Bind> {
    let (kind, source, destination, writable) = match item {
        Value::Mapping(map) => {
            let text = |key: &str| map.get(key).map(scalar);
            let writable = map.get("read_only").and_then(Value::as_bool) != Some(true);
            (text("type"), text("source")?, text("target")?, writable)
        }
        other => {
            let text = scalar(other);
            let mut parts = text.splitn(3, ':');
            let (source, destination) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            let writable = !parts
                .next()
                .is_some_and(|mode| mode.split(',').any(|m| m == "ro"));
            (None, source, destination, writable)
        }
    };
    let is_path = source.starts_with(['/', '.', '~']);
    let kind = kind.unwrap_or_else(|| if is_path { "bind" } else { "volume" }.to_owned());
    // A volume has the name of its project; see `Options::load`.
    let source = if kind == "volume" {
        source
    } else {
        join(directory, &source)
    };
    Some(Bind {
        kind,
        source,
        destination,
        writable,
    })
}

/// A path seen from a folder.
pub(super) fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let path = path.strip_prefix("./").unwrap_or(path);
    format!("{}/{path}", directory.trim_end_matches('/'))
}

pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        other => format!("{other:?}"),
    }
}
