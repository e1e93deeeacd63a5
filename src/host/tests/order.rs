//! order: whether Docker waits for a mount, and the drop-in for it. Under each shell, with a systemctl that
//! resolves drop-ins as systemd does.

use super::machine::{Machine, machines, tag, tag_lines};
use crate::efs::{DROP_IN_FILE, drop_in_text};
use crate::host::scripts::Verb;
use crate::host::{HostError, Input, OrderFacts, Tag, parse_order};

/// Requires what was there at the last reload, and only where the unit has a file.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >>"$STUB/systemctl"
d=$GEUSEMAKER_ROOT/etc/systemd/system/docker.service.d
case "$*" in
  daemon-reload)
    : >"$STUB/requires"
    if [ -s "$STUB/fragment" ] && [ ! -e "$STUB/deaf" ] && grep -qs '^RequiresMountsFor=/mnt/efs$' "$d"/*.conf; then echo mnt-efs.mount >"$STUB/requires"; fi ;;
  'show docker.service -p LoadState -p Requires')
    printf 'Requires=sysinit.target %s\nLoadState=%s\n' "$(cat "$STUB/requires" 2>/dev/null)" "$(cat "$STUB/loaded")" ;;
  'show mnt-efs.mount -p FragmentPath --value') cat "$STUB/fragment" ;;
  *) exit 1 ;;
esac
"#;

fn machine(m: &Machine) {
    m.program("systemctl", SYSTEMCTL);
    m.set("loaded", "loaded\n");
    m.set("fragment", "/run/systemd/generator/mnt-efs.mount\n");
    m.put("etc/fstab", "fs-1:/ /mnt/efs efs _netdev 0 0\n");
}

fn order(m: &Machine, tag: Option<&Tag>) -> Result<OrderFacts, HostError> {
    let input = tag.map(tag_lines).unwrap_or_default();
    let input = input
        .text("point", "/mnt/efs")
        .text("unit", "mnt-efs.mount")
        .text("text", &drop_in_text("/mnt/efs"));
    parse_order(tag.map(|t| t.fence), &m.ask(Verb::Order, input)?)
}

fn drop_ins(m: &Machine) -> Vec<String> {
    let folder = m.root().join("etc/systemd/system/docker.service.d");
    let Ok(entries) = fs_err::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_look_writes_nothing_and_a_write_is_one_file_that_reads_back() {
    for m in machines() {
        machine(&m);
        let seen = order(&m, None).unwrap();
        assert!(
            !seen.holds("mnt-efs.mount") && seen.has_mount(),
            "{}: {seen:?}",
            m.shell
        );
        assert_eq!(seen.fstab, ["fs-1:/ /mnt/efs efs _netdev 0 0"]);
        assert!(
            !m.root().join("etc/systemd").exists() && !m.root().join("var/lib/geusemaker").exists()
        );
        assert!(!m.get("systemctl").contains("reload"), "{}", m.shell);

        let seen = order(&m, Some(&tag(5, 1))).unwrap();
        assert!(
            seen.holds("mnt-efs.mount") && !seen.left,
            "{}: {seen:?}",
            m.shell
        );
        assert_eq!(drop_ins(&m), ["geusemaker-mount.conf"], "{}", m.shell);
        assert_eq!(
            m.read(DROP_IN_FILE.trim_start_matches('/')),
            drop_in_text("/mnt/efs")
        );
        use std::os::unix::fs::PermissionsExt;
        let file = m.root().join(DROP_IN_FILE.trim_start_matches('/'));
        let mode =
            |path: &std::path::Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&file), mode(file.parent().unwrap())),
            (0o644, 0o755),
            "{}",
            m.shell
        );
        let stopped = m.get("systemctl");
        assert!(
            !stopped.contains("start"),
            "Docker is left alone: {stopped}"
        );

        // The same again, late: it is so already. A lower one is refused.
        let calls = || m.get("systemctl").matches("daemon-reload").count();
        let before = calls();
        assert!(order(&m, Some(&tag(5, 1))).unwrap().holds("mnt-efs.mount"));
        assert_eq!(calls(), before, "{}", m.shell);
        assert_eq!(
            order(&m, Some(&tag(4, 9))),
            Err(HostError::Fenced { ours: 4, seen: 5 }),
            "{}",
            m.shell
        );
    }
}

#[test]
fn what_would_not_help_is_not_written_or_taken_away_again() {
    for m in machines() {
        // Only mounted: systemd knows the unit, and has no file of it.
        machine(&m);
        m.set("fragment", "");
        let seen = order(&m, Some(&tag(1, 1))).unwrap();
        assert!(!seen.holds("mnt-efs.mount"), "{}", m.shell);
        assert!(!m.root().join("etc/systemd").exists(), "{}", m.shell);

        // No docker.service; no systemd.
        m.set("fragment", "x\n");
        m.set("loaded", "not-found\n");
        assert_eq!(
            order(&m, Some(&tag(1, 2))).unwrap().requires,
            None,
            "{}",
            m.shell
        );
        m.program("systemctl", "#!/bin/sh\nexit 1\n");
        assert_eq!(
            order(&m, Some(&tag(1, 3))).unwrap().requires,
            None,
            "{}",
            m.shell
        );
        assert!(!m.root().join("etc/systemd").exists(), "{}", m.shell);

        // It does not read back: taken away, folder and all.
        machine(&m);
        m.set("deaf", "yes");
        let seen = order(&m, Some(&tag(1, 4))).unwrap();
        assert!(
            !seen.holds("mnt-efs.mount") && !seen.left,
            "{}: {seen:?}",
            m.shell
        );
        assert!(
            !m.root()
                .join("etc/systemd/system/docker.service.d")
                .exists(),
            "{}",
            m.shell
        );

        // What was there before is put back, and what others wrote is left.
        let folder = m.root().join("etc/systemd/system/docker.service.d");
        fs_err::create_dir_all(&folder).unwrap();
        m.put(
            "etc/systemd/system/docker.service.d/other.conf",
            "[Service]\n",
        );
        m.put(
            "etc/systemd/system/docker.service.d/geusemaker-mount.conf",
            "# old\n\n",
        );
        order(&m, Some(&tag(1, 5))).unwrap();
        assert_eq!(
            m.read("etc/systemd/system/docker.service.d/geusemaker-mount.conf"),
            "# old\n\n"
        );
        assert_eq!(
            m.read("etc/systemd/system/docker.service.d/other.conf"),
            "[Service]\n"
        );
        assert_eq!(drop_ins(&m).len(), 2, "{}", m.shell);
    }
}

#[test]
fn a_unit_is_a_name_and_never_an_option_or_a_script() {
    for m in machines() {
        machine(&m);
        for unit in [
            "",
            "-.mount",
            "--now",
            "a b.mount",
            "$(touch x).mount",
            "ssh.service",
            "a\nb.mount",
        ] {
            let input = Input::new().text("point", "/").text("unit", unit);
            let error = m
                .ask(Verb::Order, input)
                .and_then(|d| parse_order(None, &d));
            assert!(
                matches!(&error, Err(HostError::Script { code, .. }) if code == "bad_request"),
                "{}: {unit:?}: {error:?}",
                m.shell
            );
        }
        assert_eq!(m.get("systemctl"), "");
        let escaped = Input::new()
            .text("point", "/mnt/my efs")
            .text("unit", "mnt-my\\x20efs.mount");
        assert!(m.ask(Verb::Order, escaped).is_ok());
    }
}

#[test]
fn the_script_and_the_program_name_the_same_file() {
    let name = DROP_IN_FILE
        .strip_prefix("/etc/systemd/system/docker.service.d/")
        .unwrap();
    assert!(
        Verb::Order
            .script()
            .contains(&format!("DROP=$DROPS/{name}\n"))
    );
}
