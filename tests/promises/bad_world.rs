//! Command lines that are right, in a world that is not: the code, the first line of the message, one document
//! with `-o json`, and what is on disk left byte for byte as it is.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{BIN, Ran, Sandbox, bare};

const TYPE: [&str; 5] = [
    "update",
    "my-dev-stack",
    "--instance-type",
    "t3.large",
    "--force",
];
const IMAGE: [&str; 5] = [
    "update",
    "my-dev-stack",
    "--image",
    "n8n=n8nio/n8n:1.20.0",
    "--force",
];
const ROLLBACK: [&str; 3] = ["rollback", "my-dev-stack", "--force"];
const RESUME: [&str; 3] = ["resume", "my-dev-stack", "--force"];
const STATUS: [&str; 2] = ["status", "my-dev-stack"];
const HISTORY: [&str; 2] = ["history", "my-dev-stack"];
const INSPECT: [&str; 2] = ["inspect", "my-dev-stack"];

impl Sandbox {
    /// Runs it twice, for people and for programs: both end with this code, the first line on stderr is this
    /// one, and the document says the same.
    #[track_caller]
    fn ends(&self, args: &[&str], code: i32, word: &str, first: &str) -> Value {
        // `-q`: without the plan, the error is the first that is said.
        let args: Vec<&str> = args.iter().copied().chain(["-q"]).collect();
        let ran = self.run(&args);
        ran.ended(code);
        assert!(ran.out.is_empty(), "data on stdout: {}", ran.out);
        says(&ran, first, &args);
        let document = self.json(&args, code);
        agrees(&document, code, word, first);
        document
    }

    /// The folder of its one deployment.
    fn deployment(&self) -> PathBuf {
        self.path().join("sandbox/state/my-dev-stack")
    }
}

#[track_caller]
fn says(ran: &Ran, first: &str, args: &[&str]) {
    assert_eq!(
        ran.err.lines().next().unwrap_or_default(),
        first,
        "{args:?}"
    );
}

#[track_caller]
fn agrees(document: &Value, code: i32, word: &str, first: &str) {
    assert_eq!(document["schema"], "geusemaker.result/1");
    assert_eq!(document["exit_code"], code);
    assert_eq!(document["error"]["code"], word, "{document}");
    let message = document["error"]["message"].as_str().expect("a message");
    assert_eq!(format!("error: {message}"), first);
    let help = document["error"]["help"].as_array().expect("help");
    assert!(!help.is_empty(), "no next step: {document}");
}

/// Every file below, with its text.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let bytes = fs_err::read(&path).expect("readable");
            all.insert(path, bytes);
        }
    }
    all
}

/// The one file in a folder whose name ends so.
fn one(folder: &Path, ending: &str) -> PathBuf {
    let mut found = files(folder).into_keys();
    found
        .find(|path| path.to_string_lossy().ends_with(ending))
        .expect("such a file")
}

#[test]
fn a_service_that_the_snapshot_does_not_hold_is_refused_with_those_that_it_holds() {
    let sandbox = Sandbox::new();
    sandbox.json(&IMAGE, 0);
    let id = sandbox.json(&HISTORY, 0)["data"]["snapshots"][0]["id"].clone();
    let args = [
        "rollback",
        "my-dev-stack",
        "--services",
        "n8n,nosuch",
        "--force",
    ];
    let id = id.as_str().expect("an id");
    let first = format!("error: the snapshot {id} holds no service nosuch");
    let document = sandbox.ends(&args, 3, "unknown_service", &first);
    let checks = document["data"]["plan"]["checks"]
        .as_array()
        .expect("checks");
    assert_eq!(checks.len(), 1, "{checks:?}");
    let expected = serde_json::json!("crawl4ai, n8n, ollama, postgres, qdrant");
    assert_eq!(checks[0]["found"], "nosuch");
    assert_eq!(checks[0]["expected"], expected);
    assert_eq!(
        checks[0]["help"],
        "geusemaker --sandbox rollback my-dev-stack --services crawl4ai,n8n,ollama,postgres,qdrant"
    );
    assert_eq!(document["error"]["help"][0], checks[0]["help"]);
}

#[test]
fn what_is_not_there_is_said() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    let before = files(&sandbox.path().join("sandbox/state"));
    let none = |name: &str| {
        format!(
            "error: there is no deployment '{name}' (looked for {}/sandbox/state/{name}/deployment.yaml)",
            sandbox.path().display()
        )
    };
    for args in [
        &["update", "nosuch", "--instance-type", "t3.large", "--force"][..],
        &[
            "update",
            "nosuch",
            "--instance-type",
            "t3.large",
            "--dry-run",
        ],
        &["rollback", "nosuch", "--force"],
        &["resume", "nosuch", "--force"],
        &["status", "nosuch"],
        &["inspect", "nosuch"],
        &["history", "nosuch"],
    ] {
        let document = sandbox.ends(args, 8, "deployment_not_found", &none("nosuch"));
        assert_eq!(
            document["error"]["help"][0],
            "see which there are: geusemaker --sandbox list"
        );
    }
    let id = "20990101-000000-0000";
    let snapshot = format!(
        "error: there is no snapshot '{id}' (looked for {}/snapshots/{id}.yaml)",
        sandbox.deployment().display()
    );
    let to = ["rollback", "my-dev-stack", "--to", id, "--force"];
    sandbox.ends(&to, 8, "snapshot_not_found", &snapshot);
    sandbox.ends(
        &ROLLBACK,
        8,
        "no_snapshot",
        "error: there is no operation to take back: nothing was updated yet",
    );
    sandbox.ends(
        &["history", "my-dev-stack", id],
        8,
        "operation_not_found",
        &format!("error: my-dev-stack has no operation {id}"),
    );
    for (what, value, word, first) in [
        (
            "--image",
            "n8m=n8nio/n8n:1.20.0",
            "service_exists",
            "error: the compose file has no service n8m",
        ),
        (
            "--instance-type",
            "t3.huge",
            "type_exists",
            "error: us-east-1 has no instance type t3.huge",
        ),
    ] {
        let args = ["update", "my-dev-stack", what, value, "--force"];
        let document = sandbox.ends(&args, 3, word, first);
        let checks = document["data"]["plan"]["checks"]
            .as_array()
            .expect("checks");
        assert!(
            checks
                .iter()
                .any(|c| c["name"] == word && c["status"] == "refuse"),
            "{document}"
        );
    }
    assert_eq!(files(&sandbox.path().join("sandbox/state")), before);
}

#[test]
fn a_deployment_that_only_the_sandbox_has_is_not_looked_for_on_aws() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    for args in [&TYPE[..], &ROLLBACK, &RESUME, &STATUS, &HISTORY, &INSPECT] {
        let run = |more: &[&str]| {
            let mut command = bare();
            command
                .env("GEUSEMAKER_STATE", sandbox.path())
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .args(args)
                .args(more);
            Ran::new(command.output().expect("the binary runs"))
        };
        let first = "error: there is no deployment 'my-dev-stack' on AWS; the sandbox has one";
        let ran = run(&[]);
        ran.ended(8);
        says(&ran, first, args);
        assert!(ran.err.contains("add --sandbox"), "{}", ran.err);
        agrees(&run(&["-o", "json"]).json(), 8, "only_in_sandbox", first);
    }
}

#[test]
fn a_damaged_document_is_named_with_its_line_and_left_as_it_is() {
    // S1: a corrupt state file was silently replaced by an older backup.
    let sandbox = Sandbox::new();
    sandbox.run(&IMAGE).ended(0);
    let folder = sandbox.deployment();
    let deployment = folder.join("deployment.yaml");
    let journal = one(&folder.join("operations"), "journal.jsonl");
    let snapshot = one(&folder.join("snapshots"), ".yaml");
    let fence = folder.join("fence");
    let every = [&TYPE[..], &ROLLBACK, &RESUME, &STATUS, &HISTORY, &INSPECT];
    let journals = [&TYPE[..], &ROLLBACK, &RESUME, &STATUS, &INSPECT];

    type Edit = fn(&str) -> String;
    // The file, what is done to it, which commands are to end with 1, the word and the problem.
    type Row<'a> = (&'a PathBuf, Edit, &'a [&'a [&'a str]], &'a str, &'a str);
    let rows: [Row<'_>; 9] = [
        (
            &deployment,
            |_| "schema: geusemaker.deployment/3\nname: [\n".into(),
            &every,
            "state_damaged",
            ":3:1: did not find expected node content",
        ),
        (
            &deployment,
            |text| text.replace("deployment/3", "deployment/4"),
            &every,
            "state_newer",
            ":1: found schema geusemaker.deployment/4, this version knows up to geusemaker.deployment/3",
        ),
        (
            &deployment,
            |text| text.replace("geusemaker.deployment/3", "a.poem/1"),
            &every,
            "state_foreign",
            ":1: found schema 'a.poem/1', expected schema geusemaker.deployment/3",
        ),
        (
            &deployment,
            |text| text.replace("name: my-dev-stack", "name: elsewhere"),
            &every,
            "state_damaged",
            ":2: found name 'elsewhere', expected 'my-dev-stack' as its place says",
        ),
        (
            &deployment,
            |text| text.replace("i-0c5a", "../x"),
            &every,
            "state_damaged",
            ":5:14: '../x1b7d9e2f34680' is not an instance id: 'i-' and 8 or 17 hexadecimal digits",
        ),
        (
            &journal,
            |text| text.replacen("\n{", "\n[", 3),
            &journals,
            "state_damaged",
            ":2:6: expected `,` or `]`",
        ),
        (
            &journal,
            |text| text.replacen("geusemaker.journal/1", "geusemaker.journal/2", 1),
            &journals,
            "state_newer",
            ":1: found schema geusemaker.journal/2, this version knows up to geusemaker.journal/1",
        ),
        (
            &snapshot,
            |_| "schema: [\n".into(),
            &[&ROLLBACK],
            "state_damaged",
            ":2:1: did not find expected node content",
        ),
        (
            &fence,
            |_| "minus one\n".into(),
            &[&TYPE],
            "state_damaged",
            ":1:1: found 'minus one', expected a number that counts the locks",
        ),
    ];
    for (file, edit, commands, word, problem) in rows {
        let good = fs_err::read_to_string(file).unwrap();
        let bad = edit(&good);
        assert_ne!(bad, good, "{problem}");
        fs_err::write(file, &bad).unwrap();
        let before = files(&folder);
        let first = format!("error: {}{problem}", file.display());
        for args in commands {
            sandbox.ends(args, 1, word, &first);
        }
        assert_eq!(
            files(&folder),
            before,
            "{problem}: nothing is written over it"
        );
        // One damaged deployment hides no other, and is not passed over.
        if *file == deployment {
            let list = sandbox.run(&["list"]);
            list.ended(0);
            let warning = format!("warning: {}{problem}", file.display());
            says(&list, &warning, &["list"]);
        }
        fs_err::write(file, &good).unwrap();
    }
    sandbox.run(&STATUS).ended(0);
}

#[test]
fn a_deployment_of_another_account_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    let file = sandbox.deployment().join("deployment.yaml");
    let text = fs_err::read_to_string(&file).unwrap();
    let other = text.replace("'123456789012'", "'999999999999'");
    assert_ne!(other, text);
    fs_err::write(&file, &other).unwrap();
    let document = sandbox.ends(
        &TYPE,
        3,
        "account",
        "error: the credentials are of another account than the deployment",
    );
    assert!(
        document["error"]["causes"][0]
            .as_str()
            .unwrap_or_default()
            .contains("found 123456789012, expected 999999999999"),
        "{document}"
    );
    assert_eq!(fs_err::read_to_string(&file).unwrap(), other);
}

#[test]
fn a_state_folder_that_cannot_be_used_is_named() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    let folder = sandbox.deployment();
    let at = folder.display();
    // A file where a folder should be, and the other way round.
    for name in ["operations", "snapshots"] {
        fs_err::write(folder.join(name), "").unwrap();
        let first = format!(
            "error: the state cannot be read: failed to read directory `{at}/{name}`: Not a directory (os error 20)"
        );
        for args in [&TYPE[..], &HISTORY] {
            sandbox.ends(args, 1, "state_unreadable", &first);
        }
        fs_err::remove_file(folder.join(name)).unwrap();
    }
    fs_err::create_dir(folder.join("lock")).unwrap();
    let first = format!(
        "error: the state cannot be written: failed to open file `{at}/lock`: Is a directory (os error 21)"
    );
    sandbox.ends(&TYPE, 1, "state_unwritable", &first);
}

#[test]
fn a_state_folder_that_is_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    fs_err::write(&file, "mine\n").unwrap();
    for (args, first, word) in [
        (
            ["--sandbox", "list"],
            format!(
                "error: the sandbox cannot be used: {}/sandbox: Not a directory (os error 20)",
                file.display()
            ),
            "state_unwritable",
        ),
        (
            ["-q", "list"],
            format!(
                "error: the state cannot be read: {} is not a folder",
                file.display()
            ),
            "state_unreadable",
        ),
    ] {
        let run = |more: &[&str]| {
            let mut command = bare();
            command.env("GEUSEMAKER_STATE", &file).args(args).args(more);
            Ran::new(command.output().expect("the binary runs"))
        };
        let ran = run(&[]);
        ran.ended(1);
        says(&ran, &first, &args);
        agrees(&run(&["-o", "json"]).json(), 1, word, &first);
    }
    assert_eq!(fs_err::read_to_string(&file).unwrap(), "mine\n");
}

#[test]
fn a_state_folder_of_mode_0500_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs_err::create_dir(&state).unwrap();
    // The mode stops everybody but root: as root it is run as nobody, from where nobody may look.
    let root = fs_err::metadata("/proc/self").expect("ourselves").uid() == 0;
    let program = folder.path().join("geusemaker");
    fs_err::copy(BIN, &program).unwrap();
    if root {
        chown(&state, Some(65534), Some(65534)).unwrap();
    }
    for (path, mode) in [(folder.path(), 0o755), (&program, 0o755), (&state, 0o500)] {
        fs_err::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let first = format!(
        "error: the sandbox cannot be used: {}/sandbox: Permission denied (os error 13)",
        state.display()
    );
    let run = |more: &[&str]| {
        let mut command = Command::new(&program);
        command
            .env_clear()
            .env("GEUSEMAKER_STATE", &state)
            .args(["--sandbox", "list"])
            .args(more);
        if root {
            command.uid(65534).gid(65534).current_dir("/");
        }
        Ran::new(command.output().expect("the binary runs"))
    };
    let ran = run(&[]);
    ran.ended(1);
    says(&ran, &first, &["list"]);
    agrees(&run(&["-o", "json"]).json(), 1, "state_unwritable", &first);
}

#[test]
fn a_full_disk_is_found_out_before_anything_is_begun() {
    // No file may grow beyond 250 KiB (500 blocks of 512 bytes, POSIX): what is set aside for the journal does
    // not fit. Works without privileges, and with every file system.
    let limited = |sandbox: &Sandbox, more: &[&str]| {
        let update = sandbox.command(&IMAGE);
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; ulimit -f 500; exec \"$0\" \"$@\"", BIN])
            .args(update.get_args())
            .arg("-q")
            .args(more)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GEUSEMAKER_STATE", sandbox.path());
        Ran::new(command.output().expect("a shell"))
    };
    // Each with a sandbox of its own: what its Run Command keeps of scripts is a file that grows.
    let sandbox = Sandbox::new();
    let ran = limited(&sandbox, &[]);
    ran.ended(1);
    let first = ran.err.lines().next().unwrap_or_default();
    let (begins, ends) = (
        format!(
            "error: the state cannot be written, no space is left: failed to write to file `{}/operations/",
            sandbox.deployment().display()
        ),
        "/reserve`: File too large (os error 27)",
    );
    assert!(
        first.starts_with(&begins) && first.ends_with(ends),
        "{first}"
    );
    let sandbox = Sandbox::new();
    let before = sandbox.seen();
    let document = limited(&sandbox, &["-o", "json"]).json();
    assert_eq!(document["exit_code"], 1);
    assert_eq!(document["error"]["code"], "disk_full");
    assert_eq!(sandbox.seen(), before);
    let history = sandbox.json(&HISTORY, 0);
    assert_eq!(history["data"]["operations"], serde_json::json!([]));
    assert_eq!(history["data"]["snapshots"], serde_json::json!([]));
    // Nothing was begun, so nothing is in the way once there is room.
    sandbox.run(&IMAGE).ended(0);
}

#[test]
fn a_damaged_sandbox_is_named_and_left_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    let world = sandbox.path().join("sandbox/world.json");
    for (text, found) in [
        ("{\n  broken\n", "key must be a string at line 2 column 3"),
        (
            "{\"schema\":\"geusemaker.sandbox/9\"}",
            "geusemaker.sandbox/9",
        ),
    ] {
        fs_err::write(&world, text).unwrap();
        let first = format!(
            "error: {} is not a sandbox: expected geusemaker.sandbox/1, found {found}",
            world.display()
        );
        for args in [
            &TYPE[..],
            &STATUS,
            &["sandbox", "status"],
            &["sandbox", "fault", "clear"],
        ] {
            let document = sandbox.ends(args, 1, "state_damaged", &first);
            assert!(
                document["error"]["help"]
                    .to_string()
                    .contains("sandbox reset")
            );
        }
        assert_eq!(fs_err::read_to_string(&world).unwrap(), text);
    }
    sandbox.run(&["sandbox", "reset"]).ended(0);
    sandbox.run(&STATUS).ended(0);
}
