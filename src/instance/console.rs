//! The end of what a boot wrote to its serial console, fit to be read.

/// So many lines are kept.
const LINES: usize = 20;
/// So many characters of each.
const WIDTH: usize = 200;

/// The last lines, without blank ones. Terminal sequences are taken out, not escaped: a boot log is full of colours,
/// and what is not known of them (cut off in the middle, as the buffer is a ring) leaves at most some letters.
pub fn console_tail(text: &str) -> Vec<String> {
    let plain = without_sequences(text);
    // Cut first: what begins behind the width leaves a blank line.
    let cut = |line: &str| line.chars().take(WIDTH).collect::<String>();
    let lines = plain
        .split(['\n', '\r'])
        .map(|line| cut(line).trim_end().to_owned());
    let mut lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    lines.split_off(lines.len().saturating_sub(LINES))
}

/// Without control sequences (ECMA-48: `ESC [ … final`, `ESC ] … BEL`, two-character ones, the C1 forms of both) and
/// without the controls that are left; a tab becomes a space.
fn without_sequences(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let introduced = match c {
            '\u{1b}' => rest.next_if(|c| !c.is_control()),
            '\u{9b}' => Some('['),
            '\u{9d}' => Some(']'),
            '\n' | '\r' => {
                out.push(c);
                None
            }
            '\t' => {
                out.push(' ');
                None
            }
            c if crate::report::is_unsafe(c) => None,
            c => {
                out.push(c);
                None
            }
        };
        match introduced {
            // Parameters and intermediates, then one final byte; a line's end is none of them.
            Some('[') => {
                while rest
                    .next_if(|c| ('\u{20}'..='\u{3f}').contains(c))
                    .is_some()
                {}
                rest.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            // A string, up to BEL or ST; not past the line.
            Some(']') => {
                while rest.next_if(|c| !c.is_control()).is_some() {}
                if rest.next_if_eq(&'\u{1b}').is_some() {
                    rest.next_if_eq(&'\\');
                }
            }
            // A character set: one more.
            Some('(' | ')') => {
                rest.next_if(|c| !c.is_control());
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_cursors_are_taken_out_and_words_stay() {
        for (text, expected) in [
            (
                "[\u{1b}[0;1;31mFAILED\u{1b}[0m] mount\r\n",
                "[FAILED] mount",
            ),
            ("\u{1b}[2J\u{1b}[1;1Hlogin: ", "login:"),
            ("\u{1b}]0;title\u{7}boot", "boot"),
            ("\u{1b}]0;title\u{1b}\\boot", "boot"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}(Bx\ty\u{8}", "x y"),
            ("a\u{202e}b\u{0}", "ab"),
            ("größe 日本", "größe 日本"),
        ] {
            assert_eq!(console_tail(text), [expected], "{text:?}");
        }
        // Cut off in the middle of a sequence: nothing of the next line is lost.
        assert_eq!(console_tail("x\u{1b}[0;\nnext"), ["x", "next"]);
        assert_eq!(console_tail("\u{1b}"), Vec::<String>::new());
    }

    #[test]
    fn only_the_end_is_kept() {
        let text: String = (0..100).map(|n| format!("line {n}\r\n\r\n")).collect();
        let tail = console_tail(&text);
        assert_eq!(tail.len(), LINES);
        assert_eq!(
            (tail[0].as_str(), tail[19].as_str()),
            ("line 80", "line 99")
        );
        assert_eq!(console_tail(&"x".repeat(5000))[0].len(), WIDTH);
        // Found by a million inputs: what is left of it was blank.
        let far = format!("one\n{}two", " ".repeat(WIDTH));
        assert_eq!(console_tail(&far), ["one"]);
    }
}
