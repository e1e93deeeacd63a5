//! Files that are there whole or not at all, and for no one else to read.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use tempfile::NamedTempFile;

use super::StateError;
use super::disk::{Touch, touch};

/// Makes the folder and those above it that are missing, 0700 each, and syncs what was made.
pub(crate) fn make_folder(folder: &Path) -> Result<(), StateError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new(""));
    make_folder(above)?;
    let make = || DirBuilder::new().mode(0o700).create(folder);
    match touch(|| Touch::Folder(folder.to_owned()), make) {
        Ok(()) => sync_folder(above),
        Err(_) if folder.is_dir() => Ok(()),
        Err(e) => Err(StateError::writing(
            folder,
            io::Error::new(
                e.kind(),
                format!("failed to create folder {}: {e}", folder.display()),
            ),
        )),
    }
}

/// Syncs the names in a folder: a new or renamed file survives a power cut only after this (fsync(2)).
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StateError> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let sync = || fs_err::File::open(folder).and_then(|f| f.sync_all());
    touch(|| Touch::SyncFolder(folder.to_owned()), sync).map_err(|e| StateError::writing(folder, e))
}

/// Writes the file through a temporary one in the same folder: after a crash there is the old text or the
/// new one. The mode is 0600. The folder is made where it is missing.
pub(crate) fn write_atomically(file: &Path, bytes: &[u8]) -> Result<(), StateError> {
    put(file, bytes, true)
}

/// The same for a file that must not be there yet.
pub(crate) fn write_new(file: &Path, bytes: &[u8]) -> Result<(), StateError> {
    put(file, bytes, false)
}

fn put(file: &Path, bytes: &[u8], overwrite: bool) -> Result<(), StateError> {
    let failed = |e: io::Error| StateError::writing(file, e);
    let folder = file.parent().unwrap_or(Path::new(""));
    make_folder(folder)?;
    // A NamedTempFile is 0600, and is removed again when anything below fails.
    let mut temporary = temporary_in(folder).map_err(failed)?;
    let name = temporary.path().to_owned();
    let write = || Touch::Write {
        file: name.clone(),
        at: 0,
        bytes: bytes.to_owned(),
    };
    touch(write, || temporary.write_all(bytes)).map_err(failed)?;
    let sync = || temporary.as_file().sync_all();
    touch(|| Touch::Sync(name), sync).map_err(failed)?;
    match persist(temporary, file, overwrite) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && !overwrite => {
            // Whoever put it there may have been killed before it synced the name.
            sync_folder(folder)?;
            return Err(StateError::Exists {
                file: file.to_owned(),
            });
        }
        done => done.map_err(failed)?,
    };
    sync_folder(folder)
}

/// A temporary file in this folder, 0600, empty; it is gone when it is dropped.
pub(super) fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let temporary = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)?;
    // Its name is known only now; refused, it is gone again.
    touch(|| Touch::Create(temporary.path().to_owned()), || Ok(()))?;
    Ok(temporary)
}

/// Gives a temporary file its name. The folder is not synced yet.
pub(super) fn persist(temporary: NamedTempFile, to: &Path, overwrite: bool) -> io::Result<File> {
    let rename = || Touch::Rename {
        from: temporary.path().to_owned(),
        to: to.to_owned(),
    };
    // A name that is taken is refused below, and nothing is done.
    if overwrite || !to.exists() {
        touch(rename, || Ok(()))?;
    }
    let done = match overwrite {
        true => temporary.persist(to),
        false => temporary.persist_noclobber(to),
    };
    done.map_err(|e| e.error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs_err::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folders_are_0700_and_files_0600_and_no_temporary_file_stays() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a/b/c.yaml");
        write_atomically(&file, b"one").unwrap();
        write_atomically(&file, b"two").unwrap();
        assert_eq!(fs_err::read(&file).unwrap(), b"two");
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(&root.path().join("a")), 0o700);
        assert_eq!(mode(&root.path().join("a/b")), 0o700);
        assert_eq!(
            fs_err::read_dir(root.path().join("a/b")).unwrap().count(),
            1
        );
    }

    #[test]
    fn a_new_file_is_never_put_over_an_old_one() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("c.yaml");
        write_new(&file, b"one").unwrap();
        let error = write_new(&file, b"two").unwrap_err();
        assert!(matches!(error, StateError::Exists { .. }), "{error}");
        assert_eq!(fs_err::read(&file).unwrap(), b"one");
        assert_eq!(fs_err::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_names_itself_and_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("plain"), "").unwrap();
        let error = write_atomically(&root.path().join("plain/x/y.yaml"), b"").unwrap_err();
        assert_eq!(error.code(), "state_unwritable");
        assert!(error.to_string().contains("/plain: "), "{error}");
        assert!(error.help().contains("--state"), "{}", error.help());
    }

    #[test]
    fn no_space_is_told_apart_from_no_access() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let quota = io::Error::from(io::ErrorKind::QuotaExceeded);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let code = |e| StateError::writing(Path::new("/s/x"), e).code();
        assert_eq!(code(full), "disk_full");
        assert_eq!(code(quota), "disk_full");
        assert_eq!(code(denied), "state_unwritable");
    }
}
