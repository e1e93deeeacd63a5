use super::super::check as all;
use super::*;
use crate::instance::types::type_facts;
use crate::model::{HostView, Observed, Secret};
use crate::plan::CheckStatus::{self, Ok, Refuse, Warn};
use crate::plan::fixtures::{
    COMPOSE, deployment, desired_update, instance_type, observed, observed_stopped,
};

const GPU: &str = "    deploy: {resources: {reservations: {devices: [{driver: nvidia, count: all, capabilities: [gpu]}]}}}\n";

/// The stack on this type, with this said of each service besides.
fn on(kind: &str, to: &str, more: &[(&str, &str)]) -> Observed {
    let mut seen = observed();
    seen.instance.instance_type = instance_type(kind);
    for name in [kind, to] {
        seen.types.insert(instance_type(name), type_facts(name));
        seen.offered.insert(instance_type(name));
    }
    let mut text = COMPOSE.to_owned();
    for (service, more) in more {
        let at = format!("    container_name: {service}\n");
        assert!(text.contains(&at), "{service}");
        text = text.replace(&at, &format!("{at}{more}"));
    }
    if let HostView::Up(host) = &mut seen.host {
        host.projects[0].text = Some(Secret::new(text));
    }
    seen
}

fn said(seen: &Observed, to: &str, name: &str) -> Option<Check> {
    let checks = all(seen, &desired_update(Some(to), &[]), &deployment());
    let mut found = checks.into_iter().filter(|c| c.name == name);
    let first = found.next();
    assert_eq!(found.next(), None, "it is said once");
    for check in first.iter().filter(|c| c.status != Ok) {
        let words = [&check.message, &check.found, &check.expected, &check.help];
        assert!(words.iter().all(|w| !w.is_empty()), "{check:?}");
    }
    first
}

#[test]
fn a_gpu_is_asked_for_only_where_a_service_that_runs_needs_it() {
    type Case<'a> = (
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        Option<(CheckStatus, &'a str)>,
    );
    let amd = "    gpus: all\n";
    let cases: &[Case] = &[
        ("g4dn.xlarge", "t3.large", &[], None),
        (
            "g4dn.xlarge",
            "t3.large",
            &[("ollama", GPU)],
            Some((Refuse, "t3.large has no GPU, and ollama needs one")),
        ),
        (
            "g4dn.xlarge",
            "t3.large",
            &[("ollama", "    runtime: nvidia\n")],
            Some((Refuse, "ollama needs one")),
        ),
        (
            "g4dn.xlarge",
            "g5.xlarge",
            &[("ollama", GPU)],
            Some((Ok, "g5.xlarge has a GPU for ollama")),
        ),
        (
            "g4dn.xlarge",
            "g4ad.xlarge",
            &[("ollama", GPU)],
            Some((Refuse, "needs one of NVIDIA")),
        ),
        (
            "g4dn.xlarge",
            "g4ad.xlarge",
            &[("ollama", amd)],
            Some((Ok, "has a GPU")),
        ),
        // It runs without one now.
        (
            "t3.medium",
            "t3.large",
            &[("ollama", "    runtime: nvidia\n")],
            None,
        ),
    ];
    for (from, to, more, expected) in cases {
        let check = said(&on(from, to, more), to, "type_gpu");
        let found = check.as_ref().map(|c| (c.status, c.message.as_str()));
        match (found, expected) {
            (None, None) => {}
            (Some((status, message)), Some((wanted, words))) => {
                assert_eq!(status, *wanted, "{from} to {to}: {message}");
                assert!(message.contains(words), "{from} to {to}: {message}");
            }
            other => panic!("{from} to {to}: {other:?}"),
        }
    }
}

#[test]
fn a_service_that_does_not_run_needs_nothing() {
    let mut seen = on(
        "g4dn.xlarge",
        "t3.large",
        &[("ollama", GPU), ("qdrant", "    mem_reservation: 64g\n")],
    );
    if let HostView::Up(host) = &mut seen.host {
        for c in &mut host.projects[0].containers {
            if ["ollama", "qdrant"].contains(&c.service.as_str()) {
                c.status = "exited".into();
            }
        }
    }
    assert_eq!(said(&seen, "t3.large", "type_gpu"), None);
    assert_eq!(said(&seen, "t3.large", "type_memory"), None);
}

#[test]
fn what_cannot_be_seen_is_warned_of() {
    for (from, expected) in [("g4dn.xlarge", Some(Warn)), ("t3.medium", None)] {
        let mut seen = on(from, "t3.large", &[]);
        seen.host = HostView::Stopped;
        seen.instance.state = observed_stopped().instance.state;
        let status = said(&seen, "t3.large", "type_gpu").map(|c| c.status);
        assert_eq!(status, expected, "{from}");
    }
}

#[test]
fn limits_warn_and_reservations_refuse_where_the_memory_gets_less() {
    let limit = |size: &str| format!("    mem_limit: {size}\n");
    let kept =
        |size: &str| format!("    deploy: {{resources: {{reservations: {{memory: {size}}}}}}}\n");
    type Case<'a> = (
        &'a str,
        &'a str,
        String,
        String,
        Option<(CheckStatus, &'a str)>,
    );
    let none = String::new;
    let cases: Vec<Case> = vec![
        ("t3.medium", "t3.large", none(), none(), None),
        (
            "t3.medium",
            "t3.large",
            limit("4g"),
            limit("4g"),
            Some((Ok, "ask for 8192 MiB")),
        ),
        (
            "t3.medium",
            "t3.large",
            limit("4g"),
            limit("4097m"),
            Some((Warn, "may use 8193 MiB together")),
        ),
        (
            "t3.large",
            "t3.medium",
            limit("4g"),
            limit("1g"),
            Some((
                Warn,
                "4096 MiB of memory, and the services that run may use 5120 MiB",
            )),
        ),
        (
            "t3.large",
            "t3.medium",
            kept("3g"),
            kept("2g"),
            Some((Refuse, "reserve 5120 MiB")),
        ),
        (
            "t3.large",
            "t3.medium",
            kept("3g"),
            kept("1g"),
            Some((Ok, "ask for 4096 MiB")),
        ),
        // Too little before, and more now: no reason to stay.
        (
            "t3.medium",
            "t3.large",
            kept("8g"),
            kept("1g"),
            Some((Warn, "reserve 9216 MiB")),
        ),
        (
            "t3.large",
            "t3.medium",
            limit("${M}"),
            limit("1g"),
            Some((Ok, "besides sizes that are not written out")),
        ),
    ];
    for (from, to, n8n, qdrant, expected) in &cases {
        let seen = on(
            from,
            to,
            &[("n8n", n8n.as_str()), ("qdrant", qdrant.as_str())],
        );
        let check = said(&seen, to, "type_memory");
        let found = check.as_ref().map(|c| (c.status, c.message.as_str()));
        match (found, expected) {
            (None, None) => {}
            (Some((status, message)), Some((wanted, words))) => {
                assert_eq!(status, *wanted, "{from} to {to}: {message}");
                assert!(message.contains(words), "{from} to {to}: {message}");
            }
            other => panic!("{from} to {to}, {n8n}{qdrant}: {other:?}"),
        }
    }
}
