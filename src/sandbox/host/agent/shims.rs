//! The stand-ins for docker, systemctl and curl that scripts find first in their path.

use std::io;
use std::path::Path;

use super::HostStore;
use crate::sandbox::host::docker::{Answer, curl, docker, systemctl, takes};
use crate::sandbox::host::files::{Folder, HostFiles};

/// Does one call of a stand-in: `argv` is the program's name and its arguments; `root` is the host's folder as
/// this process sees it (`/` inside the walls).
///
/// # Errors
/// Errors of the store and of the host's folder.
pub fn shim<S: HostStore>(
    store: &S,
    instance: &str,
    root: &Path,
    argv: &[String],
) -> io::Result<Answer> {
    let (program, argv) = match argv.split_first() {
        Some((program, argv)) => (program.as_str(), argv),
        None => ("", argv),
    };
    if program == "docker" {
        let latency = store.on_host(instance, |at| at.latency)?;
        // Waited for outside of the lock: the world goes on meanwhile.
        std::thread::sleep(takes(argv, &latency));
    }
    store.on_host(instance, |at| {
        let files = Folder(root.to_path_buf());
        let answer = match program {
            "docker" => docker(at, &files, argv),
            "curl" => curl(at, &files, argv),
            "systemctl" => systemctl(at, &files, argv),
            other => Answer {
                stderr: format!("{other}: not a program of this host\n"),
                code: 127,
                ..Answer::default()
            },
        };
        at.host.write_files(root)?;
        Ok(answer)
    })?
}

/// Where no file system can be made to hang, this hangs for the probes.
const STAT: &str = "#!/bin/sh\nfor a do\n  l=$(readlink -- \"$a\") && case $l in */.efs/hang) while :; do sleep 1000; done ;; esac\ndone\nexec /usr/bin/env PATH=/usr/bin:/bin stat \"$@\"\n";

/// Writes the stand-ins into `/.geusemaker/bin`. `program`, `dir` and `root` are as a script sees them.
pub(super) fn write(
    folder: &mut Folder,
    instance: &str,
    machine: &str,
    seen: (&str, &str, &str),
    hangs: bool,
) -> io::Result<()> {
    let (program, dir, root) = (quoted(seen.0), quoted(seen.1), quoted(seen.2));
    let instance = quoted(instance);
    for name in ["docker", "systemctl", "curl"] {
        let text = format!(
            "#!/bin/sh\nexec {program} sandbox-docker {dir} {instance} {root} {name} \"$@\"\n"
        );
        put(folder, name, &text)?;
    }
    let uname = format!(
        "#!/bin/sh\n[ \"$*\" = -m ] && {{ echo {machine}; exit 0; }}\nexec /usr/bin/env PATH=/usr/bin:/bin uname \"$@\"\n"
    );
    put(folder, "uname", &uname)?;
    if hangs {
        let path = folder.at("/.geusemaker/bin/stat");
        match fs_err::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    } else {
        put(folder, "stat", STAT)?;
    }
    Ok(())
}

fn put(folder: &mut Folder, name: &str, text: &str) -> io::Result<()> {
    let path = format!("/.geusemaker/bin/{name}");
    folder.write(&path, text)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(folder.at(&path), mode)
}

/// For a shell, in single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
