//! A service as `docker compose config --format json` says it, and what `docker inspect` then says of its container.
//! As Compose 2.26 and Docker 20.10 do it; what the sandbox has no use for is left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use serde_yaml::{Mapping, Value as Yaml};

use super::compose_file::{Project, join};
use super::interpolate::Vars;

/// Keys that are taken over as they stand.
const PLAIN: [&str; 14] = [
    "cap_add",
    "cap_drop",
    "container_name",
    "extra_hosts",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "network_mode",
    "privileged",
    "profiles",
    "read_only",
    "user",
    "working_dir",
];

/// The service, from its resolved part of the file.
pub(super) fn spec(directory: &str, body: &Mapping, environment: &Vars) -> Value {
    let mut spec = Map::new();
    for key in PLAIN {
        if let Some(value) = body.get(key) {
            spec.insert(key.to_owned(), json_of(value));
        }
    }
    for key in ["command", "entrypoint"] {
        spec.insert(key.to_owned(), words(body.get(key)));
    }
    if let Some(Yaml::String(policy)) = body.get("restart") {
        spec.insert("restart".to_owned(), json!(policy));
    }
    if !environment.is_empty() {
        spec.insert("environment".to_owned(), json!(environment));
    }
    let labels = super::compose_file::pairs(body.get("labels"));
    if !labels.is_empty() {
        spec.insert("labels".to_owned(), json!(labels));
    }
    let list = |key: &str| {
        body.get(key)
            .and_then(Yaml::as_sequence)
            .into_iter()
            .flatten()
    };
    let ports: Vec<Value> = list("ports").map(port).collect();
    if !ports.is_empty() {
        spec.insert("ports".to_owned(), json!(ports));
    }
    let volumes: Vec<Value> = list("volumes")
        .filter_map(|v| volume(directory, v))
        .collect();
    if !volumes.is_empty() {
        spec.insert("volumes".to_owned(), json!(volumes));
    }
    if !body.contains_key("network_mode") {
        let networks = match body.get("networks") {
            Some(Yaml::Sequence(names)) => {
                let names = names.iter().filter_map(Yaml::as_str);
                names.map(|n| (n.to_owned(), Value::Null)).collect()
            }
            Some(networks @ Yaml::Mapping(_)) => json_of(networks),
            _ => json!({ "default": null }),
        };
        spec.insert("networks".to_owned(), networks);
    }
    let depends_on: Map<String, Value> = super::compose_file::dependencies(body.get("depends_on"))
        .into_iter()
        .map(|(name, condition)| (name, json!({ "condition": condition, "required": true })))
        .collect();
    if !depends_on.is_empty() {
        spec.insert("depends_on".to_owned(), Value::Object(depends_on));
    }
    json!(spec.into_iter().collect::<BTreeMap<_, _>>())
}

fn json_of(value: &Yaml) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn words(value: Option<&Yaml>) -> Value {
    match value {
        Some(Yaml::String(line)) => json!(line.split_whitespace().collect::<Vec<_>>()),
        Some(list @ Yaml::Sequence(_)) => json_of(list),
        _ => Value::Null,
    }
}

/// `[[ip:]published:]target[/protocol]`.
fn port(value: &Yaml) -> Value {
    if let Yaml::Mapping(_) = value {
        return json_of(value);
    }
    let text = super::compose_file::scalar(value);
    let (text, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let mut parts = text.rsplitn(3, ':');
    let target = parts.next().and_then(|t| t.parse::<u32>().ok());
    let (published, ip) = (parts.next(), parts.next());
    // In the order in which Compose writes them.
    let mut port = json!({ "mode": "ingress" });
    if let Some(ip) = ip {
        port["host_ip"] = json!(ip);
    }
    port["target"] = json!(target);
    if let Some(published) = published {
        port["published"] = json!(published);
    }
    port["protocol"] = json!(protocol);
    port
}

fn volume(directory: &str, value: &Yaml) -> Option<Value> {
    if let Yaml::Mapping(_) = value {
        return Some(json_of(value));
    }
    let text = super::compose_file::scalar(value);
    let mut parts = text.splitn(3, ':');
    let (first, second, mode) = (parts.next()?, parts.next(), parts.next());
    let Some(target) = second else {
        return Some(json!({ "type": "volume", "target": first, "volume": {} }));
    };
    let bind = first.starts_with(['/', '.', '~']);
    let (kind, source, more) = if bind {
        let more = json!({ "create_host_path": true });
        ("bind", join(directory, first), more)
    } else {
        ("volume", first.to_owned(), json!({}))
    };
    let mut volume = json!({ "type": kind, "source": source, "target": target });
    if mode.is_some_and(|mode| mode.split(',').any(|m| m == "ro")) {
        volume["read_only"] = json!(true);
    }
    volume[kind] = more;
    Some(volume)
}

/// `docker compose config --format json SERVICE…`: the services and what they depend on.
///
/// # Errors
/// Compose's words for a service that is not there.
pub(super) fn config(name: &str, project: &Project, asked: &[&str]) -> Result<String, String> {
    let mut chosen: BTreeSet<&str> = BTreeSet::new();
    let mut queue: Vec<&str> = asked.to_vec();
    while let Some(service) = queue.pop() {
        let found = project.services.get_key_value(service);
        let (service, found) = found.ok_or_else(|| format!("no such service: {service}"))?;
        if chosen.insert(service) {
            let of = found.depends_on.split(',').filter(|d| !d.is_empty());
            queue.extend(of.map(|d| d.split(':').next().unwrap_or(d)));
        }
    }
    let services: BTreeMap<&str, &Value> = chosen
        .into_iter()
        .map(|s| (s, &project.services[s].spec))
        .collect();
    let own = |(key, given): (&String, &Option<String>)| {
        let own = given.clone().unwrap_or_else(|| format!("{name}_{key}"));
        (key.clone(), json!({ "name": own }))
    };
    let mut networks: BTreeMap<String, Value> = project.networks.iter().map(own).collect();
    for network in networks.values_mut() {
        network["ipam"] = json!({});
    }
    let volumes: BTreeMap<String, Value> = project.volumes.iter().map(own).collect();
    let mut whole = json!({ "name": name, "networks": networks, "services": services });
    if !volumes.is_empty() {
        whole["volumes"] = json!(volumes);
    }
    let text = serde_json::to_string_pretty(&whole).map_err(|e| e.to_string())?;
    let text = text
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    Ok(text.replace('$', "$$"))
}

/// What a container is made of, from the project as it is when it is made: its spec, and the names of its networks.
pub(super) fn made(name: &str, project: &Project, spec: &Value) -> Value {
    let networks = spec["networks"].as_object().into_iter().flatten();
    let networks = networks.map(|(key, _)| {
        let given = project.networks.get(key).cloned().flatten();
        given.unwrap_or_else(|| format!("{name}_{key}"))
    });
    json!({ "spec": spec, "networks": networks.collect::<Vec<_>>() })
}

/// The parts of `docker inspect` that come from it.
pub(super) fn inspected(id: &str, made: &Value) -> (Value, Value, Value) {
    let spec = &made["spec"];
    let text = |key: &str| spec[key].as_str().unwrap_or_default();
    let flag = |key: &str| spec[key].as_bool().unwrap_or(false);
    let environment = spec["environment"].as_object().into_iter().flatten();
    let env: Vec<String> = environment
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let short = id.get(..12).unwrap_or(id);
    let host = spec["hostname"].as_str().unwrap_or(short);
    let test = &spec["healthcheck"]["test"];
    let health = match test {
        Value::Array(_) => json!({ "Test": test }),
        Value::String(line) => json!({ "Test": ["CMD-SHELL", line] }),
        _ => Value::Null,
    };
    let config = json!({
        "Env": env, "Cmd": spec["command"], "Entrypoint": spec["entrypoint"], "User": text("user"),
        "WorkingDir": text("working_dir"), "Hostname": host, "Tty": flag("tty"), "OpenStdin": flag("stdin_open"),
        "Volumes": null, "Healthcheck": health,
    });
    let mut ports: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for port in spec["ports"].as_array().into_iter().flatten() {
        let target = format!(
            "{}/{}",
            port["target"],
            port["protocol"].as_str().unwrap_or("tcp")
        );
        let published = match &port["published"] {
            Value::Number(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let ip = port["host_ip"].as_str().unwrap_or_default();
        let binding = json!({ "HostIp": ip, "HostPort": published });
        ports.entry(target).or_default().push(binding);
    }
    let networks = made["networks"].as_array();
    let first = networks.and_then(|n| n.first()).cloned();
    let mode = spec.get("network_mode").cloned().or(first);
    // Compose always gives a list.
    let extra_hosts = match &spec["extra_hosts"] {
        Value::Null if !spec.is_null() => json!([]),
        given => given.clone(),
    };
    let host_config = json!({
        "PortBindings": ports, "Privileged": flag("privileged"), "ReadonlyRootfs": flag("read_only"),
        "Init": spec["init"], "CapAdd": spec["cap_add"], "CapDrop": spec["cap_drop"], "DNS": [],
        "ExtraHosts": extra_hosts, "NetworkMode": mode.unwrap_or_else(|| json!("default")),
    });
    let networks: Map<String, Value> = networks
        .into_iter()
        .flatten()
        .filter_map(|n| Some((n.as_str()?.to_owned(), json!({}))))
        .collect();
    (config, host_config, json!({ "Networks": networks }))
}
