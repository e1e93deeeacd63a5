//! SSM, AWS JSON 1.1: the action in `X-Amz-Target`, JSON in, JSON out.

mod commands;
mod parameters;
mod registered;
mod send;

use bytes::Bytes;
use http::Request;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{AwsError, World};
use crate::model::Timestamp;

type Handler = fn(&mut World, Value, Timestamp) -> Result<Value, AwsError>;

/// Every call that the sandbox serves.
pub(super) const ACTIONS: &[(&str, Handler)] = &[
    ("CancelCommand", commands::cancel),
    ("DeleteParameter", parameters::delete),
    ("DescribeInstanceInformation", registered::describe),
    ("GetCommandInvocation", commands::invocation),
    ("GetParameter", parameters::get),
    ("GetParametersByPath", parameters::by_path),
    ("ListCommandInvocations", commands::invocations),
    ("ListCommands", commands::list),
    ("PutParameter", parameters::put),
    ("SendCommand", send::send),
];

pub(super) fn answer(
    world: &mut World,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<String, AwsError> {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let known = target
        .strip_prefix("AmazonSSM.")
        .and_then(|action| ACTIONS.iter().find(|(name, _)| *name == action));
    let Some((action, handler)) = known else {
        return Err(AwsError::new(
            "UnknownOperationException",
            format!("The sandbox does not serve {target}."),
        ));
    };
    let body = match request.body().as_ref() {
        b"" => json!({}),
        text => serde_json::from_slice(text)
            .map_err(|e| AwsError::new("SerializationException", e.to_string()))?,
    };
    // Calls that name instances let a fault go by their types.
    let kinds: Vec<String> = instance_ids(&body)
        .filter_map(|id| world.instances.get(id))
        .map(|i| i.instance_type.to_string())
        .collect();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    world.gate(&format!("ssm:{action}"), &kinds, false)?;
    handler(world, body, now).map(|answer| answer.to_string())
}

fn instance_ids(body: &Value) -> impl Iterator<Item = &str> {
    let many = body["InstanceIds"].as_array().into_iter().flatten();
    many.chain([&body["InstanceId"]]).filter_map(Value::as_str)
}

/// Reads the body into what the call takes.
fn read<T: DeserializeOwned>(body: Value) -> Result<T, AwsError> {
    serde_json::from_value(body).map_err(|e| AwsError::new("ValidationException", e.to_string()))
}

/// A moment as AWS JSON writes it: seconds since 1970, with a fraction.
fn moment(at: Timestamp) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds fit until the year 200,000"
    )]
    let seconds = at.as_millisecond() as f64 / 1000.0;
    json!(seconds)
}

/// One page: at most `MaxResults` from `NextToken` on, and the next token.
fn page<T>(
    items: Vec<T>,
    most: Option<usize>,
    token: Option<&str>,
    default: usize,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let from = match token {
        None | Some("") => 0,
        Some(token) => token
            .parse()
            .map_err(|_| AwsError::new("InvalidNextToken", "The specified token isn't valid."))?,
    };
    let most = match most {
        None => default,
        Some(n) if (1..=50).contains(&n) => n,
        Some(n) => {
            return Err(AwsError::new(
                "ValidationException",
                format!("MaxResults must be 1 to 50, and is {n}"),
            ));
        }
    };
    let total = items.len();
    let page: Vec<T> = items.into_iter().skip(from).take(most).collect();
    let end = from + page.len();
    Ok((page, (end < total).then(|| end.to_string())))
}

/// A page as the answer to a list call.
fn answer_page(name: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({ name: items });
    if let Some(next) = next {
        answer["NextToken"] = Value::String(next);
    }
    answer
}
