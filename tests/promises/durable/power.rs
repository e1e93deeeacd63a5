//! The power goes at each touch of the disk, and comes back with each disk that is possible then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use geusemaker::journal::{Entry, Line};
use geusemaker::model::DeploymentName;
use geusemaker::orchestrator::World;
use geusemaker::plan::Action;
use geusemaker::state::disk::Touch;
use geusemaker::state::{Holder, Lock, StateDir};

use super::disk::{Disk, Tree, write};
use super::{
    Ends, Record, WORKS, Work, at_that_moment, doing, everything, is_journal, name, ready,
    recorded, resumed,
};
use crate::saga::{Rig, block_on};

/// How many lines of the journal must be there before each touch, and at the end: those that were written before anything
/// else happened in the world. None of them is told to anybody else before it is synced.
fn owed(record: &Record) -> Vec<usize> {
    let (mut lines, mut owed) = (0, vec![0]);
    for (touch, worlds) in record.touches.iter().zip(record.worlds.windows(2)) {
        match touch {
            // It has its first line when it gets its name.
            Touch::Rename { to, .. } if is_journal(to) => lines += 1,
            Touch::Write { file, .. } if is_journal(file) => lines += 1,
            _ => {}
        }
        let before = owed.last().copied().unwrap_or_default();
        owed.push(if worlds[0].0 == worlds[1].0 {
            before
        } else {
            lines
        });
    }
    owed
}

/// What a machine finds that comes up with this disk: how many lines of that journal.
fn found(name: &DeploymentName, tree: &Tree, whole: &[Line], owed: usize, what: &str) -> usize {
    let root = tempfile::tempdir().expect("a folder");
    write(tree, root.path());
    let (state, _) = StateDir::open(root.path()).expect(what);
    state.load(name).expect(what);
    let operations = state.operations(name).expect(what);
    assert!(
        operations.damaged.is_empty(),
        "{what}: {:?}",
        operations.damaged
    );
    let id = |lines: &[Line]| match &lines[0].entry {
        Entry::Opened { operation, .. } => operation.clone(),
        other => panic!("{other:?}"),
    };
    let ours = operations.items.iter().find(|o| o.id == id(whole));
    let lines = ours.map_or(&[][..], |o| &o.lines);
    assert_eq!(lines, &whole[..lines.len()], "{what}: it is the same story");
    assert!(
        lines.len() >= owed,
        "{what}: {} lines are there, {owed} were acted on",
        lines.len()
    );
    if let Some(Entry::Opened { plan, fence, .. }) = lines.first().map(|l| &l.entry) {
        let wrote = |l: &Line| match &l.entry {
            Entry::Done { step, .. } => match &plan.steps[*step].action {
                Action::WriteSnapshot { snapshot, .. } => Some(snapshot.clone()),
                _ => None,
            },
            _ => None,
        };
        let closed = lines
            .iter()
            .any(|l| matches!(l.entry, Entry::Closed { .. }));
        if let Some(snapshot) = lines.iter().find_map(wrote).filter(|_| !closed) {
            state.snapshots(name).load(&snapshot).expect(what);
        }
        let lock = Lock::acquire(&state, name, &holder()).expect(what);
        assert!(lock.fence > *fence, "{what}: {} was given", lock.fence);
    }
    let snapshots = state.snapshots(name).list().expect(what);
    assert!(
        snapshots.damaged.is_empty(),
        "{what}: {:?}",
        snapshots.damaged
    );
    lines.len()
}

fn holder() -> Holder {
    Holder {
        user: "ann".into(),
        host: "laptop".into(),
        pid: 7,
        operation: None,
        reason: "look".into(),
        since: "2026-11-20T10:00:00Z".parse().expect("a time"),
    }
}

/// The journal as it is now, the newest.
fn whole(world: &World, rig: &Rig) -> Vec<Line> {
    let (state, _) = StateDir::open(&world.state_dir).expect("a folder");
    let all = state.operations(&name(rig)).expect("a folder");
    all.items
        .first()
        .map(|o| o.lines.clone())
        .unwrap_or_default()
}

#[test]
fn with_the_power_lost_at_each_touch_every_possible_disk_is_gone_on_from() {
    let (mut disks, mut resumes) = (0, 0);
    for work in WORKS {
        block_on(async {
            let ends = Ends::of(work).await;
            let (rig, world) = ready(work).await;
            let mut disk = Disk::of(&world.state_dir);
            let (_, record) = recorded(&rig, doing(&rig, &world, work)).await;
            let lines = whole(&world, &rig);
            assert!(record.touches.len() > 60, "{work:?}: {:?}", record.touches);
            let mut trees = BTreeSet::new();
            let (mut seen, owed) = (BTreeSet::new(), owed(&record));
            for at in 0..=record.touches.len() {
                let what = format!(
                    "{work:?}, before touch {at}: {:?}",
                    short(record.touches.get(at))
                );
                let owed = owed[at];
                for tree in disk.after_power_loss() {
                    disks += 1;
                    // The same disk again, and no more is owed.
                    if !trees.insert((tree.clone(), owed)) {
                        continue;
                    }
                    let there = found(&name(&rig), &tree, &lines, owed, &what);
                    // Each number of lines is taken up once, and a spread of them is enough for each change.
                    let first = seen.insert((there, owed)) && seen.len() % 4 == 1;
                    if !first && !everything() {
                        continue;
                    }
                    let (rig, laptop) = at_that_moment(&record.worlds[at]);
                    write(&tree, &laptop.state_dir);
                    let ended = resumed(&rig, &laptop).await;
                    ends.allow(ended.outcome, &rig.stack(), &what);
                    resumes += 1;
                }
                if let Some(touch) = record.touches.get(at) {
                    disk.touch(touch);
                }
            }
            let now = disk.seen();
            let journal = |tree: &Tree| {
                tree.iter()
                    .find(|(p, _)| is_journal(p))
                    .map(|(_, t)| t.clone())
            };
            assert_eq!(
                journal(&now),
                journal(&Disk::of(&world.state_dir).seen()),
                "the model is true"
            );
        });
    }
    println!("power: {disks} disks, {resumes} resumed");
    assert!(disks > 500, "only {disks} disks");
}

#[test]
fn killed_first_and_without_power_later_nothing_is_forgotten() {
    // A process that is killed has synced nothing of what it had begun; the next one finds it there all the same.
    let every = if everything() { 1 } else { 21 };
    let (mut kills, mut disks) = (0, 0);
    for work in [Work::Update, Work::Undone] {
        block_on(async {
            let (rig, world) = ready(work).await;
            let first = Disk::of(&world.state_dir);
            let (_, record) = recorded(&rig, doing(&rig, &world, work)).await;
            let mut dirty = Vec::new();
            let mut disk = first;
            for (at, touch) in record.touches.iter().enumerate() {
                disk.touch(touch);
                // Where all is synced a kill leaves what a loss of power leaves.
                dirty.extend(disk.is_dirty().then(|| (at + 1, disk.clone())));
            }
            for (killed, disk) in dirty.into_iter().step_by(every) {
                let (rig, laptop) = at_that_moment(&record.worlds[killed]);
                write(&disk.seen(), &laptop.state_dir);
                let before = whole(&laptop, &rig).len();
                let mut seen = BTreeMap::new();
                let disk = &mut disk.moved(&laptop.state_dir);
                let (_, again) = recorded(&rig, resumed(&rig, &laptop)).await;
                let lines = whole(&laptop, &rig);
                kills += 1;
                if lines.is_empty() {
                    continue;
                }
                let owed = owed(&again);
                for at in 0..=again.touches.len() {
                    let what = format!(
                        "{work:?}, killed before touch {killed}: {:?}; then before touch {at}: {:?}",
                        short(record.touches.get(killed)),
                        short(again.touches.get(at))
                    );
                    // Its first line says that it was taken up; from there on all before is owed.
                    let owed = match owed[at] {
                        0 => 0,
                        more => before + more,
                    };
                    for tree in disk.after_power_loss() {
                        // The same again, and no more is owed.
                        match seen.get_mut(&tree) {
                            Some(before) if *before >= owed => continue,
                            _ => seen.insert(tree.clone(), owed),
                        };
                        disks += 1;
                        found(&name(&rig), &tree, &lines, owed, &what);
                    }
                    if let Some(touch) = again.touches.get(at) {
                        disk.touch(touch);
                    }
                }
            }
        });
    }
    println!("killed, then power: {kills} kills, {disks} disks");
    assert!(
        kills > 4 && disks > 300,
        "only {kills} kills, {disks} disks"
    );
}

/// Without its bytes.
fn short(touch: Option<&Touch>) -> String {
    let name = |p: &Path| {
        p.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    match touch {
        None => "the end".into(),
        Some(Touch::Write { file, at, bytes }) => {
            format!("write {} bytes at {at} of {}", bytes.len(), name(file))
        }
        Some(other) => format!("{other:?}"),
    }
}

/// Before which touch a loss of power takes something, where these syncs are left out.
fn taken(
    name: &DeploymentName,
    disk: &Disk,
    record: &Record,
    lines: &[Line],
    left_out: &dyn Fn(&Touch) -> bool,
) -> Option<usize> {
    let (mut disk, mut trees, owed) = (disk.clone(), BTreeSet::new(), owed(record));
    for (at, owed) in owed.into_iter().enumerate() {
        for tree in disk.after_power_loss() {
            if trees.insert((tree.clone(), owed)) {
                let look = || found(name, &tree, lines, owed, "seeded");
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).is_err() {
                    return Some(at);
                }
            }
        }
        if let Some(touch) = record.touches.get(at).filter(|t| !left_out(t)) {
            disk.touch(touch);
        }
    }
    None
}

#[test]
fn each_sync_that_is_left_out_is_found_out() {
    // The proof proved: a journal that is not synced, a text that is not synced before it has its name, names that are not.
    let synced =
        |touch: &Touch, is: &dyn Fn(&Path) -> bool| matches!(touch, Touch::Sync(p) if is(p));
    let named = |touch: &Touch, folder: &str| match touch {
        Touch::SyncFolder(path) => path.ends_with(folder),
        _ => false,
    };
    block_on(async {
        let (rig, world) = ready(Work::Update).await;
        let disk = Disk::of(&world.state_dir);
        let (_, record) = recorded(&rig, doing(&rig, &world, Work::Update)).await;
        let lines = whole(&world, &rig);
        let Entry::Opened { operation, .. } = &lines[0].entry else {
            panic!("no plan")
        };
        let operation = format!("operations/{operation}");
        let hidden = |p: &Path| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with(".new-"))
        };
        type Left<'a> = &'a dyn Fn(&Touch) -> bool;
        let seeds: [(&str, Left); 5] = [
            ("the journal's lines", &|t| synced(t, &is_journal)),
            ("texts before their names", &|t| synced(t, &hidden)),
            ("the journal's name", &|t| named(t, &operation)),
            ("the operation's name", &|t| named(t, "operations")),
            ("the snapshot's name", &|t| named(t, "snapshots")),
        ];
        for (what, left_out) in seeds {
            let at = taken(&name(&rig), &disk, &record, &lines, left_out);
            println!("without a sync of {what}: found out before touch {at:?}");
            assert!(at.is_some(), "{what}");
        }
    });
}
