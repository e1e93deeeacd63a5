//! Each refusal, one row: what is changed in a healthy stack, and what is said.

use super::*;
use crate::instance::types::type_facts;
use crate::model::*;
use crate::plan::CheckStatus::{self, Ok, Refuse, Warn};
use crate::plan::fixtures::*;

/// A healthy stack, what is wanted of it, and who it is.
struct Scene {
    observed: Observed,
    desired: Desired,
    deployment: Deployment,
}

const UPDATE: (Option<&str>, &[(&str, &str)]) = (Some("t3.large"), &[("n8n", "n8nio/n8n:1.20.0")]);

fn scene() -> Scene {
    Scene {
        observed: observed(),
        desired: desired_update(UPDATE.0, UPDATE.1),
        deployment: deployment(),
    }
}

impl Scene {
    fn run(&self) -> Vec<Check> {
        check(&self.observed, &self.desired, &self.deployment)
    }

    fn instance(&mut self) -> &mut InstanceFacts {
        &mut self.observed.instance
    }

    fn host(&mut self) -> &mut HostFacts {
        match &mut self.observed.host {
            HostView::Up(facts) => facts,
            other => panic!("{other:?}"),
        }
    }

    fn project(&mut self) -> &mut ProjectFacts {
        &mut self.host().projects[0]
    }

    fn mount(&mut self) -> &mut MountFacts {
        self.host().mount.as_mut().expect("a mount")
    }

    fn text(&mut self, from: &str, to: &str) {
        let project = self.project();
        let text = project.text.take().expect("a text");
        assert!(text.expose().contains(from), "{from}");
        project.text = Some(Secret::new(text.expose().replace(from, to)));
    }

    /// A second file, adopted as such.
    fn second_file(&mut self, text: &str) {
        let path = "/opt/stack/override.yml".to_owned();
        self.deployment.compose.more_files = vec![path.clone()];
        let project = self.project();
        project.files.push(path.clone());
        project.more = vec![FileFacts {
            path,
            text: Some(Secret::new(text)),
            sha256: Some(sha256_hex(text)),
        }];
    }

    fn want(&mut self, to: Option<&str>, images: &[(&str, &str)]) {
        self.desired = desired_update(to, images);
    }

    fn stop(&mut self) {
        self.observed = observed_stopped();
    }
}

fn of_status(checks: &[Check], status: CheckStatus) -> Vec<&str> {
    checks
        .iter()
        .filter(|c| c.status == status)
        .map(|c| c.name.as_str())
        .collect()
}

#[test]
fn a_healthy_stack_is_not_refused() {
    let checks = scene().run();
    assert_eq!(of_status(&checks, Refuse), [""; 0]);
    assert_eq!(of_status(&checks, Warn), ["public_ip"]);
    let ok = of_status(&checks, Ok);
    for name in [
        "account",
        "instance",
        "instance_state",
        "type_exists",
        "type_offered",
        "type_architecture",
        "host_reachable",
        "compose_v2",
        "project_found",
        "project_file",
        "service_exists",
        "image_reference",
        "file_system",
        "mount_target",
        "mount_present",
        "mount_identity",
        "mount_writable",
        "mount_answers",
        "mount_seen_inside",
        "docker_after_mount",
    ] {
        assert!(ok.contains(&name), "{name} in {ok:?}");
    }
    let once: std::collections::BTreeSet<String> =
        checks.iter().map(|c| format!("{c:?}")).collect();
    assert_eq!(once.len(), checks.len(), "each is said once");
}

type Change = fn(&mut Scene);

const REFUSALS: &[(&str, Change, &str)] = &[
    // The instance.
    (
        "another account",
        |s| s.instance().account = "210987654321".into(),
        "account",
    ),
    (
        "another region",
        |s| s.instance().region = "us-west-2".into(),
        "instance",
    ),
    (
        "another instance",
        |s| s.instance().id = InstanceId::new("i-0fedcba9876543210").expect("an id"),
        "instance",
    ),
    (
        "pending",
        |s| s.instance().state = RunState::Pending,
        "instance_state",
    ),
    (
        "stopping",
        |s| s.instance().state = RunState::Stopping,
        "instance_state",
    ),
    (
        "terminated",
        |s| s.instance().state = RunState::Terminated,
        "instance_state",
    ),
    (
        "shutting down",
        |s| s.instance().state = RunState::ShuttingDown,
        "instance_state",
    ),
    (
        "no such type",
        |s| s.want(Some("t3.enormous"), &[]),
        "type_exists",
    ),
    (
        "not offered in the zone",
        |s| {
            s.observed.offered.remove(&instance_type("t3.large"));
        },
        "type_offered",
    ),
    ("spot", |s| s.instance().spot = true, "instance_spot"),
    (
        "Auto Scaling",
        |s| s.instance().auto_scaling_group = Some("web".into()),
        "instance_auto_scaling",
    ),
    (
        "stop protection",
        |s| s.instance().stop_protection = Some(true),
        "instance_stop_protection",
    ),
    (
        "hibernation",
        |s| s.instance().hibernation = true,
        "instance_hibernation",
    ),
    (
        "operator",
        |s| s.instance().operator_managed = true,
        "instance_operator",
    ),
    // The type.
    (
        "architecture",
        |s| s.instance().architecture = "arm64".into(),
        "type_architecture",
    ),
    (
        "virtualization",
        |s| s.instance().virtualization = "paravirtual".into(),
        "type_virtualization",
    ),
    (
        "boot mode",
        |s| s.instance().boot_mode = Some("uefi-only".into()),
        "type_boot_mode",
    ),
    ("ENA", |s| s.instance().ena_support = false, "type_ena"),
    (
        "interfaces",
        |s| s.instance().network_interfaces = 4,
        "type_interfaces",
    ),
    ("volumes", |s| s.instance().volumes = 40, "type_volumes"),
    // The host.
    (
        "unreachable",
        |s| s.observed.host = HostView::Unreachable("ConnectionLost".into()),
        "host_reachable",
    ),
    (
        "unreachable, image alone",
        |s| {
            s.want(None, UPDATE.1);
            s.observed.host = HostView::Unreachable("ConnectionLost".into())
        },
        "host_reachable",
    ),
    (
        "images on a stopped instance",
        |s| s.stop(),
        "images_need_host",
    ),
    (
        "only the old docker-compose",
        |s| s.host().compose = None,
        "compose_v2",
    ),
    (
        "Compose 1 by another name",
        |s| s.host().compose = Some("1.29.2".into()),
        "compose_v2",
    ),
    ("no project", |s| s.host().projects.clear(), "project_found"),
    (
        "another project",
        |s| s.project().name = "prod".into(),
        "project_found",
    ),
    (
        "two files",
        |s| s.project().files.push("/opt/stack/override.yml".into()),
        "project_file",
    ),
    (
        "of the adopted files one is not named any more",
        |s| s.deployment.compose.more_files = vec!["/opt/stack/override.yml".into()],
        "project_file",
    ),
    (
        "different files",
        |s| s.project().files_differ = true,
        "project_file",
    ),
    (
        "the second file not readable",
        |s| {
            s.second_file("services: {}\n");
            s.project().more[0].text = None
        },
        "compose_readable",
    ),
    (
        "built in the second file",
        |s| s.second_file("services:\n  n8n: {build: .}\n"),
        "compose_edit",
    ),
    (
        "another file",
        |s| s.project().files = vec!["/root/docker-compose.yml".into()],
        "project_file",
    ),
    (
        "no file named",
        |s| s.project().files.clear(),
        "project_file",
    ),
    (
        "file not readable",
        |s| s.project().text = None,
        "compose_readable",
    ),
    // What runs could not be started again: `apply_images` compares the file first.
    (
        "the type alone, two files",
        |s| {
            s.want(Some("t3.large"), &[]);
            s.project().files.push("/opt/stack/override.yml".into())
        },
        "project_file",
    ),
    (
        "the type alone, file not readable",
        |s| {
            s.want(Some("t3.large"), &[]);
            s.project().text = None
        },
        "compose_readable",
    ),
    // The images.
    (
        "no such service",
        |s| s.want(None, &[("n8m", "n8nio/n8n:1.20.0")]),
        "service_exists",
    ),
    (
        "a bare version",
        |s| s.want(None, &[("n8n", "1.20.0")]),
        "image_reference",
    ),
    (
        "several containers",
        |s| {
            let twin = s.project().containers[0].clone();
            s.project().containers.push(twin)
        },
        "service_scaled",
    ),
    (
        "replicas",
        |s| s.text("    container_name: n8n\n", "    deploy: {replicas: 2}\n"),
        "service_scaled",
    ),
    (
        "interpolated",
        |s| s.text("n8nio/n8n:1.19.0", "n8nio/n8n:${TAG}"),
        "compose_edit",
    ),
    (
        "built",
        |s| s.text("    container_name: n8n\n", "    build: .\n"),
        "compose_edit",
    ),
    (
        "not YAML",
        |s| s.text("services:\n", "services: [\n"),
        "compose_edit",
    ),
    (
        "from an included file",
        |s| {
            s.text("name: dev\n", "include: [x.yml]\n");
            s.want(None, &[("mailer", "mail/er:2")])
        },
        "compose_edit",
    ),
    (
        "Postgres up",
        |s| s.want(None, &[("postgres", "postgres:16.4")]),
        "postgres_major",
    ),
    (
        "Postgres down",
        |s| {
            s.want(None, &[("postgres", "postgres:15.8")]);
            s.project().containers[4].image = "postgres:16.4".into();
            s.text("postgres:15.8", "postgres:16.4")
        },
        "postgres_major",
    ),
    (
        "Postgres rolled back over a major",
        |s| {
            s.want(None, &[("postgres", "postgres:15.8")]);
            s.desired.purpose = Purpose::Rollback {
                to: SnapshotId::new("s").expect("an id"),
                green: vec![],
            };
            s.project().containers[4].image = "postgres:16.4".into();
            s.text("postgres:15.8", "postgres:16.4");
        },
        "postgres_major",
    ),
    (
        "Postgres to latest",
        |s| s.want(None, &[("postgres", "postgres:latest")]),
        "postgres_major",
    ),
    // The data.
    (
        "file system not seen",
        |s| s.observed.file_system = Some(Err("AccessDenied".into())),
        "file_system",
    ),
    (
        "file system not asked",
        |s| s.observed.file_system = None,
        "file_system",
    ),
    (
        "file system of another state",
        |s| {
            if let Some(Result::Ok(f)) = &mut s.observed.file_system {
                f.state = "deleting".into()
            }
        },
        "file_system",
    ),
    (
        "no mount target here",
        |s| {
            if let Some(Result::Ok(f)) = &mut s.observed.file_system {
                f.mount_targets.clear()
            }
        },
        "mount_target",
    ),
    (
        "mount not looked at",
        |s| s.host().mount = None,
        "mount_present",
    ),
    (
        "mount gone",
        |s| s.mount().mountinfo = None,
        "mount_present",
    ),
    (
        "another file system",
        |s| s.mount().efs_state_files = vec!["fs-0fedcba9876543210.mnt.efs.20191".into()],
        "mount_identity",
    ),
    (
        "read-only",
        |s| s.mount().mountinfo = Some(MOUNTINFO.replace("rw,relatime", "ro,relatime")),
        "mount_writable",
    ),
    (
        "hangs",
        |s| s.mount().stat = "hangs".into(),
        "mount_answers",
    ),
    (
        "a container does not see it",
        |s| s.mount().seen_inside[0].mountinfo = None,
        "mount_seen_inside",
    ),
    (
        "Docker before the mount",
        |s| s.mount().docker_requires = Some(vec![]),
        "docker_after_mount",
    ),
    ("no fstab line", |s| s.mount().fstab.clear(), "mount_fstab"),
    (
        "no EFS, not looked",
        |s| {
            s.deployment.file_system_id = None;
            s.host().mount = None
        },
        "mount_none",
    ),
    (
        "no EFS, under an unmounted point",
        |s| {
            s.deployment.file_system_id = None;
            s.mount().unmounted = Some(vec!["/mnt/efs".into()])
        },
        "mount_none",
    ),
];

#[test]
fn each_fault_is_refused_by_name_with_what_to_do() {
    for (what, change, name) in REFUSALS {
        let mut changed = scene();
        change(&mut changed);
        let checks = changed.run();
        let refused = of_status(&checks, Refuse);
        // Each of these is one fault, refused under one name.
        assert!(refused.contains(name), "{what}: {refused:?}");
        assert!(refused.iter().all(|r| r == name), "{what}: {refused:?}");
        for check in checks.iter().filter(|c| c.status != Ok) {
            let words = [&check.message, &check.found, &check.expected, &check.help];
            assert!(words.iter().all(|w| !w.is_empty()), "{what}: {check:?}");
        }
    }
}

#[test]
fn all_refusals_come_at_once() {
    let mut changed = scene();
    changed.want(
        Some("t3.large"),
        &[
            ("n8m", "n8nio/n8n:1.20.0"),
            ("postgres", "postgres:16"),
            ("n8n", "1.20.0"),
        ],
    );
    changed.instance().spot = true;
    changed.instance().hibernation = true;
    changed.mount().stat = "hangs".into();
    changed.host().compose = None;
    let checks = changed.run();
    let mut refused = of_status(&checks, Refuse);
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            "compose_v2",
            "image_reference",
            "instance_hibernation",
            "instance_spot",
            "mount_answers",
            "postgres_major",
            "service_exists"
        ]
    );
}

#[test]
fn what_does_not_concern_the_change_does_not_stand_against_it() {
    // (what, change, warnings)
    let table: &[(&str, Change, &[&str])] = &[
        (
            "images alone on Spot",
            |s| {
                s.want(None, UPDATE.1);
                s.instance().spot = true
            },
            &[],
        ),
        (
            "images alone with stop protection",
            |s| {
                s.want(None, UPDATE.1);
                s.instance().stop_protection = Some(true)
            },
            &[],
        ),
        (
            "images alone, the same type named",
            |s| {
                s.want(Some("t3.medium"), UPDATE.1);
                s.instance().hibernation = true
            },
            &[],
        ),
        (
            "images alone, Docker not ordered",
            |s| {
                s.want(None, UPDATE.1);
                s.mount().docker_requires = None
            },
            &["docker_after_mount"],
        ),
        (
            "type alone, old docker-compose",
            |s| {
                s.want(Some("t3.large"), &[]);
                s.host().compose = None
            },
            &["public_ip"],
        ),
        (
            "nothing to do, two files",
            |s| {
                s.want(None, &[]);
                s.project().files.push("b.yml".into())
            },
            &["project_file"],
        ),
        (
            "type alone, interpolated image",
            |s| {
                s.want(Some("t3.large"), &[]);
                s.text("n8nio/n8n:1.19.0", "${IMAGE}")
            },
            &["public_ip"],
        ),
        (
            "type alone, stopped",
            |s| {
                s.want(Some("t3.large"), &[]);
                s.stop()
            },
            &["host_stopped"],
        ),
        (
            "type alone, stopped and protected",
            |s| {
                s.want(Some("t3.large"), &[]);
                s.stop();
                s.instance().stop_protection = Some(true)
            },
            &["host_stopped"],
        ),
        ("Elastic IP", |s| s.instance().elastic_ip = true, &[]),
        (
            "another repository",
            |s| s.want(None, &[("n8n", "mine/n8n:1.20.0")]),
            &["image_reference"],
        ),
        (
            "without the namespace",
            |s| s.want(None, &[("n8n", "n8n:1.20.0")]),
            &["image_reference"],
        ),
        (
            "Postgres by a patch",
            |s| s.want(None, &[("postgres", "postgres:15.9")]),
            &[],
        ),
        (
            "a service without a container",
            |s| {
                s.want(None, UPDATE.1);
                s.project().containers.remove(0);
                s.mount().seen_inside.remove(0);
            },
            &["service_running"],
        ),
        (
            "Xen to Nitro",
            |s| {
                s.instance().instance_type = instance_type("m4.large");
                s.observed
                    .types
                    .insert(instance_type("m4.large"), type_facts("m4.large"));
            },
            &["type_nvme", "public_ip"],
        ),
        (
            "no EFS, all mounted",
            |s| {
                s.deployment.file_system_id = None;
                s.mount().unmounted = Some(vec![])
            },
            &["public_ip", "data_on_root"],
        ),
        (
            "nothing to do",
            |s| {
                s.want(None, &[]);
                s.observed.host = HostView::Unreachable("ConnectionLost".into())
            },
            &["host_reachable"],
        ),
    ];
    for (what, change, warnings) in table {
        let mut changed = scene();
        change(&mut changed);
        let checks = changed.run();
        assert_eq!(of_status(&checks, Refuse), [""; 0], "{what}");
        assert_eq!(of_status(&checks, Warn), *warnings, "{what}");
    }
}

#[test]
fn a_rollback_does_not_ask_about_services_that_are_as_they_were() {
    let mut changed = scene();
    changed.text(
        "unclecode/crawl4ai:0.3.74",
        "unclecode/crawl4ai:0.3.74\n    deploy: {replicas: 2}",
    );
    let all = [
        ("n8n", "n8nio/n8n:1.19.0"),
        ("crawl4ai", "unclecode/crawl4ai:0.3.74"),
        ("postgres", "postgres:15.8"),
    ];
    changed.want(None, &all);
    for (name, wanted) in &mut changed.desired.images {
        let reference = all
            .iter()
            .find(|(s, _)| *s == name.as_str())
            .expect("named")
            .1;
        wanted.id = Some(image_id(reference));
    }
    assert_eq!(
        of_status(&changed.run(), Refuse),
        ["service_scaled"],
        "an update asks about what it names"
    );
    changed.desired.purpose = Purpose::Rollback {
        to: SnapshotId::new("s").expect("an id"),
        green: vec![],
    };
    assert_eq!(of_status(&changed.run(), Refuse), [""; 0]);
}

#[test]
fn help_says_what_was_meant() {
    type Images = &'static [(&'static str, &'static str)];
    let table: &[(Images, &str, &str)] = &[
        (
            &[("n8n", "1.20.0")],
            "image_reference",
            "did you mean n8nio/n8n:1.20.0?",
        ),
        (
            &[("n8m", "n8nio/n8n:1.20.0")],
            "service_exists",
            "did you mean n8n? The services are crawl4ai, n8n, ollama, postgres, qdrant",
        ),
        (
            &[("postgre", "postgres:15.9")],
            "service_exists",
            "did you mean postgres? The services are crawl4ai, n8n, ollama, postgres, qdrant",
        ),
        (
            &[("xyz", "postgres:15.9")],
            "service_exists",
            "name one of the services crawl4ai, n8n, ollama, postgres, qdrant",
        ),
    ];
    for (images, name, help) in table {
        let mut changed = scene();
        changed.want(None, images);
        let checks = changed.run();
        let check = checks.iter().find(|c| c.status == Refuse).expect("refused");
        assert_eq!((check.name.as_str(), check.help.as_str()), (*name, *help));
    }
}

#[test]
fn no_check_shows_the_compose_text() {
    for (what, change, _) in REFUSALS {
        let mut changed = scene();
        if let HostView::Up(facts) = &mut changed.observed.host {
            let text = COMPOSE.replace("${POSTGRES_PASSWORD:?}", "hunter2");
            facts.projects[0].text = Some(Secret::new(text));
        }
        change(&mut changed);
        assert!(
            !format!("{:?}", changed.run()).contains("hunter2"),
            "{what}"
        );
    }
}

#[test]
fn a_fallback_type_is_judged_like_the_type_that_is_wanted() {
    let run = |to: Option<&str>, names: &[&str], stopped: bool| {
        let mut scene = scene();
        scene.want(to, if to.is_none() { UPDATE.1 } else { &[] });
        if stopped {
            scene.stop();
        }
        for name in names {
            let name = instance_type(name);
            scene.desired.fallback_types.push(name.clone());
            scene
                .observed
                .types
                .insert(name.clone(), type_facts(name.as_str()));
            scene.observed.offered.insert(name);
        }
        let checks = scene.run();
        let of_fallback =
            |c: &&Check| c.name == "fallback_type" || c.message.starts_with("--fallback-type ");
        let said: Vec<_> = checks.iter().filter(of_fallback).collect();
        said.iter()
            .map(|c| (c.name.clone(), c.status))
            .collect::<Vec<_>>()
    };
    let said = |name: &str, status| vec![(name.to_owned(), status)];
    let large = Some("t3.large");
    for (to, names, stopped, expected) in [
        (large, &["m5.large"][..], false, said("fallback_type", Ok)),
        (
            large,
            &["t4g.large"],
            false,
            [
                said("type_architecture", Refuse),
                said("type_boot_mode", Refuse),
            ]
            .concat(),
        ),
        // Tried in any case, or for nothing.
        (large, &["t3.medium"], false, said("fallback_type", Warn)),
        (large, &["m5.large"], true, said("fallback_type", Warn)),
        (None, &["m5.large"], false, said("fallback_type", Warn)),
    ] {
        assert_eq!(run(to, names, stopped), expected, "{names:?}");
    }
}

#[test]
fn a_host_that_goes_back_from_another_operation_is_left_to_it() {
    let of = || OperationId::new("20261119-090000-abcd").expect("an id");
    let by_itself = true;
    let armed = RestoreState::Armed {
        operation: of(),
        deadline: Timestamp::UNIX_EPOCH,
    };
    let rows = [
        (armed, Some("host_armed")),
        (
            RestoreState::Restoring { operation: of() },
            Some("host_going_back"),
        ),
        (
            RestoreState::Restored {
                operation: of(),
                by_itself,
            },
            None,
        ),
        (
            RestoreState::Committed {
                operation: of(),
                by_itself,
            },
            None,
        ),
        (RestoreState::Idle, None),
    ];
    for (restore, expected) in rows {
        let mut scene = scene();
        scene.host().restore = restore.clone();
        let checks = scene.run();
        let mut refused = checks.iter().filter(|c| c.status == Refuse);
        let found = refused.next().map(|c| c.name.as_str());
        assert_eq!(found, expected, "{restore:?}: {checks:#?}");
    }
}

#[test]
fn what_docker_alone_calls_red_or_starting_before_the_change_warns_by_name() {
    fn n8n(scene: &mut Scene) -> &mut ContainerFacts {
        let mut all = scene.project().containers.iter_mut();
        all.find(|c| c.service == service("n8n")).expect("it runs")
    }
    let rows: [(Change, Option<&str>); 8] = [
        (|s| n8n(s).health = Some("healthy".into()), None),
        (|s| n8n(s).health = None, None),
        (
            |s| n8n(s).health = Some("unhealthy".into()),
            Some("Docker says: unhealthy"),
        ),
        (
            |s| n8n(s).health = Some("starting".into()),
            Some("Docker says: starting"),
        ),
        (
            |s| {
                n8n(s).health = None;
                n8n(s).status = "restarting".into();
            },
            Some("Docker says: restarting"),
        ),
        // What was asked decides, and is said as what it is.
        (
            |s| {
                n8n(s).health = Some("unhealthy".into());
                n8n(s).probed = Some(Probed {
                    green: true,
                    why: String::new(),
                    no_tool: false,
                });
            },
            None,
        ),
        // What does not run was not well or ill.
        (
            |s| {
                n8n(s).health = Some("unhealthy".into());
                n8n(s).status = "exited".into();
            },
            None,
        ),
        (
            |s| {
                n8n(s).health = Some("unhealthy".into());
                n8n(s).one_off = true;
            },
            None,
        ),
    ];
    for (at, (change, expected)) in rows.into_iter().enumerate() {
        let mut scene = scene();
        scene.want(Some("t3.large"), &[]);
        change(&mut scene);
        let checks = scene.run();
        let said: Vec<&Check> = checks.iter().filter(|c| c.name == "health").collect();
        let found: Vec<&str> = said.iter().map(|c| c.found.as_str()).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "row {at}");
        for check in said {
            assert_eq!(check.status, Warn);
            assert!(check.message.starts_with("n8n is not well before"));
            assert_eq!(check.help, "geusemaker logs my-dev-stack --service n8n");
        }
    }
}
