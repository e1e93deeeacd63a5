//! The forms in which the host scripts call `docker`: each is in a record of what a real engine answers, the engine still
//! answers so, and the sandbox's `docker` does too. See docs/engine.md.

mod cases;
mod hosts;
mod limits;
mod record;
mod scan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cases::{Step, steps};
use record::Entry;
use scan::Scripts;

use super::engine::real::Real;
use super::engine::twin::Twin;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn scripts() -> Scripts {
    Scripts::read(&here("src/host/scripts"))
}

const RECORD: &str = "tests/data/docker/engine.txt";

fn recorded() -> (BTreeMap<String, String>, Vec<Entry>) {
    record::read(&fs_err::read_to_string(here(RECORD)).unwrap())
}

/// The templates that the questions use, by script and name.
fn templates(scripts: &Scripts) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for step in steps() {
        let Step::Ask { script, call, .. } = step else {
            continue;
        };
        for word in call.split(' ').filter_map(|w| w.strip_prefix('$')) {
            let (name, number) = word.split_once(':').unwrap();
            let values = scripts.templates(script, name);
            let number: usize = number[..1].parse().unwrap();
            all.insert(format!("{script} {name}:{number}"), values[number].clone());
        }
    }
    all
}

/// On the real engine: the record is what it answers.
pub fn on_the_engine(real: &Real) {
    let scripts = scripts();
    let entries = record::ask_all(real, &scripts, &steps());
    let found = record::write(&templates(&scripts), &entries);
    if std::env::var_os("GEUSEMAKER_BLESS").is_some_and(|v| v == "1") {
        fs_err::create_dir_all(here(RECORD).parent().unwrap()).unwrap();
        fs_err::write(here(RECORD), &found).unwrap();
    }
    let (_, kept) = recorded();
    let differ = differences(&kept, &entries);
    assert!(
        differ.is_empty(),
        "{RECORD} is not what the engine answers (GEUSEMAKER_BLESS=1 writes it anew):\n{differ}"
    );
    assert_eq!(
        fs_err::read_to_string(here(RECORD)).unwrap(),
        found,
        "{RECORD}: GEUSEMAKER_BLESS=1 writes it anew"
    );
}

/// Those that are not the same, one below the other.
fn differences(engine: &[Entry], other: &[Entry]) -> String {
    let mut said = String::new();
    for entry in other {
        let kept = engine.iter().find(|e| e.key == entry.key);
        let Some(kept) = kept else {
            said += &format!("\n= {}: not in the record\n", entry.key);
            continue;
        };
        if (&kept.call, &kept.answer) != (&entry.call, &entry.answer) {
            said += &format!(
                "\n= {}\n$ docker {}\nthe record:\n  {}\nfound:\n  {}\n",
                entry.key,
                entry.call,
                kept.answer.join("\n  "),
                entry.answer.join("\n  ")
            );
        }
    }
    said
}

#[test]
fn the_sandbox_s_docker_answers_as_the_record_of_the_engine() {
    let (_, engine) = recorded();
    let twin = Twin::new();
    hosts::Host::registry(&twin, true);
    let mut entries = record::ask_all(&twin, &scripts(), &steps());
    limits::drop_whole(&mut entries, &steps());
    let engine: Vec<Entry> = engine.into_iter().map(limits::without).collect();
    let entries: Vec<Entry> = entries.into_iter().map(limits::without).collect();
    let differ = differences(&engine, &entries);
    assert!(
        differ.is_empty(),
        "the sandbox's docker answers otherwise than the engine:\n{differ}"
    );
}

#[test]
fn the_record_has_each_question_and_the_scripts_own_templates() {
    let (kept, entries) = recorded();
    let asked: Vec<(String, String)> = steps()
        .into_iter()
        .filter_map(|s| match s {
            Step::Ask {
                script, name, call, ..
            } => Some((format!("{script} {name}"), call)),
            _ => None,
        })
        .collect();
    let recorded: Vec<(String, String)> = entries.into_iter().map(|e| (e.key, e.call)).collect();
    assert_eq!(
        recorded, asked,
        "{RECORD}: the engine test writes it anew with GEUSEMAKER_BLESS=1 (docs/engine.md)"
    );
    assert_eq!(
        kept,
        templates(&scripts()),
        "{RECORD}: a template has changed since it was written"
    );
    let mut keys: Vec<&String> = recorded.iter().map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), recorded.len(), "two questions have one name");
}

/// A script that calls `docker` in a new form fails here, until the form is asked of the engine.
#[test]
fn every_form_of_the_scripts_is_asked_of_the_engine() {
    let scripts = scripts();
    let mut forms: BTreeMap<&str, Vec<Vec<String>>> = BTreeMap::new();
    for step in steps() {
        let Step::Ask { script, call, .. } = step else {
            continue;
        };
        forms
            .entry(script)
            .or_default()
            .push(record::form(&scripts, script, &call));
    }
    let none = Vec::new();
    let sites = scripts.sites();
    let missing: Vec<String> = sites
        .iter()
        .filter(|site| {
            let asked = forms.get(site.script.as_str()).unwrap_or(&none);
            !site.is_general() && !asked.iter().any(|call| scripts.is_of(site, call))
        })
        .map(|site| format!("{}: docker {}", site.script, site.text))
        .collect();
    assert!(
        missing.is_empty(),
        "called by a script, and not asked in tests/promises/forms/cases.rs:\n{}",
        missing.join("\n")
    );
    // And nothing is asked that no script calls.
    for (script, calls) in &forms {
        let text = &scripts.0[*script];
        for call in calls {
            let whole = |site: &&scan::Site| site.script == *script && !site.part;
            let known = sites
                .iter()
                .filter(whole)
                .any(|site| scripts.is_of(site, call));
            assert!(known, "{script} never calls docker {}", call.join(" "));
            let options = call.iter().filter(|w| w.starts_with('-'));
            for option in options {
                let name = option.split('=').next().unwrap();
                assert!(text.contains(name), "{script} never says {option}");
            }
        }
    }
    // Every template of a script is asked.
    let used = templates(&scripts);
    for site in &sites {
        for name in site.variables() {
            let values = scripts.templates(&site.script, name);
            for value in values.iter().filter(|v| v.contains("{{")) {
                assert!(
                    used.values().any(|t| t == value),
                    "{}: the template {name} is not asked: {value}",
                    site.script
                );
            }
        }
    }
    assert!(
        sites.len() > 40,
        "{} calls were found in the scripts",
        sites.len()
    );
}
