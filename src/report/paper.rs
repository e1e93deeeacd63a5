//! Text for a terminal: what comes from elsewhere is escaped, what is ours may have a colour.

use super::escape;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// As it is.
    Plain,
    /// Bold.
    Bold,
    /// Faint.
    Dim,
    /// Bad news.
    Red,
    /// Good news.
    Green,
    /// Worth a look.
    Yellow,
}

impl Ink {
    /// The SGR parameter (ECMA-48).
    fn code(self) -> Option<&'static str> {
        match self {
            Ink::Plain => None,
            Ink::Bold => Some("1"),
            Ink::Dim => Some("2"),
            Ink::Red => Some("31"),
            Ink::Green => Some("32"),
            Ink::Yellow => Some("33"),
        }
    }
}

/// Text, piece by piece. Newlines come from [`Paper::end`] alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paper(Vec<(Ink, String)>);

impl Paper {
    /// An empty sheet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A text of our own, as it is.
    pub(super) fn verbatim(text: &str) -> Self {
        Self(vec![(Ink::Plain, text.to_owned())])
    }

    /// A piece of a line; everything unsafe in it is escaped.
    pub fn put(&mut self, ink: Ink, text: &str) -> &mut Self {
        self.0.push((ink, escape::line(text).into_owned()));
        self
    }

    /// The end of a line.
    pub fn end(&mut self) -> &mut Self {
        self.0.push((Ink::Plain, "\n".into()));
        self
    }

    /// A whole line.
    pub fn line(&mut self, text: &str) -> &mut Self {
        self.put(Ink::Plain, text).end()
    }

    /// A heading on a line of its own.
    pub fn heading(&mut self, text: &str) -> &mut Self {
        self.put(Ink::Bold, text).end()
    }

    /// A text that may have several lines, each behind the indent; `first` stands before the first.
    pub fn block(&mut self, first: &str, ink: Ink, text: &str) -> &mut Self {
        let indent = " ".repeat(first.chars().count());
        for (at, line) in text.trim_end().split('\n').enumerate() {
            let before = if at == 0 { first } else { &indent };
            self.put(ink, before).put(Ink::Plain, line).end();
        }
        self
    }

    /// Rows under a header, in columns. Every cell is escaped.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) -> &mut Self {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
        if !header.is_empty() {
            table.set_header(header.to_vec());
        }
        for row in rows {
            table.add_row(row.iter().map(|cell| escape::line(cell).into_owned()));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for (at, line) in table.trim_fmt().lines().enumerate() {
            let ink = if at == 0 && !header.is_empty() {
                Ink::Dim
            } else {
                Ink::Plain
            };
            self.put(ink, line.trim_end()).end();
        }
        self
    }

    /// Another sheet below this one.
    pub fn append(&mut self, other: Paper) -> &mut Self {
        self.0.extend(other.0);
        self
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, with or without colours.
    pub fn render(&self, color: bool) -> String {
        let mut out = String::new();
        for (ink, text) in &self.0 {
            match ink.code().filter(|_| color && !text.is_empty()) {
                Some(code) => out.push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m")),
                None => out.push_str(text),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_colours_reach_the_terminal() {
        let mut paper = Paper::new();
        paper
            .put(Ink::Red, "bad\u{1b}[2J")
            .put(Ink::Plain, " a\nb")
            .end();
        paper.table(&["NAME"], vec![vec!["x\u{9b}y".into()]]);
        paper.block("  help: ", Ink::Dim, "one\ntwo\u{7}\n");
        assert_eq!(
            paper.render(false),
            "bad\\u{1b}[2J a\\nb\nNAME\nx\\u{9b}y\n  help: one\n        two\\u{7}\n"
        );
        let colored = paper.render(true);
        assert!(
            colored.starts_with("\u{1b}[31mbad\\u{1b}[2J\u{1b}[0m"),
            "{colored:?}"
        );
    }
}
