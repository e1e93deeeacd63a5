//! Text for a person: what a boot wrote to its console, and the last escape before a terminal.

use geusemaker::instance::console_tail;
use geusemaker::report::{cut, is_unsafe, line, lines};

pub fn holds(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let tail = console_tail(&text);
    assert!(tail.len() <= 20);
    for shown in &tail {
        assert!(shown.chars().count() <= 200 && !shown.trim().is_empty());
        assert!(!shown.chars().any(is_unsafe), "{shown:?}");
    }
    assert!(!line(&text).chars().any(is_unsafe));
    assert!(!lines(&text).chars().any(|c| c != '\n' && is_unsafe(c)));
    assert!(cut(&text, 40).chars().count() <= 41);
    !tail.is_empty()
}
