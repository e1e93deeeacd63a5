//! Command lines that can never be right: code 2, a first line that says what is wrong, nothing of what was
//! typed passed on to the terminal, and the result document where one was asked for.

use assert_cmd::Command;

const NAME: &str = "not a deployment name: a letter first, then letters, digits and '-', at most 128, \
    and not 'sandbox'";
const REF: &str = "not an image reference: like n8nio/n8n:1.20.0 or postgres@sha256:…";
const SERVICE: &str = "not a service name: letters, digits, '.', '_' and '-'";
const TYPE: &str = "not an instance type: like t3.large: lower-case letters, digits and '-', one dot \
    between family and size";
const DURATION: &str = "not a duration: like 10s, 5m or 1m30s, at most 24h";
const ZERO: &str = "a check that takes no time checks nothing: more than zero, like 10s";

/// One row: the words after `geusemaker`, and the first line on stderr.
fn rows() -> Vec<(Vec<String>, String)> {
    let mut rows = Vec::new();
    let mut row = |words: &[&str], first: String| {
        rows.push((words.iter().map(|w| (*w).to_owned()).collect(), first));
    };
    let value = |shown: &str, of: &str, why: &str| {
        format!("error: invalid value '{shown}' for '{of}': {why}")
    };
    let type_ok = ["--instance-type", "t3.large"];

    // Names.
    let long = "a".repeat(10_000);
    let cut = format!("{}…", "a".repeat(60));
    for (typed, shown) in [
        ("../../x", "../../x"),
        ("/etc/passwd", "/etc/passwd"),
        ("n8n;rm", "n8n;rm"),
        ("$(id)", "$(id)"),
        ("'quoted'", "'quoted'"),
        ("\"quoted\"", "\"quoted\""),
        ("two\nlines", "two\\nlines"),
        ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
        ("\u{9b}2Jx", "\\u{9b}2Jx"),
        ("abc\u{202e}fed", "abc\\u{202e}fed"),
        ("zero\u{200b}width", "zero\\u{200b}width"),
        ("größe", "größe"),
        ("1abc", "1abc"),
        ("a b", "a b"),
        ("", ""),
        (".", "."),
        ("sandbox", "sandbox"),
        (long.as_str(), cut.as_str()),
    ] {
        let first = value(shown, "<NAME>", NAME);
        for command in [
            "update", "rollback", "resume", "status", "inspect", "history",
        ] {
            row(&[command, typed], first.clone());
        }
    }
    row(
        &["status", "--x"],
        "error: unexpected argument '--x' found".into(),
    );
    row(
        &["status", "-x"],
        "error: unexpected argument '-x' found".into(),
    );
    row(&["update", "--", "--x"], value("--x", "<NAME>", NAME));

    // Images.
    for (typed, why) in [
        (
            "n8n",
            "not SERVICE=REF: like n8n=n8nio/n8n:1.20.0".to_owned(),
        ),
        (
            "n8nio/n8n:1.20.0",
            "not SERVICE=REF: like n8n=n8nio/n8n:1.20.0".to_owned(),
        ),
        ("=n8nio/n8n", format!("SERVICE is {SERVICE}")),
        ("n8n;rm=n8nio/n8n", format!("SERVICE is {SERVICE}")),
        ("../x=n8nio/n8n", format!("SERVICE is {SERVICE}")),
        ("n8n=", format!("REF is {REF}")),
        ("n8n=a=b", format!("REF is {REF}")),
        ("n8n=UPPER/case", "REF is not an image reference: a repository in lower case".to_owned()),
        ("n8n=n8nio/n8n:1 && rm", "REF is not an image reference: without spaces, line ends or control characters".to_owned()),
        ("n8n='n8nio/n8n'", format!("REF is {REF}")),
        ("n8n=$(id)", format!("REF is {REF}")),
        ("n8n=n8nio/n8n:", "REF is not an image reference: a tag after the ':', like :1.20.0".to_owned()),
        ("n8n=n8nio/n8n@sha256:abc", "REF is not an image reference: a digest like @sha256: and 64 hexadecimal digits, after a name that Docker takes".to_owned()),
        ("n8n=http://x/y", format!("REF is {REF}")),
    ] {
        row(
            &["update", "x", "--image", typed],
            value(typed, "--image <SERVICE=REF>", &why),
        );
    }
    row(
        &["update", "x", "--image", "n8n=a\u{1b}]0;t\u{7}"],
        value(
            "n8n=a\\u{1b}]0;t\\u{7}",
            "--image <SERVICE=REF>",
            "REF is not an image reference: without spaces, line ends or control characters",
        ),
    );
    row(
        &["update", "x", "--image", &format!("n8n={long}")],
        value(
            &format!("n8n={}…", "a".repeat(56)),
            "--image <SERVICE=REF>",
            "REF is not an image reference: at most 1024 characters",
        ),
    );
    row(
        &[
            "update",
            "x",
            "--image",
            "n8n=n8nio/n8n:1",
            "--image",
            "n8n=n8nio/n8n:2",
        ],
        "error: --image names the service 'n8n' twice".into(),
    );
    row(
        &["update", "x", "--image"],
        "error: a value is required for '--image <SERVICE=REF>' but none was supplied".into(),
    );

    // Types, durations, numbers.
    for typed in [
        "T3.LARGE",
        "t3",
        "t3.large;rm",
        "t3.",
        ".large",
        "t3.large.x",
        "../x",
    ] {
        row(
            &["update", "x", "--instance-type", typed],
            value(typed, "--instance-type <TYPE>", TYPE),
        );
    }
    for flag in ["--health-timeout", "--stable-for"] {
        for (typed, why) in [
            ("0s", ZERO),
            ("0m", ZERO),
            ("0m0s", ZERO),
            ("10", DURATION),
            ("1.5s", DURATION),
            ("ten", DURATION),
            ("1s1m", DURATION),
            ("25h", DURATION),
            ("1d", DURATION),
        ] {
            let words = ["update", "x", type_ok[0], type_ok[1], flag, typed];
            row(&words, value(typed, &format!("{flag} <DUR>"), why));
        }
    }
    row(
        &["update", "x"],
        "error: nothing to change: give --instance-type, --image, or both".into(),
    );
    row(
        &["update", "x", "--force"],
        "error: nothing to change: give --instance-type, --image, or both".into(),
    );
    row(
        &["history", "x", "--limit", "0"],
        value("0", "--limit <N>", "0 is not in 1..=4294967295"),
    );
    row(
        &["history", "x", "../op"],
        value(
            "../op",
            "[OPERATION]",
            "not an operation id: letters, digits and '-'",
        ),
    );
    row(
        &["rollback", "x", "--to", "../../s"],
        value(
            "../../s",
            "--to <SNAPSHOT>",
            "not a snapshot id: letters, digits and '-'",
        ),
    );
    row(
        &["rollback", "x", "--services", "a,a"],
        "error: --services names the service 'a' twice".into(),
    );
    row(
        &["rollback", "x", "--services", "a,;rm"],
        value(";rm", "--services <A,B>", SERVICE),
    );

    // Adoption.
    row(
        &["adopt", "x"],
        "error: the following required arguments were not provided:".into(),
    );
    row(
        &["adopt", "x", "--instance-id", "i-XYZ"],
        value(
            "i-XYZ",
            "--instance-id <ID>",
            "not an instance id: 'i-' and 8 or 17 hexadecimal digits",
        ),
    );
    row(
        &[
            "adopt",
            "x",
            "--instance-id",
            "i-0123456789abcdef0",
            "--efs",
            "fs-1",
        ],
        value(
            "fs-1",
            "--efs <fs-…|none>",
            "not a file system id: 'fs-' and 8 or 17 hexadecimal digits; or 'none'",
        ),
    );
    row(
        &[
            "adopt",
            "x",
            "--instance-id",
            "i-0123456789abcdef0",
            "--compose",
            "docker-compose.yml",
        ],
        value(
            "docker-compose.yml",
            "--compose <PATH>",
            "not an absolute path on the host: like /root/docker-compose.yml",
        ),
    );

    // Commands and flags.
    row(
        &["upgrade", "x"],
        "error: unrecognized subcommand 'upgrade'".into(),
    );
    row(
        &["\u{1b}[31mx"],
        "error: unrecognized subcommand '\\u{1b}[31mx'".into(),
    );
    for absent in ["deploy", "destroy", "template"] {
        row(
            &[absent],
            format!("error: unrecognized subcommand '{absent}'"),
        );
    }
    row(
        &["--sandbox", "sandbox-docker"],
        "error: unrecognized subcommand 'sandbox-docker'".into(),
    );
    row(
        &["update", "x", "--frce"],
        "error: unexpected argument '--frce' found".into(),
    );
    row(
        &["update", "x", "--\u{1b}[2J"],
        "error: unexpected argument '--\\u{1b}[2J' found".into(),
    );
    row(
        &["resume", "x", "--unwind", "--accept"],
        "error: the argument '--unwind' cannot be used with '--accept'".into(),
    );
    row(
        &["list", "extra"],
        "error: unexpected argument 'extra' found".into(),
    );
    row(
        &["list", "-o", "xml"],
        "error: invalid value 'xml' for '--output <OUTPUT>'".into(),
    );
    row(
        &["list", "--color", "blue"],
        "error: invalid value 'blue' for '--color <COLOR>'".into(),
    );
    row(
        &["list", "-q", "-v"],
        "error: the argument '--quiet' cannot be used with '--verbose...'".into(),
    );
    row(
        &["list", "--region", "us east"],
        value(
            "us east",
            "--region <REGION>",
            "not a region: like us-east-1",
        ),
    );
    row(
        &["list", "--endpoint-url", "127.0.0.1:1"],
        value(
            "127.0.0.1:1",
            "--endpoint-url <URL>",
            "not an endpoint: like http://127.0.0.1:4566",
        ),
    );
    row(
        &["list", "--sandbox", "--endpoint-url", "http://127.0.0.1:1"],
        "error: --endpoint-url cannot be used with the sandbox, which is an endpoint of its own"
            .into(),
    );
    row(
        &["completions", "ksh"],
        "error: invalid value 'ksh' for '<SHELL>'".into(),
    );

    // The sandbox.
    let kinds = "one of ec2:, ssm:, efs:, sts:, autoscaling:, mount:, boot:, pull:, health:";
    for (typed, expected, found) in [
        ("nonsense", kinds, "nonsense"),
        ("s3:GetObject=NoSuchKey", kinds, "s3"),
        ("ec2:StartInstances", "CALL=CODE", "StartInstances"),
        (
            "ec2:StartInstance=X",
            "a call that the sandbox serves",
            "StartInstance",
        ),
        (
            "ec2:StartInstances@t3.huge=X",
            "an instance type that exists",
            "t3.huge",
        ),
        (
            "mount:melted",
            "mount:gone, mount:other, mount:readonly or mount:hang",
            "melted",
        ),
        (
            "pull:n8n=gone",
            "pull:REF=missing or pull:REF=unreachable",
            "gone",
        ),
        (
            "health:n8n=unhealthy",
            "health:SERVICE@REF=unhealthy",
            "n8n",
        ),
    ] {
        let why = format!("not a fault: expected {expected}, found '{found}'");
        row(
            &["sandbox", "fault", "add", typed],
            value(typed, "<CALL=CODE>", &why),
        );
    }
    row(
        &["sandbox", "fault", "add", "mount:gone", "--times", "0"],
        value("0", "--times <N|always>", "a number from 1, or 'always'"),
    );
    row(
        &["sandbox", "latency", "set", "boot=1s"],
        value(
            "boot=1s",
            "<KEY=DUR>...",
            "KEY is not one of stop, start, agent, status_checks, pull, healthy, restore",
        ),
    );
    row(
        &["sandbox", "latency", "set", "stop=soon"],
        value("stop=soon", "<KEY=DUR>...", &format!("DUR is {DURATION}")),
    );
    row(
        &["sandbox", "latency", "set", "stop=1s", "stop=2s"],
        "error: 'stop' is set twice".into(),
    );
    row(
        &["sandbox", "serve", "--port", "0"],
        value("0", "--port <N>", "0 is not in 1..=65535"),
    );
    row(
        &["sandbox", "serve", "--port", "65536"],
        value("65536", "--port <N>", "65536 is not in 1..=65535"),
    );
    rows
}

fn geusemaker(state: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_geusemaker"));
    command
        .env_clear()
        .env("GEUSEMAKER_STATE", state.join("state"))
        .env("HOME", state)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

#[test]
fn every_bad_input_is_a_usage_error_in_clear_words() {
    let state = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let rows = rows();
    for (words, first) in &rows {
        let output = geusemaker(state.path()).args(words).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let found = stderr.lines().next().unwrap_or_default();
        if output.status.code() != Some(2) || found != first {
            wrong.push(format!(
                "{1:.100}\n  expected {first}\n  found    {found} ({0:?})",
                output.status.code(),
                format!("{words:?}")
            ));
        }
        assert!(output.stdout.is_empty(), "{words:?}: data on stdout");
        assert!(
            !stderr
                .chars()
                .any(|c| geusemaker::report::is_unsafe(c) && c != '\n'),
            "{words:?}: {stderr:?}"
        );
        assert!(stderr.len() < 2000, "{words:?}: {} bytes", stderr.len());
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
    assert_eq!(
        fs_err::read_dir(state.path()).unwrap().count(),
        0,
        "a wrong command line writes nothing"
    );
}

#[test]
fn a_usage_error_is_a_document_where_one_is_asked_for() {
    let state = tempfile::tempdir().unwrap();
    for (before, after) in [
        (&["-o", "json"][..], &[][..]),
        (&["--output=json"], &[]),
        (&[], &["-ojson"]),
        (&[], &["--output", "json"]),
        (&[], &["-qo", "json"]),
    ] {
        for (words, command) in [
            (&["update", "../../x"][..], "update"),
            (&["update", "x"], "update"),
            (&["status", "\u{9b}2J\u{202e}"], "status"),
            (&["upgrade"], "geusemaker"),
            (&["adopt", "x"], "adopt"),
            (&["list", "--sandbox", "--endpoint-url", "http://x"], "list"),
        ] {
            let output = geusemaker(state.path())
                .args(before)
                .args(words)
                .args(after)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(2), "{words:?}");
            let stdout = String::from_utf8(output.stdout).unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
            assert_eq!(document["schema"], "geusemaker.result/1");
            assert_eq!(document["command"], command);
            assert_eq!(document["outcome"], "usage");
            assert_eq!(document["exit_code"], 2);
            assert_eq!(document["error"]["code"], "usage");
            let message = document["error"]["message"].as_str().unwrap();
            let first = stderr.lines().next().unwrap();
            assert!(
                format!("error: {message}").starts_with(first) && message.len() > 10,
                "{message:?} and {first:?}"
            );
            assert!(
                !stdout
                    .chars()
                    .any(|c| geusemaker::report::is_unsafe(c) && c != '\n')
            );
        }
    }
    let output = geusemaker(state.path())
        .args(["update", "x", "-oyaml"])
        .output()
        .unwrap();
    let document: serde_json::Value = serde_yaml::from_slice(&output.stdout).unwrap();
    assert_eq!(document["exit_code"], 2);
}

#[test]
fn a_typo_in_the_sandbox_variable_is_no_call_to_aws() {
    let state = tempfile::tempdir().unwrap();
    let output = geusemaker(state.path())
        .env("GEUSEMAKER_SANDBOX", "ture")
        .args(["status", "x", "-o", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        document["error"]["message"],
        "GEUSEMAKER_SANDBOX is 'ture': expected 1 or 0"
    );
}

#[test]
fn an_argument_that_is_no_text_is_a_usage_error() {
    use std::os::unix::ffi::OsStrExt;
    let state = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"a\xff\x1b[2J");
    let output = geusemaker(state.path())
        .arg("status")
        .arg(name)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stderr.contains(&0x1b) && !output.stderr.contains(&0xff));
}

#[test]
fn help_and_version_are_no_errors() {
    let state = tempfile::tempdir().unwrap();
    for words in [
        &[][..],
        &["--sandbox"],
        &["--help"],
        &["-h"],
        &["--version"],
        &["help", "update"],
        &["update", "--help"],
        &["sandbox", "fault", "add", "--help"],
        &["man"],
        &["completions", "bash"],
    ] {
        let output = geusemaker(state.path()).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(output.stderr.is_empty(), "{words:?}");
        assert!(
            !output.stdout.contains(&0x1b),
            "{words:?}: colours into a pipe"
        );
        assert!(
            String::from_utf8(output.stdout)
                .unwrap()
                .contains("geusemaker"),
            "{words:?}"
        );
    }
}

#[test]
fn what_a_package_installs_needs_no_home() {
    for words in [&["man"][..], &["completions", "fish"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_geusemaker"))
            .env_clear()
            .args(words)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    use std::process::{Command, Stdio};
    for words in [
        &["--help"][..],
        &["man"],
        &["completions", "zsh"],
        &["update", "x", "-ojson"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_geusemaker"))
            .args(words)
            .env_clear()
            .env("HOME", "/nonexistent")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        drop(child.stderr.take());
        let code = child.wait().unwrap().code();
        let expected = if words[0] == "update" { 2 } else { 0 };
        assert_eq!(code, Some(expected), "{words:?}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_said() {
    let full = fs_err::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_geusemaker"))
        .arg("man")
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdout(full.into_parts().0)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("error: the result cannot be written to stdout: "),
        "{stderr}"
    );
}
