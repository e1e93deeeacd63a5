//! Secrets are planted wherever one can be, then every byte that was written or said is searched.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::safety::serve;
use crate::support::served::Served;
use crate::support::{Ran, Sandbox, bare};

const RUNTIME: &str = "opt/geusemaker/runtime";

/// One secret for each place, so that a find says whose it is.
const PLACES: &[&str] = &[
    "env-file",
    "environment",
    "label",
    "command",
    "healthcheck",
    "build-arg",
    "comment",
    "x-field",
    "config-json",
    "efs-file",
    "session-token",
    "credentials-file",
    "config-file",
    "probe-url",
    "of-the-caller",
];

fn secret(place: &str) -> String {
    format!("hunter2{}9f3a", place.replace('-', "Q"))
}

/// A secret as it stands, and what its base64 looks like wherever it begins within a longer text.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.as_bytes().to_vec()];
    for before in 0..3 {
        let coded = STANDARD.encode([&b"xxx"[..before], secret.as_bytes()].concat());
        // The first and last digits hold bits of the neighbours.
        let from = (before * 8).div_ceil(6);
        let to = (before + secret.len()) * 8 / 6;
        forms.push(coded.as_bytes()[from..to].to_vec());
    }
    forms
}

struct Planted {
    sandbox: Sandbox,
    served: Served,
    home: tempfile::TempDir,
    forms: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Planted {
    /// A stack whose files and settings are full of secrets, and an account through which it is reached.
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.run(&["list"]).ended(0);
        let root = sandbox.host();
        let append = |path: &str, text: &str| {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let before = fs_err::read_to_string(&path).unwrap_or_default();
            fs_err::write(&path, before + text).expect("written");
        };
        append(
            &format!("{RUNTIME}/runtime.env"),
            &format!("\nMORE={}\n", secret("env-file")),
        );
        append(
            "root/.docker/config.json",
            &format!(
                "{{\"auths\":{{\"ghcr.io\":{{\"auth\":\"{}\"}}}}}}",
                secret("config-json")
            ),
        );
        append("mnt/efs/n8n/token", &secret("efs-file"));
        let compose = root.join(format!("{RUNTIME}/docker-compose.yml"));
        let text = fs_err::read_to_string(&compose).expect("the compose file");
        let n8n = "    container_name: n8n\n";
        assert!(text.contains(n8n), "{text}");
        let more = format!(
            "{n8n}    labels: {{ \"app.token\": \"{}\" }}\n    command: [\"start\", \"--token={}\"]\n    x-field: {}\n    # {}\n",
            secret("label"),
            secret("command"),
            secret("x-field"),
            secret("comment"),
        );
        let text = text
            .replace(n8n, &more)
            .replace(
                "      DB_TYPE: postgresdb\n",
                &format!(
                    "      DB_TYPE: postgresdb\n      API_KEY: {}\n",
                    secret("environment")
                ),
            )
            .replace(
                "wget --quiet",
                &format!("TOKEN={} wget --quiet", secret("healthcheck")),
            );
        fs_err::write(&compose, text).expect("written");
        let served = serve(&sandbox);
        let home = tempfile::tempdir().expect("a folder");
        let aws = home.path().join(".aws");
        fs_err::create_dir(&aws).expect("a folder");
        let file = |name: &str, text: String| fs_err::write(aws.join(name), text).expect("written");
        file(
            "credentials",
            format!(
                "[other]\naws_access_key_id = x\naws_secret_access_key = {}\n",
                secret("credentials-file")
            ),
        );
        file(
            "config",
            format!("[profile other]\nsso_session = {}\n", secret("config-file")),
        );
        let mut forms: BTreeMap<_, _> = PLACES
            .iter()
            .map(|p| ((*p).to_owned(), self::forms(&secret(p))))
            .collect();
        forms.insert(
            "the served secret key".into(),
            self::forms(served.text("secret_access_key")),
        );
        Self {
            sandbox,
            served,
            home,
            forms,
        }
    }

    fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// The binary as somebody with an account runs it, with all that it can log.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare();
        command
            .env("HOME", self.home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", self.served.text("access_key_id"))
            .env(
                "AWS_SECRET_ACCESS_KEY",
                self.served.text("secret_access_key"),
            )
            .env("AWS_SESSION_TOKEN", secret("session-token"))
            .env("N8N_PASSWORD", secret("of-the-caller"))
            .arg("--state")
            .arg(self.state())
            .args([
                "--endpoint-url",
                self.served.text("endpoint"),
                "--region",
                self.served.text("region"),
            ])
            .args(args);
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> Ran {
        let output = self.command(args).output().expect("the binary runs");
        for bytes in [&output.stdout, &output.stderr] {
            assert_eq!(self.found(bytes), Vec::<&str>::new(), "said by {args:?}");
        }
        let ran = Ran::new(output);
        ran.ended(code);
        ran
    }

    /// Whose secrets are in these bytes.
    fn found(&self, bytes: &[u8]) -> Vec<&str> {
        let within = |form: &Vec<u8>| {
            bytes
                .windows(form.len())
                .any(|part| part == form.as_slice())
        };
        let of = self
            .forms
            .iter()
            .filter(|(_, forms)| forms.iter().any(within));
        of.map(|(place, _)| place.as_str()).collect()
    }
}

/// Every file below, with what is in it.
fn files(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.is_file() {
                found.push((path.clone(), fs_err::read(&path).expect("readable")));
            }
        }
    }
    found
}

/// Reads the command line of each process of this machine until it is stopped; gives those with a secret.
fn watch(
    needles: Vec<Vec<u8>>,
    stop: Arc<AtomicBool>,
) -> std::thread::JoinHandle<(usize, Vec<String>)> {
    std::thread::spawn(move || {
        let (mut rounds, mut found) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            for entry in fs_err::read_dir("/proc").expect("Linux").flatten() {
                let Ok(line) = fs_err::read(entry.path().join("cmdline")) else {
                    continue;
                };
                if needles
                    .iter()
                    .any(|n| line.windows(n.len()).any(|part| part == n.as_slice()))
                {
                    found.push(String::from_utf8_lossy(&line).replace('\0', " "));
                }
            }
            rounds += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        (rounds, found)
    })
}

#[test]
fn planted_secrets_are_in_nothing_that_is_written_said_or_passed_on() {
    let planted = Planted::new();
    let host = planted.sandbox.host();
    let before: BTreeMap<PathBuf, Vec<u8>> = files(&host).into_iter().collect();
    let needles = planted.forms.values().flatten().cloned().collect();
    let stop = Arc::<AtomicBool>::default();
    let watched = watch(needles, Arc::clone(&stop));

    let fault = |fault: &str| {
        planted
            .sandbox
            .run(&["sandbox", "fault", "add", fault])
            .ended(0);
    };
    planted.run(
        &[
            "-vvv",
            "adopt",
            "my-dev-stack",
            "--instance-id",
            "i-0c5a1b7d9e2f34680",
        ],
        0,
    );
    for output in ["text", "json", "yaml"] {
        for look in ["inspect", "history"] {
            planted.run(&["-vvv", "-o", output, look, "my-dev-stack"], 0);
        }
    }
    planted.run(&["-vvv", "status", "my-dev-stack"], 0);
    let update = [
        "-vvv",
        "--progress",
        "json",
        "update",
        "my-dev-stack",
        "--force",
        "--stable-for",
        "1s",
    ];
    let with = |more: &[&'static str]| -> Vec<&'static str> {
        update.iter().chain(more).copied().collect()
    };
    planted.run(&with(&["--image", "n8n=n8nio/n8n:1.20.0", "--dry-run"]), 0);
    planted.run(&with(&["--image", "n8n=n8nio/n8n:1.20.0", "-o", "json"]), 0);
    // What fails says most: an image that is not there, one that never becomes healthy, a way back.
    fault("pull:n8nio/n8n:1.20.1=missing");
    planted.run(&with(&["--image", "n8n=n8nio/n8n:1.20.1"]), 3);
    fault("health:n8n@n8nio/n8n:1.21.0=unhealthy");
    planted.run(&with(&["--image", "n8n=n8nio/n8n:1.21.0", "-o", "json"]), 4);
    planted.run(&["-vvv", "logs", "my-dev-stack"], 0);
    // A declaration that is refused is shown, without the password in it.
    let compose = host.join(format!("{RUNTIME}/docker-compose.yml"));
    let text = fs_err::read_to_string(&compose).expect("the compose file");
    let url = format!("http://me:{}@127.0.0.1:5678/", secret("probe-url"));
    let declared = "x-geusemaker:\n  health:\n";
    assert!(text.contains(declared), "{text}");
    let extra = format!("{declared}    n8n: {{ http: \"{url}\" }}\n");
    let without: String = {
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("n8n: {"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    fs_err::write(&compose, without.replace(declared, &extra)).expect("written");
    let refused = planted.run(&with(&["--image", "n8n=n8nio/n8n:1.20.2"]), 3);
    assert!(
        refused.err.contains("http://…@127.0.0.1:5678/"),
        "{}",
        refused.err
    );
    fs_err::write(&compose, text).expect("written");

    stop.store(true, Ordering::Relaxed);
    let (rounds, lines) = watched.join().expect("it ends");
    assert!(rounds > 20, "{rounds}");
    assert_eq!(lines, Vec::<String>::new(), "in the arguments of a process");

    // All that the program keeps on this side.
    let kept = files(&planted.state());
    assert!(kept.len() > 10, "{kept:?}");
    for (path, bytes) in &kept {
        assert_eq!(
            planted.found(bytes),
            Vec::<&str>::new(),
            "in {}",
            path.display()
        );
        assert_eq!(
            planted.found(path.as_os_str().as_encoded_bytes()),
            Vec::<&str>::new()
        );
    }
    let bytes: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
    eprintln!(
        "hostile: secrets: files {} bytes {bytes} looks at processes {rounds}",
        kept.len()
    );
    modes(&planted.state());

    // On the host a secret is where it was, and for root alone where the compose file is kept to go back to, and where the
    // agent of Systems Manager keeps the scripts that it ran.
    for (path, bytes) in files(&host) {
        let place = path.strip_prefix(&host).expect("below");
        let was_there = before.get(&path) == Some(&bytes) || path == compose;
        if was_there || planted.found(&bytes).is_empty() {
            continue;
        }
        let kept = ["var/lib/geusemaker", "var/lib/amazon/ssm"];
        assert!(
            kept.iter().any(|kept| place.starts_with(kept)),
            "{}",
            place.display()
        );
        let closed = place.ancestors().any(|above| {
            let mode = fs_err::metadata(host.join(above))
                .expect("there")
                .permissions()
                .mode();
            above != Path::new("") && mode & 0o077 == 0
        });
        assert!(closed, "others can read {}", place.display());
    }
}

/// Folders 0700, files 0600.
fn modes(root: &Path) {
    let mut paths = vec![root.to_owned()];
    while let Some(path) = paths.pop() {
        let meta = fs_err::symlink_metadata(&path).expect("there");
        let expected = if meta.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(
            meta.permissions().mode() & 0o777,
            expected,
            "{}",
            path.display()
        );
        if meta.is_dir() {
            let entries = fs_err::read_dir(&path).expect("readable");
            paths.extend(entries.map(|entry| entry.expect("readable").path()));
        }
    }
}

#[test]
fn what_others_may_look_into_is_warned_of_by_every_command() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    // All but the host's own root, whose modes are a host's.
    let folder = sandbox.path().join("sandbox");
    for path in ["", "hosts", "state", "state/my-dev-stack"] {
        let mode = fs_err::metadata(folder.join(path))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{path}");
    }
    for entry in fs_err::read_dir(&folder)
        .expect("readable")
        .chain(fs_err::read_dir(folder.join("hosts")).expect("readable"))
    {
        let path = entry.expect("readable").path();
        if path.is_file() {
            let mode = fs_err::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }
    let quiet = sandbox.json(&["inspect", "my-dev-stack"], 0);
    assert_eq!(quiet["warnings"], serde_json::json!([]));
    let file = folder.join("state/my-dev-stack/deployment.yaml");
    fs_err::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("ours");
    fs_err::set_permissions(sandbox.path(), PermissionsExt::from_mode(0o755)).expect("ours");
    let update = [
        "update",
        "my-dev-stack",
        "--instance-type",
        "t3.large",
        "--dry-run",
    ];
    for args in [
        &["inspect", "my-dev-stack"][..],
        &["status", "my-dev-stack"],
        &["history", "my-dev-stack"],
        &update,
    ] {
        let document = sandbox.json(args, 0);
        let warnings = document["warnings"].to_string();
        let file = format!("{} has mode 0644, expected", file.display());
        let root = format!("{} has mode 0755, expected", sandbox.path().display());
        assert!(
            warnings.contains(&file) && warnings.contains(&root),
            "{args:?}: {warnings}"
        );
        let text = sandbox.run(args);
        assert!(
            text.err.contains(&format!("warning: {root}")),
            "{}",
            text.err
        );
    }
    // A command that fails says it too.
    let document = sandbox.json(&["inspect", "nobody"], 8);
    assert!(document["warnings"].to_string().contains("has mode 0755"));
}
