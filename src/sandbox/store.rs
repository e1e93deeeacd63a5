//! The world on disk: one file under one lock, and beside it the commands that are over. Those are most of it, and
//! no host and no agent needs them: each call of a host's docker is a process that reads the world anew.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err::os::unix::fs::OpenOptionsExt;

use super::world::{Command, WORLD_SCHEMA, World};
use crate::cloud::Clock;
use crate::model::Timestamp;

/// Where a world is kept: `world.json` and `history.json`, and `world.lock` beside them.
#[derive(Clone)]
pub struct Store {
    dir: PathBuf,
    seed: Arc<Seed>,
    read: Arc<Mutex<Option<Known>>>,
}

/// Makes the world at the first access.
pub type Seed = dyn Fn(Timestamp) -> io::Result<World> + Send + Sync;

/// What was read or saved last, and the state of the files then.
struct Known {
    files: Files,
    world: World,
    /// What is over; None where it was not asked for, and the world is without it.
    past: Option<Past>,
}

/// The content of `history.json`.
#[derive(Default)]
struct Past {
    /// The file that it was read from or saved as.
    file: Option<Stamp>,
    commands: Vec<Command>,
    /// Each of them as it is saved; empty where it was not saved by us yet.
    texts: Vec<String>,
}

/// Inode, size and time of change.
type Stamp = (u64, u64, i64, i64);

/// Tells whether the files are still those that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    /// [`World::saves`]: a clock's tick may see several.
    saves: u64,
    /// Of `world.json`: somebody may replace it by hand.
    world: Stamp,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.dir).finish()
    }
}

/// A world that cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read or written; the error names it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is there and is no world. It is left as it is.
    #[error("{path} is not a sandbox: expected {WORLD_SCHEMA}, found {found}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with line and column.
        found: String,
    },
}

impl Store {
    /// A store in this folder. The world is made at the first access, with [`World::new`].
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self::seeded(dir, |now| Ok(World::new(now)))
    }

    /// The same with a world of one's own to begin with. The seed runs under the lock, so that it may also
    /// write what belongs to the world into the folder.
    pub fn seeded(
        dir: impl Into<PathBuf>,
        seed: impl Fn(Timestamp) -> io::Result<World> + Send + Sync + 'static,
    ) -> Self {
        Self {
            dir: dir.into(),
            seed: Arc::new(seed),
            read: Arc::default(),
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `world.json`.
    pub fn file(&self) -> PathBuf {
        self.dir.join("world.json")
    }

    /// One access under the lock: load, let happen what was due, do this, and save if anything changed.
    /// The clock is read once the lock is held, so that time does not go back between two accesses.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was saved.
    pub fn with<T>(
        &self,
        clock: &dyn Clock,
        f: impl FnOnce(&mut World, Timestamp) -> T,
    ) -> Result<T, StoreError> {
        self.access(clock, true, f)
    }

    /// The same without the commands that are over, for what lives on a host. It makes no world: one that was
    /// thrown away meanwhile is [`io::ErrorKind::NotFound`].
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was saved.
    pub fn without_history<T>(
        &self,
        clock: &dyn Clock,
        f: impl FnOnce(&mut World, Timestamp) -> T,
    ) -> Result<T, StoreError> {
        self.access(clock, false, f)
    }

    fn access<T>(
        &self,
        clock: &dyn Clock,
        whole: bool,
        f: impl FnOnce(&mut World, Timestamp) -> T,
    ) -> Result<T, StoreError> {
        if whole {
            private_folder(&self.dir)?;
        }
        let lock = fs_err::OpenOptions::new()
            .create(whole)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.dir.join("world.lock"))?;
        lock.lock()?;
        let now = clock.now();
        let files = self.files();
        let mut slot = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (world, past) = match slot.take() {
            Some(known) if Some(known.files) == files && known.past.is_some() == whole => {
                (Some(known.world), known.past)
            }
            known => self.load(whole, known.and_then(|known| known.past))?,
        };
        let (before, mut world) = match world {
            Some(world) => (Some(world.clone()), world),
            None if whole => (None, (self.seed)(now)?),
            None => {
                let gone = io::Error::new(io::ErrorKind::NotFound, "the sandbox is gone");
                return Err(gone.into());
            }
        };
        world.advance(now);
        let answer = f(&mut world, now);
        let past = if before.is_none_or(|before| before != world) {
            world.saves += 1;
            self.save_all(&mut world, past)?
        } else {
            past
        };
        *slot = self.files().map(|files| Known { files, world, past });
        Ok(answer)
    }

    /// What the world was saved as last. It costs next to nothing, takes no lock, and lets nothing happen.
    pub fn files(&self) -> Option<Files> {
        let mut file = fs_err::File::open(self.file()).ok()?;
        let mut head = [0; 40];
        let n = file.read(&mut head).ok()?;
        let digits = head[..n].strip_prefix(br#"{"saves":"#)?;
        let digits = digits.split(|b| !b.is_ascii_digit()).next()?;
        let saves = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let world = stamp(&file.metadata().ok()?);
        Some(Files { saves, world })
    }

    /// The world, and what is over where the whole is asked for: that which is known, if the file still is that one.
    fn load(
        &self,
        whole: bool,
        known: Option<Past>,
    ) -> Result<(Option<World>, Option<Past>), StoreError> {
        let Some(mut world) = self.load_world()? else {
            return Ok((None, whole.then(Past::default)));
        };
        if !whole {
            return Ok((Some(world), None));
        }
        let path = self.history();
        let file = std::fs::metadata(&path).ok().map(|of| stamp(&of));
        let past = match known {
            Some(known) if known.file == file => known,
            _ => self.load_past(file)?,
        };
        // A crash between the two saves leaves a command in both: the one that is over is right.
        world.commands.retain(|c| {
            let mut over = past.commands.iter();
            !over.any(|old| old.id == c.id && old.instance == c.instance)
        });
        world.commands.splice(..0, past.commands.iter().cloned());
        world.commands.sort_by_key(|c| c.requested_at);
        Ok((Some(world), Some(past)))
    }

    fn load_past(&self, file: Option<Stamp>) -> Result<Past, StoreError> {
        let path = self.history();
        let commands: Vec<Command> = match fs_err::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|e| StoreError::Damaged {
                path,
                found: e.to_string(),
            })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e.into()),
        };
        let texts = vec![String::new(); commands.len()];
        Ok(Past {
            file,
            commands,
            texts,
        })
    }

    /// Saves the world; where it is whole, what is over goes to the history.
    fn save_all(&self, world: &mut World, past: Option<Past>) -> Result<Option<Past>, StoreError> {
        let text = |what: serde_json::Result<Vec<u8>>| what.map_err(io::Error::from);
        let Some(mut past) = past else {
            self.save(&self.file(), &text(serde_json::to_vec(&world))?)?;
            return Ok(None);
        };
        let all = std::mem::take(&mut world.commands);
        let (over, open): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|c| c.state.ended());
        if over != past.commands {
            past = self.save_past(over, past)?;
        }
        world.commands = open;
        let open = text(serde_json::to_vec(&world));
        world.commands = all;
        self.save(&self.file(), &open?)?;
        Ok(Some(past))
    }

    /// Saves what is over. Most of it was saved before, and its text is known.
    fn save_past(&self, commands: Vec<Command>, before: Past) -> Result<Past, StoreError> {
        let mut texts = Vec::with_capacity(commands.len());
        for command in &commands {
            let known = before.commands.iter().position(|c| c == command);
            let text = known.map(|n| before.texts[n].clone()).unwrap_or_default();
            texts.push(if text.is_empty() {
                serde_json::to_string(command).map_err(io::Error::from)?
            } else {
                text
            });
        }
        self.save(&self.history(), format!("[{}]", texts.join(",")).as_bytes())?;
        Ok(Past {
            file: std::fs::metadata(self.history()).ok().map(|of| stamp(&of)),
            commands,
            texts,
        })
    }

    /// `history.json`.
    fn history(&self) -> PathBuf {
        self.dir.join("history.json")
    }

    fn load_world(&self) -> Result<Option<World>, StoreError> {
        let path = self.file();
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                return Err(StoreError::Damaged {
                    path,
                    found: "bytes that are no text".into(),
                });
            }
            Err(e) => return Err(e.into()),
        };
        #[derive(serde::Deserialize)]
        struct Head {
            schema: String,
        }
        let found = match serde_json::from_str::<World>(&text) {
            Ok(world) if world.schema == WORLD_SCHEMA => return Ok(Some(world)),
            Ok(world) => world.schema,
            // Of a newer schema the fields cannot be judged.
            Err(e) => match serde_json::from_str::<Head>(&text) {
                Ok(head) if head.schema != WORLD_SCHEMA => head.schema,
                _ => e.to_string(),
            },
        };
        Err(StoreError::Damaged { path, found })
    }

    /// A crash leaves the old file or the new one. There is no fsync: this is a toy's state, and a poll
    /// of it must not cost a disk write's time.
    fn save(&self, path: &Path, text: &[u8]) -> Result<(), StoreError> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(text)?;
        file.persist(path).map_err(|e| {
            io::Error::new(e.error.kind(), format!("{}: {}", path.display(), e.error))
        })?;
        Ok(())
    }
}

fn stamp(of: &std::fs::Metadata) -> Stamp {
    (of.ino(), of.size(), of.mtime(), of.mtime_nsec())
}

/// Makes a folder that only its owner can enter.
pub(super) fn private_folder(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", dir.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::memory::VirtualClock;
    use crate::sandbox::world::SEED_INSTANCE;

    fn clock() -> VirtualClock {
        VirtualClock::at("2026-11-20T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_world_goes_on_across_accesses() {
        let dir = tempfile::tempdir().unwrap();
        let (store, clock) = (Store::new(dir.path().join("sandbox")), clock());
        store
            .with(&clock, |w, now| w.stop(SEED_INSTANCE, false, now))
            .unwrap()
            .unwrap();
        clock.advance(std::time::Duration::from_secs(1));
        let state = Store::new(store.dir())
            .with(&clock, |w, _| w.instances[SEED_INSTANCE].state)
            .unwrap();
        assert_eq!(state, crate::model::RunState::Stopped);
    }

    #[test]
    fn a_look_does_not_write() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let (store, clock) = (Store::new(dir.path()), clock());
        store.with(&clock, |_, _| ()).unwrap();
        let inode = || fs_err::metadata(store.file()).unwrap().ino();
        let before = inode();
        store.with(&clock, |w, _| w.account.clone()).unwrap();
        assert_eq!(inode(), before);
        store
            .with(&clock, |w, _| w.account = "210987654321".into())
            .unwrap();
        assert_ne!(inode(), before);
    }

    /// A command that was sent, and for `over` also ended.
    fn send(store: &Store, clock: &VirtualClock, over: bool) -> String {
        store
            .with(clock, |w, now| {
                let ask = crate::sandbox::world::SendCommand {
                    document: "AWS-RunShellScript".into(),
                    instances: vec![SEED_INSTANCE.into()],
                    script: "true".into(),
                    working_directory: None,
                    comment: String::new(),
                    delivery_timeout_s: None,
                    execution_timeout_s: None,
                };
                let id = w.send_command(&ask, now).unwrap();
                if over {
                    w.next_command(SEED_INSTANCE, now).unwrap();
                    w.finish_command(SEED_INSTANCE, &id, 0, "long output", "", now);
                }
                id
            })
            .unwrap()
    }

    #[test]
    fn what_is_over_is_kept_apart_and_still_there() {
        let dir = tempfile::tempdir().unwrap();
        let (store, clock) = (Store::new(dir.path()), clock());
        let first = send(&store, &clock, true);
        clock.advance(std::time::Duration::from_millis(1));
        let second = send(&store, &clock, false);
        let world = fs_err::read_to_string(store.file()).unwrap();
        assert!(!world.contains("long output") && world.contains(&second));
        let ids = |w: &mut World, _: Timestamp| -> Vec<String> {
            w.commands.iter().map(|c| c.id.clone()).collect()
        };
        // By who has it in memory, and by one who reads the files.
        for store in [store.clone(), Store::new(dir.path())] {
            assert_eq!(
                store.with(&clock, ids).unwrap(),
                [first.clone(), second.clone()]
            );
            let present = store.without_history(&clock, ids).unwrap();
            assert_eq!(present, std::slice::from_ref(&second));
        }
        // The agent ends the second; the next whole save puts it with the first.
        let agent = Store::new(dir.path());
        agent
            .without_history(&clock, |w, now| {
                w.next_command(SEED_INSTANCE, now).unwrap();
                w.finish_command(SEED_INSTANCE, &second, 0, "more of it", "", now);
            })
            .unwrap();
        let third = send(&store, &clock, false);
        let all = [first, second, third.clone()];
        assert_eq!(Store::new(dir.path()).with(&clock, ids).unwrap(), all);
        assert_eq!(agent.without_history(&clock, ids).unwrap(), [third]);
    }

    #[test]
    fn what_another_process_saved_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (one, clock) = (Store::new(dir.path()), clock());
        let two = Store::new(dir.path());
        for n in 0..20 {
            let (from, to) = if n % 2 == 0 {
                (&one, &two)
            } else {
                (&two, &one)
            };
            let account = format!("{n:012}");
            from.with(&clock, |w, _| w.account.clone_from(&account))
                .unwrap();
            assert_eq!(to.with(&clock, |w, _| w.account.clone()).unwrap(), account);
            let seen = to.without_history(&clock, |w, _| w.account.clone());
            assert_eq!(seen.unwrap(), account);
        }
        // One that was thrown away is not remembered, and not made anew for what lived on its hosts.
        let late = Store::new(one.dir());
        fs_err::remove_file(one.file()).unwrap();
        for store in [&one, &late] {
            match store.without_history(&clock, |_, _| ()) {
                Err(StoreError::Io(e)) => assert_eq!(e.kind(), io::ErrorKind::NotFound),
                other => panic!("{other:?}"),
            }
        }
        assert!(!one.file().exists());
        let account = one.with(&clock, |w, _| w.account.clone()).unwrap();
        assert_ne!(account, format!("{:012}", 19));
    }

    #[test]
    fn a_damaged_history_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (store, clock) = (Store::new(dir.path()), clock());
        store.with(&clock, |_, _| ()).unwrap();
        fs_err::write(dir.path().join("history.json"), "[{").unwrap();
        let error = Store::new(dir.path()).with(&clock, |_, _| ()).unwrap_err();
        assert!(error.to_string().contains("history.json"), "{error}");
    }

    #[test]
    fn a_damaged_or_newer_file_is_named_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (store, clock) = (Store::new(dir.path()), clock());
        for (text, says) in [
            ("{\"schema\": \"geusemaker.sandbox/1\",\n oops", "line 2"),
            (
                "{\"schema\":\"geusemaker.sandbox/9\"}",
                "found geusemaker.sandbox/9",
            ),
            ("{\"schema\":\"geusemaker.sandbox/1\"}", "missing field"),
            ("", "EOF"),
        ] {
            fs_err::write(store.file(), text).unwrap();
            let error = store.with(&clock, |_, _| ()).unwrap_err().to_string();
            assert!(error.contains("world.json"), "{error}");
            assert!(error.contains(says), "{error}");
            assert_eq!(fs_err::read_to_string(store.file()).unwrap(), text);
        }
        fs_err::write(store.file(), [0xff, 0xfe]).unwrap();
        let error = store.with(&clock, |_, _| ()).unwrap_err().to_string();
        assert!(
            error.contains("world.json") && error.contains("no text"),
            "{error}"
        );
    }

    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("a/b"));
        store.with(&clock(), |_, _| ()).unwrap();
        for (path, mode) in [
            (store.dir().to_path_buf(), 0o700),
            (store.file(), 0o600),
            (store.dir().join("world.lock"), 0o600),
        ] {
            let found = fs_err::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{}", path.display());
        }
    }

    #[test]
    fn accesses_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        store.with(&clock(), |w, _| w.addresses += 1).unwrap();
                    }
                });
            }
        });
        let start = World::new(clock().now()).addresses;
        let counted = store.with(&clock(), |w, _| w.addresses).unwrap();
        assert_eq!(counted, start + 80);
    }
}
