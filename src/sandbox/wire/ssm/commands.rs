//! Commands looked at and cancelled.

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AwsError, World, answer_page, moment, page, read};
use crate::model::Timestamp;
use crate::sandbox::world::{Command, CommandState};

const PLUGIN: &str = "aws:runShellScript";
/// The combined output in `ListCommandInvocations` is cut here.
const PLUGIN_OUTPUT: usize = 2_500;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct One {
    command_id: String,
    instance_id: String,
    plugin_name: Option<String>,
}

pub(super) fn invocation(
    world: &mut World,
    body: Value,
    now: Timestamp,
) -> Result<Value, AwsError> {
    let ask: One = read(body)?;
    if ask
        .plugin_name
        .as_deref()
        .is_some_and(|name| name != PLUGIN)
    {
        return Err(AwsError::new(
            "InvalidPluginName",
            format!("The document has one plugin, {PLUGIN}."),
        ));
    }
    let c = world.invocation(&ask.command_id, &ask.instance_id, now)?;
    let iso = |at: Option<Timestamp>| {
        at.map_or(String::new(), |at| {
            at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
        })
    };
    let elapsed = match (c.started_at, c.ended_at) {
        (Some(from), Some(to)) => {
            let ms = to.duration_since(from).as_millis();
            format!("PT{}.{:03}S", ms / 1000, ms % 1000)
        }
        _ => String::new(),
    };
    Ok(json!({
        "CommandId": c.id,
        "InstanceId": c.instance,
        "Comment": c.comment,
        "DocumentName": "AWS-RunShellScript",
        "DocumentVersion": "$DEFAULT",
        "PluginName": PLUGIN,
        "ResponseCode": c.exit_code,
        "ExecutionStartDateTime": iso(c.started_at),
        "ExecutionElapsedTime": elapsed,
        "ExecutionEndDateTime": iso(c.ended_at.filter(|_| c.started_at.is_some())),
        "Status": c.state.status(),
        "StatusDetails": c.state.details(),
        "StandardOutputContent": *c.stdout,
        "StandardOutputUrl": "",
        "StandardErrorContent": *c.stderr,
        "StandardErrorUrl": "",
        "CloudWatchOutputConfig": { "CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false },
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Many {
    command_id: Option<String>,
    instance_id: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    details: bool,
}

#[derive(Deserialize)]
struct Filter {
    key: String,
    value: String,
}

impl Many {
    fn check(&self) -> Result<(), AwsError> {
        if let Some(id) = &self.command_id
            && id.len() != 36
        {
            return Err(AwsError::new(
                "InvalidCommandId",
                format!("{id} is not a command id"),
            ));
        }
        for Filter { key, value } in &self.filters {
            match key.as_str() {
                "Status" | "DocumentName" => {}
                "InvokedAfter" | "InvokedBefore" if value.parse::<Timestamp>().is_ok() => {}
                "InvokedAfter" | "InvokedBefore" => {
                    return Err(AwsError::new(
                        "ValidationException",
                        format!("{key} takes a time such as 2026-11-20T10:00:00Z, not {value}"),
                    ));
                }
                other => {
                    return Err(AwsError::new(
                        "InvalidFilterKey",
                        format!("The filter key {other} isn't valid."),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether these fit, all but `Status`, which is of the command or of the invocation.
    fn takes(&self, c: &Command) -> bool {
        let at = |text: &str| text.parse::<Timestamp>().unwrap_or(c.requested_at);
        self.command_id.as_ref().is_none_or(|id| *id == c.id)
            && self.instance_id.as_ref().is_none_or(|id| *id == c.instance)
            && self.filters.iter().all(|f| match f.key.as_str() {
                "InvokedAfter" => c.requested_at > at(&f.value),
                "InvokedBefore" => c.requested_at < at(&f.value),
                "DocumentName" => f.value == "AWS-RunShellScript",
                _ => true,
            })
    }

    fn status_takes(&self, status: &str) -> bool {
        self.filters
            .iter()
            .all(|f| f.key != "Status" || f.value == status)
    }
}

pub(super) fn list(world: &mut World, body: Value, now: Timestamp) -> Result<Value, AwsError> {
    let ask: Many = read(body)?;
    ask.check()?;
    let mut ids: Vec<&str> = Vec::new();
    for c in world.commands.iter().rev() {
        if c.visible_at <= now && ask.takes(c) && !ids.contains(&c.id.as_str()) {
            ids.push(&c.id);
        }
    }
    let commands = ids
        .into_iter()
        .map(|id| {
            parent(
                &world
                    .commands
                    .iter()
                    .filter(|c| c.id == id)
                    .collect::<Vec<_>>(),
            )
        })
        .filter(|c| ask.status_takes(c["Status"].as_str().unwrap_or_default()))
        .collect();
    let (page, next) = page(commands, ask.max_results, ask.next_token.as_deref(), 50)?;
    Ok(answer_page("Commands", page, next))
}

pub(super) fn invocations(
    world: &mut World,
    body: Value,
    now: Timestamp,
) -> Result<Value, AwsError> {
    let ask: Many = read(body)?;
    ask.check()?;
    let all = world
        .commands
        .iter()
        .rev()
        .filter(|c| c.visible_at <= now && ask.takes(c) && ask.status_takes(c.state.status()))
        .map(|c| {
            let plugins = if ask.details {
                json!([plugin(c)])
            } else {
                json!([])
            };
            json!({
                "CommandId": c.id,
                "InstanceId": c.instance,
                "InstanceName": "",
                "Comment": c.comment,
                "DocumentName": "AWS-RunShellScript",
                "DocumentVersion": "$DEFAULT",
                "RequestedDateTime": moment(c.requested_at),
                "Status": c.state.status(),
                "StatusDetails": c.state.details(),
                "StandardOutputUrl": "",
                "StandardErrorUrl": "",
                "CommandPlugins": plugins,
                "ServiceRole": "",
            })
        })
        .collect();
    let (page, next) = page(all, ask.max_results, ask.next_token.as_deref(), 50)?;
    Ok(answer_page("CommandInvocations", page, next))
}

fn plugin(c: &Command) -> Value {
    let mut output = c.stdout.to_string();
    if !c.stderr.is_empty() {
        output.push_str("\n----------ERROR-------\n");
        output.push_str(&c.stderr);
    }
    let output: String = output.chars().take(PLUGIN_OUTPUT).collect();
    let mut plugin = json!({
        "Name": PLUGIN,
        "Status": c.state.status(),
        "StatusDetails": c.state.details(),
        "ResponseCode": c.exit_code,
        "Output": output,
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
    });
    for (name, at) in [
        ("ResponseStartDateTime", c.started_at),
        ("ResponseFinishDateTime", c.ended_at),
    ] {
        if let Some(at) = at {
            plugin[name] = moment(at);
        }
    }
    plugin
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cancel {
    command_id: String,
    #[serde(default)]
    instance_ids: Vec<String>,
}

pub(super) fn cancel(world: &mut World, body: Value, now: Timestamp) -> Result<Value, AwsError> {
    let ask: Cancel = read(body)?;
    world.cancel_command(&ask.command_id, &ask.instance_ids, now)?;
    Ok(json!({}))
}

/// The command over its invocations, as `SendCommand` and `ListCommands` show it.
pub(super) fn parent(invocations: &[&Command]) -> Value {
    let Some(first) = invocations.first() else {
        return json!({});
    };
    let count = |f: fn(CommandState) -> bool| invocations.iter().filter(|c| f(c.state)).count();
    let (status, details) = together(invocations);
    let limit = i64::from(first.delivery_timeout_s) + i64::from(first.execution_timeout_s);
    let mut parameters = json!({ "executionTimeout": [first.execution_timeout_s.to_string()] });
    if !first.script.is_empty() {
        parameters["commands"] = json!(first.script.split('\n').collect::<Vec<_>>());
    }
    if let Some(folder) = &first.working_directory {
        parameters["workingDirectory"] = json!([folder]);
    }
    json!({
        "CommandId": first.id,
        "DocumentName": "AWS-RunShellScript",
        "DocumentVersion": "$DEFAULT",
        "Comment": first.comment,
        "ExpiresAfter": moment(first.requested_at + SignedDuration::from_secs(limit)),
        "Parameters": parameters,
        "InstanceIds": invocations.iter().map(|c| c.instance.as_str()).collect::<Vec<_>>(),
        "Targets": [],
        "RequestedDateTime": moment(first.requested_at),
        "Status": status,
        "StatusDetails": details,
        "OutputS3BucketName": "",
        "OutputS3KeyPrefix": "",
        "MaxConcurrency": "50",
        "MaxErrors": "0",
        "TargetCount": invocations.len(),
        "CompletedCount": count(CommandState::ended),
        "ErrorCount": count(is_error),
        "DeliveryTimedOutCount": count(|s| s == CommandState::DeliveryTimedOut),
        "ServiceRole": "",
        "NotificationConfig": { "NotificationArn": "", "NotificationEvents": [], "NotificationType": "" },
        "TimeoutSeconds": first.delivery_timeout_s,
    })
}

/// A delivery that timed out is no error: only failed and overlong runs are (Systems Manager User Guide,
/// command statuses).
fn is_error(state: CommandState) -> bool {
    matches!(
        state,
        CommandState::Failed | CommandState::ExecutionTimedOut
    )
}

fn together(invocations: &[&Command]) -> (&'static str, &'static str) {
    let any = |state| invocations.iter().any(|c| c.state == state);
    let all = |state| invocations.iter().all(|c| c.state == state);
    let same = |word| (word, word);
    if all(CommandState::Pending) {
        return same("Pending");
    }
    if any(CommandState::Cancelling) {
        return same("Cancelling");
    }
    if !invocations.iter().all(|c| c.state.ended()) {
        return same("InProgress");
    }
    if any(CommandState::Cancelled) {
        return same("Cancelled");
    }
    if invocations.iter().any(|c| is_error(c.state)) {
        return same("Failed");
    }
    if all(CommandState::DeliveryTimedOut) {
        return ("TimedOut", "DeliveryTimedOut");
    }
    if any(CommandState::DeliveryTimedOut) {
        return ("Success", "Incomplete");
    }
    same("Success")
}
