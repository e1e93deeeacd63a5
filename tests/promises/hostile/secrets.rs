//! Secrets are planted wherever one can be, then every byte that was written or said is searched.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::killed::steps;
use crate::support::served::Served;
use crate::support::stack::lines;
use crate::support::traced::Calls;
use crate::support::{Ran, Sandbox, bare};

const COMPOSE: &str = "opt/geusemaker/runtime/docker-compose.yml";
const ENV_FILE: &str = "opt/geusemaker/runtime/runtime.env";
const DOCKER_CONFIG: &str = "root/.docker/config.json";
const DATA: &str = "mnt/efs/n8n/token";
const CREDENTIALS: &str = ".aws/credentials";
const CONFIG: &str = ".aws/config";
const DAMAGED: &str = ".aws/damaged";

/// Where a secret is.
#[derive(Clone, Copy)]
enum Place {
    /// In this file of the host.
    Host(&'static str),
    /// In this file of the caller's home.
    Home(&'static str),
    /// In this variable of the program's environment.
    Environment(&'static str),
}

use Place::{Environment, Home, Host};

/// One secret for each place, so that a find says whose it is.
const PLACES: &[(&str, Place)] = &[
    ("env-file", Host(ENV_FILE)),
    ("environment", Host(COMPOSE)),
    ("label", Host(COMPOSE)),
    ("command", Host(COMPOSE)),
    ("healthcheck", Host(COMPOSE)),
    ("build-arg", Host(COMPOSE)),
    ("comment", Host(COMPOSE)),
    ("x-field", Host(COMPOSE)),
    ("config-json", Host(DOCKER_CONFIG)),
    ("efs-file", Host(DATA)),
    ("session-token", Environment("AWS_SESSION_TOKEN")),
    ("of-the-caller", Environment("N8N_PASSWORD")),
    ("credentials-file", Home(CREDENTIALS)),
    ("config-file", Home(CONFIG)),
    ("damaged-file", Home(DAMAGED)),
    (PROBE_URL, Host(COMPOSE)),
];

/// In the compose file for one run only, which is refused for it.
const PROBE_URL: &str = "probe-url";

/// Is in arguments, since it is typed there: what searches them finds it.
const TYPED: &str = "typed";

/// An update of an image begins some 1,400 programs, and each of these tests has two changes of one to their ends.
const PROGRAMS: usize = 2_000;

fn secret(place: &str) -> String {
    format!("hunter2{}9f3a", place.replace('-', "Q"))
}

/// A secret as it stands, and what its base64 looks like wherever it begins within a longer text.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for before in 0..3 {
        let coded = STANDARD.encode([&b"xxx"[..before], secret.as_bytes()].concat());
        // The first and last digits hold bits of the neighbours.
        let from = (before * 8).div_ceil(6);
        let to = (before + secret.len()) * 8 / 6;
        forms.push(coded[from..to].to_owned());
    }
    forms
}

/// A compose file with more text behind a text of it.
fn behind(compose: &str, text: &str, more: &str) -> String {
    let (before, after) = compose
        .split_once(text)
        .unwrap_or_else(|| panic!("no {text:?} in {compose}"));
    format!("{before}{text}{more}{after}")
}

/// The sandbox's compose file, with a secret wherever it takes one.
fn full_of_secrets(compose: &str) -> String {
    let n8n = format!(
        "    labels: {{ \"app.token\": \"{}\" }}\n    command: [\"start\", \"--token={}\"]\n    x-field: {}\n    # {}\n",
        secret("label"),
        secret("command"),
        secret("x-field"),
        secret("comment"),
    );
    let build = format!(
        "    build: {{ context: ., args: {{ TOKEN: {} }} }}\n",
        secret("build-arg")
    );
    let variable = format!("      API_KEY: {}\n", secret("environment"));
    let check = format!("TOKEN={} ", secret("healthcheck"));
    let compose = behind(compose, "    container_name: n8n\n", &n8n);
    let compose = behind(&compose, "    container_name: crawl4ai\n", &build);
    let compose = behind(&compose, "      DB_TYPE: postgresdb\n", &variable);
    behind(&compose, "test: [\"CMD-SHELL\", \"", &check)
}

struct Planted {
    sandbox: Sandbox,
    /// The files of its host, before anything was done.
    before: BTreeMap<PathBuf, Vec<u8>>,
    served: Served,
    home: tempfile::TempDir,
    calls: Calls,
    forms: BTreeMap<String, Vec<String>>,
}

impl Planted {
    /// A stack whose files and settings are full of secrets, and an account through which it is reached.
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.run(&["list"]).ended(0);
        let root = sandbox.host();
        let write = |path: PathBuf, text: String| {
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs_err::write(path, text).expect("written");
        };
        let read =
            |path: &str| fs_err::read_to_string(root.join(path)).expect("a file of the stack");
        let variables = format!("{}\nMORE={}\n", read(ENV_FILE), secret("env-file"));
        let login = format!(
            "{{\"auths\":{{\"ghcr.io\":{{\"auth\":\"{}\"}}}}}}",
            secret("config-json")
        );
        write(root.join(ENV_FILE), variables);
        write(root.join(COMPOSE), full_of_secrets(&read(COMPOSE)));
        write(root.join(DOCKER_CONFIG), login);
        write(root.join(DATA), secret("efs-file"));

        let calls = Calls::new();
        let served = Served::start(calls.of(sandbox.command(&["sandbox", "serve"])));
        let home = tempfile::tempdir().expect("a folder");
        let key = |key: &str| served.text(key).to_owned();
        let profile = |name: &str, place: &str| {
            format!(
                "[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n",
                key("access_key_id"),
                key("secret_access_key"),
                secret(place)
            )
        };
        let damaged =
            profile("other", "damaged-file").replace("aws_session_token = ", "aws_session_token ");
        write(
            home.path().join(CREDENTIALS),
            profile("other", "credentials-file"),
        );
        write(
            home.path().join(CONFIG),
            profile("profile another", "config-file"),
        );
        write(home.path().join(DAMAGED), damaged);

        let mut secrets: Vec<_> = PLACES
            .iter()
            .map(|(name, _)| ((*name).to_owned(), secret(name)))
            .collect();
        secrets.push((TYPED.to_owned(), secret(TYPED)));
        for of_the_server in ["access_key_id", "secret_access_key"] {
            secrets.push((of_the_server.to_owned(), key(of_the_server)));
        }
        let forms = secrets
            .into_iter()
            .map(|(name, secret)| (name, forms(&secret)))
            .collect();
        let planted = Self {
            before: files(&root).into_iter().collect(),
            sandbox,
            served,
            home,
            calls,
            forms,
        };
        planted.would_be_found();
        for (name, place) in PLACES.iter().filter(|(name, _)| *name != PROBE_URL) {
            planted.is_there(name, *place);
        }
        planted.run(
            &[
                "adopt",
                "my-dev-stack",
                "--instance-id",
                "i-0c5a1b7d9e2f34680",
            ],
            0,
        );
        planted
    }

    fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// The binary as somebody with an account runs it, with all that it can log.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.command_by_profile(args);
        command
            .env("AWS_ACCESS_KEY_ID", self.served.text("access_key_id"))
            .env(
                "AWS_SECRET_ACCESS_KEY",
                self.served.text("secret_access_key"),
            )
            .env("AWS_SESSION_TOKEN", secret("session-token"));
        command
    }

    /// The same without credentials in its environment.
    fn command_by_profile(&self, args: &[&str]) -> Command {
        let mut command = bare();
        command
            .env("HOME", self.home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("N8N_PASSWORD", secret("of-the-caller"))
            .arg("--state")
            .arg(self.state())
            .args(["--endpoint-url", self.served.text("endpoint")])
            .args(["--region", self.served.text("region"), "-vvv"])
            .args(args);
        command
    }

    /// Runs it to its end; whose secrets are in what it says.
    #[track_caller]
    fn said(&self, command: Command, code: i32) -> (Ran, Vec<&str>) {
        let ran = Ran::new(self.calls.of(command).output().expect("the binary runs"));
        ran.ended(code);
        let said = [&ran.out, &ran.err].map(|text| self.found(text.as_bytes()));
        (ran, said.concat())
    }

    /// Runs it to its end, and it says none.
    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> Ran {
        let (ran, said) = self.said(self.command(args), code);
        assert_eq!(said, Vec::<&str>::new(), "said by {args:?}");
        ran
    }

    fn fault(&self, fault: &str) {
        let add = self.sandbox.command(&["sandbox", "fault", "add", fault]);
        self.said(add, 0);
    }

    /// Begins an update, the first one, and kills it while the host applies the image.
    fn kill_in_the_outage(&self, update: &[&str]) {
        let operations = self.state().join("my-dev-stack/operations");
        let said = self.home.path().join("said");
        let file = fs_err::File::create(&said).expect("a file").into_parts().0;
        let mut command = self.calls.of(self.command(update));
        command
            .stdout(file.try_clone().expect("a file"))
            .stderr(file);
        let mut child = command.spawn().expect("the binary runs");
        let began = Instant::now();
        let applies = || {
            let first = fs_err::read_dir(&operations).ok()?.next()?.ok()?;
            let journal = first.path().join("journal.jsonl");
            let lines = lines(journal.exists().then_some(&journal)?);
            let last = lines.last()?;
            let step = usize::try_from(last["step"].as_u64()?).ok()?;
            Some(last["entry"] == "started" && steps(&lines)[step] == "apply_images")
        };
        while applies() != Some(true) {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "it does not come to the step"
            );
            assert_eq!(child.try_wait().expect("its state"), None, "it ended");
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert_eq!(
            self.found(&fs_err::read(said).expect("a file")),
            Vec::<&str>::new()
        );
    }

    /// Whose secrets are in these bytes.
    fn found(&self, bytes: &[u8]) -> Vec<&str> {
        let text = String::from_utf8_lossy(bytes);
        let within = |form: &String| text.contains(form.as_str());
        let of = self
            .forms
            .iter()
            .filter(|(_, forms)| forms.iter().any(within));
        of.map(|(place, _)| place.as_str()).collect()
    }

    /// Fails unless the secret of this place is there.
    fn is_there(&self, name: &str, place: Place) {
        let read = |path: PathBuf| fs_err::read_to_string(path).expect("a file");
        let text = match place {
            Host(path) => read(self.sandbox.host().join(path)),
            Home(path) => read(self.home.path().join(path)),
            Environment(variable) => {
                let command = self.command(&[]);
                let value = command.get_envs().find(|(name, _)| *name == variable);
                let value = value.and_then(|(_, value)| value).expect("it is set");
                value.to_string_lossy().into_owned()
            }
        };
        assert!(
            self.found(text.as_bytes()).contains(&name),
            "{name} is not planted"
        );
    }

    /// Fails unless each secret would be found, as it stands and in base64, wherever it begins.
    fn would_be_found(&self) {
        for (name, forms) in &self.forms {
            let secret = &forms[0];
            for before in ["", "a", "ab", "abc"] {
                let text = format!("{before}{secret}, and more");
                assert_eq!(self.found(text.as_bytes()), [name], "{text}");
                let coded = format!("{{\"text\":\"{}\"}}", STANDARD.encode(text));
                assert_eq!(self.found(coded.as_bytes()), [name], "{coded}");
            }
        }
    }

    /// Fails where a program was called with a secret, one of ours or of the host, but for the last, where it is typed.
    fn no_call_has_one(&self) {
        if !self.calls.there {
            eprintln!("not shown without strace: the arguments of processes");
            return;
        }
        let (calls, begun) = self.calls.seen();
        let mut typed = 0;
        for call in &calls {
            match self.found(call.as_bytes())[..] {
                [] => {}
                [TYPED] => typed += usize::from(call.contains("[\"sh\", \"-c\", \"true ")),
                ref found => panic!("{found:?} in {call}"),
            }
        }
        assert!(typed > 0, "what the host ran as the last is not found");
        let scripts = self.scripts();
        for script in &scripts {
            assert!(
                calls.iter().any(|call| call.contains(script)),
                "nobody saw {script} run"
            );
        }
        eprintln!(
            "hostile: secrets: programs {begun} scripts {}",
            scripts.len()
        );
        assert!(begun > PROGRAMS, "{begun}");
    }

    /// The scripts that the host was sent.
    fn scripts(&self) -> Vec<String> {
        let host = self.sandbox.host();
        let all = files(&host.join("var/lib/amazon/ssm")).into_iter();
        let scripts = all.filter(|(path, _)| path.ends_with("_script.sh"));
        scripts
            .map(|(path, _)| format!("/{}", path.strip_prefix(&host).expect("below").display()))
            .collect()
    }

    /// Fails where a secret is kept, on this side or on the host, in anything else than what it was planted in.
    fn is_nowhere_else(&self) {
        let typed = format!("true {}", secret(TYPED));
        self.run(&["exec", "my-dev-stack", "--", "sh", "-c", &typed], 0);
        self.no_call_has_one();
        let kept = files(&self.state());
        for name in ["deployment.yaml", "journal.jsonl", "log"] {
            assert!(
                kept.iter().any(|(path, _)| path.ends_with(name)),
                "no {name}"
            );
        }
        for (path, bytes) in &kept {
            assert_eq!(
                self.found(bytes),
                Vec::<&str>::new(),
                "in {}",
                path.display()
            );
            assert_eq!(
                self.found(path.as_os_str().as_encoded_bytes()),
                Vec::<&str>::new()
            );
        }
        let bytes: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
        eprintln!("hostile: secrets: files {} bytes {bytes}", kept.len());
        modes(&self.state());
        // On the host a secret is where it was, and for root alone where the compose file is kept to go back to, and where the
        // agent of Systems Manager keeps the scripts that it ran.
        let host = self.sandbox.host();
        for (path, bytes) in files(&host) {
            let place = path.strip_prefix(&host).expect("below");
            let was_there = self.before.get(&path) == Some(&bytes) || place == Path::new(COMPOSE);
            if was_there || self.found(&bytes).is_empty() {
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

const UPDATE: [&str; 9] = [
    "--progress",
    "json",
    "update",
    "my-dev-stack",
    "--force",
    "--stable-for",
    "1s",
    "-o",
    "json",
];

/// An update to this image.
fn update(image: &str) -> Vec<&str> {
    UPDATE.into_iter().chain(["--image", image]).collect()
}

#[test]
fn planted_secrets_are_in_nothing_that_is_written_said_or_passed_on() {
    let planted = Planted::new();
    for output in ["text", "json", "yaml"] {
        for look in ["inspect", "history"] {
            planted.run(&["-o", output, look, "my-dev-stack"], 0);
        }
    }
    planted.run(&["status", "my-dev-stack"], 0);
    with_credentials_in_files(&planted);
    let dry = [
        "update",
        "my-dev-stack",
        "--image",
        "n8n=n8nio/n8n:1.20.0",
        "--dry-run",
    ];
    planted.run(&dry, 0);
    planted.run(&update("n8n=n8nio/n8n:1.20.0"), 0);
    // What fails says most: an image that is not there, one that never becomes healthy, a way back.
    planted.fault("pull:n8nio/n8n:1.20.1=missing");
    planted.run(
        &[
            "update",
            "my-dev-stack",
            "--force",
            "--image",
            "n8n=n8nio/n8n:1.20.1",
        ],
        3,
    );
    planted.fault("health:n8n@n8nio/n8n:1.21.0=unhealthy");
    planted.run(&update("n8n=n8nio/n8n:1.21.0"), 4);
    planted.run(&["logs", "my-dev-stack"], 0);
    with_a_password_in_a_declared_url(&planted);
    planted.is_nowhere_else();
}

#[test]
fn planted_secrets_stay_where_they_are_when_a_killed_update_is_taken_up_and_taken_back() {
    let planted = Planted::new();
    planted.kill_in_the_outage(&update("n8n=n8nio/n8n:1.20.0"));
    planted.run(&["check", "my-dev-stack"], 3);
    planted.run(&["unlock", "my-dev-stack"], 0);
    planted.run(&["resume", "my-dev-stack", "--force"], 0);
    planted.run(&["check", "my-dev-stack"], 0);
    planted.run(&["rollback", "my-dev-stack", "--force"], 0);
    planted.is_nowhere_else();
}

/// A profile of each file, and a file that cannot be read as one. Of a profile the SDK's own log has the id of the key,
/// which is no secret: each request that is sent has it as well.
fn with_credentials_in_files(planted: &Planted) {
    let by =
        |profile| planted.command_by_profile(&["--profile", profile, "status", "my-dev-stack"]);
    for profile in ["other", "another"] {
        let (_, said) = planted.said(by(profile), 0);
        assert_eq!(said, ["access_key_id"]);
    }
    let mut command = by("other");
    command.env(
        "AWS_SHARED_CREDENTIALS_FILE",
        planted.home.path().join(DAMAGED),
    );
    let (ran, said) = planted.said(command, 1);
    assert!(ran.err.contains("damaged on line 4"), "{}", ran.err);
    assert_eq!(said, Vec::<&str>::new());
}

/// A declaration that is refused is shown, without the password in it.
fn with_a_password_in_a_declared_url(planted: &Planted) {
    let compose = planted.sandbox.host().join(COMPOSE);
    let text = fs_err::read_to_string(&compose).expect("the compose file");
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("n8n: {"));
    let without: String = lines.map(|line| format!("{line}\n")).collect();
    let url = format!("http://me:{}@127.0.0.1:5678/", secret(PROBE_URL));
    let declared = format!("    n8n: {{ http: \"{url}\" }}\n");
    fs_err::write(
        &compose,
        behind(&without, "x-geusemaker:\n  health:\n", &declared),
    )
    .expect("written");
    planted.is_there(PROBE_URL, Host(COMPOSE));
    let refused = planted.run(
        &[
            "update",
            "my-dev-stack",
            "--force",
            "--image",
            "n8n=n8nio/n8n:1.20.2",
        ],
        3,
    );
    assert!(
        refused.err.contains("http://…@127.0.0.1:5678/"),
        "{}",
        refused.err
    );
    fs_err::write(&compose, text).expect("written");
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
