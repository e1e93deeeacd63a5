//! `systemctl …` as the scripts call it: docker.service, and what it waits for, and the timer of the armed restore.

use super::cli::Answer;
use crate::sandbox::host::files::HostFiles;
use crate::sandbox::host::timer_unit::{self, TIMER};
use crate::sandbox::host::{HostContext, SERVICE};

/// What `systemctl enable` says of a unit without `[Install]` (the first lines).
const NO_INSTALL: &str = "The unit files have no installation config (WantedBy=, RequiredBy=, Also=,\n\
    Alias= settings in the [Install] section, and DefaultInstance= for template\n\
    units). This means they are not meant to be enabled using systemctl.\n";

/// `systemctl show docker.service -p PROPERTY… [--value]`, the same for a mount unit, `systemctl start docker`,
/// `systemctl daemon-reload`, and
/// for the timer `enable [--now]`, `disable [--now]`, `is-enabled`, `is-active`; `argv` is without the program's name.
pub fn systemctl(at: &mut HostContext<'_>, files: &dyn HostFiles, argv: &[String]) -> Answer {
    at.settle();
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let unknown = || {
        Answer::failed(format!(
            "systemctl: this sandbox's systemctl does not know the form: systemctl {}",
            words.join(" ")
        ))
    };
    match words.as_slice() {
        ["start", "docker" | "docker.service"] => {
            if at.host.docker_waits_for_mount() {
                return Answer::failed(
                    "A dependency job for docker.service failed. See 'journalctl -xe' for details.",
                );
            }
            at.host.start_docker(at.now);
            at.settle();
            Answer::default()
        }
        ["is-active", "docker" | "docker.service"] => activity(at.host.docker_active),
        ["show", rest @ ..] => show(at, files, rest).map_or_else(unknown, Answer::ok),
        ["daemon-reload"] => reload(at, files).map_or_else(Answer::failed, |()| Answer::default()),
        ["enable", TIMER] => enable(at, files, false),
        ["enable", "--now", TIMER] | ["enable", TIMER, "--now"] => enable(at, files, true),
        ["disable", TIMER] => disable(at, files, false),
        ["disable", "--now", TIMER] | ["disable", TIMER, "--now"] => disable(at, files, true),
        ["is-enabled", TIMER] => is_enabled(at, files),
        // LSB's code 4 is for a unit whose file is not there.
        ["is-active", TIMER] if at.host.timer.unit.is_none() => Answer {
            code: 4,
            ..activity(false)
        },
        ["is-active", TIMER] => activity(at.host.timer.active()),
        _ => unknown(),
    }
}

fn activity(active: bool) -> Answer {
    let word = if active { "active\n" } else { "inactive\n" };
    Answer {
        stdout: word.to_owned(),
        code: if active { 0 } else { 3 },
        ..Answer::default()
    }
}

/// All unit files are read anew; so they are by `enable` and `disable` as well.
fn reload(at: &mut HostContext<'_>, files: &dyn HostFiles) -> Result<(), String> {
    at.host.timer.unit = timer_unit::load(files)?;
    at.host.read_units(files);
    Ok(())
}

fn enable(at: &mut HostContext<'_>, files: &dyn HostFiles, start: bool) -> Answer {
    if let Err(why) = reload(at, files) {
        return Answer::failed(why);
    }
    let timer = &mut at.host.timer;
    let Some(unit) = &timer.unit else {
        return Answer::failed(format!(
            "Failed to enable unit: Unit file {TIMER} does not exist."
        ));
    };
    let (wanted, runs) = (unit.wanted, !unit.exec.is_empty());
    let mut answer = Answer::default();
    if !wanted {
        answer.stderr = NO_INSTALL.to_owned();
    } else if !timer.enabled {
        answer.stderr = format!(
            "Created symlink /etc/systemd/system/timers.target.wants/{TIMER} → /etc/systemd/system/{TIMER}.\n"
        );
    }
    timer.enabled |= wanted;
    if start && !runs {
        answer.stderr += &format!("Failed to start {TIMER}: Unit {SERVICE} not found.\n");
        answer.code = 1;
    } else if start {
        timer.start(at.now);
    }
    answer
}

fn disable(at: &mut HostContext<'_>, files: &dyn HostFiles, stop: bool) -> Answer {
    if let Err(why) = reload(at, files) {
        return Answer::failed(why);
    }
    let timer = &mut at.host.timer;
    if timer.unit.is_none() && !timer.enabled {
        return Answer::failed(format!(
            "Failed to disable unit: Unit file {TIMER} does not exist."
        ));
    }
    let mut answer = Answer::default();
    if std::mem::take(&mut timer.enabled) {
        answer.stderr = format!("Removed \"/etc/systemd/system/timers.target.wants/{TIMER}\".\n");
    }
    if stop {
        timer.stop();
    }
    answer
}

fn is_enabled(at: &HostContext<'_>, files: &dyn HostFiles) -> Answer {
    // It is judged by the files, not by what was read last.
    match timer_unit::load(files) {
        Err(why) => Answer::failed(why),
        Ok(None) => Answer::failed(format!(
            "Failed to get unit file state for {TIMER}: No such file or directory"
        )),
        Ok(Some(_)) if at.host.timer.enabled => Answer::ok("enabled\n"),
        Ok(Some(unit)) if !unit.wanted => Answer::ok("static\n"),
        Ok(Some(_)) => Answer {
            stdout: "disabled\n".to_owned(),
            code: 1,
            ..Answer::default()
        },
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
            // It comes up with the boot, and is not restarted here.
            "ActiveEnterTimestampMonotonic" if at.host.docker_active => "1000000".to_owned(),
            "ActiveEnterTimestampMonotonic" => "0".to_owned(),
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
