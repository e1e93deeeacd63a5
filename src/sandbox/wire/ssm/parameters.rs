//! Parameter Store.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{AwsError, World, answer_page, moment, page, read};
use crate::model::Timestamp;
use crate::sandbox::world::{Parameter, PutParameter};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    name: String,
    value: String,
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(default)]
    overwrite: bool,
    tier: Option<String>,
}

pub(super) fn put(world: &mut World, body: Value, now: Timestamp) -> Result<Value, AwsError> {
    let ask: Put = read(body)?;
    if ask.tier.is_some_and(|tier| tier != "Standard") {
        return Err(AwsError::new(
            "ValidationException",
            "The sandbox has the standard tier only.",
        ));
    }
    let version = world.put_parameter(
        &PutParameter {
            name: ask.name,
            kind: ask.kind,
            value: ask.value,
            overwrite: ask.overwrite,
        },
        now,
    )?;
    Ok(json!({ "Version": version, "Tier": "Standard" }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Name {
    name: String,
}

pub(super) fn get(world: &mut World, body: Value, _now: Timestamp) -> Result<Value, AwsError> {
    let ask: Name = read(body)?;
    let arn = arn_prefix(world);
    Ok(json!({ "Parameter": show(world.parameter(&ask.name)?, &arn) }))
}

pub(super) fn delete(world: &mut World, body: Value, now: Timestamp) -> Result<Value, AwsError> {
    let ask: Name = read(body)?;
    world.delete_parameter(&ask.name, now)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByPath {
    path: String,
    #[serde(default)]
    recursive: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    parameter_filters: Vec<Value>,
}

pub(super) fn by_path(world: &mut World, body: Value, _now: Timestamp) -> Result<Value, AwsError> {
    let ask: ByPath = read(body)?;
    if !ask.parameter_filters.is_empty() {
        return Err(AwsError::new(
            "InvalidFilterKey",
            "The sandbox knows no parameter filters.",
        ));
    }
    // At most ten a page, also when not asked (SSM API, GetParametersByPath).
    if ask.max_results.is_some_and(|n| n > 10) {
        return Err(AwsError::new(
            "ValidationException",
            "MaxResults must be 1 to 10.",
        ));
    }
    let arn = arn_prefix(world);
    let found = world.parameters_by_path(&ask.path, ask.recursive)?;
    let all = found.into_iter().map(|p| show(p, &arn)).collect();
    let (page, next) = page(all, ask.max_results, ask.next_token.as_deref(), 10)?;
    Ok(answer_page("Parameters", page, next))
}

fn arn_prefix(world: &World) -> String {
    format!("arn:aws:ssm:{}:{}:parameter", world.region, world.account)
}

fn show(p: &Parameter, arn: &str) -> Value {
    let slash = if p.name.starts_with('/') { "" } else { "/" };
    json!({
        "Name": p.name,
        "Type": p.kind,
        "Value": p.value,
        "Version": p.version,
        "LastModifiedDate": moment(p.modified_at),
        "ARN": format!("{arn}{slash}{}", p.name),
        "DataType": "text",
    })
}
