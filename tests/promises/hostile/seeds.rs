//! What the inputs are made from: real ones.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use geusemaker::cloud::Clock;
use geusemaker::cloud::aws::{Aws, in_process};
use geusemaker::host::scripts::Verb;
use geusemaker::journal::{Entry, Line};
use geusemaker::sandbox::connector;
use geusemaker::sandbox::memory::VirtualClock;
use geusemaker::sandbox::wire::handle;
use geusemaker::sandbox::world::World;
use serde_json::Value;

use crate::properties::wire;

/// The seeds of a property.
pub fn of(property: &str) -> Vec<Vec<u8>> {
    let seeds = match property {
        "image" => words(&[
            "n8n",
            "n8nio/n8n:1.20.0",
            "localhost:5000/a/b:c",
            "docker.io/library/postgres:16",
            "ghcr.io/a/b-c_d.e:v1.2-rc.1",
            "postgres@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "registry.example:443/team/app:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ]),
        "console" => words(&[
            "\u{1b}[0;1;31mFAILED\u{1b}[0m mount\r\nlogin: ",
            "\u{1b}]0;title\u{7}boot",
            "a\nb\nc\td",
        ]),
        "compose" => {
            let mut all = files("tests/data/compose-corpus");
            all.extend(files("compose-templates"));
            all.extend(words(&[
                "services:\n  a: &s\n    image: &i x:1\n  b: *s\n  c: {image: *i, ports: [\"1:1\"]}\nx-geusemaker:\n  health:\n    a: {http: \"http://localhost:1/\"}\n",
            ]));
            all.retain(|text| crate::properties::compose::holds(text));
            all
        }
        "wire_ec2" => recorded(wire::EC2),
        "wire_ssm" => recorded(wire::SSM),
        "wire_efs" => of_efs(recorded(wire::EFS)),
        name => files(&format!("tests/data/hostile/{name}")),
    };
    assert!(!seeds.is_empty(), "{property} has no seeds");
    seeds
}

fn words(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs_err::read_dir(folder).expect("seeds");
    let mut paths: Vec<_> = entries.map(|e| e.expect("readable").path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths
        .iter()
        .map(|path| fs_err::read(path).expect("a seed"))
        .collect()
}

/// Both answers in one, too: the one input answers both calls.
fn of_efs(mut seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut both = serde_json::Map::new();
    for seed in &seeds {
        let body = seed.split(|b| *b == b'\n').nth(1).expect("a body");
        let body: Value = serde_json::from_slice(body).expect("JSON");
        both.extend(body.as_object().expect("an object").clone());
    }
    let both = Value::Object(both);
    seeds.push(format!("{} 200\n{both}", wire::EFS[0]).into_bytes());
    seeds
}

/// What the sandbox answers to our adapters, where it takes and where it refuses.
fn recorded(calls: &[&str]) -> Vec<Vec<u8>> {
    let now = "2026-11-20T10:00:00Z".parse().expect("a time");
    let clock = VirtualClock::at(now);
    let world = Arc::new(Mutex::new(World::new(now)));
    let kept = Arc::new(Mutex::new(Vec::<(u16, Vec<u8>)>::new()));
    let (asked, to) = (Arc::clone(&world), Arc::clone(&kept));
    let http = connector::over(move |request| {
        let reply = handle(&mut asked.lock().expect("the world"), request, clock.now());
        let seen = (reply.status().as_u16(), reply.body().to_vec());
        to.lock().expect("what was said").push(seen);
        Ok(reply)
    });
    let aws = Aws::new(&in_process(http, "us-east-1")).expect("a region");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut seeds = Vec::new();
    for call in calls {
        let _ = runtime.block_on(wire::ask(&aws, call));
        for (status, body) in kept.lock().expect("what was said").drain(..) {
            let mut seed = format!("{call} {status}\n").into_bytes();
            seed.extend(body);
            seeds.push(seed);
        }
    }
    seeds
}

/// The verb of a host's document, and the document.
fn reply(seed: &[u8]) -> (String, Value) {
    let text = String::from_utf8_lossy(seed);
    let (verb, document) = text.split_once('\n').expect("a verb");
    (verb.into(), serde_json::from_str(document).expect("JSON"))
}

/// Whether a host's document says why not.
pub fn is_refusal(seed: &[u8]) -> bool {
    reply(seed).1.get("error").is_some()
}

#[test]
fn each_verb_of_the_host_has_a_seed_and_so_has_a_refusal() {
    let seeds: Vec<(String, Value)> = of("reply").iter().map(|seed| reply(seed)).collect();
    for verb in Verb::ALL {
        let answered = |(of, document): &(String, Value)| {
            let made = verb != Verb::LookMade || document["pending"].is_string();
            of == verb.name() && made && document.get("error").is_none()
        };
        assert!(seeds.iter().any(answered), "{verb:?}");
    }
    let codes: BTreeSet<&str> = seeds
        .iter()
        .filter_map(|(_, document)| document["error"]["code"].as_str())
        .collect();
    // The one that says what the host has seen, and those that do not.
    assert!(codes.contains("fenced") && codes.len() > 1, "{codes:?}");
}

#[test]
fn each_kind_of_journal_entry_has_a_seed() {
    let schema = serde_json::to_value(schemars::schema_for!(Entry)).expect("JSON");
    let kinds = schema["oneOf"].as_array().expect("one schema for each");
    let kinds = kinds.iter().map(|kind| {
        let name = kind["properties"]["entry"]["const"].as_str();
        name.expect("a name").to_owned()
    });
    let mut seen = BTreeSet::new();
    let mut looks = 0;
    for seed in of("journal") {
        for line in seed.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let Line { entry, .. } = serde_json::from_slice(line).expect("an entry");
            looks += u32::from(matches!(entry, Entry::Observed { .. }));
            let value = serde_json::to_value(&entry).expect("JSON");
            seen.insert(value["entry"].as_str().expect("its kind").to_owned());
        }
    }
    assert_eq!(seen, kinds.collect());
    assert!(looks >= 3, "{looks} looks of a resume");
}
