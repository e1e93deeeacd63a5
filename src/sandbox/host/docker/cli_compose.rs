//! `docker compose …` as the scripts call it.

use super::cli::{Answer, unknown};
use super::compose::{COMPOSE_VERSION, Options, up, warning};
use super::list;
use super::spec::config;
use crate::sandbox::host::{HostContext, HostFiles};

pub(super) fn compose(at: &mut HostContext<'_>, files: &dyn HostFiles, argv: &[&str]) -> Answer {
    if let ["version", "--short"] = argv {
        return Answer::ok(format!("{COMPOSE_VERSION}\n"));
    }
    if let ["ls", ..] = argv {
        return list::projects(at);
    }
    let mut options = Options {
        project: String::new(),
        directory: String::new(),
        files: Vec::new(),
        env_files: Vec::new(),
        no_deps: true,
    };
    let mut words = argv;
    loop {
        match words {
            ["-p" | "--project-name", value, rest @ ..] => {
                options.project = (*value).to_owned();
                words = rest;
            }
            ["--project-directory", value, rest @ ..] => {
                options.directory = (*value).to_owned();
                words = rest;
            }
            ["-f" | "--file", value, rest @ ..] => {
                options.files.push((*value).to_owned());
                words = rest;
            }
            ["--env-file", value, rest @ ..] => {
                options.env_files.push((*value).to_owned());
                words = rest;
            }
            _ => break,
        }
    }
    let absolute = |path: &String| path.starts_with('/');
    let placed = !options.files.is_empty() && options.files.iter().all(absolute);
    if options.project.is_empty() || !absolute(&options.directory) || !placed {
        return unknown(&[
            "compose",
            "(without -p, or with relative --project-directory or -f)",
        ]);
    }
    match words {
        ["config", "-q" | "--quiet"] => match options.load(files) {
            Ok(project) => {
                let mut answer = Answer::default();
                for text in project.warnings {
                    answer.stderr += &format!("{}\n", warning(&text, at.now));
                }
                answer
            }
            Err(why) => failed(why),
        },
        ["config", "--format", "json", services @ ..] if !services.is_empty() => {
            let loaded = options.load(files);
            match loaded.and_then(|project| config(&options.project, &project, services)) {
                // It ends its JSON without a newline.
                Ok(text) => Answer::ok(text),
                Err(why) => failed(why),
            }
        }
        ["up", rest @ ..] => {
            let Some(services) = up_services(rest) else {
                return unknown(argv);
            };
            let mut log = Vec::new();
            let result = up(
                &mut at.host.engine,
                files,
                &options,
                &services,
                at.now,
                &mut log,
            );
            let mut answer = Answer::default();
            for line in log {
                answer.stderr += &format!("{line}\n");
            }
            if let Err(why) = result {
                let end = failed(why);
                answer.stderr += &end.stderr;
                answer.code = end.code;
            }
            answer
        }
        _ => unknown(argv),
    }
}

/// Compose ends with 15 where a file says something wrong, with 14 where one is not there.
fn failed(why: String) -> Answer {
    let mut answer = Answer::failed(&why);
    let is = |words: &[&str]| words.iter().any(|w| why.contains(w));
    if is(&["no such file or directory"]) {
        answer.code = 14;
    } else if is(&[
        "yaml: ",
        "validating ",
        "error while interpolating ",
        "invalid compose project",
        "must be a mapping",
        "invalid interpolation format",
    ]) {
        answer.code = 15;
    }
    answer
}

/// The services of `up -d --no-deps --pull never --no-build SERVICE…`; None where one of these is missing:
/// a plain `up` is not one of the forms.
fn up_services(argv: &[&str]) -> Option<Vec<String>> {
    let mut seen = [false; 4];
    let mut services = Vec::new();
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        match *word {
            "-d" | "--detach" => seen[0] = true,
            "--no-deps" => seen[1] = true,
            "--pull=never" => seen[2] = true,
            "--pull" if words.next() == Some(&"never") => seen[2] = true,
            "--no-build" => seen[3] = true,
            word if word.starts_with('-') => return None,
            word => services.push(word.to_owned()),
        }
    }
    seen.iter().all(|s| *s).then_some(services)
}
