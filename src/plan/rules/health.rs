//! Health: how is it now, by what is declared or by Docker's word; and can what is declared be read and asked?

use super::Ask;
use crate::health::declared;
use crate::model::{ContainerFacts, ProjectFacts, Purpose, ServiceName};
use crate::plan::Check;

pub(super) fn check(ask: &Ask) -> Vec<Check> {
    let Some(project) = ask.project() else {
        return vec![];
    };
    let mut checks = as_declared(ask, project);
    checks.extend(by_docker(ask, project));
    checks.extend(down(ask, project));
    checks
}

/// What was green in the snapshot of a rollback and does not run now. A rollback starts nothing that was stopped since:
/// somebody may have stopped it on purpose.
fn down(ask: &Ask, project: &ProjectFacts) -> Vec<Check> {
    let Purpose::Rollback { to, green } = &ask.desired.purpose else {
        return vec![];
    };
    let name = &ask.deployment.name;
    let is_down = |service: &&ServiceName| {
        !project
            .service(service)
            .is_some_and(ContainerFacts::running)
    };
    let of = |service: &ServiceName| {
        let found = match project.service(service) {
            Some(c) => format!("{} with code {}", c.status, c.exit_code),
            None => "no container".into(),
        };
        Check::warn(
            "not_running",
            format!(
                "{service} was green in snapshot {to} and does not run: the rollback does not start it"
            ),
            found,
            "a container that runs",
            format!(
                "see why: geusemaker logs {name} --service {service}; behind the rollback `docker compose up -d {service}` on the host starts it"
            ),
        )
    };
    green.iter().filter(is_down).map(of).collect()
}

/// What runs, was not asked for anything that it declares, and is not well by what Docker says of it.
fn by_docker(ask: &Ask, project: &ProjectFacts) -> Vec<Check> {
    let alone = |c: &&ContainerFacts| c.running() && !c.one_off && c.probed.is_none();
    let of_docker = project.containers.iter().filter(alone);
    let not_well = of_docker.filter(|c| !c.colour().is_well());
    not_well
        .map(|c| {
            let found = match (c.status.as_str(), c.health.as_deref()) {
                ("running", Some(health)) => health,
                (status, _) => status,
            };
            Check::warn(
                "health",
                before(c.service.as_str()),
                format!("Docker says: {found}"),
                "a container that runs, and is healthy where it has a health check",
                format!(
                    "geusemaker logs {} --service {}",
                    ask.deployment.name, c.service
                ),
            )
        })
        .collect()
}

fn before(service: &str) -> String {
    format!("{service} is not well before anything is changed: afterwards that only warns")
}

fn as_declared(ask: &Ask, project: &ProjectFacts) -> Vec<Check> {
    let Some(texts) = project.texts() else {
        return vec![];
    };
    match declared(&texts) {
        // A file that is no YAML at all is another rule's.
        Err(bad) => bad
            .iter()
            .filter(|bad| !bad.path.is_empty())
            .map(|bad| unreadable(ask, project, bad))
            .collect(),
        Ok(all) => {
            let services = all.keys();
            services
                .filter_map(|service| {
                    let probed = project.service(service)?.probed.as_ref()?;
                    Some((service, probed))
                })
                .map(|(service, probed)| match (probed.green, probed.no_tool) {
                    (true, _) => Check::ok(
                        "declared_health",
                        format!("{service} is well, as it declares it"),
                    ),
                    (false, true) => no_tool(ask, service.as_str(), &probed.why),
                    (false, false) => Check::warn(
                        "declared_health",
                        before(service.as_str()),
                        probed.why.clone(),
                        "what x-geusemaker.health of the compose file declares",
                        format!("look at {service}; or at what is declared of it"),
                    ),
                })
                .collect()
        }
    }
}

/// A way back is not held up by what somebody wrote into the file since.
fn grave(
    ask: &Ask,
    name: &str,
    message: String,
    found: String,
    expected: String,
    help: &str,
) -> Check {
    if matches!(ask.desired.purpose, Purpose::Update) {
        Check::refuse(name, message, found, expected, help)
    } else {
        Check::warn(name, message, found, expected, help)
    }
}

fn unreadable(ask: &Ask, project: &ProjectFacts, bad: &crate::health::BadHealth) -> Check {
    let file = project.files.get(bad.file);
    let file = file.unwrap_or(&ask.deployment.compose.file);
    let line = bad.line.map(|l| format!(", line {l}")).unwrap_or_default();
    grave(
        ask,
        "declared_health",
        format!("{file}{line}: {} is {}", bad.path, bad.found),
        format!("{} is {}", bad.path, bad.found),
        bad.expected.clone(),
        "mend it in the compose file; nothing needs to be started again for it",
    )
}

fn no_tool(ask: &Ask, service: &str, why: &str) -> Check {
    grave(
        ask,
        "probe_tool",
        format!("the host cannot ask {service} whether it is well"),
        why.to_owned(),
        "curl".into(),
        "install curl on the host, or declare a command: it is run in the container",
    )
}
