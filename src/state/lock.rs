//! The lock of this machine, and the fencing number that each holder of it gets.
//!
//! The lock is an advisory lock on an open file (`flock(2)` on Linux): the system lets go of it when the
//! process ends, however it ends. The file stays; what it says counts only while it is locked.

use std::fs::TryLockError;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err::os::unix::fs::OpenOptionsExt;
use serde::{Deserialize, Serialize};

use super::atomic::{persist, temporary_in};
use super::disk::{Touch, touch};
use super::{StateDir, StateError, make_folder, sync_folder, write_atomically};
use crate::model::{DeploymentName, OperationId, Timestamp, quoted};

/// Who holds a deployment, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The name of the user.
    pub user: String,
    /// The name of the machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The operation, where one is known already.
    pub operation: Option<OperationId>,
    /// What for, e.g. `update`.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// No more bytes of a lock file are read.
const LONGEST_HOLDER: u64 = 64 * 1024;

impl Holder {
    /// Reads what a lock file says; None where that is no holder (it is written anew just now). Pure, and total.
    pub fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{name} is locked{}", holder.as_deref().map(by).unwrap_or_default())]
    Held {
        /// The deployment.
        name: DeploymentName,
        /// Who, where that could be read.
        holder: Option<Box<Holder>>,
    },
    /// The files could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

fn by(holder: &Holder) -> String {
    format!(
        " by {} (process {} on {}, user {}) since {}",
        quoted(&holder.reason),
        holder.pid,
        quoted(&holder.host),
        quoted(&holder.user),
        holder.since
    )
}

/// The lock, held until this is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    /// Higher than that of every earlier holder; the host refuses lower ones.
    pub fence: u64,
    path: PathBuf,
    file: fs_err::File,
    fence_file: PathBuf,
}

/// A look with [`Lock::holder`] holds the file for a moment, so a taker tries again before it gives up.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

impl Lock {
    /// Takes the lock of a deployment and counts the fence up. Makes the deployment's folder where it is
    /// missing. Waits for at most 50 ms.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it; [`LockError::State`] when files cannot be used.
    pub fn acquire(
        state: &StateDir,
        name: &DeploymentName,
        holder: &Holder,
    ) -> Result<Self, LockError> {
        let path = state.folder(name).join("lock");
        let file = lock_file(state, name, &path)?;
        Self::of(state, name, holder, path, file).map_err(LockError::State)
    }

    /// Takes it from whoever holds it: a new file is put in its place, so that a lock on the old one counts no
    /// more, and the fence is counted up, which the old holder finds ([`Lock::is_ours`]).
    ///
    /// # Errors
    /// [`StateError`]: files cannot be used.
    pub fn break_open(
        state: &StateDir,
        name: &DeploymentName,
        holder: &Holder,
    ) -> Result<Self, StateError> {
        let folder = state.folder(name);
        let path = folder.join("lock");
        make_folder(&folder)?;
        let failed = |e| StateError::writing(&path, e);
        // Locked before it has its name: nobody can come between.
        let temporary = temporary_in(&folder).map_err(failed)?;
        temporary.as_file().try_lock().map_err(|e| match e {
            TryLockError::Error(e) => failed(e),
            TryLockError::WouldBlock => failed(std::io::ErrorKind::WouldBlock.into()),
        })?;
        let file = persist(temporary, &path, true).map_err(failed)?;
        let file = fs_err::File::from_parts(file, &path);
        sync_folder(&folder)?;
        Self::of(state, name, holder, path, file)
    }

    /// With the file locked: writes down who has it, and counts.
    fn of(
        state: &StateDir,
        name: &DeploymentName,
        holder: &Holder,
        path: PathBuf,
        file: fs_err::File,
    ) -> Result<Self, StateError> {
        let fence_file = state.folder(name).join("fence");
        let fence = read_fence(&fence_file)? + 1;
        // From here on dropped as a whole: one that fails half way leaves no holder in the file.
        let mut lock = Self {
            fence,
            path: path.clone(),
            file,
            fence_file,
        };
        let text = serde_json::to_string(holder).expect("strings and numbers");
        let text = format!("{text}\n").into_bytes();
        let write = || Touch::Write {
            file: path.clone(),
            at: 0,
            bytes: text.clone(),
        };
        touch(
            || Touch::Cut {
                file: path.clone(),
                to: 0,
            },
            || lock.file.set_len(0),
        )
        .and_then(|()| lock.file.rewind())
        .and_then(|()| touch(write, || lock.file.write_all(&text)))
        .and_then(|()| touch(|| Touch::Sync(path.clone()), || lock.file.sync_all()))
        .map_err(|e| StateError::writing(&path, e))?;
        write_fence(&lock.fence_file, fence)?;
        Ok(lock)
    }

    /// Whether it still counts: nobody has put another file in its place, nor counted the fence up.
    ///
    /// # Errors
    /// [`StateError`]: the files cannot be read.
    pub fn is_ours(&self) -> Result<bool, StateError> {
        let failed = |e| StateError::reading(&self.path, e);
        let ours = self.file.metadata().map_err(failed)?;
        match fs_err::metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                Ok(read_fence(&self.fence_file)? == self.fence)
            }
            Ok(_) => Ok(false),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed(e)),
        }
    }

    /// Makes the fence at least this high: for a host that has seen a higher one, because the state folder
    /// was lost or another one was used.
    ///
    /// # Errors
    /// [`StateError`] when the file cannot be written.
    pub fn raise(&mut self, at_least: u64) -> Result<(), StateError> {
        if at_least > self.fence {
            write_fence(&self.fence_file, at_least)?;
            self.fence = at_least;
        }
        Ok(())
    }

    /// The next lock gets a number above this one. The last that is done with a lock: it is not ours afterwards.
    ///
    /// # Errors
    /// [`StateError`] when the file cannot be written.
    pub fn count_to(&self, at_least: u64) -> Result<(), StateError> {
        match at_least > self.fence {
            true => write_fence(&self.fence_file, at_least),
            false => Ok(()),
        }
    }

    /// Who holds a deployment now. Only looks: writes nothing and makes nothing.
    ///
    /// # Errors
    /// [`StateError`] when the file is there and cannot be read.
    pub fn holder(state: &StateDir, name: &DeploymentName) -> Result<Option<Holder>, StateError> {
        let path = state.folder(name).join("lock");
        let mut file = match fs_err::File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StateError::reading(&path, e)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(read_holder(&mut file).map(|h| *h)),
            Err(TryLockError::Error(e)) => Err(StateError::reading(&path, e)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // For people who look at the file; the lock itself goes with the file handle.
        let _ = self.file.set_len(0);
    }
}

fn lock_file(
    state: &StateDir,
    name: &DeploymentName,
    path: &Path,
) -> Result<fs_err::File, LockError> {
    let failed = |e| StateError::writing(path, e);
    let mut tries = 0;
    loop {
        make_folder(&state.folder(name))?;
        let open = || {
            fs_err::OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
        };
        let mut file = touch(|| Touch::Create(path.to_owned()), open).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                // The last holder may have removed the deployment between our open and our lock; then
                // this is a lock on a file that nobody else will ever find.
                let ours = file.metadata().map_err(failed)?;
                match fs_err::metadata(path) {
                    Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                        return Ok(file);
                    }
                    _ => continue,
                }
            }
            Err(TryLockError::WouldBlock) if tries + 1 < TRIES => {
                tries += 1;
                std::thread::sleep(BETWEEN_TRIES);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    name: name.clone(),
                    holder: read_holder(&mut file),
                });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e).into()),
        }
    }
}

fn read_holder(file: &mut fs_err::File) -> Option<Box<Holder>> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(LONGEST_HOLDER).read_to_end(&mut text).ok()?;
    Holder::parse(&text).map(Box::new)
}

/// The highest number given so far; 0 where none was.
fn read_fence(file: &Path) -> Result<u64, StateError> {
    let text = match fs_err::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(StateError::reading(file, e)),
    };
    match text.trim_end().parse() {
        Ok(fence) if fence < u64::MAX => Ok(fence),
        _ => Err(StateError::damaged(
            file,
            1,
            1,
            format!(
                "found {}, expected a number that counts the locks",
                quoted(text.trim_end())
            ),
        )),
    }
}

fn write_fence(file: &Path, fence: u64) -> Result<(), StateError> {
    write_atomically(file, format!("{fence}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> (tempfile::TempDir, StateDir, DeploymentName) {
        let root = tempfile::tempdir().unwrap();
        let (state, _) = StateDir::open(root.path().join("s")).unwrap();
        (root, state, DeploymentName::new("web").unwrap())
    }

    fn holder(reason: &str) -> Holder {
        Holder {
            user: "ann".into(),
            host: "laptop".into(),
            pid: 7,
            operation: None,
            reason: reason.into(),
            since: "2026-11-20T10:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_second_taker_is_told_who_holds_it() {
        let (_root, state, name) = world();
        assert_eq!(Lock::holder(&state, &name).unwrap(), None);
        assert!(!state.root().exists(), "a look makes nothing");
        let lock = Lock::acquire(&state, &name, &holder("update")).unwrap();
        let error = Lock::acquire(&state, &name, &holder("rollback")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "web is locked by 'update' (process 7 on 'laptop', user 'ann') since 2026-11-20T10:00:00Z"
        );
        assert_eq!(Lock::holder(&state, &name).unwrap(), Some(holder("update")));
        drop(lock);
        assert_eq!(Lock::holder(&state, &name).unwrap(), None);
        Lock::acquire(&state, &name, &holder("rollback")).unwrap();
    }

    #[test]
    fn the_fence_goes_up_with_each_lock_and_never_down() {
        let (_root, state, name) = world();
        let fence = |state: &StateDir| Lock::acquire(state, &name, &holder("x")).unwrap().fence;
        assert_eq!([fence(&state), fence(&state), fence(&state)], [1, 2, 3]);
        {
            let mut lock = Lock::acquire(&state, &name, &holder("x")).unwrap();
            lock.raise(2).unwrap();
            assert_eq!(lock.fence, 4);
            lock.raise(90).unwrap();
            assert_eq!(lock.fence, 90);
        }
        assert_eq!(fence(&state), 91);
        let lock = Lock::acquire(&state, &name, &holder("x")).unwrap();
        lock.count_to(3).unwrap();
        assert!(lock.is_ours().unwrap());
        lock.count_to(200).unwrap();
        assert_eq!((lock.fence, lock.is_ours().unwrap()), (92, false));
        drop(lock);
        assert_eq!(fence(&state), 201);
    }

    #[test]
    fn a_damaged_fence_is_an_error_and_stays_as_it_is() {
        let (_root, state, name) = world();
        drop(Lock::acquire(&state, &name, &holder("x")).unwrap());
        let file = state.folder(&name).join("fence");
        fs_err::write(&file, "minus one\n").unwrap();
        let error = Lock::acquire(&state, &name, &holder("x")).unwrap_err();
        assert!(
            error.to_string().contains("fence:1:1: found 'minus one'"),
            "{error}"
        );
        assert_eq!(fs_err::read_to_string(&file).unwrap(), "minus one\n");
        let lock = state.folder(&name).join("lock");
        assert_eq!(fs_err::read_to_string(lock).unwrap(), "", "nobody holds it");
    }

    #[test]
    fn a_lock_on_a_removed_folder_is_none() {
        let (_root, state, name) = world();
        let first = Lock::acquire(&state, &name, &holder("destroy")).unwrap();
        fs_err::remove_dir_all(state.folder(&name)).unwrap();
        drop(first);
        let second = Lock::acquire(&state, &name, &holder("adopt")).unwrap();
        assert!(matches!(
            Lock::acquire(&state, &name, &holder("adopt")),
            Err(LockError::Held { .. })
        ));
        drop(second);
    }

    #[test]
    fn a_broken_lock_counts_no_more_and_its_holder_finds_out() {
        let (_root, state, name) = world();
        let frozen = Lock::acquire(&state, &name, &holder("update")).unwrap();
        assert!(frozen.is_ours().unwrap());
        let breaker = Lock::break_open(&state, &name, &holder("unlock")).unwrap();
        assert_eq!((frozen.fence, breaker.fence), (1, 2));
        assert!(!frozen.is_ours().unwrap() && breaker.is_ours().unwrap());
        assert_eq!(Lock::holder(&state, &name).unwrap(), Some(holder("unlock")));
        drop(breaker);
        assert!(
            !frozen.is_ours().unwrap(),
            "nobody holds it, and it is not ours"
        );
        let mut next = Lock::acquire(&state, &name, &holder("rollback")).unwrap();
        drop(frozen);
        assert_eq!(
            Lock::holder(&state, &name).unwrap(),
            Some(holder("rollback"))
        );
        next.raise(9).unwrap();
        assert!(next.is_ours().unwrap());
        write_fence(&next.fence_file, 10).unwrap();
        assert!(!next.is_ours().unwrap(), "somebody counted on");
        fs_err::remove_dir_all(state.folder(&name)).unwrap();
        assert!(!next.is_ours().unwrap());
    }

    #[test]
    fn what_a_killed_holder_left_behind_does_not_count() {
        let (_root, state, name) = world();
        drop(Lock::acquire(&state, &name, &holder("x")).unwrap());
        let file = state.folder(&name).join("lock");
        fs_err::write(&file, serde_json::to_string(&holder("killed")).unwrap()).unwrap();
        assert_eq!(Lock::holder(&state, &name).unwrap(), None);
        assert_eq!(Lock::acquire(&state, &name, &holder("x")).unwrap().fence, 2);
    }
}
