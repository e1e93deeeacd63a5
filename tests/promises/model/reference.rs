//! The reference: a stack as text, what a request makes of it, and what each machine could go back to.

use std::collections::{BTreeMap, BTreeSet};

use geusemaker::model::Outcome;

/// What is so, as [`geusemaker::sandbox::rig::Memory::stack`] gives it.
pub type Stack = BTreeMap<String, String>;

pub const FILE: &str = "file /opt/geusemaker/runtime/docker-compose.yml";

/// A container, out of its line.
pub struct Seen<'s> {
    pub image: &'s str,
    pub id: &'s str,
    pub running: bool,
    rest: &'s str,
}

pub fn seen<'s>(stack: &'s Stack, service: &str) -> Seen<'s> {
    let mut parts = stack[&format!("container {service}")].splitn(4, ' ');
    let mut next = || parts.next().expect("image, id, running, policy");
    let (image, id) = (next(), next());
    let running = next() == "running=true";
    Seen {
        image,
        id,
        running,
        rest: next(),
    }
}

/// Where the image of a service stands in the compose file.
fn image_at(file: &str, service: &str) -> std::ops::Range<usize> {
    let block = file
        .find(&format!("\n  {service}:\n"))
        .expect("the service");
    let begin =
        block + file[block..].find("\n    image: ").expect("its image") + "\n    image: ".len();
    begin..begin + file[begin..].find('\n').expect("the end of the line")
}

pub fn file_says<'s>(stack: &'s Stack, service: &str) -> &'s str {
    &stack[FILE][image_at(&stack[FILE], service)]
}

pub fn write_image(stack: &mut Stack, service: &str, reference: &str) {
    let file = stack.get_mut(FILE).expect("it");
    file.replace_range(image_at(file, service), reference);
}

/// What counts for "the same": not the name that a container's image was given when it was made.
pub fn bare(stack: &Stack) -> Stack {
    let one = |(key, text): (&String, &String)| match key.strip_prefix("container ") {
        Some(service) => {
            let c = seen(stack, service);
            (
                key.clone(),
                format!("{} running={} {}", c.id, c.running, c.rest),
            )
        }
        None => (key.clone(), text.clone()),
    };
    stack.iter().map(one).collect()
}

/// A state that can be gone back to: type, and the image of each service by name and id.
#[derive(Debug, Clone)]
pub struct Target {
    instance_type: String,
    images: Vec<Image>,
}

/// An image that is wanted for a service.
#[derive(Debug, Clone)]
pub struct Image {
    pub service: String,
    pub reference: String,
    pub id: String,
}

impl Target {
    /// A snapshot of this stack. On a stopped instance nobody can see the images.
    pub fn of(stack: &Stack) -> Self {
        let runs = stack["state"] == "running";
        let services = stack
            .keys()
            .filter_map(|key| key.strip_prefix("container "));
        let image = |service: &str| {
            let c = seen(stack, service);
            Image {
                service: service.into(),
                reference: c.image.into(),
                id: c.id.into(),
            }
        };
        Self {
            instance_type: stack["type"].clone(),
            images: services.filter(|_| runs).map(image).collect(),
        }
    }

    /// What going back to it makes of a stack.
    pub fn expect(&self, stack: &Stack, only: Option<&str>) -> Expect {
        let chosen = |i: &&Image| only.is_none_or(|only| only == i.service);
        let images: Vec<Image> = self.images.iter().filter(chosen).cloned().collect();
        if only.is_some() && images.is_empty() {
            return Expect::Refused;
        }
        let to = only.is_none().then_some(self.instance_type.as_str());
        change(stack, to, &images, Outcome::RolledBackAsAsked)
    }
}

/// What has to come of a request.
#[derive(Debug, Clone)]
pub enum Expect {
    Unchanged,
    Refused,
    NotFound,
    /// This stack, and this outcome.
    Change(Stack, Outcome),
    /// A snapshot that the reference did not see being made.
    Unknown,
}

/// What becomes of a stack for which this is wanted.
pub fn change(stack: &Stack, to: Option<&str>, images: &[Image], good: Outcome) -> Expect {
    if stack["state"] != "running" && !images.is_empty() {
        return Expect::Refused;
    }
    let mut after = stack.clone();
    if let Some(to) = to {
        after.insert("type".into(), to.into());
    }
    for image in images {
        let c = seen(stack, &image.service);
        let so = file_says(stack, &image.service) == image.reference;
        if so && (!c.running || c.id == image.id) {
            continue;
        }
        write_image(&mut after, &image.service, &image.reference);
        if c.running {
            let line = format!("{} {} running=true {}", image.reference, image.id, c.rest);
            after.insert(format!("container {}", image.service), line);
        }
    }
    match bare(&after) == bare(stack) {
        true => Expect::Unchanged,
        false => Expect::Change(after, good),
    }
}

/// An operation that has not ended.
#[derive(Debug, Clone)]
pub struct Open {
    pub before: Stack,
    /// None: not known.
    pub after: Option<Stack>,
    pub good: Outcome,
    pub given_up: bool,
    /// Something failed in it: it may be on its way back.
    pub failed: bool,
    /// What somebody changed since; `*` is everything.
    pub touched: BTreeSet<String>,
}

/// What each of the two machines knows.
#[derive(Debug, Default)]
pub struct Machine {
    pub open: Option<Open>,
    /// The states before its successes, the newest last.
    pub successes: Vec<Option<Target>>,
    pub snapshots: BTreeMap<String, Option<Target>>,
}

/// The whole reference.
#[derive(Debug, Default)]
pub struct Model {
    pub stack: Stack,
    /// Operations that were accepted while the host could not be told: it still goes back from them.
    pub unheard: BTreeSet<String>,
    pub machines: [Machine; 2],
}

/// The same, but for what was touched.
pub fn same(a: &Stack, b: &Stack, touched: &BTreeSet<String>) -> bool {
    let ours = |s: &Stack| -> Stack {
        let mut s = bare(s);
        s.retain(|key, _| !touched.contains(key) && !touched.contains("*"));
        s
    };
    ours(a) == ours(b)
}

/// What differs, for people.
pub fn differences(now: &Stack, expected: &Stack) -> String {
    let (now, expected) = (bare(now), bare(expected));
    let keys: BTreeSet<&String> = now.keys().chain(expected.keys()).collect();
    let mut out = String::new();
    for key in keys
        .into_iter()
        .filter(|key| now.get(*key) != expected.get(*key))
    {
        let short = |s: Option<&String>| match s {
            Some(text) if text.contains('\n') => {
                let other: BTreeSet<&str> = now[key].lines().chain(expected[key].lines()).collect();
                let own: Vec<&str> = text.lines().collect();
                let missing = |l: &&&str| {
                    !expected[key].lines().any(|o| o == **l) || !now[key].lines().any(|o| o == **l)
                };
                format!(
                    "{:?} of {} lines",
                    own.iter().filter(missing).collect::<Vec<_>>(),
                    other.len()
                )
            }
            other => format!("{other:?}"),
        };
        out.push_str(&format!(
            "\n    {key}: {}, expected {}",
            short(now.get(key)),
            short(expected.get(key))
        ));
    }
    out
}
