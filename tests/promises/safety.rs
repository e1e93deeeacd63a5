//! A script sent to the sandbox runs on the machine of whoever tries it. What it can reach there, and who may send
//! one: the binary serves on loopback, the unmodified SDK talks to it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ssm::types::CommandInvocationStatus;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::support::served::Served;
use crate::support::traced::with_environment_of;
use crate::support::{Ran, Sandbox};

const INSTANCE: &str = "i-0c5a1b7d9e2f34680";

impl Served {
    fn port(&self) -> u16 {
        let endpoint = self.text("endpoint");
        let port = endpoint
            .strip_prefix("http://127.0.0.1:")
            .expect("loopback");
        port.parse().expect("a port")
    }

    /// Settings of the SDK as anyone would make them from the line.
    fn config(&self, key: &str) -> SdkConfig {
        let credentials = Credentials::new(key, self.text("secret_access_key"), None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.text("region").to_owned()))
            .endpoint_url(self.text("endpoint"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .build()
    }

    /// Sends a script and waits for its end: status, exit code, output, errors.
    async fn script(&self, text: &str) -> (CommandInvocationStatus, i32, String, String) {
        let ssm = aws_sdk_ssm::Client::new(&self.config(self.text("access_key_id")));
        let sent = ssm
            .send_command()
            .document_name("AWS-RunShellScript")
            .instance_ids(INSTANCE)
            .parameters("commands", text.lines().map(str::to_owned).collect())
            .send()
            .await
            .expect("it is sent");
        let id = sent.command().and_then(|c| c.command_id()).expect("an id");
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let seen = ssm
                .get_command_invocation()
                .command_id(id)
                .instance_id(INSTANCE);
            let seen = match seen.send().await {
                Err(e) if e.code() == Some("InvocationDoesNotExist") => continue,
                seen => seen.expect("an answer"),
            };
            let status = seen.status().expect("a status").clone();
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            use CommandInvocationStatus::{Delayed, InProgress, Pending};
            if !matches!(status, Pending | InProgress | Delayed) {
                return (
                    status,
                    seen.response_code(),
                    text(seen.standard_output_content()),
                    text(seen.standard_error_content()),
                );
            }
        }
    }
}

pub fn serve(sandbox: &Sandbox) -> Served {
    Served::start(sandbox.command(&["sandbox", "serve"]))
}

/// Whether this system gives the namespaces that the walls are made of.
fn walls_are_possible() -> bool {
    Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--fork",
        ])
        .args(["mount", "--rbind", "/tmp", "/tmp"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command, where no user namespace can be made any more.
fn without_walls(command: &Command) -> Command {
    if !walls_are_possible() {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return with_environment_of(command, same);
    }
    let mut inside = Command::new("unshare");
    inside
        .args(["--user", "--map-root-user", "/bin/sh", "-c"])
        .arg("echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"")
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args());
    with_environment_of(command, inside)
}

#[tokio::test]
async fn a_script_finds_nothing_of_the_caller() {
    let sandbox = Sandbox::new();
    let home = tempfile::tempdir().expect("a folder");
    let mark = format!(
        "mark-of-{}",
        home.path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .trim_matches('.')
    );
    fs_err::write(home.path().join(&mark), "private").expect("a file");
    let mut command = sandbox.command(&["sandbox", "serve"]);
    command
        .env("HOME", home.path())
        .env("AWS_SECRET_ACCESS_KEY", "hunter2-of-the-caller")
        .env("SSH_AUTH_SOCK", "/tmp/hunter2-of-the-caller")
        .env("DOCKER_HOST", "tcp://hunter2-of-the-caller:2375");
    // What the caller has open, as a shell opens it: children inherit it.
    let mut opened = Command::new("/bin/sh");
    opened
        .args(["-c", "exec 7<\"$0\" && exec \"$@\""])
        .arg(home.path().join(&mark))
        .arg(command.get_program())
        .args(command.get_args());
    let served = Served::start(with_environment_of(&command, opened));
    // The port of the server itself stands for whatever listens on the machine.
    let script = format!(
        r#"
for socket in /var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock; do
  [ ! -e "$socket" ] || echo "found $socket"
done
for folder in "${{HOME:-/nowhere}}" {home} {state} /root /home; do
  [ -z "$(ls -A "$folder" 2>/dev/null)" ] || echo "found something in $folder"
done
env | grep -i 'hunter2\|^HOME=\|^AWS_SEC\|^SSH\|^DOCKER' | sed 's/^/found in the environment: /'
cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -a hunter2 | sed 's/^/found in a process: /'
find / \( -path /usr -o -path /.geusemaker -o -path /.efs \) -prune -o -name '{mark}' -print 2>/dev/null | sed 's/^/found /'
if (cat <&7) 2>/dev/null; then echo "found what the caller has open"; fi
if (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; then echo "found what listens on the machine"; fi
echo end"#,
        home = home.path().display(),
        state = sandbox.path().display(),
        port = served.port(),
    );
    let (status, code, out, err) = served.script(&format!("#!/bin/bash{script}")).await;
    if walls_are_possible() {
        assert_eq!((code, out.as_str(), err.as_str()), (0, "end\n", ""));
        assert_eq!(status, CommandInvocationStatus::Success);
    } else {
        assert_eq!((code, out.as_str()), (126, ""), "{err}");
    }
}

/// The agent outlives the command that started it: a reader of what the caller had open would wait for it.
#[test]
fn the_agent_has_nothing_of_the_caller_open() {
    let sandbox = Sandbox::new();
    let status = sandbox.command(&["status", "my-dev-stack"]);
    let opened = sandbox.path().join("opened");
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "exec 7>\"$0\" && exec \"$@\""])
        .arg(&opened)
        .arg(status.get_program())
        .args(status.get_args());
    let ran = Ran::new(with_environment_of(&status, shell).output().unwrap());
    ran.ended(0);
    let state = sandbox.path().display().to_string();
    let mut agents = 0;
    for process in fs_err::read_dir("/proc").unwrap().flatten() {
        let line = fs_err::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if !line.contains("sandbox-agent") || !line.contains(&state) {
            continue;
        }
        let files = fs_err::read_dir(process.path().join("fd")).into_iter();
        let files: Vec<_> = files
            .flatten()
            .flatten()
            .filter_map(|fd| fs_err::read_link(fd.path()).ok())
            .collect();
        assert!(!files.contains(&opened), "{line}: {files:?}");
        agents += usize::from(!files.is_empty());
    }
    assert!(agents > 0, "it is still there");
}

#[tokio::test]
async fn without_walls_only_our_own_scripts_run() {
    let sandbox = Sandbox::new();
    let marked = sandbox.path().join("a-foreign-script-ran");
    let served = Served::start(without_walls(&sandbox.command(&["sandbox", "serve"])));
    let (status, code, out, err) = served
        .script(&format!("touch '{}'; echo ran", marked.display()))
        .await;
    assert_eq!(status, CommandInvocationStatus::Failed);
    assert_eq!((code, out.as_str()), (126, ""));
    assert!(
        err.contains("only geusemaker's own scripts run here"),
        "{err}"
    );
    assert!(err.contains("docs/sandbox.md"), "{err}");
    assert!(!marked.exists());
    // The same agent, as the first command has started it.
    let update = [
        "update",
        "my-dev-stack",
        "--image",
        "n8n=n8nio/n8n:1.20.0",
        "--force",
    ];
    let ran = without_walls(&sandbox.command(&update))
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{said}");
    assert!(sandbox.compose().contains("n8nio/n8n:1.20.0"));
}

#[test]
fn serve_prints_one_line_and_listens_on_loopback_only() {
    let served = serve(&Sandbox::new());
    let mut keys: Vec<&str> = served
        .line()
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["access_key_id", "endpoint", "region", "secret_access_key"]
    );
    let reached = |to: SocketAddr| TcpStream::connect_timeout(&to, Duration::from_secs(2)).is_ok();
    let port = served.port();
    assert!(reached((Ipv4Addr::LOCALHOST, port).into()));
    // All of 127.0.0.0/8 leads to what listens on every address.
    assert!(!reached((Ipv4Addr::new(127, 0, 0, 2), port).into()));
    assert!(!reached((Ipv6Addr::LOCALHOST, port).into()));
    assert_eq!(served.end(), "", "nothing after the one line");
}

#[tokio::test]
async fn the_sdk_is_answered_over_loopback_and_a_stranger_is_not() {
    let sandbox = Sandbox::new();
    let served = serve(&sandbox);
    let config = served.config(served.text("access_key_id"));
    let ec2 = aws_sdk_ec2::Client::new(&config);
    let seen = ec2
        .describe_instances()
        .instance_ids(INSTANCE)
        .send()
        .await
        .unwrap();
    let instance = &seen.reservations()[0].instances()[0];
    assert_eq!(
        instance.instance_type().map(|t| t.as_str()),
        Some("t3.medium")
    );
    let efs = aws_sdk_efs::Client::new(&config)
        .describe_file_systems()
        .send()
        .await
        .unwrap();
    assert_eq!(efs.file_systems().len(), 1);
    let ssm = aws_sdk_ssm::Client::new(&config)
        .describe_instance_information()
        .send()
        .await
        .unwrap();
    assert_eq!(
        ssm.instance_information_list()[0].instance_id(),
        Some(INSTANCE)
    );
    // As strict as AWS: the type of a running instance cannot be changed.
    let value = aws_sdk_ec2::types::AttributeValue::builder()
        .value("t3.large")
        .build();
    let error = ec2
        .modify_instance_attribute()
        .instance_id(INSTANCE)
        .instance_type(value)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("IncorrectInstanceState"));

    let stranger = served.config("AKIAIOSFODNN7EXAMPLE");
    let stop = aws_sdk_ec2::Client::new(&stranger)
        .stop_instances()
        .instance_ids(INSTANCE);
    assert_eq!(stop.send().await.unwrap_err().code(), Some("AuthFailure"));
    let send = aws_sdk_ssm::Client::new(&stranger)
        .send_command()
        .document_name("AWS-RunShellScript");
    let error = send.instance_ids(INSTANCE).send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnrecognizedClientException"));
    assert_eq!(sandbox.seen()["state"], "running", "nobody stopped it");
}
