//! A journal that ends at any byte.

use fs_err::OpenOptions;
use geusemaker::journal::{Entry, Journal, Line, Summary, next};
use geusemaker::state::StateDir;

use super::{WORKS, doing, everything, name, ready};
use crate::saga::block_on;

#[test]
fn a_journal_that_ends_at_any_byte_is_read_up_to_its_last_whole_line() {
    let mut cuts = 0;
    for work in WORKS {
        let (bytes, whole) = block_on(async {
            let (rig, world) = ready(work).await;
            doing(&rig, &world, work).await;
            let (state, _) = StateDir::open(&world.state_dir).expect("a folder");
            let all = state.operations(&name(&rig)).expect("a folder");
            let newest = &all.items[0];
            let file = state.journal_file(&name(&rig), &newest.id);
            (fs_err::read(file).expect("a file"), newest.lines.clone())
        });
        let Entry::Opened { plan, .. } = &whole[0].entry else {
            panic!("no plan")
        };
        // What follows from each number of lines is known, and never a panic.
        for count in 1..=whole.len() {
            let _ = next(plan, whole[..count].iter().map(|l| &l.entry));
            let summary = Summary::of(&whole[..count]).expect("it has its plan");
            if let Entry::Closed { outcome } = &whole[count - 1].entry {
                assert_eq!(summary.outcome, *outcome, "{work:?}, {count} lines");
            }
        }
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("journal.jsonl");
        fs_err::write(&path, &bytes).expect("a file");
        let file = OpenOptions::new().write(true).open(&path).expect("a file");
        let first = bytes.iter().position(|b| *b == b'\n').expect("a line") + 1;
        let near = |cut: usize| {
            let around = &bytes[cut.saturating_sub(2)..(cut + 2).min(bytes.len())];
            around.contains(&b'\n')
        };
        for cut in (0..=bytes.len()).rev() {
            if !everything() && !near(cut) && !cut.is_multiple_of(97) {
                continue;
            }
            file.set_len(cut as u64).expect("it is cut");
            cuts += 1;
            match Journal::read(&path) {
                Ok(lines) => {
                    let count = bytes[..cut].iter().filter(|b| **b == b'\n').count();
                    assert_eq!(lines.len(), count, "{work:?}, cut at {cut}");
                    assert_eq!(lines, whole[..count], "{work:?}, cut at {cut}");
                }
                Err(error) => {
                    assert!(cut < first, "{work:?}, cut at {cut}: {error}");
                    assert!(error.to_string().contains("journal.jsonl:1:"), "{error}");
                    assert_eq!(error.code(), "state_damaged");
                }
            }
        }
        // What comes next goes where the last whole line ends.
        for count in 1..whole.len() {
            let end = ends(&bytes, count);
            for more in [0, 1, (ends(&bytes, count + 1) - end) / 2] {
                fs_err::write(&path, &bytes[..end + more]).expect("a file");
                let (mut journal, lines) = Journal::open(&path).expect("it is read");
                let line: &Line = &whole[count];
                assert_eq!(lines.len(), count);
                journal.append(line).expect("it is written");
                let now = fs_err::read(&path).expect("a file");
                assert!(
                    now == bytes[..ends(&bytes, count + 1)],
                    "{work:?}, {count} lines, {more} more"
                );
            }
        }
    }
    println!("truncated: {cuts} cuts");
    assert!(cuts > 700, "only {cuts} cuts");
}

/// Where so many lines end.
fn ends(bytes: &[u8], count: usize) -> usize {
    let all = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n');
    all.map(|(at, _)| at + 1).nth(count - 1).expect("a line")
}
