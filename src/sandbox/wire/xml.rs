//! XML out: elements, text, nothing else.

use std::fmt::{Display, Write};

/// A document in the making.
pub(super) struct Xml(String);

impl Xml {
    /// A document with this root element and namespace (none where empty).
    pub(super) fn document(root: &str, namespace: &str, f: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
        let open = if namespace.is_empty() {
            format!("<{root}>")
        } else {
            format!("<{root} xmlns=\"{namespace}\">")
        };
        xml.0.push_str(&open);
        f(&mut xml);
        xml.close(root);
        xml.0
    }

    /// An element with elements in it.
    pub(super) fn node(&mut self, tag: &str, f: impl FnOnce(&mut Self)) {
        self.open(tag);
        f(self);
        self.close(tag);
    }

    /// An element with text in it.
    pub(super) fn leaf(&mut self, tag: &str, text: impl Display) {
        self.open(tag);
        self.text(&text.to_string());
        self.close(tag);
    }

    /// The same, where there is a text.
    pub(super) fn opt(&mut self, tag: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.leaf(tag, text);
        }
    }

    /// A list: each member an `item` element.
    pub(super) fn list<T>(
        &mut self,
        tag: &str,
        items: impl IntoIterator<Item = T>,
        mut f: impl FnMut(&mut Self, T),
    ) {
        self.node(tag, |x| {
            for item in items {
                x.node("item", |x| f(x, item));
            }
        });
    }

    /// A list of texts, from words between spaces.
    pub(super) fn words(&mut self, tag: &str, words: &str) {
        self.node(tag, |x| {
            for word in words.split(' ').filter(|w| !w.is_empty()) {
                x.leaf("item", word);
            }
        });
    }

    fn open(&mut self, tag: &str) {
        let _ = write!(self.0, "<{tag}>");
    }

    fn close(&mut self, tag: &str) {
        let _ = write!(self.0, "</{tag}>");
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // A reader would turn a bare one into a newline.
                '\r' => self.0.push_str("&#13;"),
                '\n' | '\t' => self.0.push(c),
                // XML 1.0 has no way to write these.
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                    self.0.push('\u{fffd}');
                }
                c => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let text = Xml::document("a", "urn:x", |x| {
            x.leaf("b", "<&>\"'\r\n\u{1b}é");
            x.opt("c", None::<&str>);
            x.words("d", "one two");
            x.list("e", [1, 2], |x, n| x.leaf("n", n));
        });
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a xmlns=\"urn:x\">\
             <b>&lt;&amp;&gt;&quot;'&#13;\n\u{fffd}é</b><d><item>one</item><item>two</item></d>\
             <e><item><n>1</n></item><item><n>2</n></item></e></a>"
        );
    }
}
