//! Editing: what works, what is refused, and what never happens.

use super::super::unified_diff;
use super::*;
use crate::model::sha256_hex;
use crate::plan::fixtures::{COMPOSE, image, service};

fn set(text: &str, edits: &[(&str, &str)]) -> Result<String, ComposeError> {
    let edits = edits.iter().map(|(s, i)| (service(s), image(i))).collect();
    set_images(text, &edits)
}

#[test]
fn edits_one_value_and_keeps_every_other_byte() {
    // (what, before, after); always a → new:2
    let table = [
        (
            "plain",
            "services:\n  a:\n    image: x:1\n",
            "services:\n  a:\n    image: new:2\n",
        ),
        (
            "trailing comment",
            "services:\n  a:\n    image: x:1   # why\n",
            "services:\n  a:\n    image: new:2   # why\n",
        ),
        (
            "double quotes",
            "services:\n  a:\n    image: \"x:1\"\n",
            "services:\n  a:\n    image: \"new:2\"\n",
        ),
        (
            "single quotes",
            "services:\n  a:\n    image: 'x:1' # c\n",
            "services:\n  a:\n    image: 'new:2' # c\n",
        ),
        (
            "quoted keys",
            "\"services\":\n  'a':\n    \"image\": x:1\n",
            "\"services\":\n  'a':\n    \"image\": new:2\n",
        ),
        (
            "crlf",
            "services:\r\n  a:\r\n    image: x:1\r\n",
            "services:\r\n  a:\r\n    image: new:2\r\n",
        ),
        (
            "no final newline",
            "services:\n  a:\n    image: x:1",
            "services:\n  a:\n    image: new:2",
        ),
        (
            "BOM",
            "\u{feff}services:\n  a:\n    image: x:1\n",
            "\u{feff}services:\n  a:\n    image: new:2\n",
        ),
        (
            "flow mapping",
            "services: {a: {image: x:1, ports: [\"1:1\"]}} # c\n",
            "services: {a: {image: new:2, ports: [\"1:1\"]}} # c\n",
        ),
        (
            "JSON",
            "{\"services\": {\"a\": {\"image\":\"x:1\"}}}",
            "{\"services\": {\"a\": {\"image\":\"new:2\"}}}",
        ),
        (
            "tab after the colon",
            "services:\n  a:\n    image:\tx:1\t# c\n",
            "services:\n  a:\n    image:\tnew:2\t# c\n",
        ),
        (
            "value on the next line",
            "services:\n  a:\n    image:\n      x:1\n",
            "services:\n  a:\n    image:\n      new:2\n",
        ),
        (
            "explicit key",
            "services:\n  a:\n    ? image\n    : x:1\n",
            "services:\n  a:\n    ? image\n    : new:2\n",
        ),
        (
            "document markers",
            "--- # d\nservices:\n  a:\n    image: x:1\n...\n",
            "--- # d\nservices:\n  a:\n    image: new:2\n...\n",
        ),
        (
            "an anchor nobody uses",
            "services:\n  a:\n    image: &i x:1\n",
            "services:\n  a:\n    image: &i new:2\n",
        ),
        (
            "merge beside an own image",
            "x: &x {image: y:1, restart: always}\nservices:\n  a:\n    <<: *x\n    image: x:1\n",
            "x: &x {image: y:1, restart: always}\nservices:\n  a:\n    <<: *x\n    image: new:2\n",
        ),
        (
            "a comment that looks like it",
            "services:\n  # image: x:1\n  a:\n    # image: x:1\n    image: x:1\n",
            "services:\n  # image: x:1\n  a:\n    # image: x:1\n    image: new:2\n",
        ),
        (
            "image elsewhere",
            "image: x:1\nservices:\n  b: {image: x:1}\n  a:\n    labels: {image: x:1}\n    image: x:1\n",
            "image: x:1\nservices:\n  b: {image: x:1}\n  a:\n    labels: {image: x:1}\n    image: new:2\n",
        ),
        (
            "umlauts before it",
            "# äöü 漢字\nservices:\n  a:\n    labels: {x: ü}\n    image: x:1\n",
            "# äöü 漢字\nservices:\n  a:\n    labels: {x: ü}\n    image: new:2\n",
        ),
        (
            "an image that looks like a number",
            "services:\n  a:\n    image: '1.20'\n",
            "services:\n  a:\n    image: 'new:2'\n",
        ),
    ];
    for (what, before, after) in table {
        assert_eq!(
            set(before, &[("a", "new:2")]).as_deref(),
            Ok(after),
            "{what}"
        );
    }
}

#[test]
fn a_merged_image_becomes_one_of_the_service_s_own() {
    // (what, before, after); always a → new:2
    let table = [
        (
            "merged",
            "x: &x {image: x:1}\nservices:\n  a:\n    <<: *x # c\n    restart: always\n",
            "x: &x {image: x:1}\nservices:\n  a:\n    image: new:2\n    <<: *x # c\n    restart: always\n",
        ),
        (
            "from a list, with an anchor of its own",
            "x: &x {image: x:1}\nservices:\n  a: &a\n      # why\n      <<: [*x]",
            "x: &x {image: x:1}\nservices:\n  a: &a\n      # why\n      image: new:2\n      <<: [*x]",
        ),
        (
            "crlf",
            "x: &x {image: x:1}\r\nservices:\r\n  a:\r\n    <<: *x\r\n",
            "x: &x {image: x:1}\r\nservices:\r\n  a:\r\n    image: new:2\r\n    <<: *x\r\n",
        ),
        (
            "flow",
            "x: &x {image: x:1}\nservices:\n  a: {<<: *x, restart: always} # c\n",
            "x: &x {image: x:1}\nservices:\n  a: {image: new:2, <<: *x, restart: always} # c\n",
        ),
        (
            "interpolated where it comes from",
            "x: &x {image: \"x:${T}\"}\nservices:\n  a:\n    <<: *x\n",
            "x: &x {image: \"x:${T}\"}\nservices:\n  a:\n    image: new:2\n    <<: *x\n",
        ),
    ];
    for (what, before, after) in table {
        let edited = set(before, &[("a", "new:2")]);
        assert_eq!(edited.as_deref(), Ok(after), "{what}");
        assert_eq!(
            set(after, &[("a", "new:3")]),
            Ok(after.replace("new:2", "new:3")),
            "{what}"
        );
        // Where it goes back to a text that was there, it is that text.
        let back = |reference: &str, was: &str| {
            let edits = [(service("a"), image(reference))].into();
            set_images_to(after, &edits, Some(&sha256_hex(was))).expect("edited")
        };
        if what.starts_with("interpolated") {
            continue;
        }
        assert_eq!(back("x:1", before), before, "{what}");
        assert_eq!(back("x:1", "another text"), after.replace("new:2", "x:1"));
        assert_eq!(back("y:1", before), after.replace("new:2", "y:1"));
    }
    let two =
        "x: &x {image: x:1}\nservices:\n  a:\n    <<: *x\n  b:\n    <<: *x\n  c: {image: y:1}\n";
    let edited = set(two, &[("a", "a:1"), ("b", "b:1"), ("c", "c:1")]).expect("edited");
    assert_eq!(
        edited,
        "x: &x {image: x:1}\nservices:\n  a:\n    image: a:1\n    <<: *x\n  b:\n    image: b:1\n    <<: *x\n  c: {image: c:1}\n"
    );
    let edits = [
        (service("a"), image("x:1")),
        (service("b"), image("x:1")),
        (service("c"), image("y:1")),
    ];
    let back = set_images_to(&edited, &edits.into(), Some(&sha256_hex(two)));
    assert_eq!(back.as_deref(), Ok(two));
}

#[test]
fn a_long_file_is_edited_in_its_one_line() {
    let mut text = String::from("services:\n");
    for i in 0..2500 {
        text.push_str(&format!(
            "  s{i}:\n    # {i}\n    image: x:{i}\n    ports: [\"{i}:1\"]\n"
        ));
    }
    assert!(text.lines().count() > 10_000);
    let edited = set(&text, &[("s1234", "new:2")]).expect("edited");
    assert_eq!(
        edited,
        text.replacen("image: x:1234\n", "image: new:2\n", 1)
    );
}

#[test]
fn quotes_a_reference_that_yaml_would_not_read_as_text() {
    for (reference, written) in [
        ("1.20", "\"1.20\""),
        ("no", "\"no\""),
        ("null", "\"null\""),
        ("2024-01-01", "\"2024-01-01\""),
        ("n8n", "n8n"),
    ] {
        let edited = set("services:\n  a:\n    image: x:1\n", &[("a", reference)]);
        assert_eq!(
            edited,
            Ok(format!("services:\n  a:\n    image: {written}\n"))
        );
    }
}

#[test]
fn a_reference_that_is_there_already_changes_nothing() {
    assert_eq!(
        set(
            COMPOSE,
            &[("n8n", "n8nio/n8n:1.19.0"), ("postgres", "postgres:15.8")]
        ),
        Ok(COMPOSE.into())
    );
    let merged = "x: &x {image: x:1}\nservices:\n  a: {<<: *x}\n";
    assert_eq!(set(merged, &[("a", "x:1")]), Ok(merged.into()));
    assert_eq!(set(COMPOSE, &[]), Ok(COMPOSE.into()));
}

#[test]
fn several_edits_at_once() {
    let edited = set(
        COMPOSE,
        &[
            ("postgres", "postgres:15.9"),
            ("n8n", "n8nio/n8n:1.20.0"),
            ("ollama", "ollama/ollama:0.4.0"),
        ],
    )
    .expect("it can be edited");
    let expected = COMPOSE
        .replace("n8nio/n8n:1.19.0", "n8nio/n8n:1.20.0")
        .replace("postgres:15.8", "postgres:15.9")
        .replace("ollama/ollama:0.3.12", "ollama/ollama:0.4.0");
    assert_eq!(edited, expected);
}

#[test]
fn refuses_by_name_what_it_cannot_edit_alone() {
    // (what, text, the message's beginning); always a → new:2
    let table = [
        (
            "alias service",
            "services:\n  b: &b {image: x:1}\n  a: *b\n",
            "service a is not written out",
        ),
        (
            "services merged in",
            "x: &x {a: {image: x:1}}\nservices:\n  <<: *x\n",
            "service a is not written out",
        ),
        (
            "services an alias",
            "x: &x {a: {image: x:1}}\nservices: *x\n",
            "service a is not written out",
        ),
        (
            "alias image",
            "x: &i x:1\nservices:\n  a: {image: *i}\n",
            "the image of service a is a YAML alias",
        ),
        (
            "anchored image that others take",
            "services:\n  a: {image: &i x:1}\n  b: {image: *i}\n",
            "the image of service a is shared by a YAML anchor; changing it would also change /services/b/image",
        ),
        (
            "anchored service that others merge",
            "services:\n  a: &a {image: x:1}\n  b: {<<: *a}\n",
            "the image of service a is shared by a YAML anchor; changing it would also change /services/b/<</image",
        ),
        (
            "anchor and a key like a path",
            "services:\n  a: {image: &i x:1}\nservices/a: {image: *i}\n",
            "the image of service a is shared by a YAML anchor; changing it would also change /services~1a/image",
        ),
        (
            "interpolated",
            "services:\n  a: {image: \"x:${TAG}\"}\n",
            "the image of service a is interpolated",
        ),
        (
            "interpolated, plain",
            "services:\n  a:\n    image: ${I:-x:1}\n",
            "the image of service a is interpolated",
        ),
        (
            "escaped dollar",
            "services:\n  a:\n    image: x$$y\n",
            "the image of service a is interpolated",
        ),
        (
            "several documents",
            "services:\n  a: {image: x:1}\n---\nb: 1\n",
            "the compose file holds several YAML documents",
        ),
        (
            "duplicate image",
            "services:\n  a:\n    image: x:1\n    image: y:1\n",
            "the compose file has a key twice",
        ),
        (
            "duplicate service",
            "services:\n  a: {image: x:1}\n  'a': {image: y:1}\n",
            "the compose file has a key twice",
        ),
        (
            "no such service",
            "services:\n  b: {image: x:1}\n",
            "there is no service a; the compose file has b",
        ),
        (
            "build",
            "services:\n  a: {image: x:1, build: .}\n",
            "service a is built on the host",
        ),
        (
            "build only",
            "services:\n  a:\n    build: {context: .}\n",
            "service a is built on the host",
        ),
        (
            "merged build",
            "x: &x {build: .}\nservices:\n  a: {<<: *x, image: x:1}\n",
            "service a is built on the host",
        ),
        (
            "no image",
            "services:\n  a: {restart: always}\n",
            "service a has no image",
        ),
        (
            "extends",
            "services:\n  a: {extends: b}\n",
            "service a has no image of its own; it extends another service",
        ),
        (
            "empty image",
            "services:\n  a:\n    image:\n    restart: always\n",
            "service a has no image",
        ),
        (
            "null image",
            "services:\n  a: {image: null}\n",
            "service a has no image",
        ),
        (
            "number",
            "services:\n  a: {image: 15}\n",
            "the image of service a is a number",
        ),
        (
            "list",
            "services:\n  a: {image: [x]}\n",
            "the image of service a is a list",
        ),
        (
            "folded",
            "services:\n  a:\n    image: >-\n      x:1\n",
            "the image of service a is text over several lines",
        ),
        (
            "literal",
            "services:\n  a:\n    image: |\n      x:1\n",
            "the image of service a is text over several lines",
        ),
        (
            "over two lines",
            "services:\n  a:\n    image: x:1\n      y\n",
            "the image of service a is text over several lines",
        ),
        (
            "over two lines, quoted",
            "services:\n  a:\n    image: \"x:1\n      y\"\n",
            "the image of service a is text over several lines",
        ),
        (
            "tag",
            "services:\n  a: {image: !!str x:1}\n",
            "the image of service a is a value with a tag",
        ),
        (
            "own tag",
            "services:\n  a: {image: !override x:1}\n",
            "the image of service a is a value with a tag",
        ),
        (
            "service with a tag",
            "services:\n  a: !override {image: x:1}\n",
            "service a is not written out",
        ),
        (
            "tab as indentation",
            "services:\n\ta:\n\t\timage: x:1\n",
            "the compose file is not valid YAML at line",
        ),
        (
            "not YAML",
            "services: {a: {image: x:1}\n",
            "the compose file is not valid YAML at line",
        ),
        (
            "unknown anchor",
            "services:\n  a: *nobody\n",
            "the compose file is not valid YAML at line",
        ),
        (
            "no services",
            "image: x:1\n",
            "the compose file's services are missing",
        ),
        (
            "services a list",
            "services: [a]\n",
            "the compose file's services are a list",
        ),
        ("empty", "", "the compose file's services are missing"),
        (
            "merge of a text",
            "services:\n  a: {<<: x, image: y:1}\n",
            "a merge key (<<) of the compose file",
        ),
        (
            "another service is empty",
            "services:\n  a: {image: x:1}\n  b:\n",
            "'b' is not a service that Compose would take",
        ),
        (
            "include",
            "include: [other.yml]\nservices:\n  b: {image: x:1}\n",
            "service a comes from a file that the compose file includes",
        ),
        (
            "merged, and merged on by another",
            "x: &x {image: x:1}\nservices:\n  a: &a\n    <<: *x\n  b: {<<: *a}\n",
            "the image of service a is shared by a YAML anchor; changing it would also change /services/b/<<",
        ),
        (
            "interpolated, and merged",
            "x: &x {image: 'x:${T}'}\nservices:\n  a:\n    <<: *x\n    image: 'x:${T:-1}$U'\n",
            "the image of service a is interpolated ($T, $U); expected it written out",
        ),
    ];
    for (what, text, message) in table {
        match set(text, &[("a", "new:2")]) {
            Ok(edited) => panic!("{what}: was edited to {edited}"),
            Err(error) => {
                let said = error.to_string();
                assert!(said.starts_with(message), "{what}: {said}");
                assert!(!error.help().is_empty(), "{what}");
            }
        }
    }
}

#[test]
fn a_refusal_among_several_edits_names_its_own_service() {
    let text = "services:\n  a: {image: x:1}\n  b: {image: &i y:1}\n  c: {image: *i}\n";
    let refused = set(text, &[("a", "x:2"), ("b", "y:2")]);
    assert!(
        matches!(&refused, Err(ComposeError::Shared { service: s, .. }) if s.as_str() == "b"),
        "{refused:?}"
    );
}

#[test]
fn bounds_what_it_reads() {
    let long = format!("services:\n  a: {{image: x:1}}\n#{}", "x".repeat(1 << 20));
    assert!(matches!(
        set(&long, &[("a", "x:2")]),
        Err(ComposeError::TooLarge { .. })
    ));
    let deep = format!(
        "services:\n  a: {{image: x:1}}\nx: {}1{}\n",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(matches!(
        set(&deep, &[("a", "x:2")]),
        Err(ComposeError::NotYaml { .. })
    ));
    let mut bomb = String::from("x0: &x0 [1,1,1,1,1,1,1,1,1]\n");
    for i in 1..12 {
        let one = format!("*x{}", i - 1);
        bomb.push_str(&format!("x{i}: &x{i} [{}]\n", [one.as_str(); 9].join(",")));
    }
    bomb.push_str("services:\n  a: {image: x:1}\n");
    assert!(matches!(
        set(&bomb, &[("a", "x:2")]),
        Err(ComposeError::NotYaml { .. })
    ));
}

#[test]
fn no_error_and_no_diff_shows_other_text() {
    let secret = "hunter2";
    for text in [
        format!(
            "services:\n  a:\n    environment: [\"PW={secret}\"]\n    image: ${{X:-{secret}}}\n"
        ),
        format!("services:\n  a: [{secret}\n"),
        format!("services:\n  a: {{image: x:1}}\n{secret}\n"),
        format!("services:\n  a: {{image: x:1, environment: {{{secret}: 1, {secret}: 2}}}}\n"),
        format!("services:\n  a: *{secret}\n"),
        format!("services:\n  a: {{image: [{secret}]}}\n"),
    ] {
        let error = set(&text, &[("a", "new:2")]).expect_err("it is refused");
        let shown = format!("{error} {error:?} {}", error.help());
        assert!(!shown.contains(secret), "{shown}");
    }
    let one_line =
        format!("services: {{a: {{image: x:1, environment: {{PW: {secret}}}}}}} # {secret}\n");
    let edited = set(&one_line, &[("a", "new:2")]).expect("it can be edited");
    let diff = unified_diff(&one_line, &edited);
    assert_eq!(
        diff,
        "@@ services.a @@\n-    image: x:1\n+    image: new:2\n"
    );
}

#[test]
fn the_diff_holds_the_image_lines_alone() {
    let edited = set(
        COMPOSE,
        &[
            ("n8n", "n8nio/n8n:1.20.0"),
            ("ollama", "ollama/ollama:0.4.0"),
        ],
    )
    .expect("edited");
    assert_eq!(
        unified_diff(COMPOSE, &edited),
        "@@ services.n8n @@\n-    image: n8nio/n8n:1.19.0\n+    image: n8nio/n8n:1.20.0\n\
         @@ services.ollama @@\n-    image: \"ollama/ollama:0.3.12\"\n+    image: \"ollama/ollama:0.4.0\"\n"
    );
    assert_eq!(unified_diff(COMPOSE, COMPOSE), "");
    // One that comes, one that goes, and two that only change places.
    let before = "services: {a: {image: x:1}, b: {image: y:1}, c: {image: z:1}}";
    let after = "services: {c: {image: z:1}, b: {image: y:1}, d: {image: w:1}}";
    assert_eq!(
        unified_diff(before, after),
        "@@ services.a @@\n-    image: x:1\n@@ services.d @@\n+    image: w:1\n"
    );
}

#[test]
fn mappings_that_seem_to_stand_within_each_other_on_one_line_do_not_end_the_process() {
    // Found by hostile input: the parser of places went a call deeper for each.
    let many = "  b: *s".repeat(9_000);
    let text = format!("services:\n  a: &s\n    image: x:1\n{many}\n");
    assert!(places(&text).len() <= 9_001);
    let line = super::super::extension::line_of(&text, &["services", "a", "image"]);
    assert_eq!(line, Some(3));
    let edited = set(&text, &[("a", "new:2")]);
    assert!(
        matches!(edited, Err(ComposeError::NotYaml { .. })),
        "{edited:?}"
    );
}
