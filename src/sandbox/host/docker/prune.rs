//! What takes images and containers away: `docker rmi`, and the prunes. (As Docker Engine 20.10 did.)

use super::cli::{Answer, unknown};
use super::engine::{LocalImage, repository_of};
use crate::sandbox::host::HostContext;
use crate::sandbox::registry::familiar;

/// `docker rmi NAME`: takes a name away, and the image with its last one.
pub(super) fn rmi(at: &mut HostContext<'_>, name: &str) -> Answer {
    let engine = &mut at.host.engine;
    let Some(id) = engine.image(name).map(|i| i.id.clone()) else {
        return Answer::failed(format!("Error: No such image: {name}"));
    };
    let user = engine.containers.iter().find(|c| c.image_id == id);
    let user = user.map(|c| c.id[..12].to_owned());
    let tag = familiar(name);
    let image = engine.images.iter_mut().find(|i| i.id == id);
    let image = image.expect("just found");
    if !image.tags.contains(&tag) {
        return unknown(&["rmi", name]);
    }
    let repository = repository_of(&tag);
    let elsewhere = |digest: &String| repository_of(digest) != repository;
    let single = image.tags.len() == 1 && !image.digests.iter().any(elsewhere);
    if let Some(user) = user.filter(|_| single) {
        let hex = &id["sha256:".len()..][..12];
        return Answer::daemon(format!(
            "conflict: unable to remove repository reference \"{name}\" (must force) - container {user} is using its referenced image {hex}"
        ));
    }
    image.tags.retain(|t| *t != tag);
    let mut said = format!("Untagged: {tag}\n");
    // With the last name of a repository its digests go.
    if !single && !image.tags.iter().any(|t| repository_of(t) == repository) {
        let (gone, kept): (Vec<_>, Vec<_>) = image
            .digests
            .drain(..)
            .partition(|d| repository_of(d) == repository);
        image.digests = kept;
        for digest in gone {
            said += &format!("Untagged: {digest}\n");
        }
    }
    if single {
        for digest in &image.digests {
            said += &format!("Untagged: {digest}\n");
        }
        said += &format!("Deleted: {id}\n");
        let size = image.size;
        engine.images.retain(|i| i.id != id);
        at.host.disk_free += size;
    }
    Answer::ok(said)
}

/// `docker image prune [-a] -f`.
pub(super) fn images(at: &mut HostContext<'_>, argv: &[&str]) -> Answer {
    match flags(argv) {
        Some(all) => {
            let (said, freed) = prune_images(at, all);
            Answer::ok(format!("{said}{}", reclaimed(freed)))
        }
        None => unknown(&["image", "prune"]),
    }
}

/// `docker container prune -f`: all that do not run, those that were only created as well.
pub(super) fn containers(at: &mut HostContext<'_>) -> Answer {
    let said = prune_containers(at);
    Answer::ok(format!("{said}{}", reclaimed(0)))
}

/// `docker system prune [-a] -f`.
pub(super) fn system(at: &mut HostContext<'_>, argv: &[&str]) -> Answer {
    match flags(argv) {
        Some(all) => {
            let containers = prune_containers(at);
            let (images, freed) = prune_images(at, all);
            Answer::ok(format!("{containers}{images}{}", reclaimed(freed)))
        }
        None => unknown(&["system", "prune"]),
    }
}

/// Whether `-a` is among them; None for a form that is not known, or would ask.
fn flags(argv: &[&str]) -> Option<bool> {
    let (mut all, mut force) = (false, false);
    for word in argv {
        match *word {
            "-a" | "--all" => all = true,
            "-f" | "--force" => force = true,
            "-af" | "-fa" => (all, force) = (true, true),
            _ => return None,
        }
    }
    force.then_some(all)
}

fn prune_containers(at: &mut HostContext<'_>) -> String {
    let all = &mut at.host.engine.containers;
    let gone: Vec<String> = all
        .iter()
        .filter(|c| !c.running())
        .map(|c| format!("{}\n", c.id))
        .collect();
    all.retain(|c| c.running());
    match gone.is_empty() {
        true => String::new(),
        false => format!("Deleted Containers:\n{}\n", gone.concat()),
    }
}

fn prune_images(at: &mut HostContext<'_>, all: bool) -> (String, u64) {
    let engine = &mut at.host.engine;
    let used = |i: &LocalImage| engine.containers.iter().any(|c| c.image_id == i.id);
    let (gone, kept): (Vec<_>, Vec<_>) = engine
        .images
        .iter()
        .cloned()
        .partition(|i| !used(i) && (all || i.tags.is_empty()));
    engine.images = kept;
    let (mut said, mut freed) = (String::new(), 0);
    for image in &gone {
        for name in image.tags.iter().chain(&image.digests) {
            said += &format!("untagged: {name}\n");
        }
        said += &format!("deleted: {}\n", image.id);
        freed += image.size;
    }
    at.host.disk_free += freed;
    if !said.is_empty() {
        said = format!("Deleted Images:\n{said}\n");
    }
    (said, freed)
}

fn reclaimed(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while size >= 1000.0 {
        size /= 1000.0;
        unit = units.next().unwrap_or("PB");
    }
    // Four digits, as Go's %.4g.
    let whole = (size as u64).to_string().len();
    let text = format!("{size:.*}", 4_usize.saturating_sub(whole));
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("Total reclaimed space: {text}{unit}\n")
}
