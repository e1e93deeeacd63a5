use super::*;
use crate::model::HostView;
use crate::model::{HostFacts, Secret};
use crate::plan::CheckStatus::{Ok, Refuse, Warn};
use crate::plan::fixtures::{deployment, observed, observed_stopped};

fn host(observed: &mut Observed) -> &mut HostFacts {
    match &mut observed.host {
        HostView::Up(facts) => facts,
        other => panic!("{other:?}"),
    }
}

type Change = fn(&mut Observed);

/// What is changed in a healthy stack, the check, its status, how its message begins.
const TABLE: &[(&str, Change, &str, CheckStatus, &str)] = &[
    ("healthy", |_| {}, "docker_after_mount", Ok, "Docker waits"),
    ("healthy", |_| {}, "disk_space", Ok, "there is space"),
    (
        "Docker is not ordered: the type alone needs it",
        |o| host(o).mount.as_mut().unwrap().docker_requires = Some(vec![]),
        "docker_after_mount",
        Warn,
        "a change of the type would be refused: Docker does not wait",
    ),
    (
        "hibernation: the type alone",
        |o| o.instance.hibernation = true,
        "instance_hibernation",
        Warn,
        "a change of the type would be refused: ",
    ),
    (
        "no Compose v2: an image alone",
        |o| host(o).compose = None,
        "compose_v2",
        Warn,
        "a change of an image would be refused: ",
    ),
    (
        "a file that is no YAML: an image alone",
        |o| host(o).projects[0].text = Some(Secret::new("services: [")),
        "compose_edit",
        Warn,
        "a change of an image would be refused: ",
    ),
    (
        "no file: both",
        |o| host(o).projects[0].text = None,
        "compose_readable",
        Refuse,
        "the compose file",
    ),
    (
        "silent: both",
        |o| o.host = HostView::Unreachable("no ping".into()),
        "host_reachable",
        Refuse,
        "the host does not answer",
    ),
    (
        "nothing is mounted: both",
        |o| host(o).mount.as_mut().unwrap().mountinfo = None,
        "mount_present",
        Refuse,
        "nothing is mounted",
    ),
    (
        "another account: both",
        |o| o.instance.account = "999999999999".into(),
        "account",
        Refuse,
        "the credentials",
    ),
    (
        "stopped: the type can be changed, an image cannot",
        |o| *o = observed_stopped(),
        "images_need_host",
        Warn,
        "a change of an image would be refused: ",
    ),
    (
        "little space",
        |o| host(o).disk_free = 1 << 30,
        "disk_space",
        Warn,
        "there is little space",
    ),
];

#[test]
fn what_refuses_both_changes_refuses_and_what_refuses_one_warns_of_it() {
    for (what, change, name, status, begins) in TABLE {
        let mut seen = observed();
        change(&mut seen);
        let checks = any_change(&seen, &deployment());
        let found: Vec<&Check> = checks.iter().filter(|c| c.name == *name).collect();
        let [check] = found[..] else {
            panic!("{what}: {name} once in {checks:#?}");
        };
        assert_eq!(check.status, *status, "{what}: {check:?}");
        assert!(
            check.message.starts_with(begins),
            "{what}: {}",
            check.message
        );
        let refused = checks.iter().any(|c| c.status == Refuse);
        assert_eq!(refused, *status == Refuse, "{what}: {checks:#?}");
    }
}

#[test]
fn the_order_can_be_mended_by_a_command_where_fstab_has_the_mount() {
    let help = |change: Change| {
        let mut seen = observed();
        host(&mut seen).mount.as_mut().unwrap().docker_requires = Some(vec![]);
        change(&mut seen);
        let checks = any_change(&seen, &deployment());
        let check = checks.iter().find(|c| c.name == "docker_after_mount");
        check.expect("it is judged").help.clone()
    };
    let command = format!("geusemaker check {} --fix", deployment().name);
    assert!(help(|_| {}).starts_with(&command));
    for of_no_use in [
        (|o| host(o).mount.as_mut().unwrap().fstab.clear()) as Change,
        |o| host(o).mount.as_mut().unwrap().docker_requires = None,
    ] {
        assert!(!help(of_no_use).contains(&command));
    }
}
