//! The file system behind the mount point, and Docker after it.

use super::real::Real;

/// Refused with this check; nothing is changed.
#[track_caller]
fn refused(real: &Real, args: &[&str], check: &str) {
    let before = real.containers();
    let result = real.update(args, 3);
    let checks = result["data"]["plan"]["checks"].as_array().expect("checks");
    let refusals: Vec<&str> = checks
        .iter()
        .filter(|c| c["status"] == "refuse")
        .filter_map(|c| c["name"].as_str())
        .collect();
    assert!(refusals.contains(&check), "{result:#}");
    assert_eq!(real.containers(), before);
}

const BUMP: [&str; 2] = ["--image", "qdrant=qdrant/qdrant:1.1.0"];

/// A server that is stopped: whoever looks at the mount hangs. It is seen in time, and what looked does not block the
/// rest; when the server is back, the update goes.
pub fn hangs(real: &Real) {
    real.sh("kill -s STOP $(pidof bindfs)");
    refused(real, &BUMP, "mount_answers");
    refused(real, &BUMP, "mount_answers");
    real.sh("kill -s CONT $(pidof bindfs)");
    real.update(&BUMP, 0);
}

/// Nothing there; something else there; the right one, for reading only.
pub fn gone(real: &Real) {
    real.sh("umount -l /mnt/efs");
    refused(real, &BUMP, "mount_present");
    real.sh("mkdir /srv/other && bindfs /srv/other /mnt/efs");
    refused(real, &BUMP, "mount_present");
    real.sh("umount -l /mnt/efs && mount.efs fs-0ddba11f00d5eed00 /mnt/efs");
    refused(real, &BUMP, "mount_identity");
    real.sh("umount -l /mnt/efs && mount.efs fs-0a8d64c2e1f7b3590 /mnt/efs && mount -i -o remount,bind,ro /mnt/efs");
    refused(real, &BUMP, "mount_writable");
}

/// Docker does not wait for the mount: a stop is refused, a bump warns, `check --fix` writes the drop-in, and at the
/// next boot Docker really waits for a mount that takes its time.
pub fn order(real: &Real) {
    real.sh(
        "rm /etc/systemd/system/docker.service.d/geusemaker-mount.conf && systemctl daemon-reload",
    );
    let resize = ["--instance-type", "t3.large"];
    refused(real, &resize, "docker_after_mount");
    let bumped = real.update(&BUMP, 0);
    assert!(
        bumped["warnings"].to_string().contains("/mnt/efs"),
        "{bumped}"
    );
    real.sandbox
        .run(&["check", "my-dev-stack", "--fix", "--force"])
        .ended(0);
    real.sh("echo 2 >/srv/efs/.delay; echo theirs >/mnt/efs/postgres/data");
    real.update(&resize, 0);
    assert_eq!(real.sh("docker exec postgres cat /data/data"), "theirs\n");
    let at = |unit: &str| -> u64 {
        let ask = format!("systemctl show {unit} -p ActiveEnterTimestampMonotonic --value");
        real.sh(&ask).trim().parse().unwrap()
    };
    assert!(at("mnt-efs.mount") < at("docker.service"));
}
