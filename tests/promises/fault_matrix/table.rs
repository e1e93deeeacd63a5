//! The table of calls and codes, and the ways in which the line to AWS itself fails.

use std::collections::BTreeSet;

const TABLE: &str = include_str!("../../data/faults/calls.tsv");
const POLICY: &str = include_str!("../../../docs/iam-policy.json");

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub call: &'static str,
    pub code: &'static str,
    pub source: &'static str,
}

impl Row {
    /// Whether it is of this call alone, and not of every call of its service.
    pub fn is_own(&self) -> bool {
        !["common", "server error codes", "any service"]
            .iter()
            .any(|word| self.source.contains(word))
            || self.code.starts_with("Insufficient")
    }
}

/// Every line.
pub fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines();
    assert_eq!(lines.next(), Some("call\tcode\tsource"));
    lines
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [call, code, source] => Row { call, code, source },
            _ => panic!("not a row: {line}"),
        })
        .collect()
}

/// Every call of the adapters: the actions of the policy, which a test of the library keeps equal to what goes over the
/// wire when each method of each adapter is called.
pub fn calls() -> BTreeSet<String> {
    let policy: serde_json::Value = serde_json::from_str(POLICY).expect("JSON");
    let mut calls = BTreeSet::new();
    for statement in policy["Statement"].as_array().expect("statements") {
        match &statement["Action"] {
            serde_json::Value::Array(all) => {
                calls.extend(all.iter().filter_map(|a| a.as_str()).map(str::to_owned));
            }
            one => {
                calls.insert(one.as_str().expect("an action").to_owned());
            }
        }
    }
    // No call of its own: EC2 asks for it where a request that makes something names tags.
    assert!(calls.remove("ec2:CreateTags"));
    calls
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// It is refused with this code, and not done.
    Code(&'static str),
    /// It is done, and answered with an internal error.
    DoneButInternal,
    /// No answer comes; it did not arrive.
    Timeout,
    /// No answer comes; it is done.
    DoneButTimeout,
    /// The connection is reset before it arrived.
    Reset,
    /// The connection is reset after it is done.
    DoneButReset,
    /// It is done, and the connection is reset in the middle of the answer.
    CutOff,
    /// It is done, and the answer ends in its middle as if that were its end.
    CutShort,
    /// A gateway on the way answers, with a page of its own.
    Gateway,
    /// What is read is what was so at the last time it was asked, and up to five seconds old.
    Stale,
}

/// All but the codes. An effect is read nowhere, so nothing of it can be stale.
pub fn line_faults(call: &str) -> Vec<Wrong> {
    use Wrong::{
        CutOff, CutShort, DoneButInternal, DoneButReset, DoneButTimeout, Gateway, Reset, Stale,
        Timeout,
    };
    let mut all = vec![Timeout, Reset, CutOff, CutShort, Gateway];
    if is_effect(call) {
        all.extend([DoneButInternal, DoneButTimeout, DoneButReset]);
    } else {
        all.push(Stale);
    }
    all
}

/// Whether the call changes something.
pub fn is_effect(call: &str) -> bool {
    let name = call.split_once(':').expect("service:Call").1;
    !name.starts_with("Describe") && !name.starts_with("Get")
}
