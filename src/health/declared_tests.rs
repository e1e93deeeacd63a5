use super::*;

const SERVICES: &str = "services:\n  web: {image: a}\n  db: {image: b}\n";

fn read(health: &str) -> Result<BTreeMap<ServiceName, DeclaredHealth>, Vec<String>> {
    declared(&[&format!("{SERVICES}x-geusemaker:\n  health:\n{health}")])
        .map_err(|bad| bad.iter().map(ToString::to_string).collect())
}

fn web(said: &str) -> DeclaredHealth {
    let all = read(&format!("    web: {said}\n")).unwrap_or_else(|bad| panic!("{said}: {bad:?}"));
    all[&ServiceName::new("web").unwrap()].clone()
}

fn http(url: &str, from: u16, to: u16) -> Probe {
    let url = url.into();
    Probe::Http { url, from, to }
}

fn tcp(host: &str, port: u16) -> Probe {
    let host = host.into();
    Probe::Tcp { host, port }
}

fn command(argv: &[&str]) -> Probe {
    let argv = argv.iter().map(|a| (*a).to_owned()).collect();
    Probe::Command { argv }
}

#[test]
fn each_form_is_read() {
    let table = [
        (
            "{http: 'http://127.0.0.1:5678/healthz'}",
            vec![http("http://127.0.0.1:5678/healthz", 200, 299)],
        ),
        (
            "{http: 'https://web.example/a?b=c', status: 200-399}",
            vec![http("https://web.example/a?b=c", 200, 399)],
        ),
        (
            "{http: 'http://[::1]:80/', status: 204}",
            vec![http("http://[::1]:80/", 204, 204)],
        ),
        (
            "{http: http://h, status: '503'}",
            vec![http("http://h", 503, 503)],
        ),
        ("{tcp: '127.0.0.1:6333'}", vec![tcp("127.0.0.1", 6333)]),
        ("{tcp: '[::1]:1'}", vec![tcp("::1", 1)]),
        (
            "{command: [pg_isready, -U, $$PGUSER]}",
            vec![command(&["pg_isready", "-U", "$PGUSER"])],
        ),
        (
            "{command: 'test -f /ok && echo $$HOME'}",
            vec![command(&["/bin/sh", "-c", "test -f /ok && echo $HOME"])],
        ),
        (
            "{http: http://h/, tcp: 'h:1'}",
            vec![http("http://h/", 200, 299), tcp("h", 1)],
        ),
    ];
    for (said, probes) in table {
        let found = web(said);
        assert_eq!(found.probes, probes, "{said}");
        assert!(!found.container, "{said}");
        assert_eq!((found.interval_ms, found.timeout_s), (1000, 2), "{said}");
    }
    let all = "{container: healthy, command: 'true', interval: 500ms, timeout: 5s, stable_for: 1m30s, start_period: 10m}";
    assert_eq!(
        web(all),
        DeclaredHealth {
            probes: vec![command(&["/bin/sh", "-c", "true"])],
            container: true,
            interval_ms: 500,
            timeout_s: 5,
            stable_ms: Some(90_000),
            start_period_ms: Some(600_000),
        }
    );
    assert!(declared(&[SERVICES]).unwrap().is_empty());
    // Anchors and merge keys are YAML's own affair.
    let merged = "    web: &w {http: http://h, timeout: 1s}\n    db: {<<: *w, http: http://i}\n";
    let db = &read(merged).unwrap()[&ServiceName::new("db").unwrap()];
    assert_eq!(
        (&db.probes[..], db.timeout_s),
        (&[http("http://i", 200, 299)][..], 1)
    );
}

#[test]
fn what_cannot_be_is_said_with_its_line_and_what_is_expected() {
    let url = "http://HOST[:PORT]/… or https://…, as the host sees it";
    let text = "a text, or a list of texts: a program and its arguments";
    let dollar = "$$ for a dollar sign: what Compose fills in ($) is not filled in here";
    let table = [
        (
            "web: {htp: x}",
            "web.htp is not a key of a service's health",
            KEYS,
        ),
        ("web: {http: ftp://h}", "web.http is 'ftp://h'", url),
        ("web: {http: http://}", "web.http is 'http://'", url),
        (
            "web: {http: 'http://h:x/'}",
            "web.http is 'http://h:x/'",
            url,
        ),
        (
            "web: {http: 'http://h:99999/'}",
            "web.http is 'http://h:99999/'",
            url,
        ),
        ("web: {http: 'http://h /'}", "web.http is 'http://h /'", url),
        ("web: {http: 80}", "web.http is 80", url),
        (
            "web: {http: 'http://u:p@h/'}",
            "web.http is 'http://…@h/'",
            "a URL without a name and password: it goes into the plan and the journal",
        ),
        (
            "web: {http: 'http://h:${P}/'}",
            "web.http is 'http://h:${P}/'",
            "a URL written out: what Compose fills in ($) is not filled in here",
        ),
        (
            "web: {http: http://h, status: 2xx}",
            "web.status is '2xx'",
            "a code or a range, like 200 or 200-399",
        ),
        (
            "web: {http: http://h, status: 399-200}",
            "web.status is '399-200'",
            "a code or a range, like 200 or 200-399",
        ),
        (
            "web: {tcp: 'h:1', status: 200}",
            "web.status is without http",
            "http: URL beside it",
        ),
        (
            "web: {tcp: '6333'}",
            "web.tcp is '6333'",
            "HOST:PORT, like 127.0.0.1:6333",
        ),
        (
            "web: {tcp: 'h:0'}",
            "web.tcp is 'h:0'",
            "HOST:PORT, like 127.0.0.1:6333",
        ),
        (
            "web: {tcp: 6333}",
            "web.tcp is 6333",
            "HOST:PORT, like 127.0.0.1:6333",
        ),
        (
            "web: {tcp: '-h:1'}",
            "web.tcp is '-h:1'",
            "HOST:PORT, like 127.0.0.1:6333",
        ),
        ("web: {command: []}", "web.command is a list", text),
        ("web: {command: [a, 1]}", "web.command is a list", text),
        ("web: {command: {a: b}}", "web.command is a mapping", text),
        (
            "web: {command: 'echo ${X:?}'}",
            "web.command is 'echo ${X:?}'",
            dollar,
        ),
        (
            "web: {container: running}",
            "web.container is 'running'",
            "healthy",
        ),
        (
            "web: {tcp: 'h:1', timeout: 6s}",
            "web.timeout is '6s'",
            "whole seconds from 1s to 5s",
        ),
        (
            "web: {tcp: 'h:1', timeout: 1500ms}",
            "web.timeout is '1500ms'",
            "whole seconds from 1s to 5s",
        ),
        (
            "web: {tcp: 'h:1', timeout: 2}",
            "web.timeout is 2",
            "whole seconds from 1s to 5s",
        ),
        (
            "web: {tcp: 'h:1', interval: 10ms}",
            "web.interval is '10ms'",
            "a duration of 100ms or more, like 10s or 1m30s",
        ),
        (
            "web: {tcp: 'h:1', stable_for: 0s}",
            "web.stable_for is '0s'",
            "a duration of 1ms or more, like 10s or 1m30s",
        ),
        (
            "web: {tcp: 'h:1', start_period: soon}",
            "web.start_period is 'soon'",
            "a duration of 1ms or more, like 10s or 1m30s",
        ),
        (
            "web: {interval: 1s}",
            "web is without anything to go by",
            "http, tcp, command or container: healthy",
        ),
        ("web: healthy", "web is 'healthy'", "a mapping"),
        (
            "nginx: {tcp: 'h:1'}",
            "nginx is not a service of the file",
            "one of db, web",
        ),
    ];
    for (said, found, expected) in table {
        assert_eq!(
            read(&format!("    {said}\n")).unwrap_err(),
            [format!(
                "line 6: x-geusemaker.health.{found}; expected {expected}"
            )],
            "{said}"
        );
    }
    // The line of the key itself, and all that is wrong at once.
    let several =
        "    web:\n      # a comment\n      http: nowhere\n      timeout: 9s\n    gone: {}\n";
    let lines: Vec<String> = read(several)
        .unwrap_err()
        .iter()
        .map(|bad| bad.split(' ').take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "line 8: x-geusemaker.health.web.http",
            "line 9: x-geusemaker.health.web.timeout",
            "line 10: x-geusemaker.health.gone"
        ]
    );
    for (text, found) in [
        (
            "x-geusemaker: {heatlh: {}}\n",
            "line 4: x-geusemaker.heatlh is not a key of geusemaker; expected health",
        ),
        (
            "x-geusemaker: [health]\n",
            "line 4: x-geusemaker is a list; expected a mapping",
        ),
        (
            "x-geusemaker:\n  health: web\n",
            "line 5: x-geusemaker.health is 'web'; expected a mapping",
        ),
    ] {
        let bad = declared(&[&format!("{SERVICES}{text}")]).unwrap_err();
        assert_eq!(bad[0].to_string(), found, "{text}");
    }
}

/// A later file's word for a service counts, and what is wrong names its file.
#[test]
fn several_files_declare_together() {
    let first = format!(
        "{SERVICES}x-geusemaker: {{health: {{web: {{http: http://a}}, db: {{tcp: 'h:1'}}}}}}\n"
    );
    let second = "services:\n  web: {image: c}\n  new: {image: d}\nx-geusemaker:\n  health:\n    web: {http: http://b}\n    new: {tcp: 'h:2'}\n";
    let all = declared(&[&first, second]).unwrap();
    let names: Vec<&str> = all.keys().map(ServiceName::as_str).collect();
    assert_eq!(names, ["db", "new", "web"]);
    let web = &all[&ServiceName::new("web").unwrap()];
    assert_eq!(web.probes, [http("http://b", 200, 299)]);
    let bad = declared(&[&first, &second.replace("tcp:", "tpc:")]).unwrap_err();
    assert_eq!((bad[0].file, bad[0].line), (1, Some(7)));
}

#[test]
fn the_templates_declare_health_that_can_be_read() {
    for file in fs_err::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/compose-templates")).unwrap()
    {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let text = fs_err::read_to_string(&path).unwrap();
            assert!(
                !declared(&[&text]).unwrap().is_empty(),
                "{}",
                path.display()
            );
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(said in ".{0,80}") {
        let _ = read(&format!("    web: {said}\n"));
        let _ = declared(&[&said]);
    }
}
