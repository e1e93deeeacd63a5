//! The host scripts and the real binary against a real Docker Engine under a real systemd. See docs/engine.md.

mod compose;
mod direct;
mod force;
mod health;
mod hook;
mod images;
mod keep;
mod mounts;
mod power;
mod proxy;
mod pull;
pub mod real;
mod shell;
pub mod twin;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, OnceLock};

use real::Real;

/// Names the tests, and runs them where there is an engine. `=> systemd`: what it shows the small instance cannot. `=> force`:
/// besides, it takes minutes, and is run where `GEUSEMAKER_FORCE` is set.
macro_rules! suite {
    ($($name:ident: $test:path $(=> $needs:ident)?,)*) => {
        const TESTS: &[&str] = &[$(stringify!($name)),*];
        const OF_SYSTEMD: &[&str] = &[$($(needs!($name $needs),)?)*];
        const OF_FORCE: &[Option<&str>] = &[$($(of_force!($name $needs),)?)*];
        $(
            #[test]
            fn $name() {
                on_an_engine(stringify!($name), $test);
            }
        )*
    };
}

macro_rules! needs {
    ($name:ident $needs:ident) => {
        stringify!($name)
    };
}

macro_rules! of_force {
    ($name:ident systemd) => {
        None
    };
    ($name:ident force) => {
        Some(stringify!($name))
    };
}

suite! {
    the_record_of_its_answers_is_what_it_answers: crate::forms::on_the_engine,
    a_project_of_three_files_merges_profiles_and_a_one_shot: compose::grown,
    pending_edits_are_named_and_nothing_else_is: compose::edited,
    a_namespace_that_services_share_is_kept_or_refused: compose::shared,
    what_compose_made_by_half_keeps_its_anonymous_volumes: compose::half,
    the_predecessor_s_stack_in_both_its_folders: compose::predecessor,
    a_bump_replaces_one_container_of_five: images::bump,
    an_image_that_is_missing_touches_nothing: images::missing,
    an_image_of_another_architecture_touches_nothing: images::architecture,
    an_image_that_crashes_at_start_is_taken_back: images::crash,
    an_image_that_crashes_later_is_taken_back: images::later,
    an_image_that_is_never_healthy_is_taken_back: images::unhealthy,
    an_image_that_is_slow_is_waited_for: images::slow,
    healthy_and_then_not_is_taken_back: images::then_bad,
    a_declared_http_probe_decides: health::http,
    a_declared_tcp_probe_sees_through_dockers_proxy: health::tcp,
    a_declared_command_is_run_in_the_container: health::command,
    a_silent_controller_s_image_that_a_probe_calls_red_is_taken_back: health::silent => systemd,
    a_crash_without_a_health_check_is_taken_back: images::later_unchecked,
    a_rollback_brings_the_old_bits_back: images::rollback,
    what_runs_is_held_and_let_go_with_its_snapshot: keep::held,
    a_rollback_finds_what_the_registry_has_lost: keep::moved_and_lost,
    a_rollback_finds_its_image_after_a_prune_of_images: keep::image_prune,
    a_prune_of_the_system_takes_the_way_back_unless_the_registry_has_it: keep::system_prune,
    type_and_image_change_in_one_real_boot: power::resize,
    without_capacity_all_is_as_before: power::no_capacity,
    a_silent_controller_s_bad_image_is_taken_back_by_systemd: power::silent => systemd,
    a_silent_controller_s_good_image_stays: power::silent_and_green => systemd,
    a_host_goes_off_though_a_look_at_it_is_stopped: power::off_under_a_look => systemd,
    the_armed_restore_survives_a_real_boot: power::silent_over_a_boot => systemd,
    an_apply_killed_at_each_step_and_left_alone_ends_old_or_new: force::alone::apply => systemd,
    a_quiesce_killed_at_each_step_and_left_alone_ends_as_before: force::alone::quiesce => systemd,
    a_way_back_killed_at_each_step_and_left_alone_ends_as_before: force::alone::restore => systemd,
    a_script_killed_at_each_step_and_left_alone_ends_old_or_new: force::alone::scripts => systemd,
    the_hosts_own_way_back_killed_at_each_step_goes_on_at_the_next_tick: force::alone::itself => force,
    a_script_killed_at_each_step_and_sent_again_does_its_work_once: force::again::scripts => systemd,
    an_update_whose_scripts_are_killed_ends_old_or_new: force::live::scripts => force,
    an_update_and_a_rollback_whose_jobs_are_killed_end_as_asked: force::live::jobs => force,
    a_change_of_the_type_whose_quiesce_is_killed_ends_as_asked: force::live::quiesce => force,
    an_engine_restarted_at_each_step_ends_old_or_new: force::alone::engine_restarts => systemd,
    an_engine_restarted_in_an_update_ends_old_or_new: force::live::engine_restarts => force,
    the_power_gone_at_each_step_of_an_apply_ends_old_or_new: force::shocks::power => systemd,
    a_mount_that_hangs_is_seen_in_time: mounts::hangs,
    a_mount_that_is_gone_or_another_is_refused: mounts::gone,
    docker_waits_for_the_mount_after_check_fix: mounts::order => systemd,
    a_private_registry_wants_its_sign_in: pull::private => systemd,
    a_disk_below_the_floor_is_refused: pull::floor,
    a_disk_that_fills_in_the_pull_touches_nothing: pull::fills => systemd,
    a_registry_that_never_answers_is_given_up: pull::silent,
    exec_runs_on_the_instance_and_inside_a_container: shell::run => systemd,
    an_exec_is_ended_inside_a_container_too: shell::ended,
    logs_of_a_crashed_container_and_over_a_restart: shell::logs,
}

/// Not by a macro: those are captured, and shown of failed tests only. In one piece, and never within the line of a test.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// The folder in which `tests/engine/up` has set up an engine. Without it the suite is left out, and says so once;
/// with it each test must run.
fn on_an_engine(name: &str, test: fn(&Real)) {
    static SAID: Once = Once::new();
    static READY: OnceLock<bool> = OnceLock::new();
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let Some(folder) = std::env::var_os("GEUSEMAKER_ENGINE").map(PathBuf::from) else {
        SAID.call_once(|| {
            say(&format!(
                "left out, for want of a Docker Engine: {} tests of engine::, among them {}. To run them, as root: tests/engine/up /tmp/engine setup && GEUSEMAKER_ENGINE=/tmp/engine cargo test --test promises engine::",
                TESTS.len(),
                TESTS[0]
            ));
        });
        return;
    };
    assert!(
        READY.get_or_init(|| real::ready(&folder)),
        "GEUSEMAKER_ENGINE: nothing is set up in {0}, or not for this state of the project: tests/engine/up {0} setup",
        folder.display()
    );
    let small = real::small(&folder);
    if small && OF_SYSTEMD.contains(&name) {
        say(&format!("not shown on the small instance: engine::{name}"));
    } else if !by_force() && OF_FORCE.contains(&Some(name)) {
        say(&format!(
            "not shown without GEUSEMAKER_FORCE: engine::{name}"
        ));
    } else {
        let short: String = name.chars().take(24).collect();
        test(&Real::new(&folder, &short));
    }
    if SEEN.fetch_add(1, Ordering::SeqCst) + 1 == TESTS.len() {
        say(&count(small));
    }
}

/// Whether the tests that take minutes are to run.
fn by_force() -> bool {
    std::env::var_os("GEUSEMAKER_FORCE").is_some()
}

/// How many have run, where all were asked for. `.ci/run` leaves some to another turn, and counts by itself.
fn count(small: bool) -> String {
    let all = TESTS.len();
    let (left, why) = if small {
        (OF_SYSTEMD.to_vec(), "not shown without systemd")
    } else if by_force() {
        (vec![], "")
    } else {
        let left = OF_FORCE.iter().flatten().copied().collect();
        (
            left,
            "left out, to be run with GEUSEMAKER_FORCE=some or all",
        )
    };
    let ran = all - left.len();
    let mut said = format!("engine: {ran} tests of {all} ran on a real Docker Engine");
    if !left.is_empty() {
        said += &format!("; {why}: {}", left.join(", "));
    }
    said
}
