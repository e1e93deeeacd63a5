//! A line of `/proc/<pid>/mountinfo` (proc(5)).

/// One mount, as the kernel says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountLine {
    /// What of the file system is mounted, `/` for all of it.
    pub root: String,
    /// Where.
    pub point: String,
    /// Options of this mount.
    pub options: Vec<String>,
    /// The file system's type, e.g. `nfs4`.
    pub kind: String,
    /// Its source, e.g. `127.0.0.1:/`.
    pub source: String,
    /// Options of the file system (the super block).
    pub super_options: Vec<String>,
}

impl MountLine {
    /// Reads a line; None when it is not one.
    pub fn parse(line: &str) -> Option<Self> {
        // Optional fields stand before the lone `-`, so both halves are read from their own beginning.
        let (left, right) = line.trim().split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let words = |text: &str| text.split(',').map(str::to_owned).collect();
        Some(Self {
            root: unescaped(left.get(3)?),
            point: unescaped(left.get(4)?),
            options: words(left.get(5)?),
            kind: (*right.first()?).to_owned(),
            source: unescaped(right.get(1)?),
            super_options: words(right.get(2).copied().unwrap_or_default()),
        })
    }

    /// Whether it is a network file system as EFS is mounted: `nfs4`, or `efs` where a helper names itself (through
    /// FUSE `fuse.efs`).
    pub fn is_efs_like(&self) -> bool {
        matches!(self.kind.as_str(), "nfs4" | "nfs" | "efs" | "fuse.efs")
    }

    /// Whether writing is switched off, for this mount or for the file system.
    pub fn read_only(&self) -> bool {
        self.options
            .iter()
            .chain(&self.super_options)
            .any(|o| o == "ro")
    }

    /// The value of an option of the file system: `20191` of `port=20191`.
    pub fn super_option(&self, name: &str) -> Option<&str> {
        self.super_options
            .iter()
            .find_map(|o| o.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The kernel writes space, tab, newline and backslash as three octal digits; so does fstab.
pub(super) fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let octal = bytes.get(i + 1..i + 4).filter(|digits| {
            bytes[i] == b'\\'
                && digits[0] <= b'3'
                && digits.iter().all(|d| (b'0'..=b'7').contains(d))
        });
        match octal {
            Some(digits) => {
                out.push(digits.iter().fold(0, |sum, d| sum * 8 + (d - b'0')));
                i += 4;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixtures::MOUNTINFO;

    #[test]
    fn reads_the_kernels_lines() {
        let tls = MountLine::parse(MOUNTINFO).expect("a line");
        assert_eq!(
            (tls.root.as_str(), tls.point.as_str(), tls.kind.as_str()),
            ("/", "/mnt/efs", "nfs4")
        );
        assert_eq!(
            (tls.source.as_str(), tls.super_option("port")),
            ("127.0.0.1:/", Some("20191"))
        );
        assert!(tls.is_efs_like() && !tls.read_only());
        let table = [
            (
                "36 35 98:0 /a\\040b /mnt/x\\134y rw - ext4 /dev/xvdf ro",
                "/a b",
                "/mnt/x\\y",
                "ext4",
                true,
            ),
            (
                "36 35 98:0 / /m ro,noatime master:1 shared:2 - nfs4 fs:/ rw",
                "/",
                "/m",
                "nfs4",
                true,
            ),
            ("36 35 98:0 / /m rw - tmpfs none", "/", "/m", "tmpfs", false),
        ];
        for (line, root, point, kind, read_only) in table {
            let read = MountLine::parse(line).expect(line);
            assert_eq!(
                (
                    read.root.as_str(),
                    read.point.as_str(),
                    read.kind.as_str(),
                    read.read_only()
                ),
                (root, point, kind, read_only),
                "{line}"
            );
        }
        for line in [
            "",
            "x",
            "1 2 3:4 / /m rw",
            "1 2 - nfs4 x rw",
            "1 2 3:4 / /m rw -",
            "1 2 3:4 / /m rw - nfs4",
        ] {
            assert_eq!(MountLine::parse(line), None, "{line}");
        }
        assert_eq!(unescaped("\\"), "\\");
        assert_eq!(unescaped("\\04"), "\\04");
        assert_eq!(unescaped("\\777"), "\\777");
    }
}
