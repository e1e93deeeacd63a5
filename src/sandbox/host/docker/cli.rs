//! `docker …` as the scripts call it.

use std::time::Duration;

use serde_json::{Value, json};

use super::container::{Serves, restart_policy};
use super::template::render;
use super::{cli_compose, create, list, logs, prune};
use crate::model::ImageRef;
use crate::sandbox::host::{HostContext, HostFiles};
use crate::sandbox::latency::Latency;
use crate::sandbox::registry::familiar;

/// The version that the engine says it has.
pub const DOCKER_VERSION: &str = "20.10.24";

/// What a program printed, and its exit code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code.
    pub code: i32,
}

impl Answer {
    pub(super) fn ok(stdout: impl Into<String>) -> Self {
        Self {
            stdout: stdout.into(),
            ..Self::default()
        }
    }

    pub(super) fn failed(stderr: impl std::fmt::Display) -> Self {
        Self {
            stderr: format!("{stderr}\n"),
            code: 1,
            ..Self::default()
        }
    }

    pub(super) fn daemon(why: impl std::fmt::Display) -> Self {
        Self::failed(format!("Error response from daemon: {why}"))
    }
}

/// How long a call takes, to be waited for before [`docker`] does it, without the world's lock.
pub fn takes(argv: &[String], latency: &Latency) -> Duration {
    match argv.first().map(String::as_str) {
        Some("pull") => Duration::from_millis(latency.pull),
        _ => Duration::ZERO,
    }
}

/// Does one call of `docker`; `argv` is without the program's name.
pub fn docker(at: &mut HostContext<'_>, files: &dyn HostFiles, argv: &[String]) -> Answer {
    at.settle();
    // docker.socket starts a daemon that is down, whatever is mounted by then.
    at.host.start_docker(at.now);
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let answer = call(at, files, &words);
    at.settle();
    answer
}

fn call(at: &mut HostContext<'_>, files: &dyn HostFiles, argv: &[&str]) -> Answer {
    match argv {
        ["version", rest @ ..] => formatted(rest, &version(at)),
        ["info", rest @ ..] => formatted(rest, &info(at)),
        ["ps", rest @ ..] | ["container", "ls", rest @ ..] => list::ps(at, rest),
        ["image", "ls", rest @ ..] | ["images", rest @ ..] => list::images(at, rest),
        ["inspect", "--type", "container", rest @ ..]
        | ["inspect", "--type=container", rest @ ..]
        | ["container", "inspect", rest @ ..] => inspect_containers(at, rest),
        ["image", "inspect", rest @ ..] => inspect_images(at, rest),
        ["pull", rest @ ..] | ["image", "pull", rest @ ..] => pull(at, rest),
        ["tag", source, target] | ["image", "tag", source, target] => tag(at, source, target),
        ["stop", rest @ ..] => each(at, skip_time(rest), |at, name| {
            at.host.engine.stop(name, at.now)
        }),
        ["start", rest @ ..] => start(at, rest),
        ["update", restart, rest @ ..] if restart.starts_with("--restart=") => {
            update(at, &restart["--restart=".len()..], rest)
        }
        ["update", "--restart", policy, rest @ ..] => update(at, policy, rest),
        ["rm", "-f" | "--force", rest @ ..] => {
            each(at, rest, |at, name| at.host.engine.remove(name, true))
        }
        // There are no volumes here that would go with it.
        ["rm", "-v" | "--volumes", rest @ ..] | ["rm", rest @ ..] => remove(at, rest),
        ["rename", name, to] => rename(at, name, to),
        ["rmi", name] | ["image", "rm", name] => prune::rmi(at, name),
        ["image", "prune", rest @ ..] => prune::images(at, rest),
        ["container", "prune", "-f" | "--force"] => prune::containers(at),
        ["system", "prune", rest @ ..] => prune::system(at, rest),
        ["create", rest @ ..] => create::create(at, rest),
        ["logs", rest @ ..] => logs::logs(at, rest),
        // A declared command, as the probes send it.
        ["exec", name, _, ..] if !name.starts_with('-') => exec(at, name),
        ["exec", rest @ ..] => logs::exec(at, rest),
        ["compose", rest @ ..] => cli_compose::compose(at, files, rest),
        _ => unknown(argv),
    }
}

pub(super) fn unknown(argv: &[&str]) -> Answer {
    let shown: Vec<String> = argv.iter().map(|w| w.chars().take(80).collect()).collect();
    Answer {
        stderr: format!(
            "docker: this sandbox's docker does not know the form: docker {}\n",
            shown.join(" ")
        ),
        code: 125,
        ..Answer::default()
    }
}

/// The value of `--format X`, `--format=X` or `-f X`, and the other words.
pub(super) fn format_of<'a>(argv: &[&'a str]) -> (Option<&'a str>, Vec<&'a str>) {
    let (mut format, mut rest) = (None, Vec::new());
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        match *word {
            "--format" | "-f" => format = words.next().copied(),
            word => match word.strip_prefix("--format=") {
                Some(value) => format = Some(value),
                None => rest.push(word),
            },
        }
    }
    (format, rest)
}

fn formatted(argv: &[&str], document: &Value) -> Answer {
    match format_of(argv) {
        (Some(format), rest) if rest.is_empty() => match render(format, document) {
            Ok(text) => Answer::ok(text + "\n"),
            Err(why) => Answer::failed(format!("Error: {why}")),
        },
        _ => unknown(&["version|info", "(without --format)"]),
    }
}

fn version(at: &HostContext<'_>) -> Value {
    let arch = at.host.architecture();
    let part =
        json!({ "Version": DOCKER_VERSION, "ApiVersion": "1.41", "Os": "linux", "Arch": arch });
    json!({ "Client": part, "Server": part })
}

fn info(at: &HostContext<'_>) -> Value {
    let running = at
        .host
        .engine
        .containers
        .iter()
        .filter(|c| c.running())
        .count();
    json!({
        "ServerVersion": DOCKER_VERSION, "DockerRootDir": "/var/lib/docker", "Driver": "overlay2",
        "OSType": "linux", "Architecture": at.host.machine,
        "Containers": at.host.engine.containers.len(), "ContainersRunning": running,
        "Images": at.host.engine.images.len(),
    })
}

fn inspect_containers(at: &mut HostContext<'_>, argv: &[&str]) -> Answer {
    let (format, names) = format_of(argv);
    let mut documents = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        match at.host.engine.container(name) {
            Ok(container) => documents.push(container.inspect(&at.latency, at.now)),
            Err(why) => missing.push(why),
        }
    }
    // Without a template, a health that is not there is left out.
    if format.is_none() {
        documents.iter_mut().for_each(without_health);
    }
    inspected(format, documents, &missing)
}

fn without_health(document: &mut Value) {
    let state = document.get_mut("State").and_then(Value::as_object_mut);
    if let Some(state) = state.filter(|s| s["Health"].is_null()) {
        state.remove("Health");
    }
}

/// A template sees Go's structure first, in which the id is `.ID` and every field is there. What fails on it sees the
/// JSON document, in which it is `.Id` and a health that is not there is missing, even in a condition. (Seen.)
fn rendered(format: &str, document: &Value) -> Result<String, String> {
    let mut structure = document.clone();
    if let Some(id) = structure.as_object_mut().and_then(|s| s.remove("Id")) {
        structure["ID"] = id;
    }
    render(format, &structure).or_else(|_| {
        let mut document = document.clone();
        without_health(&mut document);
        render(format, &document)
    })
}

fn inspect_images(at: &HostContext<'_>, argv: &[&str]) -> Answer {
    let (format, names) = format_of(argv);
    let mut documents = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        match at.host.engine.image(name) {
            Some(image) => documents.push(json!({
                "Id": image.id, "RepoTags": image.tags, "RepoDigests": image.digests,
                "Architecture": image.architecture, "Os": "linux", "Size": image.size,
                "Config": {
                    "Env": null, "Cmd": null, "Entrypoint": null, "User": "", "WorkingDir": "",
                    "Labels": null, "Volumes": null, "Healthcheck": null,
                },
            })),
            None => missing.push(format!("No such image: {name}")),
        }
    }
    inspected(format, documents, &missing)
}

fn inspected(format: Option<&str>, documents: Vec<Value>, missing: &[String]) -> Answer {
    let mut answer = Answer::default();
    match format {
        Some(format) => {
            for document in &documents {
                match rendered(format, document) {
                    Ok(text) => answer.stdout += &(text + "\n"),
                    Err(why) => {
                        answer.stderr += &format!("Template parsing error: {why}\n");
                        answer.code = 1;
                    }
                }
            }
            // Docker 20.10 prints an empty line where it found nothing at all.
            if documents.is_empty() {
                answer.stdout += "\n";
            }
        }
        None => {
            let text = serde_json::to_string_pretty(&documents).unwrap_or_default();
            answer.stdout = text + "\n";
        }
    }
    for why in missing {
        answer.stderr += &format!("Error: {why}\n");
        answer.code = 1;
    }
    answer
}

fn reference(text: &str) -> Result<ImageRef, Answer> {
    ImageRef::new(text).map_err(|_| {
        let name = text.rsplit_once(':').map_or(text, |(name, _)| name);
        let why = match name.bytes().any(|b| b.is_ascii_uppercase()) {
            true => ": repository name must be lowercase",
            false => "",
        };
        Answer::failed(format!("invalid reference format{why}"))
    })
}

pub(super) fn pull(at: &mut HostContext<'_>, argv: &[&str]) -> Answer {
    let (quiet, name) = match argv {
        ["-q" | "--quiet", name] => (true, name),
        [name] => (false, name),
        _ => return unknown(&["pull"]),
    };
    let reference = match reference(name) {
        Ok(reference) => reference,
        Err(answer) => return answer,
    };
    let architecture = at.host.architecture();
    let image = match at.registry.pull(&reference, architecture, at.faults) {
        Ok(image) => image,
        Err(why) => return Answer::daemon(why),
    };
    let here = at.host.engine.images.iter().any(|i| i.id == image.id);
    if !here && image.size > at.host.disk_free {
        return Answer::failed(format!(
            "failed to register layer: Error processing tar file(exit status 1): write /usr/lib/x: no space left on device ({} bytes)",
            image.size
        ));
    }
    let new = at.host.engine.take(&reference, &image);
    if !here {
        at.host.disk_free -= image.size;
    }
    let whole = format!("{}\n", reference.normalized());
    if quiet {
        return Answer::ok(whole);
    }
    let short = familiar(reference.as_str());
    let status = if new {
        "Downloaded newer image for"
    } else {
        "Image is up to date for"
    };
    Answer::ok(format!(
        "{}: Pulling from {}\n{}Digest: {}\nStatus: {status} {short}\n{whole}",
        reference.tag().unwrap_or_default(),
        reference.repository(),
        if here {
            String::new()
        } else {
            layers(&image.id)
        },
        image.digest,
    ))
}

/// The lines of four layers, as 20.10 writes them where its output is no terminal: without bytes. (Seen.)
fn layers(id: &str) -> String {
    let hex = &id["sha256:".len()..];
    let ids: Vec<&str> = (0..4).map(|at| &hex[at * 12..][..12]).collect();
    let mut said = String::new();
    for id in &ids {
        said += &format!("{id}: Pulling fs layer\n");
    }
    said += &format!("{}: Waiting\n", ids[3]);
    for id in &ids {
        said += &format!("{id}: Verifying Checksum\n{id}: Download complete\n");
    }
    for id in &ids {
        said += &format!("{id}: Pull complete\n");
    }
    said
}

fn tag(at: &mut HostContext<'_>, source: &str, target: &str) -> Answer {
    match reference(target) {
        Ok(target) => match at.host.engine.tag(source, &target) {
            Ok(()) => Answer::default(),
            Err(why) => Answer::daemon(why),
        },
        Err(_) => Answer::failed(format!(
            "Error parsing reference: {target:?} is not a valid repository/tag: invalid reference format"
        )),
    }
}

/// One after another; prints the names of those that went well.
fn each(
    at: &mut HostContext<'_>,
    names: &[&str],
    mut act: impl FnMut(&mut HostContext<'_>, &str) -> Result<(), String>,
) -> Answer {
    let mut answer = Answer::default();
    for name in names {
        match act(at, name) {
            Ok(()) => answer.stdout += &format!("{name}\n"),
            Err(why) => {
                answer.stderr += &format!("Error response from daemon: {why}\n");
                answer.code = 1;
            }
        }
    }
    answer
}

/// `docker rm`: what is not there the client says by itself.
fn remove(at: &mut HostContext<'_>, names: &[&str]) -> Answer {
    let mut answer = each(at, names, |at, name| at.host.engine.remove(name, false));
    let (of_daemon, own) = ("Error response from daemon: No such", "Error: No such");
    answer.stderr = answer.stderr.replace(of_daemon, own);
    answer
}

/// `docker rename`: the client adds its own words to the engine's.
fn rename(at: &mut HostContext<'_>, name: &str, to: &str) -> Answer {
    match at.host.engine.rename(name, to) {
        Ok(()) => Answer::default(),
        Err(why) => Answer::daemon(format!(
            "{why}\nError: failed to rename container named {name}"
        )),
    }
}

/// `-t N`, `--time N` and `--time=N` of `docker stop`: here everything stops in time.
fn skip_time<'a, 'b>(argv: &'a [&'b str]) -> &'a [&'b str] {
    match argv {
        ["-t" | "--time", _, rest @ ..] => rest,
        [first, rest @ ..] if first.starts_with("--time=") => rest,
        all => all,
    }
}

fn start(at: &mut HostContext<'_>, names: &[&str]) -> Answer {
    let mut failed = Vec::new();
    let mut answer = each(at, names, |at, name| {
        at.host
            .engine
            .start(name, at.now)
            .inspect_err(|_| failed.push(name.to_owned()))
    });
    if !failed.is_empty() {
        answer.stderr += &format!("Error: failed to start containers: {}\n", failed.join(", "));
    }
    answer
}

fn update(at: &mut HostContext<'_>, policy: &str, names: &[&str]) -> Answer {
    let Some((word, max)) = restart_policy(policy) else {
        return Answer::daemon(format!("invalid restart policy '{policy}'"));
    };
    each(at, names, |at, name| {
        let container = at.host.engine.container(name)?;
        (container.restart_policy, container.restart_max) = (word.clone(), max);
        Ok(())
    })
}

/// Whatever the command is, it ends as the container's health says: nothing is run.
fn exec(at: &mut HostContext<'_>, name: &str) -> Answer {
    let container = match at.host.engine.container(name) {
        Ok(container) => container,
        Err(why) => return Answer::failed(format!("Error: {why}")),
    };
    if !container.running() {
        return Answer::daemon(format!("Container {} is not running", container.id));
    }
    match container.serves(&at.latency, at.now) {
        Serves::Well => Answer::default(),
        Serves::Sick | Serves::Closed => Answer::failed("not ready to serve"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_sees_the_structure_first_and_then_the_document() {
        let health = "{{if .State.Health}}a{{else}}b{{end}}";
        let document = json!({"Id": "x", "State": {"Health": null}});
        for (format, expected) in [
            ("{{.ID}}".to_owned(), Some("x")),
            ("{{.Id}}".to_owned(), Some("x")),
            (format!("{{{{.ID}}}} {health}"), Some("x b")),
            (format!("{{{{.Id}}}} {health}"), None),
        ] {
            let said = rendered(&format, &document);
            assert_eq!(said.ok().as_deref(), expected, "{format}");
        }
    }
}
