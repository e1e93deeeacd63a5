//! What is asked, as input of the scripts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::host::scripts::{self, Verb, program_sha256};
use crate::host::{
    ApplyJob, ArmRequest, FileText, HoldRequest, HostError, HostProbe, Input, Job, LookRequest,
    MountRequest, OrderRequest, ProbeRequest, SAMPLE_BYTES, SampleRequest, Tag, sha256_hex,
};
use crate::model::{Probe, Secret};

/// The document of `SendCommand` is at most 64 KB, parameters and all; JSON escapes some of the script.
const MOST: usize = 48_000;

/// The bytes of a text that one `put` carries.
const PART: usize = 24_000;

/// The kind of the way back; a script looks for it in its base64.
const RESTORE: &str = "restore";

/// A longer compose file is refused; look does not read it either.
const LONGEST: usize = 1 << 20;

pub(super) fn tag_lines(tag: &Tag) -> Input {
    Input::new()
        .text("fence", &tag.fence.to_string())
        .text("seq", &tag.seq.to_string())
        .text("operation", tag.operation.as_str())
}

pub(super) fn look(ask: &LookRequest) -> Result<Input, HostError> {
    let mut input = ask.beat.as_ref().map(tag_lines).unwrap_or_default();
    if ask.only_boot {
        return Ok(input.text("only_boot", "yes"));
    }
    if let Some(point) = &ask.mount_point {
        input = input.text("point", mount_point(Verb::Look, point)?);
    }
    for image in &ask.images {
        input = input.text("ref", image.as_str());
    }
    if let Some((project, services)) = &ask.pending {
        input = input.text("project", project);
        for service in services {
            input = input.text("service", service.as_str());
        }
    }
    fits(Verb::Look, input)
}

pub(super) fn mount(tag: Option<&Tag>, ask: &MountRequest) -> Result<Input, HostError> {
    if ask.token.contains(['\n', '\0']) || ask.token.is_empty() {
        return Err(bad(
            Verb::Mount,
            format!("the token must be one line of text, found {:?}", ask.token),
        ));
    }
    let input = tag.map(tag_lines).unwrap_or_default();
    let input = input
        .text("point", mount_point(Verb::Mount, &ask.point)?)
        .text("limit", &ask.limit_s.to_string())
        .text("token", &ask.token);
    fits(Verb::Mount, input)
}

pub(super) fn sample(ask: &SampleRequest) -> Result<Input, HostError> {
    let mut input = Input::new()
        .text("point", mount_point(Verb::Sample, &ask.point)?)
        .text("limit", &ask.limit_s.to_string())
        .text("bytes", &SAMPLE_BYTES.to_string());
    for folder in &ask.folders {
        let most = folder.most.to_string();
        let mut words = vec![most.as_str(), mount_point(Verb::Sample, &folder.path)?];
        words.extend(folder.files.iter().map(String::as_str));
        input = input.fields("folder", &words);
    }
    fits(Verb::Sample, input)
}

pub(super) fn order(tag: Option<&Tag>, ask: &OrderRequest) -> Result<Input, HostError> {
    let input = tag.map(tag_lines).unwrap_or_default();
    let input = input
        .text("point", mount_point(Verb::Order, &ask.point)?)
        .text("unit", &ask.unit)
        .text("text", &ask.text);
    fits(Verb::Order, input)
}

pub(super) fn hold(tag: Option<&Tag>, ask: &HoldRequest) -> Result<Input, HostError> {
    let input = tag.map(tag_lines).unwrap_or_default();
    let input = input.text("owner", &ask.owner());
    let images = ask.images.iter();
    fits(
        Verb::Hold,
        images.fold(input, |input, id| input.text("image", id.as_str())),
    )
}

/// The commands of a start: the parts of each text that does not go with it first.
pub(super) struct StartRequest {
    pub(super) texts: Vec<Vec<Input>>,
    pub(super) start: Input,
}

pub(super) fn start(tag: &Tag, job: &Job) -> Result<StartRequest, HostError> {
    let input = tag_lines(tag);
    let mut texts = Vec::new();
    let start = match job {
        Job::Pull { reference } => input
            .text("kind", "pull")
            .text("reference", reference.as_str()),
        Job::Quiesce { containers, back } => {
            let input = input
                .text("kind", "quiesce")
                .text("back", if *back { "yes" } else { "no" });
            containers.iter().fold(input, |input, c| {
                let fields = [c.name.as_str(), &c.restart_policy, "up"];
                let fields = if c.comes_up {
                    &fields[..]
                } else {
                    &fields[..2]
                };
                input.fields("container", fields)
            })
        }
        Job::Apply(apply) | Job::Restore(apply) => {
            let (lines, text) = apply_lines(Verb::Start, apply)?;
            for text in &apply.more_texts {
                texts.push(put(tag, text)?);
            }
            let kind = match job {
                Job::Restore(_) => RESTORE,
                _ => "apply",
            };
            let lines = Input::new().text("kind", kind).and(&lines);
            let whole = input.clone().and(&lines).and(&text);
            if Verb::Start.with(&whole).len() <= MOST {
                whole
            } else {
                if let FileText::New(text) = &apply.text {
                    texts.push(put(tag, text)?);
                }
                input.and(&lines)
            }
        }
    };
    Ok(StartRequest {
        texts,
        start: fits(Verb::Start, start)?,
    })
}

/// What an armed host goes back to: the very lines of a restore, and what was green.
pub(super) fn arm(tag: &Tag, ask: &ArmRequest) -> Result<Input, HostError> {
    let job = &ask.restore;
    let refused = |what: &str| Err(bad(Verb::Arm, what.to_owned()));
    if matches!(job.text, FileText::New(_)) {
        return refused("a host goes back to a text that it keeps, and is sent none");
    }
    if !job.start {
        return refused("a host that goes back by itself starts its services");
    }
    if ask.grace_s == 0 {
        return refused("the grace must be longer than 0 s");
    }
    let (lines, _) = apply_lines(Verb::Arm, job)?;
    let input = tag_lines(tag)
        .text("grace", &ask.grace_s.to_string())
        .text("stable", &ask.stable_s.to_string())
        .text("kind", RESTORE)
        .and(&lines);
    let green = |input: Input, name: &String| {
        if ask.declared.contains(name) {
            input.fields("green", &[name, "declared"])
        } else {
            input.text("green", name)
        }
    };
    let input = ask.green.iter().fold(input, green);
    fits(Verb::Arm, ask.probes.iter().fold(input, probe_line))
}

/// More than these containers' logs do not fit into one answer.
const LOGS: usize = 3;

pub(super) fn probe(ask: &ProbeRequest) -> Result<Input, HostError> {
    let input = ask.probes.iter().fold(Input::new(), probe_line);
    let logs = ask.logs.iter().take(LOGS);
    fits(
        Verb::Probe,
        logs.fold(input, |input, name| input.text("log", name)),
    )
}

fn probe_line(input: Input, one: &HostProbe) -> Input {
    let seconds = one.timeout_s.to_string();
    let mut words = vec![one.container.clone()];
    match &one.probe {
        Probe::Http { url, from, to } => words.extend([
            "http".into(),
            seconds,
            url.clone(),
            from.to_string(),
            to.to_string(),
        ]),
        Probe::Tcp { host, port } => {
            words.extend(["tcp".into(), seconds, host.clone(), port.to_string()]);
        }
        Probe::Command { argv } => {
            words.extend(["command".into(), seconds]);
            words.extend(argv.iter().cloned());
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    input.fields("probe", &words)
}

/// The lines of an apply, and the line with its text.
fn apply_lines(verb: Verb, job: &ApplyJob) -> Result<(Input, Input), HostError> {
    let (textis, text) = match &job.text {
        FileText::Keep
            if job.from_sha256 != job.to_sha256
                || job.more_files.iter().any(|f| f.from_sha256 != f.to_sha256) =>
        {
            return Err(bad(
                verb,
                "a file that is kept cannot change its SHA-256".into(),
            ));
        }
        FileText::Keep => ("keep", Input::new()),
        FileText::Kept => ("kept", Input::new()),
        FileText::New(text) => {
            let found = sha256_hex(text.expose().as_bytes());
            if found != job.to_sha256 {
                return Err(bad(
                    verb,
                    format!(
                        "the new text has SHA-256 {found}, expected {}",
                        job.to_sha256
                    ),
                ));
            }
            ("new", Input::new().text("text", text.expose()))
        }
    };
    let mut lines = Input::new()
        .text("project", &job.project)
        .text("file", &job.file)
        .text("from", &job.from_sha256)
        .text("to", &job.to_sha256)
        .text("textis", textis)
        .text("start", if job.start { "yes" } else { "no" });
    for f in &job.more_files {
        lines = lines.fields("more", &[&f.path, &f.from_sha256, &f.to_sha256]);
    }
    for file in &job.env_files {
        lines = lines.text("env", file);
    }
    for tag in &job.tags {
        lines = lines.fields("tag", &[tag.id.as_str(), tag.reference.as_str()]);
    }
    for s in &job.services {
        lines = lines.fields(
            "service",
            &[s.service.as_str(), &s.container, s.image_id.as_str()],
        );
    }
    for p in &job.policies {
        lines = lines.fields("policy", &[&p.name, &p.restart_policy]);
    }
    Ok((lines, text))
}

fn put(tag: &Tag, text: &Secret) -> Result<Vec<Input>, HostError> {
    let bytes = text.expose().as_bytes();
    if bytes.len() > LONGEST {
        return Err(bad(
            Verb::Start,
            format!(
                "the compose file has {} bytes, at most {LONGEST} can be sent",
                bytes.len()
            ),
        ));
    }
    Ok(parts(&tag_lines(tag), &sha256_hex(bytes), bytes))
}

/// The program of jobs, for a host that does not have it.
pub(super) fn program(tag: &Tag) -> Vec<Input> {
    let input = tag_lines(tag).text("program", "yes");
    parts(&input, program_sha256(), scripts::program().as_bytes())
}

fn parts(input: &Input, sha256: &str, bytes: &[u8]) -> Vec<Input> {
    let parts = bytes.chunks(PART).collect::<Vec<_>>();
    let part = |(at, part): (usize, &&[u8])| {
        input
            .clone()
            .text("sha256", sha256)
            .text("part", &(at + 1).to_string())
            .text("parts", &parts.len().to_string())
            .coded("data", &STANDARD.encode(part))
    };
    parts.iter().enumerate().map(part).collect()
}

fn mount_point(verb: Verb, point: &str) -> Result<&str, HostError> {
    let short = point.trim_end_matches('/');
    if !point.starts_with('/') || point.contains(['\n', '\0']) {
        return Err(bad(
            verb,
            format!("a mount point must be an absolute path, found {point:?}"),
        ));
    }
    Ok(if short.is_empty() { "/" } else { short })
}

pub(super) fn fits(verb: Verb, input: Input) -> Result<Input, HostError> {
    let length = verb.with(&input).len();
    if length > MOST {
        return Err(bad(
            verb,
            format!("the command has {length} characters, at most {MOST} can be sent"),
        ));
    }
    Ok(input)
}

fn bad(verb: Verb, message: String) -> HostError {
    HostError::Script {
        verb: verb.name(),
        code: "bad_request".into(),
        message,
    }
}
