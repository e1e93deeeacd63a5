//! Which file system is behind a mount.

use super::MountLine;
use crate::model::{FileSystemId, MountFacts};

/// The file system that is mounted at the mount point, as far as the host can tell: from the DNS name of
/// the source, or, where efs-utils mounts by TLS over loopback, from its state files in `/var/run/efs`.
pub fn identity(mount: &MountFacts) -> Option<FileSystemId> {
    let line = MountLine::parse(mount.mountinfo.as_deref()?)?;
    behind(&line, mount).ok()
}

/// The same for any line of `mountinfo` (a container's, too); `Err` says what was found instead.
pub(super) fn behind(line: &MountLine, mount: &MountFacts) -> Result<FileSystemId, String> {
    let host = line.source.split(":/").next().unwrap_or_default();
    if let Some(id) = id_in(host) {
        return Ok(id);
    }
    if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
        return Err(format!(
            "the source {}, which names no file system",
            line.source
        ));
    }
    let port = line.super_option("port");
    let mut ids: Vec<FileSystemId> = mount
        .efs_state_files
        .iter()
        .filter_map(|file| state_file(file, &mount.point, port))
        .collect();
    ids.sort();
    ids.dedup();
    match ids.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(format!(
            "a mount by TLS ({}{}) without a state file of it in /var/run/efs",
            line.source,
            port.map(|p| format!(", port {p}")).unwrap_or_default()
        )),
        _ => Err("state files of several file systems for one mount in /var/run/efs".into()),
    }
}

/// The id in a DNS name or a source of fstab: `fs-….efs.us-east-1.amazonaws.com`,
/// `us-east-1a.fs-….efs.…`, `fs-…`.
pub(super) fn id_in(host: &str) -> Option<FileSystemId> {
    host.split('.')
        .find_map(|label| FileSystemId::new(label).ok())
}

/// efs-utils names the state of a mount `<file system>.<mount point with dots>.<port>`.
fn state_file(file: &str, point: &str, port: Option<&str>) -> Option<FileSystemId> {
    let (id, rest) = file.split_once('.')?;
    let (dotted, its_port) = rest.rsplit_once('.')?;
    let ours = dotted == point.trim_matches('/').replace('/', ".");
    let same_port = port.is_none_or(|p| p == its_port);
    let number = !its_port.is_empty() && its_port.bytes().all(|b| b.is_ascii_digit());
    (ours && same_port && number).then(|| FileSystemId::new(id).ok())?
}
