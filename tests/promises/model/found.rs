//! What the sequences have found, each by name.

use super::commands::{Ask, Command, Hand, Wrong};
use super::ports::{What, When, Why};
use super::tried;

fn image(tag: usize) -> Ask {
    Ask::Update {
        to: None,
        images: vec![(0, tag)],
        no_rollback: false,
    }
}

fn type_alone() -> Ask {
    Ask::Update {
        to: Some(1),
        images: vec![],
        no_rollback: false,
    }
}

fn both() -> Ask {
    Ask::Update {
        to: Some(1),
        images: vec![(0, 1)],
        no_rollback: false,
    }
}

fn back() -> Ask {
    Ask::Rollback {
        to: None,
        only: None,
    }
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
        let expired = Wrong::At {
            k: at,
            effects: false,
            what: What::Fails(When::Before, Why::Expired, false),
        };
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
            let killed = Wrong::At {
                k: 10,
                effects: true,
                what: What::Killed(When::After),
            };
            let failing = Wrong::At {
                k: at,
                effects: false,
                what: What::Fails(When::Before, why, always),
            };
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
    let killed = Wrong::At {
        k: 33,
        effects: false,
        what: What::Killed(When::Before),
    };
    let commands = [
        Command::Does(0, type_alone(), Wrong::Nothing),
        Command::Does(0, back(), Wrong::Drift(1, Hand::Start)),
        Command::Does(0, back(), killed),
        Command::Does(0, Ask::Resume, Wrong::Nothing),
    ];
    tried(&commands).unwrap_or_else(|went| panic!("{went}"));
}

/// Accepted while its instance is off, and then somebody writes the compose file: the host cannot go back, is `restoring` for
/// ever, and no other operation could arm it. Accepting once more tells it that it is over.
#[test]
fn a_host_that_cannot_go_back_from_what_was_accepted_is_disarmed_by_accepting_again() {
    let killed = Wrong::At {
        k: 8,
        effects: true,
        what: What::Killed(When::Before),
    };
    let commands = [
        Command::Does(0, both(), Wrong::Nothing),
        Command::Does(0, back(), killed),
        Command::Does(0, Ask::Accept, Wrong::Nothing),
        Command::Hand(Hand::Comment),
    ];
    tried(&commands).unwrap_or_else(|went| panic!("{went}"));
}

/// The reference judged by what was so when the first machine had ended, and not when the second one asked.
#[test]
fn whoever_asks_while_another_machine_s_operation_is_open_is_refused_though_it_closes_soon() {
    let paused = Wrong::At {
        k: 44,
        effects: false,
        what: What::Fails(When::Before, Why::Expired, false),
    };
    let commands = [
        Command::Does(0, image(0), Wrong::Nothing),
        Command::Does(0, Ask::Resume, Wrong::Nothing),
        Command::Does(0, type_alone(), paused),
        Command::Does(0, Ask::Resume, Wrong::Other(1, Box::new(image(0)))),
    ];
    tried(&commands).unwrap_or_else(|went| panic!("{went}"));
}
