//! The log of a container, read on from where it was left: no line is lost, and none comes twice.

use std::collections::VecDeque;

use crate::host::{LogAsk, LogPage};
use crate::model::Timestamp;

/// A container's streams are stamped one after the other, and may be written the other way round: so far back a line
/// is still looked for behind a newer one.
const WINDOW_MS: i64 = 50;

/// A look for what is new reads so many of the newest lines; a log of gigabytes is not read from its beginning.
const NEWEST: u64 = 5000;

/// So much of the last known line is asked for again: it must be where it was. A page is longer than this.
const OVERLAP: usize = 120;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When Docker took it.
    pub at: Timestamp,
    /// Without its newline.
    pub text: Vec<u8>,
}

/// How the next page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// No line is known.
    First,
    /// Behind the last known line, among the newest lines.
    Newest,
    /// The same among all lines.
    All,
    /// From the time of the last known line on, wherever it is now.
    Search,
}

/// Reads one log, page by page.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The container.
    pub container: String,
    since: Option<String>,
    tail: Option<u64>,
    mode: Mode,
    /// The times of the known lines from `from` on, as they stand in the log.
    known: VecDeque<Timestamp>,
    from: Timestamp,
    newest: Timestamp,
    last: Vec<u8>,
    /// Of a line that is longer than a page: what is there of it.
    partial: Vec<u8>,
    /// Bytes of this page's place that are done.
    done: usize,
}

impl Feed {
    /// The newest lines, so many (None: all), of those since a moment.
    pub fn new(container: &str, since: Option<String>, tail: Option<u64>) -> Self {
        Self {
            container: container.to_owned(),
            since,
            tail,
            mode: Mode::First,
            known: VecDeque::new(),
            from: Timestamp::MIN,
            newest: Timestamp::MIN,
            last: Vec::new(),
            partial: Vec::new(),
            done: 0,
        }
    }

    /// What to ask for next.
    pub fn ask(&self, most: usize) -> LogAsk {
        let known = self.known.len() as u64;
        let overlap = self.last.len().saturating_sub(OVERLAP);
        let from = (self.from != Timestamp::MIN).then(|| self.from.to_string());
        let (since, tail, skip_lines, skip) = match self.mode {
            Mode::First => (self.since.clone(), self.tail, 0, 0),
            Mode::Newest => {
                let tail = known.saturating_add(NEWEST);
                let skip = known.saturating_sub(1);
                (from, Some(tail), skip, overlap)
            }
            Mode::All => {
                let skip = known.saturating_sub(1);
                (from, None, skip, overlap)
            }
            Mode::Search => (Some(self.newest.to_string()), None, 0, 0),
        };
        LogAsk {
            container: self.container.clone(),
            since,
            tail,
            skip_lines,
            skip_bytes: (skip + self.done + self.partial.len()) as u64,
            most,
        }
    }

    /// Takes the page that [`Feed::ask`] asked for: its new lines, and whether there is more to ask for at once.
    pub fn take(&mut self, page: &LogPage, most: usize) -> (Vec<LogLine>, bool) {
        let more = page.bytes.len() >= most;
        let mut data = std::mem::take(&mut self.partial);
        data.extend_from_slice(&page.bytes);
        let mut rest = data.as_slice();
        let fresh = self.done == 0;
        if matches!(self.mode, Mode::Newest | Mode::All) && fresh {
            let end = &self.last[self.last.len().saturating_sub(OVERLAP)..];
            match rest.strip_prefix(end) {
                Some(behind) => {
                    rest = behind;
                    self.done = end.len();
                }
                // More is new than was read; or the log was cut, or begun anew.
                None => {
                    self.mode = match self.mode {
                        Mode::Newest => Mode::All,
                        _ => Mode::Search,
                    };
                    return (Vec::new(), true);
                }
            }
        }
        let whole = rest
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let (lines, partial) = rest.split_at(whole);
        if lines.is_empty() {
            if more {
                self.partial = partial.to_vec();
            } else {
                // Half a line that is being written: it is asked for again.
                self.rest();
            }
            return (Vec::new(), more);
        }
        let lines: Vec<&[u8]> = lines.split_inclusive(|b| *b == b'\n').collect();
        if self.mode == Mode::Search && more && !lines.contains(&self.last.as_slice()) {
            self.partial = rest.to_vec();
            return (Vec::new(), true);
        }
        let lines = match self.mode {
            Mode::Search => self.behind_the_last(lines),
            _ => lines,
        };
        if self.last.is_empty() {
            // Where nothing stands before these lines, one that is stamped earlier and comes later is behind them.
            let from_the_start = |tail| !more && (lines.len() as u64) < tail;
            if self.since.is_some() || !self.tail.is_none_or(from_the_start) {
                self.from = lines
                    .first()
                    .and_then(|line| time(line))
                    .unwrap_or(self.from);
            }
        }
        let taken = lines.into_iter().map(|line| self.know(line)).collect();
        self.rest();
        (taken, more)
    }

    /// The next page begins at a place of its own.
    fn rest(&mut self) {
        self.partial.clear();
        self.done = 0;
        if self.last.is_empty() {
            return;
        }
        self.mode = Mode::Newest;
        let window = jiff::SignedDuration::from_millis(WINDOW_MS);
        let from = self.newest.checked_sub(window).unwrap_or(Timestamp::MIN);
        if from > self.from {
            self.from = from;
            self.known.retain(|at| *at >= from);
        }
    }

    /// Of lines from the time of the last known one on: what is new.
    fn behind_the_last<'l>(&mut self, lines: Vec<&'l [u8]>) -> Vec<&'l [u8]> {
        self.from = self.newest;
        self.known.clear();
        match lines.iter().rposition(|line| *line == self.last) {
            Some(at) => {
                let before = lines[..=at].iter().map(|line| time(line));
                self.known = before.map(|at| at.unwrap_or(self.newest)).collect();
                lines[at + 1..].to_vec()
            }
            None => {
                let (new, old): (Vec<_>, Vec<_>) = lines
                    .into_iter()
                    .partition(|line| time(line).is_none_or(|at| at > self.newest));
                self.known = old.iter().map(|_| self.newest).collect();
                new
            }
        }
    }

    fn know(&mut self, line: &[u8]) -> LogLine {
        let at = time(line).unwrap_or(self.newest);
        self.newest = self.newest.max(at);
        if at >= self.from {
            self.known.push_back(at);
        }
        self.last = line.to_vec();
        LogLine {
            at,
            text: text(line),
        }
    }
}

/// The time before the first space.
fn time(line: &[u8]) -> Option<Timestamp> {
    let end = line.iter().position(|b| *b == b' ')?;
    std::str::from_utf8(&line[..end]).ok()?.parse().ok()
}

/// The text behind the time. Docker keeps a long line in parts of 16 KiB, and puts the time before each of them.
fn text(line: &[u8]) -> Vec<u8> {
    const PART: usize = 16 * 1024;
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let Some(space) = line.iter().position(|b| *b == b' ') else {
        return line.to_vec();
    };
    if time(line).is_none() {
        return line.to_vec();
    }
    let (stamp, mut rest) = line.split_at(space + 1);
    let mut out = Vec::with_capacity(rest.len());
    while rest.len() > PART && rest[PART..].starts_with(stamp) {
        out.extend_from_slice(&rest[..PART]);
        rest = &rest[PART + stamp.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// The lines of several logs by time; those of one log stay in its order.
pub fn merge<T>(feeds: Vec<(T, Vec<LogLine>)>) -> Vec<(T, LogLine)>
where
    T: Clone,
{
    let mut all: Vec<(T, VecDeque<LogLine>)> = feeds
        .into_iter()
        .map(|(of, lines)| (of, lines.into()))
        .collect();
    let mut out = Vec::new();
    loop {
        let next = all
            .iter_mut()
            .filter(|(_, lines)| !lines.is_empty())
            .min_by_key(|(_, lines)| lines[0].at);
        let Some((of, lines)) = next else {
            return out;
        };
        let of = of.clone();
        out.extend(lines.pop_front().map(|line| (of, line)));
    }
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
