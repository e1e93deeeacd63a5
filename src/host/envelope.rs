//! The envelope of a reply: one slice of the document, then a line that proves it.
//!
//! Run Command cuts output at 24,000 characters (SSM API, `GetCommandInvocation`), so a document comes in
//! slices of at most 20,000, each with the length and SHA-256 of the whole.

use crate::model::sha256_hex;

use super::scripts::Verb;
use super::{HostError, port};

/// One slice of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Its text.
    pub text: String,
    /// Where in the document it begins, in bytes.
    pub offset: usize,
    /// The length of the whole document, in bytes.
    pub total: usize,
    /// SHA-256 of the whole document, in hex.
    pub sha256: String,
}

/// Reads one slice from the standard output of a script.
///
/// # Errors
/// [`HostError::Garbled`] when the output is cut off or is not a reply of ours.
pub fn parse_slice(verb: Verb, stdout: &str) -> Result<Slice, HostError> {
    let bad = |expected: &str, found: String| garbled(verb, expected, found);
    let text = stdout.trim_end_matches(['\n', '\r']);
    let (body, trailer) = text.rsplit_once('\n').ok_or_else(|| {
        bad(
            "a document and a line 'geusemaker-reply …' behind it",
            shown(stdout),
        )
    })?;
    let words: Vec<&str> = trailer.split(' ').collect();
    let ["geusemaker-reply", "1", offset, length, total, sha256] = words[..] else {
        return Err(bad(
            "'geusemaker-reply 1 OFFSET LENGTH TOTAL SHA256' as the last line",
            shown(trailer),
        ));
    };
    let number = |word: &str| {
        word.parse::<usize>()
            .map_err(|_| bad("a number in the last line", shown(trailer)))
    };
    let (offset, length, total) = (number(offset)?, number(length)?, number(total)?);
    if body.len() != length {
        return Err(bad(
            &format!("{length} bytes"),
            format!("{} bytes", body.len()),
        ));
    }
    if offset.checked_add(length).is_none_or(|end| end > total) {
        return Err(bad(
            &format!("at most {total} bytes"),
            format!("{length} bytes at {offset}"),
        ));
    }
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad("a SHA-256 in hex", shown(sha256)));
    }
    Ok(Slice {
        text: body.to_owned(),
        offset,
        total,
        sha256: sha256.to_owned(),
    })
}

/// A document that comes together slice by slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gather {
    text: String,
    of: Option<(usize, String)>,
    restarts: u32,
}

/// What to do after a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask for the slice at this offset.
    Ask(usize),
    /// The whole document, checked.
    Whole(String),
}

/// A document may change while it is read (a health check ends): so often it is read from the start again.
pub const RESTARTS: u32 = 6;

impl Gather {
    /// Takes a slice.
    ///
    /// # Errors
    /// [`HostError::Garbled`] when the slice does not go on where the last one ended, when the document
    /// changed too often, or when the whole does not have the SHA-256 that it came with.
    pub fn take(&mut self, verb: Verb, slice: Slice) -> Result<Next, HostError> {
        let now = (slice.total, slice.sha256);
        if self.of.as_ref().is_some_and(|of| *of != now) {
            self.restarts += 1;
            self.text.clear();
            if self.restarts > RESTARTS {
                return Err(garbled(
                    verb,
                    "a document that stays the same while it is read",
                    format!("one that changed {} times", self.restarts),
                ));
            }
            if slice.offset != 0 {
                self.of = None;
                return Ok(Next::Ask(0));
            }
        }
        if slice.offset != self.text.len() {
            return Err(garbled(
                verb,
                &format!("the slice at {}", self.text.len()),
                format!("the slice at {}", slice.offset),
            ));
        }
        if slice.text.is_empty() && slice.total > self.text.len() {
            return Err(garbled(
                verb,
                "a slice with something in it",
                "an empty one".to_owned(),
            ));
        }
        self.text.push_str(&slice.text);
        if self.text.len() < now.0 {
            self.of = Some(now);
            return Ok(Next::Ask(self.text.len()));
        }
        let found = sha256_hex(self.text.as_bytes());
        if found != now.1 {
            return Err(garbled(
                verb,
                &format!("a document with SHA-256 {}", now.1),
                found,
            ));
        }
        Ok(Next::Whole(std::mem::take(&mut self.text)))
    }
}

pub(super) fn garbled(verb: Verb, expected: &str, found: String) -> port::HostError {
    HostError::Garbled {
        verb: verb.name(),
        expected: expected.to_owned(),
        found,
    }
}

/// The end of a text, escaped, for an error.
pub(super) fn shown(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(200);
    let end: String = text
        .chars()
        .skip(skip)
        .flat_map(char::escape_debug)
        .collect();
    if end.is_empty() {
        "nothing".to_owned()
    } else {
        format!("'{end}'")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply(document: &str, offset: usize, length: usize) -> String {
        format!(
            "{}\ngeusemaker-reply 1 {offset} {length} {} {}\n",
            &document[offset..offset + length],
            document.len(),
            sha256_hex(document.as_bytes())
        )
    }

    #[test]
    fn a_document_in_slices_comes_together() {
        let document = "x".repeat(45_000);
        let mut gather = Gather::default();
        let mut offset = 0;
        loop {
            let length = 20_000.min(document.len() - offset);
            let slice = parse_slice(Verb::Look, &reply(&document, offset, length)).unwrap();
            match gather.take(Verb::Look, slice).unwrap() {
                Next::Ask(next) => offset = next,
                Next::Whole(whole) => break assert_eq!(whole, document),
            }
        }
        assert_eq!(offset, 40_000);
    }

    #[test]
    fn a_document_that_changes_is_read_again_and_not_for_ever() {
        let (a, b) = ("a".repeat(30_000), "b".repeat(30_000));
        let mut gather = Gather::default();
        let mut take = |document: &str, offset: usize, length: usize| {
            gather.take(
                Verb::Look,
                parse_slice(Verb::Look, &reply(document, offset, length)).unwrap(),
            )
        };
        assert_eq!(take(&a, 0, 20_000), Ok(Next::Ask(20_000)));
        assert_eq!(take(&b, 20_000, 10_000), Ok(Next::Ask(0)));
        assert_eq!(take(&b, 0, 20_000), Ok(Next::Ask(20_000)));
        assert_eq!(take(&b, 20_000, 10_000), Ok(Next::Whole(b.clone())));

        let mut gather = Gather::default();
        let mut results = Vec::new();
        for turn in 0..10 {
            let document = format!("{turn}").repeat(30_000);
            let slice = parse_slice(Verb::Look, &reply(&document, 0, 20_000)).unwrap();
            results.push(gather.take(Verb::Look, slice));
        }
        let first_error = results.iter().position(Result::is_err);
        assert_eq!(first_error, Some(RESTARTS as usize + 1), "{results:?}");
    }

    #[test]
    fn what_is_cut_off_or_foreign_is_said_to_be_so() {
        let whole = reply("{\"a\":1}", 0, 7);
        let table = [
            (String::new(), "found nothing"),
            (whole[..whole.len() - 20].to_owned(), "SHA-256 in hex"),
            (whole[3..].to_owned(), "expected 7 bytes, found 4 bytes"),
            (
                format!("{}\n--output truncated--", "x".repeat(50)),
                "--output truncated--",
            ),
            (whole.replace("reply 1", "reply 2"), "geusemaker-reply 2"),
            (whole.replace(" 0 7 7 ", " 9 7 7 "), "7 bytes at 9"),
            (
                whole.replace(" 0 7 7 ", " 18446744073709551615 7 7 "),
                "bytes at",
            ),
        ];
        for (text, says) in table {
            let error = parse_slice(Verb::Look, &text).unwrap_err().to_string();
            assert!(
                error.contains(says) && error.contains("look"),
                "{text:?}: {error}"
            );
        }
        let mut slice = parse_slice(Verb::Look, &whole).unwrap();
        slice.text = "{\"a\":2}".into();
        let error = Gather::default().take(Verb::Look, slice).unwrap_err();
        assert!(error.to_string().contains("SHA-256"), "{error}");
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_a_panic(text in ".*", offset in any::<usize>(), tail in "[0-9a-f ]{0,90}") {
            let _ = parse_slice(Verb::Poll, &text);
            if let Ok(slice) = parse_slice(Verb::Poll, &format!("{text}\ngeusemaker-reply 1 {offset} {tail}")) {
                let _ = Gather::default().take(Verb::Poll, slice);
            }
        }
    }
}
