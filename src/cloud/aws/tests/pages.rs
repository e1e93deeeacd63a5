//! Listings that name a wrong page as the next one.

use serde_json::json;

use super::super::Aws;
use super::super::testing::{Answer, Asked, canned, ec2_reply};
use super::reservations::mine;
use crate::cloud::{CloudError, CloudErrorKind};
use crate::model::{FileSystemId, InstanceId, InstanceType};

/// The page that was asked for, as each service names it; empty for the first.
fn asked_for(asked: &Asked) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(&asked.body).ok();
    let json = json.and_then(|j| Some(j["NextToken"].as_str()?.to_owned()));
    let query = asked.uri.split_once('?').map_or("", |(_, query)| query);
    let mut form = form_urlencoded::parse(asked.body.as_bytes())
        .chain(form_urlencoded::parse(query.as_bytes()));
    let form = form.find(|(key, _)| key == "NextToken" || key == "Marker");
    json.or_else(|| form.map(|(_, token)| token.into_owned()))
        .unwrap_or_default()
}

/// An empty page that names this one as the next.
fn page(asked: &Asked, next: &str) -> Answer {
    let (service, call) = asked.call.split_once(':').unwrap();
    match (service, call) {
        ("ec2", call) => ec2_reply(call, &format!("<nextToken>{next}</nextToken>")),
        ("ssm", _) => Ok((200, json!({ "NextToken": next }).to_string())),
        (_, "DescribeFileSystems") => Ok((
            200,
            json!({"FileSystems": [{
                "OwnerId": "123456789012", "CreationToken": "data", "FileSystemId": "fs-0123456789abcdef0",
                "CreationTime": 1_761_990_000.0, "LifeCycleState": "available", "NumberOfMountTargets": 1,
                "SizeInBytes": { "Value": 0 }, "PerformanceMode": "generalPurpose", "Tags": [],
            }]})
            .to_string(),
        )),
        _ => Ok((
            200,
            json!({ "MountTargets": [], "NextMarker": next }).to_string(),
        )),
    }
}

/// The end of each listing.
async fn listings(aws: &Aws) -> Vec<CloudError> {
    let types = [InstanceType::new("t3.large").unwrap()];
    let instance = InstanceId::new("i-0123456789abcdef0").unwrap();
    let file_system = FileSystemId::new("fs-0123456789abcdef0").unwrap();
    vec![
        aws.ec2.types(&types).await.unwrap_err(),
        aws.ec2.offered(&types, "us-east-1a").await.unwrap_err(),
        aws.ec2.reservations(&mine()).await.unwrap_err(),
        aws.efs.file_system(&file_system).await.unwrap_err(),
        aws.agent.ping(&instance).await.unwrap_err(),
        aws.parameters.by_path("/p").await.unwrap_err(),
    ]
}

/// Each listing ends so, after so many pages of it.
async fn each_ends(next: fn(&str) -> String, ends: fn(&str) -> (usize, String)) {
    let (aws, log) = canned(move |asked| page(asked, &next(&asked_for(asked))));
    let errors = listings(&aws).await;
    for error in &errors {
        assert_eq!(error.kind, CloudErrorKind::Other, "{error}");
        let asked = log.calls().iter().filter(|c| **c == error.call).count();
        assert_eq!((asked, error.message.clone()), ends(error.call), "{error}");
    }
    let mut calls: Vec<_> = errors.iter().map(|e| e.call).collect();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "ec2:DescribeCapacityReservations",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeInstanceTypes",
            "elasticfilesystem:DescribeMountTargets",
            "ssm:DescribeInstanceInformation",
            "ssm:GetParametersByPath",
        ]
    );
}

const REPEATED: &str = "expected a further page, found one that was named before";

#[tokio::test]
async fn a_page_that_names_itself_is_not_taken_for_the_last() {
    each_ends(|_| "a".into(), |_| (2, REPEATED.into())).await;
}

#[tokio::test]
async fn pages_that_name_each_other_are_not_read_for_ever() {
    let other = |asked: &str| if asked == "a" { "b" } else { "a" }.to_owned();
    each_ends(other, |_| (3, REPEATED.into())).await;
}

#[tokio::test]
async fn a_listing_without_an_end_is_given_up() {
    let one_more = |asked: &str| format!("{:04}", asked.parse::<u32>().unwrap_or(0) + 1);
    let ends = |call: &str| {
        let most = if call == "ssm:GetParametersByPath" {
            1000
        } else {
            100
        };
        (most, format!("expected at most {most} pages, found more"))
    };
    each_ends(one_more, ends).await;
}
