use super::super::testing::{canned, efs_error};
use crate::cloud::CloudErrorKind;
use crate::model::{FileSystemFacts, FileSystemId, MountTargetFacts};

/// As EFS writes it (EFS API, `DescribeFileSystems`).
const FILE_SYSTEM: &str = r#"{"FileSystems":[{"OwnerId":"123456789012","CreationToken":"data",
    "FileSystemId":"fs-0123456789abcdef0","CreationTime":1761990000.0,"LifeCycleState":"available",
    "NumberOfMountTargets":2,"SizeInBytes":{"Value":6144,"ValueInIA":0,"ValueInStandard":6144},
    "PerformanceMode":"generalPurpose","Encrypted":true,"ThroughputMode":"elastic","Tags":[]}]}"#;

fn target(name: &str, zone: &str, state: &str) -> String {
    format!(
        r#"{{"OwnerId":"123456789012","MountTargetId":"{name}","FileSystemId":"fs-0123456789abcdef0",
        "SubnetId":"subnet-01","LifeCycleState":"{state}","IpAddress":"10.0.0.9","NetworkInterfaceId":"eni-09",
        "AvailabilityZoneId":"use1-az1","AvailabilityZoneName":"{zone}","VpcId":"vpc-01"}}"#
    )
}

fn id() -> FileSystemId {
    FileSystemId::new("fs-0123456789abcdef0").unwrap()
}

#[tokio::test]
async fn a_file_system_with_its_mount_targets_over_all_pages() {
    let (aws, log) = canned(|asked| {
        let body = if asked.call.ends_with("DescribeFileSystems") {
            FILE_SYSTEM.to_owned()
        } else if asked.uri.contains("Marker=page-2") {
            let last = target("fsmt-02", "us-east-1b", "creating");
            format!(r#"{{"Marker":"page-2","MountTargets":[{last}]}}"#)
        } else {
            let first = target("fsmt-01", "us-east-1a", "available");
            format!(r#"{{"MountTargets":[{first}],"NextMarker":"page-2"}}"#)
        };
        Ok((200, body))
    });
    let at = |id: &str, zone: &str, state: &str| MountTargetFacts {
        id: id.into(),
        zone: zone.into(),
        state: state.into(),
    };
    let expected = FileSystemFacts {
        id: id(),
        state: "available".into(),
        mount_targets: vec![
            at("fsmt-01", "us-east-1a", "available"),
            at("fsmt-02", "us-east-1b", "creating"),
        ],
    };
    assert_eq!(aws.efs.file_system(&id()).await, Ok(Some(expected)));
    assert_eq!(log.calls().len(), 3);
    assert!(
        log.all()
            .iter()
            .all(|a| a.uri.contains("FileSystemId=fs-0123456789abcdef0"))
    );
}

#[tokio::test]
async fn an_unknown_file_system_is_none_and_a_denied_look_is_an_error() {
    let (aws, log) = canned(|_| efs_error(404, "FileSystemNotFound", "does not exist"));
    assert_eq!(aws.efs.file_system(&id()).await, Ok(None));
    assert_eq!(log.calls(), ["elasticfilesystem:DescribeFileSystems"]);
    // Deleted between the two looks.
    let (aws, _) = canned(|asked| match asked.call.ends_with("DescribeFileSystems") {
        true => Ok((200, FILE_SYSTEM.to_owned())),
        false => efs_error(404, "FileSystemNotFound", "does not exist"),
    });
    assert_eq!(aws.efs.file_system(&id()).await, Ok(None));
    let (aws, _) = canned(|_| efs_error(403, "AccessDeniedException", "not authorized"));
    let e = aws.efs.file_system(&id()).await.unwrap_err();
    assert_eq!(e.call, "elasticfilesystem:DescribeFileSystems");
    assert_eq!(
        (e.kind, e.message.as_str()),
        (CloudErrorKind::Denied, "not authorized")
    );
    assert_eq!(e.request_id.as_deref(), Some("req-0001"));
}
