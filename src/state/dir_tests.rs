use super::*;
use crate::model::InstanceType;

const TEXT: &str = "\
schema: geusemaker.deployment/3
name: web
account: '111122223333'
region: us-east-1
instance_id: i-0123456789abcdef0
file_system_id: fs-0123456789abcdef0
mount_point: /mnt/efs
compose:
  project: stack
  file: /opt/stack/compose.yml
created_at: 2026-11-01T00:00:00Z
cache:
  status: adopted
  instance_type: t3.medium
  public_ip: null
  images:
    n8n: n8nio/n8n:1.19.0
    old: old:1
  updated_at: 2026-11-01T00:00:00Z
";

fn world() -> (tempfile::TempDir, StateDir) {
    let root = tempfile::tempdir().unwrap();
    let (state, warnings) = StateDir::open(root.path().join("s")).unwrap();
    assert!(warnings.is_empty());
    (root, state)
}

fn name(text: &str) -> DeploymentName {
    DeploymentName::new(text).unwrap()
}

fn put(state: &StateDir, folder: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let file = state.root().join(folder).join("deployment.yaml");
    super::super::write_atomically(&file, text.as_ref()).unwrap();
    file
}

#[test]
fn looks_write_nothing() {
    let (_root, state) = world();
    assert!(state.deployments().unwrap().items.is_empty());
    assert_eq!(
        state.load(&name("web")).unwrap_err().code(),
        "deployment_not_found"
    );
    assert!(
        state
            .snapshots(&name("web"))
            .list()
            .unwrap()
            .items
            .is_empty()
    );
    assert!(!state.root().exists());
}

#[test]
fn what_is_saved_is_loaded_again() {
    let (_root, state) = world();
    put(&state, "web", TEXT);
    let web = state.load(&name("web")).unwrap();
    assert_eq!(web.account, "111122223333");
    state.save(&web).unwrap();
    assert_eq!(state.load(&name("web")).unwrap(), web);
    let mut other = web.clone();
    other.name = name("api");
    state.save(&other).unwrap();
    assert_eq!(state.names().unwrap(), [name("api"), name("web")]);
}

#[test]
fn unknown_fields_survive_a_save_at_any_depth_and_removed_ones_stay_removed() {
    let (_root, state) = world();
    let text = TEXT
        .replace("region:", "owner: {team: blue}\nregion:")
        .replace("  project:", "  profile: gpu\n  project:");
    let file = put(&state, "web", text);
    let mut web = state.load(&name("web")).unwrap();
    web.cache.instance_type = InstanceType::new("t3.large").unwrap();
    web.cache.images.remove("old");
    state.save(&web).unwrap();
    let saved: serde_yaml::Value =
        serde_yaml::from_str(&fs_err::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(saved["owner"]["team"], "blue");
    assert_eq!(saved["compose"]["profile"], "gpu");
    assert_eq!(saved["cache"]["instance_type"], "t3.large");
    assert!(saved["cache"]["images"].get("old").is_none());
    assert_eq!(state.load(&name("web")).unwrap().unknown.len(), 1);
}

#[test]
fn a_damaged_deployment_is_named_by_file_and_line_and_left_as_it_is() {
    let table: &[(&str, String, &str, &str)] = &[
        (
            "newer",
            TEXT.replace("deployment/3", "deployment/4"),
            "state_newer",
            "deployment.yaml:1: found schema geusemaker.deployment/4, this version knows up to geusemaker.deployment/3",
        ),
        (
            "newer, named further down",
            format!(
                "# mine\n\n{}",
                TEXT.replace("deployment/3", "deployment/12")
            ),
            "state_newer",
            "deployment.yaml:3: found schema geusemaker.deployment/12",
        ),
        (
            "older",
            TEXT.replace("deployment/3", "deployment/2"),
            "state_foreign",
            "deployment.yaml:1: found schema 'geusemaker.deployment/2', expected schema geusemaker.deployment/3",
        ),
        (
            "other program",
            "apiVersion: v1\n".into(),
            "state_foreign",
            "deployment.yaml:1: found no schema, expected",
        ),
        (
            "other document",
            TEXT.replace("deployment/3", "snapshot/9"),
            "state_foreign",
            "found schema 'geusemaker.snapshot/9'",
        ),
        (
            "not YAML",
            TEXT.replace("  project: stack", "  project: [stack"),
            "state_damaged",
            "deployment.yaml:10:7: did not find expected ',' or ']'",
        ),
        (
            "wrong kind of value",
            TEXT.replace("region: us-east-1", "region: [1]"),
            "state_damaged",
            "deployment.yaml:4:9: region: invalid type: sequence, expected a string",
        ),
        (
            "bad id",
            TEXT.replace("i-0123456789abcdef0", "i-1"),
            "state_damaged",
            "deployment.yaml:5:14: 'i-1' is not an instance id",
        ),
        (
            "missing field",
            TEXT.replace("account: '111122223333'\n", ""),
            "state_damaged",
            "missing field `account`",
        ),
        (
            "the same key twice",
            format!("{TEXT}name: web\n"),
            "state_damaged",
            "duplicate",
        ),
        ("empty", String::new(), "state_foreign", "found no schema"),
        (
            "another name",
            TEXT.replace("name: web", "name: api"),
            "state_damaged",
            "deployment.yaml:2: found name 'api', expected 'web'",
        ),
    ];
    for (case, text, code, message) in table {
        let (_root, state) = world();
        let file = put(&state, "web", text);
        let error = state.load(&name("web")).unwrap_err();
        assert_eq!(error.code(), *code, "{case}: {error}");
        assert!(error.to_string().contains(message), "{case}: {error}");
        assert!(error.to_string().contains(file.to_str().unwrap()), "{case}");
        assert!(!error.help().is_empty());
        // A save does not put the damaged file right by losing it.
        let good: Deployment = serde_yaml::from_str(TEXT).unwrap();
        assert_eq!(state.save(&good).unwrap_err().code(), *code, "{case}");
        assert_eq!(fs_err::read_to_string(&file).unwrap(), *text, "{case}");
    }
}

#[test]
fn bytes_that_are_no_text_are_named_by_line() {
    let (_root, state) = world();
    put(&state, "web", b"schema: x\nname: \xff\n");
    let error = state.load(&name("web")).unwrap_err().to_string();
    assert!(
        error.contains("deployment.yaml:2:7: found a byte"),
        "{error}"
    );
}

#[test]
fn a_damaged_deployment_does_not_hide_the_others() {
    let (_root, state) = world();
    put(&state, "web", TEXT);
    put(&state, "bad", "schema: [");
    put(&state, "api", TEXT.replace("name: web", "name: api"));
    // None of these is a deployment.
    put(&state, "sandbox", TEXT);
    put(&state, "no_name", TEXT);
    fs_err::create_dir(state.root().join("deployments")).unwrap();
    fs_err::write(state.root().join("notes"), "").unwrap();
    let all = state.deployments().unwrap();
    let names: Vec<_> = all.items.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["api", "web"]);
    assert_eq!(all.damaged.len(), 1);
    assert!(all.damaged[0].to_string().contains("bad/deployment.yaml"));
}

#[test]
fn what_several_threads_read_is_in_order_and_complete() {
    let (_root, state) = world();
    let names: Vec<String> = (0..300).map(|i| format!("stack-{i:03}")).collect();
    for name in &names {
        put(
            &state,
            name,
            TEXT.replace("name: web", &format!("name: {name}")),
        );
    }
    for bad in [&names[7], &names[250]] {
        put(&state, bad, "schema: [");
    }
    let all = state.deployments().unwrap();
    let read: Vec<_> = all.items.iter().map(|d| d.name.as_str()).collect();
    let mut expected = names.clone();
    expected.retain(|name| *name != names[7] && *name != names[250]);
    assert_eq!(read, expected);
    let damaged: Vec<_> = all.damaged.iter().map(ToString::to_string).collect();
    assert_eq!(damaged.len(), 2);
    assert!(damaged[0].contains("stack-007/") && damaged[1].contains("stack-250/"));
}

#[test]
fn a_look_that_panics_in_a_thread_is_not_an_empty_list() {
    let (_root, state) = world();
    put(&state, "web", TEXT);
    let looked =
        std::panic::catch_unwind(|| state.each_deployment(|_| -> () { panic!("on purpose") }));
    assert!(looked.is_err());
}

#[test]
fn wide_modes_are_warned_of() {
    let (_root, state) = world();
    let file = put(&state, "web", TEXT);
    let warnings = || StateDir::open(state.root()).unwrap().1;
    assert!(warnings().is_empty(), "{:?}", warnings());
    let chmod = |path: &Path, mode| {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(&file, 0o640);
    chmod(state.root(), 0o755);
    let found = warnings();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].contains("has mode 0755, expected 0700"),
        "{}",
        found[0]
    );
    assert!(
        found[1].contains("deployment.yaml has mode 0640"),
        "{}",
        found[1]
    );
    state.save(&state.load(&name("web")).unwrap()).unwrap();
    assert_eq!(warnings().len(), 1, "a save puts the mode right");
}

#[test]
fn a_state_folder_that_is_a_file_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    fs_err::write(root.path().join("s"), "").unwrap();
    let error = StateDir::open(root.path().join("s")).unwrap_err();
    assert_eq!(error.code(), "state_unreadable");
    assert!(error.to_string().contains("is not a folder"), "{error}");
}
