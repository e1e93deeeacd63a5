//! Hostile values in each field of a compose file and of what a host answers.

use geusemaker::report::is_unsafe;
use geusemaker::sandbox::world::SEED_INSTANCE;
use serde_json::Value;

use super::canary::Canary;
use super::{seeds, spread};
use crate::properties::{compose, names, reply};
use crate::support::{Ran, Sandbox};

/// A file with a place for a value in each field that the program reads, and in some that only Compose does; as YAML in
/// quotes.
const FIELDS: &[&str] = &[
    "services: {@: {image: \"a:1\"}}",
    "services: {a: {image: @}}",
    "services: {a: {image: \"a:1\", @: 1}}",
    "services: {a: {image: \"a:1\", container_name: @}}",
    "services: {a: {image: \"a:1\", command: [\"x\", @]}}",
    "services: {a: {image: \"a:1\", entrypoint: @}}",
    "services: {a: {image: \"a:1\", environment: {@: 1}}}",
    "services: {a: {image: \"a:1\", environment: {A: @}}}",
    "services: {a: {image: \"a:1\", environment: [@]}}",
    "services: {a: {image: \"a:1\", env_file: @}}",
    "services: {a: {image: \"a:1\", labels: {@: @}}}",
    "services: {a: {image: \"a:1\", volumes: [@]}}",
    "services: {a: {image: \"a:1\", ports: [@]}}",
    "services: {a: {image: \"a:1\", networks: [@]}}",
    "services: {a: {image: \"a:1\", depends_on: [@]}}",
    "services: {a: {image: \"a:1\", restart: @}}",
    "services: {a: {image: \"a:1\", healthcheck: {test: [\"CMD-SHELL\", @], interval: @}}}",
    "services: {a: {image: \"a:1\", build: @}}",
    "services: {a: {image: \"a:1\", extends: @}}",
    "services: {a: {image: \"a:1\", healthcheck: {disable: @}}}",
    "services: {a: {image: \"a:1\", profiles: [@]}}",
    "services: {a: {image: \"a:1\", platform: @}}",
    "services: {a: {image: \"a:1\", scale: @}}",
    "services: {a: {image: \"a:1\", deploy: {replicas: @, restart_policy: {condition: @}}}}",
    "services: {a: {image: \"a:1\", deploy: {resources: {limits: {memory: @}, reservations: {memory: @}}}}}",
    "services: {a: {image: \"a:1\", deploy: {resources: {reservations: {devices: [{driver: @, capabilities: [[@]]}]}}}}}",
    "services: {a: {image: \"a:1\", mem_limit: @, mem_reservation: @}}",
    "services: {a: {image: \"a:1\", runtime: @, gpus: @}}",
    "services: {a: {image: \"a:1\", user: @, working_dir: @, hostname: @, network_mode: @}}",
    "services: {a: {image: \"a:1\", cap_add: [@], cap_drop: [@], dns: @, extra_hosts: [@]}}",
    "services: {a: {image: \"a:1\", secrets: [@], configs: [{source: @, target: @}]}}\nsecrets: {@: {file: @}}\nconfigs: {@: {content: @}}",
    "services: {a: {image: \"a:1\"}}\nnetworks: {@: {name: @}}\nvolumes: {@: {name: @, driver: @}}",
    "name: @\nservices: {a: {image: \"a:1\"}}",
    "include: [@]\nservices: {a: {image: \"a:1\"}}",
    "services: {a: {image: \"a:1\"}}\nx-geusemaker: {health: {@: {http: \"http://h/\"}}}",
    "services: {a: {image: \"a:1\"}}\nx-geusemaker: {health: {a: {http: @}}}",
    "services: {a: {image: \"a:1\"}}\nx-geusemaker: {health: {a: {tcp: @}}}",
    "services: {a: {image: \"a:1\"}}\nx-geusemaker: {health: {a: {command: [@]}}}",
    "services: {a: {image: \"a:1\"}}\nx-geusemaker: {health: {a: {http: \"http://h/\", timeout: @, @: @}}}",
    "services: {a: {image: \"a:1\"}}\nx-geusemaker: {health: {a: {http: \"http://h/\", status: @}}}",
    "services: {a: {image: \"a:1\"}}\nx-geusemaker: {health: {a: {container: @, interval: @, stable_for: @, start_period: @}}}",
    "services: {a: {image: \"a:1\"}}\nx-geusemaker: {@: @}",
];

#[test]
fn a_hostile_value_in_each_field_of_a_compose_file_is_kept_or_refused() {
    let names = names::all();
    let (mut taken, mut all) = (0, 0);
    for (at, field) in FIELDS.iter().enumerate() {
        for name in spread(&names, at, 12) {
            // Quoted as YAML and JSON both understand it, and not quoted at all.
            let quoted = serde_json::to_string(name).expect("a string");
            for value in [&quoted, name] {
                taken += u32::from(compose::holds(field.replace('@', value).as_bytes()));
                all += 1;
            }
        }
    }
    assert!(taken * 4 > all, "{taken} of {all}");
}

#[test]
fn a_hostile_value_in_each_field_of_a_host_s_reply_is_kept_or_refused() {
    let names = names::all();
    let (mut fields, mut taken) = (0, 0);
    for seed in seeds::of("reply") {
        let seed = String::from_utf8(seed).expect("text");
        let (verb, document) = seed.split_once('\n').expect("a verb");
        let document: Value = serde_json::from_str(document).expect("JSON");
        for path in leaves(&document, String::new()) {
            fields += 1;
            for name in spread(&names, fields, 60) {
                let was = document
                    .pointer(&path)
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let coded = format!("b64:{name}");
                // Behind what was there, too: its first words are understood, and what follows is not theirs.
                for value in [name.clone(), coded, format!("{was}{name}")] {
                    let mut changed = document.clone();
                    *changed.pointer_mut(&path).expect("a leaf") = Value::String(value);
                    taken += u32::from(reply::holds(format!("{verb}\n{changed}").as_bytes()));
                }
            }
        }
    }
    assert!(fields > 60 && taken > 500, "{fields} fields, {taken} taken");
}

/// The JSON pointers of all that is neither list nor mapping.
fn leaves(value: &Value, path: String) -> Vec<String> {
    let below = |key: String, value| {
        leaves(
            value,
            format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
        )
    };
    match value {
        Value::Array(all) => all
            .iter()
            .enumerate()
            .flat_map(|(at, v)| below(at.to_string(), v))
            .collect(),
        Value::Object(all) => all
            .iter()
            .flat_map(|(key, v)| below(key.clone(), v))
            .collect(),
        _ => vec![path],
    }
}

/// Through the binary, the host's shell and its Docker, and back: what stands in the file stands in the container, and
/// nowhere else.
#[test]
fn a_stack_full_of_hostile_values_is_updated_as_any_other() {
    let sandbox = Sandbox::new();
    sandbox.run(&["list"]).ended(0);
    let file = sandbox
        .host()
        .join("opt/geusemaker/runtime/docker-compose.yml");
    let text = fs_err::read_to_string(&file).expect("the compose file");
    // No file of YAML 1.2 can hold a NUL; a value of 10 kB is enough of its kind.
    let mut long = 0;
    let canary = Canary::new();
    let all = canary.words();
    let names: Vec<String> = spread(&all, 0, 6)
        .filter(|name| {
            let is_long = name.len() >= 1000;
            long += usize::from(is_long);
            !is_long || long == 1
        })
        .cloned()
        .collect();
    let quoted = |name: &String| yaml(&name.replace('$', "$$"));
    let each = |line: &dyn Fn(usize, String) -> String| -> String {
        names
            .iter()
            .enumerate()
            .map(|(at, name)| line(at, quoted(name)))
            .collect()
    };
    let environment = each(&|at, value| format!("      H{at}: {value}\n"));
    let labels = each(&|at, value| format!("      h{at}: {value}\n"));
    let n8n = "    container_name: n8n\n";
    let database = "      DB_TYPE: postgresdb\n";
    assert!(text.contains(n8n) && text.contains(database), "{text}");
    let text = text
        .replace(n8n, &format!("{n8n}    labels:\n{labels}"))
        .replace(database, &format!("{database}{environment}"));
    fs_err::write(&file, &text).expect("written");

    let update = [
        "update",
        "my-dev-stack",
        "--image",
        "n8n=n8nio/n8n:1.20.0",
        "--force",
    ];
    for (args, code) in [
        (&["status", "my-dev-stack"][..], 0),
        (&update[..], 0),
        (&["inspect", "my-dev-stack", "-o", "yaml"], 0),
        (&["history", "my-dev-stack", "-o", "json"], 0),
    ] {
        let output = sandbox
            .command(args)
            .current_dir(sandbox.path())
            .output()
            .expect("the binary runs");
        let ran = Ran::new(output);
        ran.ended(code);
        for said in [&ran.out, &ran.err] {
            let bad = said.chars().find(|c| is_unsafe(*c) && *c != '\n');
            assert_eq!(bad, None, "{args:?}: {said:?}");
        }
    }
    assert_eq!(
        sandbox.compose(),
        text.replace("n8nio/n8n:1.19.4", "n8nio/n8n:1.20.0")
    );
    // In the container is what the file says, byte for byte.
    let container = sandbox.world(|world| {
        let engine = &world.hosts[SEED_INSTANCE].engine;
        let n8n = engine
            .containers
            .iter()
            .find(|c| c.name == "n8n")
            .expect("there");
        serde_json::to_value(n8n).expect("JSON")
    });
    let (environment, labels) = (
        &container["made"]["spec"]["environment"],
        &container["labels"],
    );
    for (at, name) in names.iter().enumerate() {
        assert_eq!(environment[format!("H{at}")], name.as_str());
        assert_eq!(labels[format!("h{at}")], name.as_str());
    }
    assert_eq!(
        canary.found(&[sandbox.path()]),
        Vec::<std::path::PathBuf>::new()
    );
}

/// In quotes, and what YAML takes for unprintable as its escape (YAML 1.2, 5.1 and 5.7).
fn yaml(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c == ' ' || c.is_ascii_graphic() => c.to_string(),
        c => format!("\\U{:08x}", u32::from(c)),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
