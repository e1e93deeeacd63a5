//! What Docker takes, what it refuses, and what was meant.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn image(text: &str) -> ImageRef {
    ImageRef::new(text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn keeps_what_was_typed_and_knows_what_docker_makes_of_it() {
    // (typed, normalized, name, last segment, tag)
    let with_digest = format!("postgres@sha256:{HEX}");
    let with_both = format!("n8nio/n8n:1.20.0@sha256:{HEX}");
    let table = [
        (
            "postgres",
            "docker.io/library/postgres:latest",
            "postgres",
            "postgres",
            Some("latest"),
        ),
        (
            "n8nio/n8n:1.20.0",
            "docker.io/n8nio/n8n:1.20.0",
            "n8nio/n8n",
            "n8n",
            Some("1.20.0"),
        ),
        (
            "docker.n8n.io/n8nio/n8n",
            "docker.n8n.io/n8nio/n8n:latest",
            "docker.n8n.io/n8nio/n8n",
            "n8n",
            Some("latest"),
        ),
        (
            "localhost:5000/a/b:X",
            "localhost:5000/a/b:X",
            "localhost:5000/a/b",
            "b",
            Some("X"),
        ),
        (
            "127.0.0.1:5000/a",
            "127.0.0.1:5000/a:latest",
            "127.0.0.1:5000/a",
            "a",
            Some("latest"),
        ),
        (
            "a__b/c--d.e:_1",
            "docker.io/a__b/c--d.e:_1",
            "a__b/c--d.e",
            "c--d.e",
            Some("_1"),
        ),
        (
            &with_digest,
            &format!("docker.io/library/postgres@sha256:{HEX}"),
            "postgres",
            "postgres",
            None,
        ),
        (
            &with_both,
            &format!("docker.io/n8nio/n8n:1.20.0@sha256:{HEX}"),
            "n8nio/n8n",
            "n8n",
            Some("1.20.0"),
        ),
        (
            "1.20.0",
            "docker.io/library/1.20.0:latest",
            "1.20.0",
            "1.20.0",
            Some("latest"),
        ),
    ];
    for (typed, normalized, name, last, tag) in table {
        let image = image(typed);
        assert_eq!(image.as_str(), typed);
        assert_eq!(image.normalized(), normalized, "{typed}");
        assert_eq!(
            (image.name(), image.last_segment(), image.tag().as_deref()),
            (name, last, tag),
            "{typed}"
        );
    }
}

#[test]
fn refuses_what_docker_refuses() {
    let long_tag = format!("a:{}", "t".repeat(129));
    let long_name = "a".repeat(256);
    let ten_kb = "a".repeat(10_240);
    let short_digest = "a@sha256:0123".to_owned();
    let upper_digest = format!("a@sha256:{}", HEX.to_uppercase());
    let table: &[(&str, &str)] = &[
        ("", "like n8nio"),
        ("N8nio/n8n:1", "lower case"),
        ("docker.io/N8N/n8n", "lower case"),
        ("n8n:", "a tag after"),
        ("n8n:@", "a tag after"),
        (":1.20.0", "a repository before"),
        (":", "a repository before"),
        ("n8n:1 2", "without spaces"),
        (" n8n", "without spaces"),
        ("n8n\n", "without spaces"),
        ("n8n\u{0}", "without spaces"),
        ("n8n\u{1b}[31m", "without spaces"),
        ("n8n\u{a0}x", "without spaces"),
        ("-x", "like n8nio"),
        ("--privileged", "like n8nio"),
        ("n8n:-x", "like n8nio"),
        ("n8n:.x", "like n8nio"),
        ("n8n:ü", "ASCII"),
        ("ñ8n", "ASCII"),
        ("n8n;rm", "like n8nio"),
        ("n8n'x", "like n8nio"),
        ("n8n\"x", "like n8nio"),
        ("$(id)", "like n8nio"),
        ("${TAG}", "lower case"),
        ("a//b", "like n8nio"),
        ("a/", "like n8nio"),
        ("/a", "like n8nio"),
        ("../../x", "like n8nio"),
        ("a:b:c", "like n8nio"),
        ("a@", "a digest"),
        ("a@b", "a digest"),
        ("@sha256:0", "a repository before"),
        ("https://example.com/a", "like n8nio"),
        (HEX, "not an image id"),
        (&short_digest, "a digest"),
        (&upper_digest, "a digest in lower case"),
        (&long_tag, "at most 128"),
        (&long_name, "like n8nio"),
        (&ten_kb, "at most 1024"),
    ];
    for (typed, expected) in table {
        let error = ImageRef::new(*typed).expect_err(typed);
        assert_eq!(error.found, *typed);
        assert!(
            error.expected.contains(expected),
            "{typed:?}: {}",
            error.expected
        );
        assert!(
            !error.to_string().chars().any(char::is_control) && error.to_string().len() < 400,
            "{error}"
        );
    }
    assert!(ImageRef::new(format!("a:{}", "t".repeat(128))).is_ok());
    // Docker counts `library/` too.
    assert!(ImageRef::new("a".repeat(247)).is_ok());
    assert!(ImageRef::new("a".repeat(248)).is_err());
}

#[test]
fn asks_what_was_meant() {
    let table = [
        (
            "n8nio/n8n:1.19.0",
            "1.20.0",
            Some("did you mean n8nio/n8n:1.20.0?"),
        ),
        (
            "n8nio/n8n:1.19.0",
            "v1.20.0-rc.1",
            Some("did you mean n8nio/n8n:v1.20.0-rc.1?"),
        ),
        (
            "n8nio/n8n:1.19.0",
            ":1.20.0",
            Some("did you mean n8nio/n8n:1.20.0?"),
        ),
        (
            "n8nio/n8n:1.19.0",
            "latest",
            Some("did you mean n8nio/n8n:latest?"),
        ),
        (
            "localhost:5000/n8n",
            "2",
            Some("did you mean localhost:5000/n8n:2?"),
        ),
        (
            "postgres:15.8",
            "15.9-alpine",
            Some("did you mean postgres:15.9-alpine?"),
        ),
        (
            "n8nio/n8n:1.19.0",
            "n8n:1.20.0",
            Some("did you mean n8nio/n8n:1.20.0?"),
        ),
        ("n8nio/n8n:1.19.0", "n8n", Some("did you mean n8nio/n8n?")),
        ("n8nio/n8n:1.19.0", "n8nio/n8n:1.20.0", None),
        ("n8nio/n8n:1.19.0", "docker.io/n8nio/n8n:1.20.0", None),
        ("n8nio/n8n:1.19.0", "mine/n8n:1.20.0", None),
        ("postgres:15.8", "postgres:16", None),
        ("postgres:15.8", "pgvector/pgvector:pg15", None),
        ("n8nio/n8n:1.19.0", "1password", None),
        ("n8nio/n8n:1.19.0", "not a reference", None),
        ("n8nio/n8n:1.19.0", "1.20.0 --privileged", None),
    ];
    for (current, typed, expected) in table {
        assert_eq!(hint(&image(current), typed).as_deref(), expected, "{typed}");
    }
}

#[test]
fn the_major_version_of_a_tag() {
    let table = [
        ("15", Some(15)),
        ("15.8", Some(15)),
        ("15-alpine", Some(15)),
        ("v15.8", Some(15)),
        ("16rc1", Some(16)),
        ("16beta2-alpine", Some(16)),
        ("latest", None),
        ("", None),
        ("v", None),
        ("0a1b2c3", None),
        ("15abc", None),
        ("99999999999999", None),
        ("alpine", None),
    ];
    for (tag, major) in table {
        assert_eq!(major_of(tag), major, "{tag}");
    }
}

#[test]
fn the_same_repository_however_it_was_typed() {
    let same = [
        ("postgres:15", "docker.io/library/postgres@sha256:"),
        ("n8nio/n8n", "index.docker.io/n8nio/n8n:1"),
    ];
    for (a, b) in same {
        let b = if b.ends_with(':') {
            format!("{b}{HEX}")
        } else {
            b.to_owned()
        };
        assert!(image(a).same_repository(&image(&b)), "{a} {b}");
    }
    for (a, b) in [
        ("n8n", "n8nio/n8n"),
        ("ghcr.io/a/b", "a/b"),
        ("postgres", "postgres2"),
    ] {
        assert!(!image(a).same_repository(&image(b)), "{a} {b}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_is_taken_is_safe_to_pass_on(typed in "\\PC{0,40}|[a-zA-Z0-9._/:@-]{0,60}") {
        if let Ok(image) = ImageRef::new(typed.as_str()) {
            prop_assert_eq!(image.as_str(), &typed);
            prop_assert!(typed.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/:@-".contains(&b)));
            prop_assert!(!typed.starts_with('-'));
            prop_assert!(typed.starts_with(image.name()));
            let again = ImageRef::new(image.normalized());
            prop_assert_eq!(again.map(|r| r.normalized()), Ok(image.normalized()));
        }
        let _ = (hint(&ImageRef::new("a/b:1").expect("ok"), &typed), major_of(&typed));
    }

    /// The image specification's own library is the judge of the grammar. It takes more than Docker does, by the rules that are left out here.
    #[test]
    fn the_grammar_is_that_of_the_image_specification_s_library(typed in like_a_reference()) {
        let theirs = typed.parse::<oci_spec::distribution::Reference>();
        match ImageRef::new(typed.as_str()) {
            Ok(ours) => {
                let theirs = theirs.expect(&typed);
                let of = |text: Option<&str>| text.map(str::to_owned);
                prop_assert_eq!(ours.normalized(), theirs.whole());
                prop_assert_eq!(ours.registry(), theirs.registry());
                prop_assert_eq!(ours.repository(), theirs.repository());
                prop_assert_eq!(ours.tag(), of(theirs.tag()));
                prop_assert_eq!(ours.digest(), of(theirs.digest()));
            }
            Err(refused) if theirs.is_ok() => {
                let is_stricter = ["a repository in lower case", "a repository, not an image id", "a digest in lower case"];
                let known = is_stricter.iter().any(|rule| refused.expected.starts_with(rule));
                prop_assert!(known, "{typed:?}: {}", refused.expected);
            }
            Err(_) => {}
        }
    }
}

/// A comparison of what neither takes shows nothing.
#[test]
fn of_what_is_compared_a_good_part_is_a_reference() {
    let mut runner = TestRunner::deterministic();
    let mut draw = || like_a_reference().new_tree(&mut runner).expect("a text");
    let taken = |text: String| usize::from(ImageRef::new(text).is_ok());
    let taken: usize = (0..1000).map(|_| taken(draw().current())).sum();
    assert!((200..=800).contains(&taken), "{taken} of 1000");
}

fn like_a_reference() -> impl Strategy<Value = String> {
    let part = |good: &'static str, any: &'static str| prop_oneof![6 => good, 1 => any];
    let host = part(
        "((localhost|index\\.docker\\.io|docker\\.io|[a-zA-Z0-9]{1,3}(\\.[a-z0-9]{1,3}){1,2}|a_b\\.c)(:[0-9]{1,4})?/)?",
        "[a-zA0-9._-]{0,4}(:[0-9a]{0,3})?/",
    );
    let path = part(
        "[a-c0-9]{1,4}((\\.|_|__|-{1,3})[a-c0-9]{1,3}){0,2}(/[a-c0-9]{1,4}){0,2}|a{240,255}",
        "[a-zA0-9._-]{0,8}(/[a-c._-]{0,4}){0,2}|a{248,260}",
    );
    let tag = part(
        "(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,5}|:[a-c]{120,128})?",
        ":[a-zA-Z0-9_.-]{0,5}|:[a-c]{126,132}",
    );
    let digest = part(
        "(@(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}))?",
        "@(sha256|sha384|sha512|md5|SHA256|sha256\\+b64)?:?([0-9a-fA-F]{0,5}|[0-9a-f]{62,66}|[0-9a-fA-F]{96}|[0-9a-f]{128})",
    );
    let shaped = (host, path, tag, digest)
        .prop_map(|(host, path, tag, digest)| format!("{host}{path}{tag}{digest}"));
    prop_oneof![6 => shaped, 1 => "[a-z0-9._/:@-]{0,40}"]
}
