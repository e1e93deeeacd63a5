//! `SendCommand`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::commands::parent;
use super::{AwsError, World, read};
use crate::model::Timestamp;
use crate::sandbox::world::SendCommand;

/// What it takes. Fields that are not here have no effect on AWS either for one command on few
/// instances (`MaxConcurrency`, `MaxErrors`, …).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ask {
    document_name: Option<String>,
    #[serde(default)]
    instance_ids: Vec<String>,
    #[serde(default)]
    targets: Vec<Target>,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<String>>,
    comment: Option<String>,
    timeout_seconds: Option<i64>,
    #[serde(rename = "OutputS3BucketName")]
    bucket: Option<String>,
    #[serde(default)]
    cloud_watch_output_config: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

pub(super) fn send(world: &mut World, body: Value, now: Timestamp) -> Result<Value, AwsError> {
    let ask: Ask = read(body)?;
    if ask.bucket.is_some() || ask.cloud_watch_output_config["CloudWatchOutputEnabled"] == true {
        return Err(AwsError::new(
            "InvalidOutputLocation",
            "The sandbox has neither S3 nor CloudWatch.",
        ));
    }
    let parameters = |why: String| AwsError::new("InvalidParameters", why);
    let mut asked = SendCommand {
        document: ask.document_name.unwrap_or_default(),
        instances: ask.instance_ids,
        script: String::new(),
        working_directory: None,
        comment: ask.comment.unwrap_or_default(),
        delivery_timeout_s: ask.timeout_seconds,
        execution_timeout_s: None,
    };
    for target in &ask.targets {
        asked.instances.extend(resolve(world, target)?);
    }
    let mut commands = None;
    for (name, values) in ask.parameters {
        let one = || match &values[..] {
            [value] => Ok(value.clone()),
            _ => Err(parameters(format!("{name} takes one value"))),
        };
        match name.as_str() {
            "commands" => commands = Some(values.join("\n")),
            "workingDirectory" => asked.working_directory = Some(one()?).filter(|d| !d.is_empty()),
            "executionTimeout" => {
                let seconds = one()?.parse().map_err(|_| {
                    parameters("executionTimeout must match ([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|(17[0-1][0-9]{3})|(172[0-7][0-9]{2})|(172800)".into())
                })?;
                asked.execution_timeout_s = Some(seconds);
            }
            other => {
                return Err(parameters(format!(
                    "AWS-RunShellScript has no parameter {other}"
                )));
            }
        }
    }
    if asked.document == "AWS-RunShellScript" {
        asked.script =
            commands.ok_or_else(|| parameters("the parameter commands is required".into()))?;
    }
    let id = world.send_command(&asked, now)?;
    let sent: Vec<_> = world.commands.iter().filter(|c| c.id == id).collect();
    Ok(json!({ "Command": parent(&sent) }))
}

/// The instances that a target names: by id or by tag, running ones with an agent only.
fn resolve(world: &World, target: &Target) -> Result<Vec<String>, AwsError> {
    if target.key == "InstanceIds" {
        return Ok(target.values.clone());
    }
    let Some(key) = target.key.strip_prefix("tag:") else {
        return Err(AwsError::new(
            "ValidationException",
            format!("The sandbox does not know the target {}.", target.key),
        ));
    };
    Ok(world
        .instances
        .values()
        .filter(|i| i.tags.get(key).is_some_and(|v| target.values.contains(v)))
        .map(|i| i.id.to_string())
        .collect())
}
