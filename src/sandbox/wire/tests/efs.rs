use super::*;
use crate::sandbox::world::SEED_FILE_SYSTEM;

#[tokio::test]
async fn file_systems_and_mount_targets() {
    let kit = Kit::new();
    let efs = kit.efs();
    let all = efs.describe_file_systems().send().await.unwrap();
    let one = &all.file_systems()[0];
    assert_eq!(one.file_system_id(), SEED_FILE_SYSTEM);
    assert_eq!(one.life_cycle_state().as_str(), "available");
    assert_eq!(one.number_of_mount_targets(), 6);
    assert_eq!(one.name(), Some("my-dev-stack"));
    let by_id = efs.describe_file_systems().file_system_id(SEED_FILE_SYSTEM);
    assert_eq!(by_id.send().await.unwrap().file_systems().len(), 1);
    let targets = efs
        .describe_mount_targets()
        .file_system_id(SEED_FILE_SYSTEM);
    let targets = targets.send().await.unwrap();
    let here = targets
        .mount_targets()
        .iter()
        .find(|t| t.availability_zone_name() == Some("us-east-1a"))
        .unwrap();
    assert_eq!(here.life_cycle_state().as_str(), "available");
    let id = here.mount_target_id();
    let same = efs
        .describe_mount_targets()
        .mount_target_id(id)
        .send()
        .await
        .unwrap();
    assert_eq!(same.mount_targets()[0].mount_target_id(), id);
    let groups = efs
        .describe_mount_target_security_groups()
        .mount_target_id(id);
    assert_eq!(groups.send().await.unwrap().security_groups().len(), 1);
    let policies = efs
        .describe_lifecycle_configuration()
        .file_system_id(SEED_FILE_SYSTEM);
    assert_eq!(policies.send().await.unwrap().lifecycle_policies().len(), 0);
    let points = efs.describe_access_points().send().await.unwrap();
    assert_eq!(points.access_points().len(), 0);
    let tags = efs.list_tags_for_resource().resource_id(SEED_FILE_SYSTEM);
    assert_eq!(tags.send().await.unwrap().tags()[0].key(), "Name");
}

#[tokio::test]
async fn what_is_not_there() {
    let kit = Kit::new();
    let efs = kit.efs();
    let nothing = efs
        .describe_file_systems()
        .file_system_id("fs-00000000")
        .send()
        .await;
    let error = nothing.unwrap_err().into_service_error();
    assert!(error.is_file_system_not_found(), "{error:?}");
    let bad = efs
        .describe_file_systems()
        .file_system_id("nope")
        .send()
        .await;
    assert!(bad.unwrap_err().into_service_error().is_bad_request());
    let targets = efs
        .describe_mount_targets()
        .file_system_id("fs-00000000")
        .send()
        .await;
    assert_eq!(code(targets), "FileSystemNotFound");
    assert_eq!(
        code(efs.describe_mount_targets().send().await),
        "BadRequest"
    );
    let target = efs
        .describe_mount_targets()
        .mount_target_id("fsmt-00000000")
        .send()
        .await;
    assert_eq!(code(target), "MountTargetNotFound");
    let policy = efs
        .describe_file_system_policy()
        .file_system_id(SEED_FILE_SYSTEM);
    assert_eq!(code(policy.send().await), "PolicyNotFound");
    let backup = efs
        .describe_backup_policy()
        .file_system_id(SEED_FILE_SYSTEM);
    assert_eq!(code(backup.send().await), "PolicyNotFound");
    let create = efs.create_file_system().creation_token("x").send().await;
    assert_eq!(code(create), "UnknownOperationException");
}

#[tokio::test]
async fn faults_strike_efs_too() {
    let kit = Kit::new();
    kit.fault("efs:DescribeMountTargets=AccessDeniedException", Some(1));
    let targets = || {
        kit.efs()
            .describe_mount_targets()
            .file_system_id(SEED_FILE_SYSTEM)
            .send()
    };
    assert_eq!(code(targets().await), "AccessDeniedException");
    targets().await.unwrap();
    // Also under the short name, should it stand in a file.
    let short = Fault {
        key: "efs:DescribeMountTargets".into(),
        instance_type: None,
        code: "ThrottlingException".into(),
        times: Some(1),
    };
    kit.with(|w| w.faults.0.push(short));
    assert_eq!(code(targets().await), "ThrottlingException");
}
