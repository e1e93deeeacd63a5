//! The file system behind the mount point, and Docker after it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

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

/// Not for ever: the limits themselves (2 s here) are shown by `host::tests`. All else of a refused update is in it, on a machine
/// that does other work as well.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// The same within its time, and the rest of the host goes on meanwhile.
#[track_caller]
fn refused_in_time(real: &Real) {
    let began = Instant::now();
    refused(real, &BUMP, "mount_answers");
    assert!(began.elapsed() < SEEN_WITHIN, "{:?}", began.elapsed());
    assert_eq!(real.sh("docker ps -q | wc -l").trim(), "5");
}

/// A process of the instance.
struct Process {
    state: char,
    line: String,
    /// What its descriptors are.
    open: Vec<String>,
}

/// All of them. They may end while they are looked at.
fn processes(real: &Real) -> BTreeMap<u32, Process> {
    let one = |path: &Path| {
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let stat = fs_err::read_to_string(path.join("stat")).ok()?;
        let line = fs_err::read(path.join("cmdline")).ok()?;
        let open = std::fs::read_dir(path.join("fd")).into_iter().flatten();
        let target = |entry: std::fs::DirEntry| std::fs::read_link(entry.path()).ok();
        let open = open.flatten().filter_map(target);
        let process = Process {
            state: stat.rsplit_once(") ")?.1.chars().next()?,
            line: String::from_utf8_lossy(&line).replace('\0', " "),
            open: open.map(|to| to.to_string_lossy().into_owned()).collect(),
        };
        Some((number, process))
    };
    let all = fs_err::read_dir(real.root().join("proc")).unwrap();
    all.flatten().filter_map(|e| one(&e.path())).collect()
}

/// Those that touch the mount point and are no server of it: our probes.
fn probes(all: &BTreeMap<u32, Process>) -> Vec<u32> {
    let ours = |p: &Process| p.line.contains("/mnt/efs") && !p.line.starts_with("bindfs");
    let found = all.iter().filter(|(_, p)| ours(p) && p.state != 'Z');
    found.map(|(number, _)| *number).collect()
}

/// Looks until it is so, for some seconds; what was seen last.
fn until(real: &Real, is: impl Fn(&BTreeMap<u32, Process>) -> bool) -> BTreeMap<u32, Process> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let all = processes(real);
        if is(&all) || Instant::now() > end {
            return all;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn none_is_left(real: &Real) {
    let all = until(real, |all| probes(all).is_empty());
    let left: Vec<&str> = probes(&all).iter().map(|n| all[n].line.as_str()).collect();
    assert_eq!(left, Vec::<&str>::new());
}

/// A server that is stopped: whoever looks at the mount hangs. It is seen in time, and what looked is ended. Then a mount
/// over a mount whose server is stopped: whoever looks is in the hands of the kernel, as on a hard NFS mount, and not even
/// a kill ends it. It holds nothing that anybody waits for, and is gone when the server is back; then the update goes.
pub fn hangs(real: &Real) {
    real.sh("kill -s STOP $(pidof bindfs)");
    refused_in_time(real);
    none_is_left(real);
    real.sh("kill -s CONT $(pidof bindfs)");
    real.sh(
        "of=us-east-1a.fs-0a8d64c2e1f7b3590.efs.us-east-1.amazonaws.com
        umount -l /mnt/efs && mkdir -p /srv/inner/$of && bindfs /srv/efs/$of /srv/inner/$of && bindfs -o subtype=efs /srv/inner/$of /mnt/efs
        kill -s STOP $(pgrep -f '^bindfs /srv/efs/')",
    );
    refused_in_time(real);
    refused_in_time(real);
    let dead = |all: &BTreeMap<u32, Process>| {
        let left = probes(all);
        left.iter().all(|n| all[n].state == 'D')
    };
    let all = until(real, dead);
    let left = probes(&all);
    assert!(
        !left.is_empty(),
        "this mount does not hang as a hard one does"
    );
    for number in &left {
        let Process { state, line, open } = &all[number];
        assert_eq!(*state, 'D', "a kill could have ended it: {line}");
        let pipes = open
            .iter()
            .filter(|to| to.starts_with("pipe:") || to.starts_with("socket:"));
        for pipe in pipes {
            let holds = |(n, p): (&u32, &Process)| !left.contains(n) && p.open.contains(pipe);
            assert!(!all.iter().any(holds), "{line} holds {pipe} of somebody");
        }
    }
    // Both servers: the outer one answers nothing by itself any more.
    real.sh("kill -s STOP $(pidof bindfs)");
    refused_in_time(real);
    real.sh("kill -s CONT $(pidof bindfs)");
    none_is_left(real);
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
