//! What the sequences have found, each by name.

use super::commands::{Ask, Command, Wrong};
use super::tried;

fn image(tag: usize) -> Ask {
    Ask::Update {
        to: None,
        images: vec![(0, tag)],
        no_rollback: false,
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
