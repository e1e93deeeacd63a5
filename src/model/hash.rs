//! How texts and images are told apart.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// SHA-256 in lower-case hexadecimal, as `sha256sum` prints it.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |d: u8| char::from(DIGITS[usize::from(d)]);
    Sha256::digest(bytes)
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 15)])
        .collect()
}

/// A file, and what it says by its SHA-256 in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileSum {
    /// Its path on the host.
    pub path: String,
    /// SHA-256 of it, in hex.
    pub sha256: String,
}

impl FileSum {
    /// Of this file.
    pub fn new(path: impl Into<String>, sha256: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            sha256: sha256.into(),
        }
    }
}

/// One word for what compose files say: the SHA-256 of the one file; of several, in their order, that of what
/// `sha256sum FILE…` prints of them. None of none.
pub fn files_sha256(files: &[FileSum]) -> Option<String> {
    match files {
        [] => None,
        [one] => Some(one.sha256.clone()),
        several => {
            let lines = several
                .iter()
                .map(|f| format!("{}  {}\n", f.sha256, f.path));
            Some(sha256_hex(lines.collect::<String>()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_files_have_one_word() {
        let file = |path: &str| FileSum::new(path, sha256_hex(path));
        assert_eq!(files_sha256(&[]), None);
        assert_eq!(files_sha256(&[file("/a")]), Some(sha256_hex("/a")));
        // $ sha256sum /a /b | sha256sum, of files that say their own names.
        let both = format!("{}  /a\n{}  /b\n", sha256_hex("/a"), sha256_hex("/b"));
        let word = files_sha256(&[file("/a"), file("/b")]);
        assert_eq!(word, Some(sha256_hex(both)));
        assert_ne!(word, files_sha256(&[file("/b"), file("/a")]));
    }
}
