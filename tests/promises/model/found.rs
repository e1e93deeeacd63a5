//! What the sequences have found, each by name.

use super::commands::{Ask, Command, Hand, Wrong};
use super::ports::{What, When, Why};
use super::tried;

fn update(to: Option<usize>, images: &[(usize, usize)]) -> Ask {
    Ask::Update {
        to,
        images: images.to_vec(),
        no_rollback: false,
    }
}

fn image(tag: usize) -> Ask {
    update(None, &[(0, tag)])
}

fn type_alone() -> Ask {
    update(Some(1), &[])
}

fn both() -> Ask {
    update(Some(1), &[(0, 1)])
}

fn back() -> Ask {
    Ask::Rollback {
        to: None,
        only: None,
    }
}

/// At the k-th call.
fn at_call(k: i64, what: What) -> Wrong {
    Wrong::At {
        k,
        effects: false,
        what,
    }
}

/// At the k-th effect.
fn at_effect(k: i64, what: What) -> Wrong {
    Wrong::At {
        k,
        effects: true,
        what,
    }
}

#[track_caller]
fn holds(commands: &[Command]) {
    tried(commands).unwrap_or_else(|why| panic!("{why}"));
}

/// An update that asks the registry first, before its plan, pulls under the lock. Frozen there and taken over by another
/// machine, it sent its pull all the same when it woke up.
#[test]
fn whoever_is_taken_over_while_the_registry_is_asked_sends_no_pull_any_more() {
    for at in 8..=18 {
        let other = Wrong::Other(at, Box::new(image(0)));
        let commands = [
            Command::Does(0, image(1), Wrong::Nothing),
            Command::Does(0, image(1), other),
        ];
        tried(&commands).unwrap_or_else(|why| panic!("at call {at}: {why}"));
    }
}

/// An operation of a killed process is accepted while its instance boots and the host does not answer. It stays armed and
/// goes back by itself; whoever accepts is told.
#[test]
fn a_host_that_does_not_hear_that_its_operation_was_accepted_goes_back_as_was_said() {
    // Given up in its boot already, and accepted before that is over.
    for at in 104..=114 {
        let expired = at_call(at, What::Fails(When::Before, Why::Expired, false));
        let commands = [
            Command::Does(0, both(), expired),
            Command::Does(0, Ask::Accept, Wrong::Nothing),
        ];
        tried(&commands).unwrap_or_else(|went| panic!("paused at call {at}: {went}"));
    }
    // From the first look to the last call of the release.
    for at in (1..=131).step_by(10) {
        for (why, always) in [
            (Why::Silent, false),
            (Why::Silent, true),
            (Why::Expired, true),
            (Why::Internal, true),
        ] {
            let killed = at_effect(10, What::Killed(When::After));
            let failing = at_call(at, What::Fails(When::Before, why, always));
            let commands = [
                Command::Does(0, both(), killed),
                Command::Does(0, Ask::Accept, failing),
            ];
            tried(&commands).unwrap_or_else(|went| panic!("{why:?} at call {at}: {went}"));
        }
    }
}

/// The reference took it for an update: a rollback to a state that it had not seen, because somebody had been at the stack
/// meanwhile, killed and gone on with.
#[test]
fn a_rollback_to_what_nobody_saw_is_gone_on_with() {
    let killed = at_call(33, What::Killed(When::Before));
    holds(&[
        Command::Does(0, type_alone(), Wrong::Nothing),
        Command::Does(0, back(), Wrong::Drift(1, Hand::Start)),
        Command::Does(0, back(), killed),
        Command::Does(0, Ask::Resume, Wrong::Nothing),
    ]);
}

/// Accepted while its instance is off, and then somebody writes the compose file: the host cannot go back, is `restoring` for
/// ever, and no other operation could arm it. Accepting once more tells it that it is over.
#[test]
fn a_host_that_cannot_go_back_from_what_was_accepted_is_disarmed_by_accepting_again() {
    let killed = at_effect(8, What::Killed(When::Before));
    holds(&[
        Command::Does(0, both(), Wrong::Nothing),
        Command::Does(0, back(), killed),
        Command::Does(0, Ask::Accept, Wrong::Nothing),
        Command::Hand(Hand::Comment),
    ]);
}

/// The reference judged by what was so when the first machine had ended, and not when the second one asked.
#[test]
fn whoever_asks_while_another_machine_s_operation_is_open_is_refused_though_it_closes_soon() {
    let paused = at_call(44, What::Fails(When::Before, Why::Expired, false));
    holds(&[
        Command::Does(0, image(0), Wrong::Nothing),
        Command::Does(0, Ask::Resume, Wrong::Nothing),
        Command::Does(0, type_alone(), paused),
        Command::Does(0, Ask::Resume, Wrong::Other(1, Box::new(image(0)))),
    ]);
}

/// The reference forgot a hand that was at the stack while a second machine found nothing to do.
#[test]
fn what_a_hand_does_meanwhile_is_not_expected_of_another_machine_s_open_operation() {
    let killed = at_call(29, What::Killed(When::Before));
    holds(&[
        Command::Does(0, image(1), killed),
        Command::Does(1, image(0), Wrong::Drift(1, Hand::Comment)),
    ]);
}

/// The reference held it against the refusal that was to be expected when it was asked; the operation in its way was closed
/// before it looked.
#[test]
fn what_is_in_the_way_when_it_is_asked_may_be_closed_before_it_looks() {
    let killed = |k| at_call(k, What::Killed(When::Before));
    holds(&[
        Command::Does(0, image(1), killed(31)),
        Command::Does(0, Ask::Resume, killed(20)),
        Command::Does(1, image(1), Wrong::Other(1, Box::new(Ask::Unwind))),
    ]);
}

/// The reference expected what is expected of an idle host, while it was armed by an operation that had been given up.
#[test]
fn a_host_that_is_armed_by_what_was_given_up_is_in_the_way_of_every_change() {
    for tag in [0, 2] {
        let killed = at_call(49, What::Killed(When::After));
        holds(&[
            Command::Does(1, image(1), killed),
            Command::Does(0, Ask::GiveUp, Wrong::Nothing),
            Command::Does(0, image(tag), Wrong::Nothing),
        ]);
    }
}

/// The reference forgot that a second machine had changed the stack that the first one's plan began from.
#[test]
fn what_another_machine_changes_meanwhile_is_no_stack_to_go_on_from() {
    let other = |k, ask| Wrong::Other(k, Box::new(ask));
    holds(&[
        Command::Does(0, type_alone(), Wrong::Nothing),
        Command::Does(0, back(), other(33, image(1))),
        Command::Does(0, Ask::Resume, at_call(22, What::Killed(When::Before))),
    ]);
    let failing = What::Fails(When::Before, Why::Internal, true);
    holds(&[
        Command::Does(0, type_alone(), at_call(31, failing)),
        Command::Does(0, Ask::Resume, other(1, type_alone())),
    ]);
}

/// What is not there is said to be not there, also by an armed host.
#[test]
fn without_a_snapshot_an_armed_host_is_not_asked() {
    let paused = Ask::Update {
        to: Some(1),
        images: vec![(0, 0)],
        no_rollback: true,
    };
    holds(&[
        Command::Does(0, paused, Wrong::Fault(3, 0)),
        Command::Does(1, Ask::GiveUp, Wrong::Nothing),
        Command::Does(1, back(), at_call(20, What::Killed(When::Before))),
    ]);
}
