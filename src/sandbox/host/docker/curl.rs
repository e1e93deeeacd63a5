//! `curl` as the probes call it: two forms, answered by the world's health. Nothing is ever asked over a network: who
//! tries the sandbox has services of their own on these ports.

use serde_yaml::Value;

use super::cli::Answer;
use super::container::{Container, Serves};
use crate::sandbox::host::{HostContext, HostFiles};

/// Does one call; `argv` is without the program's name.
pub fn curl(at: &mut HostContext<'_>, files: &dyn HostFiles, argv: &[String]) -> Answer {
    at.settle();
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match words.as_slice() {
        [
            "-q",
            "-g",
            "-s",
            "-o",
            "/dev/null",
            "--noproxy",
            "*",
            "-m",
            _,
            "-w",
            "%{http_code}",
            "--url",
            url,
        ] => match serves(at, files, url) {
            Serves::Well => said("200", 0),
            Serves::Sick => said("503", 0),
            Serves::Closed => said("000", 7),
        },
        // curl 7.88: 28 is the end of its time, with the connection still open; 0 a connection that was closed.
        [
            "-q",
            "-s",
            "-o",
            "/dev/null",
            "--noproxy",
            "*",
            "-m",
            _,
            "-w",
            "%{num_connects}",
            "--url",
            url,
        ] if url.starts_with("telnet://") => match serves(at, files, url) {
            Serves::Well => said("1", 28),
            Serves::Sick => said("1", 0),
            Serves::Closed => said("0", 7),
        },
        _ => Answer {
            stderr: "curl: this sandbox's curl does not know this form\n".to_owned(),
            code: 2,
            ..Answer::default()
        },
    }
}

fn said(stdout: &str, code: i32) -> Answer {
    Answer {
        stdout: stdout.to_owned(),
        code,
        ..Answer::default()
    }
}

/// Who listens on the port of a URL: the running container whose service publishes it.
fn serves(at: &HostContext<'_>, files: &dyn HostFiles, url: &str) -> Serves {
    let Some(port) = port(url) else {
        return Serves::Closed;
    };
    let containers = at.host.engine.containers.iter().filter(|c| c.running());
    let mut published = containers.filter(|c| publishes(c, files).contains(&port));
    published
        .next()
        .map_or(Serves::Closed, |c| c.serves(&at.latency, at.now))
}

fn port(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    match after.rsplit_once(':') {
        Some((_, port)) => port.parse().ok(),
        None if scheme == "https" => Some(443),
        None => Some(80),
    }
}

/// The ports of the host that its compose files give the container's service.
fn publishes(container: &Container, files: &dyn HostFiles) -> Vec<u16> {
    let label = |key: &str| container.labels.get(&format!("com.docker.compose.{key}"));
    let read = |path: &str| -> Option<Vec<u16>> {
        let text = files.read(path).ok()?;
        let file: Value = serde_yaml::from_str(&text).ok()?;
        let ports = file.get("services")?.get(label("service")?)?.get("ports")?;
        Some(ports.as_sequence()?.iter().filter_map(host_port).collect())
    };
    let paths = label("project.config_files").map_or("", String::as_str);
    paths.split(',').filter_map(read).flatten().collect()
}

/// `[IP:]HOST:CONTAINER[/tcp]`, or `published:`.
fn host_port(entry: &Value) -> Option<u16> {
    if let Some(text) = entry.as_str() {
        let mut parts = text.rsplit(':').skip(1);
        return parts.next()?.parse().ok();
    }
    let published = entry.get("published")?;
    match published.as_u64() {
        Some(number) => u16::try_from(number).ok(),
        None => published.as_str()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_in_urls_and_in_each_form_of_compose() {
        for (url, expected) in [
            ("http://127.0.0.1:5678/healthz", Some(5678)),
            ("http://h/a:9", Some(80)),
            ("https://h?a", Some(443)),
            ("telnet://[::1]:6333", Some(6333)),
            ("http://[::1]/", Some(80)),
            ("nothing", None),
        ] {
            assert_eq!(port(url), expected, "{url}");
        }
        for (entry, expected) in [
            ("'127.0.0.1:5678:80'", Some(5678)),
            ("'5678:80/tcp'", Some(5678)),
            ("'80'", None),
            ("{target: 80, published: 5678}", Some(5678)),
            ("{target: 80, published: '5678'}", Some(5678)),
        ] {
            let entry: Value = serde_yaml::from_str(entry).unwrap();
            assert_eq!(host_port(&entry), expected, "{entry:?}");
        }
    }
}
