//! What is done to the disk below the state folder, said before it is done.
//!
//! A loss of power keeps what was synced, and of the rest anything in any order; a full disk refuses anything that
//! grows. Both can be shown only by whoever knows each write, each sync and each name, in order. So all of them go
//! through `touch`, and a test may `watch` those of its thread: it writes them down, or answers with an error.
//! The program itself watches nothing.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;

/// One thing that is about to be done. Paths are as they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    /// A folder is made, above which all are there.
    Folder(PathBuf),
    /// A file gets its name, empty; one that is there stays as it is.
    Create(PathBuf),
    /// Bytes are written.
    Write {
        /// The file.
        file: PathBuf,
        /// From this byte on.
        at: u64,
        /// These.
        bytes: Vec<u8>,
    },
    /// A file is cut, or grown with zeros, to this length.
    Cut {
        /// The file.
        file: PathBuf,
        /// Its length, in bytes.
        to: u64,
    },
    /// Content and length of a file survive from here on (`fsync`, `fdatasync`).
    Sync(PathBuf),
    /// A file gets another name, in place of the file that had it.
    Rename {
        /// The old name, which is gone then.
        from: PathBuf,
        /// The new one.
        to: PathBuf,
    },
    /// A name is taken away: of a file, or of an empty folder.
    Remove(PathBuf),
    /// The names in a folder survive from here on (`fsync` of the folder).
    SyncFolder(PathBuf),
}

type Watcher = Box<dyn FnMut(&Touch) -> io::Result<()>>;

thread_local! {
    static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
}

/// Watches until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Watching(());

impl Drop for Watching {
    fn drop(&mut self) {
        WATCHER.with_borrow_mut(Option::take);
    }
}

/// Tells the watcher what this thread is about to do to the disk, each time; its error is that of the disk, and then it
/// is not done. A watcher must not touch the state folder through this library.
pub fn watch(watcher: impl FnMut(&Touch) -> io::Result<()> + 'static) -> Watching {
    WATCHER.with_borrow_mut(|there| *there = Some(Box::new(watcher)));
    Watching(())
}

/// Does it, unless somebody watches and says no.
///
/// # Errors
/// The watcher's, or its own.
pub(crate) fn touch<T>(
    what: impl FnOnce() -> Touch,
    act: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    WATCHER.with_borrow_mut(|watcher| match watcher {
        Some(watcher) => watcher(&what()),
        None => Ok(()),
    })?;
    act()
}

#[cfg(test)]
mod tests {
    use super::super::{make_folder, write_atomically};
    use super::*;

    #[test]
    fn a_file_is_synced_before_it_has_its_name_and_its_folder_after() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a/b.yaml");
        let seen = std::rc::Rc::new(RefCell::new(Vec::new()));
        let log = seen.clone();
        let watching = watch(move |touch| {
            log.borrow_mut().push(touch.clone());
            Ok(())
        });
        write_atomically(&file, b"one").unwrap();
        drop(watching);
        write_atomically(&file, b"two").unwrap();
        let (above, folder) = (root.path().to_owned(), root.path().join("a"));
        let seen = seen.take();
        let [_, _, Touch::Create(temporary), ..] = &seen[..] else {
            panic!("{seen:?}")
        };
        let temporary = temporary.clone();
        let write = Touch::Write {
            file: temporary.clone(),
            at: 0,
            bytes: b"one".to_vec(),
        };
        let rename = Touch::Rename {
            from: temporary.clone(),
            to: file,
        };
        let expected = [
            Touch::Folder(folder.clone()),
            Touch::SyncFolder(above),
            Touch::Create(temporary.clone()),
            write,
            Touch::Sync(temporary),
            rename,
            Touch::SyncFolder(folder),
        ];
        assert_eq!(seen, expected, "and nothing of the second");
    }

    #[test]
    fn what_the_watcher_refuses_is_not_done() {
        let root = tempfile::tempdir().unwrap();
        let watching = watch(|_| Err(io::ErrorKind::StorageFull.into()));
        let folder = root.path().join("a");
        assert_eq!(make_folder(&folder).unwrap_err().code(), "disk_full");
        assert!(!folder.exists());
        drop(watching);
        make_folder(&folder).unwrap();
    }
}
