//! Credentials that expire: known before, and in the middle. With the SDK's own chain, over the wire.

use std::process::Command;

use serde_json::Value;

use crate::safety::serve;
use crate::support::{Ran, Sandbox, bare};

/// A profile whose program gives credentials that last a minute from whenever they are asked for.
struct Account {
    dir: tempfile::TempDir,
    endpoint: String,
    region: String,
}

impl Account {
    fn new(sandbox: &Sandbox, served: &crate::support::served::Served) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let program = dir.path().join("keys");
        let text = format!(
            "at=$(date -u -d @$(($(date +%s) + 60)) +%Y-%m-%dT%H:%M:%SZ)\n\
             printf '{{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"%s\",\"Expiration\":\"%s\"}}' {} {} \"$at\"\n",
            served.text("access_key_id"),
            served.text("secret_access_key"),
        );
        fs_err::write(&program, text).expect("a program");
        let config = format!(
            "[profile work]\ncredential_process = /bin/sh {}\n",
            program.display()
        );
        fs_err::write(dir.path().join("config"), config).expect("a config");
        // The sandbox's own deployment, as one of this account.
        let state = dir.path().join("state/my-dev-stack");
        fs_err::create_dir_all(&state).expect("a folder");
        fs_err::copy(
            sandbox
                .path()
                .join("sandbox/state/my-dev-stack/deployment.yaml"),
            state.join("deployment.yaml"),
        )
        .expect("a deployment");
        Self {
            dir,
            endpoint: served.text("endpoint").to_owned(),
            region: served.text("region").to_owned(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare();
        command
            .env("AWS_CONFIG_FILE", self.dir.path().join("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.dir.path().join("none"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .arg("--state")
            .arg(self.dir.path().join("state"))
            .args(["--endpoint-url", &self.endpoint, "--region", &self.region])
            .args(args);
        command
    }

    #[track_caller]
    fn json(&self, args: &[&str], code: i32) -> (Value, String) {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let ran = Ran::new(self.command(&args).output().expect("the binary runs"));
        ran.ended(code);
        (ran.json(), ran.err)
    }
}

#[test]
fn credentials_that_expire_too_soon_warn_before_the_outage_and_pause_with_what_to_run() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    let served = serve(&sandbox);
    let account = Account::new(&sandbox, &served);
    let update = [
        "--profile",
        "work",
        "update",
        "my-dev-stack",
        "--instance-type",
        "t3.large",
        "--force",
    ];

    let dry: Vec<&str> = update.iter().copied().chain(["--dry-run"]).collect();
    let (plan, _) = account.json(&dry, 0);
    let checks = plan["data"]["plan"]["checks"].as_array().expect("checks");
    let check = checks
        .iter()
        .find(|c| c["name"] == "credentials")
        .expect("a check");
    assert_eq!(check["status"], "warn", "{check}");
    let help = check["help"].as_str().unwrap_or_default();
    assert!(
        help.contains("credential_process of the profile work"),
        "{help}"
    );

    sandbox
        .run(&[
            "sandbox",
            "fault",
            "add",
            "ec2:StartInstances@t3.large=ExpiredToken",
        ])
        .ended(0);
    let (result, shown) = account.json(&update, 6);
    assert_eq!(result["outcome"], "paused");
    assert_eq!(result["error"]["code"], "credentials");
    let help = result["error"]["help"].to_string();
    let (sign_in, resume) = (
        help.find("credential_process of the profile work"),
        help.find(" resume my-dev-stack"),
    );
    assert!(sign_in.is_some() && sign_in < resume, "{help}");
    assert!(help.contains(" --profile work "), "{help}");
    let warned = shown.rfind("the credentials expire before the expected end");
    let quiesce = shown.find("] quiesce");
    assert!(
        warned.is_some() && warned < quiesce && warned > shown.find("] check_mounts"),
        "once more, before the first step that takes something down: {shown}"
    );
}

#[test]
fn a_session_that_ran_out_names_the_sign_in_of_the_profile_in_use() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&[
            "sandbox",
            "fault",
            "add",
            "ec2:StartInstances@t3.large=ExpiredToken",
        ])
        .ended(0);
    let args = [
        "update",
        "my-dev-stack",
        "--instance-type",
        "t3.large",
        "--force",
    ];
    let result = sandbox.json(&args, 6);
    let help = result["error"]["help"].as_array().expect("help");
    let first = help[0].as_str().unwrap_or_default();
    assert!(first.starts_with("aws sso login "), "{help:?}");
    let next = help[1].as_str().unwrap_or_default();
    assert!(next.contains("resume my-dev-stack"), "{help:?}");
}
