//! Who else on this machine may look into the state.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// So many paths are named; the rest is counted.
const NAMED: usize = 3;

/// A path, and its mode where that is too wide.
type Wide = (PathBuf, u32);

/// A warning for the root, and one for a folder in it with all that it holds, where a mode gives something to the group or to
/// others (folders are 0700, files 0600). Looks only, and follows no link.
pub fn wide_modes(root: &Path, folder: Option<&Path>) -> Vec<String> {
    let (mut of_root, mut within) = (Vec::new(), Vec::new());
    // A file in its place is an error of its own.
    if !look(root, &mut of_root) {
        return Vec::new();
    }
    if let Some(folder) = folder {
        walk(folder, &mut within);
    }
    [
        warning(&of_root, root),
        warning(&within, folder.unwrap_or(root)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Adds the path where it is too wide; says whether it is a folder.
fn look(path: &Path, found: &mut Vec<Wide>) -> bool {
    let Ok(meta) = fs_err::symlink_metadata(path) else {
        return false;
    };
    let mode = meta.permissions().mode() & 0o777;
    if !meta.is_symlink() && mode & 0o077 != 0 {
        found.push((path.to_owned(), mode));
    }
    meta.is_dir()
}

fn walk(path: &Path, found: &mut Vec<Wide>) {
    if !look(path, found) {
        return;
    }
    let entries = fs_err::read_dir(path).into_iter().flatten().flatten();
    let mut below: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    below.sort();
    for path in below {
        walk(&path, found);
    }
}

/// One warning for all of them; `all` is the folder that holds them.
fn warning(found: &[Wide], all: &Path) -> Option<String> {
    let named: Vec<String> = found
        .iter()
        .take(NAMED)
        .map(|(path, mode)| format!("{} has mode {mode:04o}", path.display()))
        .collect();
    let (flag, path, more) = match found {
        [] => return None,
        [(path, _)] => ("", path.as_path(), String::new()),
        [..] if found.len() <= NAMED => ("-R ", all, String::new()),
        [..] => ("-R ", all, format!(" and {} more", found.len() - NAMED)),
    };
    Some(format!(
        "{}{more}, expected 0700 for a folder and 0600 for a file: others on this machine may look into it \
         (chmod {flag}go= '{}')",
        named.join(", "),
        path.display().to_string().replace('\'', r"'\''"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs_err::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn each_file_and_folder_of_a_deployment_is_looked_at_and_no_link_is_followed() {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("s");
        let web = root.join("web");
        let wide = || wide_modes(&root, Some(&web));
        assert!(wide().is_empty(), "nothing there");
        let files = ["deployment.yaml", "operations/op-1/log", "snapshots/1.yaml"];
        let files = files.map(|name| web.join(name));
        for file in &files {
            super::super::write_atomically(file, b"").unwrap();
        }
        // The mode of a link says nothing, and what is behind it is not of the state.
        let (outside, link) = (top.path().join("wide"), web.join("link"));
        fs_err::write(&outside, "").unwrap();
        chmod(&outside, 0o777);
        std::os::unix::fs::symlink(&outside, link).unwrap();
        assert!(wide().is_empty());

        chmod(&files[1], 0o604);
        let found = wide();
        let file = files[1].display();
        let start = format!("{file} has mode 0604, expected 0700 for a folder and 0600 for a file");
        assert!(found[0].starts_with(&start), "{found:?}");
        assert!(found[0].ends_with(&format!("(chmod go= '{file}')")));
        assert!(wide_modes(&root, None).is_empty());

        for path in [&files[0], &files[2]] {
            chmod(path, 0o666);
        }
        chmod(files[2].parent().unwrap(), 0o770);
        chmod(&root, 0o755);
        let found = wide();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("/s has mode 0755"), "{found:?}");
        assert!(found[1].contains(" and 1 more, expected"), "{found:?}");
        assert!(found[1].ends_with(&format!("(chmod -R go= '{}')", web.display())));
    }
}
