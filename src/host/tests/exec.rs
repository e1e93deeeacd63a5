//! exec: a person's command under each shell, begun once, read in slices, ended, forgotten.

use std::time::{Duration, Instant};

use super::machine::{Machine, machines};
use crate::host::channel::shell::exec;
use crate::host::scripts::Verb;
use crate::host::{ExecAsk, ExecStanding, ExecState, HostError, Place, parse_exec};

const ID: &str = "20261120-100000-beef";

pub(super) fn ask(m: &Machine, ask: &ExecAsk) -> Result<ExecState, HostError> {
    parse_exec(&m.ask(Verb::Exec, exec(ID, ask))?)
}

pub(super) fn begin(argv: &[&str], limit_s: u32) -> ExecAsk {
    let argv = argv.iter().map(|a| a.as_bytes().to_vec()).collect();
    ExecAsk::Begin { argv, limit_s }
}

fn folder(m: &Machine) -> std::path::PathBuf {
    m.root().join("var/lib/geusemaker/exec").join(ID)
}

/// Begins it and reads it to its end: how it ended, standard output, standard error, and how much was left out.
fn run(m: &Machine, argv: &[&str]) -> (ExecStanding, Vec<u8>, Vec<u8>, u64) {
    read(m, ask(m, &begin(argv, 60)).unwrap())
}

fn read(m: &Machine, mut state: ExecState) -> (ExecStanding, Vec<u8>, Vec<u8>, u64) {
    let until = Instant::now() + Duration::from_secs(60);
    let (mut at, mut out, mut err, mut left_out) = (Place::default(), vec![], vec![], 0);
    loop {
        left_out += state.out.at - at.out;
        out.extend_from_slice(&state.out.bytes);
        err.extend_from_slice(&state.err.bytes);
        at = Place {
            out: state.out.end(),
            err: state.err.end(),
        };
        let drained = at.out == state.out.size && at.err == state.err.size;
        if state.standing != ExecStanding::Running && drained {
            return (state.standing, out, err, left_out);
        }
        assert!(Instant::now() < until, "{}: no end", m.shell);
        state = ask(m, &ExecAsk::Read(at)).unwrap();
    }
}

fn ended(code: i32) -> ExecStanding {
    ExecStanding::Ended { code, why: None }
}

#[test]
fn a_command_gets_its_arguments_as_they_are_and_its_end_is_told() {
    for m in machines() {
        let script = "printf '<%s>' \"$@\"; echo oops >&2; exit 3";
        let odd = [
            "sh",
            "-c",
            script,
            "x",
            "a b",
            "",
            "$(touch x)",
            "'\"\\",
            "two\nlines\n\n",
            "*",
        ];
        let (standing, out, err, _) = run(&m, &odd);
        assert_eq!(standing, ended(3), "{}", m.shell);
        let expected = "<a b><><$(touch x)><'\"\\><two\nlines\n\n><*>";
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{}", m.shell);
        assert_eq!(err, b"oops\n", "{}", m.shell);

        // The same id again begins nothing, also when it is forgotten.
        let again = ask(&m, &begin(&["touch", "again"], 60)).unwrap();
        assert_eq!(again.standing, ended(3), "{}", m.shell);
        let gone = ask(&m, &ExecAsk::Forget).unwrap();
        assert_eq!(gone.standing, ExecStanding::Unknown, "{}", m.shell);
        assert!(!folder(&m).exists(), "{}", m.shell);
        let late = ask(&m, &begin(&["touch", "again"], 60)).unwrap_err();
        assert!(late.to_string().contains("has ended"), "{late}");
        assert!(!m.root().join("again").exists(), "{}", m.shell);
    }
}

#[test]
fn exit_codes_are_those_of_the_command() {
    for (argv, code) in [
        (&["true"][..], 0),
        (&["false"], 1),
        (&["sh", "-c", "kill -s KILL $$"], 137),
        (&["no-such-program-here"], 127),
    ] {
        for m in machines() {
            let (standing, out, err, _) = run(&m, argv);
            assert_eq!(standing, ended(code), "{}: {argv:?}", m.shell);
            assert_eq!(out, b"", "{}", m.shell);
            assert_eq!(err.is_empty(), code != 127, "{}: {argv:?}", m.shell);
        }
    }
}

#[test]
fn a_long_output_comes_whole_and_any_bytes_come_as_they_are() {
    for m in machines() {
        let script = "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %o $i)\"; i=$((i + 1)); done; head -c 200000 /dev/zero | tr '\\0' x; echo; echo the last line; printf 'no newline'; printf 'on err' >&2";
        let (standing, out, err, left_out) = run(&m, &["sh", "-c", script]);
        assert_eq!((standing, left_out), (ended(0), 0), "{}", m.shell);
        let all: Vec<u8> = (0..=255).collect();
        assert!(out.starts_with(&all), "{}", m.shell);
        assert!(
            out.ends_with(b"x\nthe last line\nno newline"),
            "{}",
            m.shell
        );
        assert_eq!(out.len(), 256 + 200_000 + 1 + 14 + 10, "{}", m.shell);
        assert_eq!(err, b"on err", "{}", m.shell);
    }
}

#[test]
fn what_is_too_much_is_left_out_before_the_end_and_counted() {
    for m in machines() {
        let script = "echo the first line; head -c 9000000 /dev/zero; echo the last line";
        let mut state = ask(&m, &begin(&["sh", "-c", script], 60)).unwrap();
        while state.standing == ExecStanding::Running {
            state = ask(&m, &ExecAsk::Read(Place::default())).unwrap();
        }
        // A reader that comes late, and does not read on from the middle to the end here.
        assert_eq!(state.out.size, 9_000_029, "{}", m.shell);
        assert_eq!(state.out.at, state.out.size - 2_097_152, "{}", m.shell);
        let near = Place {
            out: state.out.size - 20,
            err: 0,
        };
        let end = ask(&m, &ExecAsk::Read(near)).unwrap();
        assert!(end.out.bytes.ends_with(b"the last line\n"), "{}", m.shell);
        assert_eq!((end.out.at, end.out.bytes.len()), (near.out, 20));
    }
}

#[test]
fn what_a_command_leaves_behind_holds_nobody_up() {
    for m in machines() {
        let begun = Instant::now();
        let (standing, out, _, _) = run(&m, &["sh", "-c", "sleep 25 & echo $!"]);
        assert_eq!(standing, ended(0), "{}", m.shell);
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", m.shell);
        let child = String::from_utf8(out).unwrap();
        let kill = std::process::Command::new("kill")
            .arg(child.trim())
            .status();
        assert!(kill.unwrap().success(), "{}: it lives on", m.shell);
    }
}

#[test]
fn a_command_is_ended_when_asked_and_after_its_time() {
    for m in machines() {
        let script = "trap 'echo ended >&2; exit 5' TERM; echo begun; while :; do sleep 0.1; done";
        let mut state = ask(&m, &begin(&["sh", "-c", script], 60)).unwrap();
        while state.out.bytes.is_empty() {
            state = ask(&m, &ExecAsk::Read(Place::default())).unwrap();
        }
        let state = ask(&m, &ExecAsk::End(Place::default())).unwrap();
        let (standing, out, err, _) = read(&m, state);
        let why = Some("interrupted".to_owned());
        let expected = ExecStanding::Ended { code: 5, why };
        assert_eq!(standing, expected, "{}", m.shell);
        assert_eq!(out, b"begun\n");
        assert!(err.ends_with(b"ended\n"), "{}", m.shell);

        let m = Machine::new(m.shell);
        let state = ask(&m, &begin(&["sleep", "60"], 1)).unwrap();
        let why = Some("timed_out".to_owned());
        let expected = ExecStanding::Ended { code: 143, why };
        assert_eq!(read(&m, state).0, expected, "{}", m.shell);
    }
}

#[test]
fn a_command_that_is_cut_off_is_lost_and_not_begun_again() {
    for m in machines() {
        let state = ask(&m, &begin(&["sleep", "5"], 60)).unwrap();
        assert_eq!(state.standing, ExecStanding::Running, "{}", m.shell);
        m.put("proc/sys/kernel/random/boot_id", "boot-2\n");
        let late = ask(&m, &begin(&["touch", "again"], 60)).unwrap();
        assert_eq!(late.standing, ExecStanding::Lost, "{}", m.shell);
        assert!(!m.root().join("again").exists(), "{}", m.shell);
    }
}

/// As a busy host leaves it: its folder is there, and what is to run in it has no number yet.
fn begun_and_not_yet_running(m: &Machine) {
    let put = |name: &str, text: &str| {
        m.put(&format!("var/lib/geusemaker/exec/{ID}/{name}"), text);
    };
    for (name, text) in [("request", ""), ("limit", "60\n"), ("out", ""), ("err", "")] {
        put(name, text);
    }
}

#[test]
fn a_command_that_is_slow_to_begin_is_not_lost() {
    for m in machines() {
        begun_and_not_yet_running(&m);
        let read = ExecAsk::Read(Place::default());
        let state = ask(&m, &read).unwrap();
        assert_eq!(state.standing, ExecStanding::Running, "{}", m.shell);
        let old = std::time::SystemTime::now() - Duration::from_secs(120);
        let opened = fs_err::File::open(folder(&m)).unwrap();
        opened.into_file().set_modified(old).unwrap();
        let state = ask(&m, &read).unwrap();
        assert_eq!(state.standing, ExecStanding::Lost, "{}", m.shell);
    }
}

#[test]
fn a_command_that_is_to_end_before_it_has_begun_does_not_begin() {
    for m in machines() {
        // Its program, as a command that ran leaves it.
        ask(&m, &begin(&["true"], 60)).unwrap();
        let path = format!("var/lib/geusemaker/exec/{ID}");
        let program = m.read(&format!("{path}/run.sh"));
        fs_err::remove_dir_all(folder(&m)).unwrap();

        begun_and_not_yet_running(&m);
        m.put(&format!("{path}/request"), "arg dG91Y2g=\narg eA==\n");
        m.put(&format!("{path}/run.sh"), &program);
        ask(&m, &ExecAsk::End(Place::default())).unwrap();
        m.run_file(&format!("{path}/run.sh"), &folder(&m).to_string_lossy());
        let state = ask(&m, &ExecAsk::Read(Place::default())).unwrap();
        let why = Some("interrupted".to_owned());
        let expected = ExecStanding::Ended { code: 143, why };
        assert_eq!(state.standing, expected, "{}", m.shell);
        assert!(!m.root().join("x").exists(), "{}", m.shell);
    }
}
