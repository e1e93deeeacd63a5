//! The folder of a host: what a script finds there beside its own files.

use std::io;
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use super::files::{Folder, HostFiles};
use super::mounts::{MountKind, OTHER_FILE_SYSTEM};
use super::state::HostState;

/// On every host.
const FOLDERS: &[&str] = &[
    "/.efs/hang",
    "/.efs/local",
    "/.efs/readonly",
    "/.geusemaker/bin",
    "/.geusemaker/sandbox",
    "/dev",
    "/etc/systemd/system",
    "/mnt",
    "/proc/self",
    "/proc/sys/kernel/random",
    "/run/efs",
    "/tmp",
    "/var/lib/amazon/ssm",
    "/var/lib/docker",
    "/var/tmp",
];

impl HostState {
    /// Makes the folders that every host has, and the file system's with a file for each service that keeps
    /// data there. What is there already is left as it is.
    ///
    /// # Errors
    /// A folder or file cannot be made.
    pub fn prepare_folder(&self, root: &Path) -> io::Result<()> {
        let mut files = Folder(root.to_path_buf());
        fs::create_dir_all(root)?;
        for folder in FOLDERS {
            files.folder(folder)?;
        }
        if !root.join("var/run").is_symlink() {
            symlink("../run", root.join("var/run"))?;
        }
        if files.read("/etc/passwd").is_err() {
            files.write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")?;
            files.write("/etc/group", "root:x:0:\n")?;
        }
        let Some(efs) = &self.efs else { return Ok(()) };
        files.folder(&format!("/.efs/{OTHER_FILE_SYSTEM}"))?;
        let data = format!("/.efs/{}", efs.file_system);
        if files.at(&data).exists() {
            return Ok(());
        }
        files.folder(&data)?;
        for container in &self.engine.containers {
            for below in container
                .binds
                .iter()
                .filter_map(|bind| efs.below(&bind.source))
            {
                let text = format!("data of {}\n", container.name);
                files.write(&format!("{data}{below}/README"), &text)?;
            }
        }
        Ok(())
    }

    /// Writes what a kernel, systemd and efs-utils would show of this state: boot id, mount tables, fstab,
    /// state files, and where the mount point leads. Writes only what changed.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_files(&self, root: &Path) -> io::Result<()> {
        // A machine of its own has files of its own.
        if !self.elsewhere.is_empty() {
            return Ok(());
        }
        let mut folder = Folder(root.to_path_buf());
        let mut put = |path: &str, text: &str| match folder.read(path) {
            Ok(found) if found == text => Ok(()),
            _ => folder.write(path, text),
        };
        put(
            "/proc/sys/kernel/random/boot_id",
            &format!("{}\n", self.boot_id),
        )?;
        put("/proc/self/mountinfo", &self.mountinfo())?;
        put("/etc/fstab", &self.fstab())?;
        let mut keep = vec!["self".to_owned(), "sys".to_owned()];
        for container in self.engine.containers.iter().filter(|c| c.running()) {
            let pid = container.pid;
            put(
                &format!("/proc/{pid}/mountinfo"),
                &self.mountinfo_inside(container),
            )?;
            keep.push(pid.to_string());
        }
        let state = self.efs_state_files();
        for name in &state {
            put(&format!("/run/efs/{name}"), "{\"pid\": 812}\n")?;
        }
        prune(&folder.folder("/proc")?, &keep)?;
        prune(&folder.folder("/run/efs")?, &state)?;
        self.point(root)
    }

    /// The mount point leads to the folder of what is mounted: a link, so that it changes at once for all.
    fn point(&self, root: &Path) -> io::Result<()> {
        let Some(efs) = &self.efs else { return Ok(()) };
        let target = match self.mount {
            MountKind::Ok => efs.file_system.as_str(),
            MountKind::Other => OTHER_FILE_SYSTEM,
            MountKind::Gone => "local",
            MountKind::Readonly => "readonly",
            MountKind::Hang => "hang",
        };
        let (above, name) = efs.point.rsplit_once('/').unwrap_or(("", &efs.point));
        let parent = Folder(root.to_path_buf()).folder(above)?;
        let point = parent.join(name);
        let up = "../".repeat(efs.point.trim_matches('/').split('/').count() - 1);
        let target = format!("{up}.efs/{target}");
        if fs::read_link(&point).is_ok_and(|found| found == Path::new(&target)) {
            return Ok(());
        }
        let link = parent.join(format!(".{}.new", std::process::id()));
        symlink(&target, &link)?;
        fs::rename(link, point)
    }
}

/// Removes what is in a folder and not in the list.
fn prune(folder: &Path, keep: &[String]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if keep.iter().any(|name| entry.file_name() == name.as_str()) {
            continue;
        }
        let gone = if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        };
        match gone {
            // Somebody else pruned it at the same time.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::host::agent::test_kit::seeded;

    #[test]
    fn the_folder_shows_the_state_and_changes_with_it() {
        let kit = seeded();
        let root = kit.root();
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        kit.store.edit(|host| host.write_files(&root).unwrap());
        assert!(read("proc/self/mountinfo").contains(" /mnt/efs rw,"));
        assert!(read("etc/fstab").contains(" /mnt/efs efs _netdev,tls,iam 0 0"));
        assert_eq!(read("mnt/efs/n8n/README"), "data of n8n\n");
        let pids = || fs::read_dir(root.join("proc")).unwrap().count() - 2;
        assert_eq!(pids(), 5);
        let boot = read("proc/sys/kernel/random/boot_id");
        for (kind, below) in [
            (MountKind::Gone, "local"),
            (MountKind::Other, OTHER_FILE_SYSTEM),
            (MountKind::Readonly, "readonly"),
            (MountKind::Hang, "hang"),
            (MountKind::Ok, "fs-0123456789abcdef0"),
        ] {
            kit.store.edit(|host| {
                host.mount = kind;
                host.write_files(&root).unwrap();
            });
            let link = fs::read_link(root.join("mnt/efs")).unwrap();
            assert_eq!(link, Path::new("../.efs").join(below));
            assert_eq!(
                fs::read_dir(root.join("run/efs")).unwrap().count(),
                usize::from(kind != MountKind::Gone)
            );
        }
        kit.store.edit(|host| {
            let now = jiff::Timestamp::now();
            host.power_off(now);
            host.write_files(&root).unwrap();
            assert_eq!(pids(), 0);
            host.boot(now);
            host.write_files(&root).unwrap();
        });
        assert_ne!(read("proc/sys/kernel/random/boot_id"), boot);
        // Twice makes no harm, and does not touch the data.
        kit.store.edit(|host| host.prepare_folder(&root).unwrap());
        assert_eq!(
            read(".efs/fs-0123456789abcdef0/n8n/README"),
            "data of n8n\n"
        );
    }
}
