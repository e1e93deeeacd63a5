//! A hermetic place for one test: a state folder of its own, a cleared environment, the real binary.

pub mod over;
pub mod served;
pub mod stack;
pub mod terminal;
pub mod traced;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The binary under test.
pub const BIN: &str = env!("CARGO_BIN_EXE_geusemaker");

/// An update of type and image of the sandbox's deployment.
pub const BOTH: [&str; 9] = [
    "update",
    "my-dev-stack",
    "--instance-type",
    "t3.large",
    "--image",
    "n8n=n8nio/n8n:1.20.0",
    "--force",
    "--stable-for",
    "1s",
];

/// One of an image alone.
pub const IMAGE: [&str; 7] = [
    "update",
    "my-dev-stack",
    "--image",
    "n8n=n8nio/n8n:1.20.0",
    "--force",
    "--stable-for",
    "1s",
];

/// A sandbox of its own, thrown away at the end.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

/// What a run of the binary left.
pub struct Ran {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Of a process that ended.
    pub fn new(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            err: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }

    /// The one JSON document on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| {
            panic!(
                "stdout is no JSON document ({e}): {}\n{}",
                self.out, self.err
            )
        })
    }

    /// Fails the test unless it ended with this code.
    #[track_caller]
    pub fn ended(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.out, self.err
        );
        self
    }
}

impl Sandbox {
    /// A folder in which nothing is yet.
    pub fn new() -> Self {
        Self {
            dir: private_folder(),
        }
    }

    /// The state folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The command, not yet run: `--sandbox` and the state folder are set, nothing of the caller's
    /// environment is.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = bare();
        command
            .env("GEUSEMAKER_STATE", self.path())
            .arg("--sandbox")
            .args(args);
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::new(self.command(args).output().expect("the binary runs"))
    }

    /// Runs it with `-o json` and reads the document.
    #[track_caller]
    pub fn json(&self, args: &[&str], code: i32) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let ran = self.run(&args);
        ran.ended(code);
        ran.json()
    }

    /// What can be seen of the stack: type, run state, images by service (reference and digest), health.
    pub fn seen(&self) -> Value {
        let status = self.json(&["status", "my-dev-stack"], 0);
        let data = &status["data"];
        let services: Vec<Value> = data["services"]
            .as_array()
            .expect("services")
            .iter()
            .map(|s| {
                serde_json::json!([s["name"], s["image"], s["digest"], s["state"], s["health"]])
            })
            .collect();
        serde_json::json!({
            "type": data["instances"][0]["type"],
            "state": data["instances"][0]["state"],
            "services": services,
            "mounts": data["mounts"],
            "compose": self.compose(),
        })
    }

    /// The compose file as it is on the sandbox's host, byte for byte.
    pub fn compose(&self) -> String {
        fs_err::read_to_string(
            self.host()
                .join("opt/geusemaker/runtime/docker-compose.yml"),
        )
        .expect("compose file")
    }

    /// The folder of the sandbox's one host.
    pub fn host(&self) -> std::path::PathBuf {
        let hosts = self.path().join("sandbox/hosts");
        fs_err::read_dir(hosts)
            .expect("hosts")
            .map(|entry| entry.expect("readable").path())
            .find(|path| path.is_dir())
            .expect("one host")
    }
}

/// A temporary folder as the program makes its own, 0700: of another it warns.
pub fn private_folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempdir()
        .expect("a temporary folder")
}

/// The binary with nothing of the caller's environment but a path.
pub fn bare() -> Command {
    let mut command = Command::new(BIN);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}
