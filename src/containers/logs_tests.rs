use proptest::prelude::*;

use super::*;

/// Docker's side: answers as `docker logs --timestamps --tail T --since S | tail -n | tail -c | head -c` does.
fn docker(log: &[(i64, String)], ask: &LogAsk) -> LogPage {
    let since = ask.since.as_ref().map(|s| s.parse::<Timestamp>().unwrap());
    let tail = ask.tail.map_or(log.len(), |n| n as usize).min(log.len());
    let mut bytes = Vec::new();
    let shown = log[log.len() - tail..]
        .iter()
        .filter(|(at, _)| since.is_none_or(|since| stamp(*at) >= since))
        .skip(ask.skip_lines as usize);
    for (at, text) in shown {
        bytes.extend(format!("{} {text}\n", stamp(*at)).bytes());
    }
    let from = (ask.skip_bytes as usize).min(bytes.len());
    let end = (from + ask.most).min(bytes.len());
    LogPage {
        bytes: bytes[from..end].to_vec(),
        failed: None,
    }
}

fn stamp(at: i64) -> Timestamp {
    Timestamp::from_nanosecond(1_800_000_000_000_000_000 + i128::from(at)).unwrap()
}

fn texts(lines: &[LogLine]) -> Vec<String> {
    let text = |l: &LogLine| String::from_utf8(l.text.clone()).unwrap();
    lines.iter().map(text).collect()
}

/// Reads until nothing more is there.
fn drain(feed: &mut Feed, log: &[(i64, String)], most: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..10_000 {
        let (lines, more) = feed.take(&docker(log, &feed.ask(most)), most);
        all.extend(texts(&lines));
        if !more {
            return all;
        }
    }
    panic!("no end: {feed:?}");
}

fn log(lines: &[(i64, &str)]) -> Vec<(i64, String)> {
    lines.iter().map(|(at, t)| (*at, (*t).to_owned())).collect()
}

#[test]
fn the_newest_lines_then_what_is_new_each_once() {
    let mut all = log(&[(1, "a"), (2, "b"), (2, "b"), (2, "c")]);
    let mut feed = Feed::new("x", None, Some(2));
    assert_eq!(drain(&mut feed, &all, 1000), ["b", "c"]);
    assert_eq!(drain(&mut feed, &all, 1000), [""; 0]);
    // At the very same nanosecond, equal lines too; and one that is stamped a little earlier.
    all.extend(log(&[(2, "c"), (2, "c"), (9, "d"), (7, "e")]));
    assert_eq!(drain(&mut feed, &all, 1000), ["c", "c", "d", "e"]);
    all.extend(log(&[(9, "f"), (8, "g")]));
    assert_eq!(drain(&mut feed, &all, 40), ["f", "g"]);
    // Two equal lines before the first that was read: found by searching, and known from then on.
    assert_eq!(drain(&mut feed, &all, 1000), [""; 0]);
}

#[test]
fn an_empty_log_and_a_line_longer_than_a_page() {
    let mut feed = Feed::new("x", None, Some(5));
    let mut all = Vec::new();
    assert_eq!(drain(&mut feed, &all, 100), [""; 0]);
    let long = "x".repeat(1234);
    all.extend(log(&[(1, &long), (2, ""), (3, &long)]));
    assert_eq!(drain(&mut feed, &all, 100), [&long, "", &long]);
    all.extend(log(&[(4, "end")]));
    assert_eq!(drain(&mut feed, &all, 200), ["end"]);
}

#[test]
fn more_new_lines_than_are_looked_at_and_a_log_that_was_cut() {
    let mut all = log(&[(1, "first")]);
    let mut feed = Feed::new("x", None, None);
    drain(&mut feed, &all, 1000);
    all.extend((2..8000).map(|n| (n, format!("line {n}"))));
    assert_eq!(drain(&mut feed, &all, 10_000).len(), 7998);
    // What was rotated away is gone; what comes after is not.
    all.drain(..7999);
    all.extend(log(&[(10_000_000_000, "after")]));
    assert_eq!(drain(&mut feed, &all, 1000), ["after"]);
}

#[test]
fn half_a_line_is_waited_for_and_a_long_one_is_joined() {
    let mut feed = Feed::new("x", None, None);
    let at = stamp(5);
    let half = LogPage {
        bytes: format!("{at} ab").into_bytes(),
        failed: None,
    };
    assert_eq!(feed.take(&half, 1000), (vec![], false));
    assert_eq!(feed.ask(1000).skip_bytes, 0);
    let (a, b) = ("a".repeat(16 * 1024), "b".repeat(16 * 1024));
    let parts = format!("{at} {a}{at} {b}{at} end");
    let long = LogPage {
        bytes: (parts + "\n").into_bytes(),
        failed: None,
    };
    let (lines, _) = feed.take(&long, 100_000);
    assert_eq!(texts(&lines), [format!("{a}{b}end")]);
}

#[test]
fn logs_are_merged_by_time_and_each_keeps_its_order() {
    let line = |at, text: &str| LogLine {
        at: stamp(at),
        text: text.into(),
    };
    let merged = merge(vec![
        ("n8n", vec![line(3, "b"), line(1, "c"), line(9, "e")]),
        ("db", vec![line(2, "a"), line(5, "d")]),
    ]);
    let order: Vec<(&str, String)> = merged
        .into_iter()
        .map(|(of, l)| (of, texts(&[l])[0].clone()))
        .collect();
    let expected = [
        ("db", "a"),
        ("n8n", "b"),
        ("n8n", "c"),
        ("db", "d"),
        ("n8n", "e"),
    ];
    assert_eq!(order, expected.map(|(of, t)| (of, t.to_owned())));
}

proptest! {
    /// However a log grows between the pages, and however small they are, every line comes once and in order.
    #[test]
    fn no_line_is_lost_and_none_comes_twice(
        steps in prop::collection::vec((prop::collection::vec((0_i64..40, "[ab]{0,3}|[ab]{200,400}"), 0..6), 0_i64..200_000_000), 1..12),
        most in 150_usize..400,
        tail in prop::option::of(70_u64..80),
    ) {
        let (mut all, mut now): (Vec<(i64, String)>, i64) = (Vec::new(), 0);
        let mut feed = Feed::new("x", None, tail);
        let mut seen = Vec::new();
        for (new, pause) in steps {
            now += pause;
            all.extend(new.into_iter().map(|(jitter, text)| (now + jitter, text)));
            // The newest lines of a log that grows meanwhile are others: they are read at once.
            let most = if seen.is_empty() && tail.is_some() { 100_000 } else { most };
            let got = drain(&mut feed, &all, most);
            seen.extend(got);
        }
        let expected: Vec<String> = all.iter().map(|(_, t)| t.clone()).collect();
        prop_assert_eq!(seen, expected);
    }
}
