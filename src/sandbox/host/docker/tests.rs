//! The forms of the scripts, one by one, on the seeded host.

use super::test_kit::at;
use super::*;
use crate::model::ImageRef;
use crate::sandbox::fault::Faults;
use crate::sandbox::host::{
    COMPOSE_FILE, ENV_FILE, HostContext, HostFiles, HostState, MemoryFiles, Seed, seed_host,
};
use crate::sandbox::latency::Latency;
use crate::sandbox::registry::Registry;

pub(super) struct Kit {
    pub(super) host: HostState,
    pub(super) registry: Registry,
    pub(super) faults: Faults,
    files: MemoryFiles,
    ms: i64,
}

impl Kit {
    pub(super) fn new() -> Self {
        let mut kit = Self {
            host: HostState::default(),
            registry: Registry::default(),
            faults: Faults::default(),
            files: MemoryFiles::default(),
            ms: 0,
        };
        let seed = Seed {
            file_system: Some("fs-0123456789abcdef0"),
            ..Seed::default()
        };
        let (mut context, files) = kit.context();
        seed_host(&mut context, files, &seed).unwrap();
        kit
    }

    fn context(&mut self) -> (HostContext<'_>, &mut MemoryFiles) {
        let context = HostContext {
            host: &mut self.host,
            registry: &mut self.registry,
            faults: &mut self.faults,
            latency: Latency::FAST,
            now: at(self.ms),
        };
        (context, &mut self.files)
    }

    pub(super) fn run(&mut self, argv: &[&str]) -> Answer {
        let argv: Vec<String> = argv.iter().map(|w| (*w).to_owned()).collect();
        let (mut context, files) = self.context();
        docker(&mut context, files, &argv)
    }

    pub(super) fn out(&mut self, argv: &[&str]) -> String {
        let answer = self.run(argv);
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{argv:?}");
        answer.stdout
    }

    pub(super) fn up(&mut self, services: &[&str]) -> Answer {
        let mut argv = COMPOSE.to_vec();
        argv.extend(["up", "-d", "--no-deps", "--pull", "never", "--no-build"]);
        argv.extend(services);
        self.run(&argv)
    }

    pub(super) fn edit(&mut self, from: &str, to: &str) {
        let text = self.files.read(COMPOSE_FILE).unwrap();
        assert!(text.contains(from));
        self.files
            .write(COMPOSE_FILE, &text.replace(from, to))
            .unwrap();
    }
}

pub(super) const COMPOSE: &[&str] = &[
    "compose",
    "-p",
    "geusemaker",
    "--project-directory",
    "/opt/geusemaker/runtime",
    "-f",
    COMPOSE_FILE,
    "--env-file",
    ENV_FILE,
];

#[test]
fn forms_that_only_look() {
    let mut kit = Kit::new();
    let table: &[(&[&str], &str)] = &[
        (
            &["version", "--format", "{{.Server.Version}}"],
            "20.10.24\n",
        ),
        (&["compose", "version", "--short"], "2.26.1\n"),
        (
            &["info", "--format", "{{.DockerRootDir}}"],
            "/var/lib/docker\n",
        ),
        (
            &[
                "inspect",
                "--type",
                "container",
                "--format",
                "{{.Name}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}} {{.HostConfig.RestartPolicy.Name}} {{.RestartCount}}",
                "n8n",
                "postgres",
            ],
            "/n8n running healthy unless-stopped 0\n/postgres running healthy unless-stopped 0\n",
        ),
        (
            &[
                "inspect",
                "--type",
                "container",
                "--format",
                "{{json .Mounts}}",
                "qdrant",
            ],
            "[{\"Type\":\"bind\",\"Source\":\"/mnt/efs/qdrant\",\"Destination\":\"/qdrant/storage\",\"Mode\":\"rw\",\"RW\":true,\"Propagation\":\"rprivate\"}]\n",
        ),
        (
            &[
                "inspect",
                "--type",
                "container",
                "--format",
                "{{index .Config.Labels \"com.docker.compose.project.environment_file\"}}|{{index .Config.Labels \"com.docker.compose.depends_on\"}}",
                "n8n",
            ],
            "/opt/geusemaker/runtime/runtime.env|postgres:service_healthy:false\n",
        ),
        (
            &[
                "image",
                "inspect",
                "--format",
                "{{.Architecture}} {{.RepoTags}} {{len .RepoDigests}}",
                "n8nio/n8n:1.19.4",
            ],
            "amd64 [n8nio/n8n:1.19.4] 1\n",
        ),
        (
            &["compose", "ls"],
            "NAME         STATUS       CONFIG FILES\ngeusemaker   running(5)   /opt/geusemaker/runtime/docker-compose.yml\n",
        ),
    ];
    for (argv, expected) in table {
        assert_eq!(&kit.out(argv), expected, "{argv:?}");
    }
    let ids = kit.out(&["ps", "-aq", "--no-trunc"]);
    assert_eq!(ids.lines().count(), 5);
    assert!(ids.lines().all(|l| l.len() == 64));
    assert!(kit.out(&["ps"]).starts_with("CONTAINER ID   IMAGE"));
    assert!(kit.out(&["image", "ls"]).contains("postgres"));
    assert_eq!(kit.out(&["logs", "--tail", "1", "n8n"]), "n8n is ready\n");
    let all = kit.out(&["inspect", "--type", "container", "n8n"]);
    let document: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(document[0]["State"]["Health"]["Log"][0]["Output"], "ok\n");
}

#[test]
fn refusals_in_dockers_words() {
    let mut kit = Kit::new();
    let table: &[(&[&str], i32, &str, &str)] = &[
        (
            &[
                "inspect",
                "--type",
                "container",
                "--format",
                "{{.Id}}",
                "no",
            ],
            1,
            "\n",
            "Error: No such container: no\n",
        ),
        (
            &["image", "inspect", "--format", "{{.Id}}", "no:1"],
            1,
            "\n",
            "Error: No such image: no:1\n",
        ),
        (
            &["image", "inspect", "no:1"],
            1,
            "[]\n",
            "Error: No such image: no:1\n",
        ),
        (
            &["stop", "no"],
            1,
            "",
            "Error response from daemon: No such container: no\n",
        ),
        (
            &["start", "no"],
            1,
            "",
            "Error response from daemon: No such container: no\nError: failed to start containers: no\n",
        ),
        (
            &["tag", "sha256:0000", "a:1"],
            1,
            "",
            "Error response from daemon: No such image: sha256:0000\n",
        ),
        (
            &["pull", "n8nio/n8n:zzz"],
            1,
            "",
            "Error response from daemon: manifest for n8nio/n8n:zzz not found: manifest unknown: manifest unknown\n",
        ),
        (
            &["pull", "Bad/Name"],
            1,
            "",
            "invalid reference format: repository name must be lowercase\n",
        ),
        (
            &["update", "--restart=maybe", "n8n"],
            1,
            "",
            "Error response from daemon: invalid restart policy 'maybe'\n",
        ),
        (&["logs", "no"], 1, "", "Error: No such container: no\n"),
        (
            &[
                "inspect",
                "--type",
                "container",
                "--format",
                "{{.Nope}}",
                "n8n",
            ],
            1,
            "",
            "Template parsing error: template: :1: executing \"\" at <.Nope>: map has no entry for key \"Nope\"\n",
        ),
    ];
    for (argv, code, stdout, stderr) in table {
        let answer = kit.run(argv);
        assert_eq!(
            (answer.code, answer.stdout.as_str(), answer.stderr.as_str()),
            (*code, *stdout, *stderr),
            "{argv:?}"
        );
    }
    let id = kit.host.engine.container("n8n").unwrap().id.clone();
    assert_eq!(
        kit.run(&["rm", "n8n"]).stderr,
        format!(
            "Error response from daemon: You cannot remove a running container {id}. Stop the container before attempting removal or force remove\n"
        )
    );
    assert!(kit.run(&["create", "--name", "n8n", "postgres:15.10"]).stderr.starts_with(
        &format!("Error response from daemon: Conflict. The container name \"/n8n\" is already in use by container \"{id}\".")
    ));
}

#[test]
fn forms_that_it_does_not_know_are_refused() {
    let mut kit = Kit::new();
    let before = kit.host.clone();
    let up = [
        "compose",
        "-p",
        "geusemaker",
        "--project-directory",
        "/opt",
        "-f",
        COMPOSE_FILE,
        "up",
        "-d",
    ];
    let relative = ["compose", "-f", "docker-compose.yml", "up", "-d"];
    let forms: [&[&str]; 7] = [
        &["run", "alpine"],
        &["system", "prune", "-a"],
        &["exec", "-it", "n8n", "sh"],
        &[],
        &["ps", "--weird"],
        &up,
        &relative,
    ];
    for argv in forms {
        let answer = kit.run(argv);
        assert_eq!(answer.code, 125, "{argv:?}");
        assert!(
            answer.stderr.contains("does not know the form"),
            "{}",
            answer.stderr
        );
    }
    assert_eq!(kit.host, before);
}

#[test]
fn pull_says_what_it_did() {
    let mut kit = Kit::new();
    let digest = kit
        .registry
        .find(&ImageRef::new("n8nio/n8n:1.20.0").unwrap(), "amd64")
        .unwrap()
        .digest;
    let said = |status: &str| {
        format!("Digest: {digest}\nStatus: {status} n8nio/n8n:1.20.0\ndocker.io/n8nio/n8n:1.20.0\n")
    };
    let first = "1.20.0: Pulling from n8nio/n8n\n";
    let pulled = kit.out(&["pull", "n8nio/n8n:1.20.0"]);
    let layers = pulled.strip_prefix(first).expect("where it comes from");
    let layers = layers
        .strip_suffix(&said("Downloaded newer image for"))
        .expect("how it ended");
    assert!(layers.contains(": Pulling fs layer\n") && layers.contains(": Pull complete\n"));
    let said = |status: &str| format!("{first}{}", said(status));
    assert_eq!(
        kit.out(&["pull", "n8nio/n8n:1.20.0"]),
        said("Image is up to date for")
    );
    assert_eq!(
        kit.out(&["pull", "-q", "postgres:15.10"]),
        "docker.io/library/postgres:15.10\n"
    );
    // A created container holds an image; the tag can move away and come back.
    let id = kit
        .host
        .engine
        .image("n8nio/n8n:1.19.4")
        .unwrap()
        .id
        .clone();
    assert_eq!(kit.out(&["create", "--name", "hold", &id]).len(), 65);
    kit.out(&["tag", &id, "n8nio/n8n:1.20.0"]);
    assert_eq!(
        kit.out(&[
            "image",
            "inspect",
            "--format",
            "{{.Id}}",
            "n8nio/n8n:1.20.0"
        ])
        .trim(),
        id
    );
    assert_eq!(kit.out(&["rm", "hold"]), "hold\n");
}

#[test]
fn up_does_nothing_to_what_is_as_it_should_be() {
    let mut kit = Kit::new();
    let before = kit.host.engine.containers.clone();
    let answer = kit.up(&["qdrant", "postgres"]);
    assert_eq!(
        answer.stderr,
        " Container qdrant  Running\n Container postgres  Running\n"
    );
    assert_eq!(kit.host.engine.containers, before);
    kit.out(&["stop", "qdrant"]);
    assert_eq!(
        kit.up(&["qdrant"]).stderr,
        " Container qdrant  Created\n Container qdrant  Starting\n Container qdrant  Started\n"
    );
    let id = &kit.host.engine.container("qdrant").unwrap().id;
    assert!(before.iter().any(|c| c.id == *id));
}

#[test]
fn up_makes_anew_what_has_another_image_or_configuration() {
    let mut kit = Kit::new();
    let id = |kit: &mut Kit, name: &str| kit.host.engine.container(name).unwrap().id.clone();
    let (n8n, postgres) = (id(&mut kit, "n8n"), id(&mut kit, "postgres"));
    kit.edit("n8nio/n8n:1.19.4", "n8nio/n8n:1.20.0");
    // Not local: nothing happens to the old one.
    let refused = kit.up(&["n8n"]);
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (
            1,
            " Container n8n  Recreate\nError response from daemon: no such image: n8nio/n8n:1.20.0: No such image: n8nio/n8n:1.20.0\n"
        )
    );
    assert!(kit.host.engine.container("n8n").unwrap().running());
    kit.out(&["pull", "n8nio/n8n:1.20.0"]);
    let done = kit.up(&["n8n"]);
    assert_eq!(
        done.stderr,
        " Container n8n  Recreate\n Container n8n  Recreated\n Container n8n  Starting\n Container n8n  Started\n"
    );
    assert_ne!(id(&mut kit, "n8n"), n8n);
    assert_eq!(id(&mut kit, "postgres"), postgres, "--no-deps");
    assert_eq!(
        kit.host.engine.container("n8n").unwrap().image,
        "n8nio/n8n:1.20.0"
    );
    assert!(
        kit.host.engine.container(&n8n).is_err(),
        "the old one is gone"
    );
    // The same reference, another image behind it.
    let again = id(&mut kit, "n8n");
    let old = kit
        .host
        .engine
        .image("n8nio/n8n:1.19.4")
        .unwrap()
        .id
        .clone();
    kit.out(&["tag", &old, "n8nio/n8n:1.20.0"]);
    assert!(kit.up(&["n8n"]).stderr.contains("Recreated"));
    assert_ne!(id(&mut kit, "n8n"), again);
    // Another environment from the env file.
    kit.files
        .write(ENV_FILE, "POSTGRES_PASSWORD=another\n")
        .unwrap();
    assert!(kit.up(&["postgres"]).stderr.contains("Recreated"));
    assert_ne!(id(&mut kit, "postgres"), postgres);
    assert!(kit.up(&["nope"]).stderr.contains("no such service: nope"));
}

#[test]
fn config_says_what_is_wrong_with_a_file() {
    let mut kit = Kit::new();
    let good = kit.files.read(COMPOSE_FILE).unwrap();
    let mut config = COMPOSE.to_vec();
    config.extend(["config", "-q"]);
    assert_eq!(kit.out(&config), "");
    let table = [
        ("services: [", "yaml: "),
        ("- a\n", "Top-level object must be a mapping"),
        (
            "service: {}\n",
            "Additional property service is not allowed",
        ),
        (
            "services:\n  a: {imagee: x}\n",
            "services.a Additional property imagee is not allowed",
        ),
        (
            "services:\n  a: {restart: always}\n",
            "service \"a\" has neither an image nor a build context",
        ),
        (
            "services:\n  a: {image: x, depends_on: [b]}\n",
            "service \"a\" depends on undefined service \"b\"",
        ),
        (
            "services:\n  a: {image: x, environment: {P: '${NOPE:?set it}'}}\n",
            "error while interpolating services.a.environment.P: required variable NOPE is missing a value: set it",
        ),
        (
            "services:\n  a: {image: x, env_file: gone.env}\n",
            "env file /opt/geusemaker/runtime/gone.env not found",
        ),
        (
            "services:\n  a: {image: 'x:${'}\n",
            "invalid interpolation format for services.a.image.\nYou may need to escape any $ with another $.\nx:${\n",
        ),
    ];
    for (text, expected) in table {
        kit.files.write(COMPOSE_FILE, text).unwrap();
        let answer = kit.run(&config);
        let code = if text.contains("gone.env") { 14 } else { 15 };
        assert_eq!(answer.code, code, "{text}");
        assert!(
            answer.stderr.contains(expected),
            "{text}: {}",
            answer.stderr
        );
    }
    kit.files
        .write(COMPOSE_FILE, "services:\n  a: {image: 'x:${NOPE}1'}\n")
        .unwrap();
    let warned = kit.run(&config);
    assert_eq!(
        (warned.code, warned.stderr.contains("variable is not set")),
        (0, true)
    );
    kit.files.write(COMPOSE_FILE, &good).unwrap();
    // Without the env file the password is missing, as on a real host.
    let without: Vec<&str> = config
        .iter()
        .copied()
        .filter(|w| *w != "--env-file" && *w != ENV_FILE)
        .collect();
    let answer = kit.run(&without);
    assert!(
        answer.stderr.contains(
            "required variable POSTGRES_PASSWORD is missing a value: set it in runtime.env"
        ),
        "{}",
        answer.stderr
    );
}

#[test]
fn systemctl_shows_what_docker_requires() {
    let mut kit = Kit::new();
    let argv = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut run = |text: &str| {
        let (mut context, files) = kit.context();
        systemctl(&mut context, files, &argv(text))
    };
    let table = [
        (
            "show docker.service -p Requires --value",
            0,
            "system.slice docker.socket sysinit.target mnt-efs.mount -.mount\n",
        ),
        (
            "show mnt-efs.mount -p FragmentPath --value",
            0,
            "/run/systemd/generator/mnt-efs.mount\n",
        ),
        ("show other.mount -p FragmentPath --value", 0, "\n"),
        ("daemon-reload", 0, ""),
        (
            "show docker.service -p LoadState -p ActiveState",
            0,
            "LoadState=loaded\nActiveState=active\n",
        ),
        ("is-active docker", 0, "active\n"),
        ("start docker", 0, ""),
        ("stop docker.service", 1, ""),
        ("show ssh.service -p ActiveState", 1, ""),
    ];
    for (form, code, stdout) in table {
        let found = run(form);
        assert_eq!(
            (found.code, found.stdout.as_str()),
            (code, stdout),
            "{form}"
        );
    }
}

#[test]
fn the_template_has_five_services_with_the_promised_parts() {
    let mut kit = Kit::new();
    let (_, files) = kit.context();
    let project = load_compose(
        files,
        &[COMPOSE_FILE.to_owned()],
        "/opt/geusemaker/runtime",
        &[ENV_FILE.to_owned()],
    )
    .unwrap();
    assert!(project.warnings.is_empty());
    let names: Vec<&String> = project.services.keys().collect();
    assert_eq!(names, ["crawl4ai", "n8n", "ollama", "postgres", "qdrant"]);
    for (name, service) in &project.services {
        assert_eq!(service.container_name.as_ref(), Some(name));
        assert_eq!(service.restart, ("unless-stopped".to_owned(), 0));
        assert_eq!(service.healthcheck, Some(true));
        assert!(
            service
                .binds
                .iter()
                .all(|b| b.source == format!("/mnt/efs/{name}"))
        );
        assert_eq!(service.binds.is_empty(), name == "crawl4ai");
        let tag = ImageRef::new(service.image.as_str())
            .unwrap()
            .tag()
            .unwrap();
        assert!(tag.contains('.'), "{name} is pinned to a release: {tag}");
    }
    // Each image line has the place where its tag was seen above it, and its value is plain.
    let text = crate::sandbox::host::DEV_TEMPLATE;
    let mut comment = String::new();
    let mut images = 0;
    for line in text.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix('#') {
            comment += more;
        } else {
            if let Some(value) = line.strip_prefix("image: ") {
                images += 1;
                assert!(comment.contains("Seen:"), "{line}");
                assert!(!value.contains(['$', '*', '&', '"']), "{line}");
            }
            comment.clear();
        }
    }
    assert_eq!(images, 5);
    let document: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    let health = document["x-geusemaker"]["health"].as_mapping().unwrap();
    assert_eq!(health.len(), 5);
}

/// Answers of systemd 252 for units that are there and not there.
#[test]
fn systemctl_answers_for_the_timer_as_systemd_does() {
    use crate::sandbox::host::TIMER;
    let mut kit = Kit::new();
    let place = |kit: &mut Kit, text: &str| {
        let (_, files) = kit.context();
        let path = format!("/etc/systemd/system/{TIMER}");
        files.write(&path, text).unwrap();
    };
    let run = |kit: &mut Kit, form: &str| {
        let argv: Vec<String> = form.split(' ').map(str::to_owned).collect();
        let (mut context, files) = kit.context();
        let answer = systemctl(&mut context, files, &argv);
        (answer.code, answer.stdout + &answer.stderr)
    };
    let table = |kit: &mut Kit, rows: &[(&str, i32, &str)]| {
        for (form, code, text) in rows {
            let form = form.replace('@', TIMER);
            let found = run(kit, &form);
            let text = text.replace('@', TIMER);
            assert_eq!(found.0, *code, "{form}: {}", found.1);
            assert!(
                found.1 == text || (text.len() > 30 && found.1.starts_with(&text)),
                "{form}: {}",
                found.1
            );
        }
    };
    table(
        &mut kit,
        &[
            ("daemon-reload", 0, ""),
            (
                "is-enabled @",
                1,
                "Failed to get unit file state for @: No such file or directory\n",
            ),
            ("is-active @", 4, "inactive\n"),
            (
                "enable --now @",
                1,
                "Failed to enable unit: Unit file @ does not exist.\n",
            ),
            (
                "disable --now @",
                1,
                "Failed to disable unit: Unit file @ does not exist.\n",
            ),
        ],
    );
    place(&mut kit, "[Timer]\nOnActiveSec=15s\n");
    table(
        &mut kit,
        &[
            ("is-enabled @", 0, "static\n"),
            ("enable @", 0, "The unit files have no installation config"),
            ("is-active @", 3, "inactive\n"),
        ],
    );
    place(
        &mut kit,
        "[Timer]\nOnActiveSec=15s\n[Install]\nWantedBy=timers.target\n",
    );
    table(
        &mut kit,
        &[
            ("is-enabled @", 1, "disabled\n"),
            (
                "enable --now @",
                1,
                "Created symlink /etc/systemd/system/timers.target.wants/@ → /etc/systemd/system/@.\nFailed to start @: Unit",
            ),
            (
                "disable @",
                0,
                "Removed \"/etc/systemd/system/timers.target.wants/@\".\n",
            ),
        ],
    );
    let service = "[Service]\nType=oneshot\nExecStart=/bin/true\n";
    let (_, files) = kit.context();
    files
        .write("/etc/systemd/system/geusemaker-restore.service", service)
        .unwrap();
    table(
        &mut kit,
        &[
            (
                "enable @",
                0,
                "Created symlink /etc/systemd/system/timers.target.wants/@ → /etc/systemd/system/@.\n",
            ),
            ("is-enabled @", 0, "enabled\n"),
            ("is-active @", 3, "inactive\n"),
            ("enable --now @", 0, ""),
            ("is-active @", 0, "active\n"),
            (
                "disable --now @",
                0,
                "Removed \"/etc/systemd/system/timers.target.wants/@\".\n",
            ),
            ("is-active @", 3, "inactive\n"),
            ("disable --now @", 0, ""),
            // The list is closed.
            (
                "start @",
                1,
                "systemctl: this sandbox's systemctl does not know the form: systemctl start @\n",
            ),
            (
                "enable --now docker.service",
                1,
                "systemctl: this sandbox's systemctl does not know the form",
            ),
            (
                "enable --now geusemaker-restore.service",
                1,
                "systemctl: this sandbox's systemctl does not know",
            ),
        ],
    );
    place(&mut kit, "[Timer]\nOnCalendar=daily\n");
    table(
        &mut kit,
        &[(
            "daemon-reload",
            1,
            "@: this sandbox's systemd does not know [Timer] OnCalendar=daily\n",
        )],
    );
}
