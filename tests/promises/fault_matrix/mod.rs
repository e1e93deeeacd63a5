//! Every call of every adapter × everything that AWS can say no with, and every way in which the line to it fails × once
//! and always × from the beginning, from the outage and from the way back on. Through the unmodified SDK and the real
//! wire formats, in process; the host is in memory behind the real Run Command channel, and time is virtual.

mod adapter;
mod cell;
mod host;
mod line;
mod scene;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use cell::{Cell, End};
use geusemaker::cloud::{Clock, CloudError};
use line::Fault;
pub use line::call_of;
use scene::{Scene, When, clean};
use table::{Row, Wrong};

use crate::saga::block_on;

/// Which cells are run: `all`, or those of one call. Unset: an even spread.
const CHOICE: &str = "GEUSEMAKER_FAULTS";
/// Of so many cells one is run where nothing is chosen.
const SPREAD: usize = 40;

/// Not by a macro: those are captured, and shown of failed tests only.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Runs all of them, on two threads, and tells how they ended.
fn run(cells: &[Cell]) -> BTreeMap<End, usize> {
    let next = AtomicUsize::new(0);
    let (ends, wrong) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    let work = || {
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            match block_on(cell.run()) {
                Ok(end) => *ends.lock().unwrap().entry(end).or_default() += 1,
                Err(why) => {
                    say(&format!("wrong: {why}"));
                    wrong.lock().unwrap().push(why);
                }
            }
        }
    };
    std::thread::scope(|s| {
        let threads = [s.spawn(work), s.spawn(work)];
        for thread in threads {
            thread.join().expect("no cell panics");
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    let (count, of) = (wrong.len(), cells.len());
    wrong.truncate(20);
    assert!(
        wrong.is_empty(),
        "{count} of {of} cells:\n{}",
        wrong.join("\n\n")
    );
    ends.into_inner().unwrap()
}

/// A fault in each of these moments at which its call is made at all, once and always.
fn cells(faults: impl IntoIterator<Item = (&'static str, Wrong)>, whens: &[When]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (call, wrong) in faults {
        let clean = block_on(clean(call));
        for &when in whens {
            if !clean
                .calls
                .get(&when)
                .is_some_and(|made| made.contains(call))
            {
                continue;
            }
            for once in [true, false] {
                let fault = Fault { call, wrong, once };
                cells.push(Cell { fault, when });
            }
        }
    }
    cells
}

/// An even spread of them, or what is chosen.
fn chosen(cells: Vec<Cell>) -> Vec<Cell> {
    match std::env::var(CHOICE).ok().as_deref() {
        None | Some("") => cells.into_iter().step_by(SPREAD).collect(),
        Some("all") => cells,
        Some(call) => cells.into_iter().filter(|c| c.fault.call == call).collect(),
    }
}

/// Runs what is chosen of them, and says so.
fn matrix(name: &str, cells: Vec<Cell>) {
    let of = cells.len();
    let cells = chosen(cells);
    let ends = run(&cells);
    say(&format!(
        "faults: {} of {of} cells of {name}: {ends:?}",
        cells.len()
    ));
    let met: usize = ends
        .iter()
        .filter(|(end, _)| **end != End::NotMet)
        .map(|(_, n)| n)
        .sum();
    assert_eq!(met, cells.len(), "each fault strikes");
}

const WHENS: [When; 3] = [When::Update, When::Outage, When::Back];

/// What the adapter makes of a row.
fn comes_out(row: Row) -> Result<String, CloudError> {
    block_on(async {
        let scene = Scene::new(row.call);
        scene.line.breaks(Fault {
            call: row.call,
            wrong: Wrong::Code(row.code),
            once: true,
        });
        let answer = adapter::ask(&scene.aws, row.call).await;
        assert!(scene.line.struck() > 0, "{row:?}");
        answer
    })
}

/// The same of each row.
fn all_come_out() -> &'static [(Row, Result<String, CloudError>)] {
    static ALL: OnceLock<Vec<(Row, Result<String, CloudError>)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let rows = table::rows().into_iter();
        rows.map(|row| (row, comes_out(row))).collect()
    })
}

/// The rows of single calls, and of those that every call of a service has the first of each kind that comes out of the
/// adapter: above it nothing tells them apart.
fn representatives() -> Vec<Row> {
    let mut seen: BTreeSet<(&str, String)> = BTreeSet::new();
    let rows = all_come_out().iter().filter(|(row, answer)| {
        let kind = match answer {
            Ok(_) => "told".to_owned(),
            Err(e) => format!("{:?}", e.kind),
        };
        seen.insert((row.call, kind)) || row.is_own()
    });
    rows.map(|(row, _)| *row).collect()
}

#[test]
fn the_table_has_every_call_of_the_adapters_and_no_other() {
    let rows = table::rows();
    let of_the_table: BTreeSet<String> = rows.iter().map(|row| row.call.to_owned()).collect();
    assert_eq!(of_the_table, table::calls());
    let distinct: BTreeSet<_> = rows.iter().map(|row| (row.call, row.code)).collect();
    assert_eq!(distinct.len(), rows.len(), "no row twice");
    for row in &rows {
        assert!(!row.source.is_empty(), "{row:?}");
        assert!(
            row.code
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'.'),
            "{row:?}"
        );
    }
}

/// Not an error, since it is an answer: there is none, it is done already, or it may not be known.
fn is_told(row: Row) -> bool {
    let is_unknown = || row.code.contains("NotFound");
    match row.call {
        "ec2:DescribeInstances"
        | "elasticfilesystem:DescribeFileSystems"
        | "elasticfilesystem:DescribeMountTargets"
        | "ssm:DeleteParameter" => is_unknown(),
        "ec2:DescribeInstanceTypes" => row.code == "InvalidInstanceType",
        "ssm:GetCommandInvocation" => row.code == "InvocationDoesNotExist",
        "ssm:PutParameter" => row.code == "ParameterAlreadyExists",
        // Asked once more without the latest, which only some instances have.
        "ec2:GetConsoleOutput" => row.code == "UnsupportedOperation",
        "ec2:DescribeInstanceAttribute"
        | "ec2:DescribePlacementGroups"
        | "ec2:DescribeSpotInstanceRequests"
        | "autoscaling:DescribeAutoScalingInstances"
        | "autoscaling:DescribeAutoScalingGroups" => true,
        _ => false,
    }
}

#[test]
fn every_row_comes_out_of_its_adapter_with_call_and_code() {
    let mut told = 0;
    for (row, answer) in all_come_out() {
        match answer {
            Err(e) => {
                assert_eq!(
                    (e.call, e.code.as_deref()),
                    (row.call, Some(row.code)),
                    "{e}"
                );
                let text = e.to_string();
                assert!(text.contains(row.call) && text.contains(row.code), "{text}");
            }
            Ok(answer) => {
                told += 1;
                assert!(is_told(*row), "{row:?}: {answer}");
            }
        }
    }
    assert!(told < table::rows().len() / 4, "{told} rows are no errors");
}

#[test]
fn with_each_code_of_each_call_an_operation_ends_as_promised() {
    let rows = representatives().into_iter();
    let faults = rows.map(|row| (row.call, Wrong::Code(row.code)));
    matrix("codes", cells(faults, &WHENS));
}

#[test]
fn however_the_line_fails_an_operation_ends_as_promised() {
    let calls = table::calls();
    let calls: BTreeSet<_> = table::rows()
        .iter()
        .map(|row| row.call)
        .filter(|c| calls.contains(*c))
        .collect();
    let faults = calls
        .into_iter()
        .flat_map(|call| table::line_faults(call).into_iter().map(move |w| (call, w)));
    matrix("the line", cells(faults, &WHENS));
}

#[test]
fn a_rollback_ends_as_promised_too() {
    let own = table::rows()
        .into_iter()
        .filter(|row| row.is_own() && table::is_effect(row.call));
    let mut faults: Vec<_> = own.map(|row| (row.call, Wrong::Code(row.code))).collect();
    let effects: BTreeSet<_> = faults.iter().map(|(call, _)| *call).collect();
    for call in effects {
        faults.extend(table::line_faults(call).into_iter().map(|w| (call, w)));
    }
    matrix("a rollback", cells(faults, &[When::Rollback]));
}

/// The SDK's XML parser takes such an end for the end of the document: an instance was not there then.
#[test]
fn an_xml_reply_that_ends_in_its_middle_is_no_reply() {
    block_on(async {
        for call in table::calls() {
            let scene = Scene::new(&call);
            let Some(call) = table::rows().iter().map(|r| r.call).find(|c| *c == call) else {
                panic!("{call} is not in the table");
            };
            let fault = Fault {
                call,
                wrong: Wrong::CutShort,
                once: false,
            };
            scene.line.breaks(fault);
            let answer = adapter::ask(&scene.aws, call).await;
            let error = answer.expect_err(call);
            assert_eq!(error.call, call);
        }
    });
}

#[test]
fn a_call_without_an_answer_is_given_up_after_each_of_its_attempts() {
    block_on(async {
        let scene = Scene::new("");
        scene.line.breaks(Fault {
            call: "ec2:StopInstances",
            wrong: Wrong::Timeout,
            once: true,
        });
        let began = scene.rig.clock.now();
        let error = adapter::ask(&scene.aws, "ec2:StopInstances").await;
        let error = error.expect_err("no answer");
        let took = scene.rig.clock.now().duration_since(began).as_secs();
        assert_eq!(scene.line.struck(), 5, "attempts");
        assert!((5 * 15..=5 * 15 + 2).contains(&took), "{took} s");
        assert!(error.stops_everything(), "{error}");
        assert_eq!(
            error.to_string(),
            "ec2:StopInstances: operation attempt timeout (single attempt) occurred after 15s"
        );
    });
}

/// The table against the API models, where they are here.
#[test]
fn the_table_has_every_code_of_the_models() {
    let Some(python) = std::env::var_os("GEUSEMAKER_WIRE") else {
        say(
            "left out, for want of botocore: fault_matrix::the_table_has_every_code_of_the_models, but for a count of its rows",
        );
        let of_a_model = table::rows()
            .into_iter()
            .filter(|r| r.source.starts_with("API model "));
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for row in of_a_model {
            *counts.entry(row.call).or_default() += 1;
        }
        // botocore 1.44: the number of `errors` of each operation.
        let expected = BTreeMap::from([
            ("autoscaling:DescribeAutoScalingGroups", 2),
            ("autoscaling:DescribeAutoScalingInstances", 2),
            ("elasticfilesystem:DescribeFileSystems", 3),
            ("elasticfilesystem:DescribeMountTargets", 5),
            ("ssm:DeleteParameter", 2),
            ("ssm:DescribeInstanceInformation", 5),
            ("ssm:GetCommandInvocation", 5),
            ("ssm:GetParametersByPath", 6),
            ("ssm:PutParameter", 15),
            ("ssm:SendCommand", 11),
        ]);
        assert_eq!(counts, expected);
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/faults/calls.py");
    let ran = std::process::Command::new(python)
        .args([script, "--check"])
        .output();
    let ran = ran.expect("GEUSEMAKER_WIRE is a Python");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    say(said.trim());
}

/// Found by the matrix: such a refusal was taken for "it is gone", and the reservation was billed for two hours unsaid.
#[test]
fn a_reservation_that_ec2_says_it_does_not_know_is_looked_up_and_not_taken_for_released() {
    let fault = Fault {
        call: "ec2:CancelCapacityReservation",
        wrong: Wrong::Code("InvalidCapacityReservationId.NotFound"),
        once: false,
    };
    let cell = Cell {
        fault,
        when: When::Update,
    };
    // Both stay, and both are named in a warning: that is part of what is judged.
    let end = block_on(cell.run()).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(end, End::Ended(cell::How::AsAsked));
}
