//! A deployment without a file system: the data is on the root volume.

use super::judge::is_under;
use super::order::grave;
use crate::model::ContainerFacts;
use crate::plan::Check;

/// For `--efs none`: proves that no bind mount lies at or under a mount point of fstab at which nothing is
/// mounted (`unmounted`; None: the host was not asked). Otherwise the next boot would lay another file
/// system over the data that a container works on now.
pub fn judge_without_efs(
    unmounted: Option<&[String]>,
    containers: &[ContainerFacts],
    stops_instance: bool,
) -> Vec<Check> {
    let name = "mount_none";
    let binds: Vec<_> = containers
        .iter()
        .flat_map(|c| c.binds.iter().map(move |b| (c, b)))
        .collect();
    let mut checks = vec![Check::warn(
        "data_on_root",
        "the deployment has no EFS file system: its data is on the instance's own volumes",
        "no file system (--efs none)",
        "backups of the volumes",
        "make snapshots of the volumes before you change anything that you cannot lose",
    )];
    if binds.is_empty() {
        checks.push(Check::ok(name, "no container has a bind mount"));
        return checks;
    }
    let Some(unmounted) = unmounted else {
        checks.push(grave(
            stops_instance,
            name,
            "whether a bind mount lies under a mount point that is not mounted could not be seen"
                .into(),
            "fstab and mounts were not read".into(),
            "every mount point of fstab is mounted, or holds no bind mount".into(),
            "compare `findmnt --fstab` with `findmnt` on the host".into(),
        ));
        return checks;
    };
    let before = checks.len();
    for (container, bind) in binds {
        // A mount point below the bind's folder hides data just as well as one above.
        let hidden = unmounted
            .iter()
            .find(|point| is_under(&bind.source, point) || is_under(point, &bind.source));
        if let Some(point) = hidden {
            checks.push(Check::refuse(
                name,
                format!("{} works on {}, and {point} of fstab is not mounted", container.name, bind.source),
                format!("nothing mounted at {point}"),
                format!("{point} mounted, or no line of fstab for it"),
                format!("`mount {point}` on the host and move the data over, or take its line out of /etc/fstab; then, if it is EFS, adopt with --efs"),
            ));
        }
    }
    if checks.len() == before {
        checks.push(Check::ok(
            name,
            "no bind mount lies under a mount point that is not mounted",
        ));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CheckStatus::{self, Ok, Refuse, Warn};
    use crate::plan::fixtures::container;

    /// Checks that are not ok, in order.
    type Said = &'static [(&'static str, CheckStatus)];

    #[test]
    fn a_bind_mount_under_an_unmounted_point_is_refused() {
        let table: &[(&str, Option<&[&str]>, bool, Said)] = &[
            ("all mounted", Some(&[]), true, &[("mount_none", Ok)]),
            (
                "elsewhere",
                Some(&["/mnt/ef", "/mnt/efs2", "/data"]),
                true,
                &[("mount_none", Ok)],
            ),
            (
                "the parent",
                Some(&["/mnt/efs"]),
                false,
                &[("mount_none", Refuse)],
            ),
            (
                "itself",
                Some(&["/mnt/efs/n8n"]),
                false,
                &[("mount_none", Refuse)],
            ),
            (
                "below",
                Some(&["/mnt/efs/n8n/db"]),
                true,
                &[("mount_none", Refuse)],
            ),
            ("not asked, stops", None, true, &[("mount_none", Refuse)]),
            ("not asked, runs on", None, false, &[("mount_none", Warn)]),
        ];
        let containers = [container(
            "n8n",
            "n8nio/n8n:1",
            Some(("n8n", "/d")),
            &[],
            false,
        )];
        for (what, unmounted, stops, expected) in table {
            let unmounted: Option<Vec<String>> =
                unmounted.map(|all| all.iter().map(|p| (*p).to_owned()).collect());
            let checks = judge_without_efs(unmounted.as_deref(), &containers, *stops);
            assert_eq!(
                (checks[0].name.as_str(), checks[0].status),
                ("data_on_root", Warn)
            );
            let rest: Vec<_> = checks[1..]
                .iter()
                .map(|c| (c.name.as_str(), c.status))
                .collect();
            assert_eq!(rest, *expected, "{what}");
        }
        let none = [container("a", "a:1", None, &[], false)];
        let checks = judge_without_efs(None, &none, true);
        assert_eq!(
            (checks[1].name.as_str(), checks[1].status),
            ("mount_none", Ok)
        );
    }
}
