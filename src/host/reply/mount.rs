//! The reply of mount, which look shares.

use serde::Deserialize;

use super::containers::{Inspected, inspected};
use super::{read, text};
use crate::host::HostError;
use crate::host::scripts::Verb;
use crate::model::{MountFacts, SeenInside};

#[derive(Deserialize)]
pub(super) struct MountReply {
    point: String,
    mountinfo: Option<String>,
    fstab: String,
    unmounted: Option<String>,
    requires: Option<String>,
    efs: String,
    /// `PID LINE` for each mount that a container sees.
    inside: String,
    stat: String,
    sentinel: String,
    written: bool,
}

/// Reads the document of `mount`. `fence` is the one that was sent, where one was.
///
/// # Errors
/// [`HostError::Fenced`] and [`HostError::Script`] when the script refused, else [`HostError::Garbled`].
pub fn parse_mount(fence: Option<u64>, document: &str) -> Result<MountFacts, HostError> {
    #[derive(Deserialize)]
    struct Reply {
        containers: String,
        mount: MountReply,
    }
    let reply: Reply = read(Verb::Mount, fence, document)?;
    let containers = inspected(Verb::Mount, &text(Verb::Mount, &reply.containers)?)?;
    reply.mount.facts(Verb::Mount, &containers)
}

impl MountReply {
    pub(super) fn facts(
        self,
        verb: Verb,
        containers: &[Inspected],
    ) -> Result<MountFacts, HostError> {
        let point = text(verb, &self.point)?;
        let lines = |coded: &str| -> Result<Vec<String>, HostError> {
            Ok(text(verb, coded)?.lines().map(str::to_owned).collect())
        };
        let inside = text(verb, &self.inside)?;
        let inside: Vec<(&str, &str)> = inside.lines().filter_map(|l| l.split_once(' ')).collect();
        let mut seen_inside = Vec::new();
        for container in containers.iter().filter(|c| c.runs()) {
            for (_, destination) in container
                .binds()
                .filter(|(source, _)| under(&point, source))
            {
                let pid = container.pid.to_string();
                let line = inside.iter().rfind(|(of, line)| {
                    *of == pid && mount_point(line).as_deref() == Some(trimmed(destination))
                });
                seen_inside.push(SeenInside {
                    container: container.name().to_owned(),
                    destination: destination.to_owned(),
                    mountinfo: line.map(|(_, line)| (*line).to_owned()),
                });
            }
        }
        seen_inside
            .sort_by(|a, b| (&a.container, &a.destination).cmp(&(&b.container, &b.destination)));
        Ok(MountFacts {
            mountinfo: self.mountinfo.map(|m| text(verb, &m)).transpose()?,
            fstab: lines(&self.fstab)?,
            docker_requires: match self.requires {
                Some(units) => Some(
                    text(verb, &units)?
                        .split_whitespace()
                        .map(str::to_owned)
                        .collect(),
                ),
                None => None,
            },
            efs_state_files: lines(&self.efs)?,
            stat: text(verb, &self.stat)?,
            sentinel: text(verb, &self.sentinel)?,
            sentinel_written: self.written,
            unmounted: self.unmounted.as_deref().map(lines).transpose()?,
            seen_inside,
            point,
        })
    }
}

/// A path without its last slashes.
fn trimmed(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.starts_with('/') => "/",
        short => short,
    }
}

/// Whether the path is the point or below it.
fn under(point: &str, path: &str) -> bool {
    let (point, path) = (trimmed(point), trimmed(path));
    point == "/"
        || path
            .strip_prefix(point)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The mount point of a line of `mountinfo`: its fifth field (proc_pid_mountinfo(5)), escapes undone.
fn mount_point(line: &str) -> Option<String> {
    let field = line.split(' ').nth(4)?.as_bytes();
    let mut out = Vec::with_capacity(field.len());
    let mut at = 0;
    while at < field.len() {
        let octal = (field[at] == b'\\')
            .then(|| field.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(field[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escapes_of_mountinfo_are_undone() {
        let line = r"36 35 98:0 /mnt1 /mnt/a\040b\134c\011d\012e rw,noatime - ext3 /dev/root rw";
        assert_eq!(mount_point(line).as_deref(), Some("/mnt/a b\\c\td\ne"));
        assert_eq!(mount_point(r"1 2 3:4 / /x\0 rw").as_deref(), Some(r"/x\0"));
        assert_eq!(
            mount_point(r"1 2 3:4 / /x\999 rw").as_deref(),
            Some(r"/x\999")
        );
        assert_eq!(mount_point("1 2 3"), None);
    }

    #[test]
    fn below_is_by_whole_names() {
        for (point, path, is) in [
            ("/mnt/efs", "/mnt/efs", true),
            ("/mnt/efs", "/mnt/efs/n8n", true),
            ("/mnt/efs", "/mnt/efs2/n8n", false),
            ("/mnt/efs/", "/mnt/efs/", true),
            ("/", "/x", true),
            ("/mnt/efs", "/mnt", false),
        ] {
            assert_eq!(under(point, path), is, "{point} {path}");
        }
    }
}
