//! The declared probes, in every shell, with each program that a host may have to ask with.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use super::machine::{Machine, machines};
use crate::host::scripts::Verb;
use crate::host::{HostProbe, Input, ProbeFacts, ProbeRequest, parse_probe};
use crate::model::Probe;

/// What a server does with each connection.
#[derive(Clone, Copy)]
enum Does {
    Says(&'static str),
    Holds,
    Closes,
}

/// On loopback, for as long as the test's process lives.
fn server(does: Does) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            match does {
                Does::Says(text) => {
                    let (mut request, mut byte) = (Vec::new(), [0]);
                    while !request.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1))
                    {
                        request.push(byte[0]);
                    }
                    let _ = stream.write_all(text.as_bytes());
                }
                Does::Holds => held.push(stream),
                Does::Closes => {}
            }
        }
    });
    at
}

fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn one(probe: Probe, timeout_s: u32) -> HostProbe {
    HostProbe {
        container: "web".into(),
        probe,
        timeout_s,
    }
}

fn http(at: SocketAddr, to: u16) -> HostProbe {
    let url = format!("http://{at}/a?b=$(id>x)&c=`d`");
    one(Probe::Http { url, from: 200, to }, 2)
}

fn tcp(at: SocketAddr) -> HostProbe {
    let host = at.ip().to_string();
    one(
        Probe::Tcp {
            host,
            port: at.port(),
        },
        2,
    )
}

fn command(argv: &[&str]) -> HostProbe {
    let argv = argv.iter().map(|a| (*a).to_owned()).collect();
    one(Probe::Command { argv }, 2)
}

fn ask(m: &Machine, probes: Vec<HostProbe>, logs: &[&str]) -> ProbeFacts {
    let ask = ProbeRequest {
        probes,
        logs: logs.iter().map(|l| (*l).to_owned()).collect(),
    };
    let input = crate::host::channel::probe_input(&ask);
    parse_probe(&ask, &m.ask(Verb::Probe, input).unwrap()).unwrap()
}

fn said(facts: &ProbeFacts) -> Vec<&str> {
    let word = |p: &crate::model::Probed| match (p.green, p.no_tool) {
        (true, _) => "ok",
        (false, true) => "no tool",
        (false, false) => "",
    };
    facts
        .probes
        .iter()
        .map(|p| {
            if p.why.is_empty() || p.no_tool {
                word(p)
            } else {
                &p.why
            }
        })
        .collect()
}

#[test]
fn each_probe_is_asked_with_what_the_host_has() {
    let good = server(Does::Says(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ));
    let sick = server(Does::Says(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ));
    let moved = server(Does::Says(
        "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ));
    let (holds, closes) = (server(Does::Holds), server(Does::Closes));
    let probes = || {
        vec![
            http(good, 299),
            http(sick, 299),
            http(moved, 399),
            http(moved, 299),
            http(closed(), 299),
            http(holds, 299),
            tcp(good),
            tcp(holds),
            tcp(closes),
            tcp(closed()),
        ]
    };
    let table: [(&[&str], [&str; 10]); 4] = [
        (
            &[],
            [
                "ok",
                "HTTP 503",
                "ok",
                "HTTP 302",
                "connection refused",
                "no answer in 2 s",
                "ok",
                "ok",
                "closed at once",
                "connection refused",
            ],
        ),
        (
            &["curl"],
            [
                "ok",
                "HTTP 503",
                "ok",
                "HTTP 302",
                "connection refused",
                "no answer in 2 s",
                "ok",
                "ok",
                "closed at once",
                "connection refused",
            ],
        ),
        (
            &["curl", "wget"],
            [
                "ok",
                "HTTP 503",
                "ok",
                "HTTP 302",
                "no answer",
                "no answer in 2 s",
                "ok",
                "ok",
                "closed at once",
                "connection refused",
            ],
        ),
        (&["curl", "wget", "bash"], ["no tool"; 10]),
    ];
    for m in machines() {
        for (without, expected) in table {
            // busybox runs its own wget, and the static one of Debian 12 ends with a signal wherever it is to go.
            if m.shell.starts_with("busybox") && without == ["curl"] {
                continue;
            }
            m.without(without);
            let facts = ask(&m, probes(), &[]);
            assert_eq!(said(&facts), expected, "{}: without {without:?}", m.shell);
        }
        assert!(!m.root().join("x").exists());
    }
}

#[test]
fn a_command_is_run_in_the_container_and_its_last_words_come_back() {
    for m in machines() {
        m.container("web", 1, "running", "no");
        let long = format!("yes '{}' | head -n 100; exit 3", "\u{1b}[31mé ".repeat(20));
        let facts = ask(
            &m,
            vec![
                command(&["test", "-d", "/"]),
                command(&["sh", "-c", "echo out; echo 'and  err' >&2; exit 7"]),
                command(&["sh", "-c", &long]),
                command(&["sleep", "30"]),
                command(&["printf", "%s|", "a b", "", "$(touch x)", "'\"", "-"]),
                command(&[
                    "sh",
                    "-c",
                    "[ \"$1\" = 'a b' ] && [ -z \"$2\" ]",
                    "x",
                    "a b",
                    "",
                ]),
            ],
            &[],
        );
        let said = said(&facts);
        assert_eq!(
            (said[0], said[1], said[3], said[4], said[5]),
            ("ok", "exit 7: out and err", "no answer in 2 s", "ok", "ok"),
            "{}",
            m.shell
        );
        assert!(
            said[2].starts_with("exit 3: ") && said[2].len() <= 510,
            "{}: {}",
            m.shell,
            said[2]
        );
        let other = HostProbe {
            container: "gone".into(),
            ..command(&["true"])
        };
        let why = ask(&m, vec![other], &[]).probes.remove(0).why;
        assert!(
            why.starts_with("exit 1: Error: No such container"),
            "{}: {why}",
            m.shell
        );
        assert_eq!(
            fs_err::read_dir(m.root().join("run")).unwrap().count(),
            0,
            "{}: nothing is left",
            m.shell
        );
    }
}

#[test]
fn the_last_lines_of_a_log_come_back_at_most_twenty_and_four_thousand_characters() {
    for m in machines() {
        m.container("web", 1, "running", "no");
        let lines: String = (0..100).map(|n| format!("line {n}\n")).collect();
        m.set("containers/web/log", &lines);
        let facts = ask(&m, vec![], &["web", "gone"]);
        assert_eq!(facts.logs[0].lines().next(), Some("line 80"), "{}", m.shell);
        assert_eq!(facts.logs[0].lines().count(), 20, "{}", m.shell);
        assert!(facts.logs[1].contains("No such container"), "{}", m.shell);
        m.set("containers/web/log", &"x".repeat(100_000));
        assert_eq!(ask(&m, vec![], &["web"]).logs[0].len(), 4000, "{}", m.shell);
    }
}

/// All of them at once: a look with many that hang takes no longer than one.
#[test]
fn probes_run_side_by_side_and_one_that_hangs_holds_nothing_up() {
    let holds = server(Does::Holds);
    for m in machines() {
        let mut probes: Vec<HostProbe> = (0..8).map(|_| http(holds, 299)).collect();
        probes.push(tcp(holds));
        let began = std::time::Instant::now();
        let facts = ask(&m, probes, &[]);
        assert_eq!(said(&facts)[0], "no answer in 2 s", "{}", m.shell);
        assert_eq!(said(&facts)[8], "ok", "{}", m.shell);
        // One after the other they would take sixteen seconds.
        assert!(began.elapsed().as_secs() < 14, "{}", m.shell);
        let input = Input::new().text("probe", "x");
        assert!(
            m.ask(Verb::Probe, input)
                .unwrap()
                .contains("\"probes\":[null]")
        );
    }
}
