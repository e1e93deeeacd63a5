//! Every verb, under every shell of this machine: whatever else is tested of it, each script runs in each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::machine::{Machine, image_id, machines, shells, tag, tag_lines};
use crate::host::Input;
use crate::host::scripts::Verb;
use crate::model::sha256_hex;

/// A request that goes well on a host with one container, and what its answer has to say. A verb without one does not compile.
fn request(m: &Machine, verb: Verb) -> (Input, String) {
    let tagged = || tag_lines(&tag(1, 1));
    match verb {
        Verb::Look => (Input::new(), "\"docker\":\"MjYuMS4z\"".to_owned()),
        Verb::LookMade => {
            let input = Input::new().text("project", "q").text("service", "web");
            // Of another project there is nothing.
            (input, "\"pending\":\"\"".to_owned())
        }
        Verb::Mount => (
            Input::new().text("point", "/srv").text("limit", "2"),
            format!("\"stat\":\"{}\"", STANDARD.encode("answered")),
        ),
        Verb::Sample => (
            Input::new()
                .text("point", "/srv")
                .text("limit", "2")
                .text("bytes", "9")
                .fields("folder", &["3", "/none"]),
            // A folder that is not there is said to be so.
            format!("\"folders\":[\"{}\"", STANDARD.encode("gone\n")),
        ),
        Verb::Probe => {
            let input = Input::new().fields("probe", &["web", "command", "2", "true"]);
            (input, format!("\"probes\":[\"{}\"", STANDARD.encode("ok")))
        }
        Verb::Start => (
            tagged().text("kind", "quiesce").text("back", "no"),
            "\"state\":\"".to_owned(),
        ),
        // What nobody has started.
        Verb::Poll => (tag_lines(&tag(1, 9)), "\"state\":\"unknown\"".to_owned()),
        Verb::Put => (
            tagged()
                .text("sha256", &sha256_hex("text"))
                .text("part", "1")
                .text("parts", "1")
                .text("data", "text"),
            "{\"put\":\"done\"}".to_owned(),
        ),
        Verb::Arm => (
            tag_lines(&tag(1, 2))
                .text("grace", "600")
                .text("stable", "1")
                .text("kind", "restore"),
            format!(
                "{{\"restore\":\"{}",
                STANDARD.encode("armed 20261120-100000-ab")
            ),
        ),
        // It was armed just before.
        Verb::Commit => (
            tag_lines(&tag(1, 3)),
            format!(
                "{{\"restore\":\"{}",
                STANDARD.encode("committed 20261120-100000-a")
            ),
        ),
        Verb::Order => (
            Input::new().text("point", "/srv").text("unit", "srv.mount"),
            "\"requires\":null".to_owned(),
        ),
        Verb::Hold => (
            Input::new()
                .text("owner", "dev")
                .text("image", &image_id(3)),
            format!("\"missing\":\"{}", &STANDARD.encode(image_id(3))[..80]),
        ),
        Verb::Exec => (
            Input::new()
                .text("id", "20261120-100000-beef")
                .text("do", "begin")
                .text("limit", "5")
                .text("arg", "true"),
            "{\"state\":\"".to_owned(),
        ),
        Verb::Logs => {
            m.set("containers/web/log", "2026-11-20T10:00:00.1Z hello\n");
            let id = m.get("containers/web/id");
            let input = Input::new().fields("log", &[&id, "", "all", "0", "0", "900"]);
            let text = STANDARD.encode("2026-11-20T10:00:00.1Z hello\n");
            (input, format!("\"text\":\"{text}\",\"failed\":null"))
        }
    }
}

#[test]
fn every_verb_answers_under_every_shell() {
    for m in machines() {
        m.systemd();
        m.container("web", 3, "running", "always");
        for verb in Verb::ALL {
            let (input, says) = request(&m, verb);
            let document = m.ask(verb, input).unwrap();
            assert!(
                document.contains(&says) && !document.contains("\"error\""),
                "{}: {verb:?} is to say {says}, found {document}",
                m.shell
            );
        }
    }
}

/// `machines` takes the shells that are there: `.ci/run` puts all of them there, and on such a machine none is left out.
#[test]
fn the_shells_are_dash_bash_and_busybox_where_they_are_there() {
    let all = shells();
    assert_eq!(all[0], "sh");
    let there = |program: &str| {
        let path = std::env::var_os("PATH").unwrap();
        std::env::split_paths(&path).any(|p| p.join(program).exists())
    };
    let found: Vec<bool> = ["dash", "bash", "busybox"].into_iter().map(there).collect();
    // One of them may be `sh` itself.
    let expected = found.iter().filter(|f| **f).count();
    assert!(
        all.len() == expected || all.len() == expected + 1,
        "{all:?}, of {found:?}"
    );
}
