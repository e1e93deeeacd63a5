//! From what is declared to what is asked on the host, and back into what is known of the containers. Pure.

use std::collections::BTreeMap;

use crate::host::HostProbe;
use crate::model::{ContainerFacts, DeclaredHealth, Probed, ServiceName};

/// What each service declares.
pub type Declared = BTreeMap<ServiceName, DeclaredHealth>;

/// What was answered to each service's probes, in their order.
pub type Answers = BTreeMap<ServiceName, Vec<Probed>>;

/// The container that is asked for a service: one that runs. What does not run is not asked.
pub fn asked_of<'c>(
    service: &ServiceName,
    containers: &'c [ContainerFacts],
) -> Option<&'c ContainerFacts> {
    containers
        .iter()
        .find(|c| c.service == *service && !c.one_off && c.status == "running")
}

/// What to ask for a service now; empty where it does not run, or has nothing to be asked.
pub fn questions(one: &DeclaredHealth, container: Option<&ContainerFacts>) -> Vec<HostProbe> {
    let ask = |c: &ContainerFacts| {
        let probes = one.probes.iter().map(|probe| HostProbe {
            container: c.name.clone(),
            probe: probe.clone(),
            timeout_s: one.timeout_s,
        });
        probes.collect()
    };
    container.map(ask).unwrap_or_default()
}

/// Gives the answers back to the services that asked: `counts` says how many each asked.
pub fn sorted(counts: &[(ServiceName, usize)], answers: Vec<Probed>) -> Answers {
    let mut answers = answers.into_iter();
    counts
        .iter()
        .map(|(service, count)| (service.clone(), answers.by_ref().take(*count).collect()))
        .collect()
}

/// Writes into the containers what came of it. A service that was not asked keeps what Docker says.
pub fn attach(containers: &mut [ContainerFacts], declared: &Declared, answers: &Answers) {
    for c in containers.iter_mut().filter(|c| !c.one_off) {
        let one = declared.get(&c.service);
        c.probed = one
            .filter(|_| c.status == "running")
            .and_then(|one| judged(one, answers.get(&c.service)?, c.health.as_deref()));
    }
}

fn judged(one: &DeclaredHealth, answers: &[Probed], health: Option<&str>) -> Option<Probed> {
    if answers.len() != one.probes.len() {
        return None;
    }
    let docker = match health {
        _ if !one.container => None,
        Some("healthy") => None,
        Some(other) => Some(format!("container: {other}")),
        None => Some("container: it has no health check".to_owned()),
    };
    let asked = one.probes.iter().zip(answers).filter(|(_, a)| !a.green);
    let bad: Vec<String> = asked
        .map(|(probe, a)| format!("{}: {}", probe.shown(), a.why))
        .chain(docker)
        .collect();
    Some(Probed {
        green: bad.is_empty(),
        why: bad.join("; "),
        no_tool: answers.iter().any(|a| a.no_tool),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Colour, Probe};
    use crate::plan::fixtures::{host, service};

    fn containers() -> Vec<ContainerFacts> {
        host().projects.remove(0).containers
    }

    fn of<'c>(containers: &'c mut [ContainerFacts], name: &str) -> &'c mut ContainerFacts {
        let mut all = containers.iter_mut();
        all.find(|c| c.service.as_str() == name).unwrap()
    }

    fn ok() -> Probed {
        Probed {
            green: true,
            why: String::new(),
            no_tool: false,
        }
    }

    fn no(why: &str) -> Probed {
        Probed {
            green: false,
            why: why.into(),
            no_tool: why.starts_with("neither"),
        }
    }

    /// Docker's word, whether it counts, the answers; the colour and why.
    #[test]
    fn what_is_declared_decides_and_dockers_word_only_where_it_is_asked_for() {
        use Colour::{Green, Red, Yellow};
        type Row = (
            Option<&'static str>,
            bool,
            Option<Vec<Probed>>,
            Colour,
            &'static str,
        );
        let table: [Row; 9] = [
            (Some("unhealthy"), false, Some(vec![ok(), ok()]), Green, ""),
            (Some("starting"), false, Some(vec![ok(), ok()]), Green, ""),
            (None, false, Some(vec![ok(), ok()]), Green, ""),
            (
                Some("healthy"),
                false,
                Some(vec![no("HTTP 503"), ok()]),
                Red,
                "http http://h/: HTTP 503",
            ),
            (Some("healthy"), true, Some(vec![ok(), ok()]), Green, ""),
            (
                Some("unhealthy"),
                true,
                Some(vec![ok(), ok()]),
                Red,
                "container: unhealthy",
            ),
            (
                None,
                true,
                Some(vec![ok(), no("connection refused")]),
                Red,
                "tcp h:1: connection refused; container: it has no health check",
            ),
            (
                Some("healthy"),
                false,
                Some(vec![no("neither curl nor wget is on the host"), ok()]),
                Red,
                "http http://h/: neither curl nor wget is on the host",
            ),
            // Not asked in this look: what Docker says.
            (Some("starting"), false, None, Yellow, ""),
        ];
        for (health, container, answers, colour, why) in table {
            let mut containers = containers();
            of(&mut containers, "n8n").health = health.map(str::to_owned);
            let one = DeclaredHealth {
                probes: vec![
                    Probe::Http {
                        url: "http://h/".into(),
                        from: 200,
                        to: 299,
                    },
                    Probe::Tcp {
                        host: "h".into(),
                        port: 1,
                    },
                ],
                container,
                interval_ms: 1000,
                timeout_s: 2,
                stable_ms: None,
                start_period_ms: None,
            };
            let declared = Declared::from([(service("n8n"), one)]);
            let answers = answers.into_iter().map(|a| (service("n8n"), a)).collect();
            attach(&mut containers, &declared, &answers);
            let n8n = containers
                .iter()
                .find(|c| c.service == service("n8n"))
                .unwrap();
            assert_eq!(n8n.colour(), colour, "{health:?} {container} {answers:?}");
            assert_eq!(n8n.probed.as_ref().map_or("", |p| &p.why), why);
            assert!(
                containers
                    .iter()
                    .all(|c| c.service == service("n8n") || c.probed.is_none())
            );
        }
    }

    #[test]
    fn only_what_runs_is_asked_and_the_answers_find_their_services() {
        let mut containers = containers();
        of(&mut containers, "n8n").status = "exited".into();
        let one = DeclaredHealth {
            probes: vec![Probe::Tcp {
                host: "h".into(),
                port: 1,
            }],
            container: false,
            interval_ms: 1000,
            timeout_s: 3,
            stable_ms: None,
            start_period_ms: None,
        };
        let asked = |name: &str| questions(&one, asked_of(&service(name), &containers));
        assert!(asked("n8n").is_empty());
        let ollama = asked("ollama");
        assert_eq!(
            (ollama[0].container.as_str(), ollama[0].timeout_s),
            ("ollama", 3)
        );
        let counts = [(service("a"), 2), (service("b"), 0), (service("c"), 1)];
        let answers = sorted(&counts, vec![ok(), no("x"), no("y")]);
        assert_eq!(answers[&service("a")], [ok(), no("x")]);
        assert_eq!(
            (answers[&service("b")].len(), &answers[&service("c")][0]),
            (0, &no("y"))
        );
    }
}
