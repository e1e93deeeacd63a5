//! Declared health: can it be read, can it be asked, and how is it now?

use super::Ask;
use crate::health::declared;
use crate::model::{ProjectFacts, Purpose};
use crate::plan::Check;

pub(super) fn check(ask: &Ask) -> Vec<Check> {
    let Some(project) = ask.project() else {
        return vec![];
    };
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
                    (true, _) => Check::ok("declared_health", format!("{service} is well, as it declares it")),
                    (false, true) => no_tool(ask, service.as_str(), &probed.why),
                    (false, false) => Check::warn(
                        "declared_health",
                        format!("{service} is not well before anything is changed: afterwards that only warns"),
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
