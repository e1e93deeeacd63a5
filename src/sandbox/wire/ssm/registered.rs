//! `DescribeInstanceInformation`: the agents that ever registered.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{AwsError, World, answer_page, moment, page, read};
use crate::model::{InstanceId, RunState, Timestamp};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ask {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    instance_information_filter_list: Vec<OldFilter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldFilter {
    key: String,
    value_set: Vec<String>,
}

pub(super) fn describe(world: &mut World, body: Value, now: Timestamp) -> Result<Value, AwsError> {
    let ask: Ask = read(body)?;
    let old = ask.instance_information_filter_list.into_iter();
    let filters: Vec<(String, Vec<String>)> = ask
        .filters
        .into_iter()
        .map(|f| (f.key, f.values))
        .chain(old.map(|f| (f.key, f.value_set)))
        .collect();
    for (key, values) in &filters {
        match key.as_str() {
            "InstanceIds" => {
                if let Some(bad) = values
                    .iter()
                    .find(|id| InstanceId::new(id.as_str()).is_err())
                {
                    return Err(AwsError::new(
                        "InvalidInstanceId",
                        format!("'{bad}' is not an instance id"),
                    ));
                }
            }
            "PingStatus" | "PlatformTypes" | "ResourceType" => {}
            other => {
                return Err(AwsError::new(
                    "InvalidFilterKey",
                    format!("The filter key {other} isn't valid."),
                ));
            }
        }
    }
    let all = world
        .instances
        .values()
        .filter(|i| i.agent_installed && i.state != RunState::Terminated)
        .filter_map(|i| {
            let (status, last) = (i.ping_status(now)?, i.last_ping(now)?);
            let fits = filters.iter().all(|(key, values)| {
                let text = match key.as_str() {
                    "InstanceIds" => i.id.as_str(),
                    "PingStatus" => status,
                    "PlatformTypes" => "Linux",
                    _ => "EC2Instance",
                };
                values.iter().any(|v| v == text)
            });
            let private_ip = i.interfaces.first().map_or("", |n| n.private_ip.as_str());
            fits.then(|| {
                json!({
                    "InstanceId": i.id,
                    "PingStatus": status,
                    "LastPingDateTime": moment(last),
                    "AgentVersion": "3.3.0.0",
                    "IsLatestVersion": false,
                    "PlatformType": "Linux",
                    "PlatformName": "Ubuntu",
                    "PlatformVersion": "22.04",
                    "ResourceType": "EC2Instance",
                    "IPAddress": private_ip,
                    "ComputerName": format!("ip-{}.ec2.internal", private_ip.replace('.', "-")),
                    "SourceId": i.id,
                    "SourceType": "AWS::EC2::Instance",
                })
            })
        })
        .collect();
    let (page, next) = page(all, ask.max_results, ask.next_token.as_deref(), 50)?;
    Ok(answer_page("InstanceInformationList", page, next))
}
