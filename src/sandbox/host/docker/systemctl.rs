//! `systemctl …` as the scripts call it, for docker.service and what it waits for.

use super::cli::Answer;
use crate::sandbox::host::HostContext;
use crate::sandbox::host::files::HostFiles;

/// `systemctl show docker.service -p PROPERTY… [--value]`, the same for a mount unit, `systemctl start docker`
/// and `systemctl daemon-reload`; `argv` is without the program's name.
pub fn systemctl(at: &mut HostContext<'_>, files: &dyn HostFiles, argv: &[String]) -> Answer {
    at.settle();
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let refused = |why: String| Answer {
        stderr: format!("{why}\n"),
        code: 1,
        ..Answer::default()
    };
    let unknown = || {
        refused(format!(
            "systemctl: this sandbox's systemctl does not know the form: systemctl {}",
            words.join(" ")
        ))
    };
    match words.as_slice() {
        ["start", "docker" | "docker.service"] => {
            if at.host.docker_waits_for_mount() {
                return refused(
                    "A dependency job for docker.service failed. See 'journalctl -xe' for details."
                        .to_owned(),
                );
            }
            at.host.start_docker(at.now);
            at.settle();
            Answer::default()
        }
        ["is-active", "docker" | "docker.service"] => {
            let active = at.host.docker_active;
            let word = if active { "active\n" } else { "inactive\n" };
            Answer {
                stdout: word.to_owned(),
                code: if active { 0 } else { 3 },
                ..Answer::default()
            }
        }
        ["daemon-reload"] => {
            at.host.read_units(files);
            Answer::default()
        }
        ["show", rest @ ..] => show(at, files, rest).map_or_else(unknown, Answer::ok),
        _ => unknown(),
    }
}

fn show(at: &HostContext<'_>, files: &dyn HostFiles, argv: &[&str]) -> Option<String> {
    let (mut properties, mut units, mut bare) = (Vec::new(), Vec::new(), false);
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        match *word {
            "-p" | "--property" => properties.extend(words.next()?.split(',')),
            "--value" => bare = true,
            word => match word.strip_prefix("--property=") {
                Some(more) => properties.extend(more.split(',')),
                None => units.push(word),
            },
        }
    }
    let mount = match units.as_slice() {
        ["docker" | "docker.service"] => None,
        [unit] if unit.ends_with(".mount") => Some(*unit),
        _ => return None,
    };
    if properties.is_empty() {
        return None;
    }
    let mut out = String::new();
    for name in properties {
        let value = match name {
            "FragmentPath" if mount.is_some() => {
                at.host.fragment(mount?, files).unwrap_or_default()
            }
            _ if mount.is_some() => return None,
            "Requires" => at.host.docker_requires.join(" "),
            "LoadState" => "loaded".to_owned(),
            "ActiveState" if at.host.docker_active => "active".to_owned(),
            "ActiveState" => "inactive".to_owned(),
            "SubState" if at.host.docker_active => "running".to_owned(),
            "SubState" => "dead".to_owned(),
            _ => return None,
        };
        out += &if bare {
            format!("{value}\n")
        } else {
            format!("{name}={value}\n")
        };
    }
    Some(out)
}
