//! Parameter Store, and EFS.

use super::*;

#[test]
fn fact_25_the_second_creator_of_a_parameter_is_refused() {
    let mut w = world();
    let mut ask = PutParameter {
        name: "/geusemaker/my-dev-stack/lock/0000000001".into(),
        kind: Some("String".into()),
        value: "mine".into(),
        overwrite: false,
    };
    assert_eq!(w.put_parameter(&ask, t0()).unwrap(), 1);
    assert_eq!(code(w.put_parameter(&ask, t0())), "ParameterAlreadyExists");
    ask.overwrite = true;
    ask.kind = None;
    assert_eq!(w.put_parameter(&ask, t0()).unwrap(), 2);
    w.delete_parameter(&ask.name, t0()).unwrap();
    assert_eq!(code(w.parameter(&ask.name).cloned()), "ParameterNotFound");
    ask.kind = Some("String".into());
    assert_eq!(
        code(w.put_parameter(&ask, after(29_999))),
        "ParameterAlreadyExists"
    );
    assert_eq!(w.put_parameter(&ask, after(30_000)).unwrap(), 1);
}

#[test]
fn parameters_are_found_by_path() {
    let mut w = world();
    for name in ["/a/b/2", "/a/b/10", "/a/b/c/1", "/a/bc"] {
        let ask = PutParameter {
            name: name.into(),
            kind: Some("String".into()),
            value: "v".into(),
            overwrite: false,
        };
        w.put_parameter(&ask, t0()).unwrap();
    }
    let names = |recursive| -> Vec<String> {
        let found = w.parameters_by_path("/a/b/", recursive).unwrap();
        found.iter().map(|p| p.name.clone()).collect()
    };
    assert_eq!(names(false), ["/a/b/10", "/a/b/2"]);
    assert_eq!(names(true), ["/a/b/10", "/a/b/2", "/a/b/c/1"]);
    assert_eq!(code(w.parameters_by_path("a", true)), "ValidationException");
    assert_eq!(w.parameter("/a/bc:1").unwrap().value, "v");
    assert_eq!(
        code(w.parameter("/a/bc:2").cloned()),
        "ParameterVersionNotFound"
    );
}

#[test]
fn what_is_no_parameter_is_refused() {
    let mut w = world();
    for (name, value, kind, expected) in [
        ("", "v", "String", "ValidationException"),
        ("/a b", "v", "String", "ValidationException"),
        ("a/b", "v", "String", "ValidationException"),
        ("/aws/x", "v", "String", "ValidationException"),
        ("/a", "", "String", "ValidationException"),
        ("/a", "v", "Number", "ValidationException"),
        ("/a", "v", "SecureString", "UnsupportedParameterType"),
        (
            "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16",
            "v",
            "String",
            "HierarchyLevelLimitExceededException",
        ),
    ] {
        let ask = PutParameter {
            name: name.into(),
            kind: Some(kind.into()),
            value: value.into(),
            overwrite: false,
        };
        assert_eq!(code(w.put_parameter(&ask, t0())), expected, "{name} {kind}");
    }
}

#[test]
fn file_systems_are_found_by_id() {
    let w = world();
    let fs = w.file_system(SEED_FILE_SYSTEM).unwrap();
    assert_eq!(fs.state, "available");
    assert!(
        fs.mount_targets
            .iter()
            .any(|t| t.zone == "us-east-1a" && t.state == "available")
    );
    assert_eq!(
        code(w.file_system("fs-00000000").cloned()),
        "FileSystemNotFound"
    );
    assert_eq!(code(w.file_system("nope").cloned()), "BadRequest");
    let target = &fs.mount_targets[0];
    assert_eq!(w.mount_target(&target.id).unwrap().1, target);
    assert!(w.mount_target("fsmt-00000000").is_err());
}
