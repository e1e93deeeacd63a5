//! What was answered, with what varies from host to host and from run to run by a name; and the file that keeps it.

use std::collections::BTreeMap;

use super::cases::Step;
use super::hosts::{FILE, Host, Said};
use super::scan::Scripts;

/// One question and its answer, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `SCRIPT NAME`.
    pub key: String,
    /// The words as they are written in the cases.
    pub call: String,
    /// Lines: `1` and `2` for the streams, then the exit code.
    pub answer: Vec<String>,
}

/// Ids have names that do not vary: of a container its own, of an image the first reference that it was seen under.
#[derive(Default)]
struct Names {
    /// Digits of an id, without `sha256:`, and its name in angle brackets.
    known: BTreeMap<String, String>,
    /// The containers that are there: name and id.
    containers: BTreeMap<String, String>,
    /// How many there were of each name.
    made: BTreeMap<String, u32>,
    /// References and the digits of their images, as first seen.
    images: BTreeMap<String, String>,
}

const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The images that have a name.
const IMAGES: [&str; 7] = [
    "n8nio/n8n:1.0.0",
    "n8nio/n8n:1.1.0",
    "n8nio/n8n:1.1.0-s390x",
    "ollama/ollama:1.0.0",
    "qdrant/qdrant:1.0.0",
    "unclecode/crawl4ai:1.0.0",
    "postgres:15.1",
];

/// Whether a call can make an id, or take one away.
fn changes(call: &[String]) -> bool {
    match call[0].as_str() {
        "create" | "rm" | "pull" => true,
        "compose" => call.iter().any(|w| w == "up"),
        _ => false,
    }
}

impl Names {
    fn look(&mut self, host: &dyn Host) {
        self.known
            .insert(NOTHING.to_owned(), "<image:none>".to_owned());
        self.images.insert("none".to_owned(), NOTHING.to_owned());
        self.containers.clear();
        let ids = host.lines(&["ps", "-aq", "--no-trunc"]);
        let mut words = vec![
            "inspect",
            "--type",
            "container",
            "--format",
            "{{.ID}} {{.Name}}",
        ];
        words.extend(ids.iter().map(String::as_str));
        for line in host.lines(&words) {
            let (id, name) = line.split_once(" /").unwrap();
            if !self.known.contains_key(id) {
                let made = self.made.entry(name.to_owned()).or_default();
                *made += 1;
                let label = match made {
                    1 => format!("<{name}>"),
                    n => format!("<{name}#{n}>"),
                };
                self.known.insert(id.to_owned(), label);
            }
            self.containers.insert(name.to_owned(), id.to_owned());
        }
        let new = IMAGES.iter().filter(|r| !self.images.contains_key(**r));
        let new: Vec<&str> = new.copied().collect();
        if new.is_empty() {
            return;
        }
        // Of those that are there, whatever it says of the others.
        let words = ["image", "inspect", "--format", "{{.ID}} {{json .RepoTags}}"];
        let call: Vec<String> = words.iter().chain(&new).map(|w| (*w).to_owned()).collect();
        for line in host.docker(&call).stdout.lines() {
            let Some((id, tags)) = line.split_once(' ') else {
                continue;
            };
            let digits = id.trim_start_matches("sha256:").to_owned();
            for reference in new.iter().filter(|r| tags.contains(&format!("\"{r}\""))) {
                let label = format!("<image:{reference}>");
                self.known.entry(digits.clone()).or_insert(label);
                self.images.insert((*reference).to_owned(), digits.clone());
            }
        }
    }

    /// The words of a call.
    fn words(&self, scripts: &Scripts, script: &str, call: &str) -> Vec<String> {
        let mut all = Vec::new();
        for word in form(scripts, script, call) {
            if word == "<all>" {
                all.extend(self.containers.values().cloned());
            } else if let Some(name) = word.strip_prefix('<').and_then(|w| w.strip_suffix('>')) {
                all.push(match name.split_once(':') {
                    Some(("image", reference)) => format!("sha256:{}", self.images[reference]),
                    Some(("short", name)) => self.containers[name][..12].to_owned(),
                    _ => self.containers[name].clone(),
                });
            } else {
                all.push(word);
            }
        }
        all
    }

    /// A text with all that varies by a name.
    fn plain(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit() || ('a'..='f').contains(&c)) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let bounded = !out.ends_with(|c: char| c.is_ascii_alphanumeric());
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            let end = from.find(|c: char| !hex(c)).unwrap_or(from.len());
            let (run, after) = from.split_at(end);
            let bounded = bounded && !after.starts_with(|c: char| c.is_ascii_alphanumeric());
            if let Some(length) = moment(from).filter(|_| bounded_before(&out)) {
                out.push_str("<time>");
                rest = &from[length..];
                continue;
            }
            match run.len() {
                64 if bounded => {
                    let known = self.known.get(run).map_or("<digest>", String::as_str);
                    if known.starts_with("<image") {
                        let cut = out.strip_suffix("sha256:").map(str::len);
                        out.truncate(cut.unwrap_or(out.len()));
                    }
                    out.push_str(known);
                }
                12 if bounded => match self.known.iter().find(|(id, _)| id.starts_with(run)) {
                    Some((_, label)) => out.push_str(&format!("<short:{}", &label[1..])),
                    None => out.push_str(run),
                },
                _ => out.push_str(run),
            }
            rest = after;
        }
        out + rest
    }
}

fn bounded_before(out: &str) -> bool {
    !out.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// How long a moment as Docker writes it is; None for "never", and where there is none.
fn moment(text: &str) -> Option<usize> {
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let bytes = text.as_bytes();
    let fits = bytes.len() > shape.len()
        && shape.iter().zip(bytes).all(|(s, b)| match s {
            b'd' => b.is_ascii_digit(),
            s => s == b,
        });
    if !fits || text.starts_with("0001-01-01") {
        return None;
    }
    let tail = |c: char| c.is_ascii_digit() || c == '.';
    let end = shape.len() + text[shape.len()..].find(|c| !tail(c))?;
    text[end..].starts_with('Z').then_some(end + 1)
}

/// Words, with single quotes around those that have blanks.
fn split(call: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut quoted = false;
    for c in call.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => all.push(String::new()),
            c => all.last_mut().unwrap().push(c),
        }
    }
    all
}

/// The words of a call for the form alone: of ids only how many there are.
pub fn form(scripts: &Scripts, script: &str, call: &str) -> Vec<String> {
    let template = |word: String| match word.strip_prefix('$') {
        Some(named) => {
            let (name, rest) = named.split_once(':').unwrap();
            let (number, rest) = rest.split_at(1);
            let values = scripts.templates(script, name);
            format!("{}{rest}", values[number.parse::<usize>().unwrap()])
        }
        None => word,
    };
    split(call).into_iter().map(template).collect()
}

/// Asks all of it.
pub fn ask_all(host: &dyn Host, scripts: &Scripts, steps: &[Step]) -> Vec<Entry> {
    let mut names = Names::default();
    let first = host.read(FILE);
    let mut all = Vec::new();
    let mut down = false;
    names.look(host);
    for step in steps {
        match step {
            Step::Ask {
                script, name, call, ..
            } => {
                let words = names.words(scripts, script, call);
                let said = host.docker(&words);
                if !down && changes(&words) {
                    names.look(host);
                }
                all.push(Entry {
                    key: format!("{script} {name}"),
                    call: call.clone(),
                    answer: answer(&names, &words, &said),
                });
            }
            Step::Do(call) => {
                let words = names.words(scripts, "", call);
                let said = host.docker(&words);
                assert_eq!(said.code, 0, "{call}: {}", said.stderr);
                if changes(&words) {
                    names.look(host);
                }
            }
            Step::Edit(from, to) => {
                let text = host.read(FILE);
                assert!(text.contains(from), "{from}");
                host.write(FILE, &text.replace(from, to));
            }
            Step::File(text) => host.write(FILE, text.unwrap_or(&first)),
            Step::Env(text) => host.write(super::hosts::ENV_FILE, text),
            Step::Wait(name, state) => host.wait(name, state),
            Step::Registry(there) => host.registry(*there),
            Step::Engine(there) => {
                down = !there;
                host.engine(*there);
            }
        }
    }
    all
}

fn answer(names: &Names, call: &[String], said: &Said) -> Vec<String> {
    let mut all = Vec::new();
    for (stream, text) in [('1', &said.stdout), ('2', &said.stderr)] {
        let text = names.plain(text);
        let mut lines: Vec<String> = text.lines().map(|l| line(call, l)).collect();
        match call[0].as_str() {
            // Docker names those of one moment in any order.
            "ps" => lines.sort(),
            // How many layers an image has, and how many lines a container wrote, is theirs.
            "pull" | "create" | "logs" | "rmi" => lines.dedup(),
            // Compose hands variables over in any order.
            "inspect" => {
                for some in lines.chunk_by_mut(|a, b| a.starts_with("E ") && b.starts_with("E ")) {
                    some.sort();
                }
            }
            _ => {}
        }
        let cut = !text.is_empty() && !text.ends_with('\n');
        all.extend(
            lines
                .iter()
                .map(|l| format!("{stream} {l}").trim_end().to_owned()),
        );
        if cut {
            all.push(format!("{stream}- (no newline)"));
        }
    }
    all.push(format!("exit {}", said.code));
    all
}

fn line(call: &[String], line: &str) -> String {
    let mut line = line.to_owned();
    if call[0] == "logs" && !line.starts_with("Error") && !line.starts_with("Cannot") {
        // A moment of its own in what it wrote is its words.
        let dated = call.iter().any(|word| word == "--timestamps");
        return if dated && line.starts_with("<time> ") {
            "<time> <words>"
        } else {
            "<words>"
        }
        .to_owned();
    }
    // Layers of an image, one line or many for each.
    if line.starts_with("<short:image:") && line.contains(">: ") {
        return "<layer>: …".to_owned();
    }
    if line.len() > 14
        && line.as_bytes()[12] == b':'
        && line[..12].bytes().all(|b| b.is_ascii_hexdigit())
    {
        return "<layer>: …".to_owned();
    }
    if line == "Deleted: sha256:<digest>" {
        return "Deleted: …".to_owned();
    }
    // Debian's word behind the version.
    for version in ["20.10.24+dfsg1", "2.26.1-4"] {
        line = line.replace(version, version.split(['+', '-']).next().unwrap());
    }
    // The process, in what `facts.sh` asks.
    if let Some((pid, rest)) = line.split_once(" <image:")
        && pid.bytes().all(|b| b.is_ascii_digit())
        && pid != "0"
    {
        line = format!("<pid> <image:{rest}").replace(&format!("\"pid\":{pid},"), "\"pid\":<pid>,");
    }
    // Why a name is not found hangs on who is asked for it.
    const LOOKUP: &str = "dial tcp: lookup ";
    if let Some(at) = line.find(LOOKUP) {
        let name = &line[at + LOOKUP.len()..];
        let end = name.find([':', ' ']).unwrap_or(name.len());
        line.truncate(at + LOOKUP.len() + end);
        line += " …";
    }
    // A port of this end.
    if let Some((before, after)) = line.split_once("->")
        && let Some((start, port)) = before.rsplit_once(':')
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        line = format!("{start}:<port>->{after}");
    }
    line
}

/// The file: the templates, then the entries.
pub fn write(templates: &BTreeMap<String, String>, entries: &[Entry]) -> String {
    let mut text = "# What Docker Engine 20.10 with Compose 2.26 answers to the host scripts. Written by a test on the engine\n\
        # (docs/engine.md); the sandbox's docker is compared with it. Ids, times and digests have names.\n"
        .to_owned();
    for (name, template) in templates {
        text += &format!("\n@ {name}\n");
        for line in template.lines() {
            text += &format!("| {line}\n");
        }
    }
    for entry in entries {
        text += &format!("\n= {}\n$ docker {}\n", entry.key, entry.call);
        for line in &entry.answer {
            text += &format!("{line}\n");
        }
    }
    text
}

/// Reads it.
pub fn read(text: &str) -> (BTreeMap<String, String>, Vec<Entry>) {
    let (mut templates, mut entries) = (BTreeMap::new(), Vec::new());
    for block in text.split("\n\n").skip(1) {
        let mut lines = block.lines();
        let head = lines.next().unwrap();
        if let Some(name) = head.strip_prefix("@ ") {
            let text: Vec<&str> = lines.map(|l| l.strip_prefix("| ").unwrap()).collect();
            templates.insert(name.to_owned(), text.join("\n"));
        } else {
            let call = lines
                .next()
                .and_then(|l| l.strip_prefix("$ docker "))
                .unwrap();
            entries.push(Entry {
                key: head.strip_prefix("= ").unwrap().to_owned(),
                call: call.to_owned(),
                answer: lines.map(str::to_owned).collect(),
            });
        }
    }
    (templates, entries)
}
