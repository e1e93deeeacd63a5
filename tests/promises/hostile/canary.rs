//! The file that a hostile value would make, were a part of it executed or taken for a path: one of this run and no other.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::properties::names;

/// Its name. It stands in the values where they say `CANARY`.
pub struct Canary(String);

impl Canary {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("CANARY{}x{count}", std::process::id()))
    }

    /// The hostile values that can be words of a command line: no word of a process holds a NUL.
    pub fn words(&self) -> Vec<String> {
        let all = names::all().into_iter().filter(|name| !name.contains('\0'));
        all.map(|name| name.replace("CANARY", &self.0)).collect()
    }

    /// Where it is: anywhere below these folders, and where a `../` would lead from them: beside each folder above, and in
    /// the `tmp` there.
    pub fn found(&self, folders: &[&Path]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for folder in folders {
            let folder = fs_err::canonicalize(folder).expect("a folder");
            for above in folder.ancestors().skip(1) {
                for place in [above.join(&self.0), above.join("tmp").join(&self.0)] {
                    found.extend(place.symlink_metadata().is_ok().then_some(place));
                }
            }
            self.below(folder, &mut found);
        }
        found
    }

    fn below(&self, root: PathBuf, found: &mut Vec<PathBuf>) {
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            // What a host's jobs work with may be gone by now.
            let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
            for path in entries.map(|entry| entry.path()) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.contains(&self.0) {
                    found.push(path.clone());
                }
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                }
            }
        }
    }
}

#[test]
fn a_canary_is_found_wherever_it_sits() {
    let canary = Canary::new();
    let root = tempfile::tempdir().expect("a folder");
    let work = root.path().join("a/work");
    fs_err::create_dir_all(work.join("deep")).expect("folders");
    fs_err::create_dir(root.path().join("tmp")).expect("a folder");
    assert_eq!(canary.found(&[&work]), Vec::<PathBuf>::new());
    let made = |at: &str| work.join(at.replace("CANARY", &canary.0));
    for at in [
        "CANARY",
        "deep/CANARY",
        "deep/a'CANARY",
        "../CANARY",
        "../../tmp/CANARY",
    ] {
        fs_err::write(made(at), "").expect("written");
        assert_eq!(canary.found(&[&work]).len(), 1, "{at}");
        fs_err::remove_file(made(at)).expect("removed");
    }
    assert!(canary.words().contains(&format!("$(touch {})", canary.0)));
}
