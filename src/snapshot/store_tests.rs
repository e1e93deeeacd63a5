use super::*;
use crate::model::DeploymentName;
use crate::state::StateDir;

fn store() -> (tempfile::TempDir, SnapshotStore) {
    let root = tempfile::tempdir().unwrap();
    let (state, _) = StateDir::open(root.path().join("s")).unwrap();
    let store = state.snapshots(&DeploymentName::new("web").unwrap());
    (root, store)
}

fn snapshot(number: u32, healthy: bool) -> Snapshot {
    serde_yaml::from_str(&format!(
        "schema: geusemaker.snapshot/1\nid: s-{number}\ndeployment: web\n\
         taken_at: 2026-11-20T10:{number:02}:00Z\nhealthy: {healthy}\ninstance_id: i-0123456789abcdef0\n\
         instance_type: t3.medium\nstate: running\nzone: us-east-1a\naccount: '1'\nregion: us-east-1\n\
         file_system_id: null\nmount_point: null\ncompose:\n  project: p\n  file: /c.yml\n  env_files: []\n  \
         sha256: null\nservices: {{}}\nboot_id: null\nadded_later: [1, 2]\n"
    ))
    .unwrap()
}

fn ids(snapshots: &[Snapshot]) -> Vec<&str> {
    snapshots.iter().map(|s| s.id.as_str()).collect()
}

#[test]
fn what_is_written_is_read_again_newest_first_and_never_edited() {
    let (_root, store) = store();
    assert!(store.list().unwrap().items.is_empty());
    // The tenth sorts before the ninth by name, and after it by time.
    for n in [9, 10, 2] {
        store.write(&snapshot(n, true)).unwrap();
    }
    assert_eq!(ids(&store.list().unwrap().items), ["s-10", "s-9", "s-2"]);
    let two = SnapshotId::new("s-2").unwrap();
    assert_eq!(store.load(&two).unwrap(), snapshot(2, true));
    assert_eq!(store.load(&two).unwrap().unknown.len(), 1);
    let error = store.write(&snapshot(2, false)).unwrap_err();
    assert!(matches!(error, StateError::Exists { .. }), "{error}");
    assert!(store.load(&two).unwrap().healthy);
    store.remove(&two).unwrap();
    store.remove(&two).unwrap();
    assert_eq!(store.load(&two).unwrap_err().code(), "snapshot_not_found");
}

#[test]
fn a_damaged_snapshot_does_not_hide_the_others_and_is_never_pruned() {
    let (_root, store) = store();
    for n in 0..12 {
        store.write(&snapshot(n, true)).unwrap();
    }
    let bad = store.file(&SnapshotId::new("s-0").unwrap());
    fs_err::write(&bad, "schema: geusemaker.snapshot/2\n").unwrap();
    fs_err::rename(
        store.file(&SnapshotId::new("s-1").unwrap()),
        store.file(&SnapshotId::new("moved").unwrap()),
    )
    .unwrap();
    let list = store.list().unwrap();
    assert_eq!(list.items.len(), 10);
    let mut codes: Vec<_> = list.damaged.iter().map(StateError::code).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["state_damaged", "state_newer"]);
    store.write(&snapshot(12, true)).unwrap();
    let removed = store
        .prune(&store.list().unwrap().items, &BTreeSet::new())
        .unwrap();
    assert_eq!(removed, [SnapshotId::new("s-2").unwrap()]);
    assert!(bad.exists());
}

#[test]
fn pruning_keeps_ten_healthy_ones_through_any_number_of_bad_ones() {
    let (_root, store) = store();
    for n in 0..12 {
        store.write(&snapshot(n, true)).unwrap();
    }
    for n in 20..35 {
        store.write(&snapshot(n, false)).unwrap();
    }
    let keep = BTreeSet::from([SnapshotId::new("s-0").unwrap()]);
    let prune = || store.prune(&store.list().unwrap().items, &keep).unwrap();
    prune();
    let left = store.list().unwrap().items;
    let healthy: Vec<_> = left.iter().filter(|s| s.healthy).cloned().collect();
    assert_eq!(
        ids(&healthy),
        [
            "s-11", "s-10", "s-9", "s-8", "s-7", "s-6", "s-5", "s-4", "s-3", "s-2", "s-0"
        ]
    );
    assert_eq!(left.len(), 21);
    assert_eq!(left[0].id.as_str(), "s-34");
    assert!(prune().is_empty());
}
