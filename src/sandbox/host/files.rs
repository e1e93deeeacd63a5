//! The files of a host: a folder on disk, or a table in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

/// Files by their absolute path on the host.
pub trait HostFiles {
    /// Reads a text file.
    ///
    /// # Errors
    /// As reading a file.
    fn read(&self, path: &str) -> io::Result<String>;

    /// Writes a text file whole; folders are made.
    ///
    /// # Errors
    /// As writing a file.
    fn write(&mut self, path: &str, text: &str) -> io::Result<()>;

    /// The names of the files in a folder, in order; none where there is no such folder.
    fn list(&self, folder: &str) -> Vec<String>;
}

/// The files of a host in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFiles(pub BTreeMap<String, String>);

impl HostFiles for MemoryFiles {
    fn read(&self, path: &str) -> io::Result<String> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, path: &str, text: &str) -> io::Result<()> {
        self.0.insert(path.to_owned(), text.to_owned());
        Ok(())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let within = |path: &String| {
            let name = path.strip_prefix(folder)?.strip_prefix('/')?;
            (!name.contains('/')).then(|| name.to_owned())
        };
        self.0.keys().filter_map(within).collect()
    }
}

/// The files of a host below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// Where a path of the host is on disk. `..` leads nowhere above the folder.
    pub fn at(&self, path: &str) -> PathBuf {
        let mut out = self.0.clone();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => out.push(name),
                Component::ParentDir if out != self.0 => {
                    out.pop();
                }
                _ => {}
            }
        }
        out
    }

    /// Makes a folder with all above it, none of which leads out of the host's: what ran on the host may
    /// have put links there, and a process outside must not follow them.
    ///
    /// # Errors
    /// A folder cannot be made, or a link leads out.
    pub fn folder(&self, path: &str) -> io::Result<PathBuf> {
        let root = fs::canonicalize(&self.0)?;
        let mut at = root.clone();
        let wanted = self.at(path);
        for part in wanted
            .strip_prefix(&self.0)
            .unwrap_or(Path::new(""))
            .components()
        {
            at.push(part);
            if !at.exists() && !at.is_symlink() {
                match fs::create_dir(&at) {
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                    other => other?,
                }
            }
            at = fs::canonicalize(&at)?;
            if !at.starts_with(&root) {
                return Err(io::Error::other(format!(
                    "{path} leads out of the host's folder {}",
                    root.display()
                )));
            }
        }
        Ok(at)
    }
}

impl HostFiles for Folder {
    fn read(&self, path: &str) -> io::Result<String> {
        let at = self.at(path);
        let (real, root) = (fs::canonicalize(&at)?, fs::canonicalize(&self.0)?);
        if !real.starts_with(&root) {
            return Err(io::ErrorKind::NotFound.into());
        }
        fs::read_to_string(real)
    }

    fn write(&mut self, path: &str, text: &str) -> io::Result<()> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.folder(above)?;
        let target = parent.join(name);
        // Readers of the host see the old text or the new one; a link at the target is replaced, not followed.
        let mut file = tempfile::NamedTempFile::new_in(&parent)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.persist(target).map_err(|e| e.error)?;
        Ok(())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder(root.path().join("host"));
        fs::create_dir(&folder.0).unwrap();
        folder.write("/etc/../x/y", "1").unwrap();
        assert_eq!(folder.read("/x/y").unwrap(), "1");
        assert_eq!(folder.at("/../.."), folder.0);
        fs_err::os::unix::fs::symlink(root.path(), folder.0.join("out")).unwrap();
        fs::write(root.path().join("secret"), "s").unwrap();
        assert!(folder.read("/out/secret").is_err());
        assert!(
            folder
                .write("/out/secret", "t")
                .unwrap_err()
                .to_string()
                .contains("leads out")
        );
        assert!(folder.folder("/out/new").is_err());
        assert_eq!(fs::read_to_string(root.path().join("secret")).unwrap(), "s");
    }
}
