//! A project of several files, and edits that nobody applied yet, through the real binary.

use serde_json::Value;

use crate::support::Sandbox;

const FILE: &str = "opt/geusemaker/runtime/docker-compose.yml";
const OVERRIDE: &str = "/root/override.yml";
/// n8n gets its image here, by a merge key; qdrant only a label.
const TEXT: &str = "# By hand.\nx-new: &new\n  image: n8nio/n8n:1.19.4\nservices:\n  n8n:\n    <<: *new   # so\n  qdrant: {labels: {a: b}}\n";

/// What a dry run says of edits that the update would apply besides.
#[track_caller]
fn pending(sandbox: &Sandbox, images: &[&str]) -> Vec<String> {
    let mut words = vec!["update", "my-dev-stack", "--dry-run"];
    words.extend(images.iter().flat_map(|image| ["--image", image]));
    let said = sandbox.json(&words, 0);
    let checks = said["data"]["plan"]["checks"].as_array().expect("checks");
    let ours = checks.iter().filter(|c| c["name"] == "pending_edits");
    let found = ours.map(|c| {
        assert_eq!(c["status"], "warn", "{c}");
        c["found"].as_str().expect("text").to_owned()
    });
    found.collect()
}

/// The same stack, brought up with a second `-f`.
fn two_files() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["status", "my-dev-stack"]).ended(0);
    let path = sandbox.host().join(&OVERRIDE[1..]);
    fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs_err::write(path, TEXT).expect("written");
    sandbox.world(|world| {
        let host = world.hosts.values_mut().next().expect("a host");
        for container in &mut host.engine.containers {
            let label = "com.docker.compose.project.config_files";
            let files = format!("/{FILE},{OVERRIDE}");
            container.labels.insert(label.to_owned(), files);
            if container.name == "qdrant" {
                container.made["spec"]["labels"] = serde_json::json!({ "a": "b" });
                container.labels.insert("a".into(), "b".into());
            }
        }
    });
    sandbox
}

fn adopt(sandbox: &Sandbox) -> Value {
    let instance = geusemaker::sandbox::world::SEED_INSTANCE;
    sandbox.json(&["adopt", "my-dev-stack", "--instance-id", instance], 0)
}

fn second(sandbox: &Sandbox) -> String {
    fs_err::read_to_string(sandbox.host().join(&OVERRIDE[1..])).expect("there")
}

#[test]
fn a_project_of_two_files_is_updated_and_taken_back_byte_for_byte() {
    let sandbox = two_files();
    let update = |images: &[&str], code: i32| {
        let mut words = vec![
            "update",
            "my-dev-stack",
            "--force",
            "--health-timeout",
            "2s",
        ];
        words.extend(images.iter().flat_map(|image| ["--image", image]));
        sandbox.json(&words, code)
    };
    // Adopted with one file, and brought up with two since.
    let said = update(&["n8n=n8nio/n8n:1.20.0"], 3);
    assert_eq!(said["error"]["code"], "project_file", "{said}");
    adopt(&sandbox);
    let (first, host) = (sandbox.compose(), sandbox.host());
    assert_eq!(pending(&sandbox, &["n8n=n8nio/n8n:1.20.0"]), [""; 0]);

    let said = update(&["n8n=n8nio/n8n:1.20.0", "qdrant=qdrant/qdrant:v1.12.0"], 0);
    assert_eq!(said["outcome"], "updated", "{said}");
    let own = "  n8n:\n    image: n8nio/n8n:1.20.0\n    <<: *new   # so\n";
    assert_eq!(
        second(&sandbox),
        TEXT.replace("  n8n:\n    <<: *new   # so\n", own)
    );
    let now = sandbox.compose();
    assert_eq!(now.lines().count(), first.lines().count());
    let differing = now.lines().zip(first.lines()).filter(|(a, b)| a != b);
    assert_eq!(
        differing.count(),
        1,
        "n8n's own image there is not the one that counts"
    );
    // One word for both files, as the documentation makes it.
    let sums = [
        (format!("/{FILE}"), now.clone()),
        (OVERRIDE.to_owned(), second(&sandbox)),
    ];
    let lines =
        sums.map(|(path, text)| format!("{}  {path}\n", geusemaker::model::sha256_hex(text)));
    let word = geusemaker::model::sha256_hex(lines.concat());
    assert_eq!(said["data"]["verified"]["compose_sha256"], word.as_str());

    // An unhealthy image is taken back in both.
    let before = (sandbox.compose(), second(&sandbox));
    sandbox
        .run(&[
            "sandbox",
            "fault",
            "add",
            "health:n8n@n8nio/n8n:1.21.0=unhealthy",
        ])
        .ended(0);
    let said = update(&["n8n=n8nio/n8n:1.21.0", "qdrant=qdrant/qdrant:v1.11.3"], 4);
    assert_eq!(said["outcome"], "rolled_back", "{said}");
    assert_eq!((sandbox.compose(), second(&sandbox)), before);

    let said = sandbox.json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(said["outcome"], "rolled_back_as_asked", "{said}");
    assert_eq!(
        (sandbox.compose(), second(&sandbox)),
        (first.clone(), TEXT.to_owned())
    );

    // A file that is gone, or that the containers do not name any more, is refused.
    fs_err::remove_file(host.join(&OVERRIDE[1..])).expect("removed");
    let said = update(&["n8n=n8nio/n8n:1.20.0"], 3);
    assert_eq!(said["error"]["code"], "compose_readable", "{said}");
    assert_eq!(sandbox.compose(), first);
}

#[test]
fn a_path_with_a_comma_or_a_newline_is_refused() {
    for name in ["a,b.yml", "a\nb.yml"] {
        let sandbox = Sandbox::new();
        sandbox.run(&["status", "my-dev-stack"]).ended(0);
        let path = format!("/opt/geusemaker/runtime/{name}");
        fs_err::write(sandbox.host().join(&path[1..]), sandbox.compose()).expect("written");
        sandbox.world(|world| {
            let host = world.hosts.values_mut().next().expect("a host");
            for container in &mut host.engine.containers {
                let label = "com.docker.compose.project.config_files";
                container.labels.insert(label.to_owned(), path.clone());
            }
        });
        let instance = geusemaker::sandbox::world::SEED_INSTANCE;
        let said = sandbox.json(&["adopt", "my-dev-stack", "--instance-id", instance], 3);
        assert_eq!(said["error"]["code"], "compose_unreadable", "{said}");
    }
}

#[test]
fn a_restart_policy_that_was_edited_comes_with_the_image() {
    // The one that the container had was put back behind it, though the plan had said that it changes.
    let sandbox = Sandbox::new();
    let change = |policy: &str| {
        let update = format!("--restart={policy}");
        let call = [
            "exec",
            "my-dev-stack",
            "--",
            "docker",
            "update",
            &update,
            "n8n",
        ];
        sandbox.run(&call).ended(0);
    };
    let policy = || {
        let format = "{{.HostConfig.RestartPolicy.Name}}";
        let call = [
            "exec",
            "my-dev-stack",
            "--",
            "docker",
            "inspect",
            "--type",
            "container",
        ];
        let ran = sandbox.run(&[&call[..], &["--format", format, "n8n"]].concat());
        ran.ended(0).out.trim().to_owned()
    };
    change("always");
    let image = "n8n=n8nio/n8n:1.20.0";
    assert_eq!(pending(&sandbox, &[image]), ["n8n.restart: changed"]);
    // What is taken back has what it had.
    let update = ["update", "my-dev-stack", "--image", image, "--force"];
    let ill = "health:n8n@n8nio/n8n:1.20.0=unhealthy";
    sandbox.run(&["sandbox", "fault", "add", ill]).ended(0);
    let short = ["--health-timeout", "3s"];
    sandbox.run(&[&update[..], &short].concat()).ended(4);
    assert_eq!(policy(), "always");
    sandbox.run(&["sandbox", "fault", "clear"]).ended(0);
    sandbox.run(&update).ended(0);
    assert_eq!(policy(), "unless-stopped");
}

#[test]
fn pending_edits_are_listed_by_name_and_never_by_value() {
    let sandbox = Sandbox::new();
    let image = "n8n=n8nio/n8n:1.20.0";
    let all = [
        image,
        "postgres=postgres:15.9",
        "ollama=ollama/ollama:0.4.0",
        "qdrant=qdrant/qdrant:v1.12.0",
    ];
    assert_eq!(pending(&sandbox, &all), [""; 0], "nobody edited anything");
    let file = sandbox.host().join(FILE);
    let text = sandbox.compose();
    let at = text.find("  n8n:\n").expect("n8n") + "  n8n:\n".len();
    let ports = text[at..].find("    ports:\n").expect("ports") + at + "    ports:\n".len();
    let volumes = text[at..].find("    volumes:\n").expect("volumes") + at + "    volumes:\n".len();
    let mut edited = text.clone();
    let mut places = [
        (
            at,
            "    command: [start, --key=hunter2]\n    user: \"1000\"\n",
        ),
        (ports, "      - \"127.0.0.1:9999:9999\"\n"),
        (volumes, "      - /mnt/efs/more:/more:ro\n"),
    ];
    places.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, line) in places {
        edited.insert_str(at, line);
    }
    fs_err::write(&file, &edited).expect("written");
    let env = sandbox.host().join("opt/geusemaker/runtime/runtime.env");
    let vars = fs_err::read_to_string(&env).expect("an env file");
    fs_err::write(&env, format!("{vars}FRESH=hunter2\n")).expect("written");

    let found = pending(&sandbox, &[image]).concat();
    for one in [
        "n8n.command: added",
        "n8n.environment.FRESH: added",
        "n8n.user: added",
        "n8n.ports.127.0.0.1:9999->9999/tcp: added",
        "n8n.volumes./more: added",
    ] {
        assert!(found.contains(one), "{one}: {found}");
    }
    // The env file is qdrant's as well; of n8n's own edits nothing is said there.
    let other = pending(&sandbox, &["qdrant=qdrant/qdrant:v1.12.0"]);
    assert_eq!(other, ["qdrant.environment.FRESH: added"]);
    let ran = sandbox.run(&["update", "my-dev-stack", "--dry-run", "--image", image]);
    ran.ended(0);
    assert!(ran.out.contains("n8n.command: added"), "{}", ran.out);
    assert!(!format!("{}{}", ran.out, ran.err).contains("hunter2"));

    // Once applied they are pending no more.
    sandbox.json(&["update", "my-dev-stack", "--force", "--image", image], 0);
    assert_eq!(pending(&sandbox, &["n8n=n8nio/n8n:1.21.0"]), [""; 0]);
}

/// What was written after the update stays: of the service that goes back its container is made anew from it, of the
/// other it is as unapplied as it was.
#[test]
fn a_rollback_sets_images_and_takes_no_other_edit_back() {
    let sandbox = Sandbox::new();
    let update = ["update", "my-dev-stack", "--force", "--image"];
    sandbox.json(&[&update[..], &["n8n=n8nio/n8n:1.20.0"]].concat(), 0);
    let mut edited = sandbox.compose();
    for (service, line) in [
        ("  n8n:\n", "    user: \"1000\"\n"),
        ("  qdrant:\n", "    user: \"1001\"\n"),
    ] {
        let at = edited.find(service).expect("a service") + service.len();
        edited.insert_str(at, line);
    }
    edited.push_str("# mine\n");
    fs_err::write(sandbox.host().join(FILE), &edited).expect("written");
    let said = sandbox.json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(said["outcome"], "rolled_back_as_asked", "{said}");
    let back = edited.replace("image: n8nio/n8n:1.20.0", "image: n8nio/n8n:1.19.4");
    assert_ne!(back, edited);
    assert_eq!(sandbox.compose(), back);
    assert_eq!(pending(&sandbox, &["n8n=n8nio/n8n:1.20.0"]), [""; 0]);
    assert_eq!(
        pending(&sandbox, &["qdrant=qdrant/qdrant:v1.13.0"]),
        ["qdrant.user: added"]
    );
}

#[test]
fn an_interpolated_image_is_refused_with_the_way_to_do_it_and_no_rollback_trips_over_it() {
    let sandbox = Sandbox::new();
    sandbox.run(&["status", "my-dev-stack"]).ended(0);
    let file = sandbox.host().join(FILE);
    let text = sandbox.compose();
    let line = text
        .lines()
        .find(|l| l.trim_start().starts_with("image: qdrant/"))
        .expect("qdrant");
    let (name, tag) = line.rsplit_once(':').expect("a tag");
    let interpolated = format!("{name}:${{QDRANT_VERSION:-{tag}}}");
    let text = text.replacen(line, &interpolated, 1);
    fs_err::write(&file, &text).expect("written");

    let words = [
        "update",
        "my-dev-stack",
        "--force",
        "--image",
        "qdrant=qdrant/qdrant:v1.12.0",
    ];
    let said = sandbox.json(&words, 3);
    assert_eq!(said["error"]["code"], "compose_edit", "{said}");
    let help = said["error"]["help"].to_string();
    assert!(
        help.contains("in place of the variable") && help.contains("set QDRANT_VERSION"),
        "{help}"
    );

    sandbox.json(
        &[
            "update",
            "my-dev-stack",
            "--force",
            "--image",
            "n8n=n8nio/n8n:1.20.0",
        ],
        0,
    );
    let said = sandbox.json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(said["outcome"], "rolled_back_as_asked", "{said}");
    assert_eq!(sandbox.compose(), text);
}
