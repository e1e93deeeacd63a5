//! What systemd makes of the unit files on a host, as far as docker.service and its mount go.

use super::files::HostFiles;
use super::state::HostState;
use crate::efs::mount_unit;

/// Where an administrator's units are.
const UNITS: &str = "/etc/systemd/system";

/// What docker.service requires by itself.
const OF_DOCKER: [&str; 3] = ["system.slice", "docker.socket", "sysinit.target"];

impl HostState {
    /// `systemctl daemon-reload`, and every boot: drop-ins count from here on.
    pub fn read_units(&mut self, files: &dyn HostFiles) {
        self.units_of_boot.clone_from(&self.boot_id);
        let folder = format!("{UNITS}/docker.service.d");
        let mut requires: Vec<String> = OF_DOCKER.map(str::to_owned).to_vec();
        for name in files.list(&folder) {
            if !name.ends_with(".conf") || name.starts_with('.') {
                continue;
            }
            let text = files.read(&format!("{folder}/{name}")).unwrap_or_default();
            for point in mounts_for(&text) {
                for unit in above(&point) {
                    // A path that no unit mounts is required of nobody.
                    if self.fragment(&unit, files).is_some() && !requires.contains(&unit) {
                        requires.push(unit);
                    }
                }
            }
        }
        self.docker_requires = requires;
    }

    /// The same once for each boot.
    pub fn read_units_of_boot(&mut self, files: &dyn HostFiles) {
        if self.powered && self.units_of_boot != self.boot_id {
            self.read_units(files);
        }
    }

    /// `FragmentPath` of a mount unit: a file of an administrator, or the one that is made of a line of fstab.
    pub fn fragment(&self, unit: &str, files: &dyn HostFiles) -> Option<String> {
        let own = format!("{UNITS}/{unit}");
        if files.read(&own).is_ok() {
            return Some(own);
        }
        let fstab = self.fstab();
        let mut points = fstab.lines().filter_map(|l| l.split_whitespace().nth(1));
        points
            .any(|point| mount_unit(point) == unit)
            .then(|| format!("/run/systemd/generator/{unit}"))
    }
}

/// The paths of `RequiresMountsFor=` in `[Unit]`; quotes and specifiers undone.
fn mounts_for(text: &str) -> Vec<String> {
    let (mut here, mut out) = (false, Vec::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            here = line == "[Unit]";
        } else if let Some(paths) = line.strip_prefix("RequiresMountsFor=").filter(|_| here) {
            out.extend(words(paths));
        }
    }
    out
}

fn words(text: &str) -> Vec<String> {
    let (mut out, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' => word.extend(chars.next()),
            '%' => word.extend(chars.next()),
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// The units of a path and of every folder above it, the nearest first.
fn above(point: &str) -> Vec<String> {
    let mut out = vec![mount_unit(point)];
    let mut at = point.trim_end_matches('/');
    while let Some((parent, _)) = at.rsplit_once('/') {
        out.push(mount_unit(if parent.is_empty() { "/" } else { parent }));
        at = parent;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::host::files::MemoryFiles;
    use crate::sandbox::host::mounts::EfsMount;

    #[test]
    fn docker_requires_what_its_drop_ins_say_and_systemd_can_mount() {
        let drop_in = |name: &str, text: &str| {
            let path = format!("{UNITS}/docker.service.d/{name}");
            (path, text.to_owned())
        };
        let mnt = "[Unit]\nRequiresMountsFor=/mnt/efs\n";
        /// What it is, files, whether fstab has the line, what docker.service requires beside its own.
        type Row = (
            &'static str,
            Vec<(String, String)>,
            bool,
            &'static [&'static str],
        );
        let table: &[Row] = &[
            ("none", vec![], true, &[]),
            (
                "one",
                vec![drop_in("a.conf", mnt)],
                true,
                &["mnt-efs.mount", "-.mount"],
            ),
            (
                "a folder of the mount",
                vec![drop_in(
                    "a.conf",
                    "[Unit]\nRequiresMountsFor=/x \"/mnt/efs/my data\"\n",
                )],
                true,
                &["-.mount", "mnt-efs.mount"],
            ),
            (
                "no fstab line",
                vec![drop_in("a.conf", mnt)],
                false,
                &["-.mount"],
            ),
            (
                "no fstab line, a unit of one's own",
                vec![
                    drop_in("a.conf", mnt),
                    (format!("{UNITS}/mnt-efs.mount"), "[Mount]\n".to_owned()),
                ],
                false,
                &["mnt-efs.mount", "-.mount"],
            ),
            (
                "another section, another name, not yet in place",
                vec![
                    drop_in("a.conf", "[Service]\nRequiresMountsFor=/mnt/efs\n"),
                    drop_in("b.txt", mnt),
                    drop_in(".c.conf", mnt),
                ],
                true,
                &[],
            ),
        ];
        for (what, files, line, expected) in table {
            let mut host = HostState {
                efs: Some(EfsMount::new("fs-0123456789abcdef0", "/mnt/efs")),
                fstab_line: *line,
                ..HostState::default()
            };
            host.read_units(&MemoryFiles(files.iter().cloned().collect()));
            assert_eq!(host.docker_requires[..3], OF_DOCKER, "{what}");
            assert_eq!(host.docker_requires[3..], **expected, "{what}");
        }
    }

    #[test]
    fn drop_ins_count_after_a_boot_too() {
        let mut host = HostState::default();
        host.boot(jiff::Timestamp::UNIX_EPOCH);
        host.docker_requires.push("x.mount".to_owned());
        host.read_units(&MemoryFiles::default());
        host.docker_requires.push("y.mount".to_owned());
        host.read_units_of_boot(&MemoryFiles::default());
        assert!(
            host.docker_requires.contains(&"y.mount".to_owned()),
            "the same boot"
        );
        host.power_off(jiff::Timestamp::UNIX_EPOCH);
        host.boot(jiff::Timestamp::UNIX_EPOCH);
        host.read_units_of_boot(&MemoryFiles::default());
        assert_eq!(host.docker_requires, OF_DOCKER);
    }
}
