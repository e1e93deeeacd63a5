//! Of the texts of the scripts.

use super::*;

#[test]
fn every_script_is_ours_with_data_and_with_nothing_else() {
    for verb in Verb::ALL {
        let input = Input::new()
            .text("point", "/mnt/$(touch x)\n'\"")
            .fields("service", &["a", "", "c"]);
        let script = verb.with(&input);
        assert!(is_ours(&script), "{verb:?}");
        assert_eq!(runs_ours(&script), verb != Verb::Exec, "{verb:?}");
        assert!(
            is_ours(script.trim_end()),
            "{verb:?}: without the last newline"
        );
        for foreign in [
            format!("{script}touch x\n"),
            format!("touch x\n{script}"),
            script.replace(
                "\nGEUSEMAKER_INPUT\n",
                "\nGEUSEMAKER_INPUT\ntouch x\nGEUSEMAKER_INPUT\n",
            ),
            script.replace("umask 077", "umask 000"),
            format!("{}point $(id)\n{END}\n", verb.script()),
            format!("{}{END}", verb.script().trim_end()),
            verb.script().to_owned(),
            String::new(),
        ] {
            assert!(
                !is_ours(&foreign),
                "{verb:?}: {}",
                &foreign[foreign.len().saturating_sub(200)..]
            );
        }
    }
}

#[test]
fn the_program_of_a_host_is_known_by_its_text() {
    let program = program();
    assert!(is_our_program(program));
    assert!(!is_our_program(&format!("{program}touch x\n")));
    assert!(!is_our_program(""));
}

#[test]
fn every_script_leaves_room_for_its_input() {
    for verb in Verb::ALL {
        let length = verb.script().len();
        assert!(length < 20_000, "{verb:?} has {length} characters");
    }
}

#[test]
fn what_names_the_program_names_this_one() {
    for verb in Verb::ALL {
        let names = format!("\nPROGRAM={}\n", program_sha256());
        let does = matches!(verb, Verb::Start | Verb::Arm);
        assert_eq!(verb.script().contains(&names), does, "{verb:?}");
    }
}

/// What a checker of shell scripts finds in a text; None where it is not on this machine. `more` is left out.
fn shellcheck(text: &str, more: &str) -> Option<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), text).unwrap();
    let mut command = std::process::Command::new("shellcheck");
    if !text.starts_with("#!") {
        command.args(["-s", "sh"]);
    }
    if !more.is_empty() {
        command.args(["-e", more]);
    }
    command.args(["-f", "gcc"]).arg(file.path());
    let output = command.output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The texts that are run, whole.
fn whole() -> Vec<(&'static str, String)> {
    let verbs = Verb::ALL.map(|v| (v.name(), v.text(str::to_owned) + END + "\n"));
    let files = [("program", JOB.concat()), ("exec_run", EXEC_RUN.concat())];
    verbs.into_iter().chain(files).collect()
}

#[test]
fn shellcheck_finds_nothing_where_it_is_there() {
    if shellcheck("", "").is_none() {
        return;
    }
    assert!(
        shellcheck("echo $1\n", "").unwrap().contains("SC2086"),
        "it does find what is wrong"
    );
    for (name, text) in whole() {
        assert_eq!(shellcheck(&text, "").unwrap(), "", "{name}");
    }
}

fn here(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every file of this folder is part of a text that is run and was read whole: none is forgotten.
#[test]
fn every_script_of_the_folder_is_read_by_shellcheck() {
    let texts = whole();
    let mut seen = 0;
    for entry in fs_err::read_dir(here("src/host/scripts")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "sh") {
            continue;
        }
        seen += 1;
        let text = fs_err::read_to_string(&path).unwrap();
        let text = text.replace("@PROGRAM@", program_sha256());
        // What stands in for another file is that file by now.
        let mut parts = text.split("@JOB@\n");
        assert!(
            parts.all(|part| texts.iter().any(|(_, whole)| whole.contains(part))),
            "{}: no verb runs it",
            path.display()
        );
    }
    assert!(seen >= 25, "{seen} scripts in the folder");
}

/// What is run under a time limit is a script in a string, which shellcheck does not read where it stands.
#[test]
fn shellcheck_reads_the_scripts_in_strings_as_well() {
    if shellcheck("", "").is_none() {
        return;
    }
    let mut seen = std::collections::BTreeSet::new();
    for verb in Verb::ALL {
        let text = verb.text(str::to_owned);
        let definitions = text.strip_suffix(&format!("main <<'{END}'\n")).unwrap();
        let names = text.lines().filter_map(|line| line.split_once("='o=$1"));
        for (name, _) in names {
            let script = format!("{definitions}\nprintf %s \"${name}\"\n");
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            let body = String::from_utf8(output.stdout).unwrap();
            assert!(body.starts_with("o=$1"), "{name}: {body}");
            // `a= b=1` is short for an empty one; the arguments are those of whoever runs it.
            assert_eq!(shellcheck(&body, "SC1007,SC2015").unwrap(), "", "{name}");
            seen.insert(name.to_owned());
        }
    }
    let known = [
        "ASK_COMMAND",
        "ASK_HTTP",
        "ASK_TCP",
        "LOG",
        "READ",
        "STAT",
        "WRITE",
    ];
    assert!(known.iter().all(|k| seen.contains(*k)), "{seen:?}");
}

/// All other scripts of the project: those of the tests, of the sandbox, of the checks.
#[test]
fn every_other_script_of_the_project_is_read_by_shellcheck() {
    if shellcheck("", "").is_none() {
        return;
    }
    let mut folders = ["src", "tests", "benches", ".ci"].map(here).to_vec();
    let mut seen = Vec::new();
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() || folder.ends_with("src/host/scripts") {
            continue;
        }
        for entry in fs_err::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs_err::read(&path).unwrap();
            let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
            let shell = first.starts_with(b"#!") && first.ends_with(b"sh");
            if !shell && path.extension().is_none_or(|e| e != "sh") {
                continue;
            }
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(shellcheck(&text, "").unwrap(), "", "{}", path.display());
            seen.push(path);
        }
    }
    for known in [
        "tests/engine/up",
        "tests/engine/packages",
        "tests/engine/images",
        "tests/promises/engine/seed.sh",
        ".ci/run",
        "src/sandbox/host/launcher.sh",
    ] {
        assert!(seen.contains(&here(known)), "{known} was not read");
    }
}
