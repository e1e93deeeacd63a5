//! A disk that loses its power: what was synced stays; of the rest anything does, in any order.
//!
//! The weakest disk that POSIX allows. A file's content is kept by a sync of the file, its name by a sync of the folder
//! in which it stands; a rename is there or not there, and each unsynced change of a name is so by itself. Of the last
//! unsynced write there may be all, nothing, a half, or its length with zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use geusemaker::state::disk::Touch;

/// Files with their content, folders without; by their path below the state folder.
pub type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

/// A change of a name that is not synced.
#[derive(Debug, Clone)]
enum Change {
    Put(PathBuf, Node),
    Move(PathBuf, PathBuf, Node),
    Take(PathBuf),
}

#[derive(Debug, Clone, Default)]
struct File {
    now: Vec<u8>,
    kept: Vec<u8>,
    /// With the bytes of the last write half there, and with zeros for them.
    torn: Vec<Vec<u8>>,
}

/// The disk.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
    files: Vec<File>,
    now: BTreeMap<PathBuf, Node>,
    kept: BTreeMap<PathBuf, Node>,
    pending: Vec<Change>,
}

impl Disk {
    /// With all that is in this folder, synced.
    pub fn of(root: &Path) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            files: Vec::new(),
            now: BTreeMap::from([(PathBuf::new(), Node::Folder)]),
            kept: BTreeMap::new(),
            pending: Vec::new(),
        };
        disk.read(root);
        disk.kept = disk.now.clone();
        disk
    }

    fn read(&mut self, folder: &Path) {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let below = self.below(&path);
            let node = match path.is_dir() {
                true => {
                    self.read(&path);
                    Node::Folder
                }
                false => {
                    let text = fs_err::read(&path).expect("a file");
                    self.files.push(File {
                        now: text.clone(),
                        kept: text,
                        torn: Vec::new(),
                    });
                    Node::File(self.files.len() - 1)
                }
            };
            self.now.insert(below, node);
        }
    }

    fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).expect("below it").to_owned()
    }

    fn file(&mut self, path: &Path) -> &mut File {
        let below = self.below(path);
        match self.now.get(&below) {
            Some(Node::File(at)) => &mut self.files[*at],
            other => panic!("{}: {other:?}", below.display()),
        }
    }

    fn put(&mut self, path: &Path, node: Node) {
        let below = self.below(path);
        self.now.insert(below.clone(), node);
        self.pending.push(Change::Put(below, node));
    }

    /// Something was done.
    pub fn touch(&mut self, touch: &Touch) {
        match touch {
            Touch::Folder(path) => self.put(path, Node::Folder),
            Touch::Create(path) if self.now.contains_key(&self.below(path)) => {}
            Touch::Create(path) => {
                self.files.push(File::default());
                self.put(path, Node::File(self.files.len() - 1));
            }
            Touch::Write { file, at, bytes } => {
                // How much is set aside does not matter here.
                let set_aside = file.ends_with("reserve");
                let (file, at) = (self.file(file), usize::try_from(*at).expect("small"));
                let bytes = &bytes[..if set_aside { 16 } else { bytes.len() }];
                let before = file.now.clone();
                let with = |bytes: &[u8]| {
                    let mut text = before.clone();
                    text.resize(text.len().max(at + bytes.len()), 0);
                    text[at..at + bytes.len()].copy_from_slice(bytes);
                    text
                };
                file.torn = vec![
                    with(&bytes[..bytes.len() / 2]),
                    with(&vec![0; bytes.len()]),
                    with(&[&vec![0; bytes.len() - 1][..], &bytes[bytes.len() - 1..]].concat()),
                    before.clone(),
                ];
                file.now = with(bytes);
            }
            Touch::Cut { file, to } => {
                let (file, to) = (self.file(file), usize::try_from(*to).expect("small"));
                file.torn = vec![file.now.clone()];
                file.now.resize(to, 0);
            }
            Touch::Sync(path) => {
                let file = self.file(path);
                file.kept.clone_from(&file.now);
                file.torn.clear();
            }
            Touch::Rename { from, to } => {
                let (from, to) = (self.below(from), self.below(to));
                let node = self.now.remove(&from).expect("it was there");
                self.now.insert(to.clone(), node);
                self.pending.push(Change::Move(from, to, node));
            }
            Touch::Remove(path) => {
                let below = self.below(path);
                if self.now.remove(&below).is_some() {
                    self.pending.push(Change::Take(below));
                }
            }
            Touch::SyncFolder(path) => {
                let below = self.below(path);
                for change in std::mem::take(&mut self.pending) {
                    match change.folder() == Some(&below) {
                        true => change.apply(&mut self.kept),
                        false => self.pending.push(change),
                    }
                }
            }
        }
    }

    /// The same disk, with its folder elsewhere.
    pub fn moved(&self, root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            ..self.clone()
        }
    }

    /// Whether anything of it can be lost.
    pub fn is_dirty(&self) -> bool {
        !self.pending.is_empty() || self.files.iter().any(|f| f.now != f.kept)
    }

    /// What a process sees.
    pub fn seen(&self) -> Tree {
        let content = |at: usize| self.files[at].now.clone();
        self.tree(&self.now, &content)
    }

    /// What may be there when the power is back.
    pub fn after_power_loss(&self) -> BTreeSet<Tree> {
        let mut all = BTreeSet::new();
        assert!(self.pending.len() <= 8, "{:?}", self.pending);
        for chosen in 0..1_u32 << self.pending.len() {
            let mut names = self.kept.clone();
            for (at, change) in self.pending.iter().enumerate() {
                if chosen & (1 << at) != 0 {
                    change.apply(&mut names);
                }
            }
            let kept = |at: usize| self.files[at].kept.clone();
            all.insert(self.tree(&names, &kept));
            for (dirty, file) in self.files.iter().enumerate() {
                if file.now == file.kept || !names.values().any(|n| *n == Node::File(dirty)) {
                    continue;
                }
                for text in file.torn.iter().chain([&file.now]) {
                    let content = |at: usize| match at == dirty {
                        true => text.clone(),
                        false => self.files[at].kept.clone(),
                    };
                    all.insert(self.tree(&names, &content));
                }
            }
        }
        all
    }

    /// A name below a folder that is not there is lost with it.
    fn tree(&self, names: &BTreeMap<PathBuf, Node>, content: &dyn Fn(usize) -> Vec<u8>) -> Tree {
        let mut tree = Tree::from([(PathBuf::new(), None)]);
        for (path, node) in names {
            let above = path.parent().unwrap_or(Path::new(""));
            if !path.as_os_str().is_empty() && tree.get(above) == Some(&None) {
                let node = match node {
                    Node::Folder => None,
                    Node::File(at) => Some(content(*at)),
                };
                tree.insert(path.clone(), node);
            }
        }
        tree
    }
}

impl Change {
    fn folder(&self) -> Option<&Path> {
        let (Self::Put(path, _) | Self::Move(_, path, _) | Self::Take(path)) = self;
        path.parent()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Put(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Move(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Take(path) => {
                names.remove(path);
            }
        }
    }
}

/// Puts it there, in place of what was.
pub fn write(tree: &Tree, root: &Path) {
    let _ = fs_err::remove_dir_all(root);
    for (path, node) in tree {
        let path = root.join(path);
        match node {
            None => fs_err::create_dir_all(&path).expect("a folder"),
            Some(text) => fs_err::write(&path, text).expect("a file"),
        }
    }
}
