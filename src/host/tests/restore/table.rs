//! Each state with each event, in each shell, against the pure machine.

use super::super::machine::{Machine, machines, tag};
use super::*;
use crate::host::restore::tests::{EVENTS, OF_ANOTHER, On, TABLE};

#[test]
fn each_state_with_each_event_in_each_shell() {
    std::thread::scope(|scope| {
        for m in machines() {
            scope.spawn(move || {
                stack(&m);
                arm(&m, &tag(1, 1)).unwrap();
                let mut seq = 1;
                for (from, same, another) in TABLE {
                    let cells = EVENTS.into_iter().zip(same.split_whitespace());
                    for (on, expected) in cells {
                        seq += 1;
                        assert_eq!(
                            cell(&m, from, on, &tag(1, seq)),
                            expected,
                            "{}: {from} {on:?}",
                            m.shell
                        );
                    }
                    for (on, expected) in OF_ANOTHER.into_iter().zip(another.split_whitespace()) {
                        seq += 1;
                        let found = cell(&m, from, on, &other(1, seq));
                        assert_eq!(found, expected, "{}: {from} {on:?} of another", m.shell);
                    }
                }
            });
        }
    });
}

/// One entry of the table: the state is written, the event happens, the state is read.
fn cell(m: &Machine, from: &str, on: On, tag: &Tag) -> String {
    let now = look_clock();
    let deadline = if on == On::Early { now + 300 } else { 100 };
    let boot = if on == On::Booted { "boot-0" } else { "boot-1" };
    let who = if from.ends_with('!') {
        "host"
    } else {
        "controller"
    };
    let line = match from.trim_end_matches('!') {
        "idle" => "idle".to_owned(),
        "armed" => format!("armed {OP} 1 1 {deadline} 600 0 {boot}"),
        "restoring" => format!("restoring {OP} 1 1 controller 0 1-9999"),
        other => format!("{other} {OP} 1 1 {who}"),
    };
    m.put(FILE, &format!("{line}\n"));
    m.set(
        "containers/web/status",
        if on == On::Red {
            "exited\n"
        } else {
            "running\n"
        },
    );
    let mut refused = None;
    match on {
        On::Arm => refused = arm(m, tag).err(),
        On::Beat => drop(m.poll(tag)),
        On::Commit => refused = commit(m, tag).err(),
        On::Restore => assert_eq!(m.job(tag, back()), JobState::Done, "{}: {from}", m.shell),
        On::Booted | On::Green | On::Red | On::Early => drop(m.tick()),
    }
    let after = refused.map_or_else(|| look(m, None), Err);
    let moved =
        matches!(&after, Ok(RestoreState::Armed { deadline: d, .. }) if d.as_second() != deadline);
    word(&after, moved)
}
