//! What is mounted: the words of the kernel, of fstab, of systemd and of efs-utils.

use serde::{Deserialize, Serialize};

use super::HostState;
use super::docker::{Bind, Container};

/// What is at the mount point of the EFS file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// The file system that belongs there.
    #[default]
    Ok,
    /// Nothing: the empty local folder.
    Gone,
    /// Another file system.
    Other,
    /// The right one, for reading only.
    Readonly,
    /// The right one, and it does not answer.
    Hang,
}

impl MountKind {
    /// Reads the code of a `mount` fault.
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "gone" => Self::Gone,
            "other" => Self::Other,
            "readonly" => Self::Readonly,
            "hang" => Self::Hang,
            _ => return None,
        })
    }
}

/// A file system and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EfsMount {
    /// `fs-…`.
    pub file_system: String,
    /// The mount point.
    pub point: String,
    /// The loopback port of its TLS proxy.
    pub port: u16,
}

/// The file system that a fault `mount=other` puts in its place.
pub(super) const OTHER_FILE_SYSTEM: &str = "fs-0ddba11f00d5eed00";

impl EfsMount {
    /// A mount as efs-utils makes it; 20049 is the first port that it takes.
    pub fn new(file_system: &str, point: &str) -> Self {
        Self {
            file_system: file_system.to_owned(),
            point: point.to_owned(),
            port: 20049,
        }
    }

    /// The unit that systemd makes of the fstab line: `/mnt/efs` is `mnt-efs.mount`.
    pub fn unit(&self) -> String {
        format!("{}.mount", self.point.trim_matches('/').replace('/', "-"))
    }

    /// The line of fstab.
    pub fn fstab(&self) -> String {
        format!(
            "{} {} efs _netdev,tls,iam 0 0",
            self.file_system, self.point
        )
    }

    /// The file system and port that are really there.
    fn present(&self, kind: MountKind) -> Option<(&str, u16)> {
        match kind {
            MountKind::Gone => None,
            MountKind::Other => Some((OTHER_FILE_SYSTEM, self.port + 1)),
            MountKind::Ok | MountKind::Readonly | MountKind::Hang => {
                Some((&self.file_system, self.port))
            }
        }
    }

    /// The name of the state file of efs-utils in `/var/run/efs`, where something is mounted.
    pub fn state_file(&self, kind: MountKind) -> Option<String> {
        let (id, port) = self.present(kind)?;
        Some(format!(
            "{id}.{}.{port}",
            self.point.trim_matches('/').replace('/', ".")
        ))
    }

    /// The file system that is really there.
    pub fn present_id(&self, kind: MountKind) -> Option<&str> {
        self.present(kind).map(|(id, _)| id)
    }

    /// A line of mountinfo for this file system at a mount point.
    fn line(&self, kind: MountKind, id: usize, root: &str, point: &str) -> Option<String> {
        let (_, port) = self.present(kind)?;
        let mode = if kind == MountKind::Readonly {
            "ro"
        } else {
            "rw"
        };
        Some(format!(
            "{id} 25 0:50 {root} {point} {mode},relatime shared:18 - nfs4 127.0.0.1:/ {mode},vers=4.1,rsize=1048576,wsize=1048576,namlen=255,hard,noresvport,proto=tcp,port={port},timeo=600,retrans=2,sec=sys,clientaddr=127.0.0.1,local_lock=none,addr=127.0.0.1"
        ))
    }

    /// The part of a path below the mount point, with a `/` before it; None for a path elsewhere.
    pub fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.point.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

impl HostState {
    /// `/proc/self/mountinfo` of the host.
    pub fn mountinfo(&self) -> String {
        let mut lines = vec![
            "25 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw,discard,errors=remount-ro"
                .to_owned(),
            "26 25 0:5 / /dev rw,nosuid,relatime shared:2 - devtmpfs devtmpfs rw,mode=755"
                .to_owned(),
            "27 25 0:23 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw"
                .to_owned(),
            "28 25 0:24 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw,size=803176k,mode=755"
                .to_owned(),
        ];
        let efs = self.efs.as_ref();
        lines.extend(efs.and_then(|efs| efs.line(self.mount, 36, "/", &efs.point)));
        lines.push(String::new());
        lines.join("\n")
    }

    /// The last line of [`HostState::mountinfo`] at exactly this mount point.
    pub fn mountinfo_at(&self, point: &str) -> Option<String> {
        let info = self.mountinfo();
        let at = info
            .lines()
            .rfind(|line| line.split(' ').nth(4) == Some(point));
        at.map(str::to_owned)
    }

    /// `/proc/<pid>/mountinfo` of a running container.
    pub fn mountinfo_inside(&self, container: &Container) -> String {
        let mut lines = vec![format!(
            "600 520 0:61 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l,upperdir=/var/lib/docker/overlay2/{0}/diff,workdir=/var/lib/docker/overlay2/{0}/work",
            &container.id[..12]
        )];
        for (at, bind) in container.binds.iter().enumerate() {
            lines.push(self.line_inside(container, bind, 610 + at));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// The line that a container has for one of its binds.
    pub fn line_inside(&self, container: &Container, bind: &Bind, id: usize) -> String {
        let kind = container.sees.unwrap_or(self.mount);
        let efs = self.efs.as_ref();
        let mounted = efs.and_then(|efs| {
            let below = efs.below(&bind.source)?;
            let root = if below.is_empty() { "/" } else { below };
            efs.line(kind, id, root, &bind.destination)
        });
        mounted.unwrap_or_else(|| {
            format!(
                "{id} 600 259:1 {} {} rw,relatime - ext4 /dev/root rw,discard,errors=remount-ro",
                bind.source, bind.destination
            )
        })
    }

    /// `/etc/fstab`.
    pub fn fstab(&self) -> String {
        let mut text =
            "UUID=3f7b9c6e-5b1d-4d39-9b7c-0f5a0c1c7a11 / ext4 defaults,discard 0 1\n".to_owned();
        if let Some(efs) = self.efs.as_ref().filter(|_| self.fstab_line) {
            text += &(efs.fstab() + "\n");
        }
        text
    }

    /// The files in `/var/run/efs`.
    pub fn efs_state_files(&self) -> Vec<String> {
        let efs = self.efs.as_ref();
        efs.and_then(|efs| efs.state_file(self.mount))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::host::docker::test_kit::{at, container, image};

    fn host(kind: MountKind) -> HostState {
        HostState {
            efs: Some(EfsMount::new("fs-0123456789abcdef0", "/mnt/efs")),
            mount: kind,
            ..HostState::default()
        }
    }

    #[test]
    fn what_each_kind_shows() {
        let table = [
            (
                MountKind::Ok,
                Some((" rw,relatime ", "port=20049")),
                Some("fs-0123456789abcdef0.mnt.efs.20049"),
            ),
            (
                MountKind::Hang,
                Some((" rw,relatime ", "port=20049")),
                Some("fs-0123456789abcdef0.mnt.efs.20049"),
            ),
            (
                MountKind::Readonly,
                Some((" ro,relatime ", "port=20049")),
                Some("fs-0123456789abcdef0.mnt.efs.20049"),
            ),
            (
                MountKind::Other,
                Some((" rw,relatime ", "port=20050")),
                Some("fs-0ddba11f00d5eed00.mnt.efs.20050"),
            ),
            (MountKind::Gone, None, None),
        ];
        for (kind, line, file) in table {
            let host = host(kind);
            let found = host.mountinfo_at("/mnt/efs");
            match line {
                Some((mode, port)) => {
                    let found = found.unwrap();
                    assert!(found.contains(mode) && found.contains(port), "{found}");
                    assert!(found.contains(" - nfs4 127.0.0.1:/ "), "{found}");
                }
                None => assert_eq!(found, None),
            }
            assert_eq!(
                host.efs_state_files(),
                Vec::from_iter(file.map(str::to_owned))
            );
            assert!(
                host.fstab()
                    .contains("fs-0123456789abcdef0 /mnt/efs efs _netdev,tls,iam 0 0")
            );
        }
        assert_eq!(EfsMount::new("fs-1", "/mnt/efs").unit(), "mnt-efs.mount");
    }

    #[test]
    fn a_container_sees_its_bind_or_the_local_folder() {
        let mut host = host(MountKind::Ok);
        let mut draft = container("a", &image("postgres:15"));
        let bind = |source: &str, destination: &str| Bind {
            kind: "bind".to_owned(),
            source: source.to_owned(),
            destination: destination.to_owned(),
            writable: true,
        };
        draft.binds = vec![bind("/mnt/efs/pg", "/data"), bind("/mnt/efsx", "/x")];
        host.engine.create(draft, at(0)).unwrap();
        for (sees, expected) in [
            (MountKind::Ok, " /pg /data rw,relatime shared:18 - nfs4 "),
            (MountKind::Gone, " /mnt/efs/pg /data rw,relatime - ext4 "),
        ] {
            host.engine.containers[0].sees = Some(sees);
            let found = host.mountinfo_inside(&host.engine.containers[0]);
            assert!(found.contains(expected), "{found}");
            assert!(
                found.contains(" /mnt/efsx /x rw,relatime - ext4 "),
                "{found}"
            );
        }
    }
}
