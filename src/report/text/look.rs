//! What the commands that look show.

use super::super::print::Words;
use super::super::views::{
    AdoptData, HistoryData, InspectData, InstanceView, ListData, OpenOperation, OperationRow,
    RestoreView, SandboxData, ServiceView, StatusData,
};
use super::super::{Ink, Paper};
use super::change::steps;
use super::seconds;
use crate::plan::duration;

fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty())
        .unwrap_or("-")
        .to_owned()
}

pub(super) fn list(data: &ListData, words: &Words) -> Paper {
    let mut paper = Paper::new();
    if data.deployments.is_empty() {
        paper.line("There is no deployment.");
        paper.line(&format!("  {} adopt NAME --instance-id i-…", words.program));
        return paper;
    }
    let rows = data.deployments.iter().map(|row| {
        let instances: Vec<_> = row.instances.iter().map(ToString::to_string).collect();
        vec![
            row.name.to_string(),
            row.status.clone(),
            row.instance_type.to_string(),
            row.region.clone(),
            instances.join(" "),
            row.updated_at.strftime("%F %T").to_string(),
        ]
    });
    paper.table(
        &[
            "NAME",
            "STATUS",
            "TYPE",
            "REGION",
            "INSTANCES",
            "UPDATED (UTC)",
        ],
        rows.collect(),
    );
    paper
}

fn instances(paper: &mut Paper, instances: &[InstanceView]) {
    let rows = instances.iter().map(|instance| {
        vec![
            instance.id.to_string(),
            instance.state.as_str().to_owned(),
            instance.instance_type.to_string(),
            or_dash(instance.public_ip.as_deref()),
        ]
    });
    paper.table(&["INSTANCE", "STATE", "TYPE", "ADDRESS"], rows.collect());
}

fn services(paper: &mut Paper, services: &[ServiceView]) {
    let rows = services.iter().map(|service| {
        vec![
            service.name.to_string(),
            service.image.clone(),
            service.state.clone(),
            health(service),
            service.restarts.to_string(),
        ]
    });
    paper.table(
        &["SERVICE", "IMAGE", "STATE", "HEALTH", "RESTARTS"],
        rows.collect(),
    );
}

/// What its declared health says where it is red; else Docker's word.
fn health(service: &ServiceView) -> String {
    match (service.probe.as_deref(), service.health.as_deref()) {
        (Some("green"), docker) => docker.unwrap_or("green").to_owned(),
        (Some(why), _) => why.to_owned(),
        (None, docker) => or_dash(docker),
    }
}

pub(super) fn status(data: &StatusData, words: &Words) -> Paper {
    let mut paper = Paper::new();
    let ink = if data.status == "healthy" {
        Ink::Green
    } else {
        Ink::Yellow
    };
    paper
        .put(Ink::Bold, data.name.as_str())
        .put(Ink::Plain, ": ")
        .put(ink, &data.status)
        .end()
        .end();
    instances(&mut paper, &data.instances);
    if !data.mounts.is_empty() {
        paper.end();
        let rows = data.mounts.iter().map(|mount| {
            let file_system = mount.file_system_id.as_ref().map(|id| id.as_str());
            vec![
                mount.point.clone(),
                or_dash(file_system),
                mount.state.clone(),
            ]
        });
        paper.table(&["MOUNT", "FILE SYSTEM", "STATE"], rows.collect());
    }
    if !data.services.is_empty() {
        paper.end();
        services(&mut paper, &data.services);
    }
    if !data.drift.is_empty() {
        paper.end();
        let rows = data.drift.iter();
        let rows = rows.map(|d| vec![d.what.clone(), d.recorded.clone(), d.found.clone()]);
        paper.table(&["DRIFT", "RECORDED", "FOUND"], rows.collect());
    }
    if let Some(restore) = data.restore.as_ref().filter(|r| matters(r)) {
        let (state, operation) = (restore.state, &restore.operation);
        let more = match (restore.deadline, restore.by_itself) {
            (Some(deadline), _) => {
                format!(", judges by itself at {}", deadline.strftime("%F %T UTC"))
            }
            (None, Some(true)) => ", by itself".to_owned(),
            (None, _) => String::new(),
        };
        let line = format!("the host is {state} for {operation}{more}");
        paper.end().line(&line);
    }
    if let Some(lease) = &data.lease {
        let (user, host, reason) = (&lease.user, &lease.host, &lease.reason);
        let since = lease.since.strftime("%F %T UTC");
        let open = lease.open_operation.as_ref();
        paper.end().line(&match open.filter(|_| !lease.held) {
            Some(open) => format!(
                "the account says: {} is open on {} (user {})",
                open.id, open.host, open.user
            ),
            None => {
                format!("the account says: held by {user} on {host} for '{reason}', since {since}")
            }
        });
    }
    if let Some(open) = &data.operation {
        paper.end().append(open_operation(open));
        paper.line(&format!("to go on: {} resume {}", words.program, data.name));
    }
    paper
}

/// A host that was told that all is well, or went back because it was asked to, is no news.
fn matters(restore: &RestoreView) -> bool {
    !matches!(restore.state, "committed" | "restored") || restore.by_itself == Some(true)
}

/// The operation that has not ended.
pub fn open_operation(open: &OpenOperation) -> Paper {
    let mut paper = Paper::new();
    paper
        .put(Ink::Bold, &format!("{} {}", open.kind, open.id))
        .put(Ink::Plain, " is ")
        .put(Ink::Yellow, &open.status)
        .put(
            Ink::Plain,
            &format!(", since {}", open.started_at.strftime("%F %T UTC")),
        )
        .end();
    for change in &open.changes {
        paper.line(&format!("  {change}"));
    }
    if let Some(error) = &open.error {
        paper.block("  because: ", Ink::Dim, &error.message);
    }
    if !open.steps.is_empty() {
        steps(&mut paper, &open.steps);
    }
    paper
}

pub(super) fn history(data: &HistoryData) -> Paper {
    let mut paper = Paper::new();
    if let [one] = data.operations.as_slice()
        && one.steps.is_some()
    {
        return operation(one);
    }
    if data.operations.is_empty() {
        paper.line("No operation yet.");
    } else {
        let rows = data.operations.iter().map(|row| {
            vec![
                row.id.to_string(),
                row.kind.clone(),
                row.outcome
                    .map_or("not ended", |outcome| outcome.as_str())
                    .to_owned(),
                row.started_at.strftime("%F %T").to_string(),
                row.duration_seconds.map_or("-".into(), seconds),
                row.changes.join("; "),
            ]
        });
        let header = [
            "OPERATION",
            "KIND",
            "OUTCOME",
            "STARTED (UTC)",
            "TOOK",
            "CHANGES",
        ];
        paper.table(&header, rows.collect());
    }
    if !data.snapshots.is_empty() {
        paper.end();
        let rows = data.snapshots.iter().map(|row| {
            vec![
                row.id.to_string(),
                row.taken_at.strftime("%F %T").to_string(),
                if row.healthy { "yes" } else { "no" }.into(),
                row.instance_type.to_string(),
            ]
        });
        paper.table(
            &["SNAPSHOT", "TAKEN (UTC)", "HEALTHY", "TYPE"],
            rows.collect(),
        );
    }
    paper
}

fn operation(row: &OperationRow) -> Paper {
    let mut paper = Paper::new();
    let outcome = row.outcome.map_or("not ended", |outcome| outcome.as_str());
    paper.heading(&format!("{} {}: {outcome}", row.kind, row.id));
    for change in &row.changes {
        paper.line(&format!("  {change}"));
    }
    if let Some(error) = &row.error {
        paper.block("  because: ", Ink::Dim, &error.message);
        for cause in &error.causes {
            paper.block("    ", Ink::Dim, cause);
        }
    }
    let mut facts = vec![vec![
        "started".to_owned(),
        row.started_at.strftime("%F %T UTC").to_string(),
    ]];
    if let Some(took) = row.duration_seconds {
        facts.push(vec!["took".into(), seconds(took)]);
    }
    if let Some(snapshot) = &row.snapshot_id {
        facts.push(vec!["snapshot before".into(), snapshot.to_string()]);
    }
    paper.end().table(&[], facts).end();
    steps(&mut paper, row.steps.as_deref().unwrap_or_default());
    let warnings = row.warnings.as_deref().unwrap_or_default();
    if !warnings.is_empty() {
        paper.end();
    }
    for warning in warnings {
        paper.block("! ", Ink::Yellow, warning);
    }
    paper
}

pub(super) fn inspect(data: &InspectData) -> Paper {
    let mut paper = Paper::new();
    let it = &data.deployment;
    let mount = it.mount_point.as_deref();
    let efs = it.file_system_id.as_ref().map(|id| id.as_str());
    paper.heading(it.name.as_str());
    let mut facts = vec![
        ("account", it.account.clone()),
        ("region", it.region.clone()),
        ("instance", it.instance_id.to_string()),
        (
            "file system",
            match (efs, mount) {
                (Some(efs), Some(point)) => format!("{efs} at {point}"),
                (Some(efs), None) => efs.to_owned(),
                (None, _) => "none: the data is on the root volume".into(),
            },
        ),
        (
            "compose",
            format!("{} (project {})", it.compose.file, it.compose.project),
        ),
        ("created", it.created_at.strftime("%F %T UTC").to_string()),
        ("status", it.cache.status.clone()),
        ("type", it.cache.instance_type.to_string()),
        ("address", or_dash(it.cache.public_ip.as_deref())),
        (
            "as seen",
            it.cache.updated_at.strftime("%F %T UTC").to_string(),
        ),
    ];
    for (service, reference) in &it.cache.images {
        facts.push((service, reference.clone()));
    }
    let rows = facts
        .into_iter()
        .map(|(what, value)| vec![what.to_owned(), value]);
    paper.table(&[], rows.collect());
    if let Some(open) = &data.operation {
        paper.end().append(open_operation(open));
    }
    if let Some(data) = &data.history {
        paper.end().append(history(data));
    }
    paper
}

pub(super) fn adopt(data: &AdoptData, words: &Words) -> Paper {
    let mut paper = Paper::new();
    paper.put(Ink::Green, &format!("{} is adopted", data.name));
    paper
        .put(Ink::Plain, "; nothing on the instance was changed.")
        .end()
        .end();
    instances(&mut paper, std::slice::from_ref(&data.instance));
    paper.end();
    services(&mut paper, &data.services);
    paper.end();
    let data_on = match (&data.file_system_id, &data.mount_point) {
        (Some(id), Some(point)) => format!("{id} at {point}"),
        (Some(id), None) => id.to_string(),
        (None, _) => "the root volume".into(),
    };
    paper.table(
        &[],
        vec![
            vec!["compose".into(), data.compose.file.clone()],
            vec!["data".into(), data_on],
            vec![
                "next".into(),
                format!("{} status {}", words.program, data.name),
            ],
        ],
    );
    paper
}

pub(super) fn sandbox(data: &SandboxData, only_faults: bool) -> Paper {
    let mut paper = Paper::new();
    if !only_faults {
        let names: Vec<_> = data.deployments.iter().map(ToString::to_string).collect();
        paper.table(
            &[],
            vec![
                vec!["folder".into(), data.folder.clone()],
                vec!["deployments".into(), names.join(" ")],
            ],
        );
        paper.end();
        instances(&mut paper, &data.instances);
        let l = &data.latency;
        let all = [
            ("stop", l.stop),
            ("start", l.start),
            ("agent", l.agent),
            ("status_checks", l.status_checks),
            ("pull", l.pull),
            ("healthy", l.healthy),
        ];
        paper.end();
        let rows = all
            .into_iter()
            .map(|(key, ms)| vec![key.into(), latency(ms)]);
        paper.table(&["LATENCY", ""], rows.collect()).end();
    }
    if data.faults.is_empty() {
        paper.line("No faults.");
    } else {
        let rows = data.faults.iter().map(|fault| {
            let times = fault
                .times
                .map_or("always".into(), |times| times.to_string());
            vec![fault.fault.clone(), times]
        });
        paper.table(&["FAULT", "TIMES"], rows.collect());
    }
    paper
}

/// A tenth of a second is a lot in a sandbox that is fast.
fn latency(ms: u64) -> String {
    if ms < 1000 {
        format!("{ms} ms")
    } else {
        duration(ms)
    }
}
