//! The services whose images are wanted: are they there, are the references meant so, can the file say so?

use std::collections::BTreeMap;

use super::{Ask, postgres};
use crate::containers::{ComposeError, ServiceDoc, read_project, set_project_images};
use crate::model::{DesiredImage, ImageRef, ProjectFacts, Purpose, ServiceName, hint, is_version};
use crate::plan::Check;
use crate::plan::stack::says;

pub(super) fn check(ask: &Ask) -> Vec<Check> {
    let Some((project, texts)) = ask.project().and_then(|p| Some((p, p.texts()?))) else {
        return Vec::new();
    };
    if !ask.wants_images {
        return Vec::new();
    }
    let services = match read_project(&texts) {
        Ok(services) => services,
        Err(error) => return vec![refused(&error, &project.files.join(", "))],
    };
    let mut checks = Vec::new();
    let mut edits = BTreeMap::new();
    for (name, wanted) in &ask.desired.images {
        match services.get(name) {
            doc if !changes(ask, project, name, doc, wanted) => {
                checks.push(Check::ok("service_exists", format!("service {name}")));
            }
            None => {
                let alone = [(name.clone(), wanted.reference.clone())].into();
                checks.push(match set_project_images(&texts, &alone, &[]) {
                    Err(error @ ComposeError::Included { .. }) => {
                        refused(&error, &project.files.join(", "))
                    }
                    _ => no_such_service(name, &services),
                });
            }
            Some(doc) => {
                checks.extend(service(ask, project, name, doc, wanted));
                let alone = [(name.clone(), wanted.reference.clone())].into();
                match set_project_images(&texts, &alone, &[]) {
                    Ok(_) => edits.extend(alone),
                    Err(error) => checks.push(refused(&error, &project.files.join(", "))),
                }
            }
        }
    }
    // Each alone was fine; together they have to be, too.
    if let Err(error) = set_project_images(&texts, &edits, &[]) {
        checks.push(refused(&error, &project.files.join(", ")));
    }
    checks
}

fn refused(error: &ComposeError, file: &str) -> Check {
    let message = error.to_string();
    let (found, expected) = match message.split_once("; expected ") {
        Some((found, expected)) => (found.to_owned(), expected.to_owned()),
        None => (
            message.clone(),
            "an image that can be changed in its one line".to_owned(),
        ),
    };
    Check::refuse(
        "compose_edit",
        format!("{file}: {message}"),
        found,
        expected,
        error.help(),
    )
}

fn no_such_service(name: &ServiceName, services: &BTreeMap<ServiceName, ServiceDoc>) -> Check {
    let known: Vec<&str> = services.keys().map(ServiceName::as_str).collect();
    // As near as clap asks it of a mistyped option.
    let near = known.iter().map(|k| (strsim::jaro(name.as_str(), k), k));
    let near = near.filter(|(how, _)| *how > 0.7);
    let close = near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, k)| k);
    let list = known.join(", ");
    let help = match close {
        Some(close) => format!("did you mean {close}? The services are {list}"),
        None => format!("name one of the services {list}"),
    };
    Check::refuse(
        "service_exists",
        format!("the compose file has no service {name}"),
        name.as_str(),
        format!("one of {list}"),
        help,
    )
}

/// A rollback names every service of its snapshot; those that already are so need no judgement. An update
/// names what is to change, and the same reference may mean another image by now.
fn changes(
    ask: &Ask,
    project: &ProjectFacts,
    name: &ServiceName,
    doc: Option<&ServiceDoc>,
    wanted: &DesiredImage,
) -> bool {
    let running = project.service(name);
    let same_text = says(doc, running, &wanted.reference);
    let same_id = wanted.id.is_some() && running.map(|c| &c.image_id) == wanted.id.as_ref();
    !(matches!(ask.desired.purpose, Purpose::Rollback { .. }) && same_text && same_id)
}

fn service(
    ask: &Ask,
    project: &ProjectFacts,
    name: &ServiceName,
    doc: &ServiceDoc,
    wanted: &DesiredImage,
) -> Vec<Check> {
    let mut checks = vec![Check::ok("service_exists", format!("service {name}"))];
    checks.extend(scaled(project, name, doc));
    checks.extend(kept(ask, name, wanted));
    if project.service(name).is_none() {
        checks.push(Check::warn(
            "service_running",
            format!("service {name} has no container: its image is changed in the file alone, and not verified"),
            "no container",
            "a container that runs",
            format!("bring it up first: `docker compose up -d {name}`"),
        ));
    }
    let said = doc
        .image
        .as_deref()
        .and_then(|text| ImageRef::new(text).ok());
    if let Some(current) = &said
        && ask.desired.purpose == Purpose::Update
    {
        checks.push(reference(name, current, &wanted.reference));
    }
    // What runs is the truth about a database; the file may have been edited since.
    let runs = project
        .service(name)
        .and_then(|c| ImageRef::new(c.image.as_str()).ok());
    if let Some(current) = runs.or(said) {
        checks.extend(postgres::check(name, &current, &wanted.reference));
    }
    checks
}

/// Where the very image is wanted: whether it is still on the host. What a pull would bring is known only by
/// pulling.
fn kept(ask: &Ask, name: &ServiceName, wanted: &DesiredImage) -> Option<Check> {
    let (check, id) = ("image_kept", wanted.id.as_ref()?);
    let reference = &wanted.reference;
    let images = &ask.observed.host.facts()?.images;
    let by_id = ImageRef::new(id.as_str()).ok()?.normalized();
    let now = images.get(&reference.normalized()).map(|i| &i.id);
    if images.contains_key(&by_id) || now == Some(id) {
        return Some(Check::ok(check, format!("{name}: {id} is on the host")));
    }
    let found = match now {
        Some(other) => format!("{reference} means {other} on the host"),
        None => format!("neither it nor {reference} is on the host"),
    };
    Some(Check::warn(
        check,
        format!(
            "the way back of {name} is gone from the host: its image has to be pulled again, which is refused where {reference} means another image by now"
        ),
        found,
        id.as_str(),
        format!(
            "while the registry still has it: `docker pull {reference}` on the host, and see that it is {id}. `docker image prune -a` takes what a rollback needs"
        ),
    ))
}

fn scaled(project: &ProjectFacts, name: &ServiceName, doc: &ServiceDoc) -> Option<Check> {
    let containers = project
        .containers
        .iter()
        .filter(|c| &c.service == name && !c.one_off)
        .count();
    let found = match doc.replicas {
        _ if containers > 1 => format!("{containers} containers"),
        Some(n) if n > 1 => format!("{n} replicas in the file"),
        _ => return None,
    };
    Some(Check::refuse(
        "service_scaled",
        format!(
            "service {name} is scaled: its containers cannot be changed and verified one by one"
        ),
        found,
        "one container",
        format!(
            "scale it down first: `docker compose up -d --no-recreate --scale {name}=1 {name}`, and take replicas or scale out of the file"
        ),
    ))
}

/// Whether the reference is what was meant.
fn reference(name: &ServiceName, current: &ImageRef, wanted: &ImageRef) -> Check {
    let check = "image_reference";
    if let Some(meant) = hint(current, wanted.as_str()) {
        let found = format!("{wanted}, which is {}", wanted.normalized());
        let expected = format!("an image of {}", current.name());
        return if is_version(wanted.as_str()) {
            Check::refuse(
                check,
                format!(
                    "{wanted} names an image of that name, not a version of {}",
                    current.name()
                ),
                found,
                expected,
                meant,
            )
        } else {
            Check::warn(
                check,
                format!("{wanted} is another image than {}", current.name()),
                found,
                expected,
                meant,
            )
        };
    }
    if wanted.same_repository(current) {
        Check::ok(check, format!("{name}: {current} becomes {wanted}"))
    } else {
        Check::warn(
            check,
            format!("service {name} gets an image of another repository"),
            wanted.normalized(),
            current.name(),
            "make sure that it reads the same data and takes the same settings",
        )
    }
}
