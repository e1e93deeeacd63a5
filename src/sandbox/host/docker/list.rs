//! The tables for people: `docker ps`, `docker image ls`, `docker compose ls`.

use std::collections::BTreeMap;

use serde_json::json;

use super::cli::Answer;
use super::container::{Container, Status};
use super::engine::repository_of;
use super::template::render;
use crate::sandbox::host::HostContext;

/// `docker ps [-a] [-q] [--no-trunc] [--filter label=K=V]`.
pub(super) fn ps(at: &HostContext<'_>, argv: &[&str]) -> Answer {
    let (mut all, mut quiet, mut whole) = (false, false, false);
    let mut label = None;
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        match *word {
            "--filter" => match words.next().and_then(|f| f.strip_prefix("label=")) {
                Some(wanted) => label = wanted.split_once('='),
                None => return refused("ps --filter"),
            },
            "--all" => all = true,
            "--quiet" => quiet = true,
            "--no-trunc" => whole = true,
            word if word.len() > 1
                && word[1..].bytes().all(|b| b"aq".contains(&b))
                && word.starts_with('-') =>
            {
                all |= word.contains('a');
                quiet |= word.contains('q');
            }
            word => return refused(&format!("ps {word}")),
        }
    }
    let id = |c: &Container| {
        if whole {
            c.id.clone()
        } else {
            c.id[..12].to_owned()
        }
    };
    // The newest first.
    let chosen: Vec<&Container> = at
        .host
        .engine
        .containers
        .iter()
        .rev()
        .filter(|c| all || c.running())
        .filter(|c| label.is_none_or(|(key, value)| c.labels.get(key).is_some_and(|v| v == value)))
        .collect();
    if quiet {
        let ids = chosen.iter().map(|c| id(c) + "\n");
        return Answer {
            stdout: ids.collect(),
            ..Answer::default()
        };
    }
    let rows = chosen.iter().map(|c| {
        let health = c.health(&at.latency, at.now).filter(|_| c.running());
        let status = match (c.status, health) {
            (Status::Created, _) => "Created".to_owned(),
            (Status::Exited, _) => format!("Exited ({})", c.exit_code),
            (Status::Running, None) => "Up".to_owned(),
            (Status::Running, Some("starting")) => "Up (health: starting)".to_owned(),
            (Status::Running, Some(health)) => format!("Up ({health})"),
        };
        vec![id(c), c.image.clone(), status, c.name.clone()]
    });
    table(&["CONTAINER ID", "IMAGE", "STATUS", "NAMES"], rows)
}

/// `docker image ls`, and `docker image ls --no-trunc --format F REPOSITORY`.
pub(super) fn images(at: &HostContext<'_>, argv: &[&str]) -> Answer {
    if let ["--no-trunc", "--format", format, repository] = argv {
        let mut stdout = String::new();
        for image in &at.host.engine.images {
            for tag in image
                .tags
                .iter()
                .filter(|t| repository_of(t) == *repository)
            {
                let tail = tag.rsplit_once(':').map_or("latest", |(_, tail)| tail);
                let row = json!({ "Repository": repository, "Tag": tail, "ID": image.id });
                match render(format, &row) {
                    Ok(text) => stdout += &(text + "\n"),
                    Err(why) => return Answer::failed(format!("Error: {why}")),
                }
            }
        }
        return Answer::ok(stdout);
    }
    if let Some(word) = argv.first() {
        return refused(&format!("image ls {word}"));
    }
    let mut rows = Vec::new();
    for image in &at.host.engine.images {
        let id = image.id["sha256:".len()..][..12].to_owned();
        let size = format!("{}MB", image.size / 1_000_000);
        let none = || ("<none>".to_owned(), "<none>".to_owned());
        let mut names: Vec<(String, String)> = image
            .tags
            .iter()
            .map(|tag| {
                let tail = tag.rsplit_once(':').map_or("latest", |(_, tail)| tail);
                (repository_of(tag), tail.to_owned())
            })
            .collect();
        if names.is_empty() {
            names.push(none());
        }
        for (repository, tag) in names {
            rows.push(vec![repository, tag, id.clone(), size.clone()]);
        }
    }
    table(&["REPOSITORY", "TAG", "IMAGE ID", "SIZE"], rows.into_iter())
}

/// `docker compose ls`: the projects with a running container.
pub(super) fn projects(at: &HostContext<'_>) -> Answer {
    let mut projects: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for container in at.host.engine.containers.iter().filter(|c| c.running()) {
        if let Some(name) = container.project() {
            let label = container
                .labels
                .get("com.docker.compose.project.config_files");
            let entry = projects
                .entry(name)
                .or_insert((0, label.map_or("", String::as_str)));
            entry.0 += 1;
        }
    }
    let rows = projects.into_iter().map(|(name, (count, file))| {
        vec![
            name.to_owned(),
            format!("running({count})"),
            file.to_owned(),
        ]
    });
    table(&["NAME", "STATUS", "CONFIG FILES"], rows)
}

fn refused(form: &str) -> Answer {
    Answer {
        stderr: format!("docker: this sandbox's docker does not know the form: docker {form}\n"),
        code: 125,
        ..Answer::default()
    }
}

/// Columns padded to the widest, three spaces apart, as Docker does.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Answer {
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|h| (*h).to_owned()).collect()];
    lines.extend(rows);
    let width = |at: usize| {
        lines
            .iter()
            .map(|l| l[at].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut stdout = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        stdout += cells.join("   ").trim_end();
        stdout.push('\n');
    }
    Answer {
        stdout,
        ..Answer::default()
    }
}
