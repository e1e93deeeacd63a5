//! Whether the mount comes before Docker at the next boot.
//!
//! Nothing orders them by itself: Docker may start containers on the empty folder under the mount point.
//! `RequiresMountsFor=` alone is not enough either, without an fstab line there is no unit behind it.

use super::identity::id_in;
use super::mountinfo::unescaped;
use crate::model::{FileSystemId, MountFacts};
use crate::plan::Check;

/// The name of systemd's unit for a mount point: `/mnt/efs` → `mnt-efs.mount` (systemd.unit(5), "string
/// escaping for inclusion in unit names").
pub fn mount_unit(point: &str) -> String {
    let path: Vec<&str> = point
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if path.is_empty() {
        return "-.mount".into();
    }
    let mut unit = String::new();
    for (i, byte) in path.join("/").bytes().enumerate() {
        match byte {
            b'/' => unit.push('-'),
            b'.' if i == 0 => unit.push_str("\\x2e"),
            b if b.is_ascii_alphanumeric() || b":_.".contains(&b) => unit.push(char::from(b)),
            b => unit.push_str(&format!("\\x{b:02x}")),
        }
    }
    unit + ".mount"
}

/// Where the drop-in goes on the host: a name of ours, so that nobody else's is touched.
pub const DROP_IN_FILE: &str = "/etc/systemd/system/docker.service.d/geusemaker-mount.conf";

/// The drop-in that makes Docker wait for the mount.
pub fn drop_in_text(point: &str) -> String {
    format!("[Unit]\nRequiresMountsFor={}\n", in_unit_file(point))
}

/// A path as a unit file has it.
fn in_unit_file(point: &str) -> String {
    // systemd splits at spaces and reads `%` as a specifier.
    let path = point
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    if path.contains([' ', '"', '\\']) {
        format!("\"{path}\"")
    } else {
        path
    }
}

/// The remedy by hand.
pub fn drop_in(point: &str) -> String {
    format!(
        "write these two lines to {DROP_IN_FILE} and run `systemctl daemon-reload` (Docker need not restart):\n{}",
        drop_in_text(point).trim_end()
    )
}

/// A refusal if the plan stops the instance, else a warning: only a boot can do the harm.
pub(super) fn grave(
    stops_instance: bool,
    name: &str,
    message: String,
    found: String,
    expected: String,
    help: String,
) -> Check {
    if stops_instance {
        Check::refuse(name, message, found, expected, help)
    } else {
        Check::warn(
            name,
            format!("{message}; that matters at the next boot"),
            found,
            expected,
            help,
        )
    }
}

/// `Requires` of docker.service, and the line of fstab behind it.
pub(super) fn after_boot(
    mount: &MountFacts,
    expected: Option<&FileSystemId>,
    stops_instance: bool,
) -> Vec<Check> {
    vec![
        docker(mount, stops_instance),
        fstab(mount, expected, stops_instance),
    ]
}

fn docker(mount: &MountFacts, stops_instance: bool) -> Check {
    let name = "docker_after_mount";
    let unit = mount_unit(&mount.point);
    let point = &mount.point;
    let expected = format!("Requires of docker.service holds {unit}");
    match &mount.docker_requires {
        Some(units) if units.iter().any(|u| u == &unit) => {
            Check::ok(name, format!("Docker waits for {point} at a boot"))
        }
        Some(units) => grave(
            stops_instance,
            name,
            format!(
                "Docker does not wait for {point}: at a boot containers may start on the empty folder under it"
            ),
            format!("Requires={}", units.join(" ")),
            expected,
            drop_in(point),
        ),
        None => grave(
            stops_instance,
            name,
            "systemd could not be asked whether Docker waits for the mount".into(),
            "no answer from systemd".into(),
            expected,
            format!(
                "see `systemctl show docker.service -p Requires` on the host; if {unit} is not in it, {}",
                drop_in(point)
            ),
        ),
    }
}

fn fstab(mount: &MountFacts, expected: Option<&FileSystemId>, stops_instance: bool) -> Check {
    let name = "mount_fstab";
    let point = &mount.point;
    let id = expected.map_or("fs-…", FileSystemId::as_str);
    let line = format!("{id}:/ {point} efs _netdev,noresvport,tls 0 0");
    let help = format!(
        "have this line in /etc/fstab, with your own options, then `systemctl daemon-reload`: {line}"
    );
    let bad = |message: String, found: String| {
        grave(
            stops_instance,
            name,
            message,
            found,
            line.clone(),
            help.clone(),
        )
    };
    let [written] = mount.fstab.as_slice() else {
        return if mount.fstab.is_empty() {
            bad(
                format!("no line of fstab mounts {point} at a boot"),
                "no line".into(),
            )
        } else {
            bad(
                format!("several lines of fstab mount {point}"),
                mount.fstab.join("; "),
            )
        };
    };
    let fields: Vec<&str> = written.split_whitespace().collect();
    let (source, kind, options) = match fields.as_slice() {
        [source, _, kind, options, ..] => (unescaped(source), *kind, *options),
        [source, _, kind] => (unescaped(source), *kind, ""),
        _ => {
            return bad(
                format!("the line of fstab for {point} is cut short"),
                written.clone(),
            );
        }
    };
    let named = id_in(
        source
            .split(":/")
            .next()
            .unwrap_or_default()
            .trim_end_matches(':'),
    );
    match (&named, expected) {
        (Some(other), Some(expected)) if other != expected => {
            return bad(
                format!("fstab mounts {other} at {point} at a boot, not {expected}"),
                written.clone(),
            );
        }
        (None, Some(expected)) => {
            return Check::warn(
                name,
                format!(
                    "the line of fstab for {point} does not name {expected}: what it mounts at a boot cannot be said before"
                ),
                written.clone(),
                line,
                help,
            );
        }
        _ => {}
    }
    // systemd knows nfs and nfs4 as network file systems by themselves, efs it does not.
    if !options.split(',').any(|o| o == "_netdev") && !matches!(kind, "nfs" | "nfs4") {
        return bad(
            format!("the line of fstab for {point} lacks _netdev: a boot may hang"),
            written.clone(),
        );
    }
    Check::ok(
        name,
        format!(
            "fstab mounts {} at {point}",
            named.map_or(source, String::from)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same that `systemd-escape --path --suffix=mount` prints (systemd 252).
    #[test]
    fn names_units_as_systemd_does() {
        let table = [
            ("/mnt/efs", "mnt-efs.mount"),
            ("/mnt/efs/", "mnt-efs.mount"),
            ("//mnt///efs", "mnt-efs.mount"),
            ("/", "-.mount"),
            ("/mnt/my-efs", "mnt-my\\x2defs.mount"),
            ("/mnt/my efs", "mnt-my\\x20efs.mount"),
            ("/mnt/a_b:c.d", "mnt-a_b:c.d.mount"),
            ("/.hidden/.x", "\\x2ehidden-.x.mount"),
            ("/mnt/ü", "mnt-\\xc3\\xbc.mount"),
            ("/mnt/a\\b", "mnt-a\\x5cb.mount"),
        ];
        for (point, unit) in table {
            assert_eq!(mount_unit(point), unit, "{point}");
        }
    }

    #[test]
    fn the_drop_in_is_exact() {
        assert!(drop_in("/mnt/efs").ends_with("\n[Unit]\nRequiresMountsFor=/mnt/efs"));
        assert!(drop_in("/mnt/my efs").ends_with("\nRequiresMountsFor=\"/mnt/my efs\""));
        assert!(drop_in("/mnt/100%").ends_with("\nRequiresMountsFor=/mnt/100%%"));
    }
}
