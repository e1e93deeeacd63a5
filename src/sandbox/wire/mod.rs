//! The three protocols: Query (EC2, STS, Auto Scaling), SSM JSON 1.1, EFS REST-JSON.
//!
//! [`handle`] is all of it: a request in, a response out, the world in between. The SDK's HTTP client in
//! process ([`super::connector`]) and the loopback server ([`super::serve`]) both call it.

mod auto_scaling;
mod ec2;
mod efs;
mod params;
mod ssm;
mod status;
mod sts;
mod xml;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};

use super::world::{AwsError, World};
use crate::model::Timestamp;
use params::Params;
pub(in crate::sandbox) use params::fits;
use status::Protocol;

/// Whether the sandbox serves this call, named as IAM does: `ec2:StartInstances`.
pub fn serves(call: &str) -> bool {
    match call.split_once(':') {
        Some(("ec2", action)) => ec2::ACTIONS.iter().any(|(name, _)| *name == action),
        Some(("autoscaling", action)) => auto_scaling::ACTIONS.contains(&action),
        Some(("ssm", action)) => ssm::ACTIONS.iter().any(|(name, _)| *name == action),
        Some(("elasticfilesystem", action)) => efs::ACTIONS.contains(&action),
        Some(("sts", action)) => action == sts::ACTION,
        _ => false,
    }
}

/// Answers a request as AWS would, at this moment.
pub fn handle(world: &mut World, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    world.advance(now);
    let id = uuid::Uuid::new_v4().to_string();
    let protocol = Protocol::of(request);
    let answer = match protocol {
        Protocol::Ssm => ssm::answer(world, request, now),
        Protocol::Efs => efs::answer(world, request),
        Protocol::AutoScaling => auto_scaling::answer(world, &form(request), &id),
        Protocol::Query => query(world, request, &id, now),
    };
    let (status, body) = match answer {
        Ok(body) => (200, body),
        Err(error) => return protocol.refuse(&error, &id),
    };
    reply(protocol, status, &id, body)
}

/// A refusal of the request as such, before any call is looked at.
pub fn refuse(
    request: &Request<Bytes>,
    query_code: &str,
    json_code: &str,
    why: &str,
) -> Response<Bytes> {
    let protocol = Protocol::of(request);
    let code = match protocol {
        Protocol::Query | Protocol::AutoScaling => query_code,
        Protocol::Ssm | Protocol::Efs => json_code,
    };
    let id = uuid::Uuid::new_v4().to_string();
    protocol.refuse(&AwsError::new(code, why), &id)
}

/// What a request of the Query protocol asks.
fn form(request: &Request<Bytes>) -> Params {
    if request.method() == Method::GET {
        Params::parse(request.uri().query().unwrap_or_default().as_bytes())
    } else {
        Params::parse(request.body())
    }
}

/// EC2 and STS share a protocol; the action tells them apart.
fn query(
    world: &mut World,
    request: &Request<Bytes>,
    id: &str,
    now: Timestamp,
) -> Result<String, AwsError> {
    let params = form(request);
    let Some(action) = params.get("Action") else {
        return Err(AwsError::new(
            "MissingAction",
            "The request must contain the parameter Action.",
        ));
    };
    if action == sts::ACTION {
        sts::answer(world, id)
    } else {
        ec2::answer(world, action, &params, id, now)
    }
}

fn reply(protocol: Protocol, status: u16, id: &str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        HeaderValue::from_static(protocol.media_type()),
    );
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

#[cfg(test)]
mod tests;
