use std::collections::BTreeSet;

use super::*;
use crate::model::{HostFacts, HostView, InstanceFacts, ProjectFacts, Secret};

const ID: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const DIGEST: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const OTHER: &str = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

pub(crate) fn deployment() -> Deployment {
    serde_yaml::from_str(
        "schema: geusemaker.deployment/3\nname: web\naccount: '111122223333'\nregion: us-east-1\n\
         instance_id: i-0123456789abcdef0\nfile_system_id: fs-0123456789abcdef0\nmount_point: /mnt/efs\n\
         compose:\n  project: stack\n  file: /opt/stack/compose.yml\n\
         created_at: 2026-11-01T00:00:00Z\n\
         cache:\n  status: adopted\n  instance_type: t3.medium\n  public_ip: null\n  images: {}\n  \
         updated_at: 2026-11-01T00:00:00Z\n",
    )
    .unwrap()
}

fn container(service: &str, status: &str, health: Option<&str>) -> ContainerFacts {
    ContainerFacts {
        service: ServiceName::new(service).unwrap(),
        name: service.into(),
        id: format!("{service}-1"),
        image: format!("{service}:1.0"),
        image_id: Sha256Id::new(ID).unwrap(),
        digests: vec![
            format!("mirror.example/{service}@{OTHER}"),
            format!("{service}@{DIGEST}"),
        ],
        status: status.into(),
        exit_code: 0,
        health: health.map(Into::into),
        restarts: 0,
        started_at: "2026-11-20T09:00:00Z".into(),
        restart_policy: "unless-stopped".into(),
        pid: 1,
        binds: vec![],
        depends_on: vec![],
        one_off: false,
        health_log: String::new(),
        probed: None,
    }
}

fn observed(host: HostView) -> Observed {
    Observed {
        permits: Default::default(),
        at: "2026-11-20T10:00:00Z".parse().unwrap(),
        instance: InstanceFacts {
            id: InstanceId::new("i-0123456789abcdef0").unwrap(),
            account: "111122223333".into(),
            region: "us-east-1".into(),
            zone: "us-east-1a".into(),
            instance_type: InstanceType::new("t3.medium").unwrap(),
            state: RunState::Running,
            state_reason: None,
            architecture: "x86_64".into(),
            virtualization: "hvm".into(),
            boot_mode: None,
            root_device_type: "ebs".into(),
            ena_support: true,
            ebs_optimized: false,
            network_interfaces: 1,
            network_cards: 1,
            volumes: 1,
            spot: false,
            spot_request: None,
            hibernation: false,
            stop_protection: Some(false),
            auto_scaling_group: None,
            auto_scaling: None,
            operator_managed: false,
            tenancy: "default".into(),
            placement_group: None,
            public_ip: None,
            elastic_ip: false,
            private_ip: None,
            launched_at: None,
            platform: "Linux/UNIX".into(),
            reservation_preference: None,
            reservation: None,
        },
        types: BTreeMap::new(),
        offered: BTreeSet::new(),
        file_system: None,
        host,
    }
}

fn up(containers: Vec<ContainerFacts>) -> HostView {
    HostView::Up(Box::new(HostFacts {
        boot_id: "boot-1".into(),
        machine: "x86_64".into(),
        docker: "20.10.24".into(),
        compose: Some("2.26.1".into()),
        disk_free: 1 << 30,
        projects: vec![ProjectFacts {
            name: "stack".into(),
            files: vec!["/opt/stack/compose.yml".into()],
            working_dir: "/opt/stack".into(),
            env_files: vec!["/opt/stack/runtime.env".into()],
            files_differ: false,
            text: Some(Secret::new("password: hunter2")),
            sha256: Some("ab".repeat(32)),
            more: Vec::new(),
            containers,
        }],
        other_containers: vec![],
        mount: None,
        images: BTreeMap::new(),
        restore: Default::default(),
        pending: None,
    }))
}

fn taken(host: HostView) -> Snapshot {
    Snapshot::of(
        &observed(host),
        &deployment(),
        SnapshotId::new("20261120-100000-0001").unwrap(),
    )
}

#[test]
fn healthy_only_if_every_service_that_ran_was_green() {
    let green = || container("n8n", "running", Some("healthy"));
    let one_off = || {
        let mut c = container("migrate", "running", Some("unhealthy"));
        c.one_off = true;
        c
    };
    let second = |status| {
        let mut c = container("n8n", status, Some("unhealthy"));
        c.name = "n8n-2".into();
        c
    };
    let table: Vec<(&str, Vec<ContainerFacts>, bool)> = vec![
        ("one green", vec![green()], true),
        (
            "no health check",
            vec![container("a", "running", None)],
            true,
        ),
        ("nothing", vec![], false),
        (
            "starting",
            vec![green(), container("a", "running", Some("starting"))],
            false,
        ),
        (
            "unhealthy",
            vec![green(), container("a", "running", Some("unhealthy"))],
            false,
        ),
        (
            "crash loop",
            vec![green(), container("a", "restarting", None)],
            false,
        ),
        (
            "frozen",
            vec![green(), container("a", "paused", None)],
            false,
        ),
        (
            "stopped by hand",
            vec![green(), container("a", "exited", None)],
            true,
        ),
        ("all stopped", vec![container("a", "exited", None)], false),
        ("a one-off does not count", vec![green(), one_off()], true),
        (
            "the second of two is red",
            vec![green(), second("running")],
            false,
        ),
        (
            "the second of two lies stopped",
            vec![second("exited"), green()],
            true,
        ),
    ];
    for (case, containers, healthy) in table {
        assert_eq!(taken(up(containers)).healthy, healthy, "{case}");
    }
}

#[test]
fn evidence_is_ids_and_digests_and_never_the_compose_text() {
    let snapshot = taken(up(vec![
        container("n8n", "running", Some("healthy")),
        container("job", "exited", None),
    ]));
    let n8n = &snapshot.services[&ServiceName::new("n8n").unwrap()];
    assert_eq!(n8n.image.reference.as_str(), "n8n:1.0");
    assert_eq!(n8n.image.id.as_ref().unwrap().as_str(), ID);
    assert_eq!(
        n8n.image.digest.as_ref().unwrap().as_str(),
        DIGEST,
        "the digest of the reference's own registry, not of the mirror"
    );
    assert_eq!(snapshot.green(), [ServiceName::new("n8n").unwrap()]);
    assert_eq!(snapshot.compose.env_files, ["/opt/stack/runtime.env"]);
    let text = serde_yaml::to_string(&snapshot).unwrap();
    assert!(!text.contains("hunter2"));
    assert!(text.contains("ref: n8n:1.0"), "{text}");
}

#[test]
fn a_container_made_from_a_bare_id_and_one_never_pulled_are_evidence_too() {
    let mut bare = container("a", "running", None);
    bare.image = ID.trim_start_matches("sha256:").into();
    bare.digests.clear();
    let snapshot = taken(up(vec![bare]));
    let a = &snapshot.services[&ServiceName::new("a").unwrap()];
    assert_eq!(a.image.id.as_ref().unwrap().as_str(), ID);
    assert_eq!(a.image.digest, None);
}

#[test]
fn a_host_that_cannot_be_asked_gives_no_images_and_no_health() {
    for host in [HostView::Stopped, HostView::Unreachable("no agent".into())] {
        let snapshot = taken(host);
        assert!(!snapshot.healthy);
        assert!(snapshot.services.is_empty());
        assert_eq!(snapshot.boot_id, None);
        assert_eq!(snapshot.compose.sha256, None);
        assert_eq!(snapshot.instance_type.as_str(), "t3.medium");
    }
}

#[test]
fn the_same_state_is_all_but_id_time_restarts_and_boot() {
    let base = || taken(up(vec![container("n8n", "running", Some("healthy"))]));
    let n8n = ServiceName::new("n8n").unwrap();
    type Edit = Box<dyn Fn(&mut Snapshot)>;
    let service = |edit: fn(&mut ServiceEvidence)| -> Edit {
        let n8n = n8n.clone();
        Box::new(move |s| edit(s.services.get_mut(&n8n).unwrap()))
    };
    let table: Vec<(&str, bool, Edit)> = vec![
        (
            "id",
            true,
            Box::new(|s| s.id = SnapshotId::new("other").unwrap()),
        ),
        (
            "time",
            true,
            Box::new(|s| s.taken_at = "2030-01-01T00:00:00Z".parse().unwrap()),
        ),
        (
            "boot",
            true,
            Box::new(|s| s.boot_id = Some("boot-2".into())),
        ),
        ("restarts", true, service(|s| s.restarts = 9)),
        ("colour", false, service(|s| s.colour = Colour::Red)),
        ("image", false, service(|s| s.image.id = None)),
        ("running", false, service(|s| s.running = false)),
        (
            "type",
            false,
            Box::new(|s| s.instance_type = InstanceType::new("t3.large").unwrap()),
        ),
        ("state", false, Box::new(|s| s.state = RunState::Stopped)),
        ("file", false, Box::new(|s| s.compose.sha256 = None)),
        ("services", false, Box::new(|s| s.services.clear())),
        ("healthy", false, Box::new(|s| s.healthy = false)),
    ];
    for (case, same, edit) in table {
        let mut other = base();
        edit(&mut other);
        assert_eq!(base().same_state(&other), same, "{case}");
        assert_eq!(other.same_state(&base()), same, "{case}");
    }
}

#[test]
fn only_the_newest_snapshot_is_used_again() {
    let now = taken(up(vec![container("n8n", "running", Some("healthy"))]));
    let mut changed = now.clone();
    changed.instance_type = InstanceType::new("t3.large").unwrap();
    assert_eq!(now.newest_equal(std::slice::from_ref(&now)), Some(&now));
    assert_eq!(now.newest_equal(&[changed, now.clone()]), None);
    assert_eq!(now.newest_equal(&[]), None);
}
