//! docs/deadlines.md against the source: each limit in time that the code has is a row there with its value, and each row
//! names the test that lets it run out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../docs/deadlines.md");

/// `(file below src, name)` and its value: `15 s`, `250 ms`, `5`.
type Found = BTreeMap<(String, String), String>;

fn below(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => below(&path, out),
            false => out.push(path),
        }
    }
}

/// `5 * 60` is 300.
fn product(text: &str) -> Option<u64> {
    let factors = text
        .split('*')
        .map(|f| f.trim().replace('_', "").parse::<u64>());
    factors.map(Result::ok).product()
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    Some(text.split_once(begin)?.1.split_once(end)?.0)
}

/// The value of `Duration::from_secs(…)` and its kin, where it is a number.
fn span(text: &str) -> Option<String> {
    [
        ("from_secs(", "s"),
        ("from_millis(", "ms"),
        ("from_mins(", "min"),
        ("from_hours(", "h"),
    ]
    .iter()
    .find_map(|(begin, unit)| Some(format!("{} {unit}", product(between(text, begin, ")")?)?)))
}

/// What a line of Rust says about time.
fn of_rust(line: &str) -> Option<(String, String)> {
    let code = line.split("//").next().unwrap_or_default().trim();
    let constant = || {
        let (name, rest) = code.split_once("const ")?.1.split_once(':')?;
        let (kind, value) = rest.split_once('=')?;
        let value = value.trim().trim_end_matches(';');
        if kind.contains("Duration") {
            return Some((name.to_owned(), span(value)?));
        }
        let unit = match name {
            n if n.ends_with("_MS") => " ms",
            n if n.ends_with("_S") => " s",
            "TRIES" | "ATTEMPTS" | "RESTARTS" => "",
            _ => return None,
        };
        Some((name.to_owned(), format!("{}{unit}", product(value)?)))
    };
    let field = || {
        let (name, value) = code.split_once(": ")?;
        let is_name = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if !is_name || name.is_empty() {
            return None;
        }
        let value = value.trim_end_matches(',');
        if value.starts_with("Duration::from_") {
            return Some((name.to_owned(), span(value)?));
        }
        let unit = match name {
            n if n.ends_with("_ms") => " ms",
            n if n.ends_with("_s") => " s",
            "retries" => "",
            _ => return None,
        };
        let value = product(value).filter(|v| *v > 0)?;
        Some((name.to_owned(), format!("{value}{unit}")))
    };
    let inline = || {
        let value = span(code.split_once("Duration::")?.1)?;
        Some((format!("inline {value}"), value))
    };
    constant().or_else(field).or_else(inline)
}

/// What a line of a script says about time.
fn of_script(line: &str) -> Vec<(String, String)> {
    let code = line.trim();
    if code.starts_with('#') {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut after = |word: &str, name: &str, skip: usize, unit: &str, least: f64| {
        for (at, _) in code.match_indices(word) {
            let mut rest = code[at + word.len()..].split_whitespace();
            let number: String = rest
                .nth(skip)
                .unwrap_or_default()
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == '.')
                .collect();
            if number.parse::<f64>().is_ok_and(|n| n >= least) {
                found.push((format!("{name} {number}"), format!("{number}{unit}")));
            }
        }
    };
    // The lock and its descriptor come first; a pause of a second or less is no limit.
    after("take ", "take", 2, " ms", 1.0);
    after("\"$NAPPED\" -lt", "naps", 0, " ms", 201.0);
    after("\"$NAPPED\" -ge", "naps", 0, " ms", 1.0);
    after("\"$_turn\" -lt", "turns", 0, " turns", 1.0);
    after("_most=", "turns", 0, " turns", 1.0);
    after("sleep ", "sleep", 0, " s", 2.0);
    after("TRIES=", "tries", 0, "", 1.0);
    after("bounded ", "bounded", 0, " s", 1.0);
    found
}

/// The files that are tests, or helpers of tests: those whose `mod` stands behind `#[cfg(test)]`.
fn tests_only(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut out = BTreeSet::new();
    for file in files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "rs"))
    {
        let text = fs_err::read_to_string(file).expect("text");
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line != "#[cfg(test)]" {
                continue;
            }
            let mut next = lines.next().unwrap_or_default();
            let path = between(next, "#[path = \"", "\"]");
            if path.is_some() {
                next = lines.next().unwrap_or_default();
            }
            let Some(name) = next
                .split_once("mod ")
                .and_then(|(_, n)| n.strip_suffix(';'))
            else {
                continue;
            };
            let folder = file.parent().expect("a folder");
            let stem = file.file_stem().expect("a name");
            for base in [folder.to_owned(), folder.join(stem)] {
                out.insert(base.join(path.unwrap_or(&format!("{name}.rs"))));
                out.insert(base.join(name));
            }
        }
    }
    out
}

/// Of each limit the first value: that for AWS stands before that for the sandbox.
fn in_the_code() -> Found {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    below(&src, &mut files);
    files.sort();
    let tests = tests_only(&files);
    let mut found = Found::new();
    for file in &files {
        let name = file
            .strip_prefix(&src)
            .expect("below src")
            .to_str()
            .expect("UTF-8");
        // The sandbox's limits are those of AWS, and its own tests'.
        if name.starts_with("sandbox/")
            || file.ancestors().any(|a| tests.contains(a))
            || name.contains("/tests/")
        {
            continue;
        }
        let Ok(text) = fs_err::read_to_string(file) else {
            continue;
        };
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        for line in code.lines() {
            let limits = match name.ends_with(".sh") {
                true => of_script(line),
                false if name.ends_with(".rs") => of_rust(line).into_iter().collect(),
                false => Vec::new(),
            };
            for (limit, value) in limits {
                found.entry((name.to_owned(), limit)).or_insert(value);
            }
        }
    }
    found
}

/// The cells of each row of the page's tables.
fn rows() -> Vec<Vec<&'static str>> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

#[test]
fn every_limit_of_the_code_is_in_the_table_with_its_value() {
    let mut on_the_page = Found::new();
    for row in rows() {
        let words: Vec<&str> = row[0].split('`').collect();
        let [_, file, _, name, _] = words[..] else {
            panic!("expected a file and a name in {row:?}");
        };
        let first = (file.to_owned(), name.to_owned());
        assert_eq!(
            on_the_page.insert(first, row[1].to_owned()),
            None,
            "{row:?} twice"
        );
    }
    let in_the_code = in_the_code();
    let missing: Vec<_> = in_the_code
        .iter()
        .filter(|(k, _)| !on_the_page.contains_key(*k))
        .collect();
    assert!(missing.is_empty(), "not in docs/deadlines.md: {missing:#?}");
    for (limit, value) in &on_the_page {
        assert_eq!(
            in_the_code.get(limit),
            Some(value),
            "{limit:?} is {value} in docs/deadlines.md"
        );
    }
}

#[test]
fn every_deadline_names_the_test_that_lets_it_run_out() {
    let deadlines = rows().into_iter().filter(|row| row.len() == 4);
    let mut count = 0;
    for row in deadlines {
        assert!(row[3].contains("`test: "), "{row:?}");
        count += 1;
    }
    assert!(count > 40, "{count} deadlines");
}

/// A scan that finds nothing proves nothing.
#[test]
fn a_limit_is_seen_however_it_is_written() {
    for (line, name, value) in [
        (
            "const CONNECT: Duration = Duration::from_secs(3);",
            "CONNECT",
            "3 s",
        ),
        (
            "pub const STOP_MS: u64 = 10 * 60 * 1000;",
            "STOP_MS",
            "600000 ms",
        ),
        (
            "        stop: Duration::from_secs(15 * 60),",
            "stop",
            "900 s",
        ),
        ("            delivery_s: 30,", "delivery_s", "30 s"),
        (
            "  x.sleep(Duration::from_millis(200)).await; // why",
            "inline 200 ms",
            "200 ms",
        ),
    ] {
        assert_eq!(of_rust(line), Some((name.into(), value.into())), "{line}");
    }
    for (line, name, value) in [
        (
            "  take 9 \"$S/lock\" 5000 || exit 1",
            "take 5000",
            "5000 ms",
        ),
        (
            "  while [ \"$NAPPED\" -lt 3000 ]; do nap; done",
            "naps 3000",
            "3000 ms",
        ),
        ("_turn=0 _most=600", "turns 600", "600 turns"),
        ("  sleep 10", "sleep 10", "10 s"),
    ] {
        assert_eq!(
            of_script(line),
            [(name.to_owned(), value.to_owned())],
            "{line}"
        );
    }
    assert_eq!(of_rust("// Duration::from_secs(3)"), None);
}
