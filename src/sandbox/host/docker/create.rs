//! `docker create`.

use std::collections::BTreeMap;

use super::cli::{Answer, pull, unknown};
use super::container::{Container, Status};
use super::engine::no_such_image;
use crate::sandbox::host::HostContext;

/// `docker create [--name N] [--label K=V]… [--network none] [--tmpfs PATH]… IMAGE [COMMAND…]`.
pub(super) fn create(at: &mut HostContext<'_>, argv: &[&str]) -> Answer {
    let mut labels = BTreeMap::new();
    let mut name = None;
    let mut words = argv;
    let image = loop {
        match words {
            ["--name", value, rest @ ..] => {
                name = Some((*value).to_owned());
                words = rest;
            }
            ["--label" | "-l", value, rest @ ..] => {
                let (key, value) = value.split_once('=').unwrap_or((value, ""));
                labels.insert(key.to_owned(), value.to_owned());
                words = rest;
            }
            ["--pull", "never" | "missing", rest @ ..] => words = rest,
            ["--network", "none", rest @ ..] => words = rest,
            ["--tmpfs", path, rest @ ..] if path.starts_with('/') => words = rest,
            // What it would run is nobody's business: it is not started with it.
            [image, ..] if !image.starts_with('-') => break *image,
            _ => return unknown(argv),
        }
    };
    let mut answer = Answer::default();
    if at.host.engine.image(image).is_none() {
        // By its id nothing can be pulled.
        if image.starts_with("sha256:") {
            return Answer::daemon(no_such_image(image));
        }
        let pulled = pull(at, &[image]);
        answer.stderr = format!(
            "Unable to find image '{image}' locally\n{}{}",
            pulled.stdout, pulled.stderr
        );
        if pulled.code != 0 {
            answer.code = 1;
            return answer;
        }
    }
    let Some((id, healthcheck)) = at
        .host
        .engine
        .image(image)
        .map(|i| (i.id.clone(), i.healthcheck))
    else {
        return Answer::daemon(no_such_image(image));
    };
    let draft = Container {
        id: String::new(),
        made: serde_json::Value::Null,
        name: name.unwrap_or_else(|| format!("quiet_hopper{}", at.host.engine.made)),
        labels,
        image: image.to_owned(),
        image_id: id,
        status: Status::Created,
        exit_code: 0,
        created_at: at.now,
        started_at: None,
        finished_at: None,
        restart_policy: "no".to_owned(),
        restart_max: 0,
        stopped_by_hand: false,
        was_running: false,
        restart_count: 0,
        pid: 0,
        binds: Vec::new(),
        healthcheck,
        sick: None,
        held_sick: false,
        sees: None,
    };
    match at.host.engine.create(draft, at.now) {
        Ok(id) => Answer {
            stdout: format!("{id}\n"),
            ..answer
        },
        Err(why) => Answer::daemon(why),
    }
}
