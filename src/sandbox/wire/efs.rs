//! EFS, REST with JSON: the call is the method and the path.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use super::{AwsError, World};
use crate::model::Timestamp;
use crate::sandbox::world::{FileSystem, MountTarget};

/// Every call that the sandbox serves.
pub(super) const ACTIONS: &[&str] = &[
    "DescribeAccessPoints",
    "DescribeBackupPolicy",
    "DescribeFileSystemPolicy",
    "DescribeFileSystems",
    "DescribeLifecycleConfiguration",
    "DescribeMountTargetSecurityGroups",
    "DescribeMountTargets",
    "ListTagsForResource",
];

/// What the query says.
struct Query(Vec<(String, String)>);

impl Query {
    fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        all.find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

pub(super) fn answer(world: &mut World, request: &Request<Bytes>) -> Result<String, AwsError> {
    let path = request.uri().path();
    let rest: Vec<&str> = path
        .trim_start_matches("/2015-02-01/")
        .trim_end_matches('/')
        .split('/')
        .collect();
    let query = request.uri().query().unwrap_or_default();
    let query = Query(
        form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
    );
    let unknown = || {
        Err(AwsError::new(
            "UnknownOperationException",
            format!("The sandbox does not serve {} {path}.", request.method()),
        ))
    };
    if request.method() != Method::GET {
        return unknown();
    }
    let action = match rest[..] {
        ["file-systems"] => "DescribeFileSystems",
        ["mount-targets"] => "DescribeMountTargets",
        ["access-points"] => "DescribeAccessPoints",
        ["mount-targets", _, "security-groups"] => "DescribeMountTargetSecurityGroups",
        ["file-systems", _, "lifecycle-configuration"] => "DescribeLifecycleConfiguration",
        ["file-systems", _, "policy"] => "DescribeFileSystemPolicy",
        ["file-systems", _, "backup-policy"] => "DescribeBackupPolicy",
        ["resource-tags", _] => "ListTagsForResource",
        _ => return unknown(),
    };
    world.gate(&format!("elasticfilesystem:{action}"), &[], false)?;
    let id = rest.get(1).copied().unwrap_or_default();
    let body = match action {
        "DescribeFileSystems" => file_systems(world, &query)?,
        "DescribeMountTargets" => mount_targets(world, &query)?,
        "DescribeAccessPoints" => json!({ "AccessPoints": [] }),
        "DescribeMountTargetSecurityGroups" => {
            world.mount_target(id)?;
            json!({ "SecurityGroups": ["sg-0d1f4e6a2b7c93850"] })
        }
        "DescribeLifecycleConfiguration" => {
            world.file_system(id)?;
            json!({ "LifecyclePolicies": [] })
        }
        "ListTagsForResource" => json!({ "Tags": tags(world.file_system(id)?) }),
        _ => {
            world.file_system(id)?;
            return Err(AwsError::new(
                "PolicyNotFound",
                format!("There is no such policy on {id}."),
            ));
        }
    };
    Ok(body.to_string())
}

fn file_systems(world: &World, query: &Query) -> Result<Value, AwsError> {
    let found: Vec<&FileSystem> = match (query.get("FileSystemId"), query.get("CreationToken")) {
        (Some(_), Some(_)) => {
            return Err(bad("either FileSystemId or CreationToken, not both"));
        }
        (Some(id), None) => vec![world.file_system(id)?],
        (None, Some(token)) => world
            .file_systems
            .values()
            .filter(|fs| fs.name == token)
            .collect(),
        (None, None) => world.file_systems.values().collect(),
    };
    let all: Vec<Value> = found.into_iter().map(|fs| file_system(world, fs)).collect();
    Ok(json!({ "FileSystems": all }))
}

fn mount_targets(world: &World, query: &Query) -> Result<Value, AwsError> {
    let show = |fs: &FileSystem, t: &MountTarget| mount_target(world, fs, t);
    let all: Vec<Value> = match (query.get("FileSystemId"), query.get("MountTargetId")) {
        (Some(id), None) => {
            let fs = world.file_system(id)?;
            fs.mount_targets.iter().map(|t| show(fs, t)).collect()
        }
        (None, Some(id)) => {
            let (fs, target) = world.mount_target(id)?;
            vec![show(fs, target)]
        }
        _ => return Err(bad("exactly one of FileSystemId and MountTargetId")),
    };
    Ok(json!({ "MountTargets": all }))
}

fn bad(expected: &str) -> AwsError {
    AwsError::new("BadRequest", format!("The request must have {expected}."))
}

fn tags(fs: &FileSystem) -> Value {
    json!([{ "Key": "Name", "Value": fs.name }])
}

fn file_system(world: &World, fs: &FileSystem) -> Value {
    let (region, account) = (&world.region, &world.account);
    json!({
        "OwnerId": account,
        "CreationToken": fs.name,
        "FileSystemId": fs.id,
        "FileSystemArn": format!("arn:aws:elasticfilesystem:{region}:{account}:file-system/{}", fs.id),
        "CreationTime": seconds(fs.created_at),
        "LifeCycleState": fs.state,
        "Name": fs.name,
        "NumberOfMountTargets": fs.mount_targets.len(),
        "SizeInBytes": { "Value": fs.size_bytes, "Timestamp": seconds(fs.created_at) },
        "PerformanceMode": "generalPurpose",
        "Encrypted": true,
        "ThroughputMode": "bursting",
        "Tags": tags(fs),
        "FileSystemProtection": { "ReplicationOverwriteProtection": "ENABLED" },
    })
}

fn mount_target(world: &World, fs: &FileSystem, target: &MountTarget) -> Value {
    let at = world.zones.iter().position(|z| *z == target.zone);
    json!({
        "OwnerId": world.account,
        "MountTargetId": target.id,
        "FileSystemId": fs.id,
        "SubnetId": target.subnet_id,
        "LifeCycleState": target.state,
        "IpAddress": target.ip,
        "NetworkInterfaceId": target.id.replacen("fsmt-", "eni-", 1),
        "AvailabilityZoneId": at.map(|at| format!("use1-az{}", at + 1)),
        "AvailabilityZoneName": target.zone,
        "VpcId": "vpc-0d1f4e6a2b7c93850",
    })
}

fn seconds(at: Timestamp) -> i64 {
    at.as_second()
}
