//! Compose files as people have them, on a real engine.

use serde_json::Value;

use geusemaker::host::{Job, JobState};

use super::direct::Direct;
use super::real::{FILE, Real};

/// Three `-f` files of a project in /root. The second overrides the first, the third is in another folder.
const FIRST: &str = r#"# As it grew over the years.
x-base: &base
  image: n8nio/n8n:1.0.0   # for all that are alike
  restart: unless-stopped
  env_file: [settings.env]
  environment:
    DB_PASSWORD: ${POSTGRES_PASSWORD:?set it in settings.env}
    MODE: ${MODE:-plain}
include:
  - included.yml
services:
  web:
    <<: *base
    container_name: the-web
    command: ["/main", "--price", "5$$", "<&>"]
    ports: ["127.0.0.1:5678:5678", "6001-6002:6001-6002/udp"]
    volumes: [/mnt/efs/n8n:/data, "kept:/kept", ./rel:/rel:ro, /anonymous]
    tmpfs: /run/web
    labels: {com.example.role: web}
    depends_on:
      migrate: {condition: service_completed_successfully}
      db: {condition: service_healthy}
  worker:   # no container_name
    <<: *base
    user: "0"
    hostname: worker
    extra_hosts: ["web.internal:10.0.0.1"]
  migrate:
    image: unclecode/crawl4ai:1.1.0-once
    restart: "no"
  db:
    image: 'postgres:15.1'
    networks: [default, back]
    cap_add: [NET_ADMIN]
    healthcheck: {test: [CMD, /health], interval: 1s, retries: 5}
  spare:
    profiles: [spare]
    image: qdrant/qdrant:1.0.0
    network_mode: host
  grown:
    extends: {file: base.yml, service: base}
    image: ollama/ollama:1.0.0
volumes: {kept: {}}
networks: {back: {name: backbone}}
"#;
const OVERRIDE: &str = "# Only here.\nservices:\n  db:\n    environment: [TUNED=yes]\n  worker:\n    image: qdrant/qdrant:1.0.0 # another one here\n    entrypoint: [/main]\n";
const THIRD: &str = "services: {web: {environment: {THIRD: 'yes'}, init: true}}\r\n";

const UP: &str = "docker compose -p lab --env-file settings.env -f docker-compose.yml -f docker-compose.override.yml -f /opt/lab/third.yml --profile spare up -d --quiet-pull";

fn lab(real: &Real) -> [(&'static str, &'static str); 3] {
    down(real);
    let files = [
        ("/root/docker-compose.yml", FIRST),
        ("/root/docker-compose.override.yml", OVERRIDE),
        ("/opt/lab/third.yml", THIRD),
    ];
    for (path, text) in files {
        real.write(path, text);
    }
    let env = "POSTGRES_PASSWORD=s3cret\nTOKEN=a b\n";
    real.write("/root/settings.env", env);
    real.write(
        "/root/included.yml",
        "services:\n  side:\n    image: ollama/ollama:1.0.0\n",
    );
    real.write(
        "/root/base.yml",
        "services:\n  base:\n    restart: on-failure:2\n    labels: [from=base]\n",
    );
    real.sh(&format!("cd /root && {UP} 2>&1"));
    adopt(real);
    files
}

fn down(real: &Real) {
    real.sh("cd /opt/geusemaker/runtime && docker compose --env-file runtime.env down -t 1 2>&1");
}

/// As what runs there now.
fn adopt(real: &Real) -> Value {
    let instance = geusemaker::sandbox::world::SEED_INSTANCE;
    let words = ["adopt", "my-dev-stack", "--instance-id", instance];
    real.sandbox.json(&words, 0)
}

/// What a dry run says of edits that the update would apply besides.
fn pending(real: &Real, images: &[&str]) -> Vec<String> {
    let mut words = vec!["update", "my-dev-stack", "--dry-run"];
    words.extend(images.iter().flat_map(|image| ["--image", image]));
    let said = real.sandbox.json(&words, 0);
    let checks = said["data"]["plan"]["checks"].as_array().expect("checks");
    let ours = checks.iter().filter(|c| c["name"] == "pending_edits");
    ours.flat_map(|c| {
        assert_eq!(c["status"], "warn", "{c}");
        let found = c["found"].as_str().expect("text");
        let all: Vec<String> = found.split(", ").map(str::to_owned).collect();
        all
    })
    .collect()
}

fn reads(real: &Real, files: &[(&str, &str)]) -> Vec<String> {
    let read = files
        .iter()
        .map(|(path, _)| real.sh(&format!("cat {path}")));
    read.collect()
}

/// Merges, profiles, env_file, `${VAR:?}`, container_name and without it, host ports, a one-shot, an override file, a
/// third `-f`, extends, include, `-p`, all in /root: the services that are named are made anew, each file differs in
/// its own values, and the way back is byte for byte.
pub fn grown(real: &Real) {
    let files = lab(real);
    let before = real.containers();
    assert_eq!(before.len(), 7, "{before:?}");
    let images = [
        "web=n8nio/n8n:1.1.0",
        "worker=qdrant/qdrant:1.1.0",
        "spare=qdrant/qdrant:1.1.0",
        "db=postgres:15.2",
    ];
    assert_eq!(pending(real, &images), [""; 0], "nobody edited anything");

    let words: Vec<&str> = images.iter().flat_map(|image| ["--image", image]).collect();
    let result = real.update(&words, 0);
    assert_eq!(result["outcome"], "updated", "{result}");
    let anew = ["the-web", "lab-worker-1", "lab-spare-1", "lab-db-1"];
    for (was, is) in before.iter().zip(&real.containers()) {
        if anew.contains(&was.name.as_str()) {
            assert_ne!(was.id, is.id, "{}", was.name);
            assert_eq!((&was.name, &was.policy), (&is.name, &is.policy));
        } else {
            assert_eq!(was, is);
        }
    }
    let now = reads(real, &files);
    let own = "  web:\n    image: n8nio/n8n:1.1.0\n    <<: *base\n";
    let first = FIRST
        .replace("  web:\n    <<: *base\n", own)
        .replace("'postgres:15.1'", "'postgres:15.2'")
        .replace(
            "[spare]\n    image: qdrant/qdrant:1.0.0",
            "[spare]\n    image: qdrant/qdrant:1.1.0",
        );
    let second = OVERRIDE.replace("qdrant:1.0.0 #", "qdrant:1.1.0 #");
    assert_eq!(now, [first, second, THIRD.to_owned()]);
    let web = "docker inspect the-web --format '{{.Config.Cmd}} {{.HostConfig.Init}} {{index .Config.Env 0}}'";
    assert!(real.sh(web).starts_with("[/main --price 5$ <&>] true "));
    assert_eq!(pending(real, &["web=n8nio/n8n:1.0.0"]), [""; 0]);

    // What comes from an included file is refused, and so is what is not there.
    let side = real.update(&["--image", "side=ollama/ollama:1.1.0"], 3);
    assert!(
        side.to_string()
            .contains("comes from a file that the compose file includes"),
        "{side}"
    );

    // A bad image is taken back in each file.
    let bad = [
        "--image",
        "web=n8nio/n8n:1.2.0-crash",
        "--image",
        "worker=qdrant/qdrant:1.0.0",
    ];
    let result = real.update(&bad, 4);
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    assert_eq!(reads(real, &files), now);

    let result = real
        .sandbox
        .json(&["rollback", "my-dev-stack", "--force"], 0);
    assert_eq!(result["outcome"], "rolled_back_as_asked", "{result}");
    assert_eq!(reads(real, &files), files.map(|(_, text)| text.to_owned()));
    let image = |c: &super::real::Seen| (c.name.clone(), c.image.clone(), c.image_id.clone());
    let images: Vec<_> = before.iter().map(image).collect();
    assert_eq!(
        real.containers().iter().map(image).collect::<Vec<_>>(),
        images
    );
}

/// Edits of the service's own part of the files since its container was made, by name and never by value.
pub fn edited(real: &Real) {
    let image = "n8n=n8nio/n8n:1.1.0";
    assert_eq!(pending(real, &[image, "postgres=postgres:15.2"]), [""; 0]);
    let file = real.compose();
    let edited = file
        .replacen(
            "      DB_PASSWORD",
            "      LOG_LEVEL: hunter2-debug\n      DB_PASSWORD",
            1,
        )
        .replace("127.0.0.1:5678:5678", "127.0.0.1:5679:5678")
        .replace("/mnt/efs/n8n:/data", "/mnt/efs/n8n:/other")
        .replacen(
            "    env_file",
            "    command: [/main, --hunter2]\n    env_file",
            1,
        )
        .replace("restart: on-failure:3", "restart: always");
    real.write(FILE, &edited);
    real.write(
        "/opt/geusemaker/runtime/runtime.env",
        "POSTGRES_PASSWORD=hunter2\n",
    );
    let found = pending(real, &[image]);
    assert_eq!(
        found,
        [
            "n8n.command: added",
            "n8n.environment.DB_PASSWORD: changed",
            "n8n.environment.LOG_LEVEL: added",
            "n8n.environment.POSTGRES_PASSWORD: changed",
            "n8n.ports.127.0.0.1:5678->5678/tcp: removed",
            "n8n.ports.127.0.0.1:5679->5678/tcp: added",
            "n8n.volumes./data: removed",
            "n8n.volumes./other: added",
        ],
        "and nothing of crawl4ai, which is not made anew"
    );
    let said = real
        .sandbox
        .run(&["update", "my-dev-stack", "--dry-run", "--image", image]);
    assert!(
        said.out.contains("n8n.environment.LOG_LEVEL: added"),
        "{}",
        said.out
    );
    assert!(!format!("{}{}", said.out, said.err).contains("hunter2"));

    // As announced; and a policy that only the file has is not touched.
    real.update(&["--image", image], 0);
    let env = real.sh("docker inspect n8n --format '{{.Config.Env}}'");
    assert!(env.contains("LOG_LEVEL=hunter2-debug"), "{env}");
    assert_eq!(real.container("crawl4ai").policy, "on-failure:3");
    assert_eq!(pending(real, &["n8n=n8nio/n8n:1.0.0"]), [""; 0]);
}

/// As the predecessor left it on its instances.
const PREDECESSOR: &str = r#"version: "3.8"
services:
  n8n:
    image: n8nio/n8n:latest
    container_name: n8n
    restart: unless-stopped
    ports: ["127.0.0.1:5678:5678"]
    env_file: runtime.env
    environment:
      - DB_POSTGRESDB_PASSWORD=${POSTGRES_PASSWORD:?POSTGRES_PASSWORD is required}
    volumes: ["/mnt/efs/n8n:/home/node/.n8n"]
    depends_on: [postgres]
  ollama:
    image: ollama/ollama:latest
    container_name: ollama
    restart: unless-stopped
    ports: ["127.0.0.1:11434:11434"]
    volumes: ["/mnt/efs/ollama:/root/.ollama"]
  qdrant:
    image: qdrant/qdrant:latest
    container_name: qdrant
    restart: unless-stopped
    ports: ["127.0.0.1:6333:6333", "127.0.0.1:6334:6334"]
    volumes: ["/mnt/efs/qdrant:/qdrant/storage"]
  crawl4ai:
    image: unclecode/crawl4ai:latest
    container_name: crawl4ai
    restart: unless-stopped
    ports: ["127.0.0.1:11235:11235"]
  postgres:
    image: postgres:15
    container_name: postgres
    restart: unless-stopped
    env_file: runtime.env
    volumes: ["/mnt/efs/postgres:/var/lib/postgresql/data"]
"#;

/// The predecessor's stack in both of its folders: adopted, one image changed, taken back.
pub fn predecessor(real: &Real) {
    down(real);
    real.sh("for i in n8nio/n8n:1.0.0 ollama/ollama:1.0.0 qdrant/qdrant:1.0.0 unclecode/crawl4ai:1.0.0; do docker tag $i ${i%:*}:latest; done; docker tag postgres:15.1 postgres:15");
    for folder in ["/root", "/opt/geusemaker/runtime"] {
        let file = format!("{folder}/docker-compose.yml");
        real.write(&file, PREDECESSOR);
        real.write(
            &format!("{folder}/runtime.env"),
            "POSTGRES_PASSWORD=s3cret\n",
        );
        let compose = format!("cd {folder} && docker compose --env-file runtime.env");
        real.sh(&format!("{compose} up -d --wait --pull never 2>&1"));
        let adopted = adopt(real);
        assert_eq!(
            adopted["data"]["compose"]["file"],
            file.as_str(),
            "{adopted}"
        );
        let before = real.containers();
        assert_eq!(before.len(), 5);
        assert_eq!(pending(real, &["n8n=n8nio/n8n:1.1.0"]), [""; 0]);

        real.update(&["--image", "n8n=n8nio/n8n:1.1.0"], 0);
        let expected = PREDECESSOR.replace("n8nio/n8n:latest", "n8nio/n8n:1.1.0");
        assert_eq!(real.sh(&format!("cat {file}")), expected);
        for (was, is) in before.iter().zip(&real.containers()) {
            assert_eq!(was.name != "n8n", was == is, "{}", was.name);
        }
        real.sandbox
            .json(&["rollback", "my-dev-stack", "--force"], 0);
        assert_eq!(real.sh(&format!("cat {file}")), PREDECESSOR);
        let (was, is) = (&before[1], real.container("n8n"));
        assert_eq!((&was.name, &was.image_id), (&is.name, &is.image_id));
        real.sh(&format!("{compose} down -t 1 2>&1"));
    }
}

/// Whether a container lives in the namespace of another one that runs.
fn lives_in(real: &Real, name: &str, other: &str, namespace: &str) -> bool {
    let of = |name: &str| {
        real.sh(&format!(
            "readlink /proc/$(docker inspect --format '{{{{.State.Pid}}}}' {name})/ns/{namespace}"
        ))
    };
    of(name) == of(other)
}

/// ollama in the network of qdrant, crawl4ai among its processes: a new image of qdrant is refused with nothing touched,
/// one of ollama finds its network again, and behind a boot both are back in what they share.
pub fn shared(real: &Real) {
    real.sh(&format!(
        "cd /opt/geusemaker/runtime && sed -i -e '/container_name: ollama/a\\    network_mode: service:qdrant' -e '/container_name: crawl4ai/a\\    pid: container:qdrant' {FILE} && docker compose --env-file runtime.env up -d --quiet-pull 2>&1"
    ));
    let together = |real: &Real| {
        assert!(lives_in(real, "ollama", "qdrant", "net"));
        assert!(lives_in(real, "crawl4ai", "qdrant", "pid"));
    };
    together(real);
    let (before, file) = (real.containers(), real.compose());
    let refused = real.update(&["--image", "qdrant=qdrant/qdrant:1.1.0"], 3);
    let checks = refused["data"]["plan"]["checks"].as_array().unwrap();
    let ours: Vec<&Value> = checks
        .iter()
        .filter(|c| c["name"] == "shared_namespace")
        .collect();
    assert_eq!(ours.len(), 1, "{refused}");
    assert_eq!(ours[0]["found"], "crawl4ai.pid, ollama.network_mode");
    assert_eq!(real.containers(), before);
    assert_eq!(real.compose(), file);

    let result = real.update(&["--image", "ollama=ollama/ollama:1.1.0"], 0);
    assert_eq!(result["outcome"], "updated", "{result}");
    together(real);
    let result = real.update(&["--instance-type", "t3.large"], 0);
    assert_eq!(result["outcome"], "updated", "{result}");
    together(real);
    // The way by hand that the refusal names.
    real.sh(&format!(
        "cd /opt/geusemaker/runtime && sed -i s,qdrant/qdrant:1.0.0,qdrant/qdrant:1.1.0, {FILE} && docker compose --env-file runtime.env up -d --quiet-pull qdrant 2>&1 && docker compose --env-file runtime.env up -d --force-recreate crawl4ai ollama 2>&1"
    ));
    together(real);
}

/// Compose was cut off when the old container was gone and the new one had not yet its name: the anonymous volume is still
/// there behind an apply, and behind the way back.
pub fn half(real: &Real) {
    real.sh(&format!(
        "cd /opt/geusemaker/runtime && sed -i 's,^      - /mnt/efs/n8n:/data$,&\\n      - /anonymous,' {FILE} && docker compose --env-file runtime.env up -d --quiet-pull n8n 2>&1 && docker exec n8n sh -c 'echo precious >/anonymous/data' && docker pull -q n8nio/n8n:1.1.0"
    ));
    let cut_off = || {
        real.sh("docker stop n8n && docker rename n8n $(docker inspect --format '{{.ID}}' postgres | cut -c 1-12)_n8n")
    };
    let is = |image: &str| {
        assert_eq!(real.container("n8n").image, image);
        assert_eq!(real.sh("docker exec n8n cat /anonymous/data"), "precious\n");
        assert_eq!(real.containers().len(), 5);
    };
    let direct = Direct::new(real, "20261120-100000-half");
    let forward = direct.forward("n8nio/n8n:1.1.0");
    let back = direct.back(&forward);
    cut_off();
    assert_eq!(direct.run(&Job::Apply(Box::new(forward))), JobState::Done);
    is("n8nio/n8n:1.1.0");
    cut_off();
    assert_eq!(direct.run(&Job::Restore(Box::new(back))), JobState::Done);
    is("n8nio/n8n:1.0.0");
}
