//! The file lock of one machine, by the real system: threads with a file description each, and processes that are killed.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use geusemaker::model::DeploymentName;
use geusemaker::state::{Holder, Lock, LockError, StateDir};

fn holder(who: usize) -> Holder {
    Holder {
        user: "ann".into(),
        host: "laptop".into(),
        pid: std::process::id(),
        operation: None,
        reason: format!("taker {who}"),
        since: "2026-11-20T10:00:00Z".parse().expect("a time"),
    }
}

#[test]
fn of_many_takers_of_one_file_each_has_it_alone_and_each_number_is_given_once() {
    // Each taker has some hundred turns.
    const TURNS: usize = 100;
    for takers in [2, 4, 8, 16] {
        let root = tempfile::tempdir().expect("a folder");
        let (state, _) = StateDir::open(root.path().join("s")).expect("a folder");
        let name = DeploymentName::new("web").expect("a name");
        let (inside, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let numbers = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for taker in 0..takers {
                let (state, name, inside, refused, numbers) =
                    (&state, &name, &inside, &refused, &numbers);
                scope.spawn(move || {
                    for turn in 0..TURNS {
                        match Lock::acquire(state, name, &holder(taker)) {
                            Ok(lock) => {
                                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                                assert!(lock.is_ours().expect("it can be read"));
                                numbers.lock().expect("no panic").push(lock.fence);
                                if turn % 10 == taker % 10 {
                                    std::thread::yield_now();
                                }
                                assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1, "two at once");
                            }
                            Err(LockError::Held { .. }) => {
                                refused.fetch_add(1, Ordering::SeqCst);
                            }
                            Err(LockError::State(error)) => panic!("{error}"),
                        }
                    }
                });
            }
        });
        let numbers = numbers.into_inner().expect("no panic");
        // In the order in which they were held, for each is noted within.
        assert!(numbers.is_sorted(), "{takers} takers: {numbers:?}");
        let each: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(each.len(), numbers.len(), "{takers} takers");
        assert_eq!(
            numbers.len() + refused.load(Ordering::SeqCst),
            takers * TURNS
        );
        // And nobody keeps it.
        let last = Lock::acquire(&state, &name, &holder(99)).expect("it is free");
        assert_eq!(Some(&last.fence), numbers.last().map(|n| n + 1).as_ref());
    }
}

#[test]
fn among_those_who_break_it_only_the_last_one_still_has_it() {
    for takers in [2, 4, 8, 16] {
        let root = tempfile::tempdir().expect("a folder");
        let (state, _) = StateDir::open(root.path().join("s")).expect("a folder");
        let name = DeploymentName::new("web").expect("a name");
        for round in 0..25 {
            let locks: Vec<Lock> = std::thread::scope(|scope| {
                let (state, name) = (&state, &name);
                let break_open =
                    move |taker| Lock::break_open(state, name, &holder(taker)).expect("files");
                let all: Vec<_> = (0..takers)
                    .map(|taker| scope.spawn(move || break_open(taker)))
                    .collect();
                all.into_iter()
                    .map(|one| one.join().expect("no panic"))
                    .collect()
            });
            let ours: Vec<u64> = locks
                .iter()
                .filter(|l| l.is_ours().expect("read"))
                .map(|l| l.fence)
                .collect();
            assert!(ours.len() <= 1, "{takers} takers, round {round}: {ours:?}");
            drop(locks);
            let next = Lock::acquire(&state, &name, &holder(99)).expect("it is free");
            assert!(ours.iter().all(|fence| *fence < next.fence));
        }
    }
}
