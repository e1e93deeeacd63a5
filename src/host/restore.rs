//! The state machine of the armed restore, pure. The scripts do the same on a real host, tested against this.

use super::HostError;
use super::scripts::Verb;
use crate::model::{OperationId, RestoreState, Timestamp};

/// What happens to a host that may be armed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreEvent {
    /// The controller arms it, with a tag that is new to it. (The very same tag again changes nothing.)
    Arm {
        /// For this operation.
        operation: OperationId,
        /// Now and the grace.
        deadline: Timestamp,
    },
    /// A word of the controller, with a fence not lower than the one that armed.
    Beat {
        /// Of this operation.
        operation: OperationId,
        /// Now and the grace.
        deadline: Timestamp,
    },
    /// The controller disarms. Where a way back has come to its end nothing is armed, and it stays told.
    Commit {
        /// This operation.
        operation: OperationId,
    },
    /// The host looks for the first time after a boot: it counts anew.
    Booted {
        /// Now and the grace.
        deadline: Timestamp,
    },
    /// The host looks, past the deadline; what was green is so and stable.
    FoundGreen {
        /// The time of the look.
        now: Timestamp,
    },
    /// The host looks, past the deadline; something that was green is not, or nothing was.
    FoundRed {
        /// The time of the look.
        now: Timestamp,
    },
    /// A way back has its hands on the containers.
    Begins {
        /// Of this operation.
        operation: OperationId,
    },
    /// It has ended well. (One that fails or is cut off leaves `restoring`.)
    Ends {
        /// Of this operation.
        operation: OperationId,
        /// The host did it by itself.
        by_itself: bool,
    },
}

/// The state after an event.
///
/// # Errors
/// `busy`, as a script says it: while it goes back, a host is neither armed nor (while the job lives) disarmed.
pub fn next(
    state: &RestoreState,
    event: &RestoreEvent,
    at_work: bool,
) -> Result<RestoreState, HostError> {
    use RestoreState::{Armed, Committed, Restored, Restoring};
    let of = |operation: &OperationId| state.operation() == Some(operation);
    let busy = |verb: Verb| HostError::Script {
        verb: verb.name(),
        code: "busy".into(),
        message: "the host is going back".into(),
    };
    Ok(match (event, state) {
        (RestoreEvent::Arm { .. }, Restoring { .. }) => return Err(busy(Verb::Arm)),
        (
            RestoreEvent::Arm {
                operation,
                deadline,
            },
            _,
        ) => Armed {
            operation: operation.clone(),
            deadline: *deadline,
        },
        (
            RestoreEvent::Beat {
                operation,
                deadline,
            },
            Armed { .. },
        ) if of(operation) => Armed {
            operation: operation.clone(),
            deadline: *deadline,
        },
        // What was gone back from is not confirmed any more: whoever disarms is told so.
        (RestoreEvent::Commit { .. }, Restored { .. }) => state.clone(),
        (RestoreEvent::Commit { operation }, _) if of(operation) => {
            if at_work && matches!(state, Restoring { .. }) {
                return Err(busy(Verb::Commit));
            }
            Committed {
                operation: operation.clone(),
                by_itself: false,
            }
        }
        (RestoreEvent::Booted { deadline }, Armed { operation, .. }) => Armed {
            operation: operation.clone(),
            deadline: *deadline,
        },
        (
            RestoreEvent::FoundGreen { now },
            Armed {
                operation,
                deadline,
            },
        ) if now >= deadline => Committed {
            operation: operation.clone(),
            by_itself: true,
        },
        (
            RestoreEvent::FoundRed { now },
            Armed {
                operation,
                deadline,
            },
        ) if now >= deadline => Restoring {
            operation: operation.clone(),
        },
        (RestoreEvent::Begins { operation }, _) if of(operation) => Restoring {
            operation: operation.clone(),
        },
        (
            RestoreEvent::Ends {
                operation,
                by_itself,
            },
            Restoring { .. },
        ) if of(operation) => Restored {
            operation: operation.clone(),
            by_itself: *by_itself,
        },
        _ => state.clone(),
    })
}

/// Why forward work of this operation is refused by now: the host has judged by itself, or the controller has.
pub fn judged(state: &RestoreState, operation: &OperationId) -> Option<&'static str> {
    if state.operation() != Some(operation) {
        return None;
    }
    match state {
        RestoreState::Restoring { .. } | RestoreState::Restored { .. } => Some("host_restored"),
        RestoreState::Committed { .. } => Some("host_committed"),
        RestoreState::Idle | RestoreState::Armed { .. } => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An event of the table, without its times: the deadline of the state lies in the past for a look.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum On {
        Arm,
        Beat,
        Commit,
        Booted,
        Green,
        Red,
        /// The controller's way back, to its end.
        Restore,
        /// A look before the deadline.
        Early,
    }

    pub(crate) const EVENTS: [On; 8] = [
        On::Arm,
        On::Beat,
        On::Commit,
        On::Booted,
        On::Green,
        On::Red,
        On::Restore,
        On::Early,
    ];

    /// The state, then what becomes of it with each of [`EVENTS`], of the same operation and (after the bar) of
    /// another. `!` is for the host itself, `+` for a deadline that moved, `busy` for a refusal. A `restoring` has
    /// no job at work: the host goes on by itself when it looks.
    #[rustfmt::skip]
    pub(crate) const TABLE: [(&str, &str, &str); 7] = [
        // state       arm    beat       commit    booted     green      red        restore   early       another's: arm beat commit restore
        ("idle",       "armed+ idle       idle      idle       idle       idle       idle      idle",       "armed+ idle       idle       idle"),
        ("armed",      "armed+ armed+     committed armed+     committed! restored!  restored  armed",      "armed+ armed      armed      armed"),
        ("restoring",  "busy   restoring  committed restored!  restored!  restored!  restored  restored!",  "busy   restoring  restoring  restoring"),
        ("restored",   "armed+ restored   restored  restored   restored   restored   restored  restored",   "armed+ restored   restored   restored"),
        ("restored!",  "armed+ restored!  restored! restored!  restored!  restored!  restored  restored!",  "armed+ restored!  restored!  restored!"),
        ("committed",  "armed+ committed  committed committed  committed  committed  restored  committed",  "armed+ committed  committed  committed"),
        ("committed!", "armed+ committed! committed committed! committed! committed! restored  committed!", "armed+ committed! committed! committed!"),
    ];

    /// The events of another operation in the table.
    pub(crate) const OF_ANOTHER: [On; 4] = [On::Arm, On::Beat, On::Commit, On::Restore];

    fn operation(other: bool) -> OperationId {
        OperationId::new(if other {
            "20261120-110000-ffff"
        } else {
            "20261120-100000-abcd"
        })
        .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(word: &str) -> RestoreState {
        let by_itself = word.ends_with('!');
        let operation = operation(false);
        match word.trim_end_matches('!') {
            "idle" => RestoreState::Idle,
            "armed" => RestoreState::Armed {
                operation,
                deadline: at(100),
            },
            "restoring" => RestoreState::Restoring { operation },
            "restored" => RestoreState::Restored {
                operation,
                by_itself,
            },
            "committed" => RestoreState::Committed {
                operation,
                by_itself,
            },
            other => panic!("{other}"),
        }
    }

    /// The word of the table for a state that was `armed` until second 100.
    pub(crate) fn word(state: &Result<RestoreState, HostError>, moved: bool) -> String {
        match state {
            Err(HostError::Script { code, .. }) => code.clone(),
            Err(other) => other.to_string(),
            Ok(RestoreState::Armed { .. }) if moved => "armed+".into(),
            Ok(
                state @ (RestoreState::Restored {
                    by_itself: true, ..
                }
                | RestoreState::Committed {
                    by_itself: true, ..
                }),
            ) => {
                format!("{}!", state.as_str())
            }
            Ok(state) => state.as_str().into(),
        }
    }

    /// The events that an entry of the table stands for: a look goes on with a way back that it finds.
    fn events(on: On, before: &RestoreState, other: bool) -> Vec<RestoreEvent> {
        let operation = operation(other);
        let ends = |by_itself| RestoreEvent::Ends {
            operation: operation.clone(),
            by_itself,
        };
        let mut all = vec![match on {
            On::Arm => RestoreEvent::Arm {
                operation: operation.clone(),
                deadline: at(900),
            },
            On::Beat => RestoreEvent::Beat {
                operation: operation.clone(),
                deadline: at(900),
            },
            On::Commit => RestoreEvent::Commit {
                operation: operation.clone(),
            },
            On::Booted => RestoreEvent::Booted { deadline: at(900) },
            On::Green => RestoreEvent::FoundGreen { now: at(200) },
            On::Red => RestoreEvent::FoundRed { now: at(200) },
            On::Early => RestoreEvent::FoundRed { now: at(50) },
            On::Restore => RestoreEvent::Begins {
                operation: operation.clone(),
            },
        }];
        let looks = matches!(on, On::Booted | On::Green | On::Red | On::Early);
        if on == On::Restore {
            all.push(ends(false));
        } else if on == On::Red || (looks && matches!(before, RestoreState::Restoring { .. })) {
            all.push(ends(true));
        }
        all
    }

    fn run(before: &RestoreState, on: On, other: bool) -> String {
        let after = events(on, before, other)
            .iter()
            .try_fold(before.clone(), |state, event| next(&state, event, false));
        let moved =
            matches!(&after, Ok(RestoreState::Armed { deadline, .. }) if *deadline != at(100));
        word(&after, moved)
    }

    #[test]
    fn each_state_with_each_event() {
        for (from, same, another) in TABLE {
            let before = state(from);
            for (on, expected) in EVENTS.into_iter().zip(same.split_whitespace()) {
                assert_eq!(run(&before, on, false), expected, "{from} {on:?}");
            }
            for (on, expected) in OF_ANOTHER.into_iter().zip(another.split_whitespace()) {
                assert_eq!(run(&before, on, true), expected, "{from} {on:?} of another");
            }
            let forward = match from.trim_end_matches('!') {
                "restoring" | "restored" => Some("host_restored"),
                "committed" => Some("host_committed"),
                _ => None,
            };
            assert_eq!(judged(&before, &operation(false)), forward, "{from}");
            assert_eq!(judged(&before, &operation(true)), None, "{from} of another");
        }
    }

    #[test]
    fn a_commit_waits_for_a_way_back_that_is_at_work() {
        let commit = |other| RestoreEvent::Commit {
            operation: operation(other),
        };
        let restoring = state("restoring");
        assert!(matches!(
            next(&restoring, &commit(false), true),
            Err(HostError::Script { verb: "commit", .. })
        ));
        assert_eq!(next(&restoring, &commit(true), true), Ok(restoring));
    }
}
