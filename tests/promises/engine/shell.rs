//! `exec` and `logs` on a real Docker Engine: Docker 20.10.24, whose `docker logs` and `docker exec` these are.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::real::Real;
use crate::support::Ran;
use crate::support::terminal::signal;

#[track_caller]
fn exec(real: &Real, before: &[&str], words: &[&str], code: i32) -> Ran {
    let mut args = vec!["exec", "my-dev-stack"];
    args.extend(before);
    args.push("--");
    args.extend(words);
    let ran = real.sandbox.run(&args);
    ran.ended(code);
    ran
}

/// On the instance and inside a container: 1 MB and its last line, any bytes, exit codes, what is left behind.
pub fn run(real: &Real) {
    let lines = |n: u32| {
        let text = "0123456789".repeat(10);
        format!(
            "i=0; while [ $i -lt {n} ]; do echo \"line $i {text}\"; i=$((i + 1)); done; echo the last line"
        )
    };
    for (inside, n, bytes) in [
        (&[][..], 10_000, 1_000_000),
        (&["--service", "n8n"], 1000, 100_000),
    ] {
        let ran = exec(real, inside, &["sh", "-c", &lines(n)], 0);
        assert!(ran.out.len() > bytes, "{}", ran.out.len());
        assert_eq!(ran.out.lines().count(), n as usize + 1);
        assert!(ran.out.ends_with("\nthe last line\n"));
        for (script, code, exit) in [
            ("exit 0", 0, "0"),
            ("exit 1", 1, "1"),
            ("kill -s KILL $$", 1, "137"),
        ] {
            let ran = exec(real, inside, &["sh", "-c", script], code);
            let says = format!("ended with exit code {exit}\n");
            assert_eq!(ran.err.ends_with(&says), code != 0, "{}", ran.err);
        }
        let ran = exec(
            real,
            inside,
            &[
                "sh",
                "-c",
                "sleep 300 & printf '<%s>' \"$@\"",
                "x",
                "a  b",
                "",
            ],
            0,
        );
        assert_eq!(ran.out, "<a  b><>");
    }
    let bytes = real
        .sandbox
        .command(&["exec", "my-dev-stack", "--", "printf", "\\000\\377\\001"])
        .output()
        .unwrap();
    assert_eq!(bytes.stdout, b"\0\xff\x01");
    assert!(exec(real, &[], &["id", "-u"], 0).out == "0\n");
    let hosts = exec(real, &[], &["hostname"], 0).out;
    let inside = exec(real, &["--service", "n8n"], &["hostname"], 0).out;
    assert_ne!(hosts, inside);
    // No service of ours goes on. systemd still names those whose command left something behind, as it may.
    assert_eq!(
        real.sh(
            "systemctl list-units --state=active,failed --plain --no-legend 'geusemaker-exec-*'"
        ),
        ""
    );
}

/// An interrupt, and the time limit, end a command inside a container, too.
pub fn ended(real: &Real) {
    let words = [
        "exec",
        "my-dev-stack",
        "--service",
        "n8n",
        "--",
        "sh",
        "-c",
        "echo begun; exec sleep 4321",
    ];
    let mut child = real
        .sandbox
        .command(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "begun");
    assert_ne!(real.sh("pgrep -f 'sleep 432[1]' || :"), "");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(real.sh("sleep 1; pgrep -f 'sleep 432[1]' || :"), "");
    let document = real
        .sandbox
        .run(&[
            "-o",
            "json",
            "exec",
            "my-dev-stack",
            "--service",
            "n8n",
            "--timeout",
            "1s",
            "--",
            "sleep",
            "5432",
        ])
        .ended(1)
        .json();
    assert_eq!(document["error"]["code"], "command_timed_out", "{document}");
    assert_eq!(real.sh("sleep 1; pgrep -f 'sleep 543[2]' || :"), "");
}

/// A crashed container's last words are there; `--follow` goes on over a restart and a container that is made anew.
pub fn logs(real: &Real) {
    real.sh("docker run -d --name talker --label com.docker.compose.project=geusemaker --label com.docker.compose.service=talker --label com.docker.compose.oneoff=False n8nio/n8n:1.2.0-crash >/dev/null; sleep 1");
    let talker = real
        .sandbox
        .run(&["logs", "my-dev-stack", "--service", "talker"]);
    // Of two streams Docker keeps no order but its own times, which are those of its reading.
    let mut said: Vec<&str> = talker.ended(0).out.lines().collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            "cannot read its settings",
            "n8nio/n8n:1.2.0-crash crash begins"
        ]
    );
    let all = real
        .sandbox
        .run(&["logs", "my-dev-stack", "--tail", "1", "--timestamps"]);
    assert_eq!(all.ended(0).out.lines().count(), 6, "{}", all.out);
    let mut times: Vec<&str> = all
        .out
        .lines()
        .map(|l| l.split_whitespace().nth(2).unwrap())
        .collect();
    let sorted = times.clone();
    times.sort_unstable();
    assert_eq!(times, sorted);
    // 3000 lines, of which many have the same text: each comes once.
    real.sh("docker rm -f talker; docker run -d --name talker --label com.docker.compose.project=geusemaker --label com.docker.compose.service=talker n8nio/n8n:1.0.0 sh -c 'i=0; while [ $i -lt 3000 ]; do echo $((i / 10)); i=$((i + 1)); done; echo end; exec sleep 1000' >/dev/null; sleep 2");
    let whole = real.sandbox.run(&[
        "logs",
        "my-dev-stack",
        "--service",
        "talker",
        "--tail",
        "all",
    ]);
    let expected: String = (0..3000)
        .map(|i| format!("{}\n", i / 10))
        .collect::<String>()
        + "end\n";
    assert!(whole.ended(0).out == expected, "{}", whole.out.len());

    let mut child = real
        .sandbox
        .command(&[
            "logs",
            "my-dev-stack",
            "--service",
            "n8n",
            "--follow",
            "--tail",
            "1",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let begins = "n8nio/n8n:1.0.0 good begins";
    assert_eq!(lines.next().unwrap(), begins);
    real.sh("docker restart -t 1 n8n");
    assert_eq!(lines.next().unwrap(), begins);
    real.sh("cd /opt/geusemaker/runtime && docker compose --env-file runtime.env up -d --force-recreate --no-deps -t 1 n8n");
    assert_eq!(lines.next().unwrap(), begins);
    signal(&child, "TERM");
    assert_eq!(lines.next(), None);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
