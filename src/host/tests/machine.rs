//! A machine for the scripts: a folder as its root, a stub docker, and each shell that is here.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::host::scripts::{Verb, is_ours, program, program_sha256};
use crate::host::{
    Gather, HostError, Input, JobFailure, JobState, Next, Tag, parse_job, parse_slice, sha256_hex,
};
use crate::model::OperationId;

pub(crate) struct Machine {
    pub shell: &'static str,
    /// Whether the scripts find `flock`.
    pub flock: bool,
    /// Programs that probes do not find.
    missing: Mutex<Vec<&'static str>>,
    dir: tempfile::TempDir,
}

/// The shells of this machine that are not the same one twice.
pub(crate) fn shells() -> Vec<&'static str> {
    let find = |name: &str| {
        let paths = std::env::var_os("PATH")?;
        std::env::split_paths(&paths)
            .map(|p| p.join(name))
            .find(|p| p.exists())
            .and_then(|p| p.canonicalize().ok())
    };
    let sh = find("sh").expect("every machine has sh");
    let mut all = vec!["sh"];
    for (shell, program) in [
        ("dash", "dash"),
        ("bash", "bash"),
        ("busybox sh", "busybox"),
    ] {
        if find(program).is_some_and(|p| p != sh) {
            all.push(shell);
        }
    }
    all
}

/// A fresh machine for each shell.
pub(crate) fn machines() -> Vec<Machine> {
    shells().into_iter().map(Machine::new).collect()
}

/// Those whose shell runs programs of the path for everything: busybox has its own `stat`, `mv` and `mkdir` inside.
pub(crate) fn machines_without_applets() -> Vec<Machine> {
    let mut all = machines();
    all.retain(|m| !m.shell.starts_with("busybox"));
    all
}

impl Machine {
    pub fn new(shell: &'static str) -> Self {
        let machine = Self {
            shell,
            flock: true,
            missing: Mutex::default(),
            dir: tempfile::tempdir().unwrap(),
        };
        for folder in [
            "proc/self",
            "proc/sys/kernel/random",
            "etc",
            "run",
            "tmp",
            "var/lib/docker/tmp",
            "var/run/efs",
            "srv",
        ] {
            fs_err::create_dir_all(machine.root().join(folder)).unwrap();
        }
        for folder in ["containers", "images", "fail", "slow", "bin"] {
            fs_err::create_dir_all(machine.stub().join(folder)).unwrap();
        }
        machine.put("proc/sys/kernel/random/boot_id", "boot-1\n");
        machine.program("docker", include_str!("docker.sh"));
        machine.program("systemctl", "#!/bin/sh\nexit 1\n");
        machine
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn stub(&self) -> PathBuf {
        self.dir.path().join("stub")
    }

    /// A file below the root.
    pub fn put(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.root().join(path)).unwrap_or_default()
    }

    /// A file of the stub's state. A job that runs meanwhile reads the old text or the new one.
    pub fn set(&self, path: &str, text: &str) {
        let path = self.stub().join(path);
        let new = path.with_extension("new");
        fs_err::write(&new, text).unwrap();
        fs_err::rename(new, path).unwrap();
    }

    pub fn get(&self, path: &str) -> String {
        fs_err::read_to_string(self.stub().join(path))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// What docker was called with, except for looking.
    pub fn calls(&self) -> Vec<String> {
        self.get("calls")
            .lines()
            .filter(|l| {
                !["inspect", "image", "ps ", "info", "version"]
                    .iter()
                    .any(|w| l.starts_with(w))
            })
            .map(str::to_owned)
            .collect()
    }

    pub fn forget_calls(&self) {
        self.set("calls", "");
    }

    /// A program that comes before the machine's own.
    pub fn program(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.stub().join("bin").join(name);
        fs_err::write(&path, text).unwrap();
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// A container of project `p`, service = name, with the number of its image.
    pub fn container(&self, name: &str, image: u8, status: &str, policy: &str) {
        let folder = format!("containers/{name}");
        fs_err::create_dir_all(self.stub().join(&folder)).unwrap();
        let id = sha256_hex(name.as_bytes());
        let pid = if status == "running" {
            u32::from(image) + 100
        } else {
            0
        };
        let look = format!(
            concat!(
                r#"{pid} @IMAGE@ {{"id":"{id}","name":"/{name}","image":"img/{name}:1","image_id":"@IMAGE@","status":"@STATUS@","exit_code":0,"#,
                r#""started_at":"2026-11-20T10:00:00.1Z","pid":{pid},"restarts":2,"policy":"{policy}","health":null,"health_log":"","#,
                r#""binds":[["/mnt/efs/{name}","/data"],null],"labels":{{"project":"p","service":"{name}","files":"/srv/compose.yml","#,
                r#""dir":"/srv","env":"/srv/runtime.env","depends_on":"db:service_healthy:true,cache","oneoff":"False"}}}}"#,
                "\nF \"/srv/compose.yml\" \"/srv\"\n"
            ),
            pid = pid,
            id = id,
            name = name,
            policy = policy
        );
        for (file, text) in [
            ("id", id.as_str()),
            ("look", &look),
            ("image", &image_id(image)),
            ("status", status),
            ("policy", policy),
            ("dir", "/srv"),
        ] {
            self.set(
                &format!("{folder}/{file}"),
                &format!("{}\n", text.trim_end()),
            );
        }
    }

    /// What `up` would give the service.
    pub fn wanted(&self, service: &str, image: u8) {
        self.image(&format!("{service}.wanted"), image);
    }

    pub fn image(&self, reference: &str, image: u8) {
        self.set(
            &format!("images/{}", reference.replace('/', "_")),
            &format!("{reference}\n{}\n", image_id(image)),
        );
    }

    fn command(&self, shell: &str) -> Command {
        let mut words = shell.split(' ');
        let mut command = Command::new(words.next().unwrap());
        let path = format!(
            "{}:{}",
            self.stub().join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        command
            .args(words)
            .env("PATH", path)
            .env("GEUSEMAKER_ROOT", self.root())
            .env("GEUSEMAKER_SH", shell)
            .env("STUB", self.stub())
            .stdin(Stdio::null());
        command
    }

    /// From here on the probes do not find these programs.
    pub fn without(&self, programs: &[&'static str]) {
        *self.missing.lock().unwrap() = programs.to_vec();
    }

    /// Runs a script the way the agent does: from a file. Standard output, standard error, exit code.
    pub fn run(&self, script: &str) -> (String, String, i32) {
        assert!(is_ours(script));
        let file = tempfile::NamedTempFile::new_in(self.dir.path()).unwrap();
        let without = "have() { [ \"$1\" != flock ] || return 1; ";
        let script = if self.flock {
            script.to_owned()
        } else {
            script.replace("have() { ", without)
        };
        let missing = self.missing.lock().unwrap().clone();
        let script = missing.iter().fold(script, |script, program| {
            script.replace(&format!("command -v {program} "), "false ")
        });
        fs_err::write(file.path(), script).unwrap();
        let output = self.command(self.shell).arg(file.path()).output().unwrap();
        (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
            output.status.code().unwrap_or(-1),
        )
    }

    /// Runs a verb to the whole document. The program that it needs is put there where it is not, as the channel does.
    pub fn ask(&self, verb: Verb, input: Input) -> Result<String, HostError> {
        let document = self.ask_once(verb, &input)?;
        if !document.contains("\"no_program\"") {
            return Ok(document);
        }
        self.put(
            &format!("var/lib/geusemaker/lib/{}", program_sha256()),
            program(),
        );
        self.ask_once(verb, &input)
    }

    /// The same, without that.
    pub fn ask_once(&self, verb: Verb, input: &Input) -> Result<String, HostError> {
        let mut gather = Gather::default();
        let mut offset = 0;
        loop {
            let (stdout, stderr, code) =
                self.run(&verb.with(&input.clone().text("offset", &offset.to_string())));
            assert_eq!(
                (stderr.as_str(), code),
                ("", 0),
                "{}: {verb:?} said {stdout}",
                self.shell
            );
            assert!(stdout.len() < 24_000, "{} would be cut off", stdout.len());
            match gather.take(verb, parse_slice(verb, &stdout)?)? {
                Next::Ask(next) => offset = next,
                Next::Whole(document) => return Ok(document),
            }
        }
    }

    pub fn start(&self, tag: &Tag, input: Input) -> Result<JobState, HostError> {
        let document = self.ask(Verb::Start, tag_lines(tag).and(&input))?;
        parse_job(Verb::Start, tag.fence, &document)
    }

    pub fn poll(&self, tag: &Tag) -> JobState {
        let document = self.ask(Verb::Poll, tag_lines(tag)).unwrap();
        parse_job(Verb::Poll, tag.fence, &document).unwrap()
    }

    /// Waits until docker was called like this.
    pub fn wait_for_call(&self, call: &str) {
        let until = Instant::now() + Duration::from_secs(10);
        while !self.calls().iter().any(|c| c == call) {
            assert!(Instant::now() < until, "{}: no call {call}", self.shell);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the timer runs: standard output and exit code.
    pub fn tick(&self) -> (String, i32) {
        self.run_file("var/lib/geusemaker/restore/restore.sh", "tick")
    }

    /// Runs a file below the root, with one word: standard output and exit code.
    pub fn run_file(&self, path: &str, word: &str) -> (String, i32) {
        let program = self.root().join(path);
        let output = self
            .command(self.shell)
            .arg(program)
            .arg(word)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "",
            "{}",
            self.shell
        );
        (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            output.status.code().unwrap_or(-1),
        )
    }

    /// A systemd that takes every unit, and writes down what it is told.
    pub fn systemd(&self) {
        self.program(
            "systemctl",
            "#!/bin/sh\n[ \"$1\" != show ] || exit 1\n[ ! -f \"$STUB/fail/systemctl\" ] || { cat \"$STUB/fail/systemctl\" >&2; exit 1; }\necho \"$*\" >>\"$STUB/systemctl\"\n",
        );
    }

    /// What systemd was told since the last time.
    pub fn units(&self) -> Vec<String> {
        let all = self.get("systemctl").lines().map(str::to_owned).collect();
        self.set("systemctl", "");
        all
    }

    /// Polls until the job is not running any more.
    pub fn end(&self, tag: &Tag) -> JobState {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            match self.poll(tag) {
                JobState::Running(_) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20))
                }
                state => return state,
            }
        }
    }

    /// Starts it and waits for its end.
    pub fn job(&self, tag: &Tag, input: Input) -> JobState {
        let state = self.start(tag, input).unwrap();
        assert!(
            state != JobState::Unknown,
            "{}: it did not begin",
            self.shell
        );
        self.end(tag)
    }

    /// Starts it, expects it to fail with this code, gives its log.
    pub fn fails(&self, tag: &Tag, input: Input, code: &str) -> String {
        match self.job(tag, input) {
            JobState::Failed(JobFailure { code: found, log }) => {
                assert_eq!(found, code, "{}: {log}", self.shell);
                log
            }
            other => panic!("{}: expected {code}, found {other:?}", self.shell),
        }
    }

    /// What runs and names this machine's root, once what was just ended is gone.
    pub fn processes(&self) -> Vec<String> {
        let root = self.root().display().to_string();
        let look = || -> Vec<String> {
            let all = fs_err::read_dir("/proc").into_iter().flatten().flatten();
            all.filter_map(|p| fs_err::read(p.path().join("cmdline")).ok())
                .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
                .filter(|line| line.contains(&root))
                .collect()
        };
        let until = Instant::now() + Duration::from_secs(2);
        loop {
            let seen = look();
            if seen.is_empty() || Instant::now() > until {
                return seen;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The folder of a job.
    pub fn record(&self, tag: &Tag) -> PathBuf {
        self.root()
            .join("var/lib/geusemaker/ops")
            .join(tag.operation.as_str())
            .join(format!("{}-{}", tag.fence, tag.seq))
    }
}

pub(crate) fn image_id(number: u8) -> String {
    format!("sha256:{}", format!("{number:02x}").repeat(32))
}

pub(crate) fn tag(fence: u64, seq: u64) -> Tag {
    Tag {
        fence,
        seq,
        operation: OperationId::new("20261120-100000-abcd").unwrap(),
    }
}

pub(crate) fn tag_lines(tag: &Tag) -> Input {
    Input::new()
        .text("fence", &tag.fence.to_string())
        .text("seq", &tag.seq.to_string())
        .text("operation", tag.operation.as_str())
}
