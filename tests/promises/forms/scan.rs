//! Reads the host scripts: where they call `docker`, and with which words. As much of a shell's grammar as that takes.

use std::collections::BTreeMap;
use std::path::Path;

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A variable, by its name; anything else that is only known when it runs has an empty one.
    Var(String),
}

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pieces: Vec<Piece>,
    /// It may be any number of words: `$ids`, `"$@"`.
    many: bool,
}

/// Where a script says what `docker` is called with.
#[derive(Debug, Clone)]
pub struct Site {
    /// The file's name.
    pub script: String,
    /// As it stands there.
    pub text: String,
    /// The words behind `docker`.
    words: Vec<Word>,
    /// Only a part of the words: `set -- … "$@"` before a `docker "$@"`.
    pub part: bool,
}

impl Site {
    /// `docker "$@"`: what it is called with is said elsewhere.
    pub fn is_general(&self) -> bool {
        !self.part && self.words.iter().all(is_all)
    }

    /// The variables that are whole words, or begin them.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.words.iter().filter_map(|w| match w.pieces.first() {
            Some(Piece::Var(name)) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// All scripts: their texts without comments, by name.
pub struct Scripts(pub BTreeMap<String, String>);

impl Scripts {
    /// Every `.sh` of the folder.
    pub fn read(folder: &Path) -> Self {
        let mut all = BTreeMap::new();
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".sh") {
                all.insert(name, bare(&fs_err::read_to_string(&path).unwrap()));
            }
        }
        assert!(!all.is_empty(), "no scripts in {}", folder.display());
        Self(all)
    }

    /// Every place at which `docker` is called, or its words are put together.
    pub fn sites(&self) -> Vec<Site> {
        let mut all = Vec::new();
        for (script, text) in &self.0 {
            let site = |at: usize, part: bool| {
                let (mut words, end) = words(&text[at..]);
                let command = text[..at]
                    .trim_end()
                    .rsplit_once(' ')
                    .map_or("", |(before, _)| before);
                if command.ends_with("xargs") {
                    let all = Piece::Var("@".to_owned());
                    words.push(Word {
                        pieces: vec![all],
                        many: true,
                    });
                }
                let text = text[at..at + end].trim().to_owned();
                Site {
                    script: script.clone(),
                    text,
                    words,
                    part,
                }
            };
            let calls: Vec<Site> = ["docker ", "docker_failed "]
                .into_iter()
                .flat_map(|name| commands(text, name))
                .map(|at| site(at, false))
                .collect();
            let built = calls.iter().any(|c| c.text.contains("\"$@\""));
            all.extend(calls);
            if built {
                all.extend(commands(text, "set -- ").map(|at| site(at, true)));
            }
        }
        all
    }

    /// Every value that a script gives a variable, where it is a template of `docker … --format`. Other scripts that run
    /// together with it may be its source.
    pub fn templates(&self, script: &str, name: &str) -> Vec<String> {
        let own = self.assigned(script, name, 0);
        // Only what is written in capitals is of all of them.
        if own.is_empty() && name.starts_with(|c: char| c.is_ascii_uppercase()) {
            let others = self.0.keys().filter(|s| *s != script);
            others.flat_map(|s| self.assigned(s, name, 0)).collect()
        } else {
            own
        }
    }

    fn assigned(&self, script: &str, name: &str, depth: usize) -> Vec<String> {
        let text = &self.0[script];
        let assignment = format!("{name}=");
        let mut all = Vec::new();
        for (at, _) in text.match_indices(&assignment) {
            if text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
                continue;
            }
            let Some((word, _)) = word(&text[at + assignment.len()..]) else {
                continue;
            };
            all.extend(self.spelled(script, &word, depth + 1).unwrap_or_default());
        }
        all.retain(|v| v.contains("{{") || depth > 0);
        all
    }

    /// What a word can be, where all its variables are known by the text; None where one is not.
    fn spelled(&self, script: &str, word: &Word, depth: usize) -> Option<Vec<String>> {
        let mut all = vec![String::new()];
        for piece in &word.pieces {
            let more = match piece {
                Piece::Text(text) => vec![text.clone()],
                Piece::Var(name) if depth < 4 && !name.is_empty() => {
                    let values = self.assigned(script, name, depth);
                    if values.is_empty() {
                        return None;
                    }
                    values
                }
                Piece::Var(_) => return None,
            };
            all = all
                .iter()
                .flat_map(|a| more.iter().map(move |b| format!("{a}{b}")))
                .collect();
        }
        Some(all)
    }

    /// Whether a call is one of this place.
    pub fn is_of(&self, site: &Site, call: &[String]) -> bool {
        if site.part {
            // What is there already stands before it.
            let own: Vec<&Word> = site.words.iter().filter(|w| !is_all(w)).collect();
            return (0..=call.len()).any(|from| {
                (from..=call.len()).any(|to| self.fits(&site.script, &own, &call[from..to]))
            });
        }
        let own: Vec<&Word> = site.words.iter().collect();
        self.fits(&site.script, &own, call)
    }

    fn fits(&self, script: &str, words: &[&Word], call: &[String]) -> bool {
        let Some((first, rest)) = words.split_first() else {
            return call.is_empty();
        };
        if first.many {
            return (0..=call.len()).any(|n| self.fits(script, rest, &call[n..]));
        }
        let Some((said, more)) = call.split_first() else {
            return false;
        };
        self.is(script, first, said) && self.fits(script, rest, more)
    }

    fn is(&self, script: &str, word: &Word, said: &str) -> bool {
        let [Piece::Var(name), rest @ ..] = word.pieces.as_slice() else {
            return glob(&word.pieces, said);
        };
        // A template is one of those that the script has; any other variable is anything.
        let mut known = self.templates(script, name);
        known.retain(|t| t.contains("{{"));
        if known.is_empty() {
            return glob(&word.pieces, said);
        }
        known
            .iter()
            .any(|t| said.strip_prefix(t.as_str()).is_some_and(|s| glob(rest, s)))
    }
}

fn is_all(word: &Word) -> bool {
    word.many && word.pieces == [Piece::Var("@".to_owned())]
}

fn glob(pieces: &[Piece], said: &str) -> bool {
    match pieces {
        [] => said.is_empty(),
        [Piece::Text(text), rest @ ..] => said
            .strip_prefix(text.as_str())
            .is_some_and(|s| glob(rest, s)),
        [Piece::Var(_), rest @ ..] => {
            let mut ends = said.char_indices().map(|(at, _)| at).chain([said.len()]);
            ends.any(|at| glob(rest, &said[at..]))
        }
    }
}

/// Without the lines that are comments.
fn bare(text: &str) -> String {
    let lines = text.lines().filter(|l| !l.trim_start().starts_with('#'));
    lines.flat_map(|l| [l, "\n"]).collect()
}

/// Where a command of this name begins its words.
fn commands<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(name).filter_map(move |(at, _)| {
        let before = text[..at].chars().next_back();
        let is_code = text[..at].ends_with("fail ");
        (!is_code && before.is_none_or(|c| c.is_whitespace() || "(;&|!{".contains(c)))
            .then_some(at + name.len())
    })
}

/// The words up to the end of a command, and where that is.
fn words(text: &str) -> (Vec<Word>, usize) {
    let (mut all, mut at) = (Vec::new(), 0);
    loop {
        at += text[at..].len() - text[at..].trim_start_matches(' ').len();
        // A redirection, with the number before it, ends what we want.
        let redirected = text[at..].trim_start_matches(|c: char| c.is_ascii_digit());
        if redirected.starts_with(['<', '>']) {
            return (all, at);
        }
        let Some((word, length)) = word(&text[at..]) else {
            return (all, at);
        };
        if word.pieces == [Piece::Text("}".to_owned())] {
            return (all, at);
        }
        all.push(word);
        at += length;
    }
}

/// One word, and its length; None where there is none.
fn word(text: &str) -> Option<(Word, usize)> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut many, mut at, mut begun) = (false, 0, false);
    let add = |pieces: &mut Vec<Piece>, more: &str| match pieces.last_mut() {
        Some(Piece::Text(text)) => text.push_str(more),
        _ if more.is_empty() => {}
        _ => pieces.push(Piece::Text(more.to_owned())),
    };
    while let Some(c) = text[at..].chars().next() {
        match c {
            '\'' => {
                let end = text[at + 1..].find('\'')?;
                add(&mut pieces, &text[at + 1..at + 1 + end]);
                at += end + 2;
            }
            '"' => {
                at += 1;
                while !text[at..].starts_with('"') {
                    let c = text[at..].chars().next()?;
                    match c {
                        '$' => {
                            let (name, length) = variable(&text[at..]);
                            many |= name == "@";
                            pieces.push(Piece::Var(name));
                            at += length;
                        }
                        '\\' => {
                            add(&mut pieces, &text[at + 1..at + 2]);
                            at += 2;
                        }
                        c => {
                            add(&mut pieces, c.encode_utf8(&mut [0; 4]));
                            at += c.len_utf8();
                        }
                    }
                }
                at += 1;
            }
            '$' => {
                let (name, length) = variable(&text[at..]);
                many = true;
                pieces.push(Piece::Var(name));
                at += length;
            }
            c if c.is_whitespace() || "|;&()<>`".contains(c) => break,
            c => {
                add(&mut pieces, c.encode_utf8(&mut [0; 4]));
                at += c.len_utf8();
            }
        }
        begun = true;
    }
    begun.then_some((Word { pieces, many }, at))
}

/// The variable that begins here: its name (empty where it is more than a name), and how long it is written.
fn variable(text: &str) -> (String, usize) {
    let rest = &text[1..];
    if rest.starts_with(['{', '(']) {
        let (open, close) = if rest.starts_with('{') {
            ('{', '}')
        } else {
            ('(', ')')
        };
        let mut depth = 0;
        for (at, c) in rest.char_indices() {
            depth += i32::from(c == open) - i32::from(c == close);
            if depth == 0 {
                let inner = &rest[1..at];
                let plain = inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                return (
                    if plain {
                        inner.to_owned()
                    } else {
                        String::new()
                    },
                    at + 2,
                );
            }
        }
    }
    let is = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = match rest.chars().next() {
        Some('@' | '*' | '#' | '?' | '!' | '$' | '-') => 1,
        Some(c) if c.is_ascii_digit() => 1,
        _ => rest.find(|c| !is(c)).unwrap_or(rest.len()),
    };
    (rest[..length].to_owned(), length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts(text: &str) -> Scripts {
        Scripts([("a.sh".to_owned(), bare(text))].into())
    }

    fn call(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn calls_are_found_wherever_a_command_may_stand() {
        let text = "# docker no\nx=$(docker ps -aq 2>/dev/null </dev/null) || docker_failed ps -aq\n\
            B='o=$1; docker logs \"$2\" 2>&1 | tail'\nif ! docker tag \"$A\" b; then say \"docker no\"; fi\n\
            xargs docker inspect --format '{{.A}} b'\n{ docker exec \"$n\" \"$@\"; }\nset -- \"$@\" -f \"$f\"\ndocker.service\n";
        let sites = scripts(text).sites();
        let found: Vec<&str> = sites.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(
            found,
            [
                "ps -aq",
                "logs \"$2\"",
                "tag \"$A\" b",
                "inspect --format '{{.A}} b'",
                "exec \"$n\" \"$@\"",
                "ps -aq",
                "\"$@\" -f \"$f\"",
            ]
        );
    }

    #[test]
    fn a_call_is_of_its_place_and_of_no_other() {
        let all = scripts(
            "H='{{.A}}'\nH=none\nF=\"{{.N}} $H\"\nF='{{.M}}'\n\
            docker inspect --format \"$F\" $ids\ndocker update --restart=\"$B\" \"$A\"\ndocker \"$@\"\nset -- \"$@\" config -q\n",
        );
        assert_eq!(
            all.templates("a.sh", "F"),
            ["{{.N}} {{.A}}", "{{.N}} none", "{{.M}}"]
        );
        let [inspect, update, any, part] = &all.sites()[..] else {
            panic!("{:?}", all.sites());
        };
        let mut said = call("inspect --format F a b");
        assert!(!all.is_of(inspect, &said), "not a template of the script");
        said[2] = "{{.N}} none".to_owned();
        assert!(all.is_of(inspect, &said));
        assert!(all.is_of(update, &call("update --restart=no a")));
        assert!(!all.is_of(update, &call("update --restart=no a b")));
        assert!(!all.is_of(update, &call("update --policy=no a")));
        assert!(all.is_of(any, &said));
        assert!(all.is_of(part, &call("compose -p x config -q")));
        assert!(!all.is_of(part, &call("compose -p x config")));
    }
}
