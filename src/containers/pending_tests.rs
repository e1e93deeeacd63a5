//! What Docker 20.10.24 and Compose 2.26.1 said of two services that use most of what a service can say, numbered by the
//! script: as they were made, and after edits of the file and of its env file.

use super::*;
use crate::plan::fixtures::service;

const UNTOUCHED: &str = include_str!("../../tests/data/pending/untouched.txt");
const EDITED: &str = include_str!("../../tests/data/pending/edited.txt");

#[test]
fn an_untouched_stack_has_no_pending_edits() {
    let edits = pending_edits(UNTOUCHED).expect("it can be read");
    let none = [(service("a"), vec![]), (service("c"), vec![])];
    assert_eq!(edits, none.into());
}

#[test]
fn what_was_edited_since_is_named_and_its_value_is_not() {
    let edits = pending_edits(EDITED).expect("it can be read");
    assert_eq!(edits[&service("c")], [""; 0]);
    assert_eq!(
        edits[&service("a")],
        [
            "command: changed",
            "environment.FROMFILE: changed",
            "environment.MULTI: changed",
            "environment.NEW: added",
            "environment.Q: removed",
            "hostname: changed",
            "labels.l1: removed",
            "labels.l2: added",
            "networks.pp_n2: removed",
            "ports.127.0.0.1:5678->5678/tcp: removed",
            "ports.127.0.0.1:5679->5678/tcp: added",
            "restart: changed",
            "volumes./data: changed",
        ]
    );
}

#[test]
fn what_cannot_be_known_says_why() {
    for (document, why) in [
        ("@failed\n", "`docker compose config` failed on the host"),
        (
            "@config\n{\n@strange\n",
            "`docker compose config` on the host has another form",
        ),
        (
            "@config\n{}\n@container a\n@gone\n",
            "a container or its image went away",
        ),
        (
            "@config\n{}\n@container a\nJ {}\n@image\n@gone\n",
            "a container or its image went away",
        ),
    ] {
        assert_eq!(pending_edits(document), Err(why.to_owned()), "{document}");
    }
    assert_eq!(pending_edits(""), Ok(PendingEdits::new()));
}
