//! A healthy dev stack, for tests: change one thing in it and see what is said.

use std::collections::BTreeMap;

pub use crate::model::sha256_hex;

use crate::instance::types::type_facts;
use crate::model::*;

/// The compose file of the stack.
pub const COMPOSE: &str = r#"# The dev stack.
name: dev

services:
  n8n:
    image: n8nio/n8n:1.19.0 # workflows
    container_name: n8n
    restart: unless-stopped
    environment:
      DB_POSTGRESDB_PASSWORD: ${POSTGRES_PASSWORD:?}
    ports:
      - "127.0.0.1:5678:5678"
    volumes:
      - /mnt/efs/n8n:/home/node/.n8n
    depends_on: [postgres]
    healthcheck:
      test: ["CMD-SHELL", "wget -q -O- http://127.0.0.1:5678/healthz"]
  ollama:
    image: "ollama/ollama:0.3.12"
    container_name: ollama
    restart: unless-stopped
    volumes:
      - /mnt/efs/ollama:/root/.ollama
  qdrant:
    image: qdrant/qdrant:v1.11.3
    container_name: qdrant
    restart: unless-stopped
    volumes:
      - /mnt/efs/qdrant:/qdrant/storage
  crawl4ai:
    image: unclecode/crawl4ai:0.3.74
    container_name: crawl4ai
    restart: unless-stopped
  postgres:
    image: 'postgres:15.8'
    container_name: postgres
    restart: unless-stopped
    environment:
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?}
    volumes:
      - /mnt/efs/postgres:/var/lib/postgresql/data
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U postgres"]
"#;

/// The file system of the stack.
pub const FILE_SYSTEM: &str = "fs-0123456789abcdef0";
/// The instance of the stack.
pub const INSTANCE: &str = "i-0123456789abcdef0";
/// The line of `mountinfo` that a TLS mount by efs-utils makes.
pub const MOUNTINFO: &str = "97 28 0:42 / /mnt/efs rw,relatime shared:50 - nfs4 127.0.0.1:/ rw,vers=4.1,rsize=1048576,wsize=1048576,namlen=255,hard,noresvport,proto=tcp,port=20191,timeo=600,retrans=2,sec=sys,clientaddr=127.0.0.1,local_lock=none,addr=127.0.0.1";

/// An image id that stands for this text.
pub fn image_id(text: &str) -> Sha256Id {
    Sha256Id::new(format!("sha256:{}", sha256_hex(text))).expect("64 hex digits")
}

/// A service's name.
pub fn service(name: &str) -> ServiceName {
    ServiceName::new(name).expect("a service name")
}

/// A reference.
pub fn image(text: &str) -> ImageRef {
    ImageRef::new(text).expect("an image reference")
}

/// An instance type's name.
pub fn instance_type(name: &str) -> InstanceType {
    InstanceType::new(name).expect("an instance type")
}

/// The time of the look.
pub fn at() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().expect("a timestamp")
}

/// The deployment, as it was adopted.
pub fn deployment() -> Deployment {
    Deployment {
        schema: DEPLOYMENT_SCHEMA.into(),
        name: DeploymentName::new("my-dev-stack").expect("a name"),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        instance_id: InstanceId::new(INSTANCE).expect("an id"),
        file_system_id: Some(FileSystemId::new(FILE_SYSTEM).expect("an id")),
        mount_point: Some("/mnt/efs".into()),
        compose: ComposeIdentity {
            project: "dev".into(),
            file: "/opt/stack/docker-compose.yml".into(),
            more_files: Vec::new(),
        },
        created_at: at(),
        cache: DeploymentCache {
            status: "adopted".into(),
            instance_type: instance_type("t3.medium"),
            public_ip: Some("203.0.113.10".into()),
            images: BTreeMap::new(),
            updated_at: at(),
        },
        unknown: BTreeMap::new(),
    }
}

/// What is seen of the stack when all is well.
pub fn observed() -> Observed {
    let mut types = BTreeMap::new();
    for name in ["t3.medium", "t3.large"] {
        types.insert(instance_type(name), type_facts(name));
    }
    Observed {
        at: at(),
        instance: instance(),
        permits: [
            "ec2:StopInstances",
            "ec2:ModifyInstanceAttribute",
            "ec2:StartInstances",
        ]
        .map(|call| (call, Permit::Yes))
        .into(),
        offered: types.keys().cloned().collect(),
        types,
        file_system: Some(Ok(FileSystemFacts {
            id: FileSystemId::new(FILE_SYSTEM).expect("an id"),
            state: "available".into(),
            mount_targets: vec![MountTargetFacts {
                id: "fsmt-0123456789abcdef0".into(),
                zone: "us-east-1a".into(),
                state: "available".into(),
            }],
        })),
        host: HostView::Up(Box::new(host())),
    }
}

/// The same stack while its instance is stopped.
pub fn observed_stopped() -> Observed {
    let mut seen = observed();
    seen.instance.state = RunState::Stopped;
    seen.instance.public_ip = None;
    seen.host = HostView::Stopped;
    seen
}

/// The instance: a running t3.medium.
pub fn instance() -> InstanceFacts {
    InstanceFacts {
        id: InstanceId::new(INSTANCE).expect("an id"),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        zone: "us-east-1a".into(),
        instance_type: instance_type("t3.medium"),
        state: RunState::Running,
        state_reason: None,
        architecture: "x86_64".into(),
        virtualization: "hvm".into(),
        boot_mode: Some("legacy-bios".into()),
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
        public_ip: Some("203.0.113.10".into()),
        elastic_ip: false,
        private_ip: Some("10.0.1.10".into()),
        launched_at: Some(at()),
        platform: "Linux/UNIX".into(),
        reservation_preference: None,
        reservation: None,
    }
}

/// The host: five running containers, four of them on the file system.
pub fn host() -> HostFacts {
    let containers = vec![
        container(
            "n8n",
            "n8nio/n8n:1.19.0",
            Some(("n8n", "/home/node/.n8n")),
            &["postgres"],
            true,
        ),
        container(
            "ollama",
            "ollama/ollama:0.3.12",
            Some(("ollama", "/root/.ollama")),
            &[],
            false,
        ),
        container(
            "qdrant",
            "qdrant/qdrant:v1.11.3",
            Some(("qdrant", "/qdrant/storage")),
            &[],
            false,
        ),
        container("crawl4ai", "unclecode/crawl4ai:0.3.74", None, &[], false),
        container(
            "postgres",
            "postgres:15.8",
            Some(("postgres", "/var/lib/postgresql/data")),
            &[],
            true,
        ),
    ];
    HostFacts {
        restore: Default::default(),
        boot_id: "11111111-2222-3333-4444-555555555555".into(),
        machine: "x86_64".into(),
        docker: "27.3.1".into(),
        compose: Some("2.29.7".into()),
        disk_free: 40 << 30,
        mount: Some(mount(&containers)),
        images: containers
            .iter()
            .map(|c| {
                let facts = ImageFacts {
                    id: c.image_id.clone(),
                    digests: c.digests.clone(),
                    architecture: "amd64".into(),
                };
                (image(&c.image).normalized(), facts)
            })
            .collect(),
        projects: vec![ProjectFacts {
            name: "dev".into(),
            files: vec!["/opt/stack/docker-compose.yml".into()],
            working_dir: "/opt/stack".into(),
            env_files: vec!["/opt/stack/.env".into()],
            files_differ: false,
            text: Some(Secret::new(COMPOSE)),
            sha256: Some(sha256_hex(COMPOSE)),
            more: Vec::new(),
            containers,
        }],
        pending: None,
        other_containers: Vec::new(),
    }
}

/// The mount under those containers, by TLS.
pub fn mount(containers: &[ContainerFacts]) -> MountFacts {
    MountFacts {
        point: "/mnt/efs".into(),
        mountinfo: Some(MOUNTINFO.into()),
        fstab: vec![format!(
            "{FILE_SYSTEM}:/ /mnt/efs efs _netdev,noresvport,tls,iam 0 0"
        )],
        docker_requires: Some(
            [
                "system.slice",
                "docker.socket",
                "mnt-efs.mount",
                "sysinit.target",
            ]
            .map(str::to_owned)
            .to_vec(),
        ),
        efs_state_files: vec![format!("{FILE_SYSTEM}.mnt.efs.20191")],
        stat: "answered".into(),
        sentinel: "ok".into(),
        sentinel_written: false,
        seen_inside: containers
            .iter()
            .flat_map(|c| c.binds.iter().map(move |b| (c, b)))
            .map(|(c, b)| SeenInside {
                container: c.name.clone(),
                destination: b.destination.clone(),
                mountinfo: Some(
                    MOUNTINFO
                        .replace("97 28", "412 390")
                        .replace(" / /mnt/efs ", &format!(" /{} {} ", c.name, b.destination)),
                ),
            })
            .collect(),
        unmounted: None,
    }
}

/// A healthy container; `bind` is the folder under `/mnt/efs` and where the container has it.
pub fn container(
    name: &str,
    reference: &str,
    bind: Option<(&str, &str)>,
    depends_on: &[&str],
    health: bool,
) -> ContainerFacts {
    let repository = reference.split(':').next().expect("a repository");
    ContainerFacts {
        service: service(name),
        name: name.into(),
        id: sha256_hex(format!("container {name}")),
        image: reference.into(),
        image_id: image_id(reference),
        digests: vec![format!(
            "{repository}@sha256:{}",
            sha256_hex(format!("manifest {reference}"))
        )],
        status: "running".into(),
        exit_code: 0,
        health: health.then(|| "healthy".into()),
        restarts: 0,
        started_at: "2026-11-20T09:00:00.000000000Z".into(),
        restart_policy: "unless-stopped".into(),
        pid: 4242,
        binds: bind
            .into_iter()
            .map(|(folder, destination)| BindFacts {
                source: format!("/mnt/efs/{folder}"),
                destination: destination.into(),
            })
            .collect(),
        depends_on: depends_on.iter().map(|d| (*d).to_owned()).collect(),
        one_off: false,
        health_log: String::new(),
        probed: None,
    }
}

/// An update to this type and these images.
pub fn desired_update(to: Option<&str>, images: &[(&str, &str)]) -> Desired {
    Desired {
        progress_ms: crate::model::PROGRESS_MS,
        capacity: Capacity::Prove,
        stop_ms: crate::model::STOP_MS,
        fallback_types: vec![],
        instance_type: to.map(instance_type),
        ebs_optimized: None,
        images: images
            .iter()
            .map(|(name, reference)| {
                let wanted = DesiredImage {
                    reference: image(reference),
                    id: None,
                    digest: None,
                };
                (service(name), wanted)
            })
            .collect(),
        files: Vec::new(),
        purpose: Purpose::Update,
        gate: GateSettings {
            timeout_ms: 300_000,
            stable_ms: 10_000,
        },
        undo_on_failure: true,
    }
}
