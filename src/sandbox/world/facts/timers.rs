//! The timer of a host: a transition of the world.

use super::*;
use crate::sandbox::host::TimerUnit;

/// A world whose host has the timer on since `after(0)`: each 15 s.
fn ticking() -> World {
    let mut w = world();
    let each = Some(SignedDuration::from_secs(15));
    let host = w.hosts.get_mut(ID).unwrap();
    host.boot(after(-1000));
    host.timer.unit = Some(TimerUnit {
        on_active: each,
        on_boot: each,
        on_unit_inactive: each,
        wanted: true,
        exec: vec!["/bin/true".into()],
        ..TimerUnit::default()
    });
    host.timer.enabled = true;
    host.timer.start(after(0));
    w
}

/// Runs what waits, as the agent process does; answers whether there was something.
fn run(w: &mut World, ms: i64) -> bool {
    w.advance(after(ms));
    let timer = &mut w.hosts.get_mut(ID).unwrap().timer;
    let taken = timer.take().is_some();
    timer.end(after(ms));
    taken
}

#[test]
fn a_due_timer_leaves_one_tick_that_wakes_the_agent() {
    let mut w = ticking();
    assert!(!run(&mut w, 13_999));
    assert_eq!(w.waiting(after(13_999)), [""; 0]);
    w.advance(after(14_000));
    assert_eq!(w.waiting(after(14_000)), [ID]);
    let before = w.clone();
    w.advance(after(14_000));
    assert_eq!(w, before, "twice at the same moment is once");
    assert!(run(&mut w, 3_600_000), "an hour later");
    assert!(!run(&mut w, 3_600_000), "one, however many were missed");
    assert!(!run(&mut w, 3_614_999));
    assert!(run(&mut w, 3_615_000));
}

#[test]
fn a_tick_comes_before_the_commands_and_is_none_of_them() {
    let mut w = ticking();
    let ask = SendCommand {
        document: "AWS-RunShellScript".into(),
        instances: vec![ID.into()],
        script: "echo".into(),
        working_directory: None,
        comment: String::new(),
        delivery_timeout_s: None,
        execution_timeout_s: None,
    };
    let id = w.send_command(&ask, after(20_000)).unwrap();
    w.advance(after(20_000));
    assert_eq!(w.next_command(ID, after(20_000)), None);
    assert!(run(&mut w, 20_000));
    let taken = w.next_command(ID, after(20_000)).unwrap();
    assert_eq!(taken.id, id);
    assert_eq!(w.commands.len(), 1);
}

#[test]
fn power_off_drops_the_tick_and_the_boot_begins_anew() {
    for enabled in [true, false] {
        let mut w = ticking();
        w.hosts.get_mut(ID).unwrap().timer.enabled = enabled;
        w.stop(ID, false, after(20_000)).unwrap();
        w.advance(after(30_000));
        assert_eq!(w.instances[ID].state, RunState::Stopped);
        assert_eq!(w.waiting(after(30_000)), [""; 0]);
        assert!(
            !run(&mut w, 100_000),
            "nothing happens on a host that is off"
        );
        w.start(ID, after(100_000)).unwrap();
        let up = 100_000 + i64::try_from(w.latency.start).unwrap();
        assert!(!run(&mut w, up + 14_999));
        assert_eq!(run(&mut w, up + 15_000), enabled);
    }
}

#[test]
fn a_timer_that_is_stopped_stays_silent() {
    let mut w = ticking();
    w.hosts.get_mut(ID).unwrap().timer.stop();
    assert!(!run(&mut w, 3_600_000));
}

#[test]
fn a_world_of_an_earlier_version_is_still_read() {
    let w = world();
    let mut old = serde_json::to_value(&w).unwrap();
    let fields = |value: &mut serde_json::Value, name: &str| {
        let fields = value.as_object_mut().unwrap();
        fields.remove(name).unwrap_or_else(|| panic!("{name}"));
    };
    fields(&mut old["latency"], "restore");
    fields(&mut old["hosts"][ID], "timer");
    fields(&mut old["hosts"][ID]["memory"], "restore");
    assert_eq!(serde_json::from_value::<World>(old).unwrap(), w);
}
