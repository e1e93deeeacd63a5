use super::*;
use crate::model::BindFacts;
use crate::plan::fixtures::container;

fn file(name: &str, size: u64, sum: &str) -> FileSeen {
    FileSeen {
        name: name.into(),
        size,
        sha256: Some(sum.to_owned()).filter(|s| !s.is_empty()),
    }
}

fn there(apart: bool, count: u32, files: &[(&str, u64, &str)]) -> FolderSeen {
    FolderSeen::Seen {
        apart,
        count,
        files: files.iter().map(|(n, s, sum)| file(n, *s, sum)).collect(),
    }
}

fn before(folders: &[(&str, FolderSeen)]) -> DataSample {
    let (_, mut sample) = sample_request(&[], "/mnt/efs", 3);
    sample.folders = folders
        .iter()
        .map(|(name, seen)| FolderSample {
            folder: format!("/mnt/efs/{name}"),
            services: [ServiceName::new(*name).unwrap()].into(),
            seen: seen.clone(),
        })
        .collect();
    sample
}

fn unseen(why: &str) -> FolderSeen {
    FolderSeen::NotSeen { why: why.into() }
}

#[test]
fn each_folder_is_asked_once_for_all_the_services_that_bind_it() {
    let mut all = vec![
        container("n8n", "n:1", Some(("n8n", "/d")), &[], false),
        container("worker", "n:1", Some(("n8n/", "/d")), &[], false),
        container("db", "d:1", Some(("pg", "/d")), &[], false),
        container("cache", "c:1", None, &[], false),
    ];
    all[3].binds = vec![BindFacts {
        source: "/mnt/efs2/cache".into(),
        destination: "/d".into(),
    }];
    let mut once = container("once", "o:1", Some(("once", "/d")), &[], false);
    once.one_off = true;
    all.push(once);
    let (ask, sample) = sample_request(&all, "/mnt/efs", 3);
    let asked: Vec<_> = ask
        .folders
        .iter()
        .map(|f| (f.path.as_str(), f.most))
        .collect();
    assert_eq!(asked, [("/mnt/efs/n8n", 8), ("/mnt/efs/pg", 8)]);
    let services: Vec<&str> = sample.folders[0]
        .services
        .iter()
        .map(ServiceName::as_str)
        .collect();
    assert_eq!(services, ["n8n", "worker"]);

    let many: Vec<_> = (0..30)
        .map(|n| {
            container(
                &format!("s{n:02}"),
                "s:1",
                Some((&format!("f{n:02}"), "/d")),
                &[],
                false,
            )
        })
        .collect();
    let (ask, sample) = sample_request(&many, "/mnt/efs", 3);
    assert_eq!((ask.folders.len(), ask.folders[0].most), (24, 2));
    assert_eq!(
        (sample.left_out.len(), sample.left_out[0].as_str()),
        (6, "/mnt/efs/f24")
    );
}

#[test]
fn the_same_files_are_asked_for_again_and_only_of_what_was_seen() {
    let sample = before(&[
        ("a", unseen("x")),
        ("b", there(false, 9, &[("f", 1, "s"), ("g", 1, "s")])),
        ("c", FolderSeen::Gone),
        ("d", there(false, 0, &[])),
    ]);
    let ask = sample_again(&sample, "/mnt/efs", 3);
    let asked: Vec<_> = ask
        .folders
        .iter()
        .map(|f| (f.path.as_str(), f.most, f.files.len()))
        .collect();
    assert_eq!(asked, [("/mnt/efs/b", 0, 2)]);
}

#[test]
fn a_changed_file_is_told_and_a_folder_without_its_files_is_lost() {
    let two = there(false, 2, &[("f", 1, "s"), ("g", 2, "t")]);
    let lost =
        |what: &str| format!("the data of n8n at /mnt/efs/n8n {what}; there were files before");
    let remark = |what: &str| format!("the data of n8n at /mnt/efs/n8n{what}");
    use DataState::{Changed, Lost, NotCompared, Same};
    // Before, after, the state, what is lost, what is remarked, (files, same, changed, gone).
    type Row = (
        FolderSeen,
        Option<FolderSeen>,
        DataState,
        Option<String>,
        Option<String>,
        [usize; 4],
    );
    let table: Vec<Row> = vec![
        (
            two.clone(),
            Some(two.clone()),
            Same,
            None,
            None,
            [2, 2, 0, 0],
        ),
        (
            two.clone(),
            Some(there(false, 9, &[("f", 1, "s"), ("g", 2, "u")])),
            Changed,
            None,
            None,
            [2, 1, 1, 0],
        ),
        (
            two.clone(),
            Some(there(false, 9, &[("f", 1, "s"), ("g", 3, "t")])),
            Changed,
            None,
            None,
            [2, 1, 1, 0],
        ),
        (
            two.clone(),
            Some(there(false, 1, &[("g", 2, "t")])),
            Changed,
            None,
            None,
            [2, 1, 0, 1],
        ),
        // Everything was rewritten under its name: a new version may do that.
        (
            two.clone(),
            Some(there(false, 2, &[("f", 5, "x"), ("g", 5, "y")])),
            Changed,
            None,
            None,
            [2, 0, 2, 0],
        ),
        // Others stand there in their place.
        (
            two.clone(),
            Some(there(false, 3, &[])),
            Changed,
            None,
            Some(remark(
                ": none of the 2 files that were looked at before is there any more",
            )),
            [2, 0, 0, 2],
        ),
        (
            two.clone(),
            Some(there(false, 0, &[])),
            Lost,
            Some(lost("is empty now")),
            None,
            [0; 4],
        ),
        (
            two.clone(),
            Some(FolderSeen::Gone),
            Lost,
            Some(lost("is gone")),
            None,
            [0; 4],
        ),
        (
            two.clone(),
            Some(there(true, 2, &[("f", 1, "s")])),
            Lost,
            Some(lost("is on another file system now")),
            None,
            [0; 4],
        ),
        // What was mounted over the folder is not any more.
        (
            there(true, 1, &[("f", 1, "s")]),
            Some(there(false, 1, &[("f", 1, "s")])),
            Lost,
            Some(lost("is on another file system now")),
            None,
            [0; 4],
        ),
        (
            there(true, 1, &[("f", 1, "s")]),
            Some(there(true, 1, &[("f", 1, "s")])),
            Same,
            None,
            None,
            [1, 1, 0, 0],
        ),
        (
            two.clone(),
            Some(unseen("no answer")),
            NotCompared,
            None,
            Some(remark(" was not compared: no answer")),
            [0; 4],
        ),
        (
            two.clone(),
            None,
            NotCompared,
            None,
            Some(remark(" was not compared: it was not looked at")),
            [0; 4],
        ),
        // Files that cannot be read are none that can be compared.
        (
            there(false, 2, &[("f", 1, ""), ("g", 2, "t")]),
            Some(there(false, 2, &[("f", 9, ""), ("g", 2, "t")])),
            Same,
            None,
            None,
            [1, 1, 0, 0],
        ),
        (
            there(false, 1, &[("f", 1, "")]),
            Some(there(false, 1, &[("f", 1, "")])),
            NotCompared,
            None,
            None,
            [0; 4],
        ),
        // It held more than was chosen, and none that could be named.
        (
            there(false, 7, &[]),
            Some(there(false, 0, &[])),
            Lost,
            Some(lost("is empty now")),
            None,
            [0; 4],
        ),
        // Nothing to lose.
        (
            there(false, 0, &[]),
            Some(there(false, 0, &[])),
            NotCompared,
            None,
            None,
            [0; 4],
        ),
        (
            there(false, 0, &[]),
            Some(FolderSeen::Gone),
            NotCompared,
            None,
            None,
            [0; 4],
        ),
        (FolderSeen::Gone, None, NotCompared, None, None, [0; 4]),
        (unseen("no answer"), None, NotCompared, None, None, [0; 4]),
    ];
    for (was, is, state, is_lost, is_remarked, counts) in table {
        let what = format!("{was:?} -> {is:?}");
        let is: Vec<FolderSeen> = is.into_iter().collect();
        let compared = compare(&before(&[("n8n", was)]), &is);
        assert_eq!(compared.state, state, "{what}");
        let one = &compared.folders[0];
        assert_eq!(
            [one.files, one.same, one.changed.len(), one.gone.len()],
            counts,
            "{what}"
        );
        assert_eq!(super::lost(&compared), Vec::from_iter(is_lost), "{what}");
        assert_eq!(remarks(&compared), Vec::from_iter(is_remarked), "{what}");
        assert_eq!(compared.why.is_some(), state == NotCompared, "{what}");
    }
}

#[test]
fn the_worst_folder_names_the_whole_and_each_keeps_its_own_answer() {
    let one = there(false, 1, &[("f", 1, "s")]);
    let sample = before(&[
        ("a", one.clone()),
        ("b", there(false, 0, &[])),
        ("c", one.clone()),
        ("d", one.clone()),
    ]);
    let after = [
        one.clone(),
        there(false, 0, &[]),
        there(false, 1, &[("f", 1, "x")]),
    ];
    let compared = compare(&sample, &after);
    let states: Vec<_> = compared.folders.iter().map(|f| f.state).collect();
    use DataState::{Changed, Lost, NotCompared, Same};
    assert_eq!(states, [Same, NotCompared, Lost, Changed]);
    assert_eq!((compared.state, compared.why), (Lost, None));

    let none = compare(&before(&[]), &[]);
    assert_eq!(none.state, NotCompared);
    assert!(none.why.is_some());
    let mut not_taken = before(&[("a", one)]);
    not_taken.not_taken = Some("no find".into());
    assert_eq!(compare(&not_taken, &[]).why.as_deref(), Some("no find"));
}
