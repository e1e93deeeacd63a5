//! What the services that run ask of the machine, against what the new type has.

use std::collections::BTreeMap;

use super::Ask;
use crate::containers::{Resources, read_project};
use crate::model::{ServiceName, TypeFacts};
use crate::plan::Check;

/// Nothing where the type stays, or what runs cannot be seen.
pub(super) fn check(ask: &Ask) -> Vec<Check> {
    let types = &ask.observed.types;
    let wanted = ask.desired.instance_type.as_ref();
    let Some(target) = wanted
        .filter(|_| ask.type_changes)
        .and_then(|t| types.get(t))
    else {
        return Vec::new();
    };
    let now = types.get(&ask.observed.instance.instance_type);
    let Some(needs) = needs(ask) else {
        return unseen(now, target).into_iter().collect();
    };
    gpu(&needs, now, target)
        .into_iter()
        .chain(memory(&needs, now, target))
        .collect()
}

/// The services that run, with what each of their containers asks for, once for each container.
fn needs(ask: &Ask) -> Option<Vec<(ServiceName, Resources)>> {
    let project = ask.project()?;
    let services: BTreeMap<_, _> = read_project(&project.texts()?).ok()?;
    let running = project
        .containers
        .iter()
        .filter(|c| c.running() && !c.one_off);
    let asked = running.filter_map(|c| {
        let doc = services.get(&c.service)?;
        Some((c.service.clone(), doc.resources))
    });
    Some(asked.collect())
}

fn unseen(now: Option<&TypeFacts>, target: &TypeFacts) -> Option<Check> {
    (now.is_some_and(|now| now.gpu) && !target.gpu).then(|| {
        Check::warn(
            "type_gpu",
            format!("{} has no GPU, the type of now has one", target.name),
            "a GPU now",
            "no container that needs one",
            "make sure that no service reserves a GPU, or choose a type with one",
        )
    })
}

/// A container that reserves a GPU does not start without one. Where there is none now either, nothing is lost.
fn gpu(
    needs: &[(ServiceName, Resources)],
    now: Option<&TypeFacts>,
    target: &TypeFacts,
) -> Option<Check> {
    let name = "type_gpu";
    let to = &target.name;
    let names = |wanted: fn(&Resources) -> bool| {
        let mut names: Vec<&str> = needs
            .iter()
            .filter(|(_, r)| wanted(r))
            .map(|(s, _)| s.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    };
    let any = names(|r| r.gpu);
    if any.is_empty() || now.is_some_and(|now| !now.gpu) {
        return None;
    }
    if !target.gpu {
        return Some(Check::refuse(
            name,
            format!("{to} has no GPU, and {any} needs one"),
            format!("a GPU reserved by {any}"),
            "a type with a GPU",
            format!(
                "choose a type with a GPU; or take the device out of the compose file for {any} and apply it by hand"
            ),
        ));
    }
    let nvidia = names(|r| r.nvidia);
    let maker = target
        .gpu_maker
        .as_deref()
        .filter(|m| !m.eq_ignore_ascii_case("nvidia"));
    Some(match maker {
        Some(maker) if !nvidia.is_empty() => Check::refuse(
            name,
            format!("the GPU of {to} is one of {maker}, and {nvidia} needs one of NVIDIA"),
            format!("a device of the driver nvidia in {nvidia}"),
            format!("a GPU of {maker}"),
            "choose a type with an NVIDIA GPU (g4dn, g5, g6, p4, p5)",
        ),
        _ => Check::ok(name, format!("{to} has a GPU for {any}")),
    })
}

const MIB: u64 = 1 << 20;

/// Docker lets limits go beyond what there is, so that they only warn. What is *reserved* is to be there at all times
/// (Compose Deploy Specification, `reservations`): less than that is refused, unless it was less before and gets no worse.
fn memory(
    needs: &[(ServiceName, Resources)],
    now: Option<&TypeFacts>,
    target: &TypeFacts,
) -> Option<Check> {
    let name = "type_memory";
    let (to, has) = (&target.name, target.memory_mib);
    let sum = |of: fn(&Resources) -> Option<u64>| -> u64 {
        let all = needs.iter().filter_map(|(_, r)| of(r));
        all.fold(0, u64::saturating_add).div_ceil(MIB)
    };
    let (kept, limits) = (sum(|r| r.reservation), sum(|r| r.limit));
    let rest = if needs.iter().any(|(_, r)| r.unknown) {
        ", besides sizes that are not written out"
    } else {
        ""
    };
    if kept > has {
        let smaller = now.is_none_or(|now| has < now.memory_mib);
        let judge = if smaller { Check::refuse } else { Check::warn };
        return Some(judge(
            name,
            format!("{to} has {has} MiB of memory, and the services that run reserve {kept} MiB"),
            format!("{kept} MiB reserved{rest}"),
            format!("at most {has} MiB"),
            "choose a type with more memory, or lower the reservations in the compose file and apply them by hand",
        ));
    }
    if limits > has {
        return Some(Check::warn(
            name,
            format!(
                "{to} has {has} MiB of memory, and the services that run may use {limits} MiB together"
            ),
            format!("limits of {limits} MiB{rest}"),
            format!("at most {has} MiB, so that none is ended for want of memory"),
            "choose a type with more memory, or lower the limits in the compose file",
        ));
    }
    (kept.max(limits) > 0).then(|| {
        let said = kept.max(limits);
        Check::ok(
            name,
            format!("{to} has {has} MiB of memory; the services that run ask for {said} MiB{rest}"),
        )
    })
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
