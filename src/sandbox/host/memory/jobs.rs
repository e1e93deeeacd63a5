//! Pull, quiesce and apply.

use jiff::ToSpan;

use super::{Record, restore};
use crate::host::{ApplyJob, ApplyService, FileText, Job, QuiesceContainer, Tag};
use crate::model::ImageRef;
use crate::model::sha256_hex;
use crate::sandbox::fault::Faults;
use crate::sandbox::host::docker::{Answer, docker};
use crate::sandbox::host::files::{HostFiles, MemoryFiles};
use crate::sandbox::host::state::{HostContext, HostState};
use crate::sandbox::latency::Latency;
use crate::sandbox::registry::Registry;

/// A code and the end of the log.
type Failure = (String, String);

fn failure<T>(code: &str, log: impl Into<String>) -> Result<T, Failure> {
    Err((code.to_owned(), log.into()))
}

pub(super) fn start(at: &mut HostContext<'_>, tag: &Tag, job: &Job) -> Record {
    let mut record = Record {
        boot_id: at.host.boot_id.clone(),
        due: at.now,
        pulls: matches!(job, Job::Pull { .. }),
        pull: None,
        failure: None,
    };
    match job {
        Job::Pull { reference } => {
            let ms = i64::try_from(at.latency.pull).unwrap_or(i64::MAX / 2);
            record.due = at.now + ms.milliseconds();
            record.pull = Some(reference.clone());
        }
        Job::Quiesce { containers, .. } => record.failure = quiesce(at, containers).err(),
        Job::Apply(job) => record.failure = apply(at, job, false).err(),
        Job::Restore(job) => {
            record.failure = restore::by_controller(at, &tag.operation, job).err();
        }
    }
    record
}

pub(super) fn pull(
    host: &mut HostState,
    registry: &mut Registry,
    faults: &mut Faults,
    reference: &ImageRef,
) -> Result<(), Failure> {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut at = HostContext {
        host,
        registry,
        faults,
        latency: Latency::FAST,
        now,
    };
    let argv = ["pull".to_owned(), reference.to_string()];
    let answer = docker(&mut at, &MemoryFiles::default(), &argv);
    match answer.code {
        0 => Ok(()),
        _ if answer.stderr.contains("no space left") => failure("no_space", answer.stderr),
        _ => failure("pull_failed", answer.stderr),
    }
}

/// Runs docker on the host's own files.
pub(super) fn run(at: &mut HostContext<'_>, argv: &[&str]) -> Answer {
    let argv: Vec<String> = argv.iter().map(|w| (*w).to_owned()).collect();
    let files = std::mem::take(&mut at.host.memory.files);
    let answer = docker(at, &files, &argv);
    at.host.memory.files = files;
    answer
}

fn must(at: &mut HostContext<'_>, code: &str, argv: &[&str]) -> Result<(), Failure> {
    let answer = run(at, argv);
    if answer.code == 0 {
        Ok(())
    } else {
        failure(code, answer.stderr)
    }
}

fn quiesce(at: &mut HostContext<'_>, containers: &[QuiesceContainer]) -> Result<(), Failure> {
    for container in containers {
        let policy = container.restart_policy.as_str();
        let until = match (policy, container.comes_up) {
            ("unless-stopped", true) => Some("always"),
            ("always", false) => Some("no"),
            (policy, _) if policy.starts_with("on-failure") => Some("no"),
            _ => None,
        };
        if let Some(until) = until
            && at.host.engine.container(&container.name).is_ok()
        {
            let kept = at.host.memory.policies.entry(container.name.clone());
            kept.or_insert_with(|| policy.to_owned());
            must(
                at,
                "stop_failed",
                &["update", &format!("--restart={until}"), &container.name],
            )?;
        }
    }
    for container in containers {
        if at.host.engine.container(&container.name).is_ok() {
            must(at, "stop_failed", &["stop", &container.name])?;
        }
    }
    Ok(())
}

/// `back`: as part of a way back.
pub(super) fn apply(at: &mut HostContext<'_>, job: &ApplyJob, back: bool) -> Result<(), Failure> {
    let goes_on = |code: &str| back || code == "file_changed" && job.text == FileText::Kept;
    let mut failed = match write_file(at, job) {
        // On the way back what keeps its container comes up all the same: better than an outage.
        Err(failed) if goes_on(&failed.0) => Some(failed),
        written => written.map(|()| None)?,
    };
    if job.start {
        failed = start_services(at, job, failed).err();
    }
    let mut policies: Vec<(String, String)> = job
        .policies
        .iter()
        .map(|c| (c.name.clone(), c.restart_policy.clone()))
        .collect();
    // What quiesce kept is more exact (on-failure:3), so it comes last.
    policies.extend(std::mem::take(&mut at.host.memory.policies));
    for (name, policy) in policies {
        if at.host.engine.container(&name).is_ok() {
            let put = must(
                at,
                "start_failed",
                &["update", &format!("--restart={policy}"), &name],
            );
            failed = failed.or(put.err());
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Compare and swap: each text there is the old one or already the new one, or somebody else changed it.
fn write_file(at: &mut HostContext<'_>, job: &ApplyJob) -> Result<(), Failure> {
    if job.text == FileText::Keep {
        return set_tags(at, job);
    }
    let first = (&job.file, &job.from_sha256, &job.to_sha256);
    let more = job.more_files.iter();
    let more = more.map(|f| (&f.path, &f.from_sha256, &f.to_sha256));
    let files: Vec<_> = std::iter::once(first).chain(more).collect();
    let mut changed = Ok(());
    for (file, from, to) in &files {
        let found = at.host.memory.files.read(file).map(sha256_hex);
        let found = found.unwrap_or_else(|_| "none".to_owned());
        if ![*from, *to].contains(&&found) {
            let why = format!("{file}: expected sha256 {from}, found {found}");
            changed = failure("file_changed", why);
        }
    }
    // On the way back the others are put right all the same.
    if job.text != FileText::Kept {
        changed.clone()?;
    }
    set_tags(at, job)?;
    for (file, from, to) in files {
        let text = at.host.memory.files.read(file).unwrap_or_default();
        let found = sha256_hex(&text);
        if found != *from || found == *to {
            continue;
        }
        let sent = job.more_texts.iter().chain(match &job.text {
            FileText::New(text) => Some(text),
            _ => None,
        });
        let kept = at.host.memory.kept.get(to).cloned();
        let mut sent = sent.map(|t| t.expose().to_owned()).chain(kept);
        let Some(new) = sent.find(|text| sha256_hex(text) == *to) else {
            return match job.text {
                FileText::Kept => failure("no_backup", format!("no copy of {to} is kept")),
                _ => failure("bad_compose", format!("no text has the sum {to}")),
            };
        };
        at.host.memory.kept.insert(found, text.clone());
        let written = at.host.memory.files.write(file, &new);
        written.map_err(|e| ("no_space".to_owned(), e.to_string()))?;
        let checked = run(at, &compose(job, &["config", "-q"]));
        if checked.code != 0 {
            let back = at.host.memory.files.write(file, &text);
            back.map_err(|e| ("no_space".to_owned(), e.to_string()))?;
            return failure("bad_compose", checked.stderr);
        }
    }
    changed
}

fn compose<'a>(job: &'a ApplyJob, command: &[&'a str]) -> Vec<&'a str> {
    let directory = job.file.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let mut argv = vec![
        "compose",
        "-p",
        &job.project,
        "--project-directory",
        directory,
        "-f",
        &job.file,
    ];
    for file in &job.more_files {
        argv.extend(["-f", &file.path]);
    }
    for file in &job.env_files {
        argv.extend(["--env-file", file]);
    }
    argv.extend(command);
    argv
}

fn set_tags(at: &mut HostContext<'_>, job: &ApplyJob) -> Result<(), Failure> {
    for tag in &job.tags {
        must(
            at,
            "tag_failed",
            &["tag", tag.id.as_str(), tag.reference.as_str()],
        )?;
    }
    Ok(())
}

fn start_services(
    at: &mut HostContext<'_>,
    job: &ApplyJob,
    mut failed: Option<Failure>,
) -> Result<(), Failure> {
    for service in &job.services {
        let here = at
            .host
            .engine
            .containers
            .iter()
            .find(|c| c.name == service.container);
        let kept = here.filter(|c| c.image_id == service.image_id.as_str());
        if let Some(container) = kept {
            let name = container.name.clone();
            failed = failed.or(must(at, "start_failed", &["start", &name]).err());
        } else if failed.is_none() {
            // After a failure nothing more is made anew, but what keeps its container still comes up.
            failed = up_one(at, job, service).err();
        }
    }
    failed.map_or(Ok(()), Err)
}

fn up_one(at: &mut HostContext<'_>, job: &ApplyJob, service: &ApplyService) -> Result<(), Failure> {
    let name = service.service.as_str();
    let up = [
        "up",
        "-d",
        "--no-deps",
        "--pull",
        "never",
        "--no-build",
        name,
    ];
    must(at, "up_failed", &compose(job, &up))?;
    let runs = at.host.engine.containers.iter().find(|c| {
        c.project() == Some(job.project.as_str()) && c.service() == Some(name) && c.running()
    });
    match runs {
        Some(container) if container.image_id == service.image_id.as_str() => Ok(()),
        other => {
            let found = other.map_or("nothing", |c| c.image_id.as_str());
            let expected = &service.image_id;
            failure(
                "up_failed",
                format!("{name}: runs {found}, expected {expected}"),
            )
        }
    }
}
