//! Looks in, verdicts out.

use std::collections::BTreeSet;

use super::*;
use crate::model::{GateSettings, RunState};
use crate::plan::StackState;
use crate::plan::fixtures::{at, container, image_id, instance_type, service};

/// Holds for 10 s, within 60 s.
fn verify(must: &[&str], may_be_red: &[&str]) -> VerifyHealth {
    let names = |all: &[&str]| all.iter().map(|s| service(s)).collect();
    VerifyHealth {
        gate: GateSettings {
            timeout_ms: 60_000,
            stable_ms: 10_000,
        },
        must: names(must),
        must_run: BTreeSet::new(),
        may_be_red: names(may_be_red),
        declared: Default::default(),
        expect: StackState {
            instance_type: instance_type("t3.large"),
            ebs_optimized: None,
            state: RunState::Running,
            images: BTreeMap::new(),
            compose_sha256: None,
            running: names(must),
        },
        host: true,
        mount_point: None,
        file_system: None,
    }
}

fn after(seconds: f64) -> Timestamp {
    let ms = at().as_millisecond() + (seconds * 1000.0) as i64;
    Timestamp::from_millisecond(ms).expect("a timestamp")
}

/// A healthy container with this change.
fn with(name: &str, change: impl Fn(&mut ContainerFacts)) -> ContainerFacts {
    let mut c = container(name, &format!("{name}:1"), None, &[], true);
    change(&mut c);
    c
}

fn green(name: &str) -> ContainerFacts {
    with(name, |_| {})
}

fn health(name: &str, word: &str) -> ContainerFacts {
    with(name, |c| c.health = Some(word.into()))
}

fn exited(name: &str, code: i64, policy: &str) -> ContainerFacts {
    with(name, |c| {
        (c.status, c.exit_code, c.health) = ("exited".into(), code, None);
        c.restart_policy = policy.into();
    })
}

/// A verdict in a word.
fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Waiting(what) => format!("waits: {what}"),
        Verdict::Holding(ms) => format!("holds {ms}"),
        Verdict::Passed { still_red, .. } if still_red.is_empty() => "passed".into(),
        Verdict::Passed { still_red, .. } => {
            let red: Vec<&str> = still_red.iter().map(ServiceName::as_str).collect();
            format!("passed, red: {}", red.join(" "))
        }
        Verdict::Failed(why) => format!("failed: {}", why.join("; ")),
    }
}

type Looks = Vec<(f64, Vec<ContainerFacts>, &'static str)>;

/// Every look at its second, and what is said; n8n must be green, ollama may be red.
fn table() -> Vec<(&'static str, Looks)> {
    let one = |c: ContainerFacts| vec![c];
    let ok = || one(green("n8n"));
    let starting = || one(health("n8n", "starting"));
    let sick = || one(health("n8n", "unhealthy"));
    let restarted = |n: u32| one(with("n8n", |c| c.restarts = n));
    vec![
        (
            "waits, holds, passes",
            vec![
                (0.0, starting(), "waits: n8n: starting"),
                (5.0, ok(), "holds 0"),
                (14.9, ok(), "holds 9900"),
                (15.0, ok(), "passed"),
            ],
        ),
        (
            "a break begins the clock again",
            vec![
                (0.0, ok(), "holds 0"),
                (9.0, ok(), "holds 9000"),
                (9.5, sick(), "waits: n8n: unhealthy"),
                (10.0, ok(), "holds 0"),
                (19.0, ok(), "holds 9000"),
                (20.0, ok(), "passed"),
            ],
        ),
        (
            "a restart between two looks is a break, though both are green",
            vec![
                (0.0, ok(), "holds 0"),
                (9.0, restarted(1), "holds 0"),
                (18.0, restarted(1), "holds 9000"),
                (19.0, restarted(1), "passed"),
            ],
        ),
        (
            "a restart by hand counts no restart, and is a break",
            vec![
                (0.0, ok(), "holds 0"),
                (
                    9.0,
                    one(with("n8n", |c| {
                        c.started_at = "2026-11-20T10:00:08Z".into()
                    })),
                    "holds 0",
                ),
            ],
        ),
        (
            "another container or image is a break",
            vec![
                (0.0, ok(), "holds 0"),
                (
                    6.0,
                    one(with("n8n", |c| c.id = "another".into())),
                    "holds 0",
                ),
                (
                    12.0,
                    one(with("n8n", |c| {
                        (c.id, c.image_id) = ("another".into(), image_id("another"));
                    })),
                    "holds 0",
                ),
            ],
        ),
        (
            "unhealthy is final once it has lasted as long as green must",
            vec![
                (0.0, sick(), "waits: n8n: unhealthy"),
                (9.9, sick(), "waits: n8n: unhealthy"),
                (10.0, sick(), "failed: n8n: unhealthy"),
            ],
        ),
        (
            "unhealthy with a break in it is not",
            vec![
                (0.0, sick(), "waits: n8n: unhealthy"),
                (6.0, starting(), "waits: n8n: starting"),
                (12.0, sick(), "waits: n8n: unhealthy"),
                (18.0, ok(), "holds 0"),
                (28.0, ok(), "passed"),
            ],
        ),
        (
            "no container is final after the same patience",
            vec![
                (0.0, vec![], "waits: n8n: no container"),
                (5.0, one(green("qdrant")), "waits: n8n: no container"),
                (10.0, vec![], "failed: n8n: no container"),
            ],
        ),
        (
            "three restarts within the gate are a crash loop, green or not",
            vec![
                (0.0, restarted(7), "holds 0"),
                (1.0, restarted(9), "holds 0"),
                (2.0, restarted(10), "failed: n8n: restarted 3 times"),
            ],
        ),
        (
            "the count of a new container begins anew",
            vec![
                (0.0, restarted(0), "holds 0"),
                (
                    1.0,
                    one(with("n8n", |c| (c.id, c.restarts) = ("new".into(), 5))),
                    "holds 0",
                ),
                (
                    2.0,
                    one(with("n8n", |c| (c.id, c.restarts) = ("new".into(), 8))),
                    "failed: n8n: restarted 3 times",
                ),
            ],
        ),
        (
            "starting for ever ends at the timeout",
            vec![
                (0.0, starting(), "waits: n8n: starting"),
                (59.9, starting(), "waits: n8n: starting"),
                (60.0, starting(), "failed: n8n: starting"),
            ],
        ),
        (
            "green in time may hold beyond the timeout",
            vec![
                (55.0, ok(), "holds 0"),
                (64.0, ok(), "holds 9000"),
                (65.0, ok(), "passed"),
            ],
        ),
        (
            "but not begin again for ever",
            vec![
                (55.0, ok(), "holds 0"),
                (64.0, restarted(1), "holds 0"),
                (
                    70.0,
                    restarted(1),
                    "failed: not green without a break for 10000 ms",
                ),
            ],
        ),
        (
            "what was red before only warns",
            vec![
                (
                    0.0,
                    vec![green("n8n"), health("ollama", "unhealthy")],
                    "holds 0",
                ),
                (
                    10.0,
                    vec![green("n8n"), health("ollama", "starting")],
                    "passed, red: ollama",
                ),
            ],
        ),
        (
            "what was red before and is gone warns too",
            vec![(0.0, ok(), "holds 0"), (10.0, ok(), "passed, red: ollama")],
        ),
        (
            "what was red before and is green now is not named",
            vec![
                (0.0, vec![green("n8n"), green("ollama")], "holds 0"),
                (10.0, vec![green("n8n"), green("ollama")], "passed"),
            ],
        ),
        (
            "a one-shot that ended well is green",
            vec![
                (0.0, one(exited("n8n", 0, "no")), "holds 0"),
                (10.0, one(exited("n8n", 0, "no")), "passed"),
            ],
        ),
        (
            "one that ended badly is not, and says its code and what it printed",
            vec![
                (
                    0.0,
                    one(exited("n8n", 3, "no")),
                    "waits: n8n: exited with code 3",
                ),
                (
                    10.0,
                    one(with("n8n", |c| {
                        (c.status, c.exit_code) = ("exited".into(), 3);
                        c.health_log = "no such table\n".into();
                    })),
                    "failed: n8n: exited with code 3: no such table",
                ),
            ],
        ),
        (
            "one that should come up again is not, whatever its code",
            vec![(
                0.0,
                one(exited("n8n", 0, "unless-stopped")),
                "waits: n8n: exited with code 0",
            )],
        ),
        (
            "a one-off container speaks for nobody",
            vec![(
                0.0,
                one(with("n8n", |c| c.one_off = true)),
                "waits: n8n: no container",
            )],
        ),
        (
            "of several containers the worst speaks",
            vec![
                (
                    0.0,
                    vec![green("n8n"), health("n8n", "starting"), green("n8n")],
                    "waits: n8n: starting",
                ),
                (
                    1.0,
                    vec![
                        green("n8n"),
                        health("n8n", "starting"),
                        health("n8n", "unhealthy"),
                    ],
                    "waits: n8n: unhealthy",
                ),
            ],
        ),
        (
            "a clock set back lets nothing pass early, and keeps nobody waiting",
            vec![
                (0.0, ok(), "holds 0"),
                (9.0, ok(), "holds 9000"),
                (-3600.0, ok(), "holds 0"),
                (-3591.0, ok(), "holds 9000"),
                (-3590.0, ok(), "passed"),
            ],
        ),
        (
            "a clock set back does not put off the timeout for longer than once more",
            vec![
                (0.0, starting(), "waits: n8n: starting"),
                (50.0, starting(), "waits: n8n: starting"),
                (-3600.0, starting(), "waits: n8n: starting"),
                (-3540.1, starting(), "waits: n8n: starting"),
                (-3540.0, starting(), "failed: n8n: starting"),
            ],
        ),
        (
            "a clock set back while red",
            vec![
                (0.0, sick(), "waits: n8n: unhealthy"),
                (-3600.0, sick(), "waits: n8n: unhealthy"),
                (-3590.0, sick(), "failed: n8n: unhealthy"),
            ],
        ),
    ]
}

#[test]
fn looks_and_verdicts() {
    for (what, looks) in table() {
        let red: &[&str] = if what.contains("red before") {
            &["ollama"]
        } else {
            &[]
        };
        let verify = verify(&["n8n"], red);
        let mut gate = Gate::new(&verify, at());
        for (second, containers, expected) in looks {
            let verdict = gate.look(&containers, after(second));
            assert_eq!(word(&verdict), expected, "{what}: at {second} s");
        }
    }
}

#[test]
fn every_service_that_is_missing_is_named() {
    let verify = verify(&["n8n", "postgres", "qdrant"], &[]);
    let mut gate = Gate::new(&verify, at());
    let verdict = gate.look(&[health("n8n", "starting"), green("postgres")], at());
    assert_eq!(word(&verdict), "waits: n8n: starting; qdrant: no container");
    let all = [
        green("n8n"),
        green("postgres"),
        health("qdrant", "unhealthy"),
    ];
    gate.look(&all, after(5.0));
    assert_eq!(
        word(&gate.look(&all, after(10.0))),
        "failed: qdrant: unhealthy"
    );
}

#[test]
fn downtime_ends_at_the_first_green_of_all_not_at_the_last() {
    let verify = verify(&["n8n"], &[]);
    let mut gate = Gate::new(&verify, at());
    for (second, c) in [
        (3.0, green("n8n")),
        (5.0, health("n8n", "unhealthy")),
        (6.0, green("n8n")),
    ] {
        gate.look(&[c], after(second));
    }
    let verdict = gate.look(&[green("n8n")], after(16.0));
    assert!(
        matches!(verdict, Verdict::Passed { green_at, .. } if green_at == after(3.0)),
        "{verdict:?}"
    );
}

#[test]
fn nothing_that_must_be_green_still_holds_for_as_long_as_asked() {
    let verify = verify(&[], &["n8n"]);
    let mut gate = Gate::new(&verify, at());
    let red = [health("n8n", "unhealthy")];
    assert_eq!(word(&gate.look(&red, at())), "holds 0");
    assert_eq!(word(&gate.look(&red, after(10.0))), "passed, red: n8n");
}

#[test]
fn patience_is_never_shorter_than_a_second_nor_longer_than_the_timeout() {
    for (timeout_ms, stable_ms, final_at) in [
        (60_000, 1, 1.0),
        (60_000, 10_000, 10.0),
        (5_000, 10_000, 5.0),
    ] {
        let mut verify = verify(&["n8n"], &[]);
        verify.gate = GateSettings {
            timeout_ms,
            stable_ms,
        };
        let mut gate = Gate::new(&verify, at());
        let red = [health("n8n", "unhealthy")];
        gate.look(&red, at());
        let early = gate.look(&red, after(final_at - 0.1));
        assert!(
            matches!(early, Verdict::Waiting(_)),
            "{stable_ms}: {early:?}"
        );
        let late = gate.look(&red, after(final_at));
        assert!(matches!(late, Verdict::Failed(_)), "{stable_ms}: {late:?}");
    }
}

#[test]
fn a_machine_that_slept_over_the_timeout_looks_and_holds_once_more() {
    let verify = verify(&["n8n"], &[]);
    let hour = 3600.0;
    let mut gate = Gate::new(&verify, at());
    let starting = [health("n8n", "starting")];
    assert_eq!(
        word(&gate.look(&starting, after(1.0))),
        "waits: n8n: starting"
    );
    // Asleep for an hour; what is green then has to hold, as at any other time.
    assert_eq!(word(&gate.look(&[green("n8n")], after(hour))), "holds 0");
    let verdict = gate.look(&[green("n8n")], after(hour + 5.0));
    assert!(matches!(verdict, Verdict::Holding(5000)), "{verdict:?}");
    let mut broken = green("n8n");
    broken.started_at = "later".into();
    let verdict = gate.look(&[broken], after(hour + 6.0));
    assert!(
        matches!(verdict, Verdict::Failed(_)),
        "it does not begin again: {verdict:?}"
    );
}

/// A sleep of the machine within a look: what was green before it and is green after it was not looked at meanwhile.
#[test]
fn a_sleep_within_a_look_is_no_time_for_which_it_held() {
    let verify = verify(&["n8n"], &[]);
    let ok = [green("n8n")];
    let hour = 3600.0;
    for (first, looks) in [
        // Asleep in the first look.
        (
            0.0,
            vec![(hour + 1.0, "holds 1000"), (hour + 10.0, "passed")],
        ),
        // Asleep in the last.
        (-1.0, vec![(hour + 1.0, "passed")]),
    ] {
        let mut gate = Gate::new(&verify, at());
        let slept = match first < 0.0 {
            true => {
                assert_eq!(word(&gate.look(&ok, at())), "holds 0");
                gate.seen(&ok, after(9.0), after(hour))
            }
            false => gate.seen(&ok, at(), after(hour)),
        };
        assert!(
            matches!(slept, Verdict::Holding(ms) if ms < 10_000),
            "{slept:?}"
        );
        for (second, expected) in looks {
            assert_eq!(word(&gate.look(&ok, after(second))), expected);
        }
    }
}

/// Each container of a scaled service: a restart of any is a break, and three of any are a crash loop.
#[test]
fn of_a_scaled_service_every_container_counts() {
    let verify = verify(&["n8n"], &[]);
    let two = |restarts: u32| {
        let second = with("n8n", |c| {
            (c.name, c.id, c.restarts) = ("n8n-2".into(), "second".into(), restarts);
        });
        vec![green("n8n"), second]
    };
    let mut gate = Gate::new(&verify, at());
    for (second, restarts, expected) in [
        (0.0, 1, "holds 0"),
        (9.0, 1, "holds 9000"),
        (9.5, 2, "holds 0"),
        (19.0, 2, "holds 9500"),
        (19.4, 3, "holds 0"),
        (20.0, 4, "failed: n8n: restarted 3 times"),
    ] {
        assert_eq!(word(&gate.look(&two(restarts), after(second))), expected);
    }
}

#[test]
fn what_is_not_green_in_one_look_is_named_at_once() {
    let verify = verify(&["n8n", "qdrant"], &["ollama"]);
    for (looks, expected) in [
        (vec![green("n8n"), green("qdrant")], ""),
        (vec![green("n8n")], "qdrant: no container"),
        (
            vec![health("n8n", "starting"), green("qdrant")],
            "n8n: starting",
        ),
        (
            vec![health("n8n", "unhealthy"), green("qdrant")],
            "n8n: unhealthy",
        ),
    ] {
        assert_eq!(not_green(&verify, &looks, at()).join("; "), expected);
    }
}

#[test]
fn what_must_run_is_no_one_shot_that_ended_well() {
    let may_end = verify(&["n8n", "qdrant"], &[]);
    let verify = VerifyHealth {
        must_run: [service("n8n")].into(),
        ..verify(&["n8n", "qdrant"], &[])
    };
    let both = |n8n| vec![n8n, exited("qdrant", 0, "no")];
    let ended = || both(exited("n8n", 0, "no"));
    let second = with("n8n", |c| c.name = "n8n-2".into());
    let of_two = [ended(), vec![second]].concat();
    let red = "n8n: exited with code 0";
    for (verify, looks, at_once, at_last) in [
        (&may_end, ended(), "holds 0", "passed".to_owned()),
        (&verify, both(green("n8n")), "holds 0", "passed".to_owned()),
        (
            &verify,
            ended(),
            &*format!("waits: {red}"),
            format!("failed: {red}"),
        ),
        (
            &verify,
            of_two,
            &*format!("waits: {red}"),
            format!("failed: {red}"),
        ),
    ] {
        let mut gate = Gate::new(verify, at());
        assert_eq!(word(&gate.look(&looks, after(0.0))), at_once);
        assert_eq!(word(&gate.look(&looks, after(10.0))), at_last);
    }
}

/// A running n8n: what Docker says, what its probe says, and how often it restarted.
fn probed(docker: Option<&str>, green: bool, restarts: u32) -> Vec<ContainerFacts> {
    let one = with("n8n", |c| {
        c.health = docker.map(str::to_owned);
        c.restarts = restarts;
        c.probed = Some(crate::model::Probed {
            green,
            why: if green {
                ""
            } else {
                "http http://h/: HTTP 503"
            }
            .into(),
            no_tool: false,
        });
    });
    vec![one]
}

fn declares(start_period_ms: Option<u64>, container: bool) -> VerifyHealth {
    let url = "http://h/".into();
    let one = crate::model::DeclaredHealth {
        probes: vec![crate::model::Probe::Http {
            url,
            from: 200,
            to: 299,
        }],
        container,
        interval_ms: 1000,
        timeout_s: 2,
        stable_ms: None,
        start_period_ms,
    };
    VerifyHealth {
        declared: [(service("n8n"), one)].into(),
        ..verify(&["n8n"], &[])
    }
}

/// Each look at its second: what Docker says, whether the probe is green, restarts. At the end: which second failed.
#[test]
fn a_red_that_runs_is_waited_for_and_one_that_will_not_come_up_is_final() {
    let at_each = |from: u32, to: u32| (from..=to).map(f64::from);
    let red =
        |docker: Option<&'static str>, restarts| move |_: f64| probed(docker, false, restarts);
    type Look = Box<dyn Fn(f64) -> Vec<ContainerFacts>>;
    type Row = (&'static str, Option<u64>, bool, Look, Option<f64>);
    let table: [Row; 10] = [
        (
            "a probe alone: until the timeout",
            None,
            false,
            Box::new(red(None, 0)),
            Some(60.0),
        ),
        (
            "while Docker says starting: the same",
            None,
            false,
            Box::new(red(Some("starting"), 0)),
            Some(60.0),
        ),
        (
            "Docker says unhealthy too",
            None,
            false,
            Box::new(red(Some("unhealthy"), 0)),
            Some(10.0),
        ),
        (
            "unhealthy, and a start period",
            Some(40_000),
            false,
            Box::new(red(Some("unhealthy"), 0)),
            Some(40.0),
        ),
        (
            "a probe alone, and a start period",
            Some(20_000),
            false,
            Box::new(red(None, 0)),
            Some(20.0),
        ),
        (
            "a short start period is not shorter than stable",
            Some(2_000),
            false,
            Box::new(red(None, 0)),
            Some(10.0),
        ),
        (
            "container: healthy, without a health check",
            None,
            true,
            Box::new(red(None, 0)),
            Some(10.0),
        ),
        (
            "green first, then red",
            Some(40_000),
            false,
            Box::new(|s| probed(None, s < 5.0, 0)),
            Some(15.0),
        ),
        (
            "it restarted since",
            Some(40_000),
            false,
            Box::new(|s| probed(None, false, u32::from(s >= 3.0))),
            Some(10.0),
        ),
        (
            "slow, and then green",
            None,
            false,
            Box::new(|s| probed(Some("starting"), s >= 45.0, 0)),
            None,
        ),
    ];
    for (what, start_period, container, look, fails) in table {
        let verify = declares(start_period, container);
        let mut gate = Gate::new(&verify, at());
        let mut end = None;
        for second in at_each(0, 70) {
            match gate.look(&look(second), after(second)) {
                Verdict::Failed(why) => {
                    assert_eq!(why, ["n8n: http http://h/: HTTP 503"], "{what}");
                    end = Some(second);
                    break;
                }
                Verdict::Passed { .. } => break,
                _ => {}
            }
        }
        assert_eq!(end, fails, "{what}");
    }
    let mut ended = probed(None, false, 0);
    (ended[0].status, ended[0].exit_code) = ("exited".into(), 1);
    let verify = declares(Some(40_000), false);
    let mut gate = Gate::new(&verify, at());
    assert!(matches!(gate.look(&ended, after(0.0)), Verdict::Waiting(_)));
    assert!(
        matches!(gate.look(&ended, after(10.0)), Verdict::Failed(_)),
        "one that ended is final"
    );
}
