//! Files of real projects and random texts: either only the asked images differ, or it is refused.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_yaml::Value;

use super::{ComposeError, ServiceDoc, read_services, set_images, set_images_to, unified_diff};
use crate::model::{ServiceName, sha256_hex};
use crate::plan::fixtures::{image, service};

fn set(text: &str, edits: &[(&str, &str)]) -> Result<String, ComposeError> {
    let edits: BTreeMap<ServiceName, _> =
        edits.iter().map(|(s, i)| (service(s), image(i))).collect();
    set_images(text, &edits)
}

/// The files that real projects ship.
fn corpus() -> Vec<(&'static str, &'static str)> {
    macro_rules! files {
        ($($name:literal),* $(,)?) => {
            vec![$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/compose-corpus/", $name)))),*]
        };
    }
    files![
        "awesome-elasticsearch-logstash-kibana.yaml",
        "awesome-gitea-postgres.yaml",
        "awesome-minecraft.yaml",
        "awesome-nextcloud-postgres.yaml",
        "awesome-nextcloud-redis-mariadb.yaml",
        "awesome-nginx-flask-mysql.yaml",
        "awesome-pihole-cloudflared-DoH.yaml",
        "awesome-plex.yaml",
        "awesome-portainer.yaml",
        "awesome-postgresql-pgadmin.yaml",
        "awesome-prometheus-grafana.yaml",
        "awesome-traefik-golang.yaml",
        "awesome-wireguard.yaml",
        "awesome-wordpress-mysql.yaml",
        "self-hosted-ai-starter-kit.yml",
    ]
}

/// What was edited, checked from outside: without the new reference's line, nothing differs.
fn only_images_differ(old: &str, new: &str, edits: usize) -> Result<(), String> {
    let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    if old.ends_with('\n') != new.ends_with('\n') {
        return Err("the end was changed".into());
    }
    let diff = similar::TextDiff::from_slices(&before, &after);
    let gone = |tag| diff.iter_all_changes().filter(|c| c.tag() == tag).count();
    let (lost, added) = (
        gone(similar::ChangeTag::Delete),
        gone(similar::ChangeTag::Insert),
    );
    // A line of its own for an image that was merged in, or one line for another.
    if added > edits || lost > added {
        return Err(format!("{lost} lines were lost, {added} added"));
    }
    let strip = |text: &str| -> Result<Value, String> {
        let mut value: Value = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
        if let Some(services) = value.get_mut("services").and_then(Value::as_mapping_mut) {
            for (_, service) in services.iter_mut() {
                if let Some(map) = service.as_mapping_mut() {
                    map.remove("image");
                }
            }
        }
        Ok(value)
    };
    if strip(old)? == strip(new)? {
        Ok(())
    } else {
        Err("something besides images differs".into())
    }
}

#[test]
fn every_service_of_the_corpus_is_edited_or_refused() {
    let mut edited_services = 0;
    let (mut refused, mut merged) = (Vec::new(), Vec::new());
    for (name, text) in corpus() {
        let services = read_services(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(!services.is_empty(), "{name}");
        let mut all = BTreeMap::new();
        for (service, doc) in &services {
            let edits = [(service.clone(), image("registry.example/new:2"))].into();
            match set_images(text, &edits) {
                Ok(edited) => {
                    only_images_differ(text, &edited, 1)
                        .unwrap_or_else(|e| panic!("{name} {service}: {e}"));
                    if doc.merged {
                        merged.push(service.to_string());
                    }
                    // Undone, it is the very text.
                    let was = image(doc.image.as_deref().expect("has one"));
                    let back = [(service.clone(), was)].into();
                    let back = set_images_to(&edited, &back, Some(&sha256_hex(text)));
                    assert_eq!(back.as_deref(), Ok(text), "{name} {service}");
                    let after = read_services(&edited).expect("it can be read");
                    let expected = ServiceDoc {
                        image: Some("registry.example/new:2".into()),
                        merged: false,
                        ..doc.clone()
                    };
                    assert_eq!(after[service], expected, "{name} {service}");
                    all.extend(edits);
                    edited_services += 1;
                }
                Err(ComposeError::Builds { .. }) => {
                    assert!(doc.build, "{name} {service}");
                    refused.push(service.to_string());
                }
                Err(other) => panic!("{name} {service}: {other}"),
            }
        }
        let edited = set_images(text, &all).unwrap_or_else(|e| panic!("{name}: {e}"));
        only_images_differ(text, &edited, all.len()).unwrap_or_else(|e| panic!("{name}: {e}"));
        // And back again is the very text.
        let back = all
            .keys()
            .map(|s| {
                (
                    s.clone(),
                    image(services[s].image.as_deref().expect("has one")),
                )
            })
            .collect();
        let back = set_images_to(&edited, &back, Some(&sha256_hex(text)));
        assert_eq!(back.as_deref(), Ok(text), "{name}");
    }
    // What is built on the host is no target; all else is edited.
    assert_eq!(edited_services, 34);
    assert_eq!(refused, ["backend", "proxy", "backend"]);
    assert_eq!(
        merged,
        [
            "n8n",
            "n8n-import",
            "ollama-cpu",
            "ollama-gpu",
            "ollama-pull-llama-cpu",
            "ollama-pull-llama-gpu"
        ]
    );
}

/// Pieces that small compose files are made of, the awkward ones included.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "services:",
        "services: ",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "  ",
        "    ",
        "\t",
        "a:",
        "a: ",
        "  a:\n",
        "  b:\n",
        "  'a':\n",
        "    image: x:1\n",
        "    image: 'x:1' # c\n",
        "    \"image\": \"y\"\n",
        "    image: &i x:1\n",
        "    image: *i\n",
        "    image: >-\n      x:1\n",
        "    <<: *s\n",
        "  a: &s\n",
        "  b: *s\n",
        "&s ",
        "*s",
        "image: x:1",
        "image",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\"",
        "'",
        "# c\n",
        "? ",
        "| \n",
        "---\n",
        "...\n",
        "!!str ",
        "!x ",
        "${T}",
        "\u{feff}",
        "ä",
        "x:1",
        "    environment: {A: 1}\n",
        "    build: .\n",
        "x: &x {image: q}\n",
        "<<: *x\n",
        "%YAML 1.1\n",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_refused_or_only_its_images_differ(pieces in prop::collection::vec(piece(), 0..25), whole in any::<bool>()) {
        let mut text: String = pieces.concat();
        if whole {
            text = format!("services:\n  a:\n    image: x:1\n{text}");
        }
        if let Ok(edited) = set(&text, &[("a", "new:2")]) {
            prop_assert!(only_images_differ(&text, &edited, 1).is_ok(), "{text:?} became {edited:?}");
            let back = read_services(&edited).ok().and_then(|mut s| s.remove(&service("a")));
            prop_assert_eq!(back.and_then(|d| d.image), Some("new:2".to_owned()));
            prop_assert_eq!(set(&edited, &[("a", "new:2")]), Ok(edited.clone()));
        }
        let _ = read_services(&text);
        let _ = unified_diff(&text, &text);
    }

    #[test]
    fn any_characters_do_no_harm(text in "[ -~\\n\\tä]{0,80}") {
        if let Ok(edited) = set(&text, &[("a", "new:2")]) {
            prop_assert!(only_images_differ(&text, &edited, 1).is_ok());
        }
    }
}
