use proptest::prelude::*;

use super::*;
use crate::host::LookRequest;

fn b64(text: &str) -> String {
    STANDARD.encode(text)
}

#[test]
fn a_refusal_is_read_as_what_it_is() {
    let refusal = |code: &str, seen: &str| {
        format!(
            r#"{{"error":{{"code":"{code}","message":"{}","seen":"{seen}"}}}}"#,
            b64("because")
        )
    };
    assert_eq!(
        parse_job(Verb::Start, 3, &refusal("fenced", "7")),
        Err(HostError::Fenced { ours: 3, seen: 7 })
    );
    assert_eq!(
        parse_mount(None, &refusal("busy", ""))
            .unwrap_err()
            .to_string(),
        "the host's script mount failed (busy): because"
    );
    assert!(matches!(
        parse_look(&LookRequest::default(), &refusal("fenced", "x")),
        Err(HostError::Script { verb: "look", .. })
    ));
}

#[test]
fn an_error_never_quotes_the_document() {
    let secret = "POSTGRES_PASSWORD=hunter2";
    for document in [
        secret.to_owned(),
        format!(r#"{{"boot":"{secret}"}}"#),
        format!(r#"{{"boot": 1, "machine": "{secret}"}}"#),
    ] {
        let error = parse_look(&LookRequest::default(), &document).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(error.to_string().contains("look"), "{error}");
    }
}

#[test]
fn a_state_of_the_restore_is_read_or_said_to_be_damaged() {
    let op = "20261120-100000-abcd";
    let read = |line: &str| {
        let document = format!(r#"{{"restore":"{}"}}"#, b64(line));
        parse_restore(Verb::Commit, 1, &document)
    };
    let words = |line: &str| {
        read(&line.replace('@', op)).map(|s| (s.as_str(), s.operation().map(|o| o.to_string())))
    };
    for (line, state) in [
        ("armed @ 1 2 1800000000 600 10 boot", "armed"),
        ("restoring @ 1 2 host 3 1-900000000000000001", "restoring"),
        ("restored @ 1 2 controller", "restored"),
        ("committed @ 1 2 host", "committed"),
    ] {
        assert_eq!(words(line), Ok((state, Some(op.to_owned()))));
    }
    assert_eq!(words("idle"), Ok(("idle", None)));
    for line in [
        "",
        "idle ",
        "armed @ 1 2 99999999999999999 600 10 boot",
        "armed @ 1 2 1800000000 600 10",
        "armed @ 1 2 1800000000 600 10 ",
        "armed @ -1 2 1800000000 600 10 boot",
        "restored @ 1 2 somebody",
        "committed @ 1 2 host (cut off)",
        "restoring @ 1 2 host 3 1",
        "restored . 1 2 host",
    ] {
        let error = words(line).unwrap_err().to_string();
        assert!(
            error.contains("commit cannot be read") && error.contains("restore/state"),
            "{line}: {error}"
        );
    }
}

#[test]
fn a_job_state_that_we_do_not_know_is_garbled() {
    let error = parse_job(Verb::Poll, 1, r#"{"state":"dancing","code":"","log":""}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the reply of the host's script poll cannot be read: expected unknown, running, done, failed or lost, found 'dancing'"
    );
}

proptest! {
    #[test]
    fn any_document_is_read_without_a_panic(text in ".*", a in ".*", b in ".*") {
        let boot_only = LookRequest { only_boot: true, ..LookRequest::default() };
        let full = LookRequest::default();
        let json = serde_json::json!({
            "boot": b64("x"), "machine": b64(&a), "docker": b64(&a), "compose": null, "disk_kib": 1,
            "containers": b64(&format!("7 {a} {{{b}\n0 x {{}}\n{b}")), "files": [{"path": b64(&a), "text": b64(&b)}],
            "digests": b64(&b), "images": [{"ref": b64(&a), "is": b64(&b)}],
            "mount": {"point": b64(&a), "mountinfo": b64(&b), "fstab": b64(&a), "requires": b64(&b), "efs": a,
                "inside": b64(&format!("7 {b}\n{a}\n")), "stat": b64(&a), "sentinel": b64(&b), "written": true},
            "state": a, "code": b, "log": b64(&a), "put": b,
            "restore": b64(&format!("armed 20261120-100000-abcd 1 1 {a} 1 1 {b}")),
        }).to_string();
        for document in [&text, &json] {
            let _ = parse_look(&boot_only, document);
            let _ = parse_look(&full, document);
            let _ = parse_mount(Some(1), document);
            let _ = parse_job(Verb::Start, 1, document);
            let _ = parse_put(1, document);
            let _ = parse_restore(Verb::Arm, 1, document);
        }
    }
}
