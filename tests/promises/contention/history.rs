//! What happened at the account, in its own order, and whether it may.

use std::collections::BTreeMap;

/// A write to the cloud, as it took place.
#[derive(Debug, Clone)]
pub struct Effect {
    /// When, in milliseconds.
    pub at: u64,
    /// Whose.
    pub operator: usize,
    /// Under which number.
    pub fence: u64,
    /// When the account answered the question before it.
    pub asked: u64,
}

/// The history of one account.
#[derive(Debug, Default)]
pub struct History {
    /// Since when a number counts, and of which machine it was then.
    pub since: BTreeMap<u64, (u64, String)>,
    /// When each number's lease was written.
    pub written: BTreeMap<u64, Vec<u64>>,
    /// The highest number that counts, each time it was looked.
    counting: u64,
    /// In order.
    pub effects: Vec<Effect>,
    /// The holds, in order: whose, and which number.
    pub holds: Vec<(usize, u64)>,
    /// The numbers whose holder was told that it has lost.
    pub lost: Vec<(usize, u64)>,
    /// How many were told that an operation is open elsewhere.
    pub elsewhere: usize,
    /// How many locks were broken on purpose.
    pub broken: Vec<u64>,
    /// How many questions and operations found no answer.
    pub unanswered: usize,
}

impl History {
    /// A number counts now.
    pub fn counts(&mut self, at: u64, number: u64, host: &str) {
        assert!(
            number >= self.counting,
            "the count went down: {number} < {}",
            self.counting
        );
        self.counting = number;
        self.since.entry(number).or_insert((at, host.to_owned()));
    }

    /// The longest time in which this number's lease was not written, until that one counted.
    fn silent(&self, number: u64, until: u64) -> u64 {
        let (counts, _) = self.since[&until];
        let written = self.written[&number].iter().filter(|at| **at <= counts);
        let times: Vec<u64> = written.copied().chain([counts]).collect();
        let pauses = times.windows(2).map(|pair| pair[1] - pair[0]);
        pauses.max().expect("it was written")
    }

    /// The effects that came after one of a higher number.
    pub fn out_of_order(&self) -> Vec<&Effect> {
        let mut highest = 0;
        let later = |e: &&Effect| {
            highest = highest.max(e.fence);
            e.fence < highest
        };
        self.effects.iter().filter(later).collect()
    }

    /// Never two writers: whoever writes held the highest number when the account answered its question, and writes once
    /// for each question. What comes late is that one write, of one that was frozen or whose call was under way.
    pub fn judge(&self, is_open: bool, is_broken: bool, lease: u64, what: &str) {
        for effect in &self.effects {
            let (counts, _) = &self.since[&effect.fence];
            assert!(
                *counts <= effect.asked,
                "{what}: it did not hold it yet: {effect:?}"
            );
            for (number, (since, _)) in self.since.range(effect.fence + 1..) {
                assert!(
                    *since >= effect.asked,
                    "{what}: {number} counted before its question: {effect:?}"
                );
            }
        }
        let questions = self.effects.iter().map(|e| (e.fence, e.asked));
        let each: std::collections::BTreeSet<_> = questions.collect();
        assert_eq!(
            each.len(),
            self.effects.len(),
            "{what}: one write for each question"
        );
        let late = self.out_of_order();
        let mut once = std::collections::BTreeSet::new();
        for effect in late {
            assert!(
                once.insert(effect.fence),
                "{what}: more than that one call: {effect:?}"
            );
            let above = self
                .effects
                .iter()
                .filter(|e| e.fence > effect.fence && e.at <= effect.at);
            for other in above {
                let broken = self
                    .broken
                    .iter()
                    .any(|n| (effect.fence + 1..=other.fence).contains(n));
                // Its own machine took it up: a call of a process that was killed, still under way (docs/guarantees.md).
                let own = self.holds.iter().any(|(operator, n)| {
                    *operator == effect.operator && (effect.fence + 1..=other.fence).contains(n)
                });
                if own || broken {
                    continue;
                }
                assert!(
                    !is_open,
                    "{what}: an open operation was taken over: {effect:?} {other:?}"
                );
                // It was watched for a whole lease, before its question or behind it.
                let silent = self.silent(effect.fence, other.fence);
                assert!(silent >= lease, "{what}: {effect:?} {other:?} {silent}");
            }
        }
        assert!(is_broken || self.broken.is_empty());
        let numbers: std::collections::BTreeSet<u64> = self.holds.iter().map(|(_, n)| *n).collect();
        assert_eq!(
            numbers.len(),
            self.holds.len(),
            "{what}: a number was held twice"
        );
    }
}
