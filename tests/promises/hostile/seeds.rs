//! What the inputs are made from: real ones.

use std::path::Path;
use std::sync::{Arc, Mutex};

use geusemaker::cloud::Clock;
use geusemaker::cloud::aws::{Aws, in_process};
use geusemaker::sandbox::connector;
use geusemaker::sandbox::memory::VirtualClock;
use geusemaker::sandbox::wire::handle;
use geusemaker::sandbox::world::World;

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
        let body: serde_json::Value = serde_json::from_slice(body).expect("JSON");
        both.extend(body.as_object().expect("an object").clone());
    }
    let both = serde_json::Value::Object(both);
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
